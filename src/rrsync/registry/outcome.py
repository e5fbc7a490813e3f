"""From a reply's bytes to whether the register made or ended a subscription. Pure.

In the order of MAGDA fact sheet §9.2 and §9.8, as for persons (``reading``):

1. Not readable: refused as unreadable.
2. A Fault, or notices of the whole reply (levels 1 and 2) that say stop or try again: that, whoever the reply is for.
3. The answer's reference, or the receiver's when given, is not ours: mismatch, all dropped.
4. To a wish to subscribe, 40143 (it is there already) is done, whatever its type and whatever the result; to one to
   end it, that there is none (40003, 13202, 13303) is.
5. Any other notice that asks something of us, or is of type ``FOUT``: that, or refused.
6. ``Resultaat`` 1 is done. 0 is not, and without a reason it is worth one more try. So is a reply with neither.

Done needs our reference in the reply: there is no number in it by which it could be matched. Nothing of a notice but
its code, origin and type is ever kept.

From a reply's bytes to an answer, cut to the scope before a ``Person`` exists. Pure.

In the order of MAGDA fact sheet §9.2:

1. Not readable: refused as unreadable.
2. A Fault, or notices of the whole reply (levels 1 and 2) that say stop or try again: that, whoever the reply is for.
   A verdict on the number (unknown, cancelled, renumbered) needs our reference in the reply, else it is unreadable.
3. The answer's reference, or the receiver's when given, is not ours; or the number is another: mismatch, all dropped.
4. The notices of the answer. That there is no subscription counts as such only with our reference, for it makes us ask
   for one. Any of type ``FOUT`` means that no content is used, even when there is some.
5. No notice and no content is an error, worth one more try.
6. A main residence of another day is left out. Signals are read from all the rest; then it is cut to the scope; only
   then is there a ``Person``.
7. A new number is one only if it is the only one told, and not the one asked about; the signal stands without it.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import Final

from rrsync.core.authorisation import Scope, Tree, limit
from rrsync.core.exchange import Answer, Deed, Done, Found, Notice, Question, Reason, Refused, Unknown
from rrsync.core.insz import Insz
from rrsync.core.log_entry import Status
from rrsync.core.person import Masked, Person
from rrsync.errors import NotAnInsz, RegistryUnreadable
from rrsync.registry import reply
from rrsync.registry import reply as registry_reply
from rrsync.registry.codes import FOUT, Action, action, decide
from rrsync.registry.reply import Reply
from rrsync.registry.services import Service

#: What is not said of one member: stop, try again, try again once.
AGAIN: Final = frozenset({Action.STOP, Action.RETRY, Action.RETRY_ONCE})


@dataclass(frozen=True, slots=True, repr=False)
class Reading(Masked):
    """What a reply comes to: ``answer``, unless ``action`` says stop, subscribe or try again.

    ``got`` names the fields that are filled.
    """

    answer: Answer | Done
    status: Status
    action: Action = Action.ACCEPT
    got: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Reader:
    """Reads the reply to one question, as the authorisation's scope allows on one day."""

    question: Question
    scope: Scope
    today: date
    production: bool

    def read(self, data: bytes) -> Reading:
        """Give what a reply's bytes come to; never raises for what is in them."""
        try:
            return self._read(reply.reply(data))
        except RegistryUnreadable:
            return self._refused(Reason.UNREADABLE, Status.INVALID_REPLY, ())

    def _read(self, reply: Reply) -> Reading:
        if reply.fault:
            return self._said(reply, reply.fault)
        if decide(reply.general) in AGAIN:
            return self._said(reply, reply.general)
        if not is_ours(reply, self.question):
            return self._refused(Reason.MISMATCH, Status.MISMATCH, ())
        if reply.person is not None and not self._is_about(reply.person, self.question.insz.digits):
            return self._renumbered(reply, reply.person)
        said = reply.general + reply.answer
        is_usable = decide(said) in {Action.ACCEPT, Action.NEW_NUMBER} and not any(one.severity == FOUT for one in said)
        if reply.person is not None and is_usable:
            return self._found(reply, reply.person, said)
        return self._said(reply, said)

    def _is_about(self, tree: Tree, digits: str) -> bool:
        return reply.text(tree, "INSZ") == digits

    def _renumbered(self, reply: Reply, tree: Tree) -> Reading:
        """Take another number for a mix-up, unless 30004 says that it is the new one; no content is used."""
        said = reply.general + reply.answer
        new = self._new_insz(reply)
        if decide(said) is Action.NEW_NUMBER and new is not None and self._is_about(tree, new.digits):
            return self._said(reply, said)
        return self._refused(Reason.MISMATCH, Status.MISMATCH, ())

    def _found(self, reply: Reply, whole: Tree, said: tuple[Notice, ...]) -> Reading:
        tree = registry_reply.current(whole, self.today)
        reasons = registry_reply.signals(tree, self.today)
        is_new = decide(said) is Action.NEW_NUMBER
        kept, withheld = limit(tree, self.scope)
        person = registry_reply.person(kept)
        answer = Found(
            reference=self.question.reference,
            person=person,
            signals=reasons | {Reason.NEW_NUMBER} if is_new else reasons,
            new_insz=self._new_insz(reply) if is_new else None,
            notices=said,
            withheld=withheld,
        )
        return Reading(answer, Status.REPLACED if is_new else Status.OK, got=_filled(person))

    def _said(self, reply: Reply, said: tuple[Notice, ...]) -> Reading:
        """Give what notices alone come to."""
        match decide(said):
            case Action.STOP | Action.RETRY | Action.RETRY_ONCE as action:
                status = Status.REFUSED if action is Action.STOP else Status.TRANSIENT
                return self._refused(Reason.REFUSED, status, said, action)
            case Action.SUBSCRIBE if names_us(reply, self.question):
                return self._refused(Reason.REFUSED, Status.REFUSED, said, Action.SUBSCRIBE)
            case Action.UNKNOWN | Action.CANCELLED | Action.NEW_NUMBER if not names_us(reply, self.question):
                return self._refused(Reason.UNREADABLE, Status.INVALID_REPLY, said)
            case Action.UNKNOWN:
                return self._unknown(Reason.UNKNOWN, Status.NOT_FOUND, said)
            case Action.CANCELLED:
                return self._unknown(Reason.CANCELLED, Status.CANCELLED, said)
            case Action.NEW_NUMBER:
                return self._unknown(Reason.NEW_NUMBER, Status.REPLACED, said, self._new_insz(reply))
            case Action.ACCEPT if not any(one.severity == FOUT for one in said):
                return self._refused(Reason.UNREADABLE, Status.INVALID_REPLY, said, Action.RETRY_ONCE)
            case _:  # refused, or an error of a kind that is otherwise only a remark
                return self._refused(Reason.REFUSED, Status.REFUSED, said)

    def _unknown(self, why: Reason, status: Status, said: tuple[Notice, ...], new_insz: Insz | None = None) -> Reading:
        return Reading(Unknown(self.question.reference, why, new_insz, said), status)

    def _refused(
        self, why: Reason, status: Status, said: tuple[Notice, ...], action: Action = Action.ACCEPT
    ) -> Reading:
        return Reading(Refused(self.question.reference, why, said), status, action)

    def _new_insz(self, reply: Reply) -> Insz | None:
        if len(reply.new_numbers) != 1:
            return None
        try:
            new = Insz.parse(*reply.new_numbers, production=self.production)
        except NotAnInsz:
            return None
        return new if new != self.question.insz else None


