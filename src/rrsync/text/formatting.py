"""How values are written for people: dates, moments on the clock in Belgium, spans, numbers, names and addresses.

>>> day(date(2026, 11, 1), "nl"), number(1234567, "nl"), ago(timedelta(days=40), "nl")
('1 november 2026', '1.234.567', '40 dagen geleden')
"""

from __future__ import annotations

from datetime import date, datetime, timedelta
from typing import Final
from zoneinfo import ZoneInfo

from rrsync.core.person import Address, Name, PartialDate
from rrsync.core.planning import belgian_day

#: Language -> the months of a year.
MONTHS: Final = {
    language: words.split()
    for language, words in {
        "nl": "januari februari maart april mei juni juli augustus september oktober november december",
        "en": "January February March April May June July August September October November December",
    }.items()
}

_BRUSSELS: Final = ZoneInfo("Europe/Brussels")
#: How every national number is shown: its shape, and nothing of the number itself.
MASKED: Final = "••.••.••-•••.••"
_THOUSANDS: Final = {"nl": ".", "en": ","}
_HOME: Final = frozenset({"", "BEL"})
_SHORT_HASH: Final = 12

_WEEKDAYS: Final = {
    language: words.split()
    for language, words in {
        "nl": "maandag dinsdag woensdag donderdag vrijdag zaterdag zondag",
        "en": "Monday Tuesday Wednesday Thursday Friday Saturday Sunday",
    }.items()
}
_NEAR: Final = {
    "nl": {0: "vandaag om {}", 1: "gisteren om {}"},
    "en": {0: "today at {}", 1: "yesterday at {}"},
}
_AT: Final = {"nl": "{} om {}", "en": "{} at {}"}
_BEFORE: Final = {"nl": "{} geleden", "en": "{} ago"}
_JUST: Final = {"nl": "zonet", "en": "just now"}
#: Up to how many seconds a unit is said in, how many one is, and its words of one and of more.
_UNITS: Final[dict[str, tuple[tuple[float, int, str, str], ...]]] = {
    "nl": (
        (90 * 60, 60, "minuut", "minuten"),
        (36 * 3600, 3600, "uur", "uur"),
        (60 * 86400, 86400, "dag", "dagen"),
        (700 * 86400, 2_629_746, "maand", "maanden"),
        (float("inf"), 31_556_952, "jaar", "jaar"),
    ),
    "en": (
        (90 * 60, 60, "minute", "minutes"),
        (36 * 3600, 3600, "hour", "hours"),
        (60 * 86400, 86400, "day", "days"),
        (700 * 86400, 2_629_746, "month", "months"),
        (float("inf"), 31_556_952, "year", "years"),
    ),
}


def day(of: date, language: str) -> str:
    """Give a day: ``1 november 2026``; of a moment, the day it is in Belgium."""
    there = belgian_day(of) if isinstance(of, datetime) else of
    return f"{there.day} {MONTHS[language][there.month - 1]} {there.year}"


def weekday(of: date, language: str) -> str:
    """Give a day with its weekday: ``zondag 1 november 2026``."""
    return f"{_WEEKDAYS[language][of.weekday()]} {day(of, language)}"


def month(text: str, language: str) -> str:
    """Give a month, written ``2026-10``: ``oktober 2026``."""
    year, _, part = text.partition("-")
    return f"{MONTHS[language][int(part) - 1]} {year}"


def clock(at: datetime) -> str:
    """Give the time on the clock in Belgium: ``08:30``."""
    return f"{at.astimezone(_BRUSSELS):%H:%M}"


def moment(at: datetime, language: str, now: datetime) -> str:
    """Give a moment as it is said on ``now``: ``vandaag om 08:30``, ``gisteren om 17:05``, ``3 mei 2026 om 10:00``."""
    days = (belgian_day(now) - belgian_day(at)).days
    if days in _NEAR[language]:
        return _NEAR[language][days].format(clock(at))
    return _AT[language].format(day(at, language), clock(at))


def exact(at: datetime, language: str) -> str:
    """Give a moment as a log has it, in Belgian time: ``1 november 2026, 08:30:12``."""
    return f"{day(at, language)}, {at.astimezone(_BRUSSELS):%H:%M:%S}"


def brief(at: datetime) -> str:
    """Give a moment for a narrow column: ``01/11/2026 08:30``, as both languages write it in Belgium."""
    return f"{at.astimezone(_BRUSSELS):%d/%m/%Y %H:%M}"


def ago(span: timedelta, language: str) -> str:
    """Give how long ago it was: ``40 dagen geleden``; less than a minute is just now."""
    if span < timedelta(minutes=1):
        return _JUST[language]
    return _BEFORE[language].format(_roughly(span, language))


def lasts(span: timedelta, language: str) -> str:
    """Give how long it takes: ``41 minuten``, ``2 uur 41 min``; at least a minute."""
    minutes = max(1, round(span.total_seconds() / 60))
    if minutes < 60:
        return _roughly(timedelta(minutes=minutes), language)
    hours, rest = divmod(minutes, 60)
    _, _, one, more = _UNITS[language][1]
    said = f"{hours} {one if hours == 1 else more}"
    return f"{said} {rest} min" if rest else said


def _roughly(span: timedelta, language: str) -> str:
    seconds = max(60.0, span.total_seconds())
    size, one, more = next(unit[1:] for unit in _UNITS[language] if seconds < unit[0])
    count = round(seconds / size)
    return f"{count} {one if count == 1 else more}"


def partial(of: PartialDate, language: str) -> str:
    """Give a date of which the month or the day may be unknown: ``maart 1998``, ``1998``."""
    if of.is_complete:
        return day(date(of.year, of.month, of.day), language)
    return f"{MONTHS[language][of.month - 1]} {of.year}" if of.month else str(of.year)


def number(count: int, language: str) -> str:
    """Give a whole number with its thousands apart."""
    return f"{count:,}".replace(",", _THOUSANDS[language])


def decimal(value: float, language: str) -> str:
    """Give a number with one decimal: ``7,9``."""
    return f"{value:.1f}".replace(".", "," if language == "nl" else ".")


def counted(count: int, words: tuple[str, str], language: str) -> str:
    """Give how many of something there are, in the words for one or for more: ``3 leden``."""
    return words[0 if count == 1 else 1].format(number(count, language))


def full_name(name: Name) -> str:
    """Give a name as one says it; what is not known is left out."""
    return f"{name.first} {name.last}".strip()


def listed_name(name: Name) -> str:
    """Give a name as a list has it: ``Peeters, An``."""
    return ", ".join(part for part in (name.last, name.first) if part)


def lines(address: Address, box: str = "bus") -> tuple[str, ...]:
    """Give the lines of an address as they stand on an envelope; ``box`` is the word before a box."""
    door = " ".join(part for part in (address.street, address.house_number) if part)
    if address.box:
        door = f"{door} {box} {address.box}".strip()
    town = f"{address.postal_code} {address.municipality}".strip()
    country = "" if address.country in _HOME else address.country
    return tuple(line for line in (door, town, country) if line)


def short(digest: str) -> str:
    """Give the beginning of a hash, in groups of four: enough to hold two side by side."""
    return " ".join(digest[at : at + 4] for at in range(0, min(len(digest), _SHORT_HASH), 4))


def sentence(text: str) -> str:
    """Give words as a sentence: with a capital, and a full stop unless it has an end of its own."""
    if not text:
        return ""
    return text[0].upper() + text[1:] + ("" if text[-1] in ".!?:" else ".")
