"""How values are written for people: dates, moments in Belgian time, durations, numbers, names and addresses.

>>> day(date(2026, 11, 1), "nl"), number(1234567, "nl"), ago(timedelta(days=40), "nl")
('1 november 2026', '1.234.567', '40 dagen geleden')
"""

from __future__ import annotations

from datetime import date, datetime, timedelta
from functools import cache, lru_cache
from typing import Final
from zoneinfo import ZoneInfo

from babel import Locale
from babel.dates import format_date
from babel.numbers import format_decimal
from babel.units import format_unit

from rrsync.core.person import Address, Name, PartialDate
from rrsync.core.planning import belgian_day
from rrsync.text.catalogue import N_, translations

#: How every national number is shown: its shape, and nothing of the number itself.
MASKED: Final = "••.••.••-•••.••"

_BRUSSELS: Final = ZoneInfo("Europe/Brussels")
_DAY: Final = "d MMMM y"
_MONTH: Final = "MMMM y"
_HOME: Final = frozenset({"", "BEL"})
_SHORT_HASH: Final = 12
_NEAR: Final = {0: N_("today at %(time)s"), 1: N_("yesterday at %(time)s")}
#: Up to how many seconds a duration is said in a unit, how many one is, and Babel's name of the unit.
_UNITS: Final = (
    (90 * 60, 60, "duration-minute"),
    (36 * 3600, 3600, "duration-hour"),
    (60 * 86400, 86400, "duration-day"),
    (700 * 86400, 2_629_746, "duration-month"),
    (float("inf"), 31_556_952, "duration-year"),
)


@cache
def _locale(language: str) -> Locale:
    return Locale.parse(language)


def day(of: date, language: str) -> str:
    """Return a day: ``1 november 2026``; of a moment, the day it is in Belgium."""
    return _written(belgian_day(of) if isinstance(of, datetime) else of, _DAY, language)


@lru_cache(maxsize=4096)
def _written(of: date, pattern: str, language: str) -> str:
    return format_date(of, pattern, _locale(language))


def weekday(of: date, language: str) -> str:
    """Return a day with its weekday: ``zondag 1 november 2026``."""
    return _written(of, f"EEEE {_DAY}", language)


def month(text: str, language: str) -> str:
    """Return a month, written ``2026-10``: ``oktober 2026``."""
    return _written(date.fromisoformat(f"{text}-01"), _MONTH, language)


def clock(at: datetime) -> str:
    """Return the time in Belgium: ``08:30``."""
    return f"{at.astimezone(_BRUSSELS):%H:%M}"


def moment(at: datetime, language: str, now: datetime) -> str:
    """Return a moment as seen from ``now``: ``vandaag om 08:30``, ``gisteren om 17:05``, ``3 mei 2026 om 10:00``."""
    _, days = translations(language).gettext, (belgian_day(now) - belgian_day(at)).days
    if days in _NEAR:
        return _(_NEAR[days]) % {"time": clock(at)}
    return _("%(day)s at %(time)s") % {"day": day(at, language), "time": clock(at)}


def exact(at: datetime, language: str) -> str:
    """Return a moment to the second, in Belgian time: ``1 november 2026, 08:30:12``."""
    return f"{day(at, language)}, {at.astimezone(_BRUSSELS):%H:%M:%S}"


def brief(at: datetime) -> str:
    """Return a moment for a narrow column: ``01/11/2026 08:30``, as both languages write it in Belgium."""
    return f"{at.astimezone(_BRUSSELS):%d/%m/%Y %H:%M}"


def ago(span: timedelta, language: str) -> str:
    """Return how long ago it was: ``40 dagen geleden``; less than a minute is just now."""
    _ = translations(language).gettext
    if span < timedelta(minutes=1):
        return _("just now")
    return _("%(span)s ago") % {"span": _roughly(span, language)}


def lasts(span: timedelta, language: str) -> str:
    """Return how long it takes: ``41 minuten``, ``2 uur 41 min``; at least a minute."""
    minutes = max(1, round(span.total_seconds() / 60))
    if minutes < 60:
        return _roughly(timedelta(minutes=minutes), language)
    hours, rest = divmod(minutes, 60)
    said = format_unit(hours, "duration-hour", locale=_locale(language))
    return f"{said} {rest} min" if rest else said


def _roughly(span: timedelta, language: str) -> str:
    seconds = max(60.0, span.total_seconds())
    size, unit = next((size, unit) for most, size, unit in _UNITS if seconds < most)
    return format_unit(round(seconds / size), unit, locale=_locale(language))


def partial(of: PartialDate, language: str) -> str:
    """Return a date of which the month or the day may be unknown: ``maart 1998``, ``1998``."""
    if of.is_complete:
        return day(date(of.year, of.month, of.day), language)
    return month(f"{of.year:04}-{of.month:02}", language) if of.month else str(of.year)


@lru_cache(maxsize=4096)  # a page of figures has thousands, most of them small
def number(count: int, language: str) -> str:
    """Return a whole number with its thousands separated."""
    return format_decimal(count, locale=_locale(language))


def decimal(value: float, language: str) -> str:
    """Return a number with one decimal: ``7,9``."""
    return format_decimal(value, "0.0", _locale(language))


def full_name(name: Name) -> str:
    """Return a name, first names first; what is not known is left out."""
    return f"{name.first} {name.last}".strip()


def listed_name(name: Name) -> str:
    """Return a name as in a list: ``Peeters, An``."""
    return ", ".join(part for part in (name.last, name.first) if part)


def lines(address: Address, language: str) -> tuple[str, ...]:
    """Return the lines of an address as on an envelope."""
    door = " ".join(part for part in (address.street, address.house_number) if part)
    if address.box:
        box = translations(language).gettext("box")
        door = f"{door} {box} {address.box}".strip()
    town = f"{address.postal_code} {address.municipality}".strip()
    country = "" if address.country in _HOME else address.country
    return tuple(line for line in (door, town, country) if line)


def short(digest: str) -> str:
    """Return the beginning of a hash, in groups of four: enough to compare two by eye."""
    return " ".join(digest[at : at + 4] for at in range(0, min(len(digest), _SHORT_HASH), 4))


def sentence(text: str) -> str:
    """Return words as a sentence: with a capital, and a full stop unless it has an end of its own."""
    if not text:
        return ""
    return text[0].upper() + text[1:] + ("" if text[-1] in ".!?:" else ".")
