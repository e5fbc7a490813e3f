"""The tries of one question: each is sent once, at the pace allowed, and however it ends its intent gets an outcome.

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
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from tenacity import Retrying, retry_if_exception, stop_after_attempt, stop_any, stop_before_delay
from tenacity.wait import wait_random_exponential

from rrsync.core.entry import Evidence, Status
from rrsync.core.exchange import Deed, Reason, Refused
from rrsync.core.person import Masked
from rrsync.core.plan import belgian_day
from rrsync.errors import Interrupted, RegistryError, RegistryRefused, RegistryUnavailable, RegistryUnreadable
from rrsync.registry import evidence, wire
from rrsync.registry.notices import Action, gravest
from rrsync.registry.pace import Resting, Went
from rrsync.registry.reading import Reader, Reading
from rrsync.registry.receipt import Clerk
from rrsync.registry.services import service

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from datetime import datetime

    from rrsync.core.authorisation import Authorisation
    from rrsync.core.entry import Draft
    from rrsync.core.exchange import Question
    from rrsync.registry.pace import Pace
    from rrsync.registry.soap import Client
    from rrsync.registry.strange import Strange

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
        except wire.Unavailable as error:
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
