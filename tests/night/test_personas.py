"""All of the government's personas: imported, asked about for a night, exported, and held against their own files.

The files are read here by plain XPath, by the contract alone ("From reply to address"), with no code of rrsync.
"""

from __future__ import annotations

import csv
import re
import unicodedata
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from xml.etree import ElementTree as ET

import pytest

from rrsync.cli.app import run
from tests.night.conftest import LibraryNight
from tests.night.house import House

BAD_CHECKSUM: Final = "20652674825"
FOLDER: Final = "personas/GeefPersoon-02.02"
TODAY: Final = "2026-07-01"
PARTS: Final = ("street", "house_number", "box", "postal_code", "municipality")
ADDRESS: Final = (*PARTS, "nis_code", "country", "address_since")
ELSEWHERE: Final = {
    "street": "Kanarievogelstraat",
    "house_number": "12",
    "box": "7",
    "postal_code": "3999",
    "municipality": "Zwaluwgem",
}
STATUS: Final = {
    "99990": "deceased",
    "992": "abroad",
    "99991": "struck_off",
    "99992": "struck_off",
    "99997": "struck_off",
    "99996": "absent",
}
ORDER: Final = (
    *("mismatch", "unreadable", "refused", "new_number", "cancelled", "unknown", "deceased", "protected", "abroad"),
    *("struck_off", "absent", "unknown_status", "reference_address", "no_address"),
)
ABROAD: Final = ("VerblijfplaatsBuitenland", "PostadresBuitenland", "AangifteAdresBuitenland")
CODES: Final = {"30004": "new_number", "30002": "cancelled", "30001": "unknown", "30003": "unknown"}
AWAY: Final = frozenset({"99994", "99996"})


@dataclass(frozen=True, slots=True)
class Persona:
    """What one file says, by the contract: the first hold reason or ``""``, and what may be taken over."""

    number: str
    away: bool
    reason: str
    last: str
    first: str
    birth_date: str
    address: dict[str, str]

    @classmethod
    def read(cls, path: Path) -> Persona:
        """Read a file."""
        root = ET.parse(path).getroot()
        codes = [(one.findtext("Identificatie", ""), one.findtext("Type", "")) for one in root.iter("Uitzondering")]
        person = root.find("Repliek/Antwoorden/Antwoord/Inhoud/Persoon")
        home = None if person is None else person.find("Adressen/Hoofdverblijfplaats")
        reasons = [CODES[code] for code, _ in codes if code in CODES]
        if person is not None:
            reasons += signals(person)
            if text(person, "INSZ") != path.stem:
                reasons.append("mismatch")
        return cls(
            number=path.stem,
            away=any(code in AWAY for code, _ in codes),
            reason=min(reasons, key=ORDER.index, default=""),
            last=joined(person, "Naam/Achternamen/Achternaam"),
            first=joined(person, "Naam/Voornamen/Voornaam"),
            birth_date=partial(text(person, "Geboorte/Datum")),
            address={
                "street": either(home, "Straatnaam", "NietGestandaardiseerdeStraatnaam"),
                "house_number": text(home, "Huisnummer"),
                "box": text(home, "Busnummer"),
                "postal_code": text(home, "Postcode"),
                "municipality": either(home, "Gemeentenaam", "NietGestandaardiseerdeGemeentenaam"),
                "nis_code": text(home, "NISCodeGemeente"),
                "country": text(home, "ISOCodeLand"),
                "address_since": partial("" if home is None else home.get("DatumBegin", "")),
            },
        )


def signals(person: ET.Element) -> list[str]:
    """Give every hold reason that a person's content holds."""
    found = [
        STATUS.get(text(status, "Code").lstrip("0"), "unknown_status")
        for status in person.findall("Statussen/Status")
        if not ended(status.get("DatumEinde", ""))
    ]
    if person.find("Overlijden") is not None:
        found.append("deceased")
    home = person.find("Adressen/Hoofdverblijfplaats")
    secret = person.find("Adressen/NietMededeelbaarAdres")
    if secret is not None and not ended(text(secret, "Periode/Einddatum")):
        found.append("protected")
    if home is None:
        found.append("no_address")
        if any(person.find(f"Adressen/{name}") is not None for name in ABROAD):
            found.append("abroad")
    elif (reference := home.find("ReferentieAdres")) is not None and not ended(text(reference, "Einddatum")):
        found.append("reference_address")
    return found


def text(element: ET.Element | None, path: str) -> str:
    """Give a text, trimmed, in NFC."""
    found = "" if element is None else element.findtext(path) or ""
    return " ".join(unicodedata.normalize("NFC", found).split())


def either(element: ET.Element | None, *names: str) -> str:
    """Give the first of two places' text."""
    return next((found for name in names if (found := text(element, f"{name}/String"))), "")


def joined(person: ET.Element | None, path: str) -> str:
    """Give the parts of a name as one text."""
    parts = [] if person is None else person.findall(path)
    return " ".join(text(part, ".") for part in parts if text(part, "."))


def ended(day: str) -> bool:
    """Whether a whole date is past."""
    return bool(re.fullmatch(r"\d{4}-(0[1-9]|1[0-2])-(0[1-9]|[12]\d|3[01])", day[:10])) and day[:10] < TODAY


