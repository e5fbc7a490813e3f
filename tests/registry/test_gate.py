"""The gate: authorised, recorded, then asked; matched, cut, and every try accounted for."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from hashlib import sha256
from itertools import count
from threading import Barrier

import pytest

from rrsync.core.authorisation import Scope
from rrsync.core.exchange import Found, Notice, Question, Reason, Refused, Unknown
from rrsync.core.insz import Insz
from rrsync.core.log_entry import Actor, ActorKind, Draft, Kind, encode
from rrsync.core.rate_limit import Budget
from rrsync.errors import (
    ConfigError,
    Interrupted,
    LedgerError,
    NotAuthorised,
    RegistryError,
    RegistryRefused,
    RegistryUnavailable,
)
from rrsync.registry.codes import TABLE, Action
from rrsync.registry.fields import known_paths
from rrsync.registry.gate import AnsweredQuestion, Gate
from rrsync.registry.pace import RateLimiter
from rrsync.registry.request import Service
from rrsync.registry.soap import SoapClient
from rrsync.simulator.citizens import World
from rrsync.simulator.server import Simulator
from tests.registry import scene
from tests.registry.scene import Handler, answer, fault, notice, person, repliek, saying, standing

RENUMBERED = [("Oud INSZ", scene.DIGITS), ("Nieuw INSZ", scene.OTHER)]


def _found(ref: str) -> bytes:
    return answer(person(), ref=ref)


def _ask(*replies: Callable[[str], bytes] | bytes, production: bool = False) -> AnsweredQuestion:
    with standing(saying(*replies), production=production) as stand:
        return stand.gate.ask(scene.QUESTION)


def _out(draft: Draft) -> dict[str, object]:
    out = draft.body["out"]
    assert isinstance(out, dict)
    return dict(out)


def _fail(_: Sequence[Draft]) -> None:
    raise LedgerError("The disk is full")


class TestRecord:
    """Before anything is sent."""

    def test_the_intent_says_who_what_why_and_which_bytes(self) -> None:
        """The intent is in the log, with all of the law's questions answered, before the question leaves."""
        log: list[Draft] = []
        seen: list[int] = []

        def handler(_: int, body: bytes, __: object) -> bytes:
            seen.append(len(log))
            return scene.http(_found(scene.reference(body)))

        with standing(handler, append=log.extend) as stand:
            stand.gate.ask(scene.QUESTION)
            sent = stand.door.bodies[0]
            stand.gate.ask(replace(scene.QUESTION, reference="ref-9", case=""))
        assert seen == [1, 2]
        assert "case" not in str(log[1].body)
        intent = log[0]
        assert (intent.kind, intent.library, intent.reference, intent.run) == (
            Kind.INTENT,
            "hasselt",
            "ref-0",
            "run-1",
        )
        assert intent.subject == Insz(scene.DIGITS)
        assert intent.body == {
            "actor": {"t": "process", "id": "night"},
            "act": "R",
            "op": "GeefPersoon-02.02",
            "scope": scene.SCOPE.digest,
            "why": {"code": "member-administration", "case": "c-1", "basis": "RR 28/2009", "hoed": "1300"},
            "req": sha256(sent).hexdigest(),
        }

    def test_many_questions_share_one_commit(self) -> None:
        """All intents of a batch are committed at once, and each is sent under its own reference."""
        commits: list[list[str]] = []

        def append(drafts: Sequence[Draft]) -> None:
            commits.append([draft.reference for draft in drafts])

        with standing(saying(_found), append=append) as stand:
            recorded = stand.gate.record([scene.asked(ref=f"r{n}") for n in range(3)])
            assert commits == [["r0", "r1", "r2"]]
            assert not stand.door.bodies
            answers = [stand.gate.send(one).answer.reference for one in reversed(recorded)]
        assert answers == ["r2", "r1", "r0"]

    @pytest.mark.parametrize(
        ("question", "authorisation", "why"),
        [
            (replace(scene.QUESTION, purpose="curiosity"), scene.AUTHORISATION, "purpose"),
            (replace(scene.QUESTION, library="gent"), scene.AUTHORISATION, "no authorisation"),
            (scene.QUESTION, replace(scene.AUTHORISATION, library="gent"), "another library"),
            (scene.QUESTION, replace(scene.AUTHORISATION, valid_until=date(2026, 6, 30)), "ended on 2026-06-30"),
            (scene.QUESTION, replace(scene.AUTHORISATION, valid_from=date(2026, 7, 2)), "from 2026-07-02"),
        ],
        ids=["purpose", "none", "another's", "ended", "not begun"],
    )
    def test_what_is_not_covered_is_denied_logged_and_not_sent(
        self, question: Question, authorisation: object, why: str
    ) -> None:
        """A denial is committed, says why, and keeps the whole batch at home."""
        assert isinstance(authorisation, type(scene.AUTHORISATION))
        with standing(saying(_found), authorisation=authorisation) as stand:
            with pytest.raises(NotAuthorised, match=f"{why}.*Nothing was sent"):
                stand.gate.record(
                    [scene.asked(ref="fine") if authorisation is scene.AUTHORISATION else question, question]
                )
            assert {draft.kind for draft in stand.log} == {Kind.DENIED}
            assert why in str(stand.log[-1].body["denial"])
            assert not stand.door.bodies

    def test_an_authorisation_ends_with_the_day_in_belgium(self) -> None:
        """Half past eleven at night in UTC is the next year in Belgium."""
        now = datetime(2026, 12, 31, 23, 30, tzinfo=UTC)
        ending = replace(scene.AUTHORISATION, valid_until=date(2026, 12, 31))
        with standing(saying(_found), authorisation=ending, now=now) as stand:
            with pytest.raises(NotAuthorised, match="ended on 2026-12-31"):
                stand.gate.ask(scene.QUESTION)
            assert not stand.door.bodies

    @pytest.mark.parametrize(
        "question",
        [
            replace(scene.QUESTION, actor=Actor(ActorKind.PERSON, f"jo {scene.DIGITS}")),
            replace(scene.QUESTION, case="letter 60.61.22-216.35"),
            replace(scene.QUESTION, purpose=scene.DIGITS),
            replace(scene.QUESTION, library="gent", case=scene.DIGITS),
        ],
        ids=["actor", "case", "purpose", "denied anyway"],
    )
    def test_a_number_where_words_belong_stops_before_the_log(self, question: Question) -> None:
        """What is logged in clear may hold nobody's number: nothing of the batch is asked or logged, nor quoted."""
        with standing(saying(_found)) as stand:
            with pytest.raises(ConfigError, match=r"national number.*Nothing was asked or logged") as caught:
                stand.gate.record([scene.asked(ref="fine"), question])
            assert not stand.log
            assert not stand.door.bodies
        assert "216" not in str(caught.value)

    @pytest.mark.parametrize(
        ("purpose", "logged"),
        [
            ("curiosity", "curiosity"),
            ("member-administration", "member-administration"),
            ("case 12345", "case 12345"),
            ("case 123456", "unknown"),
            ("vragen è", "unknown"),
            ("two\nlines", "unknown"),
            ("a" * 41, "unknown"),
            ("", "unknown"),
        ],
    )
    def test_a_denials_purpose_is_logged_if_it_is_a_plain_word(self, purpose: str, logged: str) -> None:
        """What nobody allowed may be anything, and the log keeps it for ten years."""
        with standing(saying(_found)) as stand:
            with pytest.raises(NotAuthorised):
                stand.gate.record([replace(scene.QUESTION, library="gent", purpose=purpose)])
            assert stand.log[0].body["why"] == {"code": logged, "case": "c-1"}

    def test_a_purpose_the_authorisation_knows_is_logged_as_it_is(self) -> None:
        """Its code is the library's own, however long, and the denial is for another reason."""
        code = "beheer van leden, artikel 3, 123456789, è"
        ended = replace(scene.AUTHORISATION, purposes=frozenset({code}), valid_until=date(2026, 6, 30))
        with standing(saying(_found), authorisation=ended) as stand:
            with pytest.raises(NotAuthorised):
                stand.gate.ask(replace(scene.QUESTION, purpose=code))
            assert code in str(stand.log[0].body["why"])

    def test_when_the_log_cannot_be_written_nothing_is_sent(self) -> None:
        """No evidence, no question; not even a denial passes unlogged."""
        with standing(saying(_found), append=_fail) as stand:
            with pytest.raises(LedgerError):
                stand.gate.ask(scene.QUESTION)
            with pytest.raises(LedgerError):
                stand.gate.ask(replace(scene.QUESTION, purpose="curiosity"))
            assert not stand.door.bodies

    def test_what_was_recorded_is_sent_once(self) -> None:
        """A second sending of one intent is refused, and so is one of another gate's."""
        with standing(saying(_found)) as stand, standing(saying(_found)) as other:
            recorded = stand.gate.record([scene.QUESTION])[0]
            stand.gate.send(recorded)
            for gate in (stand.gate, other.gate):
                with pytest.raises(ValueError, match="once"):
                    gate.send(recorded)
            assert len(stand.door.bodies) == 1
            assert not other.door.bodies

    def test_an_entry_fits_in_the_log_and_prints_nobody(self) -> None:
        """The drafts encode, and neither they nor the exchange show a number."""
        with standing(saying(_found)) as stand:
            recorded = stand.gate.record([scene.QUESTION])
            exchange = stand.gate.send(recorded[0])
            for draft in [*stand.log, exchange.outcome]:
                line = encode(draft, log="hasselt", seq=1, at=scene.NOW, subject={})
                assert not any(word in line.decode() for word in (scene.DIGITS, scene.LAST, scene.STREET))
            assert scene.DIGITS not in f"{recorded} {exchange} {stand.log}"


