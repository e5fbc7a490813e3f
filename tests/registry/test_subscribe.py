"""The gate and subscriptions: each an access of its own, one on the way of a question, and never a loop."""

from __future__ import annotations

import socket
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace
from hashlib import sha256
from itertools import count

import pytest

from rrsync.core.exchange import Deed, Done, Found, Notice, Question, Reason, Refused, Unknown
from rrsync.core.insz import Insz
from rrsync.core.log_entry import Draft, Kind
from rrsync.errors import ConfigError, Interrupted, LedgerError, NotAuthorised, RegistryRefused, RegistryUnavailable
from rrsync.registry.gate import Gate
from rrsync.registry.pace import RateLimiter
from rrsync.registry.request import SUBSCRIBE, UNSUBSCRIBE, Service, service
from rrsync.registry.soap import SoapClient
from rrsync.simulator.citizens import World
from rrsync.simulator.faults import Fault
from rrsync.simulator.server import Simulator
from tests.registry import scene
from tests.registry.scene import Handler, answer, notice, person, standing

#: Gives the bytes of a reply out of the reference asked under.
Say = Callable[[str], bytes]

VERSION = "02.00"
MAKING = SUBSCRIBE[VERSION]
YES, NO = "<Resultaat>1</Resultaat>", "<Resultaat>0</Resultaat>"


def found(ref: str) -> bytes:
    """Tell of the person."""
    return answer(person(), ref=ref)


def wanting(ref: str) -> bytes:
    """Refuse for want of a subscription."""
    return answer(notices=notice("40003"), ref=ref)


def says(content: str = "", notices: str = "", asked: Service = MAKING) -> Say:
    """Return who says this of a subscription."""
    return lambda ref: answer(content, notices, ref=ref, asked=asked)


def turns(persons: Sequence[Say | None], repertory: Sequence[Say | None]) -> Handler:
    """Answer questions about persons in turn, and subscriptions in theirs, the last for ever; ``None`` hangs up."""
    seen: Counter[bool] = Counter()

    def handler(_: int, body: bytes, __: socket.socket) -> bytes | None:
        is_person = b"GeefPersoon" in body
        row = persons if is_person else repertory
        say = row[min(seen[is_person], len(row) - 1)]
        seen[is_person] += 1
        return None if say is None else scene.http(say(scene.reference(body)))

    return handler


def deeds(log: Sequence[Draft]) -> list[str]:
    """Return each intent's act, and each outcome's status, in order."""
    out = [line.body.get("out") for line in log]
    return [
        str(said["status"] if isinstance(said, dict) else line.body["act"]) for line, said in zip(log, out, strict=True)
    ]


def wish(deed: Deed = Deed.SUBSCRIBE, reference: str = "ref-0") -> Question:
    """Return a wish to make or end a subscription."""
    return replace(scene.QUESTION, deed=deed, reference=reference)


def whole(log: Sequence[Draft], *last: Draft) -> bool:
    """Whether every intent has exactly one outcome (I2)."""
    lines = [*log, *last]
    intents = [line.reference for line in lines if line.kind is Kind.INTENT]
    outcomes = [line.reference for line in lines if line.kind is Kind.OUTCOME]
    return sorted(intents) == sorted(outcomes) and len(set(intents)) == len(intents)


