"""The one gate to the register: no question is sent unauthorised or unlogged, and no answer leaves it uncut.

The steps (design, "One member's refresh") are the same for both channels; ``send`` is the online channel, a batch file
uses ``record`` and ``read``:

1. Permit. Words that are logged may hold no national number, else nothing is logged or sent. The authorisation must
   cover every question on this day in Belgium, else the denial is logged and nothing is sent.
2. Record. The messages are written and signed, then all intents are committed at once. If that fails, nothing is sent.
3. Send. Each recorded question is sent once, within the rate limit. Every slot that was taken is given back with the
   result of the call: fine when a reply could be read that is no transient failure, whatever it says; busy when MAGDA
   or its HTTP server says so; else away.
4. Read. ``outcome`` checks the reply and cuts it to the scope. Its entry is returned with the answer, to be committed
   together with what follows from it.
5. Retry. Where ``codes`` says so, the question is recorded again under a new reference. The entry of a failed attempt
   is committed before the next attempt; that of the last is returned. There is no retry while the register rests
   (``pace.RegistryResting``).
6. Subscribe. When MAGDA refuses for want of a subscription (40003, 13202), that entry is committed, one subscription is
   requested, and the question asked once more. Each is an access of its own. If the subscription is refused, that is
   the answer. After a second refusal the member waits for a later run (MAGDA fact sheet §9.7).

However an attempt ends, its intent gets an outcome. Only a killed process leaves an intent without one; recovery then
logs the outcome as indeterminate.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final, TypeAlias, cast

from tenacity import Retrying, retry_if_exception, stop_after_attempt, stop_any, stop_before_delay
from tenacity.wait import wait_random_exponential

from rrsync.core.authorisation import Authorisation
from rrsync.core.exchange import Answer, Deed, Notice, Question, Receipt, Refused
from rrsync.core.insz import holds_insz
from rrsync.core.log_entry import JSON, Draft, Evidence, Status
from rrsync.core.person import Masked
from rrsync.core.planning import belgian_day
from rrsync.core.rate_limit import CallResult
from rrsync.errors import (
    ConfigError,
    Interrupted,
    NotAuthorised,
    RegistryError,
    RegistryRefused,
    RegistryUnavailable,
    RegistryUnreadable,
)
from rrsync.registry import outcome
from rrsync.registry import outcome as registry_outcome
from rrsync.registry.codes import Action, UnknownCodes, gravest, warn
from rrsync.registry.outcome import FileAnswer, Outcome, Rules, SoapReply, read_answer
from rrsync.registry.pace import RateLimiter, RegistryResting, not_interrupted
from rrsync.registry.request import Envelopes, Service, service
from rrsync.registry.soap import EndpointUnavailable, SoapClient

FIRST_WAIT_S: Final = 1.0
LONGEST_WAIT_S: Final = 30.0

_FINAL: Final = frozenset({Action.ACCEPT, Action.SUBSCRIBE})
_AWAY: Final = frozenset({Status.TRANSIENT, Status.INVALID_REPLY, Status.SIG_BAD})
_BUSY: Final = frozenset({"99995", "99996"})

#: Writes a question, under an authorisation and at a moment, as the bytes that a channel sends.
Write: TypeAlias = Callable[[Question, Authorisation, datetime], bytes]


@dataclass(frozen=True, slots=True, repr=False)
class RecordedQuestion(Masked):
    """A question whose intent is committed, and the message that may be sent once; only ``Gate.record`` makes one."""

    question: Question
    message: bytes


@dataclass(frozen=True, slots=True, repr=False)
class AnsweredQuestion(Masked):
    """The answer to a question about a person, the outcome to commit with it, and the number of calls it took.

    ``subscribed`` says that a subscription to the number was made on the way; its outcome is committed.
    """

    answer: Answer
    outcome: Draft
    calls: int
    subscribed: bool = False


@dataclass(frozen=True, slots=True, repr=False)
class SubscriptionReply(Masked):
    """The answer to a request for a subscription or its end, the outcome to commit with it, and the calls it took."""

    answer: Receipt
    outcome: Draft
    calls: int


@dataclass(slots=True)
class _Attempts:
    """The attempts at one question: the one under way, its reply, and the status if it ended now.

    ``ms`` is how long the register took, without the wait for a slot; 0 if nothing was sent.
    """

    current: RecordedQuestion
    calls: int = 0
    reply: bytes = b""
    status: Status = Status.NOT_SENT
    ms: int = 0
    retried_once: bool = False


class Gate:
    """Asks the register about people, for libraries whose ``authorisations`` cover it. Threads may share it.

    ``append`` commits entries to the access log before it returns, and raises ``LedgerError`` when it cannot.
    ``new_reference`` returns a fresh reference of at most 36 characters. A question is attempted at most ``attempts``
    times, and not again later than ``max_wait_s`` seconds after the first attempt. ``keep`` names the accesses whose
    messages are stored with the log. ``interrupted`` says that the run is stopping. ``repertory`` is the version of
    MAGDA's repertory of subscriptions, ``None`` when rrsync makes and ends none. ``subscribed`` commits the outcome of
    a subscription made on the way, with our record of it; without it, the outcome alone is committed. ``unknown`` is
    called once for each code that is not in our table; it raises nothing.
    """

    def __init__(  # noqa: PLR0913 — the one place where everything a question needs comes together
        self,
        *,
        client: SoapClient,
        append: Callable[[Sequence[Draft]], None],
        authorisations: Mapping[str, Authorisation],
        pace: RateLimiter,
        clock: Callable[[], datetime],
        new_reference: Callable[[], str],
        source: str,
        production: bool,
        sleep: Callable[[float], None],
        attempts: int = 4,
        max_wait_s: float = 120.0,
        keep: outcome.Keep = outcome.Keep.ERRORS,
        interrupted: Callable[[], bool] = not_interrupted,
        repertory: str | None = None,
        subscribed: Callable[[Draft], None] | None = None,
        unknown: Callable[[Notice], None] = warn,
    ) -> None:
        self._client = client
        self._append = append
        self._authorisations = authorisations
        self._pace = pace
        self._clock = clock
        self._new_reference = new_reference
        self._production = production
        self._keep = keep
        self._interrupted = interrupted
        self._repertory = repertory
        self._commit_subscription = subscribed or (lambda outcome: append([outcome]))
        self._unknown_codes = UnknownCodes(unknown)
        self._forms = Envelopes(client.build, source=source, repertory=repertory)
        self._unsent: set[str] = set()
        self._retrying = Retrying(
            retry=retry_if_exception(_is_worth_a_retry),
            stop=stop_any(stop_after_attempt(attempts), stop_before_delay(max_wait_s)),
            wait=wait_random_exponential(multiplier=2 * FIRST_WAIT_S, min=FIRST_WAIT_S, max=LONGEST_WAIT_S),
            sleep=sleep,
            reraise=True,
        )

    def ask(self, question: Question) -> AnsweredQuestion:
        """Record one question and send it; raises what ``record`` and ``send`` raise."""
        return self.send(self.record([question])[0])

    def register(self, question: Question) -> SubscriptionReply:
        """Record a request for a subscription or its end, and send it; raises what ``record`` and ``send`` raise."""
        if question.deed is Deed.READ:
            raise ValueError("a person is asked about, not registered")
        outcome, calls = self._attempt_until_final(self.record([question])[0])
        return SubscriptionReply(cast("Receipt", outcome.answer), outcome.entry, calls)

    def deny(self, question: Question, clause: str) -> None:
        """Commit that a question may not be asked; ``clause`` says why.

        Raises:
            ConfigError, LedgerError: as ``record``.
        """
        _refuse_numbers([question])
        authorisation = self._authorisations.get(question.library)
        self._append([outcome.denied(question, self._service(question), authorisation, clause)])

    def again(self, question: Question, said: Mapping[str, JSON]) -> Draft:
        """Return the entry to commit before a stored answer is shown again; ``said`` names that answer.

        Raises:
            ConfigError, NotAuthorised, LedgerError: as ``record``; it may not be shown.
        """
        self._permit([question])
        return outcome.reused(question, self._service(question), self._authorisations[question.library], said)

    def record(self, questions: Sequence[Question], write: Write | None = None) -> list[RecordedQuestion]:
        """Commit the intent to ask each of these, in one commit.

        Without ``write`` the messages are the signed envelopes that ``send`` sends; with it, another channel sends
        them.

        Raises:
            ConfigError: an actor, case or purpose holds a national number, or a subscription is wanted where the
                settings want none; nothing is logged.
            NotAuthorised: one is not covered; the denial is logged, and no intent.
            LedgerError: the log cannot be written.
        """
        self._permit(questions)
        now = self._clock()
        recorded, intents = [], []
        for question in questions:
            authorisation = self._authorisations[question.library]
            message = (write or self._write_envelope)(question, authorisation, now)
            recorded.append(RecordedQuestion(question, message))
            intents.append(outcome.intent(question, self._service(question), authorisation, message))
        self._append(intents)
        if write is None:
            self._unsent.update(question.reference for question in questions)
        return recorded

    def send(self, recorded: RecordedQuestion) -> AnsweredQuestion:
        """Send what was recorded and return the answer.

        Raises:
            RegistryUnavailable: the attempts are used up, the register rests, or MAGDA does not know yet of the
                subscription it made; the member's step stays open.
            RegistryRefused: the register refuses the library or our configuration; every member would fail alike.
            Interrupted: the run is stopping; the question was not sent (again).
            NotAuthorised: the authorisation ended between two attempts.
            LedgerError: the log cannot be written.
            ValueError: it was sent before, was not recorded here to be sent online, or is no question about a person.
        """
        if recorded.question.deed is not Deed.READ:
            raise ValueError("a subscription is registered, not asked")
        outcome, calls = self._attempt_until_final(recorded)
        if outcome.action is Action.SUBSCRIBE and self._repertory is not None:
            return self._subscribe_and_ask(recorded.question, outcome, calls)
        return AnsweredQuestion(cast("Answer", outcome.answer), outcome.entry, calls)

    def read(
        self, recorded: RecordedQuestion, came: SoapReply | FileAnswer | RegistryUnreadable, *, ms: int = 0
    ) -> Outcome:
        """Return the outcome of an answer to a recorded question, by whichever channel it came.

        Raises:
            RegistryRefused: the reply is signed by a certificate that we do not trust.
        """
        question = recorded.question
        scope = self._authorisations[question.library].scope
        rules = Rules(scope, belgian_day(self._clock()), self._production, self._keep)
        outcome = read_answer(question, recorded.message, came, rules, ms=ms)
        self._unknown_codes.report(outcome.answer.notices)
        return outcome

    def _permit(self, questions: Sequence[Question]) -> None:
        """Do step 1."""
        _refuse_numbers(questions)
        today = belgian_day(self._clock())
        denials, clauses = [], []
        for question in questions:
            asked = self._service(question)
            authorisation = self._authorisations.get(question.library)
            clause = authorisation.denial(question, today) if authorisation else "the library has no authorisation"
            if clause:
                clauses.append(clause)
                denials.append(outcome.denied(question, asked, authorisation, clause))
        if denials:
            self._append(denials)
            raise NotAuthorised(
                f"The register may not be asked: {clauses[0]}",
                kept="Nothing was sent, and the denial is in the access log",
                todo="Check the purpose, and the library's authorisation in the settings",
            )

    def _write_envelope(self, question: Question, authorisation: Authorisation, now: datetime) -> bytes:
        return self._client.sign(self._forms.fill(question, authorisation, now=now))

    def _service(self, question: Question) -> Service:
        return service(question.deed, self._repertory)

    def _subscribe_and_ask(self, question: Question, refusal: Outcome, calls: int) -> AnsweredQuestion:
        """Do step 6."""
        self._append([refusal.entry])
        made = self.register(replace(question, deed=Deed.SUBSCRIBE, reference=self._new_reference()))
        calls += made.calls
        if isinstance(made.answer, Refused):
            return AnsweredQuestion(made.answer, made.outcome, calls)
        self._commit_subscription(made.outcome)
        (recorded,) = self.record([replace(question, reference=self._new_reference())])
        outcome, more = self._attempt_until_final(recorded)
        if outcome.action is Action.SUBSCRIBE:
            self._append([outcome.entry])
            raise RegistryUnavailable(
                "The number is subscribed now, but MAGDA does not know it yet",
                kept="No member was changed",
                todo="Try again later; if it stays so, ask the MAGDA service desk",
            )
        return AnsweredQuestion(cast("Answer", outcome.answer), outcome.entry, calls + more, subscribed=True)

    def _attempt_until_final(self, recorded: RecordedQuestion) -> tuple[Outcome, int]:
        """Return the outcome of the last attempt, and how many calls all took; raises as ``send``."""
        attempts = _Attempts(recorded)
        return self._retrying(self._attempt, attempts), attempts.calls

    def _attempt(self, attempts: _Attempts) -> Outcome:
        """Make one attempt. However it ends, its intent gets an outcome; that of a final one is returned."""
        self._next(attempts)
        question = attempts.current.question
        try:
            outcome = self._call(attempts)
        except BaseException as error:
            status = registry_outcome.status_of(error, attempts.status)
            messages = Evidence(attempts.current.message, attempts.reply)
            self._append([registry_outcome.outcome(question, status, messages, keep=self._keep, ms=attempts.ms)])
            raise
        if outcome.action in _FINAL or (outcome.action is Action.RETRY_ONCE and attempts.retried_once):
            return outcome
        attempts.retried_once = attempts.retried_once or outcome.action is Action.RETRY_ONCE
        self._append([outcome.entry])
        raise _error(outcome)

    def _next(self, attempts: _Attempts) -> None:
        """Make a recorded question the current one: the first as it is, a retry under a new reference."""
        if attempts.calls:
            if self._interrupted():
                raise _stopping()
            question = replace(attempts.current.question, reference=self._new_reference())
            (attempts.current,) = self.record([question])
            attempts.status, attempts.reply, attempts.ms = Status.NOT_SENT, b"", 0
        if attempts.current.question.reference not in self._unsent:
            raise ValueError("only what was recorded here may be sent, and once")
        self._unsent.remove(attempts.current.question.reference)

    def _call(self, attempts: _Attempts) -> Outcome:
        """Take a slot, send and read, and give the slot back with the result of the call."""
        if not self._pace.take(self._interrupted):
            raise _stopping()
        attempts.calls, attempts.status = attempts.calls + 1, Status.NO_REPLY
        went, retry_after_s = CallResult.AWAY, None
        try:
            came = self._post(attempts)
            outcome = self.read(attempts.current, came, ms=attempts.ms)
            went = _went(outcome)
        except EndpointUnavailable as error:
            went, retry_after_s = CallResult.BUSY if error.busy else CallResult.AWAY, error.retry_after_s
            raise
        finally:
            self._pace.give(went, retry_after_s)
        return outcome

    def _post(self, attempts: _Attempts) -> SoapReply | RegistryUnreadable:
        """Send the message and return the reply, or why it cannot be read."""
        asked = self._service(attempts.current.question)
        started = time.monotonic()
        try:
            attempts.reply = self._client.post(asked, attempts.current.message)
        except RegistryUnreadable as error:
            return error
        finally:
            attempts.ms = round((time.monotonic() - started) * 1000)
        attempts.status = Status.INVALID_REPLY
        return SoapReply(attempts.reply, asked, self._client.verified)


def _is_worth_a_retry(error: BaseException) -> bool:
    return isinstance(error, RegistryUnavailable) and not isinstance(error, RegistryResting)


def _went(outcome: Outcome) -> CallResult:
    if outcome.action is Action.RETRY and any(notice.code in _BUSY for notice in outcome.answer.notices):
        return CallResult.BUSY
    return CallResult.AWAY if outcome.status in _AWAY else CallResult.FINE


def _stopping() -> Interrupted:
    return Interrupted(
        "The run is stopping", kept="Nothing more was sent, and the access log says so", todo="Start the run again"
    )


def _error(outcome: Outcome) -> RegistryError:
    """Return the error of a reply that stops the library or is to be tried again."""
    code = gravest(outcome.answer.notices)
    codes = ", ".join(notice.code for notice in outcome.answer.notices) or "no code"
    kind = RegistryRefused if outcome.action is Action.STOP else RegistryUnavailable
    return kind(f"{code.meaning} ({codes})", kept="No member was changed", todo=code.todo)


def _refuse_numbers(questions: Sequence[Question]) -> None:
    """Refuse a national number in a text that the log, and the reports made of it, hold in clear."""
    if any(holds_insz(word) for one in questions for word in (one.actor.name, one.case, one.purpose)):
        raise ConfigError(
            "A national number may not stand in actor, case or purpose",
            kept="Nothing was asked or logged",
            todo="Name the letter, the task or the person in another way",
        )
