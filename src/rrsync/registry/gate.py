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
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, cast

from rrsync.core.exchange import Deed, Refused
from rrsync.core.insz import holds_insz
from rrsync.core.person import Masked
from rrsync.core.plan import belgian_day
from rrsync.errors import ConfigError, NotAuthorised, RegistryUnavailable
from rrsync.registry import evidence
from rrsync.registry.forms import Forms
from rrsync.registry.notices import Action
from rrsync.registry.pace import never
from rrsync.registry.services import service
from rrsync.registry.strange import Strange, warn
from rrsync.registry.tries import Recorded, Tries

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from datetime import datetime

    from rrsync.core.authorisation import Authorisation
    from rrsync.core.entry import JSON, Draft
    from rrsync.core.exchange import Answer, Notice, Question, Receipt
    from rrsync.registry.pace import Pace
    from rrsync.registry.soap import Client
    from rrsync.registry.tries import Ended

__all__ = ["Exchange", "Gate", "Recorded", "Registered"]


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