class TestRegister:
    """A subscription that is made or ended for its own sake."""

    @pytest.mark.parametrize("version", sorted(SUBSCRIBE))
    @pytest.mark.parametrize("deed", [Deed.SUBSCRIBE, Deed.UNSUBSCRIBE])
    def test_it_is_recorded_sent_and_handed_over(self, deed: Deed, version: str) -> None:
        """The intent names the operation and that it writes; the outcome is committed by who asked."""
        asked = service(deed, version)
        with standing(turns([found], [says(YES, asked=asked)]), repertory=version) as stand:
            registered = stand.gate.register(wish(deed))
            (intent,) = stand.log
            (sent,) = stand.door.bodies
        assert (registered.answer, registered.calls) == (Done("ref-0"), 1)
        assert (intent.kind, intent.subject, intent.reference) == (Kind.INTENT, Insz(scene.DIGITS), "ref-0")
        assert (intent.body["act"], intent.body["op"]) == ("W", asked.operation)
        assert intent.body["req"] == sha256(sent).hexdigest()
        assert f"<p:{asked.name}".encode().partition(b":")[2] in sent
        assert deeds([registered.outcome]) == ["ok"]
        assert whole(stand.log, registered.outcome)

    def test_there_already_is_done(self) -> None:
        """And the code is in the outcome."""
        with standing(turns([found], [says("", notice("40143"))]), repertory=VERSION) as stand:
            registered = stand.gate.register(wish())
        assert registered.answer == Done("ref-0", (Notice("40143", "MAGDA", "FOUT"),))
        assert "40143/MAGDA" in str(registered.outcome.body)

    def test_result_0_is_tried_once_more(self) -> None:
        """Then it is refused; or done, if it is done then."""
        with standing(turns([found], [says(NO)]), repertory=VERSION) as stand:
            registered = stand.gate.register(wish())
            assert (registered.answer, registered.calls) == (Refused("ref-1", Reason.REFUSED), 2)
            assert deeds([*stand.log, registered.outcome]) == ["W", "refused", "W", "refused"]
            assert whole(stand.log, registered.outcome)
        with standing(turns([found], [says(NO), says(YES)]), repertory=VERSION) as stand:
            assert stand.gate.register(wish()).answer == Done("ref-1")

    def test_a_busy_repertory_is_tried_four_times(self) -> None:
        """Each with intent and outcome; then it is away."""
        with standing(turns([found], [says("", notice("40088"))]), repertory=VERSION) as stand:
            with pytest.raises(RegistryUnavailable, match="40088"):
                stand.gate.register(wish())
            assert deeds(stand.log) == ["W", "transient"] * 4

    def test_what_every_member_would_meet_stops(self) -> None:
        """Sender and capacity that differ from the context's."""
        with standing(turns([found], [says("", notice("20005"))]), repertory=VERSION) as stand:
            with pytest.raises(RegistryRefused, match="20005"):
                stand.gate.register(wish())
            assert deeds(stand.log) == ["W", "refused"]

    def test_it_needs_an_authorisation(self) -> None:
        """As any access; the denial names the operation."""
        with standing(turns([found], [says(YES)]), repertory=VERSION) as stand:
            with pytest.raises(NotAuthorised):
                stand.gate.register(replace(wish(Deed.UNSUBSCRIBE), purpose="curiosity"))
            (denied,) = stand.log
            assert not stand.door.bodies
        assert (denied.kind, denied.body["act"], denied.body["op"]) == (
            Kind.DENIED,
            "W",
            UNSUBSCRIBE[VERSION].operation,
        )

    def test_without_a_repertory_there_is_none(self) -> None:
        """The settings want none: nothing is logged or sent."""
        with standing(turns([found], [says(YES)])) as stand:
            with pytest.raises(ConfigError, match="Nothing was asked or logged"):
                stand.gate.register(wish())
            assert not stand.log
            assert not stand.door.bodies

    def test_each_deed_has_its_own_way(self) -> None:
        """A person is not registered, and a subscription not asked; nothing of either is sent."""
        with standing(turns([found], [says(YES)]), repertory=VERSION) as stand:
            with pytest.raises(ValueError, match="not registered"):
                stand.gate.register(scene.QUESTION)
            with pytest.raises(ValueError, match="not asked"):
                stand.gate.ask(wish())
            assert not stand.door.bodies


