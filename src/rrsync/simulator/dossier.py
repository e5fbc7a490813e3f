"""A citizen as the register tells it: the ``Persoon`` of a reply, as XML text.

It tells more than a library may see (sex, nationality, household, civil status), as an unfiltered reply would, so that
a caller can prove that it drops the rest. Text is built, not a tree: a run asks a million times.
"""

from __future__ import annotations

from datetime import date, timedelta
from typing import Final
from xml.sax.saxutils import escape

from rrsync.core.person import Address
from rrsync.simulator.citizen import Citizen, Situation
from rrsync.simulator.tables import BELGIUM, COUNTRIES, Country

_STATUS: Final = {
    "992": "Afgeschreven naar het buitenland",
    "00992": "Afgeschreven naar het buitenland",
    "99990": "Overleden",
    "99991": "Afvoering van ambtswege (ambtshalve schrapping).",
    "99992": "Afvoering van ambtswege naar het buitenland",
    "99996": "Verklaard afwezig",
    "99997": "Afgevoerd-verlies van verblijfsrecht",
    "21099": "Dienst Vreemdelingenzaken",
}
_STRUCK_OFF: Final = ("99991", "99992", "99997")
_SEX: Final = {"1": "Mannelijk", "2": "Vrouwelijk"}
_ENDED: Final = 17
_DECLARED: Final = 31


def person(citizen: Citizen, today: date) -> str:
    """Give the whole ``Persoon`` element of a citizen, in the order of the schema."""
    source = "KSZ" if citizen.situation is Situation.CONTACT_ONLY else "RR"
    since = citizen.since.text
    return (
        f'<Persoon DatumCreatie="1985-01-01" DatumModificatie="{since}" Bron="{source}">'
        f"<INSZ>{citizen.insz.digits}</INSZ>"
        f"{_name(citizen)}"
        f"<Geslacht><Code>{citizen.sex}</Code>"
        f'<Omschrijving Taal="nl">{_SEX[citizen.sex]}</Omschrijving></Geslacht>'
        f"{_statuses(citizen)}"
        f'<Beheerder DatumBegin="{since}">{_place(citizen.residence)}'
        "<Taalregime><Code>1</Code><Omschrijving>Nederlands</Omschrijving></Taalregime></Beheerder>"
        "<Register><Code>01</Code><Omschrijving>Bevolkingsregister</Omschrijving></Register>"
        f'<Nationaliteiten><Nationaliteit DatumBegin="{citizen.birth.text}"><Code>{citizen.nationality.nis_code}</Code>'
        f"<Omschrijving>{citizen.nationality.nationality}</Omschrijving></Nationaliteit></Nationaliteiten>"
        f'<Geboorte DatumBegin="{citizen.birth.text}"><Datum>{citizen.birth.text}</Datum>'
        f"{_place(citizen.residence)}<Aktenummer>0421</Aktenummer></Geboorte>"
        f"{_death(citizen)}{_marriage(citizen)}{_addresses(citizen, today)}"
        f'<Referentiepersoon DatumBegin="{since}"><INSZ>{citizen.relative.digits}</INSZ>{_names(citizen)}'
        "<Positie><Code>3</Code><Omschrijving>Zoon of dochter</Omschrijving></Positie></Referentiepersoon>"
        "</Persoon>"
    )


def _names(citizen: Citizen) -> str:
    return f"<Naam><Achternamen><Achternaam>{escape(citizen.last_names[0])}</Achternaam></Achternamen></Naam>"


def _name(citizen: Citizen) -> str:
    last = "".join(f"<Achternaam>{escape(name)}</Achternaam>" for name in citizen.last_names)
    first = "".join(f"<Voornaam>{escape(name)}</Voornaam>" for name in citizen.first_names)
    first = f"<Voornamen>{first}</Voornamen>" if first else ""
    return f'<Naam DatumBegin="{citizen.birth.text}"><Achternamen>{last}</Achternamen>{first}</Naam>'


def _country(country: Country) -> str:
    return (
        f"<Land><NISCode>{country.nis_code}</NISCode><ISOCode>{country.iso_code}</ISOCode>"
        f"<Naam>{country.name}</Naam></Land>"
    )


def _place(address: Address) -> str:
    town = f"<NISCode>{address.nis_code}</NISCode><Naam>{escape(address.municipality)}</Naam>"
    return f"<Plaats><Gemeente>{town}</Gemeente>{_country(BELGIUM)}</Plaats>"


def _marriage(citizen: Citizen) -> str:
    if citizen.position % 2:
        return ""
    return (
        '<BurgerlijkeStaten><BurgerlijkeStaat DatumBegin="2010-05-08"><Code>20</Code>'
        f"<Omschrijving>Gehuwd</Omschrijving><Partner><INSZ>{citizen.relative.digits}</INSZ>{_names(citizen)}</Partner>{_place(citizen.residence)}"
        "</BurgerlijkeStaat></BurgerlijkeStaten>"
    )


def _status_code(citizen: Citizen) -> str:
    """Give the status a citizen has, or nothing."""
    match citizen.situation:
        case Situation.DECEASED:
            return "" if citizen.variant % 2 else "99990"
        case Situation.ABROAD:
            return ("992", "00992", "")[citizen.variant % 3]
        case Situation.STRUCK_OFF:
            return _STRUCK_OFF[citizen.variant % 3]
        case Situation.ABSENT:
            return "99996"
        case Situation.UNKNOWN_STATUS:
            return "21099"
        case _:
            return ""


