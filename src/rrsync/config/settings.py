"""The settings: every table of ``rrsync.toml`` with its keys, defaults and rules.

1. A table refuses an unknown key, and its errors never contain a value.
2. Personal data leaves this machine only over TLS; in the simulator environment it does not leave the machine.
3. Addresses and senders of MAGDA's acceptance and production environments do not mix (MAGDA fact sheet §1.2, §9.26).
"""

from __future__ import annotations

import re
from datetime import date
from hashlib import sha256
from pathlib import Path
from typing import Annotated, Final, Literal, Self, TypeAlias
from urllib.parse import urlsplit, urlunsplit

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator
from pydantic_settings import BaseSettings, EnvSettingsSource, PydanticBaseSettingsSource, SettingsConfigDict

from rrsync.core.belgian_time import Hours
from rrsync.core.desk_quota import Limits
from rrsync.core.roles import Role
from rrsync.core.signed_note import Key, KeyKind
from rrsync.errors import ConfigError

ENV_PREFIX: Final = "RRSYNC_"
CERTIFICATE_FILES: Final = ("certificate", "private_key", "ca", "trust")
ACCEPTANCE: Final = "-aip"
_SIMULATOR: Final = "http://127.0.0.1:8080/"
_FLEMISH: Final = ".vlaanderen.be"
_DEFAULT_PORTS: Final = {"http": 80, "https": 443}
_HERE: Final = re.compile(
    r"https?://(localhost|127(\.(25[0-5]|2[0-4][0-9]|1?[0-9]?[0-9])){3}|\[::1\])(:[0-9]+)?(/.*)?", re.IGNORECASE
)


class SettingsTable(BaseModel):
    """The rules of every table: no unknown key, and no value in an error."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)


def is_local_url(address: str) -> bool:
    """Whether a URL is on this machine."""
    return _HERE.fullmatch(address) is not None


class RegistrySettings(SettingsTable):
    """``[registry]``: MAGDA's addresses, the rate limits, and the certificates of both sides.

    Without ``endpoint`` the addresses are MAGDA's own for the environment (MAGDA fact sheet §1.5). ``certificate`` is
    PEM, with the key in it or in ``private_key``, or PKCS#12; its passphrase is a credential. ``trust`` contains the
    certificates, or their issuers, that may sign replies; it is separate from ``ca``.
    """

    environment: Literal["simulator", "acceptance", "production"] = "simulator"
    endpoint: str | dict[str, str] | None = None
    source: Literal["RR", "KSZ"] = "RR"
    max_per_second: Annotated[float, Field(gt=0)] = 8.0
    max_in_flight: Annotated[int, Field(ge=1, le=256)] = 16
    deadline_s: Annotated[float, Field(gt=0, le=600)] = 45.0
    subscribe: bool = True
    repertory: Literal["02.00", "02.01"] = "02.00"
    sign: bool = False
    signature: Literal["rsa-sha256", "rsa-sha1"] = "rsa-sha256"
    token: Literal["x509v3", "pkipath"] = "x509v3"  # noqa: S105 — a kind of token, no secret
    certificate: Path | None = None
    private_key: Path | None = None
    ca: Path | None = None
    verify: Literal["never", "if_present", "required"] = "never"
    trust: Path | None = None

    @model_validator(mode="before")
    @classmethod
    def _empty_is_none(cls, values: object) -> object:
        if isinstance(values, dict):
            return {key: None if key in CERTIFICATE_FILES and value == "" else value for key, value in values.items()}
        return values

    @model_validator(mode="after")
    def _stays_near_or_secret(self) -> Self:
        """Keep questions about invented people on this machine, and send all others over TLS."""
        for address in self.addresses():
            if is_local_url(address):
                continue
            if self.environment == "simulator":
                raise ValueError("the endpoint of a simulator must be on this machine, as http://127.0.0.1:8080/")
            if not address.startswith("https://"):
                raise ValueError("an endpoint must be https://, unless it is on this machine")
        return self

    @model_validator(mode="after")
    def _asks_the_right_magda(self) -> Self:
        """Send no question for acceptance to production, nor the reverse (MAGDA fact sheet §9.26)."""
        for address in self.addresses():
            host = (urlsplit(address).hostname or "").lower().removesuffix(".")
            if host.endswith(_FLEMISH) and host.partition(".")[0].endswith(ACCEPTANCE) != self.is_acceptance:
                raise ValueError(f"{host} is no host of MAGDA's {self.environment} environment")
        return self

    @model_validator(mode="after")
    def _has_what_it_needs(self) -> Self:
        if self.sign and self.certificate is None:
            raise ValueError("sign = true needs a certificate to sign with")
        if self.verify != "never" and self.trust is None:
            raise ValueError(f'verify = "{self.verify}" needs trust: the certificates that may sign replies')
        return self

    @property
    def is_acceptance(self) -> bool:
        """Whether the environment is MAGDA's acceptance environment."""
        return self.environment == "acceptance"

    def addresses(self) -> list[str]:
        """Return the addresses in the settings."""
        if self.endpoint is None:
            return []
        return [self.endpoint] if isinstance(self.endpoint, str) else list(self.endpoint.values())

    def address(self, operation: str, domain: str) -> str:
        """Return the address of an operation, such as ``GeefPersoon-02.02`` of the domain ``persoon``.

        Raises:
            ConfigError: the table of addresses does not name its service.
        """
        service, _, version = operation.partition("-")
        if isinstance(self.endpoint, dict):
            if service not in self.endpoint:
                raise ConfigError(f"[registry] endpoint has no address for {service}", todo="Add it to the table")
            return self.endpoint[service]
        if self.endpoint is not None:
            return self.endpoint
        if self.environment == "simulator":
            return _SIMULATOR
        host = f"magda{domain}dienst{ACCEPTANCE if self.is_acceptance else ''}{_FLEMISH}"
        return f"https://{host}/{service}Dienst-{version}/soap/WebService"


