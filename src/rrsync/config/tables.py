"""What can be set: every table of ``rrsync.toml`` and its keys."""

from __future__ import annotations

import re
from datetime import date
from hashlib import sha256
from pathlib import Path
from typing import Annotated, Final, Literal, Self, TypeAlias
from urllib.parse import urlsplit, urlunsplit

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator
from pydantic_settings import BaseSettings, EnvSettingsSource, PydanticBaseSettingsSource, SettingsConfigDict

from rrsync.core.hours import Hours
from rrsync.core.note import Key, KeyKind
from rrsync.errors import ConfigError

PREFIX: Final = "RRSYNC_"
FILES: Final = ("certificate", "private_key", "ca")
_HERE: Final = re.compile(
    r"https?://(localhost|127(\.(25[0-5]|2[0-4][0-9]|1?[0-9]?[0-9])){3}|\[::1\])(:[0-9]+)?(/.*)?", re.IGNORECASE
)


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
            return {key: None if key in FILES and value == "" else value for key, value in values.items()}
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


class FileAnchorSettings(_Table):
    """``[[log.anchor]]`` of kind ``file``: a file that who keeps the database cannot write over."""

    kind: Literal["file"]
    path: Path


class MailAnchorSettings(_Table):
    """``[[log.anchor]]`` of kind ``mail``: the mailbox of the data-protection officer; the password is a credential."""

    kind: Literal["mail"]
    host: Annotated[str, Field(min_length=1)]
    port: Annotated[int, Field(ge=1, le=65_535)] = 587
    tls: Literal["starttls", "tls", "none"] = "starttls"
    ca: Path | None = None
    sender: Annotated[str, Field(pattern=r"^[^@\s]+@[^@\s]+$")]
    to: Annotated[str, Field(pattern=r"^[^@\s]+@[^@\s]+$")]
    user: str = ""
    deadline_s: Annotated[float, Field(gt=0, le=600)] = 30.0


class WitnessAnchorSettings(_Table):
    """``[[log.anchor]]`` of kind ``witness``: another organisation's C2SP witness, and its key."""

    kind: Literal["witness"]
    url: str
    key: str
    ca: Path | None = None
    deadline_s: Annotated[float, Field(gt=0, le=600)] = 10.0

    @field_validator("key")
    @classmethod
    def _is_a_key(cls, value: str) -> str:
        try:
            kind = Key.parse(value).kind
        except ValueError:
            kind = None
        if kind is not KeyKind.COSIGNATURE:
            raise ValueError("it is no witness's public key, as `rrsync witness` prints it")
        return value

    @field_validator("url")
    @classmethod
    def _stays_secret(cls, value: str) -> str:
        if not (_HERE.fullmatch(value) or value.startswith("https://")):
            raise ValueError("a witness must be https://, unless it is on this machine")
        return value


AnchorSettings: TypeAlias = Annotated[
    FileAnchorSettings | MailAnchorSettings | WitnessAnchorSettings, Field(discriminator="kind")
]


class FlagSettings(_Table):
    """``[log.flags]``: from how many on an access by a person stands out (``core.anomaly``)."""

    staff: Annotated[int, Field(ge=2, le=1_000)] = 5
    per_hour: Annotated[int, Field(ge=1, le=1_000)] = 30
    per_day: Annotated[int, Field(ge=1, le=1_000)] = 100
    refused: Annotated[int, Field(ge=1, le=1_000)] = 3


class LogSettings(_Table):
    """``[log]``: how the access log is signed, kept elsewhere and explained.

    ``signed`` is a folder for the last checkpoint signed of each log. ``evidence`` says of which accesses the whole
    messages are kept, sealed: of those that failed, of none, or of all.
    """

    signing_key: Path = Path("rrsync.signing")
    signed: Path = Path("rrsync.signed")
    evidence: Literal["errors", "hash", "all"] = "errors"
    anchor: list[AnchorSettings] = []
    flags: FlagSettings = FlagSettings()


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
    """``[[library]]``: one library, as MAGDA and its members know it.

    ``opening_hours`` reads as in ``core.hours``; a case that does not match ``case_pattern`` as a whole stands out.
    """

    id: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9-]{0,39}$")]
    name: str
    sender: Annotated[str, Field(min_length=1, max_length=120)]
    capacity: Annotated[str, Field(min_length=1, max_length=24)]
    opening_hours: str = ""
    case_pattern: str = ""
    authorisation: AuthorisationSettings | None = None

    @field_validator("opening_hours")
    @classmethod
    def _are_hours(cls, value: str) -> str:
        if value:
            Hours.parse(value)
        return value

    @field_validator("case_pattern")
    @classmethod
    def _is_a_pattern(cls, value: str) -> str:
        try:
            re.compile(value)
        except re.error as error:
            raise ValueError(f"it is no regular expression: {error}") from error
        return value


class Settings(BaseSettings):
    """All settings of one installation."""

    model_config = SettingsConfigDict(
        extra="forbid", frozen=True, hide_input_in_errors=True, env_prefix=PREFIX, env_nested_delimiter="__"
    )

    language: Literal["nl", "en"] = "nl"
    store: StoreSettings = StoreSettings()
    keys: KeySettings = KeySettings()
    registry: RegistrySettings = RegistrySettings()
    night: NightSettings = NightSettings()
    log: LogSettings = LogSettings()
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
