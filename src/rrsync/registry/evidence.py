"""What the gate writes in the access log: who asked what, whose, why and how it ended. Names of fields, never values.

The messages themselves are kept apart from the entry and sealed, and only where the settings say so: of the accesses
that failed, of all or of none.

The keys (law of 8 August 1983, art. 17): ``act`` R is a reading, ``op`` the register's service, ``scope`` the digest of
the scope file, ``why`` the purpose, its legal basis and the capacity, ``req`` and ``rsp`` SHA-256 of the bytes sent and
received.
"""

from __future__ import annotations

import re
from dataclasses import replace
from enum import StrEnum
from hashlib import sha256
from typing import TYPE_CHECKING, Final

from rrsync.core.entry import JSON, Draft, Evidence, Kind, Status, named
from rrsync.core.exchange import Found
from rrsync.registry.messages import OPERATION

if TYPE_CHECKING:
    from rrsync.core.authorisation import Authorisation
    from rrsync.core.exchange import Question
    from rrsync.registry.reading import Reading

MAX_CODES: Final = 20
_FINE: Final = frozenset({Status.OK, Status.NOT_FOUND, Status.REPLACED, Status.CANCELLED})
_PLAIN: Final = re.compile(r"(?!.*[0-9]{6})[ -~]{1,40}")


class Keep(StrEnum):
    """Of which accesses the whole messages are kept; of none, only their hash is."""

    ERRORS = "errors"
    HASH = "hash"
    ALL = "all"


def intent(question: Question, authorisation: Authorisation, envelope: bytes) -> Draft:
    """Give the entry that is committed before a question is sent."""
    return _draft(Kind.INTENT, question, _asked(question, authorisation) | {"req": sha256(envelope).hexdigest()})


def denied(question: Question, authorisation: Authorisation | None, clause: str) -> Draft:
    """Give the entry of a question that may not be asked, and the clause that says why.

    A purpose that nobody allowed is kept only if it is a plain short text: it may have been typed, and hold anything.
    """
    is_known = authorisation is not None and question.purpose in authorisation.purposes
    if not (is_known or _PLAIN.fullmatch(question.purpose)):
        question = replace(question, purpose="unknown")
    return _draft(Kind.DENIED, question, _asked(question, authorisation) | {"denial": clause})


def outcome(question: Question, status: Status, *, ms: int) -> Draft:
    """Give the entry of a try that brought no reply; ``ms`` is how long it took."""
    return _draft(Kind.OUTCOME, question, {"out": {"status": status.value, "codes": [], "ms": ms}})


def outcome_of(question: Question, reading: Reading, said: Evidence, *, keep: Keep, ms: int) -> Draft:
    """Give the entry of a try that brought a reply; the reply is empty when it was too large to take in."""
    answer = reading.answer
    out: dict[str, JSON] = {
        "status": reading.status.value,
        "codes": [f"{one.code}/{one.origin}" for one in answer.notices[:MAX_CODES]],
        "ms": ms,
    }
    if said.reply:
        out["rsp"] = sha256(said.reply).hexdigest()
    if isinstance(answer, Found):
        out |= {"got": list(reading.got), "withheld": sum(answer.withheld.values())}
    explains = keep is Keep.ALL or (keep is Keep.ERRORS and reading.status not in _FINE)
    draft = _draft(Kind.OUTCOME, question, {"out": out})
    return replace(draft, evidence=said) if explains else draft


def _draft(kind: Kind, question: Question, body: dict[str, JSON]) -> Draft:
    return Draft(question.library, kind, question.reference, question.insz, question.run, body)


def _asked(question: Question, authorisation: Authorisation | None) -> dict[str, JSON]:
    why: dict[str, JSON] = {"code": question.purpose}
    body: dict[str, JSON] = {
        "actor": named(question.actor),
        "act": "R",
        "op": OPERATION,
        "why": why,
    }
    if question.case:
        why["case"] = question.case
    if authorisation is not None:
        why |= {"basis": authorisation.decision, "hoed": authorisation.capacity}
        body["scope"] = authorisation.scope.digest
    return body
