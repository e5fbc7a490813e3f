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
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from rrsync.core.entry import Status
from rrsync.core.exchange import Deed, Done, Reason, Refused
from rrsync.errors import RegistryUnreadable
from rrsync.registry import messages
from rrsync.registry.notices import FOUT, Action, action, decide
from rrsync.registry.reading import AGAIN, Reading, is_ours, names_us

if TYPE_CHECKING:
    from rrsync.core.exchange import Notice, Question
    from rrsync.registry.messages import Reply
    from rrsync.registry.services import Service

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
            return self._read(messages.reply(data, self.asked))
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
