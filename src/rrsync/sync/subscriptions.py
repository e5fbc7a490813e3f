"""Makes and ends subscriptions. Each is an access of its own; its result is written with its outcome."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

import structlog

from rrsync.core.exchange import Deed, Done, Question, Reason, Refused
from rrsync.core.insz import Insz
from rrsync.core.log_entry import Actor
from rrsync.core.report import MIX_UP
from rrsync.errors import Interrupted, NotAuthorised, RegistryRefused, RegistryUnavailable, Stopped
from rrsync.registry.gate import Gate
from rrsync.store.subscriptions import Subscriptions

#: The most subscriptions of a library that one run ends; the rest wait for the next run.
MOST_ENDED: Final = 100

log = structlog.get_logger()


def no_alarm(_reason: str, _library: str) -> None:
    """Alarm nobody."""


@dataclass(frozen=True, slots=True)
class Grounds:
    """Who asks, why, for which case, and in which run."""

    actor: Actor
    purpose: str
    case: str = ""
    run: str = ""


@dataclass(frozen=True, slots=True)
class SubscriptionService:
    """Makes and ends subscriptions through the gate; ``alarm`` is the one of ``refresh.Desk``.

    If the register refuses, with a reason, to end a subscription, it is not asked again: a person must look, and the
    operational log says so.
    """

    gate: Gate
    subscriptions: Subscriptions
    new_reference: Callable[[], str]
    alarm: Callable[[str, str], None] = no_alarm

    def subscribe(self, library: str, insz: Insz, grounds: Grounds) -> bool:
        """Make a library's subscription to a number, or extend it; return whether the register did.

        Raises:
            NotAuthorised, RegistryUnavailable, RegistryRefused, Interrupted, LedgerError: nothing was noted.
            Stopped: the reply was about another question; it was dropped.
        """
        return self._do(Deed.SUBSCRIBE, library, insz, grounds)

    def unsubscribe(self, library: str, insz: Insz, grounds: Grounds) -> bool:
        """End a library's subscription to a number; return whether the register did; raises the same."""
        return self._do(Deed.UNSUBSCRIBE, library, insz, grounds)

    def drain(self, libraries: Sequence[str], grounds: Grounds, *, most: int = MOST_ENDED) -> int:
        """End the subscriptions that are to be ended, at most so many of each library; return how many were ended.

        If the register is away, the rest waits for the next time; if it refuses a library, that library's rest does.

        Raises:
            LedgerError: the access log cannot be written.
            Stopped: a reply was about another question; it was dropped.
        """
        ended = 0
        for library in libraries:
            try:
                for one in self.subscriptions.ending(library, most=most):
                    ended += self.unsubscribe(library, one.insz, grounds)
            except (RegistryRefused, NotAuthorised):
                log.warning("subscriptions.barred", library=library)
            except (RegistryUnavailable, Interrupted):
                log.warning("subscriptions.put_off", library=library)
                break
        return ended

    def _do(self, deed: Deed, library: str, insz: Insz, grounds: Grounds) -> bool:
        question = Question(
            library=library,
            insz=insz,
            actor=grounds.actor,
            purpose=grounds.purpose,
            reference=self.new_reference(),
            case=grounds.case,
            run=grounds.run,
            deed=deed,
        )
        done = self.gate.register(question)
        match done.answer:
            case Done():
                note = self.subscriptions.subscribed if deed is Deed.SUBSCRIBE else self.subscriptions.ended
                note(done.outcome)
                return True
            case Refused(why=Reason.MISMATCH):
                self.subscriptions.refused(done.outcome)
                self.alarm(MIX_UP, library)
                raise Stopped(
                    "The register answered about another question than was asked",
                    reason=MIX_UP,
                    kept="The answer was dropped, and the subscription stands here as it did",
                    todo="Call the MAGDA service desk and the data-protection officer before the next run",
                )
            case Refused(why=Reason.REFUSED, notices=said) if said and deed is Deed.UNSUBSCRIBE:
                self.subscriptions.given_up(done.outcome)
                log.warning("subscriptions.given_up", library=library)
                return False
            case Refused():
                self.subscriptions.refused(done.outcome)
                return False
