"""MAGDA's codes as one table: what each means, what to do with the reply, and what a person can do about it.

1. The code decides, never the type alone: 30004 and 40006 come as an error and as a warning (MAGDA fact sheet §9.1).
   No code is known to mean two things by its origin; the origin is kept in the log.
2. A code that MAGDA says depends on the case goes by its type: ``FOUT`` is refused, the rest accepted.
3. A code that is not in the table is refused, so never applied, unless its type is ``INFORMATIE``. The operational log
   reports it once.
4. Of several notices the most severe decides; ``Action`` lists them in that order.
5. A missing subscription can be mended: it is made, and the question asked once more (§9.7). Where rrsync makes no
   subscriptions, the member is refused.

>>> decide([Notice("30042", "MAGDA", "INFORMATIE"), Notice("30003", "RR", "FOUT")]).value
'unknown'
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from threading import Lock
from typing import Final

import structlog

from rrsync.core.exchange import Notice

log = structlog.get_logger()

FOUT: Final = "FOUT"
INFORMATIE: Final = "INFORMATIE"
SEVERITIES: Final = frozenset({FOUT, "WAARSCHUWING", INFORMATIE})


class Action(StrEnum):
    """The action that a reply asks for, the most severe first."""

    STOP = "stop"
    RETRY = "retry"
    RETRY_ONCE = "retry_once"
    SUBSCRIBE = "subscribe"
    REFUSED = "refused"
    NEW_NUMBER = "new_number"
    CANCELLED = "cancelled"
    UNKNOWN = "unknown"
    ACCEPT = "accept"


_ORDER: Final = tuple(Action)


@dataclass(frozen=True, slots=True)
class Code:
    """The meaning and action of a code; without an ``action`` its type decides (rule 2)."""

    meaning: str
    action: Action | None
    todo: str = ""


_SUPPORT: Final = "Give the code and the reference to the MAGDA service desk"
_OUR_BUG: Final = "Report it to the maintainers of rrsync: the question was formed wrongly"
_LATER: Final = "Try again later"
_SUBSCRIBE: Final = "Subscribe the member's number with MAGDA under this sender and capacity"
_NUMBER: Final = "Check the member's number against the identity card"

#: MAGDA fact sheet §1.4, §2.4, §2.5 and §9; faults 41 to 52 of the fault catalogue.
TABLE: Final[Mapping[str, Code]] = {
    # The library, its authorisation or our question: every member would fail alike.
    "10001": Code("MAGDA finds the question malformed", Action.STOP, _OUR_BUG),
    "13001": Code(
        "MAGDA knows no authorisation for this sender in this capacity",
        Action.STOP,
        "Check sender and capacity in the settings against MAGDA's confirmation",
    ),
    "13101": Code("MAGDA does not allow this combination of question elements", Action.STOP, _OUR_BUG),
    "20005": Code(
        "Sender or capacity differ within the question",
        Action.STOP,
        "Check sender and capacity in the settings against MAGDA's confirmation",
    ),
    "20110": Code("MAGDA finds too many questions in one message", Action.STOP, _OUR_BUG),
    "40001": Code("MAGDA finds no valid legal context", Action.STOP, "Check with MAGDA on which authorisation it acts"),
    "40005": Code("The source refuses access to the data", Action.STOP, "Check the authorisation with MAGDA"),
    "40006": Code("MAGDA refuses the authorisation", Action.STOP, "Check the authorisation with MAGDA"),
    "60011": Code("The source refuses the authorisation", Action.STOP, "Check the authorisation with MAGDA"),
    "ERR_025": Code(
        "MAGDA does not accept the signature of the message",
        Action.STOP,
        "Turn signing on, and check certificate and private key in the settings",
    ),
    # The source is unavailable or busy.
    "40088": Code("MAGDA's repertory has an internal error", Action.RETRY, _LATER),
    **{f"6000{n}": Code("The source is not available", Action.RETRY, _LATER) for n in (0, 1, 2, 4, 5, 6, 8)},
    "60009": Code("MAGDA has a technical problem", Action.RETRY, _LATER),
    "60010": Code("The service is temporarily not available", Action.RETRY, _LATER),
    "60013": Code("MAGDA cannot reach the source", Action.RETRY, _LATER),
    "90000": Code("The source has an internal error", Action.RETRY, _LATER),
    "99994": Code("The source has an unexpected error", Action.RETRY, _LATER),
    "99995": Code(
        "MAGDA gets too many questions at once", Action.RETRY, "Try again later; lower max_per_second if it goes on"
    ),
    "99996": Code("MAGDA gets too many questions at once, or the source is away", Action.RETRY, _LATER),
    "99997": Code("The source is temporarily not available", Action.RETRY, _LATER),
    "Server": Code("MAGDA reports a fault of its own", Action.RETRY, _LATER),
    # Worth one more attempt.
    "60007": Code("MAGDA cannot read the source's answer", Action.RETRY_ONCE, _SUPPORT),
    "60018": Code("The source's answer has a wrong form", Action.RETRY_ONCE, _SUPPORT),
    "70002": Code("The register of the Crossroads Bank failed", Action.RETRY_ONCE, _SUPPORT),
    # There is no subscription.
    "13202": Code("There is no file on this person under this capacity", Action.SUBSCRIBE, _SUBSCRIBE),
    "13303": Code("The source has no subscription for this person", Action.SUBSCRIBE, _SUBSCRIBE),
    "40003": Code("The number is not subscribed under this sender and capacity", Action.SUBSCRIBE, _SUBSCRIBE),
    # This question, about this member, is refused.
    "15021": Code("Everything in the answer was filtered away", Action.REFUSED, "Check the filter with MAGDA"),
    "20002": Code("MAGDA finds the number malformed", Action.REFUSED, _NUMBER),
    "20003": Code("A subscription would begin after it ends", Action.REFUSED, _OUR_BUG),
    "20007": Code("MAGDA finds an enterprise number malformed", Action.REFUSED, _OUR_BUG),
    "25001": Code("MAGDA does not support the language of the question", Action.REFUSED, _OUR_BUG),
    "30034": Code("A subscription to an enterprise has no period", Action.REFUSED, _OUR_BUG),
    "40035": Code("A subscription names more than one subject", Action.REFUSED, _OUR_BUG),
    "40098": Code("The file is closed after a death in the household", Action.REFUSED, "Ask the member or the family"),
    "40099": Code("The file is closed because of a death", Action.REFUSED, "Ask the member's family"),
    "40101": Code("The National Registry does not manage this number now", Action.REFUSED, _NUMBER),
    "40200": Code("The source finds no match", Action.REFUSED, _NUMBER),
    "50000": Code("MAGDA finds the subscription not valid, for one of several reasons", Action.REFUSED, _SUPPORT),
    "60003": Code("The source cannot take this number", Action.REFUSED, _NUMBER),
    "Client": Code("MAGDA does not accept the question, for a reason we do not know", Action.REFUSED, _SUPPORT),
    # About the number.
    "30001": Code("No data were found for this number", Action.UNKNOWN, _NUMBER),
    "30101": Code("No data were found for this number", Action.UNKNOWN, _NUMBER),
    "30002": Code("The number was cancelled", Action.CANCELLED, _NUMBER),
    "30003": Code("The number does not exist", Action.UNKNOWN, _NUMBER),
    "30004": Code("The person was given a new number", Action.NEW_NUMBER, "Confirm the new number with the member"),
    # Remarks.
    "30030": Code("The source shortened the data", Action.ACCEPT),
    "30042": Code("The source has several, MAGDA gives one", Action.ACCEPT),
    "40143": Code("The subscription was there already", Action.ACCEPT),
    "99982": Code("MAGDA cannot translate a code of the source", None, _SUPPORT),
    "99983": Code("MAGDA does not know a code of the source", None, _SUPPORT),
    "99984": Code("MAGDA has no description for a code of the source", Action.ACCEPT),
    "99986": Code("MAGDA cannot translate a code of the source", None, _SUPPORT),
}

_UNLISTED: Final = Code("MAGDA gives a code that is not in our table", None, _SUPPORT)

_NO_REASON: Final = Code("The register gives neither an answer nor a reason", Action.RETRY_ONCE, _SUPPORT)


def explain(notice: Notice) -> Code:
    """Return the meaning and action of a notice's code."""
    return TABLE.get(notice.code, _UNLISTED)


