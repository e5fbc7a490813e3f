"""The operational log: JSON lines on standard error, with keys from an allow-list so that no personal data gets in.

It is no evidence; the access log is.
"""

from __future__ import annotations

import logging
import sys
from collections.abc import MutableMapping
from typing import Final

import structlog

#: The keys of a line; other keys are dropped and counted.
ALLOWED: Final = frozenset(
    {
        *("event", "level", "run", "library", "anchor", "count", "seconds", "code", "reason"),
        *("origin", "status", "resumed", "size", "tries"),
    }
)

_LEVELS: Final = {"debug": logging.DEBUG, "info": logging.INFO, "warning": logging.WARNING, "error": logging.ERROR}


def configure(level: str) -> None:
    """Configure the log for a level: debug, info, warning or error."""
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            _only_allowed,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.JSONRenderer(sort_keys=True),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(_LEVELS[level]),
        logger_factory=structlog.WriteLoggerFactory(file=sys.stderr),
        cache_logger_on_first_use=False,
    )


def _only_allowed(_logger: object, _name: str, event: MutableMapping[str, object]) -> MutableMapping[str, object]:
    kept = {key: value for key, value in event.items() if key in ALLOWED}
    if dropped := len(event) - len(kept):
        kept["count_dropped"] = dropped
    return kept