class TestFound:
    """A person is found."""

    def test_the_answer_is_cut_and_its_outcome_names_fields_only(self) -> None:
        """The outcome is handed over, not written: it is committed with what follows from the answer."""
        with standing(saying(_found)) as stand:
            exchange = stand.gate.ask(scene.QUESTION)
            assert stand.kinds == ["intent"]
        found = exchange.answer
        assert isinstance(found, Found)
        assert (found.person.name.last, found.person.residence.street) == (scene.LAST, scene.STREET)
        assert found.withheld["Geslacht"] == 1
        assert (found.signals, found.notices, found.new_insz, exchange.calls) == (frozenset(), (), None, 1)
        out = _out(exchange.outcome)
        assert isinstance(out.pop("ms"), int)
        assert out == {
            "status": "ok",
            "codes": [],
            "rsp": sha256(_found("ref-0")).hexdigest(),
            "got": [
                "last",
                "first",
                "birth_date",
                "street",
                "house_number",
                "postal_code",
                "municipality",
                "nis_code",
                "country",
                "since",
            ],
            "withheld": sum(found.withheld.values()),
        }
        assert exchange.outcome.reference == "ref-0"

    def test_signals_are_read_before_the_cut(self) -> None:
        """A death outside the scope is a signal, not data."""
        exchange = _ask(lambda ref: answer(person("<Overlijden><Datum>2020-01-01</Datum></Overlijden>"), ref=ref))
        assert isinstance(exchange.answer, Found)
        assert exchange.answer.signals == {Reason.DECEASED}
        assert not any("Overlijden" in path for path in exchange.answer.withheld)

    @pytest.mark.parametrize(
        ("hour", "reasons"), [(22, {Reason.STRUCK_OFF}), (23, set())], ids=["that day", "the next day in Belgium"]
    )
    def test_the_day_is_that_of_belgium(self, hour: int, reasons: set[Reason]) -> None:
        """A status that ended on New Year's Eve is over when it is New Year in Belgium."""
        status = '<Statussen><Status DatumEinde="2026-12-31"><Code>99991</Code></Status></Statussen>'
        now = datetime(2026, 12, 31, hour, 30, tzinfo=UTC)
        with standing(saying(answer(person(status))), now=now) as stand:
            found = stand.gate.ask(scene.QUESTION).answer
        assert isinstance(found, Found)
        assert found.signals == reasons

    @pytest.mark.parametrize(
        ("addresses", "reasons"),
        [("", set()), ("<PostadresBuitenland><Land/></PostadresBuitenland>", {Reason.ABROAD})],
        ids=["none left", "abroad"],
    )
    def test_a_main_residence_that_is_over_is_no_address(self, addresses: str, reasons: set[Reason]) -> None:
        """What nobody lives at today is not there to apply."""
        over = scene.HOME.replace("DatumBegin", 'DatumEinde="2026-06-30" DatumBegin')
        found = _ask(answer(person(home=over, addresses=addresses))).answer
        assert isinstance(found, Found)
        assert not found.person.residence
        assert (found.person.residence_since, found.signals) == (None, frozenset(reasons))
        assert found.person.name.last == scene.LAST

    def test_remarks_come_with_the_answer(self) -> None:
        """Notices of both levels that ask nothing are kept by code."""
        exchange = _ask(
            lambda ref: answer(
                person(), notice("30042", "INFORMATIE", "RR"), ref=ref, general=notice("99984", "WAARSCHUWING")
            )
        )
        assert isinstance(exchange.answer, Found)
        assert [one.code for one in exchange.answer.notices] == ["99984", "30042"]
        assert _out(exchange.outcome)["codes"] == ["99984/MAGDA", "30042/RR"]

    def test_the_receiver_need_not_be_named(self) -> None:
        """A reply without Ontvanger is matched on the answer's reference alone."""
        assert isinstance(_ask(lambda ref: answer(person(), ref=ref, receiver="")).answer, Found)


