"""Numbers of what is in a database: on both kinds."""

from __future__ import annotations

from datetime import timedelta

import pytest

from rrsync.core.compare import Hold, Same
from rrsync.core.exchange import Reason
from rrsync.errors import BrokenChain
from rrsync.store.reports import Census, Subscribed
from rrsync.store.subscriptions import State, note
from tests.owner import unguard
from tests.store.scene import record
from tests.support import NOW, Store, held, insz, intent, member

TODAY = NOW.date()


@pytest.fixture
def census(store: Store) -> Census:
    """Return the census of the test's database."""
    return Census(store.database)


def test_holds_are_those_that_are_open(store: Store, census: Census) -> None:
    """Of these libraries."""
    store.take(member(1), member(2), member(3))
    store.take(member(1, library="genk"))
    assert census.holds(["hasselt", "genk"]) == 0
    for number in ("M0001", "M0002"):
        record(store, number, Hold(Reason.DECEASED))
    record(store, "M0001", Hold(Reason.DECEASED), library="genk")
    record(store, "M0002", Same(held()))
    assert [census.holds(each) for each in (["hasselt"], ["genk"], ["hasselt", "genk"], [])] == [1, 1, 2, 0]


def test_subscriptions_are_counted_by_state(store: Store, census: Census) -> None:
    """Who is missing is a member with a number, whom there is a ground to follow."""
    left = TODAY - timedelta(days=1)
    store.take(
        member(1),
        member(2),
        member(3),
        member(4, membership_end=left),
        member(5, membership_end=left, open_items=1),
        member(6, membership_end=TODAY),
        member(7, insz=None),
    )
    store.take(member(1, library="genk"))
    assert census.subscribed(["genk"], today=TODAY) == [Subscribed("genk", 0, 0, 0, 1)]
    with store.database.write() as session:
        for serial, state in enumerate((State.OPEN, State.ENDING, State.ENDED, State.REFUSED), start=1):
            note(session, store.rows, "hasselt", insz(serial), state, at=NOW)
        note(session, store.rows, "hasselt", insz(9), State.OPEN, at=NOW)
    assert census.subscribed(["hasselt", "genk"], today=TODAY) == [
        Subscribed("hasselt", 2, 1, 1, 4),
        Subscribed("genk", 0, 0, 0, 1),
    ]


def test_questions_are_counted_since_a_moment(store: Store, census: Census) -> None:
    """Each once, whatever stands between them in the log."""
    assert census.questions(["hasselt"], since=NOW) == 0
    store.take(*(member(serial) for serial in range(1, 10)))
    for serial in range(1, 10):
        record(store, f"M000{serial}", Same(held()))
        store.clock.pass_by(minutes=10)
    store.ledger.append([intent("lone", subject=insz(1))])
    store.ledger.append([intent("other", subject=insz(1), library="genk")])
    wanted = [(0, 10), (5, 9), (10, 9), (30, 7), (80, 2), (81, 1), (90, 1), (91, 0)]
    for minutes, count in wanted:
        assert census.questions(["hasselt"], since=NOW + timedelta(minutes=minutes)) == count, minutes
    assert census.questions(["hasselt", "genk"], since=NOW) == 11


def test_a_log_with_a_gap_is_broken(store: Store, census: Census) -> None:
    """Whoever took the entry away: it is not the database that fails."""
    store.ledger.append([intent(f"ref-{at}") for at in range(8)])
    unguard(store)
    store.execute("DELETE FROM entry WHERE seq = 4")
    with pytest.raises(BrokenChain, match="Entry 4 of the access log of hasselt is not there"):
        census.questions(["hasselt"], since=NOW)
