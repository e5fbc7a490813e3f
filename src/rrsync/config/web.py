"""What can be set of the pages: where they are served, who may come in, and how often one may ask."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Final, Self
from urllib.parse import urlsplit

from pydantic import Field, field_validator, model_validator

from rrsync.config.base import Table, is_here
from rrsync.core.quota import Limits
from rrsync.core.roles import Role

Word = Annotated[str, Field(min_length=1, max_length=120)]
Limit = Annotated[int, Field(ge=1, le=100_000)]

_DEFAULT_PORTS: Final = {"http": 80, "https": 443}


class OidcSettings(Table):
    """``[web.oidc]``: the identity provider (ACM/IDM in Flanders); its secret is a credential.

    ``roles`` says what a text in ``role_claim`` is worth, without the organisation after it:
    ``RRSync-Balie = "desk"``. Of ``acr``, if it names any, the login must be one.
    """

    issuer: str
    client_id: Word
    scopes: list[str] = Field(default=["openid", "vo", "profile"])
    role_claim: Word
    roles: Annotated[dict[str, Role], Field(min_length=1)]
    name_claim: Word = "vo_id"
    organisation_claim: Word = "vo_orgcode"
    number_claim: Word = "rrn"
    acr: list[str] = Field(default_factory=list)
    provider: str = "ACM/IDM"
    ca: Path | None = None
    deadline_s: Annotated[float, Field(gt=0, le=60)] = 10.0

    @field_validator("issuer")
    @classmethod
    def _stays_secret(cls, value: str) -> str:
        parts = urlsplit(value)
        if not (is_here(value) or (parts.scheme == "https" and parts.netloc)) or parts.query or parts.fragment:
            raise ValueError("an identity provider must be https://, unless it is on this machine, without ? or #")
        return value

    @field_validator("scopes")
    @classmethod
    def _asks_who(cls, value: list[str]) -> list[str]:
        if "openid" not in value:
            raise ValueError("the scopes must have openid")
        return value


class LimitSettings(Table):
    """``[web.limits]``: how often one may ask at the desk (``core.quota``)."""

    per_minute: Limit = 5
    per_hour: Limit = 30
    per_day: Limit = 100
    library_per_day: Limit = 1_000
    soft: Annotated[float, Field(gt=0, le=1)] = 0.8

    @property
    def limits(self) -> Limits:
        """The same as the rule has them."""
        return Limits(**self.model_dump())


class WebSettings(Table):
    """``[web]``: the pages. ``public_url`` is how browsers see them; ``organisation`` who runs rrsync for all.

    ``outside_per_month`` is how many people who are no member a library may ask about in a month, each with a second
    person's word (``core.glass``); 0 is none.

    Behind a proxy that adds TLS, ``public_url`` is the proxy's, and host and port where it finds the pages.
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
        if not (is_here(value) or parts.scheme == "https") or not parts.hostname or parts.username:
            raise ValueError("the pages must be https://, unless they are on this machine")
        if parts.path not in {"", "/"} or parts.query or parts.fragment:
            raise ValueError("it must end after the host or port: the pages stand at its root")
        return value

    @model_validator(mode="after")
    def _is_public_under_a_name(self) -> Self:
        if not self.is_here and not self.origin.startswith("https:"):
            raise ValueError("public_url must say under which https:// address browsers find the pages")
        return self

    @property
    def origin(self) -> str:
        """What a browser calls the origin of the pages: scheme, host, and port if it is not the usual one."""
        parts = urlsplit(self.public_url or f"http://{self._host}:{self.port}")
        port = "" if parts.port in {None, _DEFAULT_PORTS[parts.scheme]} else f":{parts.port}"
        host = f"[{parts.hostname}]" if ":" in (parts.hostname or "") else parts.hostname
        return f"{parts.scheme}://{host}{port}"

    @property
    def is_here(self) -> bool:
        """Whether the pages are served to this machine alone: where they listen, and how browsers call them."""
        return is_here(f"http://{self._host}/") and (not self.public_url or is_here(self.public_url))

    @property
    def _host(self) -> str:
        return f"[{self.host}]" if ":" in self.host else self.host
