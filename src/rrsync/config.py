"""The settings: ``rrsync.toml``, with any key overridable by the environment (``RRSYNC_REGISTRY__ENDPOINT=…``).

The file is the one named, else the one ``RRSYNC_CONFIG`` names, else ``rrsync.toml`` in the working directory. Relative
paths in it are relative to it. An unknown key, or a value that cannot be, is one sentence and exit code 2.
"""

from __future__ import annotations

import os
import re
import tomllib
from datetime import date
from hashlib import sha256
from pathlib import Path
from typing import Annotated, Final, Literal, Self
from urllib.parse import urlsplit, urlunsplit

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator
from pydantic_settings import BaseSettings, EnvSettingsSource, PydanticBaseSettingsSource, SettingsConfigDict
from pydantic_settings.exceptions import SettingsError

from rrsync.errors import ConfigError

FILE_NAME: Final = "rrsync.toml"
KEYS_VARIABLE: Final = "RRSYNC_KEYRING"
_CREDENTIAL: Final = "rrsync.keys"
_SQLITE: Final = re.compile(r"(sqlite(?:\+\w+)?:///)(.+)")
_HERE: Final = re.compile(
    r"https?://(localhost|127(\.(25[0-5]|2[0-4][0-9]|1?[0-9]?[0-9])){3}|\[::1\])(:[0-9]+)?(/.*)?", re.IGNORECASE
)
_PREFIX: Final = "RRSYNC_"


class _Table(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)


class StoreSettings(_Table):
    """``[store]``: where the database is."""

    url: str = "sqlite:///rrsync.db"


class KeySettings(_Table):
    """``[keys]``: the key file that ``rrsync init`` makes."""

    file: Path = Path("rrsync.keys")


class RegistrySettings(_Table):
    """``[registry]``: MAGDA, and how fast it may be asked."""

    environment: Literal["simulator", "acceptance", "production"] = "simulator"
    endpoint: str | dict[str, str] = "http://127.0.0.1:8080/"
    source: Literal["RR", "KSZ"] = "RR"
    max_per_second: Annotated[float, Field(gt=0)] = 8.0
    max_in_flight: Annotated[int, Field(ge=1, le=256)] = 16
    deadline_s: Annotated[float, Field(gt=0, le=600)] = 45.0
    sign: bool = False
    certificate: Path | None = None
    private_key: Path | None = None
    ca: Path | None = None

    @model_validator(mode="before")
    @classmethod
    def _empty_is_none(cls, values: object) -> object:
        if isinstance(values, dict):
            return {key: None if key in _FILES and value == "" else value for key, value in values.items()}
        return values

    @model_validator(mode="after")
    def _stays_near_or_secret(self) -> Self:
        """Let no question about invented people leave this machine, and none at all in clear."""
        for address in [self.endpoint] if isinstance(self.endpoint, str) else self.endpoint.values():
            if _HERE.fullmatch(address):
                continue
            if self.environment == "simulator":
                raise ValueError("the endpoint of a simulator must be on this machine, as http://127.0.0.1:8080/")
            if not address.startswith("https://"):
                raise ValueError("an endpoint must be https://, unless it is on this machine")
        return self


_FILES: Final = ("certificate", "private_key", "ca")


class NightSettings(_Table):
    """``[night]``: who is due, and what stops a run by itself.

    ``max_mismatches`` replies about somebody else stop a run: by default the first, or the fifth from a simulator,
    whose persona files hold known slips. More than ``max_change_share`` of the last 1 000 addresses compared, or more
    than ``max_same_address`` members moving to one address, and no change is believed without a person.
    """

    stale_after_days: Annotated[int, Field(ge=1, le=36_500)] = 30
    max_mismatches: Annotated[int, Field(ge=1)] | None = None
    max_unavailable: Annotated[int, Field(ge=1)] = 10
    max_change_share: Annotated[float, Field(gt=0, le=1)] = 0.3
    max_same_address: Annotated[int, Field(ge=1)] = 20


class AuthorisationSettings(_Table):
    """``[library.authorisation]``: the decision that lets this library ask."""

    decision: Annotated[str, Field(min_length=1)]
    scope: Path
    purposes: Annotated[list[str], Field(min_length=1)]
    valid_from: date
    valid_until: date

    @model_validator(mode="after")
    def _begins_before_it_ends(self) -> Self:
        if self.valid_from > self.valid_until:
            raise ValueError("valid_from is after valid_until")
        return self


class LibrarySettings(_Table):
    """``[[library]]``: one library, as MAGDA and its members know it."""

    id: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9-]{0,39}$")]
    name: str
    sender: Annotated[str, Field(min_length=1, max_length=120)]
    capacity: Annotated[str, Field(min_length=1, max_length=24)]
    authorisation: AuthorisationSettings | None = None


