"""Subscriptions: their states, committed with the outcomes that report them."""

from __future__ import annotations

from dataclasses import replace

import pytest

from rrsync.core.compare import Hold, Same
from rrsync.core.exchange import Reason
from rrsync.errors import LedgerError, StoreError
from rrsync.store.settlement import SettlementItem
from rrsync.store.subscriptions import Subscription, Subscriptions, SubscriptionState, note_subscription
from tests.store.scene import AN, always, ask, record
from tests.support import NOW, Store, held, insz, intent, member, outcome


@pytest.fixture
def subscriptions(store: Store) -> Subscriptions:
    return Subscriptions(store.database, store.ledger, store.rows, clock=store.clock)


def subscribed(store: Store, serial: int) -> SettlementItem:
    """Settle an answer with a subscription that the register made on the way."""
    item = replace(ask(store, f"M{serial:04d}", subject=insz(serial)), subscribed=True)
    store.settlement.settle([item], always(Same(held())))
    return item


def note_end(store: Store, subscriptions: Subscriptions, what: str, reference: str, serial: int) -> None:
    """Log a request about the subscription to a number, and note its result."""
    store.ledger.append([intent(reference, subject=insz(serial))])
    getattr(subscriptions, what)(outcome(reference, subject=insz(serial)))


def test_a_subscription_made_on_the_way_is_noted_with_the_answer(store: Store, subscriptions: Subscriptions) -> None:
    store.take(member(1), member(2))
    store.take(member(1, library="genk"))
    subscribed(store, 1)
    record(store, "M0002", Same(held()))
    assert subscriptions.find("hasselt", insz(1)) == Subscription("hasselt", insz(1), SubscriptionState.OPEN, NOW, NOW)
    assert subscriptions.find("hasselt", insz(2)) is None
    assert subscriptions.find("genk", insz(1)) is None
    assert store.ledger.pending() == []


def test_a_repeated_subscription_is_confirmed(store: Store, subscriptions: Subscriptions) -> None:
    store.take(member(1))
    subscribed(store, 1)
    later = store.clock.pass_by(days=40)
    subscribed(store, 1)
    assert list(subscriptions.of("hasselt", SubscriptionState.OPEN)) == [
        Subscription("hasselt", insz(1), SubscriptionState.OPEN, NOW, later)
    ]


def test_an_ended_subscription_can_begin_again(store: Store, subscriptions: Subscriptions) -> None:
    note_end(store, subscriptions, "subscribed", "r1", 1)
    note_end(store, subscriptions, "ended", "r2", 1)
    assert [one.insz for one in subscriptions.of("hasselt", SubscriptionState.ENDED)] == [insz(1)]
    later = store.clock.pass_by(days=1)
    note_end(store, subscriptions, "subscribed", "r3", 1)
    assert subscriptions.find("hasselt", insz(1)) == Subscription(
        "hasselt", insz(1), SubscriptionState.OPEN, later, later
    )
    assert list(subscriptions.of("hasselt", SubscriptionState.ENDED)) == []


def test_a_subscription_to_a_replaced_number_is_to_be_ended(store: Store, subscriptions: Subscriptions) -> None:
    store.take(member(1))
    item = replace(ask(store, "M0001", subject=insz(1)), subscribed=True)
    store.take(member(1, insz=insz(9)), import_id="import-2")
    assert store.settlement.settle([item], always(Same(held()))) == [None]
    assert [one.insz for one in subscriptions.ending("hasselt", most=9)] == [insz(1)]


def test_a_refused_outcome_notes_nothing(store: Store, subscriptions: Subscriptions) -> None:
    note_end(store, subscriptions, "subscribed", "r1", 1)
    with pytest.raises(LedgerError):
        subscriptions.ended(outcome("r1", subject=insz(1)))
    found = subscriptions.find("hasselt", insz(1))
    assert found is not None
    assert found.state is SubscriptionState.OPEN


def test_numbers_are_encrypted_and_bound_to_their_row(store: Store, subscriptions: Subscriptions) -> None:
    note_end(store, subscriptions, "subscribed", "r1", 1)
    note_end(store, subscriptions, "subscribed", "r2", 2)
    cells = store.scalars("SELECT insz FROM subscription") + store.scalars("SELECT insz_key FROM subscription")
    assert all(insz(1).digits.encode() not in bytes(cell) for cell in cells)  # type: ignore[call-overload]
    assert insz(1).digits not in repr(list(subscriptions.of("hasselt", SubscriptionState.OPEN)))
    store.execute("UPDATE subscription SET insz = (SELECT min(insz) FROM subscription)")
    with pytest.raises(StoreError):
        list(subscriptions.of("hasselt", SubscriptionState.OPEN))


def test_subscriptions_are_streamed_in_their_order(store: Store, subscriptions: Subscriptions) -> None:
    with store.database.write() as session:
        numbers = [insz(serial, born=born) for born in ("600102", "600103") for serial in range(1, 602)]
        for number in numbers:
            note_subscription(session, store.rows, "hasselt", number, SubscriptionState.OPEN, at=NOW)
    assert [one.insz for one in subscriptions.of("hasselt", SubscriptionState.OPEN)] == numbers


def test_accepting_a_new_number_marks_the_old_one_as_ending(store: Store, subscriptions: Subscriptions) -> None:
    store.take(member(1), member(2))
    subscribed(store, 1)
    for number, new in (("M0001", 9), ("M0002", 8)):
        record(store, number, Hold(Reason.NEW_NUMBER, new_insz=insz(new)))
    later = store.clock.pass_by(days=1)
    for hold in list(store.holds.open()):
        store.settlement.accept(hold, AN)
    assert subscriptions.ending("hasselt", most=9) == [
        Subscription("hasselt", insz(1), SubscriptionState.ENDING, NOW, later),
        Subscription("hasselt", insz(2), SubscriptionState.ENDING, later, later),
    ]


def test_an_ended_subscription_is_no_longer_ending(store: Store, subscriptions: Subscriptions) -> None:
    _ending(store, 1, 2)
    note_end(store, subscriptions, "ended", "r1", 1)
    assert [one.insz for one in subscriptions.ending("hasselt", most=9)] == [insz(2)]
    assert len(store.ledger.of_subject("hasselt", insz(1))) == 2


def test_a_refused_ending_comes_last_the_next_time(store: Store, subscriptions: Subscriptions) -> None:
    _ending(store, 1, 2)
    store.clock.pass_by(days=1)
    assert [one.insz for one in subscriptions.ending("hasselt", most=1)] == [insz(1)]
    note_end(store, subscriptions, "refused", "r1", 1)
    assert [one.insz for one in subscriptions.ending("hasselt", most=1)] == [insz(2)]
    assert len(subscriptions.ending("hasselt", most=9)) == 2


def test_the_number_of_a_current_member_is_not_ended(store: Store, subscriptions: Subscriptions) -> None:
    _ending(store, 1, 2)
    store.take(member(1))
    store.take(member(2, library="genk"))
    assert [one.insz for one in subscriptions.ending("hasselt", most=9)] == [insz(2)]
    assert subscriptions.ending("genk", most=9) == []


def _ending(store: Store, *serials: int) -> None:
    for serial in serials:
        with store.database.write() as session:
            note_subscription(session, store.rows, "hasselt", insz(serial), SubscriptionState.ENDING, at=store.clock())