def is_ours(reply: Reply, question: Question) -> bool:
    """Whether a reply names no other reference than the question's."""
    return reply.reference in {None, question.reference} and reply.receiver in {"", question.reference}


def names_us(reply: Reply, question: Question) -> bool:
    """Whether a reply names the question's reference."""
    return question.reference in {reply.reference, reply.receiver}


def _filled(person: Person) -> tuple[str, ...]:
    """Name the fields of a person that are not empty."""
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
    return tuple(name for name, value in parts.items() if value)


THERE_ALREADY: Final = "40143"
_DONE: Final = "1"
_NOT_DONE: Final = "0"


@dataclass(frozen=True, slots=True)
class Clerk:
    """Reads the reply to one wish to make or end a subscription."""

    question: Question
    asked: Service

    def read(self, data: bytes) -> Reading:
        """Give what a reply's bytes come to; never raises for what is in them."""
        try:
            return self._read(reply.reply(data, self.asked))
        except RegistryUnreadable:
            return self._refused(Reason.UNREADABLE, Status.INVALID_REPLY)

    def _read(self, reply: Reply) -> Reading:
        if reply.fault:
            return self._said(reply.fault)
        if decide(reply.general) in AGAIN:
            return self._said(reply.general)
        if not is_ours(reply, self.question):
            return self._refused(Reason.MISMATCH, Status.MISMATCH)
        said = reply.general + reply.answer
        if self._is_so_already(said):
            return self._done(reply, said)
        if decide(said) is not Action.ACCEPT or any(one.severity == FOUT for one in said):
            return self._said(said)
        if reply.result == _DONE:
            return self._done(reply, said)
        if reply.result == _NOT_DONE:
            return self._refused(Reason.REFUSED, Status.REFUSED, said, Action.RETRY_ONCE)
        return self._refused(Reason.UNREADABLE, Status.INVALID_REPLY, said, Action.RETRY_ONCE)

    def _is_so_already(self, said: tuple[Notice, ...]) -> bool:
        """Whether all that is the matter is that there is a subscription already, or none any more to end."""
        others = [one for one in said if not self._is_so(one)]
        is_fine = decide(others) is Action.ACCEPT and not any(one.severity == FOUT for one in others)
        return len(others) < len(said) and is_fine

    def _is_so(self, notice: Notice) -> bool:
        if self.question.deed is Deed.SUBSCRIBE:
            return notice.code == THERE_ALREADY
        return action(notice) is Action.SUBSCRIBE

    def _done(self, reply: Reply, said: tuple[Notice, ...]) -> Reading:
        if not names_us(reply, self.question):
            return self._refused(Reason.UNREADABLE, Status.INVALID_REPLY, said)
        return Reading(Done(self.question.reference, said), Status.OK)

    def _said(self, said: tuple[Notice, ...]) -> Reading:
        """Give what notices alone come to: whatever the register says of the number, there is no subscription."""
        match decide(said):
            case Action.STOP:
                return self._refused(Reason.REFUSED, Status.REFUSED, said, Action.STOP)
            case Action.RETRY | Action.RETRY_ONCE as action:
                return self._refused(Reason.REFUSED, Status.TRANSIENT, said, action)
            case _:
                return self._refused(Reason.REFUSED, Status.REFUSED, said)

    def _refused(
        self, why: Reason, status: Status, said: tuple[Notice, ...] = (), action: Action = Action.ACCEPT
    ) -> Reading:
        return Reading(Refused(self.question.reference, why, said), status, action)
