"""Reading the settings and the secrets.

1. The settings file is the one named on the command line, else by ``RRSYNC_CONFIG``, else ``./rrsync.toml``.
2. The environment overrides any key: ``RRSYNC_REGISTRY__ENDPOINT=…``. Relative paths are relative to the file.
3. An unknown key or an invalid value is a ``ConfigError`` of one sentence that does not contain the value.
4. A secret is no setting: it comes from its own file, else a systemd credential, else an environment variable.
"""

from __future__ import annotations

import os
import re
import tomllib
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Final, TypeVar

from pydantic import BaseModel, ValidationError
from pydantic_settings.exceptions import SettingsError

from rrsync.config.settings import (
    CERTIFICATE_FILES,
    ENV_PREFIX,
    KeySettings,
    LibrarySettings,
    LogSettings,
    Settings,
    StoreSettings,
    WebSettings,
)
from rrsync.errors import ConfigError

FILE_NAME: Final = "rrsync.toml"
_SQLITE: Final = re.compile(r"(sqlite(?:\+\w+)?:///)(.+)")

AnyTable = TypeVar("AnyTable", bound=BaseModel)


@dataclass(frozen=True, slots=True)
class Secret:
    """A secret: its description, the name of its systemd credential and of its environment variable."""

    what: str
    credential: str
    variable: str


KEYS: Final = Secret("key", "rrsync.keys", "RRSYNC_KEYRING")
SIGNING: Final = Secret("signing key", "rrsync.signing", "RRSYNC_SIGNING")
SMTP: Final = Secret("mail password", "rrsync.smtp", "RRSYNC_SMTP_PASSWORD")
OIDC: Final = Secret("secret of the identity provider", "rrsync.oidc", "RRSYNC_OIDC_SECRET")
PASSPHRASE: Final = Secret("certificate passphrase", "rrsync.certificate", "RRSYNC_CERTIFICATE_PASSPHRASE")


def named_file(named: Path | None) -> Path:
    """Return the path of the settings file, which may not exist."""
    return named or Path(os.environ.get("RRSYNC_CONFIG") or FILE_NAME)


def settings_template() -> str:
    """Return the settings file that ``rrsync init`` writes."""
    return (files("rrsync.config") / "template.toml").read_text(encoding="utf-8")


def load(named: Path | None = None) -> Settings:
    """Read the settings.

    Raises:
        ConfigError: the file is missing or invalid.
    """
    path = named_file(named)
    try:
        if not path.is_file():
            raise ConfigError(
                f"There is no settings file {path}",
                todo="Name the right one with --config, or run `rrsync init` to create one here",
            )
        content = tomllib.loads(path.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path.name} is not valid TOML: {error}", todo="Correct that line") from error
    except OSError as error:
        raise ConfigError(
            f"The settings file cannot be read: {error.strerror}", todo="Check its permissions"
        ) from error
    _refuse_unknown_tables()
    try:
        settings = Settings(**content)
    except ValidationError as error:
        raise ConfigError(_sentence(path, error), todo="Correct the settings") from error
    except SettingsError as error:
        raise ConfigError(f"A setting in the environment is wrong: {error}", todo="Correct the variable") from error
    return _with_absolute_paths(settings, path.resolve().parent)


def _refuse_unknown_tables() -> None:
    """Refuse an unknown table in the environment; variables without ``__``, such as Kubernetes' own, are ignored."""
    for name in sorted(os.environ):
        table, deeper, _ = name.upper().removeprefix(ENV_PREFIX).partition("__")
        if deeper and name.upper().startswith(ENV_PREFIX) and table.lower() not in Settings.model_fields:
            raise ConfigError(f"The environment has an unknown key: {name}", todo="Correct its name")


def _sentence(path: Path, error: ValidationError) -> str:
    first = error.errors(include_input=False, include_url=False)[0]
    where = ".".join(str(part) for part in first["loc"])
    if first["type"] == "extra_forbidden":
        return f"{path.name} or the environment has an unknown key: {where}"
    why = str(first["msg"]).removeprefix("Value error, ")
    return f"{path.name} or the environment has a wrong value for {where}: {why}" if where else f"{path.name}: {why}"


