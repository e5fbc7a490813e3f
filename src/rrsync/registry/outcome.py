"""The outcome of one answer: from the bytes that came to the answer and the entry to log. Pure.

``read_answer`` reads an online reply and one answer of a batch file alike, for questions about a person and for
subscriptions, in this order (MAGDA fact sheet §9.2 and §9.8):

1. Channel. A reply that HTTP delivers damaged, or that is not signed as required, is refused as unreadable.
2. XML. So is a reply that cannot be read as one answer of the operation that was asked.
3. Levels 1 and 2. A SOAP Fault counts, whoever the reply is for. So do exceptions of the whole reply that say stop or
   try again.
4. Reference. If the answer's reference, or the receiver's when given, is not ours: mismatch, and all is dropped.
5. INSZ. If the person's number is not the one asked about: mismatch, unless 30004 names it as the new number; then the
   content is not used.
6. Level 3. The most severe exception decides; one of type ``FOUT`` excludes content, even when there is some. A verdict
   on the number (unknown, cancelled, renumbered, not subscribed) needs our reference in the reply.
7. No exception and no content is an error that is worth one more attempt.
8. Scope. A main residence of another day is left out, the signals are read from the rest, and the rest is cut to the
   scope. Only then is there a ``Person``. Removed fields are counted by path (``withheld``) and never kept.

A subscription has no steps 5 and 8, for its reply holds no number. Its steps 6 and 7 are:

6. 40143 (it exists already) means done for a subscription that is made; 40003, 13202 and 13303 (there is none) mean
   done for one that is ended. Any other exception that asks for an action, or is of type ``FOUT``, is a refusal.
7. ``Resultaat`` 1 is done. 0 without a reason, or neither, is worth one more attempt. Done needs our reference.

The gate's log entries say who asked what about whom, why, and how it ended; they hold names of fields, never values.

1. The keys answer the law of 8 August 1983, art. 17: ``act`` R is a reading, W a subscription made or ended, ``op`` the
   register's operation, ``scope`` the digest of the scope file, ``why`` the purpose, its legal basis and the capacity,
   ``req`` and ``rsp`` SHA-256 of the bytes sent and received.
2. The messages are sealed and stored beside the entry, for the accesses that the settings name (``Keep``). Those of a
   mix-up are always stored: a reply about another question is an incident that must be proved.
3. A denied purpose may have been typed, so it is kept only if it is a plain short text.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import date
from enum import StrEnum
from hashlib import sha256
from typing import Final, TypeAlias

from rrsync.core.authorisation import Authorisation, Scope, Tree, limit
from rrsync.core.exchange import Answer, Deed, Done, Found, Notice, Question, Reason, Receipt, Refused, Unknown
from rrsync.core.insz import Insz
from rrsync.core.log_entry import JSON, Draft, Evidence, Kind, Status, actor_json
from rrsync.core.person import Masked, Person
from rrsync.errors import NotAnInsz, RegistryError, RegistryUnreadable
from rrsync.registry import reply as content
from rrsync.registry.codes import FOUT, Action, action, decide
from rrsync.registry.reply import Reply
from rrsync.registry.request import PERSON, Service

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
        "actor": actor_json(question.actor),
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


EXISTS_ALREADY: Final = "40143"
_DONE: Final = "1"
_NOT_DONE: Final = "0"
#: What the register says of every question alike.
_OF_EVERY_QUESTION: Final = frozenset({Action.STOP, Action.RETRY, Action.RETRY_ONCE})

_Notices: TypeAlias = tuple[Notice, ...]


@dataclass(frozen=True, slots=True, repr=False)
class SoapReply(Masked):
    """An online reply. ``verify`` returns the signed part of it, or raises; without it no signature is required."""

    data: bytes
    service: Service = PERSON
    verify: Callable[[bytes], bytes] | None = None


@dataclass(frozen=True, slots=True, repr=False)
class FileAnswer(Masked):
    """One ``Antwoord`` of a batch file.

    ``whole`` is the part of the file that applies to all answers (``reply.file_reply``), ``file_reference``
    the reference under which the file of questions was sent.
    """

    data: bytes
    whole: Reply
    file_reference: str


@dataclass(frozen=True, slots=True)
class Rules:
    """How an answer is read: cut to which scope, on which day in Belgium, and which messages are stored."""

    scope: Scope
    today: date
    production: bool
    keep: Keep


@dataclass(frozen=True, slots=True, repr=False)
class Outcome(Masked):
    """The ``answer``, unless ``action`` says stop, subscribe or try again; and the ``entry`` to commit with it.

    The entry holds the messages that are stored as evidence; a found answer holds the counts of withheld fields.
    """

    answer: Answer | Receipt
    status: Status
    action: Action
    entry: Draft


@dataclass(frozen=True, slots=True, repr=False)
class _Finding(Masked):
    answer: Answer | Receipt
    status: Status
    action: Action = Action.ACCEPT


def read_answer(
    question: Question, sent: bytes, came: SoapReply | FileAnswer | RegistryUnreadable, rules: Rules, *, ms: int = 0
) -> Outcome:
    """Return the outcome of an answer, with the entry to log.

    ``sent`` is the question's message, ``ms`` how long the register took. An error as ``came`` is that of a reply which
    the channel could not deliver whole.

    Raises:
        RegistryRefused: the reply is signed by a certificate that we do not trust.
    """
    try:
        finding = _judge(question, _parse(came), rules)
    except RegistryUnreadable as error:
        finding = _refused(question, Reason.UNREADABLE, status_of(error, Status.INVALID_REPLY))
    messages = Evidence(sent, b"" if isinstance(came, RegistryUnreadable) else came.data)
    entry = outcome(question, finding.status, messages, keep=rules.keep, ms=ms, answer=finding.answer)
    return Outcome(finding.answer, finding.status, finding.action, entry)


def _parse(came: SoapReply | FileAnswer | RegistryUnreadable) -> Reply:
    """Do steps 1 and 2."""
    match came:
        case SoapReply():
            return content.soap_reply(came.data if came.verify is None else came.verify(came.data), came.service)
        case FileAnswer():
            return content.file_answer(came.data, came.whole, file_reference=came.file_reference)
        case _:
            raise came


def _judge(question: Question, reply: Reply, rules: Rules) -> _Finding:
    if reply.fault or decide(reply.general) in _OF_EVERY_QUESTION:  # 3
        return _without_content(question, reply, reply.fault or reply.general, rules)
    if not _is_ours(question, reply):  # 4
        return _refused(question, Reason.MISMATCH, Status.MISMATCH)
    said = reply.general + reply.answer
    if question.deed is not Deed.READ:
        return _of_subscription(question, reply, said, rules)
    if reply.person is None:
        return _without_content(question, reply, said, rules)
    return _of_person(question, reply, reply.person, said, rules)


def _of_person(question: Question, reply: Reply, tree: Tree, said: _Notices, rules: Rules) -> _Finding:
    found = decide(said)
    number = content.text(tree, "INSZ")
    if number != question.insz.digits:  # 5
        new = _new_insz(question, reply, rules)
        if found is not Action.NEW_NUMBER or new is None or number != new.digits:
            return _refused(question, Reason.MISMATCH, Status.MISMATCH)
        return _without_content(question, reply, said, rules)
    if found not in {Action.ACCEPT, Action.NEW_NUMBER} or _has_error(said):  # 6
        return _without_content(question, reply, said, rules)
    is_new = found is Action.NEW_NUMBER
    tree = content.current(tree, rules.today)  # 8
    signals = content.signals(tree, rules.today)
    kept, withheld = limit(tree, rules.scope)
    answer = Found(
        reference=question.reference,
        person=content.person(kept),
        signals=signals | {Reason.NEW_NUMBER} if is_new else signals,
        new_insz=_new_insz(question, reply, rules) if is_new else None,
        notices=said,
        withheld=withheld,
    )
    return _Finding(answer, Status.REPLACED if is_new else Status.OK)


def _of_subscription(question: Question, reply: Reply, said: _Notices, rules: Rules) -> _Finding:
    others = tuple(one for one in said if not _says_it_is_so(question, one))
    is_fine = decide(others) is Action.ACCEPT and not _has_error(others)
    if len(others) == len(said) or not is_fine:  # 6
        if decide(said) is not Action.ACCEPT or _has_error(said):
            return _without_content(question, reply, said, rules)
        if reply.result == _NOT_DONE:  # 7
            return _refused(question, Reason.REFUSED, Status.REFUSED, said, Action.RETRY_ONCE)
        if reply.result != _DONE:
            return _refused(question, Reason.UNREADABLE, Status.INVALID_REPLY, said, Action.RETRY_ONCE)
    if not _names_us(question, reply):
        return _refused(question, Reason.UNREADABLE, Status.INVALID_REPLY, said)
    return _Finding(Done(question.reference, said), Status.OK)


def _says_it_is_so(question: Question, notice: Notice) -> bool:
    """Whether a notice says that the subscription exists already, or does not exist any more."""
    if question.deed is Deed.SUBSCRIBE:
        return notice.code == EXISTS_ALREADY
    return action(notice) is Action.SUBSCRIBE


def _without_content(question: Question, reply: Reply, said: _Notices, rules: Rules) -> _Finding:
    """Return the finding from notices alone; for a subscription all others are a refusal."""
    match decide(said):
        case Action.STOP:
            return _refused(question, Reason.REFUSED, Status.REFUSED, said, Action.STOP)
        case Action.RETRY | Action.RETRY_ONCE as again:
            return _refused(question, Reason.REFUSED, Status.TRANSIENT, said, again)
        case found if question.deed is Deed.READ:
            return _of_number(question, reply, said, found, rules)
        case _:
            return _refused(question, Reason.REFUSED, Status.REFUSED, said)


def _of_number(question: Question, reply: Reply, said: _Notices, found: Action, rules: Rules) -> _Finding:
    names_us = _names_us(question, reply)
    match found:
        case Action.SUBSCRIBE if names_us:
            return _refused(question, Reason.REFUSED, Status.REFUSED, said, Action.SUBSCRIBE)
        case Action.UNKNOWN | Action.CANCELLED | Action.NEW_NUMBER if not names_us:
            return _refused(question, Reason.UNREADABLE, Status.INVALID_REPLY, said)
        case Action.UNKNOWN:
            return _Finding(Unknown(question.reference, Reason.UNKNOWN, None, said), Status.NOT_FOUND)
        case Action.CANCELLED:
            return _Finding(Unknown(question.reference, Reason.CANCELLED, None, said), Status.CANCELLED)
        case Action.NEW_NUMBER:
            new = _new_insz(question, reply, rules)
            return _Finding(Unknown(question.reference, Reason.NEW_NUMBER, new, said), Status.REPLACED)
        case Action.ACCEPT if not _has_error(said):  # 7
            return _refused(question, Reason.UNREADABLE, Status.INVALID_REPLY, said, Action.RETRY_ONCE)
        case _:  # refused, or a code that is usually a remark, as an error
            return _refused(question, Reason.REFUSED, Status.REFUSED, said)


def _refused(
    question: Question, why: Reason, status: Status, said: _Notices = (), action: Action = Action.ACCEPT
) -> _Finding:
    return _Finding(Refused(question.reference, why, said), status, action)


def _has_error(said: _Notices) -> bool:
    return any(one.severity == FOUT for one in said)


def _is_ours(question: Question, reply: Reply) -> bool:
    """Whether a reply names no other reference than the question's."""
    return reply.reference in {None, question.reference} and reply.receiver in {"", question.reference}


def _names_us(question: Question, reply: Reply) -> bool:
    """Whether a reply names the question's reference."""
    return question.reference in {reply.reference, reply.receiver}


def _new_insz(question: Question, reply: Reply, rules: Rules) -> Insz | None:
    """Return the new number, if exactly one is named and it is not the number asked about."""
    if len(reply.new_numbers) != 1:
        return None
    try:
        new = Insz.parse(*reply.new_numbers, production=rules.production)
    except NotAnInsz:
        return None
    return new if new != question.insz else None
