"""Days and calendar months in Belgium, as spans of time.

>>> Month.parse("2026-10").end
datetime.datetime(2026, 10, 31, 23, 0, tzinfo=datetime.timezone.utc)
>>> last_month(datetime.fromisoformat("2026-10-31T22:59:59Z")).text
'2026-09'
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import TYPE_CHECKING, Final, Self
from zoneinfo import ZoneInfo

from rrsync.core.plan import belgian_day

if TYPE_CHECKING:
    from collections.abc import Iterator

_BRUSSELS: Final = ZoneInfo("Europe/Brussels")
_TEXT: Final = re.compile(r"([0-9]{4})-(0[1-9]|1[0-2])")


def midnight(day: date) -> datetime:
    """Give the moment a day begins in Belgium, in UTC."""
    return datetime.combine(day, time(), _BRUSSELS).astimezone(UTC)


@dataclass(frozen=True, slots=True, order=True)
class Month:
    """A calendar month in Belgium, from ``start`` up to ``end``, which is no longer in it."""

    year: int
    number: int

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read ``2026-10``.

        Raises:
            ValueError: it is no month.
        """
        read = _TEXT.fullmatch(text)
        if read is None or not 2 <= int(read[1]) <= 9998:
            raise ValueError("a month is written as 2026-10")
        return cls(int(read[1]), int(read[2]))

    @classmethod
    def of(cls, at: datetime) -> Self:
        """Give the month it is in Belgium."""
        day = belgian_day(at)
        return cls(day.year, day.month)

    @property
    def text(self) -> str:
        """The month as ``2026-10``."""
        return f"{self.year:04d}-{self.number:02d}"

    @property
    def start(self) -> datetime:
        """The moment it begins, in UTC."""
        return midnight(date(self.year, self.number, 1))

    @property
    def end(self) -> datetime:
        """The moment it has ended, in UTC."""
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
        """Give the months from this one to the last, both of them."""
        month: Month = self
        while month <= last:
            yield month
            month = month.next


def last_month(now: datetime) -> Month:
    """Give the last month that has ended."""
    return Month.of(now).before
