"""Refreshes one member on demand: asks, compares, and writes the result unless it is a preview."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from rrsync.core.brakes import alarm_reason, is_signature
from rrsync.core.compare import Hold, Verdict, compare
from rrsync.core.exchange import Answer, Question
from rrsync.core.log_entry import JSON, Actor
from rrsync.core.person import Masked, Member
from rrsync.core.report import SIGNATURE
from rrsync.errors import ConfigError, RegistryRefused, StoreError
from rrsync.registry.gate import AnsweredQuestion, Gate
from rrsync.store.corrections import Corrections
from rrsync.store.members import Members
from rrsync.store.settlement import Settlement, SettlementItem
from rrsync.sync.subscriptions import no_alarm


@dataclass(frozen=True, slots=True, repr=False)
class RefreshResult(Masked):
    """The result of a refresh: the member before it, the answer and the verdict; ``applied`` unless a preview."""

    member: Member
    answer: Answer
    verdict: Verdict
    reference: str
    applied: bool


@dataclass(frozen=True, slots=True)
class MemberRefresh:
    """Refreshes single members.

    ``attend`` first checks that a library's log can be written. ``alarm`` tells the data-protection officer of answers
    that could have deceived us, by reason and library.
    """

    gate: Gate
    members: Members
    settlement: Settlement
    corrections: Corrections
    new_reference: Callable[[], str]
    attend: Callable[[str], None]
    alarm: Callable[[str, str], None] = no_alarm

    def refresh(
        self, library: str, number: str, *, actor: Actor, purpose: str, case: str, preview: bool
    ) -> RefreshResult:
        """Ask the register about one member; a preview is an access like any other, but writes nothing to the member.

        Raises:
            ConfigError: the library has no such member, or it has no national number.
            NotAuthorised, RegistryError, LedgerError: the member was not changed.
        """
        member, question = self.question(library, number, actor=actor, purpose=purpose, case=case)
        item = self.ask(number, question)
        verdict = self._preview(member, item) if preview else self._settle(item)
        self.mind(item, verdict)
        return RefreshResult(member, item.answer, verdict, item.outcome.reference, applied=not preview)

    def question(self, library: str, number: str, *, actor: Actor, purpose: str, case: str) -> tuple[Member, Question]:
        """Return a member, and the question about it.

        Raises:
            ConfigError: the library has no such member, or it has no national number.
        """
        standing = self.members.find(library, number)
        if standing is None:
            raise ConfigError(
                "The library has no member of this number", kept="Nothing was asked", todo="Check the member number"
            )
        member = standing.member
        if member.insz is None:
            raise ConfigError(
                "This member has no national number here, so the register cannot be asked",
                kept="Nothing was asked",
                todo="Import the member with its number first",
            )
        return member, Question(library, member.insz, actor, purpose, self.new_reference(), case)

    def ask(self, number: str, question: Question) -> SettlementItem:
        """Ask about a member, and return the answer to settle; a correction whose day is over ends first.

        Raises:
            NotAuthorised, RegistryError, LedgerError: the member was not changed.
        """
        self.attend(question.library)
        self.corrections.lapse([question.library], number)
        exchange = self._ask(question)
        return SettlementItem(question.library, number, exchange.answer, exchange.outcome, exchange.subscribed)

    def mind(self, item: SettlementItem, verdict: Verdict) -> None:
        """Alarm the data-protection officer if an answer could have deceived us."""
        if reason := alarm_reason(item.outcome, verdict):
            self.alarm(reason, item.library)

    def _ask(self, question: Question) -> AnsweredQuestion:
        """Ask; if the reply's signer is not trusted, alarm the officer, for its outcome is committed."""
        try:
            return self.gate.ask(question)
        except RegistryRefused as error:
            if is_signature(error):
                self.alarm(SIGNATURE, question.library)
            raise

    def _settle(self, item: SettlementItem) -> Verdict:
        (verdict,) = self.settlement.settle([item], compare)
        if verdict is None:
            raise renumbered_meanwhile()
        return verdict

    def _preview(self, member: Member, item: SettlementItem) -> Verdict:
        verdict = compare(self.corrections.pinned(member), item.answer)
        said: dict[str, JSON] = {"verdict": type(verdict).__name__.lower(), "preview": True}
        if isinstance(verdict, Hold):
            said["hold"] = verdict.reason.value
        self.settlement.previewed(replace(item, outcome=replace(item.outcome, body={**item.outcome.body, **said})))
        return verdict


def renumbered_meanwhile() -> StoreError:
    """Return the error for an answer about a number that the member no longer has."""
    return StoreError(
        "The member was given another number while the register was asked",
        kept="The answer was dropped",
        todo="Refresh the member again",
    )