def partial(day: str) -> str:
    """Give a date with ``00`` for whatever is no month or no day."""
    match = re.fullmatch(r"(\d{4})-(\d\d)-(\d\d)", day[:10])
    if not match or match[1] == "0000":
        return ""
    year, month, day = match.groups()
    if not 1 <= int(month) <= 12:
        return f"{year}-00-00"
    return f"{year}-{month}-{day if 1 <= int(day) <= 31 else '00'}"


def bare(word: str) -> str:
    """Give a word in capitals and without accents."""
    apart = unicodedata.normalize("NFKD", word)
    return "".join(char for char in apart if not unicodedata.combining(char)).upper()


def row_of(persona: Persona, place: int) -> dict[str, str]:
    """Give what a library holds of a persona: the same in other words, an old address, or none, in turn."""
    how = ("same", "moved", "bare")[place % 3]
    known = {name: persona.address[name] for name in PARTS}
    if how == "same":
        known |= {name: bare(known[name]) for name in ("street", "municipality")}
        known["box"] = f"bus 0{known['box']}" if known["box"].isdigit() else known["box"]
    if how == "moved" or (how == "same" and persona.reason):
        known = ELSEWHERE
    if how == "bare":
        known = dict.fromkeys(PARTS, "")
    names = {"last_name": bare(persona.last), "first_names": bare(persona.first)}
    born = persona.birth_date if how == "same" and "-00" not in persona.birth_date else ""
    return {"member_no": f"P{place:04d}", "insz": persona.number, "birth_date": born, **names, **known}


def wanted(persona: Persona, row: dict[str, str]) -> dict[str, str]:
    """Give what must be exported, by the contract."""
    before = {name: row.get(name, "") for name in ("last_name", "first_names", "birth_date", *ADDRESS)}
    before["country"] = "BEL"
    if persona.away:
        return before | {"verdict": "", "hold_reason": ""}
    if persona.reason:
        return before | {"verdict": "hold", "hold_reason": persona.reason}
    confirmed = {"birth_date": persona.birth_date or before["birth_date"]}
    spelled = [bare(row[name]).replace("BUS 0", "").lstrip("0") for name in PARTS]
    if spelled == [bare(persona.address[name]).lstrip("0") for name in PARTS]:
        confirmed |= {name: persona.address[name] for name in ("nis_code", "address_since")}
        return before | confirmed | {"verdict": "same", "hold_reason": ""}
    taken = persona.address | {"country": persona.address["country"] or "BEL"}
    names = {"last_name": persona.last, "first_names": persona.first}
    return before | confirmed | taken | names | {"verdict": "change", "hold_reason": ""}


@pytest.fixture
def personas(magda_data: Path) -> list[Persona]:
    """Read every persona that is a person's."""
    return [Persona.read(path) for path in sorted((magda_data / FOLDER).glob("*.xml")) if path.stem.isdigit()]


def imported(house: House, rows: list[dict[str, str]]) -> None:
    """Import everybody, through the door; the one of whom the number cannot be right is refused."""
    house.rows += rows
    path = house.folder / "members.csv"
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, fieldnames=list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    assert (
        run(["members", "import", str(path), "--library", "demo", "--config", str(house.folder / "rrsync.toml")]) == 3
    )
    rejects = (house.folder / "members.csv.rejects.csv").read_text(encoding="utf-8")
    assert len(rejects.splitlines()) == 2
    assert "check digits" in rejects


def exported(house: House) -> dict[str, dict[str, str]]:
    """Export everybody, through the door."""
    path = house.folder / "export.csv"
    assert run(["members", "export", str(path), "--config", str(house.folder / "rrsync.toml")]) == 0
    with path.open(encoding="utf-8-sig", newline="") as file:
        return {row["member_no"]: row for row in csv.DictReader(file)}


def test_every_persona_gets_what_its_own_file_asks_for(
    library_night: LibraryNight, magda_data: Path, personas: list[Persona]
) -> None:
    """Verdict, reason, address and names of all of them; and a second night changes nothing."""
    house = library_night(personas=magda_data / FOLDER, settings="[night]\nmax_same_address = 1000")
    rows = {persona.number: row_of(persona, place) for place, persona in enumerate(personas)}
    imported(house, list(rows.values()))
    report = house.night()
    away = sum(persona.away for persona in personas)
    assert (report.exit_code, report.open, report.due) == (3, away, len(personas) - 1)
    once = exported(house)
    assert rows.pop(BAD_CHECKSUM)["member_no"] not in once
    wrong = {}
    for persona in personas:
        if persona.number in rows:
            want = wanted(persona, rows[persona.number])
            found = once[rows[persona.number]["member_no"]]
            wrong[persona.number] = {name: (found[name].removeprefix("'"), want[name]) for name in want}
    assert {number: pairs for number, pairs in wrong.items() if any(got != want for got, want in pairs.values())} == {}
    house.clock.pass_by(days=1)
    second = house.night(full=True)
    assert (second.change, second.open) == (0, away)
    assert dict(second.hold) == dict(report.hold)
    twice = exported(house)
    for number, row in once.items():
        assert {name: row[name] for name in ADDRESS} == {name: twice[number][name] for name in ADDRESS}
        assert twice[number]["verdict"] == row["verdict"].replace("change", "same")


def test_the_reader_of_this_test_sees_every_kind(personas: list[Persona]) -> None:
    """The personas are many, and of nearly every reason there is one."""
    assert len(personas) > 250
    seen = {persona.reason for persona in personas}
    assert seen >= {"", "mismatch", "unknown", "deceased", "abroad", "struck_off", "no_address"}