class TestNewNumber:
    """30004, in every form it comes in."""

    def test_as_a_warning_with_content(self) -> None:
        """The person is found, with the signal and the new number."""
        told = notice("30004", "WAARSCHUWING", annotations=RENUMBERED)
        exchange = _ask(lambda ref: answer(person(), told, ref=ref))
        assert isinstance(exchange.answer, Found)
        assert exchange.answer.signals == {Reason.NEW_NUMBER}
        assert exchange.answer.new_insz == Insz(scene.OTHER)
        assert _out(exchange.outcome)["status"] == "replaced"

    @pytest.mark.parametrize("content", ["", person()])
    def test_as_an_error(self, content: str) -> None:
        """An error's content is not used, if there is any."""
        told = notice("30004", annotations=RENUMBERED)
        exchange = _ask(lambda ref: answer(content, told, ref=ref))
        notices = (Notice("30004", "MAGDA", "FOUT"),)
        assert exchange.answer == Unknown("ref-0", Reason.NEW_NUMBER, Insz(scene.OTHER), notices)
        assert _out(exchange.outcome)["status"] == "replaced"

    @pytest.mark.parametrize(
        ("number", "production"),
        [("12345678901", False), ("nobody", False), ("", False), (scene.DIGITS, False), (scene.OTHER, True)],
    )
    def test_a_new_number_that_is_none_is_left_out(self, number: str, production: bool) -> None:
        """The signal stands without it; the number asked about is no new one, test numbers are none in production."""
        told = notice("30004", "WAARSCHUWING", annotations=[("Nieuw INSZ", number)])
        exchange = _ask(lambda ref: answer(person(), told, ref=ref), production=production)
        assert isinstance(exchange.answer, Found)
        assert exchange.answer.signals == {Reason.NEW_NUMBER}
        assert exchange.answer.new_insz is None

    @pytest.mark.parametrize("content", ["", person(), person(digits=scene.OTHER)], ids=["none", "old", "new"])
    def test_of_several_new_numbers_none_is_taken(self, content: str) -> None:
        """It is not for us to choose; under either of them content is a mix-up."""
        other = notice("30004", annotations=[("Nieuw INSZ", "61622495639")])
        exchange = _ask(lambda ref: answer(content, notice("30004", annotations=RENUMBERED) + other, ref=ref))
        if scene.OTHER in content:
            assert exchange.answer == Refused("ref-0", Reason.MISMATCH)
        else:
            assert isinstance(exchange.answer, Unknown)
            assert (exchange.answer.why, exchange.answer.new_insz) == (Reason.NEW_NUMBER, None)

    def test_one_new_number_said_twice_is_taken(self) -> None:
        """Said at both levels, it is still one."""
        told = notice("30004", annotations=RENUMBERED)
        exchange = _ask(lambda ref: answer(notices=told, general=told, ref=ref))
        assert isinstance(exchange.answer, Unknown)
        assert exchange.answer.new_insz == Insz(scene.OTHER)

    def test_content_under_the_new_number_is_not_used(self) -> None:
        """Another number in the answer is no mix-up when 30004 names it; but it is nobody we asked about."""
        told = notice("30004", "WAARSCHUWING", annotations=RENUMBERED)
        exchange = _ask(lambda ref: answer(person(digits=scene.OTHER), told, ref=ref))
        assert isinstance(exchange.answer, Unknown)
        assert (exchange.answer.why, exchange.answer.new_insz) == (Reason.NEW_NUMBER, Insz(scene.OTHER))

    def test_content_under_a_third_number_is_a_mix_up(self) -> None:
        """30004 excuses its own new number alone."""
        told = notice("30004", "WAARSCHUWING", annotations=RENUMBERED)
        exchange = _ask(lambda ref: answer(person(digits="61622495639"), told, ref=ref))
        assert exchange.answer == Refused("ref-0", Reason.MISMATCH)


