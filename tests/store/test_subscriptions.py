"""Which numbers are subscribed stands with the entry that says so, sealed, and is found by number."""

from __future__ import annotations

import pytest

from rrsync.core.compare import Hold, Same
from rrsync.core.exchange import Reason
from rrsync.errors import LedgerError, StoreError
from rrsync.store.settlement import Item
from rrsync.store.subscriptions import State, Subscription, Subscriptions, note
from tests.store.scene import AN, always, ask, record
from tests.support import NOW, Store, held, insz, intent, member, outcome


@pytest.fixture
def subscriptions(store: Store) -> Subscriptions:
    """Return the subscriptions of the test's database."""
    return Subscriptions(store.database, store.ledger, store.rows, clock=store.clock)


def subscribed(store: Store, serial: int, *, number: str = "", library: str = "hasselt") -> Item:
    """Settle an answer about a member to whose number the register made a subscription on the way."""
    item = ask(store, number or f"M{serial:04d}", subject=insz(serial), library=library)
    item = Item(item.library, item.number, item.answer, item.outcome, subscribed=True)
    store.settlement.settle([item], always(Same(held())))
    return item


def deed(store: Store, subscriptions: Subscriptions, what: str, reference: str, serial: int) -> None:
    """Record a deed about a number's subscription, and note how it ended."""
    store.ledger.append([intent(reference, subject=insz(serial))])
    getattr(subscriptions, what)(outcome(reference, subject=insz(serial)))


class TestMade:
    """A subscription that the register made is noted with the outcome that says so."""

    def test_one_made_on_the_way_is_noted_with_the_answer(self, store: Store, subscriptions: Subscriptions) -> None:
        """Of the library that asked, found by the number, and by nobody else's."""
        store.take(member(1), member(2))
        store.take(member(1, library="genk"))
        subscribed(store, 1)
        record(store, "M0002", Same(held()))
        assert subscriptions.find("hasselt", insz(1)) == Subscription("hasselt", insz(1), State.OPEN, NOW, NOW)
        assert subscriptions.find("hasselt", insz(2)) is None
        assert subscriptions.find("genk", insz(1)) is None
        assert store.ledger.pending() == []

    def test_made_again_it_is_confirmed(self, store: Store, subscriptions: Subscriptions) -> None:
        """It stays one, since it was first made."""
        store.take(member(1))
        subscribed(store, 1)
        later = store.clock.pass_by(days=40)
        subscribed(store, 1)
        assert list(subscriptions.of("hasselt", State.OPEN)) == [
            Subscription("hasselt", insz(1), State.OPEN, NOW, later)
        ]

    def test_one_that_was_ended_begins_anew(self, store: Store, subscriptions: Subscriptions) -> None:
        """It is open since then, and no longer among those that ended."""
        deed(store, subscriptions, "subscribed", "r1", 1)
        deed(store, subscriptions, "ended", "r2", 1)
        assert [one.insz for one in subscriptions.of("hasselt", State.ENDED)] == [insz(1)]
        later = store.clock.pass_by(days=1)
        deed(store, subscriptions, "subscribed", "r3", 1)
        assert subscriptions.find("hasselt", insz(1)) == Subscription("hasselt", insz(1), State.OPEN, later, later)
        assert list(subscriptions.of("hasselt", State.ENDED)) == []

    def test_one_to_a_number_that_is_the_members_no_more_is_to_be_ended(
        self, store: Store, subscriptions: Subscriptions
    ) -> None:
        """The member was given another number while the register was asked under the old one."""
        store.take(member(1))
        item = ask(store, "M0001", subject=insz(1))
        item = Item(item.library, item.number, item.answer, item.outcome, subscribed=True)
        store.take(member(1, insz=insz(9)), import_id="import-2")
        assert store.settlement.settle([item], always(Same(held()))) == [None]
        assert [one.insz for one in subscriptions.ending("hasselt", most=9)] == [insz(1)]

    def test_without_its_outcome_nothing_is_noted(self, store: Store, subscriptions: Subscriptions) -> None:
        """The second outcome of a reference is refused, and with it what it would have noted."""
        deed(store, subscriptions, "subscribed", "r1", 1)
        with pytest.raises(LedgerError):
            subscriptions.ended(outcome("r1", subject=insz(1)))
        found = subscriptions.find("hasselt", insz(1))
        assert found is not None
        assert found.state is State.OPEN

    def test_nothing_stands_in_clear(self, store: Store, subscriptions: Subscriptions) -> None:
        """The number is sealed in its own row: copied to another it does not open, and it prints masked."""
        deed(store, subscriptions, "subscribed", "r1", 1)
        deed(store, subscriptions, "subscribed", "r2", 2)
        cells = store.scalars("SELECT insz FROM subscription") + store.scalars("SELECT insz_key FROM subscription")
        assert all(insz(1).digits.encode() not in bytes(cell) for cell in cells)  # type: ignore[call-overload]
        assert insz(1).digits not in repr(list(subscriptions.of("hasselt", State.OPEN)))
        store.execute("UPDATE subscription SET insz = (SELECT min(insz) FROM subscription)")
        with pytest.raises(StoreError):
            list(subscriptions.of("hasselt", State.OPEN))

    def test_many_are_a_stream(self, store: Store, subscriptions: Subscriptions) -> None:
        """All come, in the order they were made, also past the first page."""
        with store.database.write() as session:
            numbers = [insz(serial, born=born) for born in ("600102", "600103") for serial in range(1, 602)]
            for number in numbers:
                note(session, store.rows, "hasselt", number, State.OPEN, at=NOW)
        assert [one.insz for one in subscriptions.of("hasselt", State.OPEN)] == numbers


