"""``[registry]``: which MAGDA is asked, how fast, and who we are to it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Final, Literal, Self
from urllib.parse import urlsplit

from pydantic import Field, model_validator

from rrsync.config.base import Table, is_here
from rrsync.errors import ConfigError

FILES: Final = ("certificate", "private_key", "ca", "trust")
ACCEPTANCE: Final = "-aip"
_SIMULATOR: Final = "http://127.0.0.1:8080/"
_FLEMISH: Final = ".vlaanderen.be"


class RegistrySettings(Table):
    """``[registry]``: MAGDA, how fast it may be asked, and how each side proves who it is.

    Without ``endpoint`` the addresses are MAGDA's own for the environment (MAGDA fact sheet §1.5). ``certificate`` is
    PEM, with ``private_key`` beside it or in it, or PKCS#12; its passphrase is a credential. ``trust`` holds the
    certificates, or their issuers, that may sign replies; it is a store of its own, apart from ``ca``.
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
            return {key: None if key in FILES and value == "" else value for key, value in values.items()}
        return values

    @model_validator(mode="after")
    def _stays_near_or_secret(self) -> Self:
        """Let no question about invented people leave this machine, and none at all in clear."""
        for address in self.addresses():
            if is_here(address):
                continue
            if self.environment == "simulator":
                raise ValueError("the endpoint of a simulator must be on this machine, as http://127.0.0.1:8080/")
            if not address.startswith("https://"):
                raise ValueError("an endpoint must be https://, unless it is on this machine")
        return self

    @model_validator(mode="after")
    def _asks_the_right_magda(self) -> Self:
        """Let no question for acceptance reach production, nor the reverse (MAGDA fact sheet §9.26)."""
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
        """Whether MAGDA's acceptance environment is asked."""
        return self.environment == "acceptance"

    def addresses(self) -> list[str]:
        """Give the addresses that the settings name themselves."""
        if self.endpoint is None:
            return []
        return [self.endpoint] if isinstance(self.endpoint, str) else list(self.endpoint.values())

    def address(self, operation: str, domain: str) -> str:
        """Give the address of an operation, as ``GeefPersoon-02.02`` of the domain ``persoon``.

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
