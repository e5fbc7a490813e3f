"""Runs looked back on, and their counts while they go on: on both databases, held against plain counting."""

from __future__ import annotations

from collections import Counter
from datetime import timedelta
from random import Random
from threading import Event, Thread

import pytest

from rrsync.core.compare import Change, Hold, Same
from rrsync.core.exchange import Reason
from rrsync.core.log_entry import Draft, Kind
from rrsync.core.planning import Plan
from rrsync.errors import BrokenChain
from rrsync.store.reports import Journal
from rrsync.store.runs import Tallies
from rrsync.store.tables import RunRow, StepRow, enter, plain
from tests.owner import unguard
from tests.store.scene import record
from tests.support import NOW, Store, held, member

BOTH = ["genk", "hasselt"]
FULL = Plan(NOW.date(), None, frozenset())


@pytest.fixture
def journal(store: Store) -> Journal:
    """Return the journal of two libraries."""
    return Journal(store.database, store.clock, BOTH)


def opened(store: Store, run: str, libraries: list[str] | None = None) -> str:
    """Open a run as a night does."""
    chosen = libraries or ["hasselt"]
    found = store.runs.open(chosen, FULL, new_id=run, at=store.clock()).id
    store.ledger.append([Draft(library, Kind.RUN_OPEN, "", run=found) for library in chosen])
    return found


def closed(store: Store, run: str, libraries: list[str] | None = None, *, stopped: str = "", over: bool = True) -> None:
    """Close a run as a night does, and end it if it is over."""
    chosen = libraries or ["hasselt"]
    body = {"asked": 0, "open": 0} | ({"stopped": stopped} if stopped else {})
    store.ledger.append([Draft(library, Kind.RUN_CLOSE, "", run=run, body=body) for library in chosen])
    if over:
        store.runs.end(run, chosen, at=store.clock())


def lay(store: Store, run: str, steps: int) -> None:
    """Lay steps in a run, of two libraries by turns."""
    with store.database.write() as session:
        session.add(RunRow(id=run, opened_at=NOW))
        rows = [
            (run, BOTH[place % 2], f"M{place:06d}", place, "stale", "open", "", "") for place in range(1, steps + 1)
        ]
        enter(session, StepRow, rows)


def settle(store: Store, run: str, place: int, verdict: str, reason: str = "", state: str = "done") -> None:
    """Let a step be tried."""
    store.execute(
        "UPDATE step SET state = :state, verdict = :verdict, reason = :reason WHERE run = :run AND place = :place",
        run=run,
        place=place,
        state=state,
        verdict=verdict,
        reason=reason,
    )


class TestProgress:
    """The counts of a run."""

    def test_they_are_those_of_a_plain_count_at_every_moment(self, store: Store) -> None:
        """Steps are tried nearly in their order, some much later, some in vain; more come when it is resumed."""
        dice, tallies, steps = Random(7), Tallies(store.database, store.clock), 160
        lay(store, "run-1", steps)
        order = sorted(range(1, steps + 1), key=lambda place: place + dice.random() * (90 if place % 9 == 0 else 6))
        kinds = [("same", "", "done"), ("change", "", "done"), ("hold", "deceased", "done"), ("", "", "left")]
        done: dict[int, tuple[str, str]] = {}
        for number, place in enumerate(order):
            verdict, reason, state = dice.choice(kinds)
            settle(store, "run-1", place, verdict, reason, state)
            done[place] = verdict, reason
            if number == 80:
                rows = [("run-1", "genk", "X1", steps + 1, "never", "open", "", "")]
                with store.database.write() as session:
                    enter(session, StepRow, rows)
            if dice.random() < 0.3 or number == len(order) - 1:
                _hold_against(tallies, done, steps + (number >= 80))

    def test_what_is_over_is_counted_once(self, store: Store) -> None:
        """It does not change any more, so it is not read again; what is not over is."""
        tallies = Tallies(store.database, store.clock)
        lay(store, "run-1", 4)
        settle(store, "run-1", 1, "same")
        assert tallies.of("run-1", BOTH, is_over=False).asked == 1
        settle(store, "run-1", 2, "same")
        assert tallies.of("run-1", BOTH, is_over=True).asked == 2
        settle(store, "run-1", 3, "same")
        assert tallies.of("run-1", BOTH, is_over=True).asked == 2

    def test_many_steps_that_waited_are_counted_when_they_are_tried(self, store: Store) -> None:
        """As after a register that was away: more than one page of them."""
        tallies = Tallies(store.database, store.clock)
        lay(store, "run-1", 1_300)
        settle(store, "run-1", 1_300, "same")
        assert tallies.of("run-1", BOTH, is_over=False).open == 1_299
        store.execute("UPDATE step SET state = 'done', verdict = 'change' WHERE place < 1201")
        found = tallies.of("run-1", ["hasselt"], is_over=False)
        assert (found.due, found.change, found.same, found.open) == (650, 600, 0, 50)
        assert tallies.of("run-1", BOTH, is_over=False).change == 1_200

    def test_the_rate_is_that_of_the_last_minute(self, store: Store) -> None:
        """Of the libraries that are asked for; unknown at the first look."""
        tallies = Tallies(store.database, store.clock)
        lay(store, "run-1", 1_000)
        assert tallies.of("run-1", BOTH, is_over=False).per_second == 0
        for second in range(1, 90):
            store.clock.pass_by(seconds=1)
            for place in range(2 * second - 1, 2 * second + 1):
                settle(store, "run-1", place, "same")
            found = tallies.of("run-1", BOTH, is_over=False)
            assert found.per_second == pytest.approx(2)
        assert tallies.of("run-1", ["genk"], is_over=False).per_second == pytest.approx(1)
        for _ in range(130):
            store.clock.pass_by(seconds=1)
            found = tallies.of("run-1", BOTH, is_over=False)
        assert found.per_second == 0

    def test_a_run_without_steps_has_nothing(self, store: Store) -> None:
        """Nor has one that there is not."""
        found = Tallies(store.database, store.clock).of("run-9", BOTH, is_over=False)
        assert (found.due, found.asked, found.open, found.holds) == (0, 0, 0, Counter())


