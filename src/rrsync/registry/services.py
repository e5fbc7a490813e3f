"""MAGDA's operations that we speak: what asks about a person, and what makes and ends a subscription to a number.

Each has a folder of our own under ``wsdl``, named as the operation. Only the root of its messages has a namespace.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from rrsync.core.exchange import Deed
from rrsync.errors import ConfigError


@dataclass(frozen=True, slots=True)
class Service:
    """One operation of one version; ``domain`` is where MAGDA keeps it, as its addresses name it."""

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
    """Give an operation of the repertory of subscriptions (MAGDA fact sheet §2.4)."""
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
    """Give the operation that does a deed; ``repertory`` is the version of those that subscribe, ``None`` for none.

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
