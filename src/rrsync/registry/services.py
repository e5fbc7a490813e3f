"""The MAGDA operations that rrsync uses: to ask about a person, and to make and end a subscription to a number.

The WSDL of each is in a folder under ``wsdl`` with its name. Only the root of its messages has a namespace.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from rrsync.core.exchange import Deed
from rrsync.errors import ConfigError


@dataclass(frozen=True, slots=True)
class Service:
    """One version of an operation; ``domain`` is its part of MAGDA's addresses."""

    name: str
    version: str
    domain: str
    namespace: str

    @property
    def operation(self) -> str:
        """The operation with its version, as ``GeefPersoon-02.02``."""
        return f"{self.name}-{self.version}"

    @property
    def response(self) -> str:
        """The qualified name of the root of a reply."""
        return f"{{{self.namespace}}}{self.name}Response"


def _repertory(name: str, version: str) -> Service:
    """Return an operation of the repertory of subscriptions (MAGDA fact sheet §2.4)."""
    tail = version.replace(".", "_")
    space = f"http://webservice.{name.lower()}dienst-{tail}.repertorium-{tail}.vip.vlaanderen.be"
    return Service(name, version, "repertorium", space)


PERSON: Final = Service("GeefPersoon", "02.02", "persoon", "http://magda.vlaanderen.be/persoon/soap/geefpersoon/v02_02")
SUBSCRIBE: Final[Mapping[str, Service]] = {
    version: _repertory("RegistreerInschrijving", version) for version in ("02.00", "02.01")
}
UNSUBSCRIBE: Final[Mapping[str, Service]] = {
    version: _repertory("RegistreerUitschrijving", version) for version in ("02.00", "02.01")
}


def service(deed: Deed, repertory: str | None) -> Service:
    """Return the operation for a deed; ``repertory`` is the version of those for subscriptions, ``None`` for none.

    Raises:
        ConfigError: a subscription is wanted, and the settings want none.
    """
    if deed is Deed.READ:
        return PERSON
    if repertory is None:
        raise ConfigError(
            "The settings do not let subscriptions be made or ended",
            kept="Nothing was asked or logged",
            todo="Set subscribe = true in [registry]",
        )
    return (SUBSCRIBE if deed is Deed.SUBSCRIBE else UNSUBSCRIBE)[repertory]
