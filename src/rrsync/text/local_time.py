"""Times as people in Belgium type and read them, in summer and winter time."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from typing import Final
from zoneinfo import ZoneInfo

from rrsync.errors import ConfigError

_BRUSSELS: Final = ZoneInfo("Europe/Brussels")
_DAY: Final = len("2026-11-01")


def since(text: str | None) -> datetime | None:
    """Return the first moment that ``--since`` includes, in UTC: of a day its beginning.

    Raises:
        ConfigError: it is neither a day nor a moment.
    """
    return None if text is None else _read("--since", text)[0]


def until(text: str | None) -> datetime | None:
    """Return the first moment that ``--until`` excludes, in UTC: after a day the beginning of the next.

    Raises:
        ConfigError: it is neither a day nor a moment.
    """
    return None if text is None else _read("--until", text)[1]


def _read(option: str, text: str) -> tuple[datetime, datetime]:
    """Return the first and the last moment of a text: of a day its bounds, of a moment itself twice."""
    try:
        if len(text) == _DAY:
            day = date.fromisoformat(text)
            return _begins(day), _begins(day + timedelta(days=1))
        found = datetime.fromisoformat(text)
        at = (found if found.tzinfo else found.replace(tzinfo=_BRUSSELS)).astimezone(UTC)
    except (ValueError, OverflowError) as error:
        raise ConfigError(
            f"{option} is no day and no moment",
            kept="Nothing was looked up",
            todo="Write 2026-11-01, 2026-11-01T08:30 (Belgian time) or 2026-11-01T07:30Z",
        ) from error
    return at, at


def _begins(day: date) -> datetime:
    return datetime.combine(day, time(), _BRUSSELS).astimezone(UTC)


def clock(at: datetime) -> str:
    """Return a moment for a table: ``2026-11-01 08:30:00``."""
    return at.astimezone(_BRUSSELS).strftime("%Y-%m-%d %H:%M:%S")