def action(notice: Notice) -> Action:
    """Return the action that one notice asks for."""
    code = explain(notice)
    if code.action is not None:
        return code.action
    if code is _UNLISTED:
        return Action.ACCEPT if notice.severity == INFORMATIE else Action.REFUSED
    return Action.REFUSED if notice.severity == FOUT else Action.ACCEPT


def decide(notices: Iterable[Notice]) -> Action:
    """Return the most severe action of these notices; ``ACCEPT`` when there are none."""
    return min((action(notice) for notice in notices), key=_ORDER.index, default=Action.ACCEPT)


def gravest(notices: Iterable[Notice]) -> Code:
    """Return the meaning of the notice that decides, or of a reply without any."""
    found = list(notices)
    return explain(min(found, key=lambda notice: _ORDER.index(action(notice)))) if found else _NO_REASON


def warn(notice: Notice) -> None:
    """Report an unknown code in the operational log."""
    log.warning("register.unknown_code", code=notice.code, origin=notice.origin)


class UnknownCodes:
    """Reports each code that is not in the table once, by code and origin. Threads may share it."""

    def __init__(self, report: Callable[[Notice], None]) -> None:
        self._report = report
        self._seen: set[tuple[str, str]] = set()
        self._lock = Lock()

    def report(self, notices: Iterable[Notice]) -> None:
        """Report the unknown ones of these that were not reported before."""
        for notice in notices:
            if notice.code not in TABLE and self._is_new((notice.code, notice.origin)):
                self._report(notice)

    def _is_new(self, key: tuple[str, str]) -> bool:
        with self._lock:
            is_new = key not in self._seen
            self._seen.add(key)
        return is_new
