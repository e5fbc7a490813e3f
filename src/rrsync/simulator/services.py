"""The operations that the simulator speaks: their names, namespaces and schemas."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class Offer:
    """One operation of one version; ``declares`` names what its question is about, when that is no person."""

    name: str
    version: str
    namespace: str
    declares: str = ""

    @property
    def operation(self) -> str:
        """The operation with its version, as its folders are named."""
        return f"{self.name}-{self.version}"

    @property
    def root(self) -> str:
        """The qualified name of the root of a question."""
        return f"{{{self.namespace}}}{self.name}"


def _repertory(name: str, version: str) -> Offer:
    tail = version.replace(".", "_")
    space = f"http://webservice.{name.lower()}dienst-{tail}.repertorium-{tail}.vip.vlaanderen.be"
    return Offer(name, version, space, name.removeprefix("Registreer"))


PERSON: Final = Offer("GeefPersoon", "02.02", "http://magda.vlaanderen.be/persoon/soap/geefpersoon/v02_02")
OFFERS: Final = (
    PERSON,
    *(
        _repertory(name, version)
        for name in ("RegistreerInschrijving", "RegistreerUitschrijving")
        for version in ("02.00", "02.01")
    ),
)