class TestOnTheWay:
    """A person may not be told of for want of a subscription."""

    @pytest.mark.parametrize("code", ["40003", "13202", "13303"])
    def test_the_number_is_subscribed_and_asked_once_more(self, code: str) -> None:
        """Three accesses, each with its own reference, intent and outcome; the last is handed over."""

        def refused(ref: str) -> bytes:
            return answer(notices=notice(code), ref=ref)

        with standing(turns([refused, found], [says(YES)]), repertory=VERSION) as stand:
            exchange = stand.gate.ask(scene.QUESTION)
            log = list(stand.log)
            assert [scene.reference(body) for body in stand.door.bodies] == ["ref-0", "ref-1", "ref-2"]
        assert isinstance(exchange.answer, Found)
        assert (exchange.answer.reference, exchange.calls, exchange.subscribed) == ("ref-2", 3, True)
        assert deeds([*log, exchange.outcome]) == ["R", "refused", "W", "ok", "R", "ok"]
        assert whole(log, exchange.outcome)
        operations = [line.body["op"] for line in log if line.kind is Kind.INTENT]
        assert operations == ["GeefPersoon-02.02", "RegistreerInschrijving-02.00", "GeefPersoon-02.02"]
        assert {line.run for line in log} == {"run-1"}
        assert {str(line.body["why"]) for line in log if line.kind is Kind.INTENT} == {str(log[0].body["why"])}

    def test_a_second_refusal_waits(self) -> None:
        """MAGDA does not know yet of the subscription it made: no fourth question, and the member stays due."""
        with standing(turns([wanting], [says(YES)]), repertory=VERSION) as stand:
            with pytest.raises(RegistryUnavailable, match="subscribed now, but MAGDA does not know it yet"):
                stand.gate.ask(scene.QUESTION)
            assert len(stand.door.bodies) == 3
            assert whole(stand.log)

    @pytest.mark.parametrize(
        ("repertory", "why", "calls"),
        [
            (says(NO), Reason.REFUSED, 3),
            (says("", notice("50000")), Reason.REFUSED, 2),
            (says("", notice("30002")), Reason.REFUSED, 2),
            (lambda _: answer(YES, ref="another", asked=MAKING), Reason.MISMATCH, 2),
            (lambda _: b"<a/>", Reason.UNREADABLE, 2),
            (found, Reason.UNREADABLE, 2),
        ],
        ids=["result 0", "refused", "cancelled", "mix-up", "unreadable", "a person"],
    )
    def test_a_subscription_that_is_refused_is_the_answer(self, repertory: Say, why: Reason, calls: int) -> None:
        """The person is not asked about again; the answer stands under the subscription's outcome."""
        with standing(turns([wanting, found], [repertory]), repertory=VERSION) as stand:
            exchange = stand.gate.ask(scene.QUESTION)
            assert sum(b"GeefPersoon" in body for body in stand.door.bodies) == 1
            assert whole(stand.log, exchange.outcome)
        assert isinstance(exchange.answer, Refused)
        assert (exchange.answer.why, exchange.calls, exchange.subscribed) == (why, calls, False)
        assert exchange.answer.reference == exchange.outcome.reference != "ref-0"

    def test_there_already_goes_on(self) -> None:
        """The subscription may have been another's doing."""
        with standing(turns([wanting, found], [says("", notice("40143"))]), repertory=VERSION) as stand:
            exchange = stand.gate.ask(scene.QUESTION)
        assert (type(exchange.answer), exchange.subscribed) == (Found, True)

    def test_a_repertory_that_is_away_leaves_the_step_open(self) -> None:
        """Four tries of the subscription, no further question, nothing without an outcome."""
        with standing(turns([wanting, found], [None]), repertory=VERSION) as stand:
            with pytest.raises(RegistryUnavailable):
                stand.gate.ask(scene.QUESTION)
            assert deeds(stand.log) == ["R", "refused", *["W", "no_reply"] * 4]
            assert whole(stand.log)

    def test_busy_on_every_leg(self) -> None:
        """Each leg has its own tries, and the calls are all counted."""

        def busy(ref: str) -> bytes:
            return answer(notices=notice("99996"), ref=ref)

        rows: Handler = turns(
            [busy, wanting, busy, found],
            [lambda _: scene.fault("99995 - Te veel"), says(YES)],
        )
        with standing(rows, repertory=VERSION) as stand:
            exchange = stand.gate.ask(scene.QUESTION)
            assert (type(exchange.answer), exchange.calls, len(stand.door.bodies)) == (Found, 6, 6)
            assert whole(stand.log, exchange.outcome)

    @pytest.mark.parametrize("code", ["20005", "13001"])
    def test_a_subscription_that_every_member_would_be_refused_stops(self, code: str) -> None:
        """The library is stopped."""
        with standing(turns([wanting], [says("", notice(code))]), repertory=VERSION) as stand:
            with pytest.raises(RegistryRefused, match=code):
                stand.gate.ask(scene.QUESTION)
            assert whole(stand.log)

    def test_where_none_are_wanted_the_member_is_refused(self) -> None:
        """One question, no subscription."""
        with standing(turns([wanting], [says(YES)])) as stand:
            exchange = stand.gate.ask(scene.QUESTION)
            assert len(stand.door.bodies) == 1
        assert isinstance(exchange.answer, Refused)
        assert (exchange.answer.why, exchange.subscribed) == (Reason.REFUSED, False)

    @pytest.mark.parametrize(
        ("reply", "answer_is"),
        [
            (answer(notices=notice("40003"), ref="another"), Reason.MISMATCH),
            (scene.repliek(general=notice("40003"), receiver=""), Reason.REFUSED),
            (scene.fault("40003 - niet ingeschreven"), Reason.REFUSED),
        ],
        ids=["another's", "nobody's", "fault"],
    )
    def test_a_want_that_is_not_ours_makes_no_subscription(self, reply: bytes, answer_is: Reason) -> None:
        """Nobody is subscribed at the word of a reply that does not name our question."""
        with standing(turns([lambda _: reply], [says(YES)]), repertory=VERSION) as stand:
            exchange = stand.gate.ask(scene.QUESTION)
            assert len(stand.door.bodies) == 1
        assert isinstance(exchange.answer, Refused)
        assert exchange.answer.why is answer_is

    def test_a_graver_word_beside_it_counts(self) -> None:
        """Busy is tried again, and then the want is met."""
        both = answer(notices=notice("40003") + notice("99996"))
        with standing(turns([lambda _: both, found], [says(YES)]), repertory=VERSION) as stand:
            assert stand.gate.ask(scene.QUESTION).calls == 2

    def test_what_was_made_is_noted_at_once(self) -> None:
        """Even when the question after it gets no answer: or nobody would ever end it."""
        noted: list[Draft] = []
        with standing(turns([wanting, None], [says(YES)]), repertory=VERSION, subscribed=noted.append) as stand:
            with pytest.raises(RegistryUnavailable):
                stand.gate.ask(scene.QUESTION)
            assert [line.subject for line in noted] == [Insz(scene.DIGITS)]
            assert deeds(stand.log) == ["R", "refused", "W", *["R", "no_reply"] * 4]
            assert whole(stand.log, *noted)

    def test_a_run_that_stops_in_between(self) -> None:
        """The intent that was made says that it was not sent."""
        asked: list[bool] = []

        def handler(number: int, body: bytes, connection: socket.socket) -> bytes | None:
            asked.append(True)
            return turns([wanting], [says(YES)])(number, body, connection)

        with standing(handler, repertory=VERSION, interrupted=lambda: bool(asked)) as stand:
            with pytest.raises(Interrupted):
                stand.gate.ask(scene.QUESTION)
            assert deeds(stand.log) == ["R", "refused", "W", "not_sent"]

    @pytest.mark.parametrize("entries", range(1, 5))
    def test_when_the_log_fails_nothing_more_is_sent(self, entries: int) -> None:
        """At whichever entry: what has no intent is not asked."""
        log: list[Draft] = []

        def append(drafts: Sequence[Draft]) -> None:
            if len(log) >= entries:
                raise LedgerError("The disk is full")
            log.extend(drafts)

        with standing(turns([wanting, found], [says(YES)]), repertory=VERSION, append=append) as stand:
            with pytest.raises(LedgerError):
                stand.gate.ask(scene.QUESTION)
            assert len(stand.door.bodies) == sum(line.kind is Kind.INTENT for line in log)


