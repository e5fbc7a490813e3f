"""Rows 15, 16 and 18 to 23: what HTTP and SOAP say instead of an answer."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Final

from tests.faults.catalogue import Call, Case, Row, Trial, alone, ends
from tests.registry import scene
from tests.registry.scene import door, http

HTML: Final = b"<!DOCTYPE html><html><head><title>Login</title></head><body>Who are you, %s?</body></html>"
REDIRECTS: Final = (301, 302, 303, 307, 308)

#: Tried four times and four times more, for a reason of this moment; nobody is on hold.
LATER: Final = ends(outcomes={"transient": 8}, tries=8, exit_code=3, left=1)
#: Wanted to be left alone for longer than a question may wait: nobody asks, and then one does.
MUCH_LATER: Final = ends(outcomes={"transient": 2, "not_sent": 2}, tries=2, exit_code=3, left=1)
NO_MESSAGE: Final = ends(outcomes={"invalid_reply": 8}, tries=8, exit_code=3, left=1)
#: The library is stopped at once; both members were asked about together.
REFUSED: Final = ends(
    outcomes={"refused": 2}, tries=2, exit_code=4, stopped="refused", left=2, warned={"night.barred"}, says="demo: "
)
#: The same, as who types the command reads it.
REFUSED_AT_THE_DOOR: Final = ends(
    outcomes={"refused": 2}, tries=2, exit_code=4, warned={"night.barred"}, says="Stopped: demo: The register refuses"
)
ELSEWHERE: Final = ends(
    outcomes={"invalid_reply": 2},
    tries=2,
    exit_code=4,
    stopped="refused",
    left=2,
    warned={"night.barred"},
    says="sends us elsewhere",
)


def says(status: int, body: bytes = b"", *headers: str) -> Callable[[Trial], object]:
    """Return what lets the register answer everything with one status."""
    return lambda trial: trial.serve(lambda _: http(body, status, headers))


def page(call: Call, status: int = 200) -> bytes:
    """Return a web page that repeats whom was asked about."""
    return http(HTML % call.digits.encode(), status, ["Content-Type: text/html"])


def pages(status: int) -> Callable[[Trial], object]:
    """Return what lets the register answer everything with that page."""
    return lambda trial: trial.serve(lambda call: page(call, status))


def redirected(status: int) -> Case:
    """Return the case of a redirect to a door that takes anything."""

    def inject(trial: Trial) -> None:
        target = trial.stack.enter_context(door(lambda *_: http(b"<a/>")))
        trial.serve(lambda _: http(b"", status, [f"Location: {target.url}"]))
        trial.night()
        assert not target.connections, "the question went where the redirect sent it"

    return Case(f"{status}", inject, ELSEWHERE)


def stops_after_the_first(status: int) -> Case:
    """Return the case of many members and one call at a time: who is asked about next never is."""

    def inject(trial: Trial) -> None:
        trial.build(members=9, in_flight=1)
        trial.serve(lambda _: http(b"", status))

    def expect(trial: Trial) -> None:
        assert (trial.exit_code, trial.stopped, trial.left, trial.changed) == (4, "refused", 9, 0)
        assert set(trial.outcomes) <= {"refused", "not_sent"}
        assert trial.tries <= 2, "more than what was recorded together was sent"
        trial.heal()

    return Case(f"{status} and nobody else is asked about", inject, expect)


def slowed(expect: Callable[[Trial], None]) -> Callable[[Trial], None]:
    """Return what also asserts that the rate of all processes was lowered."""

    def check(trial: Trial) -> None:
        ((state,),) = trial.house.raw.rows("SELECT state FROM traffic")
        assert json.loads(state)["share"] < 1
        expect(trial)

    return check


def away(status: int) -> Case:
    """Return the case of a status that says: not now."""
    return Case(f"{status}", alone(says(status)), LATER)


def retry_after(said: str, status: int = 503, expect: Callable[[Trial], None] = LATER) -> Case:
    """Return the case of a register that says when to come back, as odd as that may be."""
    headers = f"Retry-After: {said}", "Date: Wed, 01 Jul 2026 02:00:00 GMT"
    return Case(f"{status} retry after {said!a}", alone(says(status, b"", *headers)), slowed(expect))


def faulty(code: str, text: str, status: int) -> Callable[[Trial], object]:
    """Return what lets the register answer everything with a SOAP Fault that repeats whom was asked about."""
    return lambda trial: trial.serve(lambda call: http(scene.fault(f"{text} {call.digits}", code), status))


def desk(inject: Callable[[Trial], object]) -> Callable[[Trial], None]:
    """Return the same fault, before one member at the desk."""

    def injected(trial: Trial) -> None:
        inject(trial)
        trial.refresh()

    return injected


def commanded(inject: Callable[[Trial], object]) -> Callable[[Trial], None]:
    """Return the same fault, before ``rrsync night``."""

    def injected(trial: Trial) -> None:
        inject(trial)
        trial.command("night")

    return injected


def told_at_the_desk(trial: Trial) -> None:
    """Expect few tries, a sentence, and that the member is untouched."""
    assert trial.exit_code == 3
    assert 2 <= trial.tries <= 4
    assert trial.outcomes == {"transient": trial.tries}
    assert not trial.changed
    assert "No member was changed" in trial.said
    trial.heal()


CLIENT: Final = ends(outcomes={"refused": 2}, tries=2, exit_code=0, holds={"refused": 2})

ROWS: Final = (
    Row(
        15,
        "redirect",
        inject=redirected(307).inject,
        expect=ELSEWHERE,
        also=tuple(redirected(status) for status in REDIRECTS if status != 307),
    ),
    Row(
        16,
        "web page with status 200",
        inject=alone(lambda trial: trial.serve(page)),
        expect=NO_MESSAGE,
        note="The catalogue tries once more; FACTS §9.3 counts it as an error of the way, so it is tried as those are.",
    ),
    Row(
        18,
        "empty 200",
        inject=alone(says(200)),
        expect=NO_MESSAGE,
        note="The catalogue tries once more, then puts the member on hold; FACTS §9.3: what is no XML is the way's.",
        also=(Case("202", alone(says(202)), NO_MESSAGE), Case("204", alone(says(204)), NO_MESSAGE)),
    ),
    Row(
        19,
        "401",
        inject=says(401),
        expect=REFUSED,
        also=(
            Case("403", says(403), REFUSED),
            stops_after_the_first(403),
            Case("through the door", commanded(says(403)), REFUSED_AT_THE_DOOR),
        ),
    ),
    Row(
        20,
        "404",
        inject=says(404),
        expect=REFUSED,
        also=tuple(Case(f"{status}", says(status), REFUSED) for status in (405, 410, 415)),
    ),
    Row(
        21,
        "429",
        inject=alone(says(429)),
        expect=slowed(LATER),
        also=(
            *(retry_after(said) for said in ("1", "0", "-5", "soon", "", "1e9", "\u0661")),
            retry_after("999999999999", expect=MUCH_LATER),
            retry_after("Wed, 01 Jul 2026 02:00:05 GMT"),
            retry_after("Mon, 01 Jan 1900 00:00:00 GMT"),
            retry_after("Fri, 31 Dec 9999 23:59:59 GMT", expect=MUCH_LATER),
            retry_after("2", status=429),
            Case("at the desk", desk(retry_after("2").inject), slowed(told_at_the_desk)),
        ),
    ),
    Row(
        22,
        "SOAP Fault Server",
        inject=alone(faulty("s:Server", "Interne fout", 500)),
        expect=LATER,
        note="A Fault counts whatever the status (FACTS §1.4). Of Client the catalogue stops after three in a row; "
        "FACTS names no such stop: a member each goes on hold, and ten in a row stop the night as a breaker.",
        also=(
            Case("Server with 200", alone(faulty("s:Server", "Interne fout", 200)), LATER),
            Case("99995", alone(faulty("Server", "99995 - Te veel gelijktijdige bevragingen", 200)), slowed(LATER)),
            Case("Client", faulty("s:Client", "Foute vraag", 500), CLIENT),
            Case("Client with 200", faulty("s:Client", "Foute vraag", 200), CLIENT),
            Case("ERR_025", faulty("Server", "ERR_025: Verification failure: No signature in message!", 500), REFUSED),
            Case("10001", faulty("soapenv:Server", "10001 cvc-complex-type.2.4.a", 500), REFUSED),
        ),
    ),
    Row(
        23,
        "500 with a web page",
        inject=alone(pages(500)),
        expect=LATER,
        also=(
            Case("502 with a web page", alone(pages(502)), LATER),
            Case("504 with a web page", alone(pages(504)), LATER),
            away(502),
            Case("at the desk", desk(pages(502)), told_at_the_desk),
        ),
    ),
)
