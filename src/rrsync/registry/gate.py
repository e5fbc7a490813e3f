"""The one gate to the register: nothing is asked unauthorised or unlogged, and nothing unauthorised comes back.

In this order (design, "One member's refresh"):

1. ``record``: words that are logged may hold no national number, else nothing is logged or sent. The authorisation must
   cover every question on this day in Belgium, else the denial is logged and nothing is sent; then the envelopes are
   made and signed; then one commit of all intents. If that fails, nothing is sent.
2. ``send``: at the pace allowed, once for every intent (``tries``).
3. The reply is verified, read, matched and cut to the scope (``reading``). Its outcome is handed over with the answer,
   to be committed together with what follows from it.
4. When MAGDA refuses for want of a subscription (40003, 13202), that outcome is committed, one subscription is asked
   for, and the person once more. Each is an access of its own. A second refusal leaves the member to
   a later time (MAGDA fact sheet §9.7): there is no third question. If the subscription itself is refused, that is the
   answer, under the subscription's outcome.

A committed intent is left without an outcome only if the process dies; recovery then calls it indeterminate.

The tries of one question: each is sent once, at the pace allowed, and however it ends its intent gets an outcome.

1. What is worth another try (``notices``) gets a new reference and a new, committed intent. The outcome of a try that
   failed is committed before the next; that of the last is handed over. While nobody asks the register at all
   (``pace.Resting``) there is no other try.
2. Of a reply only what was verified is read, matched and cut (``reading``, ``receipt``); its hash in the log is that of
   the bytes that came.
3. Every turn that was taken is given back with how the call went: well, when a reply could be read that is no transient
   failure, whatever it says; busy, when MAGDA says so or its door does; else away.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final, cast

from tenacity import Retrying, retry_if_exception, stop_after_attempt, stop_any, stop_before_delay
from tenacity.wait import wait_random_exponential

from rrsync.core.authorisation import Authorisation
from rrsync.core.exchange import Answer, Deed, Notice, Question, Reason, Receipt, Refused
from rrsync.core.insz import holds_insz
from rrsync.core.log_entry import JSON, Draft, Evidence, Status
from rrsync.core.person import Masked
from rrsync.core.planning import belgian_day
from rrsync.core.rate_limit import Went
from rrsync.errors import (
    ConfigError,
    Interrupted,
    NotAuthorised,
    RegistryError,
    RegistryRefused,
    RegistryUnavailable,
    RegistryUnreadable,
)
from rrsync.registry import evidence
from rrsync.registry.codes import Action, Strange, gravest, warn
from rrsync.registry.outcome import Clerk, Reader, Reading
from rrsync.registry.pace import Pace, Resting, never
from rrsync.registry.request import Forms
from rrsync.registry.services import service
from rrsync.registry.soap import Client
from rrsync.registry.transport import EndpointUnavailable

FIRST_WAIT_S: Final = 1.0
LONGEST_WAIT_S: Final = 30.0

_FINAL: Final = frozenset({Action.ACCEPT, Action.SUBSCRIBE})
_AWAY: Final = frozenset({Status.TRANSIENT, Status.INVALID_REPLY, Status.SIG_BAD})
_BUSY: Final = frozenset({"99995", "99996"})


@dataclass(frozen=True, slots=True, repr=False)
class Recorded(Masked):
    """A question whose intent is committed, and the envelope that may be sent once; only ``Gate.record`` makes one."""

    question: Question
    envelope: bytes


@dataclass(frozen=True, slots=True, repr=False)
class Ended(Masked):
    """How the last try of a question ended: what its reply comes to, the outcome to commit, and the calls of all."""

    question: Question
    reading: Reading
    outcome: Draft
    calls: int


@dataclass(slots=True)
class _Course:
    """How far one question has come: the intent under way, its reply, how it ended were it to end now.

    ``ms`` is how long the register took, whatever the wait for a turn was: 0 of what was never sent.
    """

    recorded: Recorded
    calls: int = 0
    reply: bytes = b""
    status: Status = Status.NOT_SENT
    ms: int = 0
    is_spent: bool = False


class Tries:
    """Sends what was recorded, each try once. Threads may share it; the arguments are those of ``Gate``.

    ``record`` commits the intent of another try, when the authorisation still covers it.
    """

    def __init__(  # noqa: PLR0913 — what a call needs, and what its end needs
        self,
        *,
        client: Client,
        append: Callable[[Sequence[Draft]], None],
        record: Callable[[Sequence[Question]], list[Recorded]],
        authorisations: Mapping[str, Authorisation],
        pace: Pace,
        clock: Callable[[], datetime],
        new_reference: Callable[[], str],
        repertory: str | None,
        production: bool,
        sleep: Callable[[float], None],
        attempts: int,
        max_wait_s: float,
        keep: evidence.Keep,
        interrupted: Callable[[], bool],
        strange: Strange,
    ) -> None:
        self._client = client
        self._append = append
        self._record = record
        self._authorisations = authorisations
        self._pace = pace
        self._clock = clock
        self._new_reference = new_reference
        self._repertory = repertory
        self._production = production
        self._keep = keep
        self._interrupted = interrupted
        self._strange = strange
        self._unsent: set[str] = set()
        self._retrying = Retrying(
            retry=retry_if_exception(_is_worth_a_try),
            stop=stop_any(stop_after_attempt(attempts), stop_before_delay(max_wait_s)),
            wait=wait_random_exponential(multiplier=2 * FIRST_WAIT_S, min=FIRST_WAIT_S, max=LONGEST_WAIT_S),
            sleep=sleep,
            reraise=True,
        )

    def expect(self, questions: Sequence[Question]) -> None:
        """Let each of these, whose intents are committed, be sent once."""
        self._unsent.update(question.reference for question in questions)

    def send(self, recorded: Recorded) -> Ended:
        """Send what was recorded until a try ends in an answer, or none is worth making; raises as ``Gate.send``."""
        return self._retrying(self._try, _Course(recorded))

    def _try(self, course: _Course) -> Ended:
        """Make one try; whatever ends it, its intent gets an outcome."""
        question = self._due(course).question
        try:
            reading = self._call(course)
        except BaseException as error:
            said = Evidence(course.recorded.envelope, course.reply)
            status = _status(error, course.status)
            self._append([evidence.outcome(question, status, said, keep=self._keep, ms=course.ms)])
            raise
        said = Evidence(course.recorded.envelope, course.reply)
        outcome = evidence.outcome_of(question, reading, said, keep=self._keep, ms=course.ms)
        if reading.action in _FINAL or (reading.action is Action.RETRY_ONCE and course.is_spent):
            return Ended(question, reading, outcome, course.calls)
        course.is_spent = course.is_spent or reading.action is Action.RETRY_ONCE
        self._append([outcome])
        raise _error(reading)

    def _due(self, course: _Course) -> Recorded:
        """Give the intent to send now: the one that was recorded, or a new one for another try."""
        if course.calls:
            if self._interrupted():
                raise _stopping()
            question = replace(course.recorded.question, reference=self._new_reference())
            course.recorded = self._record([question])[0]
            course.status, course.reply, course.ms = Status.NOT_SENT, b"", 0
        if course.recorded.question.reference not in self._unsent:
            raise ValueError("only what was recorded here may be sent, and once")
        self._unsent.remove(course.recorded.question.reference)
        return course.recorded

    def _call(self, course: _Course) -> Reading:
        if not self._pace.take(self._interrupted):
            raise _stopping()
        course.calls, course.status = course.calls + 1, Status.NO_REPLY
        went, retry_after_s = Went.AWAY, None
        started = time.monotonic()
        try:
            reading = self._exchange(course)
            went = _went(reading)
        except EndpointUnavailable as error:
            went, retry_after_s = Went.BUSY if error.busy else Went.AWAY, error.retry_after_s
            raise
        finally:
            course.ms = round((time.monotonic() - started) * 1000)
            self._pace.give(went, retry_after_s)
        return reading

    def _exchange(self, course: _Course) -> Reading:
        question = course.recorded.question
        asked = service(question.deed, self._repertory)
        try:
            course.reply = self._client.post(asked, course.recorded.envelope)
            course.status = Status.INVALID_REPLY
            plain = self._client.verified(course.reply)
        except RegistryUnreadable as error:
            return Reading(Refused(question.reference, Reason.UNREADABLE), _status(error, Status.INVALID_REPLY))
        if question.deed is Deed.READ:
            scope = self._authorisations[question.library].scope
            reading = Reader(question, scope, belgian_day(self._clock()), self._production).read(plain)
        else:
            reading = Clerk(question, asked).read(plain)
        self._strange.look(reading.answer.notices)
        return reading


def _is_worth_a_try(error: BaseException) -> bool:
    return isinstance(error, RegistryUnavailable) and not isinstance(error, Resting)


def _status(error: BaseException, otherwise: Status) -> Status:
    """Give how an access ended that came to an error: as the error says, if it does."""
    said = getattr(error, "status", None) if isinstance(error, RegistryError) else None
    return said if isinstance(said, Status) else otherwise


def _went(reading: Reading) -> Went:
    if reading.action is Action.RETRY and any(notice.code in _BUSY for notice in reading.answer.notices):
        return Went.BUSY
    return Went.AWAY if reading.status in _AWAY else Went.FINE


def _stopping() -> Interrupted:
    return Interrupted(
        "The run is stopping", kept="Nothing more was sent, and the access log says so", todo="Start the run again"
    )


def _error(reading: Reading) -> RegistryError:
    """Give what a reply that stops us, or is to be tried again, is as an error."""
    code = gravest(reading.answer.notices)
    kind = RegistryRefused if reading.action is Action.STOP else RegistryUnavailable
    return kind(f"{code.meaning} ({_codes(reading)})", kept="No member was changed", todo=code.todo)


def _codes(reading: Reading) -> str:
    return ", ".join(notice.code for notice in reading.answer.notices) or "no code"


@dataclass(frozen=True, slots=True, repr=False)
class Exchange(Masked):
    """An answer; the outcome to commit with what follows from it; and the calls it took.

    ``subscribed`` says that the register made a subscription to the number on the way; its outcome is committed.
    """

    answer: Answer
    outcome: Draft
    calls: int
    subscribed: bool = False


@dataclass(frozen=True, slots=True, repr=False)
class Registered(Masked):
    """What a subscription, made or ended, came to; the outcome to commit with it; and the calls it took."""

    answer: Receipt
    outcome: Draft
    calls: int


class Gate:
    """Asks the register about people, for libraries whose ``authorisations`` cover it. Threads may share it.

    ``append`` commits entries to the access log before it returns, and raises ``LedgerError`` when it cannot.
    ``new_reference`` gives a fresh reference of at most 36 characters. A question is tried at most ``attempts`` times,
    and not again later than ``max_wait_s`` seconds after the first. ``keep`` says whose messages are kept with the log.
    ``interrupted`` says that the run is stopping. ``repertory`` is the version of MAGDA's repertory of subscriptions,
    ``None`` when none are to be made or ended. ``subscribed`` commits the outcome of a subscription made on the way,
    with what is noted of it; without it, the outcome alone is. ``unknown`` is told of a code that is not in our table,
    the first time each is seen; it raises nothing.
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
        repertory: str | None = None,
        subscribed: Callable[[Draft], None] | None = None,
        unknown: Callable[[Notice], None] = warn,
    ) -> None:
        self._client = client
        self._append = append
        self._authorisations = authorisations
        self._clock = clock
        self._new_reference = new_reference
        self._repertory = repertory
        self._note = subscribed or (lambda outcome: append([outcome]))
        self._forms = Forms(client.build, source=source, repertory=repertory)
        self._tries = Tries(
            client=client,
            append=append,
            record=self.record,
            authorisations=authorisations,
            pace=pace,
            clock=clock,
            new_reference=new_reference,
            repertory=repertory,
            production=production,
            sleep=sleep,
            attempts=attempts,
            max_wait_s=max_wait_s,
            keep=keep,
            interrupted=interrupted,
            strange=Strange(unknown),
        )

    def ask(self, question: Question) -> Exchange:
        """Record one question and send it; raises what ``record`` and ``send`` raise."""
        return self.send(self.record([question])[0])

    def register(self, question: Question) -> Registered:
        """Record a wish to make or end a subscription, and send it; raises what ``record`` and ``send`` raise."""
        if question.deed is Deed.READ:
            raise ValueError("a person is asked about, not registered")
        ended = self._tries.send(self.record([question])[0])
        return Registered(cast("Receipt", ended.reading.answer), ended.outcome, ended.calls)  # as ``Clerk`` reads

    def record(self, questions: Sequence[Question]) -> list[Recorded]:
        """Commit the intent to ask each of these, in one commit.

        Raises:
            ConfigError: an actor, case or purpose holds a national number, or a subscription is wanted where the
                settings want none; nothing is logged.
            NotAuthorised: one is not covered; the denial is logged, and nothing else of them.
            LedgerError: the log cannot be written.
        """
        _refuse_numbers(questions)
        self._refuse_uncovered(questions)
        now = self._clock()
        recorded, drafts = [], []
        for question in questions:
            authorisation = self._authorisations[question.library]
            envelope = self._client.sign(self._forms.fill(question, authorisation, now=now))
            asked = service(question.deed, self._repertory)
            recorded.append(Recorded(question, envelope))
            drafts.append(evidence.intent(question, asked, authorisation, envelope))
        self._append(drafts)
        self._tries.expect(questions)
        return recorded

    def again(self, question: Question, said: Mapping[str, JSON]) -> Draft:
        """Give the entry to commit before the answer to another question is shown again; ``said`` names that answer.

        Raises:
            ConfigError, NotAuthorised, LedgerError: as ``record``; it may not be shown.
        """
        _refuse_numbers([question])
        self._refuse_uncovered([question])
        asked = service(question.deed, self._repertory)
        return evidence.reused(question, asked, self._authorisations[question.library], said)

    def deny(self, question: Question, clause: str) -> None:
        """Commit that a question may not be asked, and the clause that says why.

        Raises:
            ConfigError, LedgerError: as ``record``.
        """
        _refuse_numbers([question])
        asked = service(question.deed, self._repertory)
        self._append([evidence.denied(question, asked, self._authorisations.get(question.library), clause)])

    def send(self, recorded: Recorded) -> Exchange:
        """Send what was recorded and give the answer.

        Raises:
            RegistryUnavailable: the tries are used up, nobody asks now, or MAGDA does not know yet of the
                subscription it made; the member's step stays open.
            RegistryRefused: the register refuses the library or our configuration; every member would fail alike.
            Interrupted: the run is stopping; the question was not sent (again).
            NotAuthorised: the authorisation ended between two tries.
            LedgerError: the log cannot be written.
            ValueError: it was sent before, is not recorded here, or is no question about a person.
        """
        if recorded.question.deed is not Deed.READ:
            raise ValueError("a subscription is registered, not asked")
        ended = self._tries.send(recorded)
        if ended.reading.action is Action.SUBSCRIBE and self._repertory is not None:
            return self._subscribe(ended)
        return _exchange(ended)

    def _subscribe(self, refused: Ended) -> Exchange:
        """Have the number subscribed, and ask once more."""
        self._append([refused.outcome])
        question = refused.question
        made = self.register(replace(question, deed=Deed.SUBSCRIBE, reference=self._new_reference()))
        calls = refused.calls + made.calls
        if isinstance(made.answer, Refused):
            return Exchange(made.answer, made.outcome, calls)
        self._note(made.outcome)
        ended = self._tries.send(self.record([replace(question, reference=self._new_reference())])[0])
        if ended.reading.action is Action.SUBSCRIBE:
            self._append([ended.outcome])
            raise RegistryUnavailable(
                "The number is subscribed now, but MAGDA does not know it yet",
                kept="No member was changed",
                todo="Try again later; if it stays so, ask the MAGDA service desk",
            )
        again = _exchange(ended)
        return replace(again, calls=calls + again.calls, subscribed=True)

    def _refuse_uncovered(self, questions: Sequence[Question]) -> None:
        today = belgian_day(self._clock())
        drafts, clauses = [], []
        for question in questions:
            asked = service(question.deed, self._repertory)
            authorisation = self._authorisations.get(question.library)
            clause = authorisation.denial(question, today) if authorisation else "the library has no authorisation"
            if clause:
                clauses.append(clause)
                drafts.append(evidence.denied(question, asked, authorisation, clause))
        if drafts:
            self._append(drafts)
            raise NotAuthorised(
                f"The register may not be asked: {clauses[0]}",
                kept="Nothing was sent, and the denial is in the access log",
                todo="Check the purpose, and the library's authorisation in the settings",
            )


def _exchange(ended: Ended) -> Exchange:
    return Exchange(cast("Answer", ended.reading.answer), ended.outcome, ended.calls)  # as ``Reader`` reads


def _refuse_numbers(questions: Sequence[Question]) -> None:
    """Refuse what would put a national number where the log, and the reports made of it, are in clear."""
    if any(holds_insz(word) for one in questions for word in (one.actor.name, one.case, one.purpose)):
        raise ConfigError(
            "A national number may not stand in actor, case or purpose",
            kept="Nothing was asked or logged",
            todo="Name the letter, the task or the person in another way",
        )
