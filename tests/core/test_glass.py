"""How far a wish to ask about somebody outside the file is."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from rrsync.core.break_glass import WAIT, BreakGlassRequest, BreakGlassStage
from tests.support import NOW, insz

WISH = BreakGlassRequest(1, "hasselt", "an.peeters", NOW, insz(7), "desk", "form-1", "ref-1")
READY = replace(WISH, decided_by="jan.baert", decided_at=NOW + timedelta(minutes=9), is_approved=True)
MOMENT = timedelta(microseconds=1)


@pytest.mark.parametrize(
    ("wish", "after", "stage"),
    [
        (WISH, timedelta(0), BreakGlassStage.WAITING),
        (WISH, WAIT - MOMENT, BreakGlassStage.WAITING),
        (WISH, WAIT, BreakGlassStage.LAPSED),
        (READY, WAIT, BreakGlassStage.READY),
        (READY, timedelta(minutes=19) - MOMENT, BreakGlassStage.READY),
        (READY, timedelta(minutes=19), BreakGlassStage.LAPSED),
        (replace(READY, is_asked=True), timedelta(days=9), BreakGlassStage.ASKED),
        (replace(READY, is_approved=False), timedelta(minutes=9), BreakGlassStage.REFUSED),
        (replace(READY, is_approved=False), timedelta(days=9), BreakGlassStage.REFUSED),
    ],
)
def test_each_step_waits_ten_minutes_for_the_next(
    wish: BreakGlassRequest, after: timedelta, stage: BreakGlassStage
) -> None:
    """What was not decided or not asked in time is nothing any more."""
    assert wish.stage(NOW + after) is stage


def test_a_wish_is_its_maker_s_however_the_name_is_written() -> None:
    """Case and blanks make no second person."""
    assert WISH.is_of(" AN.Peeters")
    assert not WISH.is_of("an.peeter")


def test_a_wish_prints_masked() -> None:
    """It holds a number."""
    assert WISH.insz is not None
    assert WISH.insz.digits not in repr(WISH)
