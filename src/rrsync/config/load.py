"""Reads the settings: ``rrsync.toml``, with any key overridable by the environment (``RRSYNC_REGISTRY__ENDPOINT=…``).

The file is the one named, else the one ``RRSYNC_CONFIG`` names, else ``rrsync.toml`` in the working directory. Relative
paths in it are relative to it. An unknown key, or a value that cannot be, is one sentence and exit code 2.
"""

from __future__ import annotations

import os
import re
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Final, TypeVar

from pydantic import BaseModel, ValidationError
from pydantic_settings.exceptions import SettingsError

from rrsync.config.settings import (
    FILES,
    PREFIX,
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

Placed = TypeVar("Placed", bound=BaseModel)


@dataclass(frozen=True, slots=True)
class Secret:
    """A secret that is no setting: what it is, and the names of its systemd credential and its variable."""

    what: str
    credential: str
    variable: str


KEYS: Final = Secret("key", "rrsync.keys", "RRSYNC_KEYRING")
SIGNING: Final = Secret("signing key", "rrsync.signing", "RRSYNC_SIGNING")
SMTP: Final = Secret("mail password", "rrsync.smtp", "RRSYNC_SMTP_PASSWORD")
OIDC: Final = Secret("secret of the identity provider", "rrsync.oidc", "RRSYNC_OIDC_SECRET")
PASSPHRASE: Final = Secret("certificate passphrase", "rrsync.certificate", "RRSYNC_CERTIFICATE_PASSPHRASE")


def named_file(named: Path | None) -> Path:
    """Return the settings file that is meant, whether it is there or not."""
    return named or Path(os.environ.get("RRSYNC_CONFIG") or FILE_NAME)


def load(named: Path | None = None) -> Settings:
    """Read the settings.

    Raises:
        ConfigError: what cannot be read or used, in one sentence.
    """
    path = named_file(named)
    try:
        if not path.is_file():
            raise ConfigError(
                f"There is no settings file {path}",
                todo="Name the right one with --config, or run `rrsync init` to make one here",
            )
        content = tomllib.loads(path.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path.name} is no valid TOML: {error}", todo="Correct that line") from error
    except OSError as error:
        raise ConfigError(f"The settings file cannot be read: {error.strerror}", todo="Check its rights") from error
    _refuse_unknown_tables()
    try:
        settings = Settings(**content)
    except ValidationError as error:
        raise ConfigError(_sentence(path, error), todo="Correct the settings") from error
    except SettingsError as error:
        raise ConfigError(f"A setting in the environment is wrong: {error}", todo="Correct the variable") from error
    return _anchored(settings, path.resolve().parent)


def _refuse_unknown_tables() -> None:
    """Refuse a misspelled table in the environment; it must hold ``__``, as Kubernetes sets ``RRSYNC_PORT`` itself."""
    for name in sorted(os.environ):
        table, deeper, _ = name.upper().removeprefix(PREFIX).partition("__")
        if deeper and name.upper().startswith(PREFIX) and table.lower() not in Settings.model_fields:
            raise ConfigError(f"The environment has a key rrsync does not know: {name}", todo="Correct its name")


def _sentence(path: Path, error: ValidationError) -> str:
    first = error.errors(include_input=False, include_url=False)[0]
    where = ".".join(str(part) for part in first["loc"])
    if first["type"] == "extra_forbidden":
        return f"{path.name} or the environment has a key rrsync does not know: {where}"
    said = str(first["msg"]).removeprefix("Value error, ")
    return f"{path.name} or the environment has a wrong value for {where}: {said}" if where else f"{path.name}: {said}"


def _anchored(settings: Settings, folder: Path) -> Settings:
    """Return the settings with every relative path made relative to their file."""
    if match := _SQLITE.fullmatch(settings.store.url):
        store = StoreSettings(url=f"{match[1]}{folder / match[2]}")
        settings = settings.model_copy(update={"store": store})
    return settings.model_copy(
        update={
            "keys": KeySettings(file=folder / settings.keys.file),
            "registry": _placed(settings.registry, folder, *FILES),
            "log": _anchored_log(settings.log, folder),
            "web": _anchored_web(settings.web, folder),
            "library": [_anchored_library(library, folder) for library in settings.library],
        }
    )


def _placed(table: Placed, folder: Path, *names: str) -> Placed:
    """Return a table with the paths of these names made relative to a folder."""
    found = {name: folder / value for name in names if (value := getattr(table, name)) is not None}
    return table.model_copy(update=found)


def _anchored_log(said: LogSettings, folder: Path) -> LogSettings:
    anchors = [_placed(each, folder, "path" if each.kind == "file" else "ca") for each in said.anchor]
    return _placed(said, folder, "signing_key", "signed").model_copy(update={"anchor": anchors})


def _anchored_web(said: WebSettings, folder: Path) -> WebSettings:
    return said if said.oidc is None else said.model_copy(update={"oidc": _placed(said.oidc, folder, "ca")})


def _anchored_library(library: LibrarySettings, folder: Path) -> LibrarySettings:
    library = _placed(library, folder, "webhook_ca")
    if (said := library.authorisation) is None:
        return library
    return library.model_copy(update={"authorisation": said.model_copy(update={"scope": folder / said.scope})})


def read_keys(settings: Settings) -> str:
    """Return the text of the keys; raises what ``_secret`` raises."""
    return _secret(settings.keys.file, KEYS)


def read_signing_key(settings: Settings) -> str:
    """Return the text of the key that signs the logs; raises what ``_secret`` raises."""
    return _secret(settings.log.signing_key, SIGNING)


def smtp_password() -> str:
    """Return the password of the mail anchor's user, from systemd's credential or the environment; ``""`` without one.

    Raises:
        ConfigError: the credential cannot be read.
    """
    return _given(SMTP)


def certificate_passphrase() -> str:
    """Return the passphrase of the client certificate's key, likewise; ``""`` without one.

    Raises:
        ConfigError: the credential cannot be read.
    """
    return _given(PASSPHRASE)


def oidc_secret() -> str:
    """Return the secret that the identity provider knows the pages by, likewise; ``""`` without one.

    Raises:
        ConfigError: the credential cannot be read.
    """
    return _given(OIDC)


def webhook_secret(library: str) -> str:
    """Return the secrets, one or two, with which a library's webhook is signed, likewise; ``""`` without one.

    Raises:
        ConfigError: the credential cannot be read.
    """
    variable = f"RRSYNC_WEBHOOK_{library.upper().replace('-', '_')}"
    return _given(Secret("secret of a webhook", f"rrsync.webhook.{library}", variable))


def _given(secret: Secret) -> str:
    return (_credential(secret) or os.environ.get(secret.variable) or "").strip()


def _secret(file: Path, secret: Secret) -> str:
    """Return a secret: from its file, else systemd's credential, else the environment, in that order.

    Raises:
        ConfigError: there is none, or others can read the file.
    """
    try:
        if file.is_file():
            if file.stat().st_mode & 0o077:
                raise ConfigError(f"Others can read the {secret.what} file", todo=f"Run `chmod 600 {file.name}`")
            return file.read_text(encoding="ascii")
    except (OSError, UnicodeDecodeError) as error:
        raise _unreadable(secret) from error
    if text := _credential(secret) or os.environ.get(secret.variable):
        return text
    raise ConfigError(
        f"There is no {secret.what}: no file {file.name}, no systemd credential {secret.credential}, no "
        f"{secret.variable}",
        todo="Run `rrsync init` if there never was one, as in a new installation or after an upgrade that asks for it; "
        f"else restore its {secret.what} file from your backup",
    )


def _credential(secret: Secret) -> str:
    folder = os.environ.get("CREDENTIALS_DIRECTORY")
    path = Path(folder, secret.credential) if folder else None
    try:
        return path.read_text(encoding="ascii") if path is not None and path.is_file() else ""
    except (OSError, UnicodeDecodeError) as error:
        raise _unreadable(secret) from error


def _unreadable(secret: Secret) -> ConfigError:
    return ConfigError(f"The {secret.what} file cannot be read", todo="Check its rights, or restore it")