ShortText = Annotated[str, Field(min_length=1, max_length=120)]
Quota = Annotated[int, Field(ge=1, le=100_000)]


class OidcSettings(SettingsTable):
    """``[web.oidc]``: the identity provider (ACM/IDM in Flanders); its secret is a credential.

    ``roles`` maps a text in ``role_claim``, without the organisation after it, to a role: ``RRSync-Balie = "desk"``. If
    ``acr`` is not empty, the login must have one of its values.
    """

    issuer: str
    client_id: ShortText
    scopes: list[str] = Field(default=["openid", "vo", "profile"])
    role_claim: ShortText
    roles: Annotated[dict[str, Role], Field(min_length=1)]
    name_claim: ShortText = "vo_id"
    organisation_claim: ShortText = "vo_orgcode"
    number_claim: ShortText = "rrn"
    acr: list[str] = Field(default_factory=list)
    provider: str = "ACM/IDM"
    ca: Path | None = None
    deadline_s: Annotated[float, Field(gt=0, le=60)] = 10.0

    @field_validator("issuer")
    @classmethod
    def _stays_secret(cls, value: str) -> str:
        parts = urlsplit(value)
        if not (is_local_url(value) or (parts.scheme == "https" and parts.netloc)) or parts.query or parts.fragment:
            raise ValueError("an identity provider must be https://, unless it is on this machine, without ? or #")
        return value

    @field_validator("scopes")
    @classmethod
    def _asks_who(cls, value: list[str]) -> list[str]:
        if "openid" not in value:
            raise ValueError("the scopes must have openid")
        return value


class LimitSettings(SettingsTable):
    """``[web.limits]``: the number of questions at the desk (``core.desk_quota``)."""

    per_minute: Quota = 5
    per_hour: Quota = 30
    per_day: Quota = 100
    library_per_day: Quota = 1_000
    soft: Annotated[float, Field(gt=0, le=1)] = 0.8

    @property
    def limits(self) -> Limits:
        """The limits as a value of ``core.desk_quota``."""
        return Limits(**self.model_dump())