def _statuses(citizen: Citizen) -> str:
    code = _status_code(citizen)
    if not code:
        return ""
    return (
        f'<Statussen><Status DatumBegin="2025-03-03"><Code>{code}</Code>'
        f"<Omschrijving>{_STATUS[code]}</Omschrijving></Status></Statussen>"
    )


def _death(citizen: Citizen) -> str:
    if citizen.situation is not Situation.DECEASED:
        return ""
    day = "2025-03-00" if citizen.variant % 4 == 1 else "2025-03-03"
    return f'<Overlijden DatumBegin="{day}"><Datum>{day}</Datum>{_place(citizen.residence)}</Overlijden>'


def _addresses(citizen: Citizen, today: date) -> str:
    """Give the ``Adressen``, in the order of the schema: residence, abroad, declared, protected, contact."""
    situation, odd = citizen.situation, citizen.variant % 2
    since = f'DatumBegin="{citizen.since.text}"'
    declared = (
        "<AangifteAdreswijziging><Tekst>Aangifte van verhuis, nog niet vastgesteld</Tekst></AangifteAdreswijziging>"
    )
    match situation:
        case Situation.NO_ADDRESS:
            return f"<Adressen>{declared}</Adressen>" if odd else ""
        case Situation.CONTACT_ONLY:
            kind = "<Type><Code>1</Code><Omschrijving>Tijdelijk verblijf</Omschrijving></Type>"
            return f"<Adressen><ContactAdres {since}>{_address(citizen)}{kind}</ContactAdres></Adressen>"
        case Situation.ABROAD if citizen.variant % 3 == 2:
            return f"<Adressen>{_abroad(citizen)}</Adressen>"
        case _:
            after = _after(citizen, today)
            if situation is Situation.SETTLED and citizen.position % 50 == _DECLARED:
                after += declared
            home = f"<Hoofdverblijfplaats {since}>{_address(citizen)}{_reference(citizen)}</Hoofdverblijfplaats>"
            return f"<Adressen>{home}{after}</Adressen>"


def _after(citizen: Citizen, today: date) -> str:
    """Give what stands behind the main residence."""
    if citizen.situation is Situation.ABROAD:
        return _abroad(citizen)
    if citizen.situation is not Situation.PROTECTED:
        return ""
    begin, end = today - timedelta(days=60), today + timedelta(days=120)
    period = f"<Periode><Begindatum>{begin}</Begindatum><Einddatum>{end}</Einddatum></Periode>"
    return (
        f'<NietMededeelbaarAdres DatumBegin="{begin}">{"" if citizen.variant % 2 else period}</NietMededeelbaarAdres>'
    )


def _abroad(citizen: Citizen) -> str:
    country = COUNTRIES[citizen.position % len(COUNTRIES)]
    lines = "<Teksten><Tekst>12 Invented Street</Tekst><Tekst>99999 Elsewhere</Tekst></Teksten>"
    begin = 'DatumBegin="2025-03-03"'
    if citizen.variant % 3 == 1:
        where = f"<Datum>2025-03-03</Datum>{_country(country)}{lines}"
        return f"<AangifteAdresBuitenland {begin}>{where}</AangifteAdresBuitenland>"
    post = f"<Code>1372</Code><Omschrijving>Elsewhere</Omschrijving>{_country(country)}"
    return (
        f"<VerblijfplaatsBuitenland {begin}><DiplomatiekePost>{post}</DiplomatiekePost>"
        f"{_country(country)}{lines}</VerblijfplaatsBuitenland>"
        f"<PostadresBuitenland {begin}>{_country(country)}{lines}</PostadresBuitenland>"
    )


def _reference(citizen: Citizen) -> str:
    """Give a reference address: an open one, or for some settled people one that has ended."""
    if citizen.situation is Situation.REFERENCE_ADDRESS:
        return "<ReferentieAdres><Begindatum>2025-03-03</Begindatum></ReferentieAdres>"
    if citizen.situation is Situation.SETTLED and citizen.position % 50 == _ENDED:
        return "<ReferentieAdres><Begindatum>2019-01-07</Begindatum><Einddatum>2020-01-06</Einddatum></ReferentieAdres>"
    return ""


def _address(citizen: Citizen) -> str:
    """Give the children of an address; a street without a standard stands in another place, with its code."""
    address, language = citizen.residence, citizen.language
    street, loose = f"<String>{escape(address.street)}</String>", ""
    named = f"<Straatnaam>{street}<Taal>{language}</Taal></Straatnaam>"
    if citizen.situation is Situation.NONSTANDARD_STREET:
        named = ""
        loose = f"<StraatCode>0{citizen.position % 900 + 100}</StraatCode>"
        loose += f"<NietGestandaardiseerdeStraatnaam>{street}</NietGestandaardiseerdeStraatnaam>"
    box = f"<Busnummer>{escape(address.box)}</Busnummer>" if address.box else ""
    if citizen.situation is Situation.EMPTY_BOX:
        box = "<Busnummer/>"
    return (
        f"{named}<Huisnummer>{escape(address.house_number)}</Huisnummer>{box}"
        f"<Gemeentenaam><String>{escape(address.municipality)}</String><Taal>nl</Taal></Gemeentenaam>"
        f"<Land><String>{BELGIUM.name}</String><Taal>nl</Taal></Land><Postcode>{address.postal_code}</Postcode>"
        f"<NISCodeLand>{BELGIUM.nis_code}</NISCodeLand><ISOCodeLand>{BELGIUM.iso_code}</ISOCodeLand>"
        f"<NISCodeGemeente>{address.nis_code}</NISCodeGemeente>{loose}"
    )