def _with_absolute_paths(settings: Settings, folder: Path) -> Settings:
    """Return the settings with absolute paths; relative paths are relative to the settings file."""
    if match := _SQLITE.fullmatch(settings.store.url):
        store = StoreSettings(url=f"{match[1]}{folder / match[2]}")
        settings = settings.model_copy(update={"store": store})
    return settings.model_copy(
        update={
            "keys": KeySettings(file=folder / settings.keys.file),
            "registry": _absolute(settings.registry, folder, *CERTIFICATE_FILES),
            "log": _absolute_log(settings.log, folder),
            "web": _absolute_web(settings.web, folder),
            "library": [_absolute_library(library, folder) for library in settings.library],
        }
    )


def _absolute(table: AnyTable, folder: Path, *names: str) -> AnyTable:
    """Return a table with these paths made absolute."""
    found = {name: folder / value for name in names if (value := getattr(table, name)) is not None}
    return table.model_copy(update=found)


def _absolute_log(log: LogSettings, folder: Path) -> LogSettings:
    anchors = [_absolute(each, folder, "path" if each.kind == "file" else "ca") for each in log.anchor]
    return _absolute(log, folder, "signing_key", "signed").model_copy(update={"anchor": anchors})


def _absolute_web(web: WebSettings, folder: Path) -> WebSettings:
    return web if web.oidc is None else web.model_copy(update={"oidc": _absolute(web.oidc, folder, "ca")})


def _absolute_library(library: LibrarySettings, folder: Path) -> LibrarySettings:
    library = _absolute(library, folder, "webhook_ca")
    if library.authorisation is None:
        return library
    return library.model_copy(update={"authorisation": _absolute(library.authorisation, folder, "scope")})


def read_keys(settings: Settings) -> str:
    """Return the text of the keys; raises what ``_required`` raises."""
    return _required(settings.keys.file, KEYS)


def read_signing_key(settings: Settings) -> str:
    """Return the text of the key that signs the access logs; raises what ``_required`` raises."""
    return _required(settings.log.signing_key, SIGNING)


def smtp_password() -> str:
    """Return the password of the mail anchor's user; raises what ``_optional`` raises."""
    return _optional(SMTP)


def certificate_passphrase() -> str:
    """Return the passphrase of the client certificate's key; raises what ``_optional`` raises."""
    return _optional(PASSPHRASE)


def oidc_secret() -> str:
    """Return the client secret at the identity provider; raises what ``_optional`` raises."""
    return _optional(OIDC)


def webhook_secret(library: str) -> str:
    """Return the one or two secrets that sign a library's webhook; raises what ``_optional`` raises."""
    variable = f"RRSYNC_WEBHOOK_{library.upper().replace('-', '_')}"
    return _optional(Secret("secret of a webhook", f"rrsync.webhook.{library}", variable))


def _required(file: Path, secret: Secret) -> str:
    """Return a secret from its file, else from the systemd credential, else from the environment.

    Raises:
        ConfigError: the secret is missing, or other users can read its file.
    """
    try:
        if file.is_file():
            if file.stat().st_mode & 0o077:
                todo = f"Run `chmod 600 {file.name}`"
                raise ConfigError(f"Other users can read the {secret.what} file", todo=todo)
            return file.read_text(encoding="ascii")
    except (OSError, UnicodeDecodeError) as error:
        raise _unreadable(secret) from error
    if text := _credential(secret) or os.environ.get(secret.variable):
        return text
    raise ConfigError(
        f"There is no {secret.what}: no file {file.name}, no systemd credential {secret.credential}, no "
        f"{secret.variable}",
        todo="Run `rrsync init` in a new installation, or after an upgrade that asks for it; "
        f"else restore the {secret.what} file from your backup",
    )


def _optional(secret: Secret) -> str:
    """Return a secret from the systemd credential, else from the environment, else ``""``.

    Raises:
        ConfigError: the credential cannot be read.
    """
    return (_credential(secret) or os.environ.get(secret.variable) or "").strip()


def _credential(secret: Secret) -> str:
    folder = os.environ.get("CREDENTIALS_DIRECTORY")
    path = Path(folder, secret.credential) if folder else None
    try:
        return path.read_text(encoding="ascii") if path is not None and path.is_file() else ""
    except (OSError, UnicodeDecodeError) as error:
        raise _unreadable(secret) from error


def _unreadable(secret: Secret) -> ConfigError:
    return ConfigError(f"The {secret.what} file cannot be read", todo="Check its permissions, or restore it")
