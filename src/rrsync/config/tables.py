"""What can be set: every table of ``rrsync.toml`` and its keys."""

from __future__ import annotations

import re
from datetime import date
from hashlib import sha256
from pathlib import Path
from typing import Annotated, Final, Literal, Self, TypeAlias
from urllib.parse import urlsplit, urlunsplit

from pydantic import Field, field_validator, model_validator
from pydantic_settings import BaseSettings, EnvSettingsSource, PydanticBaseSettingsSource, SettingsConfigDict

from rrsync.config.base import Table, is_here
from rrsync.config.registry import ACCEPTANCE, RegistrySettings
from rrsync.config.web import WebSettings
from rrsync.core.hours import Hours
from rrsync.core.note import Key, KeyKind

PREFIX: Final = "RRSYNC_"


class StoreSettings(Table):
    """``[store]``: where the database is."""

    url: str = "sqlite:///rrsync.db"


class KeySettings(Table):
    """``[keys]``: the key file that ``rrsync init`` makes."""

    file: Path = Path("rrsync.keys")


class NightSettings(Table):
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


class FileAnchorSettings(Table):
    """``[[log.anchor]]`` of kind ``file``: a file that who keeps the database cannot write over."""

    kind: Literal["file"]
    path: Path


class MailAnchorSettings(Table):
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


class WitnessAnchorSettings(Table):
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
        if not (is_here(value) or value.startswith("https://")):
            raise ValueError("a witness must be https://, unless it is on this machine")
        return value


AnchorSettings: TypeAlias = Annotated[
    FileAnchorSettings | MailAnchorSettings | WitnessAnchorSettings, Field(discriminator="kind")
]


class FlagSettings(Table):
    """``[log.flags]``: from how many on an access by a person stands out (``core.anomaly``)."""

    staff: Annotated[int, Field(ge=2, le=1_000)] = 5
    per_hour: Annotated[int, Field(ge=1, le=1_000)] = 30
    per_day: Annotated[int, Field(ge=1, le=1_000)] = 100
    refused: Annotated[int, Field(ge=1, le=1_000)] = 3


class LogSettings(Table):
    """``[log]``: how the access log is signed, kept elsewhere and explained.

    ``signed`` is a folder for the last checkpoint signed of each log. ``evidence`` says of which accesses the whole
    messages are kept, sealed: of those that failed, of mix-ups alone (``hash``), or of all.
    """

    signing_key: Path = Path("rrsync.signing")
    signed: Path = Path("rrsync.signed")
    evidence: Literal["errors", "hash", "all"] = "errors"
    anchor: list[AnchorSettings] = Field(default_factory=list)
    flags: FlagSettings = FlagSettings()


class AuthorisationSettings(Table):
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


class LibrarySettings(Table):
    """``[[library]]``: one library, as MAGDA and its members know it.

    ``opening_hours`` reads as in ``core.hours``; a case that does not match ``case_pattern`` as a whole stands out.
    ``organisation`` is the code under which the identity provider knows the library. ``webhook`` is where its library
    system is told of changes (docs/api.md); the secret that signs it is a credential, ``webhook_ca`` whom TLS trusts.
    """

    id: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9-]{0,39}$")]
    name: str
    sender: Annotated[str, Field(min_length=1, max_length=120)]
    capacity: Annotated[str, Field(min_length=1, max_length=24)]
    opening_hours: str = ""
    case_pattern: str = ""
    organisation: str = ""
    webhook: str = ""
    webhook_ca: Path | None = None
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

    @field_validator("webhook")
    @classmethod
    def _stays_secret(cls, value: str) -> str:
        parts = urlsplit(value)
        is_ours = parts.scheme == "https" or is_here(value)
        if value and (not is_ours or not parts.hostname or parts.username or parts.fragment):
            raise ValueError("a webhook must be https://, without a user or #")
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
    web: WebSettings = WebSettings()
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
        codes = [each for each in (self.web.organisation, *(library.organisation for library in self.library)) if each]
        if len(set(codes)) < len(codes):
            raise ValueError("one organisation code is that of two libraries, or of a library and of [web]")
        return self

    @model_validator(mode="after")
    def _the_pages_are_safe(self) -> Self:
        """Outside the simulator, let neither the pages, nor who logs people in, nor a webhook be had without TLS."""
        if self.registry.environment == "simulator":
            return self
        provider = self.web.oidc.issuer if self.web.oidc else ""
        if self.web.public_url.startswith("http:") or provider.startswith("http:"):
            raise ValueError("[web] public_url and [web.oidc] issuer must be https:// outside the simulator")
        if any(library.webhook.startswith("http:") for library in self.library):
            raise ValueError("a webhook must be https:// outside the simulator")
        return self

    @model_validator(mode="after")
    def _senders_fit_the_environment(self) -> Self:
        """Let no library ask one environment under its name of the other (MAGDA fact sheet §1.2 and §9.26)."""
        if self.registry.environment == "simulator":
            return self
        for library in self.library:
            if library.sender.endswith(ACCEPTANCE) != self.registry.is_acceptance:
                wanted = "must end" if self.registry.is_acceptance else "must not end"
                raise ValueError(
                    f"the sender of {library.id} {wanted} in {ACCEPTANCE}: "
                    f"[registry] environment is {self.registry.environment}"
                )
        return self

    @property
    def digest(self) -> str:
        """The SHA-256 of the settings in force, with which a run opens in the access log; no password is in it."""
        parts = urlsplit(self.store.url)
        store = StoreSettings(url=urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2], query="")))
        return sha256(self.model_copy(update={"store": store}).model_dump_json().encode()).hexdigest()