def _hold_against(tallies: Tallies, done: dict[int, tuple[str, str]], steps: int) -> None:
    """Hold the counts against a plain count, of each library and of both."""
    for libraries in (BOTH, ["genk"], ["hasselt"]):
        places = [place for place in range(1, 161) if BOTH[place % 2] in libraries]
        due = len(places) + (steps - 160) * ("genk" in libraries)
        verdicts = Counter(done[place][0] for place in places if place in done)
        found = tallies.of("run-1", libraries, is_over=False)
        assert (found.due, found.same, found.change) == (due, verdicts["same"], verdicts["change"])
        assert found.holds == +Counter({"deceased": verdicts["hold"]})
        assert found.open == due - verdicts["same"] - verdicts["change"] - verdicts["hold"]


class TestRuns:
    """When runs were worked on, and why they stopped."""

    def test_a_run_is_begun_then_closed_then_over(self, store: Store, journal: Journal) -> None:
        """As the log says it, also when all happens within the same moment."""
        store.take(member(1))
        assert journal.runs(BOTH, most=9) == []
        opened(store, "run-1")
        (ran,) = journal.runs(BOTH, most=9)
        assert (ran.id, ran.is_begun, ran.is_last, ran.closed_at, ran.ended_at) == ("run-1", True, True, None, None)
        closed(store, "run-1", stopped="breaker", over=False)
        (ran,) = journal.runs(BOTH, most=9)
        assert (ran.is_begun, ran.stopped, ran.closed_at, ran.ended_at) == (False, "breaker", NOW, None)
        opened(store, "run-2")
        (ran,) = journal.runs(BOTH, most=9)
        assert (ran.id, ran.is_begun, ran.stopped) == ("run-1", True, "")
        store.clock.pass_by(hours=1)
        closed(store, "run-1")
        (ran,) = journal.runs(BOTH, most=9)
        assert (ran.is_begun, ran.stopped) == (False, "")
        assert ran.closed_at == ran.ended_at == NOW + timedelta(hours=1)
        assert journal.find("run-1", ["hasselt"]) == journal.runs(["hasselt"], most=9)[0]

    def test_each_library_has_its_own(self, store: Store, journal: Journal) -> None:
        """The newest first, and not more than are asked for; another library's there are not."""
        for day, libraries in enumerate((["hasselt"], ["genk"], BOTH, ["hasselt"])):
            store.clock.now = NOW + timedelta(days=day)
            store.take(*(member(10 * day + 1, library=library) for library in libraries))
            opened(store, f"run-{day}", libraries)
            closed(store, f"run-{day}", libraries)
        assert [ran.id for ran in journal.runs(["hasselt"], most=9)] == ["run-3", "run-2", "run-0"]
        assert [ran.id for ran in journal.runs(["genk"], most=9)] == ["run-2", "run-1"]
        assert [ran.id for ran in journal.runs(BOTH, most=3)] == ["run-3", "run-2", "run-1"]
        assert journal.find("run-1", ["hasselt"]) is None
        assert journal.find("run-1", BOTH) is not None
        assert journal.find("no-run", BOTH) is None
        assert journal.runs([], most=9) == []

    def test_what_one_library_did_last_counts_for_all(self, store: Store, journal: Journal) -> None:
        """A run of both that one of them goes on with is begun."""
        store.take(member(1), member(2, library="genk"))
        opened(store, "run-1", BOTH)
        closed(store, "run-1", BOTH, stopped="mass_change", over=False)
        store.clock.pass_by(hours=1)
        opened(store, "run-1", ["hasselt"])
        found = {who[0]: journal.find("run-1", list(who)) for who in (("genk",), ("hasselt",), ("both", *BOTH))}
        assert [bool(one and one.is_begun) for one in found.values()] == [False, True, True]
        assert [one.stopped if one else None for one in found.values()] == ["mass_change", "", ""]

    def test_a_killed_one_is_not_the_last_any_more(self, store: Store, journal: Journal) -> None:
        """When a night of another library opened one since, it is that one which runs."""
        store.take(member(1), member(2, library="genk"))
        opened(store, "run-1", ["hasselt"])
        store.clock.pass_by(hours=1)
        opened(store, "run-2", ["genk"])
        mine, other = journal.find("run-1", ["hasselt"]), journal.find("run-2", ["genk"])
        assert mine is not None
        assert other is not None
        assert (mine.is_begun, mine.is_last, other.is_begun, other.is_last) == (True, False, True, True)