class Settings(BaseSettings):
    """All settings of one installation."""

    model_config = SettingsConfigDict(
        extra="forbid", frozen=True, hide_input_in_errors=True, env_prefix=_PREFIX, env_nested_delimiter="__"
    )

    language: Literal["nl", "en"] = "nl"
    store: StoreSettings = StoreSettings()
    keys: KeySettings = KeySettings()
    registry: RegistrySettings = RegistrySettings()
    night: NightSettings = NightSettings()
    library: list[LibrarySettings] = []

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],  # noqa: ARG003 — pydantic's
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003 — no .env file is read
        file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003 — keys are no settings
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Let the environment go before the file."""
        assert isinstance(env_settings, EnvSettingsSource)  # noqa: S101 — tells mypy what pydantic hands over
        return env_settings, init_settings

    @model_validator(mode="after")
    def _library_ids_differ(self) -> Self:
        ids = [library.id for library in self.library]
        if twice := {name for name in ids if ids.count(name) > 1}:
            raise ValueError(f"two libraries have the id {min(twice)}")
        return self

    @property
    def digest(self) -> str:
        """The SHA-256 of the settings in force, with which a run opens in the access log; no password is in it."""
        parts = urlsplit(self.store.url)
        store = StoreSettings(url=urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2], query="")))
        return sha256(self.model_copy(update={"store": store}).model_dump_json().encode()).hexdigest()

    def endpoint(self, service: str) -> str:
        """Give the address of one service.

        Raises:
            ConfigError: the table of addresses does not name it.
        """
        endpoint = self.registry.endpoint
        address = endpoint if isinstance(endpoint, str) else endpoint.get(service)
        if address is None:
            raise ConfigError(f"[registry] endpoint has no address for {service}", todo="Add it to the table")
        return address


def named_file(named: Path | None) -> Path:
    """Give the settings file that is meant, whether it is there or not."""
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
        table, deeper, _ = name.upper().removeprefix(_PREFIX).partition("__")
        if deeper and name.upper().startswith(_PREFIX) and table.lower() not in Settings.model_fields:
            raise ConfigError(f"The environment has a key rrsync does not know: {name}", todo="Correct its name")


def _sentence(path: Path, error: ValidationError) -> str:
    first = error.errors(include_input=False, include_url=False)[0]
    where = ".".join(str(part) for part in first["loc"])
    if first["type"] == "extra_forbidden":
        return f"{path.name} or the environment has a key rrsync does not know: {where}"
    said = str(first["msg"]).removeprefix("Value error, ")
    return f"{path.name} or the environment has a wrong value for {where}: {said}" if where else f"{path.name}: {said}"


def _anchored(settings: Settings, folder: Path) -> Settings:
    """Give the settings with every relative path made relative to their file."""
    if match := _SQLITE.fullmatch(settings.store.url):
        store = StoreSettings(url=f"{match[1]}{folder / match[2]}")
        settings = settings.model_copy(update={"store": store})
    registry = settings.registry.model_copy(
        update={name: folder / value for name in _FILES if (value := getattr(settings.registry, name)) is not None}
    )
    return settings.model_copy(
        update={
            "keys": KeySettings(file=folder / settings.keys.file),
            "registry": registry,
            "library": [_anchored_library(library, folder) for library in settings.library],
        }
    )


def _anchored_library(library: LibrarySettings, folder: Path) -> LibrarySettings:
    if (said := library.authorisation) is None:
        return library
    return library.model_copy(update={"authorisation": said.model_copy(update={"scope": folder / said.scope})})


def read_keys(settings: Settings) -> str:
    """Give the text of the keys: from the key file, else systemd's credential, else the environment, in that order.

    Raises:
        ConfigError: there are none, or others can read the file.
    """
    file = settings.keys.file
    folder = os.environ.get("CREDENTIALS_DIRECTORY")
    credential = Path(folder) / _CREDENTIAL if folder else None
    try:
        if file.is_file():
            if file.stat().st_mode & 0o077:
                raise ConfigError("Others can read the key file", todo=f"Run `chmod 600 {file.name}`")
            return file.read_text(encoding="ascii")
        if credential is not None and credential.is_file():
            return credential.read_text(encoding="ascii")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError("The key file cannot be read", todo="Check its rights, or restore it") from error
    if text := os.environ.get(KEYS_VARIABLE):
        return text
    raise ConfigError(
        f"There are no keys: no file {file.name}, no systemd credential {_CREDENTIAL}, no {KEYS_VARIABLE}",
        todo="Run `rrsync init` for a new installation; for one with data, restore its key file from your backup",
    )
