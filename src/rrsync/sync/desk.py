"""Questions from a library's desk, and the decisions about their answers.

1. A change is offered, not written: a person accepts or declines it (``DeskService``).
2. The register is not asked twice about a member within a quarter of an hour: the earlier answer is shown again, and
   the log says so. Threads of one process wait for each other, member by member. Over processes, the database lets one
   ask at a time; another gets ``Busy`` and asks nothing. If a process dies while it asks, no desk can ask about that
   member for two minutes. A member that changed meanwhile may be asked about again.
3. An address that staff know better is a correction: it stays until its last day, or until the register says the same.
4. A person outside the library's file may be asked about once, after a second person approved it (``OutsideQueries``,
   ``core.break_glass``). The answer is shown to the person who asked, and is not kept. The data-protection officer is
   told by mail when it is approved, before the register is asked.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from threading import Lock
from typing import Final

from rrsync.core.break_glass import BreakGlassRequest
from rrsync.core.compare import compare
from rrsync.core.desk_quota import REACHED
from rrsync.core.exchange import Answer, Question, Reason, Refused
from rrsync.core.insz import Insz, holds_insz
from rrsync.core.log_entry import JSON, Actor, Draft
from rrsync.core.person import Address, tidy
from rrsync.core.planning import belgian_day
from rrsync.core.report import MIX_UP, OUTSIDE
from rrsync.errors import Busy, ConfigError, RrsyncError, StoreError
from rrsync.store.access_log import AccessLog
from rrsync.store.break_glass import BreakGlassRequests
from rrsync.store.corrections import Correction, Corrections
from rrsync.store.desk_answers import DeskAnswer, DeskAnswers
from rrsync.store.rows import MemberStatus
from rrsync.sync.refresh import MemberRefresh, renumbered_meanwhile

#: How long a thread waits for another that asks about the same member.
LOCK_WAIT_S: Final = 20.0
#: The most characters of a part of a correction.
LONGEST_TEXT: Final = 200

_PARTS: Final = ("street", "house_number", "box", "postal_code", "municipality", "country")
_REQUIRED: Final = ("street", "municipality")
_MINUTE: Final = timedelta(minutes=1)


@dataclass(slots=True)
class _Waiting:
    """The lock of one member, and how many threads hold it or wait for it."""

    lock: Lock = field(default_factory=Lock)
    count: int = 0


class MemberLocks:
    """A lock for each member, so that the threads of this process ask about it one after another."""

    def __init__(self) -> None:
        self._waiting: dict[tuple[str, str], _Waiting] = {}
        self._counting = Lock()

    @contextmanager
    def of(self, library: str, number: str, *, patience_s: float = LOCK_WAIT_S) -> Iterator[None]:
        """Hold the lock of a member.

        Raises:
            Busy: another thread held it all the time.
        """
        key = library, number
        with self._counting:
            mine = self._waiting.setdefault(key, _Waiting())
            mine.count += 1
        try:
            if not mine.lock.acquire(timeout=patience_s):
                raise _busy()
            try:
                yield
            finally:
                mine.lock.release()
        finally:
            with self._counting:
                mine.count -= 1
                if not mine.count:
                    del self._waiting[key]


class OncePerMinute:
    """Tells for each name of a library, at most once a minute, that an event is to be logged."""

    def __init__(self) -> None:
        self._last: dict[tuple[str, str], datetime] = {}
        self._counting = Lock()

    def is_due(self, library: str, name: str, now: datetime) -> bool:
        """Whether nothing was logged for a name in the last minute; from now on something was."""
        with self._counting:
            self._last = {key: at for key, at in self._last.items() if abs(now - at) < _MINUTE}
            is_due = (library, name) not in self._last
            self._last.setdefault((library, name), now)
        return is_due


@dataclass(frozen=True, slots=True)
class DeskService:
    """Asks, offers and corrects, for the pages and the API; threads share one.

    ``desk`` builds the part that asks, ``mark`` flags entries that stand out, ``clock`` returns aware UTC.
    """

    desk: Callable[[], MemberRefresh]
    offers: DeskAnswers
    corrections: Corrections
    mark: Callable[[Sequence[Draft]], list[Draft]]
    clock: Callable[[], datetime]
    turns: MemberLocks = field(default_factory=MemberLocks)
    recently: OncePerMinute = field(default_factory=OncePerMinute)

    def ask(self, library: str, number: str, *, actor: Actor, purpose: str, case: str) -> DeskAnswer:
        """Ask the register about one member, or show an answer of the last quarter of an hour again.

        Raises:
            ConfigError: the library has no such member, or it has no national number, or an argument holds one.
            Busy: somebody else is asking about this member; nothing was asked.
            NotAuthorised, RegistryError, LedgerError: the member was not changed.
            StoreError: the member has another number since; the answer was dropped.
        """
        desk = self.desk()
        with self.turns.of(library, number):
            _, question = desk.question(library, number, actor=actor, purpose=purpose, case=case)
            found, is_new = self._alone(desk, number, question)
            return found if is_new else self._again(desk, found, question)

    def recent(self, library: str, number: str) -> DeskAnswer | None:
        """Return the answer that may be shown again: a quarter of an hour old at most, of the member as it is now."""
        return self.offers.recent(library, number)

    def reuse(self, offer: DeskAnswer, *, actor: Actor, purpose: str, case: str) -> DeskAnswer:
        """Show an answer again, once the access log says to whom and why.

        Raises:
            ConfigError: the member is gone, or an argument holds a national number.
            NotAuthorised: the question could not be asked either; the denial is logged.
            StoreError: the answer has expired, or the member was changed since.
            LedgerError: it cannot be logged.
        """
        desk = self.desk()
        _, question = desk.question(offer.library, offer.number, actor=actor, purpose=purpose, case=case)
        return self._again(desk, offer, question)

    def seen(self, offer: DeskAnswer, name: str) -> bool:
        """Whether a person asked for an answer or saw it again; nobody else may see what differs."""
        return offer.is_seen_by(name)

    def accept(self, offer: DeskAnswer, actor: Actor) -> None:
        """Write the offered change, with the decision.

        Raises:
            StoreError: it was decided or has expired, or the member was changed since; nothing was written.
        """
        self.offers.accept(offer, actor)

    def decline(self, offer: DeskAnswer, actor: Actor) -> None:
        """Leave the member as it is, and write the decision; the night asks again by its own rules.

        Raises:
            StoreError: as ``accept``.
        """
        self.offers.decline(offer, actor)

    def correct(
        self, library: str, number: str, address: Address, *, reason: str, until: date, actor: Actor
    ) -> Correction:
        """Put an address of the staff's in place of the register's, through a day at most a year ahead.

        It may be the address that is held already: then it stays, whatever the register says.

        Raises:
            ConfigError: the address, the reason or the day cannot be used, or there is no such member.
            StoreError: nothing was written.
        """
        today = belgian_day(self.clock())
        if not today < until <= last_correction_day(today):
            raise ConfigError(
                "A correction stands until a day after today, and at most a year ahead", todo="Choose another day"
            )
        address, reason = _usable(address), _text("The reason", reason)
        return self.corrections.correct(library, number, address, reason=reason, until=until, actor=actor)

    def uncorrect(self, library: str, number: str, actor: Actor) -> None:
        """End a correction: the member is due, and the register's address applies again.

        Raises:
            ConfigError: there is no such member.
            StoreError: no correction is in force, or the end cannot be written.
        """
        self.corrections.uncorrect(library, number, actor)

    def refused(self, library: str, number: str, *, actor: Actor, purpose: str, case: str) -> None:
        """Log that a person was refused because of a limit, at most once a minute for one person and process.

        Raises:
            ConfigError: there is no such member, or an argument holds a national number.
            LedgerError: it cannot be written.
        """
        if self.recently.is_due(library, actor.name, self.clock()):
            desk = self.desk()
            _, question = desk.question(library, number, actor=actor, purpose=purpose, case=case)
            desk.gate.deny(question, REACHED)

    def _alone(self, desk: MemberRefresh, number: str, question: Question) -> tuple[DeskAnswer, bool]:
        """Claim a member for this process, and return the answer, and whether it is new."""
        claim = self.offers.claim(question.library, number)
        if claim is None:
            raise _busy()
        new = None
        try:
            if found := self.recent(question.library, number):  # another process has just asked
                return found, False
            new = self._offered(desk, number, question)  # releases the claim
            return new, True
        finally:
            if new is None:
                with suppress(StoreError):  # the claim expires by itself
                    self.offers.release(question.library, number, claim)

    def _offered(self, desk: MemberRefresh, number: str, question: Question) -> DeskAnswer:
        item = desk.ask(number, question)
        done = self.offers.offer(item, compare, question)
        if done is None:
            raise renumbered_meanwhile()
        offer, verdict = done
        desk.mind(item, verdict)
        return offer

    def _again(self, desk: MemberRefresh, offer: DeskAnswer, question: Question) -> DeskAnswer:
        desk.attend(question.library)
        got: list[JSON] = [*offer.got]
        said: dict[str, JSON] = {"of": offer.reference, "verdict": offer.verdict, "out": {"got": got}}
        if offer.reason is not None:
            said["hold"] = offer.reason.value
        (draft,) = self.mark([desk.gate.again(question, said)])
        return self.offers.reused(offer, draft, question.actor.name)


@dataclass(frozen=True, slots=True)
class OutsideQueries:
    """Asks about people outside a library's file, at most ``per_month`` times in its month; 0 is never.

    ``member`` finds a library's member by national number: a member is asked about as a member.
    """

    desk: Callable[[], MemberRefresh]
    glasses: BreakGlassRequests
    ledger: AccessLog
    member: Callable[[str, Insz], MemberStatus | None]
    clock: Callable[[], datetime]
    per_month: int

    def want(self, library: str, insz: Insz, *, actor: Actor, purpose: str, case: str) -> int:
        """Write a wish, and return its number.

        Raises:
            ConfigError: it is off, an argument holds a national number, the person is a member, or the month's number
                is used up; nothing was asked.
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
        wish = BreakGlassRequest(0, library, actor.name, self.clock(), insz, purpose, case, desk.new_reference())
        return self.glasses.add(wish, actor, per_month=self.per_month)

    def decide(self, wish: BreakGlassRequest, actor: Actor, *, is_approved: bool) -> None:
        """Write a colleague's decision; the officer is told of an approval. Raises what ``Glasses.decide`` raises."""
        desk = self.desk()
        self.glasses.decide(wish, actor, is_approved=is_approved, reference=desk.new_reference())
        if is_approved:
            desk.alarm(OUTSIDE, wish.library)

    def ask(self, wish: BreakGlassRequest, actor: Actor) -> Answer:
        """Ask, once; a question that got no answer may be asked again while the wish lasts.

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


def last_correction_day(today: date) -> date:
    """Return the last day through which a correction made today may stand.

    >>> last_day(date(2028, 2, 29)).isoformat()
    '2029-02-28'
    """
    is_leap_day = (today.month, today.day) == (2, 29)
    return today.replace(year=today.year + 1, day=28 if is_leap_day else today.day)


def _usable(address: Address) -> Address:
    """Return an address as it is held: trimmed, in Belgium unless it says otherwise.

    Raises:
        ConfigError: it lacks a street or a municipality, or a part is too long or holds a national number.
    """
    parts = {part: tidy(getattr(address, part)) for part in _PARTS}
    if not all(parts[part] for part in _REQUIRED):
        raise ConfigError("The address lacks its street or its municipality", todo="Fill in both")
    for part, text in parts.items():
        _fit(part.replace("_", " ").capitalize(), text)
    return Address(**parts | {"country": parts["country"] or "BEL"})


def _text(name: str, text: str) -> str:
    text = tidy(text)
    if not text:
        raise ConfigError(f"{name} is empty", todo="Say in a few words why")
    _fit(name, text)
    return text


def _fit(name: str, text: str) -> None:
    if len(text) > LONGEST_TEXT or not text.isprintable():
        raise ConfigError(f"{name} is longer than {LONGEST_TEXT} characters, or not printable", todo="Write it shorter")
    if holds_insz(text):
        raise ConfigError(f"{name} holds a national number", todo="Write it without the number")


def _busy() -> Busy:
    return Busy(
        "Somebody else asks the register about this member just now",
        kept="Nothing was asked",
        todo="Look at the member again in a few seconds: the answer is shown without asking again",
    )