def test_a_log_that_says_no_more_why_is_broken(store: Store, journal: Journal) -> None:
    """Whoever changed what closed a run."""
    store.take(member(1))
    closed(store, opened(store, "run-1"))
    unguard(store)
    store.execute("UPDATE entry SET data = :junk WHERE kind = 'run.close'", junk=b"junk")
    for look in (lambda: journal.runs(BOTH, most=1), lambda: journal.find("run-1", BOTH)):
        with pytest.raises(BrokenChain, match="of hasselt cannot be read"):
            look()


class TestHeld:
    """The changes that a run did not believe."""

    def test_they_are_of_that_run_and_open(self, store: Store, journal: Journal) -> None:
        """Not those of another reason or run, nor what was asked again or decided."""
        store.take(*(member(serial) for serial in range(1, 6)))
        run = opened(store, "run-1")
        believed_not = Hold(Reason.MASS_CHANGE, held("99"))
        for serial in (1, 2, 3):
            record(store, f"M000{serial}", believed_not, run=run)
        record(store, "M0004", Hold(Reason.DECEASED), run=run)
        holds = {hold.number: hold for hold in store.holds.open()}
        of_run = [holds[f"M000{serial}"].id for serial in (1, 2, 3)]
        assert list(journal.held(run, BOTH)) == of_run
        assert list(journal.held(run, ["genk"])) == []
        assert list(journal.held("run-2", BOTH)) == []
        record(store, "M0001", believed_not, run="run-2")
        record(store, "M0002", Change(held(), held("99")))
        assert list(journal.held(run, BOTH)) == of_run[2:]
        assert list(journal.held("run-2", BOTH)) == of_run[:1]
        assert [journal.count_held(name, BOTH) for name in (run, "run-2", "run-3")] == [1, 1, 0]
        assert journal.count_held(run, ["genk"]) == 0

    def test_there_may_be_many(self, store: Store, journal: Journal, monkeypatch: pytest.MonkeyPatch) -> None:
        """They come in pages; what is decided meanwhile does not shift them."""
        monkeypatch.setattr("rrsync.store.reports._PAGE", 2)
        store.take(*(member(serial) for serial in range(1, 6)))
        run = opened(store, "run-1")
        for serial in range(1, 6):
            record(store, f"M000{serial}", Hold(Reason.MASS_CHANGE, held("99")), run=run)
        seen = []
        for number in journal.held(run, ["hasselt"]):
            seen.append(number)
            record(store, next(hold for hold in store.holds.open() if hold.id == number).number, Same(held()))
        assert len(seen) == 5
        assert list(journal.held(run, ["hasselt"])) == []


class TestLease:
    """Whether a night is running, and what the next one would go on with."""

    def test_it_is_seen_from_anywhere(self, store: Store) -> None:
        """And not by taking it."""
        other = store.again()
        assert not store.runs.is_held()
        with store.runs.lease():
            assert store.runs.is_held()
            assert other.runs.is_held()
        assert not store.runs.is_held()
        assert not other.runs.is_held()

    def test_who_looks_keeps_no_night_from_starting(self, store: Store) -> None:
        """However many look at once."""
        stop = Event()

        def look() -> None:
            while not stop.is_set():
                store.runs.is_held()

        lookers = [Thread(target=look) for _ in range(3)]
        for each in lookers:
            each.start()
        try:
            for _ in range(60):
                with store.runs.lease():
                    pass
        finally:
            stop.set()
            for each in lookers:
                each.join(30)

    def test_what_waits_is_what_is_open(self, store: Store) -> None:
        """Of these libraries alone."""
        store.take(member(1), member(2, library="genk"))
        assert store.runs.waiting(["hasselt"]) is None
        opened(store, "run-1", ["hasselt"])
        assert store.runs.waiting(["hasselt"]) == "run-1"
        assert store.runs.waiting(["genk"]) is None
        closed(store, "run-1")
        assert store.runs.waiting(BOTH) is None


def test_the_moment_of_a_run_is_read_as_it_was_written(store: Store) -> None:
    """In UTC, on both databases."""
    store.execute(f"INSERT INTO run (id, opened_at, mass_change) VALUES ('run-1', '{plain(NOW)}', false)")
    store.ledger.append([Draft("hasselt", Kind.RUN_OPEN, "", run="run-1")])
    found = Journal(store.database, store.clock, BOTH).find("run-1", BOTH)
    assert found is not None
    assert found.opened_at == NOW