class WebSettings(SettingsTable):
    """``[web]``: the pages.

    ``public_url`` is the address in the browser; behind a proxy that adds TLS it is the proxy's, and ``host`` and
    ``port`` are the address that the proxy connects to. The staff of ``organisation`` work for all libraries.
    ``outside_per_month`` is the number of non-members that a library may ask about in a month, each approved by a
    second person (``core.break_glass``).
    """

    host: Annotated[str, Field(min_length=1)] = "127.0.0.1"
    port: Annotated[int, Field(ge=1, le=65_535)] = 8000
    public_url: str = ""
    organisation: str = ""
    oidc: OidcSettings | None = None
    limits: LimitSettings = LimitSettings()
    outside_per_month: Annotated[int, Field(ge=0, le=50)] = 0

    @field_validator("public_url")
    @classmethod
    def _is_an_origin(cls, value: str) -> str:
        if not value:
            return value
        parts = urlsplit(value)
        if not (is_local_url(value) or parts.scheme == "https") or not parts.hostname or parts.username:
            raise ValueError("the pages must be https://, unless they are on this machine")
        if parts.path not in {"", "/"} or parts.query or parts.fragment:
            raise ValueError("it must end after the host or port: the pages are at its root")
        return value

    @model_validator(mode="after")
    def _is_public_under_a_name(self) -> Self:
        if not self.is_here and not self.origin.startswith("https:"):
            raise ValueError("public_url must be the https:// address of the pages in the browser")
        return self

    @property
    def origin(self) -> str:
        """The origin of the pages in the browser: scheme, host, and port if it is not the default."""
        parts = urlsplit(self.public_url or f"http://{self._host}:{self.port}")
        port = "" if parts.port in {None, _DEFAULT_PORTS[parts.scheme]} else f":{parts.port}"
        host = f"[{parts.hostname}]" if ":" in (parts.hostname or "") else parts.hostname
        return f"{parts.scheme}://{host}{port}"

    @property
    def is_here(self) -> bool:
        """Whether only this machine can reach the pages, by both their own and their public address."""
        return is_local_url(f"http://{self._host}/") and (not self.public_url or is_local_url(self.public_url))

    @property
    def _host(self) -> str:
        return f"[{self.host}]" if ":" in self.host else self.host


class StoreSettings(SettingsTable):
    """``[store]``: the database."""

    url: str = "sqlite:///rrsync.db"


class KeySettings(SettingsTable):
    """``[keys]``: the key file that ``rrsync init`` makes."""

    file: Path = Path("rrsync.keys")


class NightSettings(SettingsTable):
    """``[night]``: when a member is due again, and the limits that stop a run.

    ``max_mismatches`` replies about another person stop a run: by default 1, or 5 with a simulator, whose persona files
    contain known errors. Changes become holds when more than ``max_change_share`` of the last 1 000 compared addresses
    differ, or when more than ``max_same_address`` members move to one address.
    """

    stale_after_days: Annotated[int, Field(ge=1, le=36_500)] = 30
    max_mismatches: Annotated[int, Field(ge=1)] | None = None
    max_unavailable: Annotated[int, Field(ge=1)] = 10
    max_change_share: Annotated[float, Field(gt=0, le=1)] = 0.3
    max_same_address: Annotated[int, Field(ge=1)] = 20


class FileAnchorSettings(SettingsTable):
    """``[[log.anchor]]`` of kind ``file``: a file that database administrators cannot write."""

    kind: Literal["file"]
    path: Path


class MailAnchorSettings(SettingsTable):
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