class TestMismatch:
    """A reply that is not ours."""

    @pytest.mark.parametrize(
        "reply",
        [
            answer(person(digits=scene.OTHER)),
            answer(person().replace(f"<INSZ>{scene.DIGITS}</INSZ>", "")),
            answer(person(), ref="another"),
            answer(person(), ref="", receiver="ref-0"),
            answer(person(), receiver="another"),
            answer(notices=notice("30003"), ref="another"),
            repliek(general=notice("30003"), receiver="another"),
        ],
        ids=["number", "no number", "reference", "no reference", "receiver", "notice", "general"],
    )
    def test_everything_in_it_is_dropped(self, reply: bytes) -> None:
        """Another number or reference: nothing of it is kept, not even its notices."""
        exchange = _ask(reply)
        assert exchange.answer == Refused("ref-0", Reason.MISMATCH)
        out = _out(exchange.outcome)
        assert out["status"] == "mismatch"
        assert "got" not in out

    def test_magda_may_be_busy_under_any_reference(self) -> None:
        """A notice about the whole that says try again does so, whoever the reply names."""
        busy = repliek(general=notice("99996"), receiver="another")
        assert isinstance(_ask(busy, _found).answer, Found)


class TestNotices:
    """What MAGDA says instead of an answer, or beside it."""

    @pytest.mark.parametrize(
        ("code", "why", "status"),
        [
            ("30001", Reason.UNKNOWN, "not_found"),
            ("30003", Reason.UNKNOWN, "not_found"),
            ("30002", Reason.CANCELLED, "cancelled"),
        ],
    )
    def test_nobody_under_this_number(self, code: str, why: Reason, status: str) -> None:
        """The register has nobody, or nobody any more."""
        exchange = _ask(lambda ref: answer(notices=notice(code), ref=ref))
        assert isinstance(exchange.answer, Unknown)
        assert exchange.answer.why is why
        assert _out(exchange.outcome)["status"] == status

    @pytest.mark.parametrize("code", ["30001", "30002", "30003", "30004"])
    @pytest.mark.parametrize("place", ["fault", "whole"])
    def test_a_verdict_on_nobody_in_particular_is_none(self, place: str, code: str) -> None:
        """What names no reference at all says nothing of this member."""
        told = notice(code, annotations=RENUMBERED)
        exchange = _ask(fault(f"{code} - no") if place == "fault" else repliek(general=told, receiver=""))
        assert isinstance(exchange.answer, Refused)
        assert (exchange.answer.why, exchange.calls) == (Reason.UNREADABLE, 1)
        assert _out(exchange.outcome)["status"] == "invalid_reply"

    @pytest.mark.parametrize("antwoord", ["", "<Antwoorden><Antwoord><Referte>ref-0</Referte></Antwoord></Antwoorden>"])
    def test_a_verdict_of_the_whole_on_our_question_counts(self, antwoord: str) -> None:
        """At level 2 the receiver's reference will do, or the answer's."""
        exchange = _ask(repliek(antwoord, general=notice("30003"), receiver="" if antwoord else "ref-0"))
        assert isinstance(exchange.answer, Unknown)
        assert exchange.answer.why is Reason.UNKNOWN

    def test_to_stop_or_to_try_again_needs_no_reference(self) -> None:
        """What every member would meet is not said of one."""
        with pytest.raises(RegistryRefused):
            _ask(repliek(general=notice("13001"), receiver=""))
        assert isinstance(_ask(repliek(general=notice("99996"), receiver=""), _found).answer, Found)

    @pytest.mark.parametrize("code", [code for code, row in TABLE.items() if row.action is Action.REFUSED])
    @pytest.mark.parametrize("content", ["", person()])
    def test_this_member_is_refused(self, code: str, content: str) -> None:
        """Refused for this member alone, and what came with it is not used."""
        exchange = (
            _ask(lambda ref: answer(content, notice(code, "WAARSCHUWING"), ref=ref))
            if code.isdigit()
            else _ask(fault("?", code))
        )
        assert isinstance(exchange.answer, Refused)
        assert exchange.answer.why is Reason.REFUSED
        assert _out(exchange.outcome)["status"] == "refused"
        assert exchange.calls == 1

    @pytest.mark.parametrize(
        ("code", "severity"), [("12345", "FOUT"), ("12345", "WAARSCHUWING"), ("30042", "FOUT"), ("99983", "FOUT")]
    )
    def test_an_error_beside_content_wins(self, code: str, severity: str) -> None:
        """Content is not used beside any error, nor beside a warning we do not know."""
        exchange = _ask(lambda ref: answer(person(), notice(code, severity), ref=ref))
        assert isinstance(exchange.answer, Refused)
        assert exchange.answer.why is Reason.REFUSED

    @pytest.mark.parametrize("code", [code for code, row in TABLE.items() if row.action is Action.STOP])
    def test_what_every_member_would_meet_stops(self, code: str) -> None:
        """The run stops at once: one call, its outcome in the log, the code's meaning and a hint in the error."""
        reply = answer(notices=notice(code)) if code.isdigit() else fault(f"{code}: no")
        with standing(saying(reply)) as stand:
            with pytest.raises(RegistryRefused) as caught:
                stand.gate.ask(scene.QUESTION)
            assert stand.kinds == ["intent", "outcome:refused"]
            assert len(stand.door.bodies) == 1
        assert TABLE[code].meaning in str(caught.value)
        assert TABLE[code].todo in str(caught.value)
        assert code in str(caught.value)

    @pytest.mark.parametrize("status", [200, 500])
    def test_a_fault_counts_whatever_the_status(self, status: int) -> None:
        """ERR_025 stops with 200 as with 500."""
        text = "ERR_025: Verification failure: No signature in message!"
        with (
            standing(lambda *_: scene.http(fault(text), status)) as stand,
            pytest.raises(RegistryRefused, match="signature"),
        ):
            stand.gate.ask(scene.QUESTION)


