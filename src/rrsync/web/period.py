"""The days that a form asks for, as a span of time by the clock in Belgium; the last day is meant too.

>>> read("2026-11-01", "2026-11-01").until
datetime.datetime(2026, 11, 1, 23, 0, tzinfo=datetime.timezone.utc)
>>> read("2026-11-02", "2026-11-01").errors
{'until': 'until_wrong'}
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import TYPE_CHECKING, Final

from rrsync.core.month import midnight

if TYPE_CHECKING:
    from collections.abc import Mapping

_DAY: Final = re.compile(r"[1-9][0-9]{3}-[0-9]{2}-[0-9]{2}")
_ONE: Final = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Period:
    """From the first moment that is meant up to the first that is not; open where it is ``None``.

    ``errors`` says what of it cannot be used: a field -> a key of a page's words.
    """

    since: datetime | None = None
    until: datetime | None = None
    errors: Mapping[str, str] = field(default_factory=dict)


def read(since: str, until: str) -> Period:
    """Read the two days of a form; either may be empty."""
    errors = {}
    first, last = _day(since), _day(until)
    if since.strip() and first is None:
        errors["since"] = "since_wrong"
    if until.strip() and (last is None or (first is not None and last < first)):
        errors["until"] = "until_wrong"
    if errors:
        return Period(errors=errors)
    return Period(None if first is None else midnight(first), None if last is None else midnight(last + _ONE))


def _day(text: str) -> date | None:
    try:
        found = date.fromisoformat(text.strip()) if _DAY.fullmatch(text.strip()) else None
    except ValueError:
        return None
    return found if found is None or found < date.max else None
