"""Time in Belgium: days and calendar months as spans of UTC, and a library's opening hours.

Opening hours are a text of the settings, in a small part of OpenStreetMap's ``opening_hours``:

1. ``;`` separates rules. A rule is days and times: ``mo-fr 09:00-12:00,13:00-19:00``, ``sa,su closed``; ``24/7`` means
   always. Days are ``mo tu we th fr sa su``: one, a list, or a range.
2. A later rule replaces an earlier one for its days. A day without a rule is closed.
3. Times are local, summer and winter. The end of a span is excluded, and is 24:00 at the latest.

>>> hours = Hours.parse("mo-fr 09:00-19:00; sa 09:00-17:00; we 13:00-19:00")
>>> hours.covers(datetime.fromisoformat("2026-07-03T16:59:59Z")), hours.covers(datetime.fromisoformat("2026-07-03T17Z"))
(True, False)
>>> Month.parse("2026-10").end
datetime.datetime(2026, 10, 31, 23, 0, tzinfo=datetime.timezone.utc)
>>> last_month(datetime.fromisoformat("2026-10-31T22:59:59Z")).text
'2026-09'
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Final, Self, TypeAlias
from zoneinfo import ZoneInfo

from rrsync.core.planning import belgian_day

_BRUSSELS: Final = ZoneInfo("Europe/Brussels")
_TEXT: Final = re.compile(r"([0-9]{4})-(0[1-9]|1[0-2])")


def midnight(day: date) -> datetime:
    """Return the moment a day begins in Belgium, in UTC."""
    return datetime.combine(day, time(), _BRUSSELS).astimezone(UTC)


@dataclass(frozen=True, slots=True, order=True)
class Month:
    """A calendar month in Belgium, from ``start`` up to ``end`` (excluded)."""

    year: int
    number: int

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read ``2026-10``.

        Raises:
            ValueError: the text is no month.
        """
        read = _TEXT.fullmatch(text)
        if read is None or not 2 <= int(read[1]) <= 9998:
            raise ValueError("a month is written as 2026-10")
        return cls(int(read[1]), int(read[2]))

    @classmethod
    def of(cls, at: datetime) -> Self:
        """Return the month of a moment in Belgium."""
        day = belgian_day(at)
        return cls(day.year, day.month)

    @property
    def text(self) -> str:
        """The month as ``2026-10``."""
        return f"{self.year:04d}-{self.number:02d}"

    @property
    def start(self) -> datetime:
        """The beginning of the month, in UTC."""
        return midnight(date(self.year, self.number, 1))

    @property
    def end(self) -> datetime:
        """The end of the month, in UTC."""
        return self.next.start

    @property
    def next(self) -> Self:
        """The month after it."""
        after = date(self.year, self.number, 1) + timedelta(days=31)
        return type(self)(after.year, after.month)

    @property
    def before(self) -> Self:
        """The month before it."""
        back = date(self.year, self.number, 1) - timedelta(days=1)
        return type(self)(back.year, back.month)

    def until(self, last: Month) -> Iterator[Month]:
        """Yield the months from this one to the last, both included."""
        month: Month = self
        while month <= last:
            yield month
            month = month.next


def last_month(now: datetime) -> Month:
    """Return the last complete month."""
    return Month.of(now).before


#: From one minute of the day up to another.
Span: TypeAlias = tuple[int, int]
_DAYS: Final = ("mo", "tu", "we", "th", "fr", "sa", "su")
_RULE: Final = re.compile(r"(?P<days>[a-z]{2}(?: ?[-,] ?[a-z]{2})*) +(?P<times>[0-9][0-9:, -]*|closed|off)")
_SPAN: Final = re.compile(r"([01][0-9]|2[0-4]):([0-5][0-9]) ?- ?([01][0-9]|2[0-4]):([0-5][0-9])")
_WHOLE_DAY: Final = (0, 24 * 60)


@dataclass(frozen=True, slots=True)
class Hours:
    """The opening hours of a week, Monday first: for each day its spans."""

    week: tuple[tuple[Span, ...], ...]

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read opening hours.

        Raises:
            ValueError: a rule cannot be read; the message names it and shows the form of a rule.
        """
        week: list[tuple[Span, ...]] = [()] * len(_DAYS)
        rules = [" ".join(rule.split()).lower() for rule in text.split(";")]
        if not any(rules):
            raise _unreadable(text, 'write "24/7" when it never closes')
        for rule in filter(None, rules):
            days, spans = _rule(rule)
            for day in days:
                week[day] = spans
        return cls(tuple(week))

    def covers(self, at: datetime) -> bool:
        """Whether the library is open at a moment (an aware one)."""
        there = at.astimezone(_BRUSSELS)
        minute = there.hour * 60 + there.minute
        return any(start <= minute < end for start, end in self.week[there.weekday()])


def _rule(rule: str) -> tuple[list[int], tuple[Span, ...]]:
    """Return the days and the spans of one rule."""
    if rule == "24/7":
        return list(range(len(_DAYS))), (_WHOLE_DAY,)
    read = _RULE.fullmatch(rule)
    if read is None:
        raise _unreadable(rule, 'write days and times, as "mo-fr 09:00-19:00" or "su closed"')
    days = [day for part in read["days"].split(",") for day in _days(part.strip(), rule)]
    closed = read["times"] in {"closed", "off"}
    spans = () if closed else tuple(_span(part.strip(), rule) for part in read["times"].split(","))
    return days, spans


def _days(part: str, rule: str) -> list[int]:
    """Return the days of ``mo`` or ``mo-fr``; a range may pass Sunday."""
    names = [name.strip() for name in part.split("-")]
    if len(names) > 2 or not set(names) <= set(_DAYS):
        raise _unreadable(rule, f"days are {', '.join(_DAYS)}, or from one to another")
    first, last = _DAYS.index(names[0]), _DAYS.index(names[-1])
    return [(first + n) % len(_DAYS) for n in range((last - first) % len(_DAYS) + 1)]


def _span(part: str, rule: str) -> Span:
    read = _SPAN.fullmatch(part)
    if read is None:
        raise _unreadable(rule, "times are written as 09:00-19:00")
    start, end = (int(read[hour]) * 60 + int(read[hour + 1]) for hour in (1, 3))
    if not start < end <= _WHOLE_DAY[1]:
        raise _unreadable(rule, "a span ends after it begins, on the same day, at 24:00 at the latest")
    return start, end


def _unreadable(rule: str, how: str) -> ValueError:
    return ValueError(f"the opening hours {rule!r} cannot be read: {how}")
