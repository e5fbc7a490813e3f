"""Makes and ends subscriptions, each an access of its own, and notes with its outcome what the register did."""

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

#: How many subscriptions of a library one run ends; the rest wait for the next.
MOST: Final = 100

log = structlog.get_logger()


def quiet(_reason: str, _library: str) -> None:
    """Tell nobody."""


@dataclass(frozen=True, slots=True)
class Grounds:
    """Who has it done, why, for which case, and in which run."""

    actor: Actor
    purpose: str
    case: str = ""
    run: str = ""


@dataclass(frozen=True, slots=True)
class Registrar:
    """Makes and ends subscriptions through the gate; ``alarm`` is as the desk's.

    What the register refuses to end, with a reason, is not asked for again: a person must look, and the operational log
    says so.
    """

    gate: Gate
    subscriptions: Subscriptions
    new_reference: Callable[[], str]
    alarm: Callable[[str, str], None] = quiet

    def subscribe(self, library: str, insz: Insz, grounds: Grounds) -> bool:
        """Let the register make a library's subscription to a number, or extend it; say whether it did.

        Raises:
            NotAuthorised, RegistryUnavailable, RegistryRefused, Interrupted, LedgerError: nothing was noted.
            Stopped: the reply was about another question; it was dropped.
        """
        return self._do(Deed.SUBSCRIBE, library, insz, grounds)

    def unsubscribe(self, library: str, insz: Insz, grounds: Grounds) -> bool:
        """Let the register end a library's subscription to a number; say whether it did; raises the same."""
        return self._do(Deed.UNSUBSCRIBE, library, insz, grounds)

    def drain(self, libraries: Sequence[str], grounds: Grounds, *, most: int = MOST) -> int:
        """End what is to be ended, at most so many of each library; give how many the register ended.

        A register that is away leaves the rest to the next time; one that refuses a library, that library's.

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
