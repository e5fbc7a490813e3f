"""Rows 29 to 32: a reply is believed for its signature, or not at all."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import timedelta
from typing import Any, Final, Literal

from tests.faults.catalogue import Call, Case, Row, Trial, ends
from tests.faults.matching import AT_ONCE
from tests.registry import authority, forge, scene, wrapping
from tests.registry.authority import DAY, issue, magda, middle
from tests.registry.forge import Shape
from tests.registry.scene import NOW, http
from tests.registry.wrapping import Family

SECOND: Final = timedelta(seconds=1)
MOST: Final = 8
#: Trust study §5, row 31: the twelve ways to move what was signed aside.
WRAPPED: Final[tuple[Family, ...]] = (
    wrapping.body_in_header,
    wrapping.body_in_security,
    wrapping.body_in_object,
    wrapping.two_bodies,
    wrapping.duplicate_id,
    wrapping.id_case,
    wrapping.namespaces,
    wrapping.in_text,
    wrapping.transforms,
    wrapping.references,
    wrapping.external,
    wrapping.other_parts,
)

USED: Final = ends(outcomes={"ok": 2}, tries=2, exit_code=0, changed=2)
#: Each member goes on hold.
BAD: Final = ends(outcomes={"sig_bad": 2}, tries=2, exit_code=0, holds={"unreadable": 2})
#: Whoever signs like this signs everything like this: the library is stopped at once.
DISTRUSTED: Final = ends(
    outcomes={"sig_bad": 2}, tries=2, exit_code=4, stopped="signature", left=2, warned={"alarm", "night.barred"}
)


def right(call: Call, **changes: Any) -> bytes:
    """Return the right reply, signed as ``Shape`` says."""
    found = re.search(r"<s:Body>(.*)</s:Body>", call.right.body.decode(), re.DOTALL)
    assert found
    return forge.reply(Shape(content=found[1]), **changes)


def verifying(
    answer: Callable[[Call], bytes],
    policy: Literal["never", "if_present", "required"] = "required",
    *,
    members: int = 2,
    in_flight: int = 4,
) -> Callable[[Trial], None]:
    """Return what lets the settings look at signatures, and trust the one certificate that signs replies."""

    def inject(trial: Trial) -> None:
        built = trial.build(members=members, in_flight=in_flight, settings=AT_ONCE)
        built.clock.now = NOW
        trust = built.folder / "trust.pem"
        trust.write_bytes(middle().pem + magda().pem)
        trial.serve(lambda call: http(answer(call)), REGISTRY__VERIFY=policy, REGISTRY__TRUST=str(trust))

    return inject


def unsigned(call: Call) -> bytes:
    """Return the right reply as it is."""
    return call.right.body


def stripped(call: Call) -> bytes:
    """Return a reply of which the signature is gone, and the rest of the header not."""
    return re.sub(rb"<ds:Signature .*</ds:Signature>", b"", right(call), flags=re.DOTALL)


def signed(**changes: Any) -> Callable[[Trial], None]:
    """Return the fault of a reply that is signed, in a way that ``changes`` says."""
    return verifying(lambda call: right(call, **changes))


def by(name: str, paper: Callable[[], authority.Paper], **changes: Any) -> Case:
    """Return the case of a reply that somebody else signed."""
    return Case(name, verifying(lambda call: right(call, paper=paper(), **changes)), DISTRUSTED)


def forged(family: Family) -> Callable[[Trial], None]:
    """Return what answers each call with another forgery of a family, made about whom was asked about."""

    def inject(trial: Trial) -> None:
        forgeries = [each.reply for each in family(Shape()) if not each.is_harmless][:MOST]
        assert forgeries

        def answer(call: Call) -> bytes:
            said = forgeries[call.number % len(forgeries)]
            return said.replace(scene.OTHER.encode(), call.digits.encode()).replace(b"ref-0", call.reference.encode())

        verifying(answer, members=min(MOST, len(forgeries)), in_flight=MOST)(trial)

    return inject


def none_is_believed(trial: Trial) -> None:
    """Expect that no forgery was read, whatever else it was."""
    assert set(trial.outcomes) & {"sig_bad", "invalid_reply"}
    assert set(trial.outcomes) <= {"sig_bad", "invalid_reply", "not_sent"}
    assert set(trial.holds) <= {"unreadable"}
    assert not trial.changed
    trial.heal()


def stops_at_the_third(trial: Trial) -> None:
    """Expect that of nine members, asked one at a time, hardly more than three are asked about."""
    assert (trial.exit_code, trial.stopped, trial.changed) == (4, "signature", 0)
    assert trial.warned == {"alarm"}
    assert 3 <= trial.tries <= 5
    assert trial.holds == {"unreadable": trial.outcomes["sig_bad"]}
    trial.heal()


def wrapped(family: Family) -> Case:
    """Return the case of a family."""
    return Case(family.__name__.replace("_", " "), forged(family), none_is_believed)


class Replayed:
    """A register that says again what it said the first time about somebody, rightly signed as it was."""

    def __init__(self) -> None:
        self._said: dict[str, bytes] = {}

    def __call__(self, call: Call) -> bytes:
        """Answer rightly, or as before."""
        return self._said.setdefault(call.digits, right(call, timestamp=True))


def twice(trial: Trial) -> None:
    """Let a night be answered rightly, and the next one by what the first was answered."""
    verifying(Replayed())(trial)
    trial.night()
    assert trial.changed == 2
    trial.night(full=True)


def stamped(name: str, **changes: Any) -> Case:
    """Return the case of a reply signed with a timestamp."""
    return Case(name, signed(timestamp=True, **changes), BAD)


ROWS: Final = (
    Row(
        29,
        "unsigned where a signature is required",
        inject=verifying(unsigned),
        expect=BAD,
        note="Replies are apparently not signed (FACTS §6), so this is a setting; the third bad one stops a night.",
        also=(
            Case("rightly signed", signed(), USED),
            Case("never looked at", verifying(unsigned, "never"), USED),
            Case("if present and absent", verifying(unsigned, "if_present"), USED),
            Case("if present and right", verifying(right, "if_present"), USED),
            Case("if present and stripped", verifying(stripped, "if_present"), BAD),
            Case("stripped", verifying(stripped), BAD),
            Case("three times", verifying(unsigned, members=9, in_flight=1), stops_at_the_third),
        ),
    ),
    Row(
        30,
        "signed by somebody else",
        inject=by("", lambda: issue("stranger")).inject,
        expect=DISTRUSTED,
        also=(
            by("by another authority", lambda: issue("stranger", issue("elsewhere", is_ca=True))),
            by("expired", lambda: issue("old", middle(), begins=-2 * DAY, ends=-DAY)),
            by("not yet valid", lambda: issue("young", middle(), begins=DAY)),
            by("RSA 1024", lambda: issue("weak", middle(), kind="weak")),
            by("SHA-1", magda, method="rsa-sha1", digest="sha1"),
            by("SHA-1 digest", magda, digest="sha1"),
            by("HMAC", magda, method="hmac-sha256", secret=b"anybody"),
        ),
    ),
    Row(
        31,
        "signature wrapping",
        inject=forged(WRAPPED[0]),
        expect=none_is_believed,
        note="All forgeries of all families: tests/registry/test_wrapping.py. Here some of each, before a whole night.",
        also=tuple(wrapped(family) for family in WRAPPED[1:]),
    ),
    Row(
        32,
        "timestamp expired",
        inject=signed(timestamp=True, created=NOW - 300 * SECOND),
        expect=BAD,
        note="MAGDA's messages have no timestamp (FACTS §6): only one that is there must be of now.",
        also=(
            Case("of now", signed(timestamp=True), USED),
            Case("absent", signed(), USED),
            stamped("of the future", created=NOW + 301 * SECOND),
            stamped("old without an end", created=NOW - 301 * SECOND, lasts=None),
            Case("at the edge", signed(timestamp=True, created=NOW - 299 * SECOND), USED),
            Case(
                "replayed",
                twice,
                ends(
                    outcomes={"ok": 2, "mismatch": 2},
                    tries=4,
                    exit_code=4,
                    stopped="mix_up",
                    holds={"mismatch": 2},
                    changed=2,
                    warned={"alarm"},
                ),
            ),
        ),
    ),
)