RETRIED = [code for code, row in TABLE.items() if row.action is Action.RETRY and code.isdigit()]


class TestTries:
    """What is tried again, how often, and what the log keeps of it."""

    @pytest.mark.parametrize("code", RETRIED)
    def test_a_busy_register_is_asked_again_under_a_new_reference(self, code: str) -> None:
        """Two intents, two outcomes, two references; the wait is between one and two seconds."""
        with standing(saying(lambda ref: answer(notices=notice(code), ref=ref), _found)) as stand:
            exchange = stand.gate.ask(scene.QUESTION)
            assert isinstance(exchange.answer, Found)
            assert stand.kinds == ["intent", "outcome:transient", "intent"]
            assert [draft.reference for draft in [*stand.log, exchange.outcome]] == ["ref-0", "ref-0", "ref-1", "ref-1"]
            assert [scene.reference(body) for body in stand.door.bodies] == ["ref-0", "ref-1"]
            assert len(stand.waits) == 1
            assert 1 <= stand.waits[0] <= 2
        assert (exchange.answer.reference, exchange.calls) == ("ref-1", 2)

    def test_throttled_then_answered(self) -> None:
        """A Fault 99995 is tried again, and its code is in the log."""
        with standing(saying(fault("99995 - Te veel gelijktijdige bevragingen"), _found)) as stand:
            assert isinstance(stand.gate.ask(scene.QUESTION).answer, Found)
            assert _out(stand.log[1])["codes"] == ["99995/SOAP"]

    @pytest.mark.parametrize(
        ("handler", "status"),
        [
            (saying(lambda ref: answer(notices=notice("99994"), ref=ref)), "transient"),
            (saying(fault("99995")), "transient"),
            (lambda *_: scene.http(b"<html/>", 503), "transient"),
            (lambda *_: scene.http(b"<html/>", 200), "invalid_reply"),
            (lambda *_: None, "no_reply"),
        ],
        ids=["notice", "fault", "503", "html", "reset"],
    )
    def test_after_the_fourth_try_the_step_stays_open(self, handler: Handler, status: str) -> None:
        """Four tries, each with intent and outcome, ever longer waits, and an error that says so."""
        with standing(handler) as stand:
            with pytest.raises(RegistryUnavailable) as caught:
                stand.gate.ask(scene.QUESTION)
            assert stand.kinds == ["intent", f"outcome:{status}"] * 4
            assert len({draft.reference for draft in stand.log}) == 4
            assert [wait <= most for wait, most in zip(stand.waits, (2, 4, 8), strict=True)] == [True] * 3
        assert scene.DIGITS not in str(caught.value)
        assert "again later" in caught.value.todo

    def test_a_register_that_cannot_be_reached_was_sent_nothing(self) -> None:
        """The log says so for every try."""
        with standing(saying(_found)) as stand:
            gate, log = stand.gate, stand.log
        with pytest.raises(RegistryUnavailable):
            gate.ask(scene.QUESTION)
        assert [_out(draft)["status"] for draft in log[1::2]] == ["not_sent"] * 4

    @pytest.mark.parametrize("code", ["60007", "60018", "70002"])
    def test_some_things_are_tried_once_more_only(self, code: str) -> None:
        """A source that cannot be read is asked twice; then the member goes on hold."""
        with standing(saying(lambda ref: answer(notices=notice(code), ref=ref))) as stand:
            exchange = stand.gate.ask(scene.QUESTION)
            assert stand.kinds == ["intent", "outcome:transient", "intent"]
        assert isinstance(exchange.answer, Refused)
        assert (exchange.answer.why, exchange.calls) == (Reason.REFUSED, 2)

    @pytest.mark.parametrize("notices", ["", notice("30042", "INFORMATIE")])
    def test_an_answer_of_nothing_is_asked_for_twice(self, notices: str) -> None:
        """No notice and no content is an error; a second one puts the member on hold."""
        with standing(saying(lambda ref: answer(notices=notices, ref=ref))) as stand:
            exchange = stand.gate.ask(scene.QUESTION)
            assert stand.kinds == ["intent", "outcome:invalid_reply", "intent"]
        assert isinstance(exchange.answer, Refused)
        assert exchange.answer.why is Reason.UNREADABLE
        assert _out(exchange.outcome)["status"] == "invalid_reply"

    def test_an_empty_reply_then_a_full_one(self) -> None:
        """No Antwoord at all, then one: found."""
        assert isinstance(_ask(repliek(), _found).answer, Found)

    def test_the_whole_of_the_tries_is_bounded(self) -> None:
        """No further try begins later than allowed after the first."""
        with standing(lambda *_: None, max_wait_s=1.0) as stand:
            with pytest.raises(RegistryUnavailable):
                stand.gate.ask(scene.QUESTION)
            assert stand.kinds == ["intent", "outcome:no_reply"]
            assert not stand.waits

    def test_an_authorisation_that_ends_between_two_tries_ends_them(self) -> None:
        """Another try is another access, so it needs its own cover."""
        days = count()
        log: list[Draft] = []

        def clock() -> datetime:
            return scene.NOW + timedelta(days=next(days))

        with scene.door(saying(fault("99995"))) as opened:
            client = SoapClient(opened.url)
            gate = Gate(
                client=client,
                append=log.extend,
                authorisations={"hasselt": replace(scene.AUTHORISATION, valid_until=scene.TODAY + timedelta(days=2))},
                pace=RateLimiter(None, sleep=lambda _: None),
                clock=clock,
                new_reference=lambda: "ref-1",
                source="RR",
                production=False,
                sleep=lambda _: None,
            )
            with pytest.raises(NotAuthorised):
                gate.ask(scene.QUESTION)
            client.close()
        assert [draft.kind for draft in log] == [Kind.INTENT, Kind.OUTCOME, Kind.DENIED]

    def test_when_the_log_fails_between_two_tries_there_is_no_second(self) -> None:
        """An outcome that cannot be written ends the tries."""
        log: list[Draft] = []

        def append(drafts: Sequence[Draft]) -> None:
            if log:
                _fail(drafts)
            log.extend(drafts)

        with standing(saying(fault("99995")), append=append) as stand:
            with pytest.raises(LedgerError):
                stand.gate.ask(scene.QUESTION)
            assert len(stand.door.bodies) == 1


