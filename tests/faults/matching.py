"""Rows 33 to 40: whose reply it is, and what is in it."""

from __future__ import annotations

import re
from collections.abc import Callable
from threading import Condition
from typing import Final
from uuid import uuid4

from rrsync.core.planning import tonight
from tests.faults.catalogue import Answer, Call, Case, Row, Trial, ends
from tests.faults.packing import rewritten
from tests.night.house import LIBRARY, STALE_DAYS
from tests.registry import scene
from tests.registry.scene import http

#: Outside the simulator the first mix-up stops; there the settings say so.
AT_ONCE: Final = "[night]\nmax_mismatches = 1"
WAIT_S: Final = 5.0

USED: Final = ends(outcomes={"ok": 2}, tries=2, exit_code=0, changed=2)
UNREADABLE: Final = ends(outcomes={"invalid_reply": 2}, tries=2, exit_code=0, holds={"unreadable": 2})
#: Once more, and then on hold.
TWICE: Final = ends(outcomes={"invalid_reply": 4}, tries=4, exit_code=0, holds={"unreadable": 2})
MIXED_UP: Final = ends(
    outcomes={"mismatch": 2},
    tries=2,
    exit_code=4,
    stopped="mix_up",
    holds={"mismatch": 2},
    warned={"alarm"},
    says="somebody else than was asked about",
)


def mixed_up(answer: Answer, *, members: int = 2, in_flight: int = 4) -> Callable[[Trial], object]:
    """Return what lets the register answer in a way of which the first should stop everything."""

    def inject(trial: Trial) -> None:
        trial.build(members=members, in_flight=in_flight, settings=AT_ONCE)
        trial.serve(answer)

    return inject


def evidence_is_kept(expect: Callable[[Trial], None]) -> Callable[[Trial], None]:
    """Return what also asserts that every message of it is kept, sealed, and that nobody is asked again that day."""

    def check(trial: Trial) -> None:
        ((kept,),) = trial.house.raw.rows("SELECT count(*) FROM evidence")
        assert kept == trial.outcomes["mismatch"]
        tries = trial.tries
        plan = tonight(now=trial.house.clock(), stale_after_days=STALE_DAYS, full=False, most=None)
        trial.house.app.night().run([LIBRARY], plan, progress=lambda _: None)
        assert trial.tries == tries
        expect(trial)

    return check


def receiver(call: Call) -> bytes:
    """Put another reference in the Ontvanger."""
    body = call.right.body
    head, mark, rest = body.partition(b"<Ontvanger>")
    assert mark
    return http(head + mark + rest.replace(call.reference.encode(), str(uuid4()).encode(), 1))


def question(call: Call) -> bytes:
    """Put another reference in the Antwoord."""
    head, mark, rest = call.right.body.partition(b"<Antwoord>")
    assert mark
    return http(head + mark + rest.replace(call.reference.encode(), str(uuid4()).encode(), 1))


def both(call: Call) -> bytes:
    """Put one other reference in both."""
    return http(call.right.body.replace(call.reference.encode(), str(uuid4()).encode()))


def another_number(call: Call) -> bytes:
    """Put the number of somebody else in the place of whom was asked about."""
    return http(call.right.body.replace(call.digits.encode(), scene.OTHER.encode()))


def another_person(call: Call) -> bytes:
    """Answer about somebody else altogether, under the right references."""
    return http(scene.answer(scene.person(digits=scene.OTHER), ref=call.reference))


def no_number(call: Call) -> bytes:
    """Leave the number out."""
    return http(call.right.body.replace(b"<INSZ>" + call.digits.encode() + b"</INSZ>", b"", 1))


def freed_by_30004(call: Call) -> bytes:
    """Say that the number was replaced, by another than the one in the content."""
    said = scene.notice("30004", "WAARSCHUWING", annotations=[("Oud INSZ", call.digits), ("Nieuw INSZ", scene.DIGITS)])
    return http(scene.answer(scene.person(digits=scene.OTHER), said, ref=call.reference))