class TestEnding:
    """What the library has no ground for any more is ended, once the register can be asked."""

    def test_accepting_a_new_number_leaves_the_old_to_be_ended(
        self, store: Store, subscriptions: Subscriptions
    ) -> None:
        """In the same transaction, whether rrsync made the subscription or somebody before it."""
        store.take(member(1), member(2))
        subscribed(store, 1)
        for number, new in (("M0001", 9), ("M0002", 8)):
            record(store, number, Hold(Reason.NEW_NUMBER, new_insz=insz(new)))
        later = store.clock.pass_by(days=1)
        for hold in list(store.holds.open()):
            store.settlement.accept(hold, AN)
        assert subscriptions.ending("hasselt", most=9) == [
            Subscription("hasselt", insz(1), State.ENDING, NOW, later),
            Subscription("hasselt", insz(2), State.ENDING, later, later),
        ]

    def test_what_the_register_ended_is_no_longer_to_be_ended(self, store: Store, subscriptions: Subscriptions) -> None:
        """And stands in the log."""
        self._ending(store, 1, 2)
        deed(store, subscriptions, "ended", "r1", 1)
        assert [one.insz for one in subscriptions.ending("hasselt", most=9)] == [insz(2)]
        assert len(store.ledger.of_subject("hasselt", insz(1))) == 2

    def test_what_was_refused_comes_last_the_next_time(self, store: Store, subscriptions: Subscriptions) -> None:
        """One that the register never ends does not keep the others waiting."""
        self._ending(store, 1, 2)
        store.clock.pass_by(days=1)
        assert [one.insz for one in subscriptions.ending("hasselt", most=1)] == [insz(1)]
        deed(store, subscriptions, "refused", "r1", 1)
        assert [one.insz for one in subscriptions.ending("hasselt", most=1)] == [insz(2)]
        assert len(subscriptions.ending("hasselt", most=9)) == 2

    def test_a_number_that_is_a_members_is_not_ended(self, store: Store, subscriptions: Subscriptions) -> None:
        """There is a live file on that person, in this library; one in another does not count."""
        self._ending(store, 1, 2)
        store.take(member(1))
        store.take(member(2, library="genk"))
        assert [one.insz for one in subscriptions.ending("hasselt", most=9)] == [insz(2)]
        assert subscriptions.ending("genk", most=9) == []

    @staticmethod
    def _ending(store: Store, *serials: int) -> None:
        for serial in serials:
            with store.database.write() as session:
                note(session, store.rows, "hasselt", insz(serial), State.ENDING, at=store.clock())
