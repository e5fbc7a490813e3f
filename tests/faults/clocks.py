"""Row 60: our clock, the register's, and what the access log has said already."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Final

from tests.faults.catalogue import Call, Case, Row, Trial, ends
from tests.registry.scene import http


def apart(**how_far: float) -> Callable[[Trial], None]:
    """Return a register whose clock is so far from ours."""

    def inject(trial: Trial) -> None:
        clock = trial.build(members=1).clock

        def answer(call: Call) -> bytes:
            date = format_datetime(clock() + timedelta(**how_far), usegmt=True)
            return http(call.right.body, headers=[f"Date: {date}"])

        trial.serve(answer)

    return inject


STOPS: Final = ends(
    outcomes={"invalid_reply": 1},
    tries=1,
    exit_code=4,
    stopped="refused",
    left=1,
    warned={"night.barred"},
    says="Set this machine's clock right",
)


def said_and_done(trial: Trial) -> None:
    """It is said how far, once; and the answer is used."""
    said = [line["seconds"] for line in trial.events if line["event"] == "registry.skew"]
    assert said == [90]
    ends(outcomes={"ok": 1}, tries=1, exit_code=0, changed=1)(trial)


def back_in_time(trial: Trial) -> None:
    """Let the log's last entry be of tomorrow, and check the installation with the machine's own clock."""
    trial.build(members=1).clock.now = datetime.now(UTC) + timedelta(days=1)
    trial.night()
    trial.command("check")


def check_says_so(trial: Trial) -> None:
    """The check fails, and says which clock."""
    assert trial.exit_code == 2
    assert "clock: it is behind the last entry of the access log" in trial.said
    assert (trial.tries, dict(trial.outcomes)) == (1, {"ok": 1})


ROWS: Final = (
    Row(
        60,
        "clocks that are ten minutes apart",
        apart(minutes=10),
        STOPS,
        also=[
            Case("the other way", apart(minutes=-10), STOPS),
            Case("a minute and a half", apart(seconds=90), said_and_done),
            Case("ours behind the log", back_in_time, check_says_so),
        ],
        note="whether NTP runs is the machine's own service to say; the register's Date is what we can see (RFC 9110)",
    ),
)
