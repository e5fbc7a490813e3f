"""One question about somebody outside a library's file, once a second person approved it (``core.glass``).

The register's answer is shown to who asked and kept nowhere. The officer is told by mail when it is approved, before
it is asked.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from rrsync.core.exchange import Question, Reason, Refused
from rrsync.core.glass import Wish
from rrsync.core.insz import holds_insz
from rrsync.core.report import MIX_UP, OUTSIDE
from rrsync.errors import ConfigError, RrsyncError

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from rrsync.core.entry import Actor
    from rrsync.core.exchange import Answer
    from rrsync.core.insz import Insz
    from rrsync.store.glass import Glasses
    from rrsync.store.ledger import Ledger
    from rrsync.store.rows import Standing
    from rrsync.sync.refresh import Desk


@dataclass(frozen=True, slots=True)
class Outside:
    """Asks outside the file, at most ``per_month`` times in a library's month; 0 is never.

    ``member`` finds a library's member by number: who is one is asked about as one.
    """

    desk: Callable[[], Desk]
    glasses: Glasses
    ledger: Ledger
    member: Callable[[str, Insz], Standing | None]
    clock: Callable[[], datetime]
    per_month: int

    def want(self, library: str, insz: Insz, *, actor: Actor, purpose: str, case: str) -> int:
        """Note somebody's wish, and give its number.

        Raises:
            ConfigError: it is off, a word holds a national number, the person is a member, or the month's number is
                used up; nothing was asked.
            LedgerError: nothing was written.
        """
        kept = "Nothing was asked"
        if self.per_month < 1:
            raise ConfigError("Nobody outside the file may be asked about here", kept=kept, todo="Ask your officer")
        if any(holds_insz(word) for word in (actor.name, purpose, case)):
            raise ConfigError(
                "A national number may not stand in actor, case or purpose", kept=kept, todo="Leave it out"
            )
        if (found := self.member(library, insz)) is not None:
            number = found.member.number
            raise ConfigError(f"This is member {number} of the library", kept=kept, todo="Ask about the member")
        desk = self.desk()
        desk.attend(library)
        wish = Wish(0, library, actor.name, self.clock(), insz, purpose, case, desk.new_reference())
        return self.glasses.add(wish, actor, per_month=self.per_month)

    def decide(self, wish: Wish, actor: Actor, *, is_approved: bool) -> None:
        """Note a colleague's word; of a yes the officer is told. Raises what ``Glasses.decide`` raises."""
        desk = self.desk()
        self.glasses.decide(wish, actor, is_approved=is_approved, reference=desk.new_reference())
        if is_approved:
            desk.alarm(OUTSIDE, wish.library)

    def ask(self, wish: Wish, actor: Actor) -> Answer:
        """Ask, once; what could not be asked or answered may be asked again while the wish lasts.

        Raises:
            StoreError: it may not be asked, now or by this person.
            NotAuthorised, RegistryError, LedgerError: there is no answer.
        """
        desk = self.desk()
        desk.attend(wish.library)
        insz = self.glasses.use(wish, actor)
        question = Question(wish.library, insz, actor, wish.purpose, desk.new_reference(), wish.case)
        try:
            exchange = desk.gate.ask(question)
            self.ledger.append([exchange.outcome])
        except RrsyncError:
            self.glasses.spare(wish)
            raise
        answer = exchange.answer
        if isinstance(answer, Refused) and answer.why is Reason.MISMATCH:
            desk.alarm(MIX_UP, wish.library)
        return answer
