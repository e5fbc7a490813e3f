"""The access log entries of the gate: who asked what about whom, why, and how it ended. Names of fields, never values.

1. The keys answer the law of 8 August 1983, art. 17: ``act`` R is a reading, W a subscription made or ended, ``op`` the
   register's operation, ``scope`` the digest of the scope file, ``why`` the purpose, its legal basis and the capacity,
   ``req`` and ``rsp`` SHA-256 of the bytes sent and received.
2. The messages are sealed and stored beside the entry, for the accesses that the settings name (``Keep``). Those of a
   mix-up are always stored: a reply about another question is an incident that must be proved.
3. A denied purpose may have been typed, so it is kept only if it is a plain short text.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from enum import StrEnum
from hashlib import sha256
from typing import Final

from rrsync.core.authorisation import Authorisation
from rrsync.core.exchange import Answer, Deed, Found, Question, Receipt
from rrsync.core.log_entry import JSON, Draft, Evidence, Kind, Status, named
from rrsync.core.person import Person
from rrsync.errors import RegistryError
from rrsync.registry.services import Service

MAX_CODES: Final = 20
_FINE: Final = frozenset({Status.OK, Status.NOT_FOUND, Status.REPLACED, Status.CANCELLED})
_PLAIN: Final = re.compile(r"(?!.*[0-9]{6})[ -~]{1,40}")


class Keep(StrEnum):
    """The accesses whose messages are stored: those that failed, none, or all. Of the others only the hash is kept."""

    ERRORS = "errors"
    HASH = "hash"
    ALL = "all"


def intent(question: Question, asked: Service, authorisation: Authorisation, message: bytes) -> Draft:
    """Return the entry that is committed before a question is sent; ``message`` is the bytes that will be sent."""
    body = _asked(question, asked, authorisation) | {"req": sha256(message).hexdigest()}
    return _draft(Kind.INTENT, question, body)


def denied(question: Question, asked: Service, authorisation: Authorisation | None, clause: str) -> Draft:
    """Return the entry of a question that may not be asked; ``clause`` says why."""
    is_known = authorisation is not None and question.purpose in authorisation.purposes
    if not (is_known or _PLAIN.fullmatch(question.purpose)):
        question = replace(question, purpose="unknown")
    return _draft(Kind.DENIED, question, _asked(question, asked, authorisation) | {"denial": clause})


def reused(question: Question, asked: Service, authorisation: Authorisation, said: Mapping[str, JSON]) -> Draft:
    """Return the entry of a stored answer that is shown again; ``said`` names that answer and its result."""
    return _draft(Kind.REUSE, question, _asked(question, asked, authorisation) | dict(said))


def outcome(
    question: Question,
    status: Status,
    messages: Evidence,
    *,
    keep: Keep,
    ms: int,
    answer: Answer | Receipt | None = None,
) -> Draft:
    """Return the entry of how an access ended; ``ms`` is how long the register took.

    Without an ``answer`` the access ended in an error. The reply in ``messages`` is empty when none came or when it was
    too large to read.
    """
    out: dict[str, JSON] = {
        "status": status.value,
        "codes": [] if answer is None else [f"{one.code}/{one.origin}" for one in answer.notices[:MAX_CODES]],
        "ms": ms,
    }
    if isinstance(answer, Found):
        out |= {"got": _filled(answer.person), "withheld": sum(answer.withheld.values())}
    if messages.reply:
        out["rsp"] = sha256(messages.reply).hexdigest()
    draft = _draft(Kind.OUTCOME, question, {"out": out})
    is_wanted = keep is Keep.ALL or (keep is Keep.ERRORS and status not in _FINE)
    was_answered = answer is not None or bool(messages.reply)
    return replace(draft, evidence=messages) if status is Status.MISMATCH or (is_wanted and was_answered) else draft


def status_of(error: BaseException, otherwise: Status) -> Status:
    """Return how an access ended that ended in this error: the error's own ``status`` if it has one."""
    status = getattr(error, "status", None) if isinstance(error, RegistryError) else None
    return status if isinstance(status, Status) else otherwise


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


def _filled(person: Person) -> list[JSON]:
    """Return the names of a person's fields that are not empty."""
    parts = {
        "last": person.name.last,
        "first": person.name.first,
        "birth_date": person.birth_date,
        "street": person.residence.street,
        "house_number": person.residence.house_number,
        "box": person.residence.box,
        "postal_code": person.residence.postal_code,
        "municipality": person.residence.municipality,
        "nis_code": person.residence.nis_code,
        "country": person.residence.country,
        "since": person.residence_since,
    }
    return [name for name, value in parts.items() if value]