class TestSimulator:
    """Against the simulator that tells of nobody who is not subscribed."""

    @pytest.mark.parametrize("version", sorted(SUBSCRIBE))
    @pytest.mark.parametrize("faults", [(), ("busy:3", "unregistered:7"), ("reset:4",)], ids=str)
    def test_everybody_is_told_of_after_a_subscription(self, version: str, faults: Sequence[str]) -> None:
        """Forty people, each subscribed once; asked again, they need none. At last each is unsubscribed."""
        references = count()
        log: list[Draft] = []
        world = World(seed=1, people=40)
        with Simulator(
            world=world,
            now=lambda: scene.NOW,
            new_reference=lambda: f"m-{next(references)}",
            must_subscribe=True,
            faults=[Fault.parse(one) for one in faults],
        ) as simulator:
            client = SoapClient(simulator.url)
            gate = Gate(
                client=client,
                append=log.extend,
                authorisations={"hasselt": scene.AUTHORISATION},
                pace=RateLimiter(None, sleep=lambda _: None),
                clock=lambda: scene.NOW,
                new_reference=lambda: f"again-{next(references)}",
                source="RR",
                production=False,
                sleep=lambda _: None,
                repertory=version,
            )
            people = [world.citizen(position).insz.digits for position in range(len(world))]
            for turn in (1, 2):
                for digits in people:
                    exchange = gate.ask(scene.asked(digits, f"q{turn}-{digits}"))
                    log.append(exchange.outcome)
                    assert isinstance(exchange.answer, Found | Unknown) or "unregistered:7" in faults
                    assert not (exchange.subscribed and turn == 2 and not faults)
            who = (scene.AUTHORISATION.sender, scene.AUTHORISATION.capacity)
            assert sum(simulator.subscribes(*who, digits) for digits in people) >= 38
            for digits in people:
                ending = replace(wish(Deed.UNSUBSCRIBE, f"u-{digits}"), insz=Insz(digits))
                registered = gate.register(ending)
                log.append(registered.outcome)
                assert simulator.subscribes(*who, digits) is isinstance(registered.answer, Refused)
            client.close()
            assert {one.reference for one in simulator.asked} == {draft.reference for draft in log}
        assert whole(log)
