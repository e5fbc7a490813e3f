"""A second opinion on a reply, by another parser (expat) and by the contract alone, with no code of rrsync.

A reply is *whole* when it is well-formed UTF-8 without a document type, has everything on the way from the envelope to
the person exactly once, in its own namespace or none, is under our reference, about the number we asked, and has no
exception of type ``FOUT``. It is *quiet* when nothing in it says that a person must look (contract, "From reply to
address").
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from typing import Final
from xml.etree import ElementTree as ET

SOAP: Final = "{http://schemas.xmlsoap.org/soap/envelope/}"
RESPONSE: Final = "{http://magda.vlaanderen.be/persoon/soap/geefpersoon/v02_02}GeefPersoonResponse"
HARMLESS: Final = {"30030", "30042", "40143", "99982", "99983", "99984", "99986"}
PARTS: Final = ("street", "house_number", "box", "postal_code", "municipality", "nis_code", "country")
LONGEST: Final = 300


_TAG: Final = re.compile(r"<[^<>!?][^<>]*>")
#: NameChar of the fifth edition (§2.3), but for ASCII.
_NEWER: Final = re.compile(
    "[\u00b7\u00c0-\u00d6\u00d8-\u00f6\u00f8-\u037d\u037f-\u1fff\u200c\u200d\u203f\u2040\u2070-\u218f"
    "\u2c00-\u2fef\u3001-\ud7ff\uf900-\ufdcf\ufdf0-\ufffd\U00010000-\U000effff]"
)


class NotWhole(Exception):
    """The reply may not be used."""


class _Plain(ET.TreeBuilder):
    """Builds a tree of what has no document type."""

    def doctype(self, *_: str | None) -> None:
        """Refuse one."""
        raise NotWhole("a document type")


@dataclass(frozen=True, slots=True)
class Said:
    """What a whole reply says, and whether it may be written without a person looking."""

    last: str
    first: str
    born: str
    since: str
    address: dict[str, str]
    is_quiet: bool


def opinion(data: bytes, *, reference: str, digits: str, today: str) -> Said:
    """Read a reply.

    Raises:
        NotWhole: it may not be used, whatever it says.
    """
    try:
        root = ET.XML(_older(data), ET.XMLParser(target=_Plain(), encoding="utf-8"))
    except (ET.ParseError, ValueError) as error:
        raise NotWhole("no XML") from error
    body = _must(root, f"{SOAP}Body")
    if root.tag != f"{SOAP}Envelope" or len(body) != 1:
        raise NotWhole("no envelope")
    repliek = _must(_must(body, RESPONSE), "Repliek")
    antwoord = _must(repliek, "Antwoorden", "Antwoord")
    receiver = _one(repliek, "Context", "Bericht", "Ontvanger", "Referte")
    if leaf(_must(antwoord, "Referte")) != reference or (
        receiver is not None and leaf(receiver) not in {"", reference}
    ):
        raise NotWhole("another's reference")
    persoon = _must(antwoord, "Inhoud", "Persoon")
    if leaf(_must(persoon, "INSZ")) != digits:
        raise NotWhole("another's number")
    is_calm = all(_is_calm(one) for place in (repliek, antwoord) for one in _list(place, "Uitzonderingen"))
    return _said(persoon, today, is_calm=is_calm)


def _older(data: bytes) -> bytes:
    """Return a message without the letters in tags that are names since XML 1.0's fifth edition; expat has the fourth.

    No name of the register's has one, so whatever is put in their place makes none of it.
    """
    return _TAG.sub(lambda tag: _NEWER.sub("_", tag[0]), data.decode()).encode()


def _said(persoon: ET.Element, today: str, *, is_calm: bool) -> Said:
    home = _one(persoon, "Adressen", "Hoofdverblijfplaats")
    if home is not None and (_over(home, "@DatumEinde", today) or _begins_later(home, today)):
        home = None
    address = {
        "street": _name(home, "Straatnaam", "NietGestandaardiseerdeStraatnaam"),
        "house_number": _text(home, "Huisnummer"),
        "box": _text(home, "Busnummer"),
        "postal_code": _text(home, "Postcode"),
        "municipality": _name(home, "Gemeentenaam", "NietGestandaardiseerdeGemeentenaam"),
        "nis_code": _text(home, "NISCodeGemeente"),
        "country": _text(home, "ISOCodeLand"),
    }
    if any(len(text) > LONGEST for text in address.values()):
        raise NotWhole("longer than anything real")
    return Said(
        last=" ".join(filter(None, map(leaf, _list(_one(persoon, "Naam"), "Achternamen")))),
        first=" ".join(filter(None, map(leaf, _list(_one(persoon, "Naam"), "Voornamen")))),
        born=_text(persoon, "Geboorte", "Datum"),
        since="" if home is None else home.get("DatumBegin", "").strip(),
        address=address,
        is_quiet=is_calm and any(address[part] for part in PARTS[:-1]) and not _alarms(persoon, home, today),
    )


def _alarms(persoon: ET.Element, home: ET.Element | None, today: str) -> bool:
    """Whether somebody died, has a status, has a secret address, or one that is a reference."""
    reference = _one(home, "ReferentieAdres")
    secret = _one(persoon, "Adressen", "NietMededeelbaarAdres")
    period = _one(secret, "Periode")
    later = _day(_text(period, "Begindatum")) > today
    own, files = _text(persoon, "INSZ"), [_one(persoon, name) for name in ("Referentiedossier", "GeannuleerdDossier")]
    other, cancelled = [
        None if file is None or _over(file, "@DatumEinde", today) else _text(file, "INSZ") for file in files
    ]
    return (
        _one(persoon, "Overlijden") is not None
        or (other is not None and other != own)
        or (cancelled is not None and cancelled in {own, ""})
        or any(not _over(status, "@DatumEinde", today) for status in _list(persoon, "Statussen"))
        or (reference is not None and not _over(reference, "Einddatum", today))
        or (secret is not None and not later and not _over(period, "Einddatum", today))
    )


def _is_calm(exception: ET.Element) -> bool:
    """Whether an exception is a remark.

    Raises:
        NotWhole: it is an error, or nobody can say what it is.
    """
    told = [_one(exception, name) for name in ("Type", "Identificatie")]
    severity, code = map(leaf, told)
    if severity == "FOUT" or any(one is not None and len(one) for one in told):
        raise NotWhole("an error, or what may be one")
    return code in HARMLESS or severity == "INFORMATIE"


def leaf(element: ET.Element | None) -> str:
    """Return the tidied text of a leaf; an element with others in it has none."""
    if element is None:
        return ""
    return " ".join(unicodedata.normalize("NFC", "" if len(element) else element.text or "").split())


def _one(element: ET.Element | None, *path: str) -> ET.Element | None:
    """Return the only element down a path."""
    for name in path:
        found = [] if element is None else [child for child in element if child.tag == name]
        if len(found) > 1:
            raise NotWhole(f"{name} is there twice")
        element = found[0] if found else None
    return element


def _must(element: ET.Element, *path: str) -> ET.Element:
    found = _one(element, *path)
    if found is None:
        raise NotWhole(f"{path[-1]} is missing")
    return found


#: What each list holds.
_PART: Final = {
    "Uitzonderingen": "Uitzondering",
    "Statussen": "Status",
    "Achternamen": "Achternaam",
    "Voornamen": "Voornaam",
}


def _list(element: ET.Element | None, name: str) -> list[ET.Element]:
    whole = _one(element, name)
    return [] if whole is None else [child for child in whole if child.tag == _PART[name]]


def _text(element: ET.Element | None, *path: str) -> str:
    return leaf(_one(element, *path))


def _name(home: ET.Element | None, *names: str) -> str:
    return next(filter(None, (_text(home, name, "String") for name in names)), "")


def _day(text: str) -> str:
    """Return a whole date as it is written, else ``""``."""
    is_day = re.fullmatch(r"[0-9]{4}-(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])", text[:10])
    return text[:10] if is_day and text[:4] != "0000" else ""


def _begins_later(home: ET.Element, today: str) -> bool:
    return _day(home.get("DatumBegin", "").strip()) > today


def _over(element: ET.Element | None, name: str, today: str) -> bool:
    """Whether it ended before today, on a day we are sure of."""
    if element is None:
        return False
    end = element.get(name[1:], "").strip() if name.startswith("@") else _text(element, name)
    return "" < _day(end) < today