class Exchanged:
    """A register that gives each of two questions under way the other's answer."""

    def __init__(self) -> None:
        self._met = Condition()
        self._waiting: list[Call] = []
        self._replies: dict[str, bytes] = {}

    def __call__(self, call: Call) -> bytes | None:
        """Answer a question with the reply to the other."""
        with self._met:
            if self._waiting:
                other = self._waiting.pop()
                self._replies[other.reference] = call.said()
                self._met.notify_all()
                return other.said()
            self._waiting.append(call)
            came = self._met.wait_for(lambda: call.reference in self._replies, WAIT_S)
            return self._replies.pop(call.reference) if came else None


def stops_at_the_first(trial: Trial) -> None:
    """Expect that of nine members, asked one at a time, no more are asked than were recorded together."""
    assert (trial.exit_code, trial.stopped, trial.changed) == (4, "mix_up", 0)
    assert trial.tries <= 2
    assert trial.holds == {"mismatch": trial.outcomes["mismatch"]}
    assert trial.left + trial.holds.total() == 9
    trial.heal()


def at_the_desk(trial: Trial) -> None:
    """Let the same happen before one member at the desk."""
    trial.serve(another_person)
    trial.refresh()


def nothing_is_shown(trial: Trial) -> None:
    """Expect a hold, and nothing of the other person in what the desk is handed."""
    assert (trial.exit_code, trial.tries, dict(trial.outcomes)) == (0, 1, {"mismatch": 1})
    assert (dict(trial.holds), trial.changed) == ({"mismatch": 1}, 0)
    assert trial.refreshed is not None
    said = repr(trial.refreshed) + repr(trial.refreshed.answer) + repr(trial.refreshed.verdict) + trial.heard()
    for canary in (scene.OTHER, scene.LAST, scene.STREET):
        assert canary not in said
    trial.heal()


def nobody_else_stands_anywhere(expect: Callable[[Trial], None]) -> Callable[[Trial], None]:
    """Return what also asserts that the other person stands in no file in clear, and was said nowhere."""

    def check(trial: Trial) -> None:
        expect(trial)
        canaries = [each.encode() for each in (scene.OTHER, scene.LAST, scene.STREET)]
        for path in trial.house.folder.rglob("*"):
            data = path.read_bytes() if path.is_file() else b""
            assert not [each for each in canaries if each in data], path.name
        assert not [each for each in canaries if each in trial.heard().encode()]

    return check


def answered(change: Callable[[bytes], bytes]) -> Callable[[bytes], bytes]:
    """Return what changes the Antwoord of a reply; ``change`` gets it with its tags."""

    def changed(body: bytes) -> bytes:
        found = re.search(rb"<Antwoord>.*</Antwoord>", body, re.DOTALL)
        assert found
        return body.replace(found[0], change(found[0]))

    return changed


def without(name: str) -> Callable[[bytes], bytes]:
    """Return what leaves an element and all in it out."""
    tag = name.encode()
    return lambda body: re.sub(rb"<%s>.*</%s>" % (tag, tag), b"", body, flags=re.DOTALL)


def nobody(body: bytes) -> bytes:
    """Leave the person out of the content."""
    return re.sub(rb"<Persoon .*</Persoon>", b"", body, flags=re.DOTALL)


def doubled(name: bytes) -> Callable[[bytes], bytes]:
    """Return what puts an element there twice."""

    def change(body: bytes) -> bytes:
        found = re.search(rb"<%s[ >].*</%s>" % (name, name), body, re.DOTALL)
        assert found
        return body.replace(found[0], found[0] * 2)

    return change


def with_notice(code: str, severity: str, origin: str = "MAGDA") -> Callable[[Trial], object]:
    """Return what puts an exception beside the content of every right reply."""
    said = f"<Uitzonderingen>{scene.notice(code, severity, origin)}</Uitzonderingen></Antwoord>".encode()
    return rewritten(lambda body: body.replace(b"</Antwoord>", said))


