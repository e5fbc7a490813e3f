"""What was done, in an entry about a person that is no look: a key of every table that has words for it. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from rrsync.audit import phrases
from rrsync.core.entry import JSON, Kind

if TYPE_CHECKING:
    from collections.abc import Mapping

#: What ``deed`` may give.
DEEDS: Final = (
    *("show", "answer", "evidence", "view", "accepted", "dismissed", "taken", "declined", "correct", "uncorrect"),
    *("wanted", "approved", "refused", "add", "remove", "other"),
)

_OFFERS: Final = {"accepted": "taken", "declined": "declined"}
_VIEWS: Final = {"show": "show", "who": "answer", "evidence": "evidence"}


def deed(line: Mapping[str, JSON], language: str) -> tuple[str, dict[str, str]]:
    """Give one of ``DEEDS``, and the words that fill its places in a text."""
    words = _words(line)
    match words["kind"]:
        case Kind.VIEW:
            return _VIEWS.get(words["what"], "view"), words
        case Kind.DECISION if words["decision"] in {"accepted", "dismissed"}:
            words["hold"] = phrases.hold(words["hold"], language)
            words["changed"] = phrases.fields(tuple(words["changed"].split()), language)
            return words["decision"], words
        case Kind.OFFER if words["decision"] in _OFFERS:
            words["changed"] = phrases.fields(tuple(words["changed"].split()), language)
            return _OFFERS[words["decision"]], words
        case Kind.CORRECT:
            return "correct", words
        case Kind.UNCORRECT:
            words["ended"] = phrases.ENDS[language].get(words["ended"], words["ended"])
            return "uncorrect", words
        case Kind.OUTSIDE if words["decision"] in {"wanted", "approved", "refused"}:
            return words["decision"], words
        case Kind.STAFF if words["deed"] in {"add", "remove"}:
            return words["deed"], words
        case _:
            return "other", words


def _words(line: Mapping[str, JSON]) -> dict[str, str]:
    """Give the words of an entry that is no look, by their last name; what it does not say is empty."""
    names = ("kind", "what", "of", "note", "decision", "hold", "changed", "deed", "name", "until", "ended", "case")
    words = dict.fromkeys(names, "")
    for part in (line, *(line.get(name) for name in ("view", "why", "staff"))):
        for name, value in part.items() if isinstance(part, dict) else ():
            if name == "filter" and isinstance(value, dict):
                words["of"] = str(value.get("of", ""))
            elif name in words:
                words[name] = " ".join(map(str, value)) if isinstance(value, list) else str(value)
    return words
