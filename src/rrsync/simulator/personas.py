"""A folder of persona files as in MAGDA-Mock: a prepared reply for each number.

1. The references and the receiver become those of the request; the rest stays as in the file.
2. Three layouts are supported: ``DIR/<number>.xml``, ``DIR/GeefPersoon-02.02/<number>.xml`` and
   ``DIR/Persoon/GeefPersoon/02.02.0000/…``. In each, ``notfound.xml`` answers for all other numbers. The other
   operations have the last two, under ``Repertorium``.
3. A file is read when it is requested.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

from lxml import etree

from rrsync.errors import ConfigError
from rrsync.simulator.replies import OPERATIONS, PERSON, Operation, Request, envelope

_NOT_FOUND: Final = "notfound"


class Personas:
    """The persona files of one folder."""

    __slots__ = ("_folders",)

    def __init__(self, folder: Path) -> None:
        """Find the layout of the folder.

        Raises:
            ConfigError: the folder holds no persona file in any of the three layouts.
        """
        self._folders = {
            offer: tuple(place for place in _places(folder, offer) if any(place.glob("*.xml"))) for offer in OPERATIONS
        }
        if not any(self._folders.values()):
            raise ConfigError(
                f"There is no persona file in {folder}",
                todo="Name a folder that holds <number>.xml, GeefPersoon-02.02 or Persoon/GeefPersoon/02.02.0000",
            )

    def about(self, asker: Request) -> bytes | None:
        """Return the reply for the requested number, or ``None`` without a file for it.

        Raises:
            ConfigError: the file is no reply, or declares a document type.
        """
        return self._reply(asker.digits, asker) if asker.digits.isdigit() else None

    def nobody(self, asker: Request) -> bytes | None:
        """Return the reply for a number that nobody has, or ``None`` without a ``notfound.xml``.

        Raises:
            ConfigError: the file is no reply, or declares a document type.
        """
        return self._reply(_NOT_FOUND, asker)

    def _reply(self, stem: str, asker: Request) -> bytes | None:
        for folder in self._folders[asker.offer]:
            path = folder / f"{stem}.xml"
            if path.is_file():
                return envelope(_addressed(path, asker))
        return None


def _places(folder: Path, offer: Operation) -> tuple[Path, ...]:
    """Return the folders that may hold the files of an operation."""
    domain = "Persoon" if offer is PERSON else "Repertorium"
    own = folder / domain / offer.name / f"{offer.version}.0000", folder / offer.operation
    return (*own, folder) if offer is PERSON else own


def _addressed(path: Path, asker: Request) -> bytes:
    """Read a persona file and address it to the sender."""
    root = _read(path)
    for reference in root.iterfind("Repliek/Antwoorden/Antwoord/Referte"):
        reference.text = asker.reference
    receiver = root.find("Repliek/Context/Bericht/Ontvanger")
    if receiver is not None:
        for child in list(receiver):
            receiver.remove(child)
        for name, value in (
            ("Identificatie", asker.sender),
            ("Referte", asker.sender_reference),
            ("Hoedanigheid", asker.capacity),
            ("Gebruiker", asker.user),
        ):
            if value:
                etree.SubElement(receiver, name).text = value
    return etree.tostring(root, encoding="utf-8", xml_declaration=False)


def _read(path: Path) -> etree._Element:
    """Read a file without a document type, entities or the network; the message never names the number."""
    parser = etree.XMLParser(resolve_entities=False, load_dtd=False, no_network=True)
    try:
        root = etree.fromstring(path.read_bytes(), parser)
    except (OSError, etree.XMLSyntaxError) as error:
        raise ConfigError("A persona file cannot be read as XML", todo="Repair the file") from error
    if root.getroottree().docinfo.internalDTD is not None or root.find("Repliek") is None:
        raise ConfigError("A persona file is no plain reply", todo="Repair the file")
    return root
