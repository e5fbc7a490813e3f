"""What the gate writes in the access log: who asked what, whose, why and how it ended. Names of fields, never values.

The messages themselves are kept apart from the entry and sealed, and only where the settings say so: of the accesses
that failed, of all or of none.

The keys (law of 8 August 1983, art. 17): ``act`` R is a reading, W a subscription made or ended, ``op`` the register's
service, ``scope`` the digest of the scope file, ``why`` the purpose, its legal basis and the capacity, ``req`` and
``rsp`` SHA-256 of the bytes sent and received.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from enum import StrEnum
from hashlib import sha256
from typing import Final

from rrsync.core.authorisation import Authorisation
from rrsync.core.exchange import Deed, Found, Question
from rrsync.core.log_entry import JSON, Draft, Evidence, Kind, Status, named
from rrsync.registry.outcome import Reading
from rrsync.registry.services import Service

MAX_CODES: Final = 20
_FINE: Final = frozenset({Status.OK, Status.NOT_FOUND, Status.REPLACED, Status.CANCELLED})
_PLAIN: Final = re.compile(r"(?!.*[0-9]{6})[ -~]{1,40}")


class Keep(StrEnum):
    """Of which accesses the whole messages are kept; of none, only their hash is.

    Of a mix-up they always are: a reply about another question is an incident, and must be shown to be one.
    """

    ERRORS = "errors"
    HASH = "hash"
    ALL = "all"


def intent(question: Question, asked: Service, authorisation: Authorisation, envelope: bytes) -> Draft:
    """Give the entry that is committed before a question is sent; ``envelope`` is the bytes that will be."""
    body = _asked(question, asked, authorisation) | {"req": sha256(envelope).hexdigest()}
    return _draft(Kind.INTENT, question, body)


def denied(question: Question, asked: Service, authorisation: Authorisation | None, clause: str) -> Draft:
    """Give the entry of a question that may not be asked, and the clause that says why.

    A purpose that nobody allowed is kept only if it is a plain short text: it may have been typed, and hold anything.
    """
    is_known = authorisation is not None and question.purpose in authorisation.purposes
    if not (is_known or _PLAIN.fullmatch(question.purpose)):
        question = replace(question, purpose="unknown")
    return _draft(Kind.DENIED, question, _asked(question, asked, authorisation) | {"denial": clause})


def reused(question: Question, asked: Service, authorisation: Authorisation, said: Mapping[str, JSON]) -> Draft:
    """Give the entry of an answer that is shown again, and not asked for; ``said`` names which, and what it was."""
    return _draft(Kind.REUSE, question, _asked(question, asked, authorisation) | dict(said))


def outcome(question: Question, status: Status, said: Evidence, *, keep: Keep, ms: int) -> Draft:
    """Give the entry of a try that came to an error; ``ms`` is how long the register took; its reply may be empty."""
    out: dict[str, JSON] = {"status": status.value, "codes": [], "ms": ms}
    return _ended(question, status, out, said, keep=keep if said.reply else Keep.HASH)


def outcome_of(question: Question, reading: Reading, said: Evidence, *, keep: Keep, ms: int) -> Draft:
    """Give the entry of a try that brought a reply; the reply is empty when it was too large to take in."""
    answer = reading.answer
    out: dict[str, JSON] = {
        "status": reading.status.value,
        "codes": [f"{one.code}/{one.origin}" for one in answer.notices[:MAX_CODES]],
        "ms": ms,
    }
    if isinstance(answer, Found):
        out |= {"got": list(reading.got), "withheld": sum(answer.withheld.values())}
    return _ended(question, reading.status, out, said, keep=keep)


def _ended(question: Question, status: Status, out: dict[str, JSON], said: Evidence, *, keep: Keep) -> Draft:
    if said.reply:
        out["rsp"] = sha256(said.reply).hexdigest()
    draft = _draft(Kind.OUTCOME, question, {"out": out})
    explains = keep is Keep.ALL or (keep is Keep.ERRORS and status not in _FINE)
    return replace(draft, evidence=said) if explains or status is Status.MISMATCH else draft


def _draft(kind: Kind, question: Question, body: dict[str, JSON]) -> Draft:
    return Draft(question.library, kind, question.reference, question.insz, question.run, body)


def _asked(question: Question, asked: Service, authorisation: Authorisation | None) -> dict[str, JSON]:
    why: dict[str, JSON] = {"code": question.purpose}
    body: dict[str, JSON] = {
        "actor": named(question.actor),
        "act": "R" if question.deed is Deed.READ else "W",
        "op": asked.operation,
        "why": why,
    }
    if question.case:
        why["case"] = question.case
    if authorisation is not None:
        why |= {"basis": authorisation.decision, "hoed": authorisation.capacity}
        body["scope"] = authorisation.scope.digest
    return body
