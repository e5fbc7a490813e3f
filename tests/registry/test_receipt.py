"""What MAGDA says to a subscription, made or ended: done, refused, to be tried again, or not ours."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import pytest

from rrsync.core.exchange import Deed, Done, Notice, Reason, Refused
from rrsync.registry.codes import TABLE, Action
from rrsync.registry.outcome import Outcome
from rrsync.registry.request import SUBSCRIBE, UNSUBSCRIBE, Service, service
from tests.registry import scene
from tests.registry.scene import answer, fault, notice, repliek

MAKING, ENDING = SUBSCRIBE["02.00"], UNSUBSCRIBE["02.00"]
YES = "<Resultaat>1</Resultaat>"
NO = '<Resultaat Beschrijving="Niet geslaagd">0</Resultaat>'
THERE = notice("40143", "WAARSCHUWING")


def read(reply: bytes, asked: Service = MAKING) -> Outcome:
    """Return the outcome of a reply of a service."""
    deed = Deed.SUBSCRIBE if asked in SUBSCRIBE.values() else Deed.UNSUBSCRIBE
    return scene.read(reply, replace(scene.QUESTION, deed=deed), asked)


def said(
    content: str = "",
    notices: str = "",
    *,
    ref: str = "ref-0",
    receiver: str | None = None,
    general: str = "",
    asked: Service = MAKING,
) -> tuple[str, str, str]:
    """Read an answer; give whether it is done or why not, the status, and what is to be done."""
    return told(read(answer(content, notices, ref=ref, receiver=receiver, general=general, asked=asked), asked))


def told(outcome: Outcome) -> tuple[str, str, str]:
    """Return what an outcome says: done or why not, the status, the action."""
    what = "done" if isinstance(outcome.answer, Done) else outcome.answer.why.value  # type: ignore[union-attr]
    return what, outcome.status.value, outcome.action.value


DONE = ("done", "ok", "accept")
REFUSED = ("refused", "refused", "accept")
AGAIN = ("refused", "refused", "retry_once")
EMPTY = ("unreadable", "invalid_reply", "retry_once")
UNREADABLE = ("unreadable", "invalid_reply", "accept")
AGAIN_OR_STOP = {Action.STOP, Action.RETRY, Action.RETRY_ONCE}
MISMATCH = ("mismatch", "mismatch", "accept")


class TestDone:
    """It was done."""

    @pytest.mark.parametrize("asked", [*SUBSCRIBE.values(), *UNSUBSCRIBE.values()], ids=lambda one: one.operation)
    def test_result_1(self, asked: Service) -> None:
        """Of every operation, with a description or without, and with remarks beside it."""
        for content in (YES, '<Resultaat Beschrijving="Wel geslaagd"> 1 </Resultaat>'):
            assert said(content, asked=asked) == DONE
        assert said(YES, notice("99984", "WAARSCHUWING"), asked=asked, general=notice("11111", "INFORMATIE")) == DONE

    @pytest.mark.parametrize("severity", ["FOUT", "WAARSCHUWING", "INFORMATIE", "Ramp"])
    @pytest.mark.parametrize("content", ["", YES, NO])
    def test_there_already(self, severity: str, content: str) -> None:
        """40143 is what was wanted, whatever its type, and whatever the result."""
        assert said(content, notice("40143", severity)) == DONE
        assert said(content, general=notice("40143", severity)) == DONE

    def test_it_keeps_codes_and_no_words(self) -> None:
        """Annotations, diagnoses and origins of the source are left behind."""
        told = notice("40143", "WAARSCHUWING", "KSZ", [("INSZ", scene.DIGITS), ("Naam", scene.LAST)])
        reading = read(answer("", told, asked=MAKING))
        assert reading.answer == Done("ref-0", (Notice("40143", "KSZ", "WAARSCHUWING"),))
        assert scene.DIGITS not in str(reading.answer.notices)
        assert repr(reading.answer) == "Done(***)"


class TestNotDone:
    """It was not."""

    @pytest.mark.parametrize("asked", [MAKING, ENDING], ids=lambda one: one.name)
    def test_result_0_without_a_reason(self, asked: Service) -> None:
        """Worth one more try, and then refused."""
        assert said(NO, asked=asked) == AGAIN
        assert said(NO, notice("30042", "INFORMATIE"), asked=asked) == AGAIN

    @pytest.mark.parametrize("code", [code for code, row in TABLE.items() if row.action is Action.REFUSED])
    @pytest.mark.parametrize("content", ["", YES, NO])
    def test_a_reason(self, code: str, content: str) -> None:
        """Whatever the result beside it."""
        reply = answer(content, notice(code), asked=MAKING) if code.isdigit() else fault("?", code)
        assert told(read(reply)) == REFUSED

    @pytest.mark.parametrize("code", ["30001", "30002", "30003", "30004"])
    def test_a_verdict_on_the_number_is_a_refusal(self, code: str) -> None:
        """Nobody is subscribed to it, and nothing is subscribed again."""
        for asked in (MAKING, ENDING):
            assert said("", notice(code), asked=asked) == REFUSED

    @pytest.mark.parametrize("code", ["40003", "13202", "13303"])
    def test_where_there_is_none_there_is_none_to_end(self, code: str) -> None:
        """To end one that is not there is done; to make one is not, and is not tried again."""
        assert said("", notice(code), asked=MAKING) == REFUSED
        assert said("", notice(code), asked=ENDING) == DONE
        assert said("", notice(code) + notice("50000"), asked=ENDING) == REFUSED

    @pytest.mark.parametrize("severity", ["FOUT", "WAARSCHUWING", "Ramp"])
    def test_a_code_that_nobody_knows(self, severity: str) -> None:
        """Never success, even beside a result 1 or a subscription that is there."""
        assert said(YES, notice("77777", severity)) == REFUSED
        assert said("", THERE + notice("77777", severity)) == REFUSED

    def test_any_error_is_a_refusal(self) -> None:
        """A code that is otherwise a remark is none as an error."""
        assert said(YES, notice("30042")) == REFUSED
        assert said("", THERE + notice("30042")) == REFUSED

    @pytest.mark.parametrize("content", ["", "<Anders/>", "<Resultaat/>", "<Resultaat>2</Resultaat>"])
    def test_nothing_that_can_be_used(self, content: str) -> None:
        """Neither 1 nor 0, and no reason: worth one more try."""
        assert said(content) == EMPTY
        assert said(content, asked=ENDING) == EMPTY

    def test_no_answer_at_all(self) -> None:
        """A reply without Antwoord."""
        assert told(read(repliek(asked=MAKING))) == EMPTY

    def test_there_already_ends_nothing(self) -> None:
        """To who unsubscribes, 40143 is no success: as an error a refusal, as a remark the result counts."""
        assert said("", notice("40143"), asked=ENDING) == REFUSED
        assert said(YES, THERE, asked=ENDING) == DONE
        assert said("", THERE, asked=ENDING) == EMPTY


class TestAgain:
    """What is said of every question alike."""

    @pytest.mark.parametrize("asked", [MAKING, ENDING], ids=lambda one: one.name)
    @pytest.mark.parametrize("level", [2, 3])
    @pytest.mark.parametrize(
        "code", [code for code, row in TABLE.items() if code.isdigit() and row.action in AGAIN_OR_STOP]
    )
    def test_stop_and_try_again(self, code: str, level: int, asked: Service) -> None:
        """At either level, with any result, for either deed."""
        action = TABLE[code].action
        assert action is not None
        status = "refused" if action is Action.STOP else "transient"
        for content in ("", YES, NO):
            general, own = (notice(code), "") if level == 2 else ("", notice(code))
            assert said(content, own, general=general, asked=asked) == ("refused", status, action.value)

    def test_whoever_the_reply_is_for(self) -> None:
        """What MAGDA says of the whole message needs no reference, nor does a Fault."""
        assert said(YES, general=notice("99996"), ref="another") == ("refused", "transient", "retry")
        assert told(read(fault("99995 - Te veel gelijktijdige bevragingen"))) == ("refused", "transient", "retry")
        assert told(read(fault("ERR_025: no"))) == ("refused", "refused", "stop")

    def test_busy_wins_over_there_already(self) -> None:
        """Of a reply that says both, the graver counts."""
        assert said("", THERE + notice("99994")) == ("refused", "transient", "retry")


class TestWhose:
    """Whether the reply is to our question."""

    @pytest.mark.parametrize(
        ("ref", "receiver"), [("another", "ref-0"), ("ref-0", "another"), ("", "ref-0"), ("another", "")]
    )
    @pytest.mark.parametrize("content", [YES, NO, ""])
    def test_another_reference_is_a_mix_up(self, ref: str, receiver: str, content: str) -> None:
        """Everything in it is dropped."""
        reading = read(answer(content, THERE, ref=ref, receiver=receiver, asked=MAKING))
        assert told(reading) == MISMATCH
        assert reading.answer == Refused("ref-0", Reason.MISMATCH)

    def test_one_reference_will_do(self) -> None:
        """The answer's when no receiver is named, the receiver's when there is no answer."""
        assert said(YES, receiver="") == DONE
        assert told(read(repliek(general=THERE, asked=MAKING))) == DONE

    def test_done_for_nobody_in_particular_is_not_done(self) -> None:
        """There is no number in the reply: without our reference it may be about anybody."""
        assert told(read(repliek(general=THERE, receiver="", asked=MAKING))) == UNREADABLE

    @pytest.mark.parametrize("other", [ENDING, SUBSCRIBE["02.01"]], ids=lambda one: one.operation)
    def test_another_operations_reply_is_none(self, other: Service) -> None:
        """Whatever it says."""
        assert told(read(answer(YES, asked=other))) == UNREADABLE
        assert told(read(answer(scene.person()))) == UNREADABLE


OURS = answer(YES, asked=MAKING)
HOSTILE = {
    "two results": answer(YES + NO, asked=MAKING),
    "two answers": OURS.replace(b"</Antwoorden>", b"<Antwoord><Referte>ref-0</Referte></Antwoord></Antwoorden>"),
    "two contents": OURS.replace(b"</Inhoud>", b"</Inhoud><Inhoud><Resultaat>0</Resultaat></Inhoud>"),
    "another's result": OURS.replace(b"<Resultaat>", b'<x:Resultaat xmlns:x="urn:evil">').replace(
        b"</Resultaat>", b"</x:Resultaat>"
    ),
    "document type": OURS.replace(b"?>", b"?><!DOCTYPE a>", 1),
    "broken": OURS[:-20],
    "nothing": b"",
}


@pytest.mark.parametrize("data", HOSTILE.values(), ids=HOSTILE)
def test_what_cannot_be_read_is_unreadable(data: bytes) -> None:
    """Nothing is taken from it, least of all that it was done."""
    assert told(read(data)) == UNREADABLE


EXPECTED = {"0": AGAIN, "1": DONE, "": ("refused", "transient", "retry")}


@pytest.mark.parametrize("operation", [*(one.operation for one in (*SUBSCRIBE.values(), ENDING))])
def test_the_governments_personas(magda_data: Path, operation: str) -> None:
    """Every one reads as its result says; without one, it says that MAGDA is busy (MAGDA fact sheet §4.8)."""
    folder = magda_data / "personas" / operation
    name, _, version = operation.partition("-")
    asked = service(Deed.SUBSCRIBE if "Inschrijving" in name else Deed.UNSUBSCRIBE, version)
    found = set()
    for path in sorted(folder.glob("*.xml")):
        text = re.sub(r"<\?xml.*?\?>|(?<=<Referte>)[^<]*", "", path.read_text("utf-8"))
        reply = scene.envelope(text.replace("<Referte>", "<Referte>ref-0"))
        result = re.search(r"<Resultaat[^>]*>(.)<", text)
        found.add(result[1] if result else "")
        assert told(read(reply, asked)) == EXPECTED[result[1] if result else ""], path.name
    assert {"0", "1"} <= found
