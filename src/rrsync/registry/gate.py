"""The one gate to the register: nothing is asked unauthorised or unlogged, and nothing unauthorised comes back.

In this order (design, "One member's refresh"):

1. ``record``: words that are logged may hold no national number, else nothing is logged or sent. The authorisation must
   cover every question on this day in Belgium, else the denial is logged and nothing is sent; then the envelopes are
   made; then one commit of all intents. If that fails, nothing is sent.
2. ``send``: at the pace allowed, once for every intent. What is worth another try (``notices``) gets a new reference
   and a new, committed intent; the outcome of a try that failed is committed before the next.
3. The reply is read, matched and cut to the scope (``reading``). Its outcome is handed over with the answer, to be
   committed together with what follows from it.

A committed intent is left without an outcome only if the process dies; recovery then calls it indeterminate.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from tenacity import Retrying, retry_if_exception_type, stop_after_attempt, stop_any, stop_before_delay
from tenacity.wait import wait_random_exponential

from rrsync.core.entry import Evidence, Status
from rrsync.core.exchange import Reason, Refused
from rrsync.core.insz import holds_insz
from rrsync.core.person import Masked
from rrsync.core.plan import belgian_day
from rrsync.errors import (
    ConfigError,
    Interrupted,
    NotAuthorised,
    RegistryError,
    RegistryRefused,
    RegistryUnavailable,
)
from rrsync.registry import evidence, wire
from rrsync.registry.forms import Forms
from rrsync.registry.notices import Action, gravest
from rrsync.registry.pace import never
from rrsync.registry.reading import Reader, Reading

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from datetime import datetime

    from rrsync.core.authorisation import Authorisation
    from rrsync.core.entry import Draft
    from rrsync.core.exchange import Answer, Question
    from rrsync.registry.pace import Pace
    from rrsync.registry.soap import Client

FIRST_WAIT_S: Final = 1.0
LONGEST_WAIT_S: Final = 30.0


@dataclass(frozen=True, slots=True, repr=False)
class Recorded(Masked):
    """A question whose intent is committed, and the envelope that may be sent once; only ``Gate.record`` makes one."""

    question: Question
    envelope: bytes


@dataclass(frozen=True, slots=True, repr=False)
class Exchange(Masked):
    """An answer; the outcome to commit with what follows from it; and the calls it took."""

    answer: Answer
    outcome: Draft
    calls: int


@dataclass(slots=True)
class _Tries:
    """How far one question has come: the intent under way, the calls made, how it ended were it to end now."""

    recorded: Recorded
    calls: int = 0
    ended: Status = Status.NOT_SENT
    is_spent: bool = False


class Gate:
    """Asks the register about people, for libraries whose ``authorisations`` cover it. Threads may share it.

    ``append`` commits entries to the access log before it returns, and raises ``LedgerError`` when it cannot.
    ``new_reference`` gives a fresh reference of at most 36 characters. A question is tried at most ``attempts`` times,
    and not again later than ``max_wait_s`` seconds after the first. ``keep`` says whose messages are kept with the log.
    ``interrupted`` says that the run is stopping.
    """

    def __init__(  # noqa: PLR0913 — the one place where everything a question needs comes together
        self,
        *,
        client: Client,
        append: Callable[[Sequence[Draft]], None],
        authorisations: Mapping[str, Authorisation],
        pace: Pace,
        clock: Callable[[], datetime],
        new_reference: Callable[[], str],
        source: str,
        production: bool,
        sleep: Callable[[float], None],
        attempts: int = 4,
        max_wait_s: float = 120.0,
        keep: evidence.Keep = evidence.Keep.ERRORS,
        interrupted: Callable[[], bool] = never,
    ) -> None:
        self._client = client
        self._append = append
        self._authorisations = authorisations
        self._pace = pace
        self._clock = clock
        self._new_reference = new_reference
        self._forms = Forms(client.build, source=source)
        self._production = production
        self._keep = keep
        self._interrupted = interrupted
        self._unsent: set[str] = set()
        self._retrying = Retrying(
            retry=retry_if_exception_type(RegistryUnavailable),
            stop=stop_any(stop_after_attempt(attempts), stop_before_delay(max_wait_s)),
            wait=wait_random_exponential(multiplier=2 * FIRST_WAIT_S, min=FIRST_WAIT_S, max=LONGEST_WAIT_S),
            sleep=sleep,
            reraise=True,
        )

    def ask(self, question: Question) -> Exchange:
        """Record one question and send it; raises what ``record`` and ``send`` raise."""
        return self.send(self.record([question])[0])

    def record(self, questions: Sequence[Question]) -> list[Recorded]:
        """Commit the intent to ask each of these, in one commit.

        Raises:
            ConfigError: an actor, case or purpose holds a national number; nothing is logged.
            NotAuthorised: one is not covered; the denial is logged, and nothing else of them.
            LedgerError: the log cannot be written.
        """
        _refuse_numbers(questions)
        self._refuse_uncovered(questions)
        now = self._clock()
        recorded, drafts = [], []
        for question in questions:
            authorisation = self._authorisations[question.library]
            envelope = self._forms.fill(question, authorisation, now=now)
            recorded.append(Recorded(question, envelope))
            drafts.append(evidence.intent(question, authorisation, envelope))
        self._append(drafts)
        self._unsent.update(question.reference for question in questions)
        return recorded

    def send(self, recorded: Recorded) -> Exchange:
        """Send what was recorded and give the answer.

        Raises:
            RegistryUnavailable: the tries are used up; the member's step stays open.
            RegistryRefused: the register refuses the library or our configuration; every member would fail alike.
            Interrupted: the run is stopping; the question was not sent (again).
            NotAuthorised: the authorisation ended between two tries.
            LedgerError: the log cannot be written.
            ValueError: it was sent before, or not recorded here.
        """
        return self._retrying(self._try, _Tries(recorded))

    def _refuse_uncovered(self, questions: Sequence[Question]) -> None:
        today = belgian_day(self._clock())
        drafts, clauses = [], []
        for question in questions:
            authorisation = self._authorisations.get(question.library)
            clause = authorisation.denial(question, today) if authorisation else "the library has no authorisation"
            if clause:
                clauses.append(clause)
                drafts.append(evidence.denied(question, authorisation, clause))
        if drafts:
            self._append(drafts)
            raise NotAuthorised(
                f"The register may not be asked: {clauses[0]}",
                kept="Nothing was sent, and the denial is in the access log",
                todo="Check the purpose, and the library's authorisation in the settings",
            )

    def _try(self, tries: _Tries) -> Exchange:
        """Make one try; whatever ends it, its intent gets an outcome."""
        question = self._due(tries).question
        started = time.monotonic()
        try:
            reading, reply = self._call(tries)
        except BaseException as error:
            status = error.status if isinstance(error, wire.Unavailable | wire.Refused) else tries.ended
            self._append([evidence.outcome(question, status, ms=_ms_since(started))])
            raise
        said = Evidence(tries.recorded.envelope, reply)
        outcome = evidence.outcome_of(question, reading, said, keep=self._keep, ms=_ms_since(started))
        if reading.action is Action.ACCEPT or (reading.action is Action.RETRY_ONCE and tries.is_spent):
            return Exchange(reading.answer, outcome, tries.calls)
        tries.is_spent = tries.is_spent or reading.action is Action.RETRY_ONCE
        self._append([outcome])
        raise _error(reading)

    def _due(self, tries: _Tries) -> Recorded:
        """Give the intent to send now: the one that was recorded, or a new one for another try."""
        if tries.calls:
            if self._interrupted():
                raise _interrupted()
            question = replace(tries.recorded.question, reference=self._new_reference())
            tries.recorded = self.record([question])[0]
            tries.ended = Status.NOT_SENT
        if tries.recorded.question.reference not in self._unsent:
            raise ValueError("only what was recorded here may be sent, and once")
        self._unsent.remove(tries.recorded.question.reference)
        return tries.recorded

    def _call(self, tries: _Tries) -> tuple[Reading, bytes]:
        if not self._pace.take(self._interrupted):
            raise _interrupted()
        question = tries.recorded.question
        tries.calls, tries.ended = tries.calls + 1, Status.NO_REPLY
        try:
            reply = self._client.post(tries.recorded.envelope)
        except wire.Unreadable as error:
            return Reading(Refused(question.reference, Reason.UNREADABLE), error.status), b""
        tries.ended = Status.INVALID_REPLY
        scope = self._authorisations[question.library].scope
        return Reader(question, scope, belgian_day(self._clock()), self._production).read(reply), reply


def _refuse_numbers(questions: Sequence[Question]) -> None:
    """Refuse what would put a national number where the log, and the reports made of it, are in clear."""
    if any(holds_insz(word) for one in questions for word in (one.actor.name, one.case, one.purpose)):
        raise ConfigError(
            "A national number may not stand in actor, case or purpose",
            kept="Nothing was asked or logged",
            todo="Name the letter, the task or the person in another way",
        )


def _ms_since(started: float) -> int:
    return round((time.monotonic() - started) * 1000)


def _interrupted() -> Interrupted:
    return Interrupted(
        "The run is stopping", kept="The question was not sent, and the access log says so", todo="Start the run again"
    )


def _error(reading: Reading) -> RegistryError:
    """Give what a reply that stops us, or is to be tried again, is as an error."""
    code = gravest(reading.answer.notices)
    kind = RegistryRefused if reading.action is Action.STOP else RegistryUnavailable
    return kind(f"{code.meaning} ({_codes(reading)})", kept="No member was changed", todo=code.todo)


def _codes(reading: Reading) -> str:
    return ", ".join(notice.code for notice in reading.answer.notices) or "no code"