class WitnessAnchorSettings(SettingsTable):
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
            raise ValueError("it is not the public key of a witness, as `rrsync witness` prints it")
        return value

    @field_validator("url")
    @classmethod
    def _stays_secret(cls, value: str) -> str:
        if not (is_local_url(value) or value.startswith("https://")):
            raise ValueError("a witness must be https://, unless it is on this machine")
        return value


AnchorSettings: TypeAlias = Annotated[
    FileAnchorSettings | MailAnchorSettings | WitnessAnchorSettings, Field(discriminator="kind")
]


class FlagSettings(SettingsTable):
    """``[log.flags]``: the thresholds from which an access by a person is flagged (``core.anomaly``)."""

    staff: Annotated[int, Field(ge=2, le=1_000)] = 5
    per_hour: Annotated[int, Field(ge=1, le=1_000)] = 30
    per_day: Annotated[int, Field(ge=1, le=1_000)] = 100
    refused: Annotated[int, Field(ge=1, le=1_000)] = 3


class LogSettings(SettingsTable):
    """``[log]``: the signing key, the anchors, the stored messages and the flags of the access log.

    ``signed`` is the folder with the last signed checkpoint of each log. ``evidence`` selects the accesses whose full
    messages are stored, encrypted: the failed ones, mix-ups alone (``hash``), or all.
    """

    signing_key: Path = Path("rrsync.signing")
    signed: Path = Path("rrsync.signed")
    evidence: Literal["errors", "hash", "all"] = "errors"
    anchor: list[AnchorSettings] = Field(default_factory=list)
    flags: FlagSettings = FlagSettings()


class AuthorisationSettings(SettingsTable):
    """``[library.authorisation]``: the decision that authorises the library to ask."""

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


class LibrarySettings(SettingsTable):
    """``[[library]]``: one library.

    ``opening_hours`` has the form of ``core.belgian_time``. An access is flagged when its case does not match
    ``case_pattern`` as a whole. ``organisation`` is the library's code at the identity provider. ``webhook`` is the
    library system's address for changes (docs/api.md); the secret that signs them is a credential, and ``webhook_ca``
    is the CA of its server.
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
            raise ValueError(f"it is not a regular expression: {error}") from error
        return value

    @field_validator("webhook")
    @classmethod
    def _stays_secret(cls, value: str) -> str:
        parts = urlsplit(value)
        is_ours = parts.scheme == "https" or is_local_url(value)
        if value and (not is_ours or not parts.hostname or parts.username or parts.fragment):
            raise ValueError("a webhook must be https://, without a user or #")
        return value


class Settings(BaseSettings):
    """All settings of one installation."""

    model_config = SettingsConfigDict(
        extra="forbid", frozen=True, hide_input_in_errors=True, env_prefix=ENV_PREFIX, env_nested_delimiter="__"
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
        file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003 — secrets are not settings
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Let the environment override the file."""
        assert isinstance(env_settings, EnvSettingsSource)  # noqa: S101 — tells mypy what pydantic hands over
        return env_settings, init_settings

    @model_validator(mode="after")
    def _library_ids_differ(self) -> Self:
        ids = [library.id for library in self.library]
        if twice := {name for name in ids if ids.count(name) > 1}:
            raise ValueError(f"two libraries have the id {min(twice)}")
        codes = [each for each in (self.web.organisation, *(library.organisation for library in self.library)) if each]
        if len(set(codes)) < len(codes):
            raise ValueError("one organisation code belongs to two libraries, or to a library and [web]")
        return self

    @model_validator(mode="after")
    def _the_pages_are_safe(self) -> Self:
        """Require TLS for the pages, the identity provider and webhooks outside the simulator."""
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
        """Refuse a library's sender of the other environment (MAGDA fact sheet §1.2 and §9.26)."""
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
        """The SHA-256 of the settings in force, without passwords; the entry that opens a run contains it."""
        parts = urlsplit(self.store.url)
        store = StoreSettings(url=urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2], query="")))
        return sha256(self.model_copy(update={"store": store}).model_dump_json().encode()).hexdigest()