def both_held(reason: str, outcome: str) -> Callable[[Trial], None]:
    """Return what asserts that both members are on hold and nothing of the content was used."""
    return ends(outcomes={outcome: 2}, tries=2, exit_code=0, holds={reason: 2})


ROWS: Final = (
    Row(
        33,
        "the receiver's reference is not ours",
        inject=mixed_up(receiver),
        expect=evidence_is_kept(MIXED_UP),
        also=(
            Case("both references", mixed_up(both), MIXED_UP),
            Case("nobody else is asked about", mixed_up(receiver, members=9, in_flight=1), stops_at_the_first),
        ),
    ),
    Row(34, "the answer's reference is not ours", inject=mixed_up(question), expect=evidence_is_kept(MIXED_UP)),
    Row(
        35,
        "another number than was asked about",
        inject=mixed_up(another_number),
        expect=evidence_is_kept(MIXED_UP),
        note="The catalogue freezes the member for 24 hours; on hold, it is due again when its turn comes.",
        also=(
            Case("another person", mixed_up(another_person), nobody_else_stands_anywhere(MIXED_UP)),
            Case("no number", mixed_up(no_number), MIXED_UP),
            Case("a new number that is not the one told", mixed_up(freed_by_30004), MIXED_UP),
            Case("at the desk", at_the_desk, nothing_is_shown),
        ),
    ),
    Row(
        36,
        "two answers exchanged",
        inject=mixed_up(Exchanged()),
        expect=MIXED_UP,
        note="A message holds one question (FACTS §1.1), so what can be permuted are two calls under way.",
    ),
    Row(
        37,
        "the answer twice",
        inject=rewritten(answered(lambda answer: answer * 2)),
        expect=UNREADABLE,
        note="The catalogue uses equal ones once; online there is exactly one (FACTS §1.1), so it is no valid reply.",
        also=(
            Case(
                "and different",
                rewritten(answered(lambda answer: answer + answer.replace(b"<Huisnummer>", b"<Huisnummer>9"))),
                UNREADABLE,
            ),
            Case("persons", rewritten(doubled(b"Persoon")), UNREADABLE),
            Case("main residences", rewritten(doubled(b"Hoofdverblijfplaats")), UNREADABLE),
        ),
    ),
    Row(
        38,
        "no answer",
        inject=rewritten(answered(lambda _: b"")),
        expect=TWICE,
        note="The catalogue says no_reply of one missing among many; online a reply without its answer is row 39's.",
    ),
    Row(
        39,
        "no answers at all",
        inject=rewritten(without("Antwoorden")),
        expect=TWICE,
        also=(
            Case("an answer without content", rewritten(without("Inhoud")), TWICE),
            Case("content without a person", rewritten(nobody), TWICE),
            Case("no Repliek", rewritten(without("Repliek")), UNREADABLE),
            Case("an empty body", rewritten(lambda _: scene.envelope("")), UNREADABLE),
        ),
    ),
    Row(
        40,
        "content beside an error",
        inject=with_notice("30001", "FOUT", "RR"),
        expect=both_held("unknown", "not_found"),
        note="The error wins, and its code says what it is (FACTS §9.1): the outcome is its own, not invalid_reply.",
        also=(
            Case("a refusal", with_notice("40101", "FOUT", "RR"), both_held("refused", "refused")),
            Case("cancelled", with_notice("30002", "FOUT", "RR"), both_held("cancelled", "cancelled")),
            Case("a remark typed as an error", with_notice("30042", "FOUT"), both_held("refused", "refused")),
            Case("an unknown code", with_notice("88888", "FOUT"), both_held("refused", "refused")),
            Case("a remark", with_notice("30042", "INFORMATIE"), USED),
        ),
    ),
)