UNREADABLE = {
    "doctype": b'<!DOCTYPE a [<!ENTITY b "c">]>' + scene.envelope("<a/>").partition(b"?>")[2],
    "malformed": _found("ref-0")[:-30],
    "utf-16": _found("ref-0").decode().replace("UTF-8", "utf-16").encode("utf-16-le"),
    "no soap": b"<a/>",
    "two persons": answer(person() + person()),
    "two numbers": answer(person().replace("<Naam ", f"<INSZ>{scene.OTHER}</INSZ><Naam ", 1)),
    "two residences": answer(person(home=scene.HOME * 2)),
    "another's residence": answer(person(home="", addresses='<x:Hoofdverblijfplaats xmlns:x="urn:evil"/>')),
    "two references": answer(person()).replace(b"</Referte><Inhoud>", b"</Referte><Referte>x</Referte><Inhoud>"),
    "long text": answer(person(home=scene.HOME.replace(scene.STREET, "a" * 301))),
    "too large": answer(person("<X>" + "a" * 2_100_000 + "</X>")),
}


@pytest.mark.parametrize("kind", UNREADABLE)
def test_a_reply_nobody_can_use_puts_one_member_on_hold(kind: str) -> None:
    """Unreadable, once: no further try, nothing kept."""
    reply = UNREADABLE[kind]
    if kind == "utf-16":
        reply = b"<" + reply
    exchange = _ask(reply)
    assert exchange.answer == Refused("ref-0", Reason.UNREADABLE)
    out = _out(exchange.outcome)
    assert out["status"] == "invalid_reply"
    assert ("rsp" in out) is (kind != "too large")
    assert exchange.calls == 1


class TestEnds:
    """However a try ends, its intent gets an outcome."""

    def test_a_run_that_stops_sends_no_more(self) -> None:
        """What was recorded and not sent says so in the log."""
        with standing(saying(_found), interrupted=lambda: True) as stand:
            with pytest.raises(Interrupted):
                stand.gate.ask(scene.QUESTION)
            assert stand.kinds == ["intent", "outcome:not_sent"]
            assert not stand.door.bodies

    def test_a_run_that_stops_while_waiting_for_its_turn(self) -> None:
        """The wait ends, and nothing is sent."""
        stopping: list[bool] = []
        pace = RateLimiter(0.001, sleep=lambda _: stopping.append(True), clock=lambda: 0.0)
        with standing(saying(_found), pace=pace, interrupted=lambda: bool(stopping)) as stand:
            stand.gate.ask(scene.QUESTION)
            with pytest.raises(Interrupted):
                stand.gate.ask(scene.asked(ref="ref-a"))
            assert stand.kinds == ["intent", "intent", "outcome:not_sent"]
            assert len(stand.door.bodies) == 1

    def test_a_run_that_stops_between_two_tries(self) -> None:
        """There is no second intent to account for."""
        answers = iter([False, True])
        with standing(saying(fault("99995")), interrupted=lambda: next(answers)) as stand:
            with pytest.raises(Interrupted):
                stand.gate.ask(scene.QUESTION)
            assert stand.kinds == ["intent", "outcome:transient"]

    @pytest.mark.parametrize(
        ("broken_at", "status"), [(0, "not_sent"), (2, "invalid_reply")], ids=["waiting", "reading"]
    )
    def test_an_error_nobody_expected(self, broken_at: int, status: str) -> None:
        """A bug or a Ctrl-C leaves no intent open, and is not hidden."""

        class Bug(BaseException):
            pass

        def broken(*_: object) -> object:
            raise Bug

        with standing(saying(_found)) as stand:
            recorded = stand.gate.record([scene.QUESTION])[0]
            if broken_at:
                stand.gate._clock = broken  # type: ignore[assignment]  # the clock fails
            else:
                stand.gate._interrupted = broken  # type: ignore[assignment]  # the stop fails
            with pytest.raises(Bug):
                stand.gate.send(recorded)
            assert stand.kinds == ["intent", f"outcome:{status}"]

    def test_an_error_while_asking_is_no_reply(self) -> None:
        """What broke while the question was out may have been seen."""

        class Broken(SoapClient):
            def post(self, asked: Service, envelope: bytes) -> bytes:
                raise ZeroDivisionError(asked, len(envelope))

        with standing(saying(_found)) as stand:
            stand.gate._client = Broken("http://127.0.0.1:9/")
            with pytest.raises(ZeroDivisionError):
                stand.gate.ask(scene.QUESTION)
            assert stand.kinds == ["intent", "outcome:no_reply"]


class TestAgain:
    """An answer that is shown again, and a question that one may not ask."""

    def test_the_entry_says_who_what_whose_and_why(self) -> None:
        """As an intent does, but for what would be sent; nothing is."""
        with standing(saying(_found)) as stand:
            draft = stand.gate.again(scene.QUESTION, {"of": "ref-0", "out": {"got": ["last"]}})
            assert (stand.log, stand.door.bodies) == ([], [])
        assert (draft.kind, draft.reference, draft.subject) == (
            Kind.REUSE,
            scene.QUESTION.reference,
            scene.QUESTION.insz,
        )
        assert {"actor", "act", "op", "why", "scope", "of", "out"} == set(draft.body)

    def test_what_may_not_be_asked_may_not_be_shown(self) -> None:
        """The denial is in the log, and a national number is not."""
        with standing(saying(_found)) as stand:
            with pytest.raises(NotAuthorised):
                stand.gate.again(replace(scene.QUESTION, purpose="curiosity"), {})
            with pytest.raises(ConfigError):
                stand.gate.again(replace(scene.QUESTION, case=scene.DIGITS), {})
            assert [draft.kind for draft in stand.log] == [Kind.DENIED]

    def test_a_question_too_many_is_a_denial(self) -> None:
        """With its clause; a purpose that nobody allowed is kept if it is plain, and a national number never."""
        with standing(saying(_found)) as stand:
            stand.gate.deny(scene.QUESTION, "the limit was reached")
            stand.gate.deny(replace(scene.QUESTION, library="genk"), "the limit was reached")
            with pytest.raises(ConfigError):
                stand.gate.deny(replace(scene.QUESTION, case=scene.DIGITS), "the limit was reached")
            assert [(draft.library, draft.kind) for draft in stand.log] == [
                ("hasselt", Kind.DENIED),
                ("genk", Kind.DENIED),
            ]
            assert stand.log[0].body["denial"] == "the limit was reached"
            assert stand.door.bodies == []


def test_nobody_can_be_read_in_any_log(caplog: pytest.LogCaptureFixture) -> None:
    """With everything at DEBUG, no number, name or street is in any record, nor in any error or value printed."""
    caplog.set_level(logging.DEBUG)
    printed: list[object] = []
    handlers: list[Handler] = [
        saying(_found),
        saying(answer(person(digits=scene.OTHER))),
        saying(answer(notices=notice("13001"))),
        saying(fault(f"{scene.DIGITS} {scene.LAST}")),
        saying(*UNREADABLE.values()),
        lambda *_: scene.http(f"<html>{scene.DIGITS} {scene.LAST}</html>".encode()),
        lambda *_: f"HTTP/9 {scene.DIGITS} {scene.LAST}\r\n\r\n".encode(),
    ]
    for handler in handlers:
        with standing(handler) as stand:
            try:
                printed.append(stand.gate.ask(scene.QUESTION))
            except RegistryError as error:
                printed += [error, repr(error), error.__cause__, error.__context__]
            printed += stand.log
    text = " ".join([*map(repr, printed), *map(str, printed), *(record.getMessage() for record in caplog.records)])
    for word in (scene.DIGITS, scene.OTHER, scene.LAST, scene.STREET):
        assert word not in text


class TestSimulator:
    """Against the simulator: a real server with an invented population."""

    def test_every_kind_of_citizen_is_read(self) -> None:
        """Sixty people are asked about, each under its own reference; each is matched, found or unknown."""
        references = count()
        log: list[Draft] = []
        world = World(seed=1, people=60)
        with Simulator(
            world=world, now=lambda: scene.NOW, new_reference=lambda: f"m-{next(references)}", max_per_second=None
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
            )
            people = [world.citizen(position).insz.digits for position in range(len(world))]
            answers = [gate.ask(scene.asked(digits, f"q-{digits}")).answer for digits in people]
            client.close()
            assert {one.reference for one in simulator.asked} == {draft.reference for draft in log}
        assert not [one for one in answers if isinstance(one, Refused)]
        assert sum(isinstance(one, Found) and bool(one.person.residence) for one in answers) > 40

    def test_forty_threads_share_a_gate_and_its_pace(self) -> None:
        """As the desks of a web server do: each gets its own answer, none is lost, none goes too early."""
        references, ready = count(), Barrier(40)
        log: list[Draft] = []
        seconds = [1_000_000.0]
        world = World(seed=1, people=120)

        def sleep(rest_s: float) -> None:
            time.sleep(0.0002)  # lets the others run
            seconds[0] += rest_s

        with Simulator(
            world=world, now=lambda: scene.NOW, new_reference=lambda: f"m-{next(references)}", max_per_second=None
        ) as simulator:
            client = SoapClient(simulator.url)
            budget = Budget(max_per_second=60, max_in_flight=16)
            pace = RateLimiter(budget, sleep=sleep, clock=lambda: seconds[0], desk=True, who="desk")
            gate = Gate(
                client=client,
                append=log.extend,
                authorisations={"hasselt": scene.AUTHORISATION},
                pace=pace,
                clock=lambda: scene.NOW,
                new_reference=lambda: f"again-{next(references)}",
                source="RR",
                production=False,
                sleep=lambda _: None,
            )

            def work(who: int) -> list[tuple[str, AnsweredQuestion]]:
                ready.wait(30)
                numbers = [world.citizen(position).insz.digits for position in range(who, len(world), 40)]
                return [(digits, gate.ask(scene.asked(digits, f"q-{digits}"))) for digits in numbers]

            with ThreadPoolExecutor(40) as pool:
                done = [each for share in pool.map(work, range(40)) for each in share]
            client.close()
            asked = {one.reference: one.digits for one in simulator.asked}
        assert len(asked) == len(simulator.asked) == len(done) == len(world)
        assert seconds[0] - 1_000_000 >= (len(world) - 1) / 60
        for digits, exchange in done:
            assert (exchange.answer.reference, asked[exchange.answer.reference]) == (f"q-{digits}", digits)
            assert exchange.outcome.subject == Insz(digits)
        assert sorted(draft.reference for draft in log) == sorted(f"q-{digits}" for digits, _ in done)
        assert (pace._in_flight, list(pace._queue), pace._results) == (0, [], [])


def test_a_narrow_scope_shows_no_more_than_it_names() -> None:
    """With a scope of names alone the gate gives no address, and says that one came."""
    scope = Scope.parse("Naam", known=known_paths())
    with standing(saying(_found), authorisation=replace(scene.AUTHORISATION, scope=scope)) as stand:
        exchange = stand.gate.ask(scene.QUESTION)
    assert isinstance(exchange.answer, Found)
    assert not exchange.answer.person.residence
    assert exchange.answer.withheld["Adressen"] == 1
    assert _out(exchange.outcome)["got"] == ["last", "first"]
