"""The run journal: who is due, what is left after a stop, and that one night at a time is on a database."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import date, timedelta
from random import Random

import pytest

from rrsync.core.brakes import Brakes, LibraryCounts, Limits
from rrsync.core.compare import Hold, Same, Verdict
from rrsync.core.exchange import Found, Reason, Refused
from rrsync.core.person import Person
from rrsync.core.planning import Due, Plan, Why, tonight
from rrsync.errors import Busy, LedgerError, StoreError
from rrsync.store.encryption import Keyring
from rrsync.store.runs import Forecast
from tests.store.scene import ask, record
from tests.support import NOW, ROOT, Clock, Dice, Store, held, insz, member, open_store

TODAY = NOW.date()
FULL = Plan(TODAY, None, frozenset())
BOTH = ["genk", "hasselt"]


def night(store: Store, *, full: bool = False, most: int | None = None) -> Plan:
    """Return tonight's plan, where thirty days make an answer old."""
    return tonight(now=store.clock(), stale_after_days=30, full=full, most=most)


def due(store: Store, plan: Plan, libraries: list[str] | None = None) -> list[str]:
    """Open a run, end it, and give who was in it, in the order of asking."""
    chosen = libraries or ["hasselt"]
    opened = store.runs.open(chosen, plan, new_id=f"run-{len(store.scalars('SELECT id FROM run'))}", at=store.clock())
    steps = store.runs.steps(opened.id, chosen, after=0, most=1_000)
    assert len(steps) == opened.steps
    store.runs.end(opened.id, chosen, at=store.clock())
    return [f"{one.number}:{one.why}" for _, one in steps]


class TestDue:
    """Who is asked about, and in which order."""

    def test_who_was_never_asked_comes_first_then_the_oldest(self, store: Store) -> None:
        """Never, then by age, then by number; a fresh answer is not asked again."""
        store.take(*(member(serial) for serial in (1, 2, 3, 4, 5)))
        store.clock.now = NOW - timedelta(days=40)
        record(store, "M0002", Same(held()))
        store.clock.now = NOW - timedelta(days=50)
        record(store, "M0004", Same(held()))
        store.clock.now = NOW - timedelta(days=30)
        record(store, "M0003", Same(held()))
        store.clock.now = NOW
        assert due(store, night(store)) == ["M0001:never", "M0005:never", "M0004:stale", "M0002:stale"]
        store.clock.pass_by(seconds=1)
        assert due(store, night(store))[-1] == "M0003:stale"

    @pytest.mark.parametrize(
        ("end", "open_items", "is_due"),
        [
            (None, 0, True),
            (TODAY, 0, True),
            (TODAY - timedelta(days=1), 0, False),
            (TODAY - timedelta(days=1), 1, True),
            (TODAY + timedelta(days=1), 0, True),
        ],
    )
    def test_there_must_be_a_ground_to_ask(self, store: Store, end: date | None, open_items: int, is_due: bool) -> None:
        """After the end of the membership nobody is asked about, unless loans or debts are open; not even in full."""
        store.take(member(1, membership_end=end, open_items=open_items))
        assert due(store, night(store)) == ["M0001:never"] * is_due
        assert due(store, night(store, full=True)) == ["M0001:never"] * is_due

    def test_nobody_is_asked_about_without_a_number(self, store: Store) -> None:
        """A member without a national number is not due."""
        store.take(member(1, insz=None), member(2))
        assert due(store, night(store, full=True)) == ["M0002:never"]

    @pytest.mark.parametrize("reason", Reason)
    def test_what_is_settled_for_good_is_asked_in_full_only(self, store: Store, reason: Reason) -> None:
        """Deceased, cancelled, unknown and renumbered are not asked again by themselves; other holds are."""
        store.take(member(1))
        record(store, "M0001", Hold(reason))
        store.clock.pass_by(days=31)
        how = "never" if reason is Reason.UNREADABLE else "stale"  # of an unreadable answer nothing was learnt
        settled = reason in {Reason.DECEASED, Reason.CANCELLED, Reason.UNKNOWN, Reason.NEW_NUMBER}
        assert due(store, night(store)) == ([] if settled else [f"M0001:{how}"])
        assert due(store, night(store, full=True)) == [f"M0001:{how}"]

    def test_full_asks_everybody_again(self, store: Store) -> None:
        """However fresh the last answer is."""
        store.take(member(1))
        record(store, "M0001", Same(held()))
        assert due(store, night(store)) == []
        assert due(store, night(store, full=True)) == ["M0001:stale"]

    def test_no_more_than_asked_for(self, store: Store) -> None:
        """A bound takes the first of the order; the rest is due the next night."""
        store.take(*(member(serial) for serial in range(1, 6)))
        assert due(store, night(store, most=2)) == ["M0001:never", "M0002:never"]
        assert due(store, night(store, most=0)) == []

    def test_only_the_libraries_that_are_named(self, store: Store) -> None:
        """Another library's members are not in the run; of several, they go by library."""
        store.take(member(1), member(2))
        store.take(member(1, library="genk", number="G1"))
        assert due(store, night(store)) == ["M0001:never", "M0002:never"]
        assert due(store, night(store), BOTH) == ["G1:never", "M0001:never", "M0002:never"]


class TestJournal:
    """What is done and what is left, whatever happens in between."""

    def test_a_run_goes_on_where_it_stopped_and_takes_in_who_became_due(self, store: Store) -> None:
        """The open steps keep their places, who is new comes behind them, nobody comes twice."""
        store.take(member(1), member(2))
        first = store.runs.open(["hasselt"], FULL, new_id="run-1", at=NOW)
        assert (first.id, first.resumed, first.steps) == ("run-1", False, 2)
        record(store, "M0001", Same(held()), run="run-1")
        store.take(member(1), member(3), import_id="import-2")
        again = store.runs.open(["hasselt"], FULL, new_id="run-2", at=NOW)
        assert (again.id, again.resumed, again.steps) == ("run-1", True, 2)
        assert store.runs.steps("run-1", ["hasselt"], after=0, most=10) == [
            (2, Due("hasselt", "M0002", Why.NEVER)),
            (3, Due("hasselt", "M0003", Why.NEVER)),
        ]
        assert store.runs.left("run-1", ["hasselt"]) == 2
        assert store.runs.exists("run-1")
        assert not store.runs.exists("run-2")

    def test_steps_come_in_pages(self, store: Store) -> None:
        """From behind a place on, as many as wanted, of the libraries wanted."""
        store.take(*(member(serial) for serial in range(1, 6)))
        store.take(member(1, library="genk"))
        store.runs.open(BOTH, FULL, new_id="run-1", at=NOW)
        pages, after = [], 0
        while page := store.runs.steps("run-1", ["hasselt"], after=after, most=2):
            after = page[-1][0]
            pages.append([step.number for _, step in page])
        assert pages == [["M0001", "M0002"], ["M0003", "M0004"], ["M0005"]]

    def test_what_a_run_could_not_do_is_due_the_next_night(self, store: Store) -> None:
        """Ending a run leaves its open steps behind; the members are as due as they were."""
        store.take(member(1), member(2))
        store.runs.open(["hasselt"], FULL, new_id="run-1", at=NOW)
        record(store, "M0001", Same(held()), run="run-1")
        store.runs.end("run-1", ["hasselt"], at=store.clock.pass_by(hours=1))
        assert store.runs.left("run-1", ["hasselt"]) == 0
        assert store.scalars("SELECT state FROM step ORDER BY number") == ["done", "left"]
        assert store.runs.open(["hasselt"], night(store), new_id="run-2", at=store.clock()).resumed is False
        assert [step.number for _, step in store.runs.steps("run-2", ["hasselt"], after=0, most=9)] == ["M0002"]

    def test_ending_a_run_for_one_library_leaves_the_others_open(self, store: Store) -> None:
        """A night for one library closes its own steps; the run goes on for the others."""
        store.take(member(1))
        store.take(member(1, library="genk"))
        store.runs.open(BOTH, FULL, new_id="run-1", at=NOW)
        store.runs.end("run-1", ["hasselt"], at=NOW)
        assert (store.runs.left("run-1", ["hasselt"]), store.runs.left("run-1", ["genk"])) == (0, 1)
        assert store.runs.open(["genk"], FULL, new_id="run-2", at=NOW).id == "run-1"
        store.runs.end("run-1", ["genk"], at=NOW)
        assert store.runs.open(["genk"], FULL, new_id="run-2", at=NOW).id == "run-2"

    def test_a_run_left_open_for_another_library_keeps_nobody_from_being_due(self, store: Store) -> None:
        """A library that is gone from the settings may leave its steps open for ever; the others go on."""
        store.take(member(1))
        store.take(member(1, library="genk"))
        store.runs.open(BOTH, FULL, new_id="run-1", at=NOW)
        record(store, "M0001", Same(held()), run="run-1")
        store.runs.end("run-1", ["hasselt"], at=NOW)
        store.clock.pass_by(days=400)
        later = store.runs.open(["hasselt"], night(store), new_id="run-2", at=store.clock())
        assert (later.id, later.resumed, later.steps) == ("run-2", False, 1)
        assert store.runs.open(["genk"], night(store), new_id="run-3", at=store.clock()).id == "run-1"

    def test_a_run_killed_after_its_last_step_is_ended_by_the_next(self, store: Store) -> None:
        """Nothing of it is open, so there is nothing to ask, not even in full; the night after is a new one."""
        store.take(member(1))
        store.runs.open(["hasselt"], FULL, new_id="run-1", at=NOW)
        record(store, "M0001", Same(held()), run="run-1")
        again = store.runs.open(["hasselt"], FULL, new_id="run-2", at=NOW)
        assert (again.id, again.steps) == ("run-1", 0)
        store.runs.end("run-1", ["hasselt"], at=NOW)
        assert store.runs.open(["hasselt"], FULL, new_id="run-2", at=NOW).steps == 1

    def test_the_brakes_of_a_run_are_kept_until_it_ends(self, store: Store) -> None:
        """What a worker adds is there for the next one that takes the run over, and for that run alone."""
        store.take(member(1))
        assert store.runs.open(["hasselt"], FULL, new_id="run-1", at=NOW).brakes == Brakes()
        store.runs.add_brakes("run-1", Brakes({"hasselt": LibraryCounts(mix_ups=1)}, answers=2))
        both = store.again().runs.add_brakes("run-1", Brakes({"hasselt": LibraryCounts(mix_ups=1)}, answers=3))
        assert both == Brakes({"hasselt": LibraryCounts(mix_ups=2)}, answers=5)
        assert store.runs.open(["hasselt"], FULL, new_id="run-2", at=NOW).brakes == both
        assert store.runs.release_brakes("run-1", "mix_up") == Brakes({"hasselt": LibraryCounts()}, answers=5)
        store.runs.end("run-1", ["hasselt"], at=NOW)
        assert store.scalars("SELECT brakes FROM run") == [None]
        assert store.runs.open(["hasselt"], FULL, new_id="run-2", at=NOW).brakes == Brakes()

    def test_no_change_of_a_run_is_believed_after_a_mass_change(self, store: Store) -> None:
        """The pages read it from the row; a run that an older version stopped has reported it."""
        store.take(member(1))
        store.runs.open(["hasselt"], FULL, new_id="run-1", at=NOW)
        store.runs.add_brakes("run-1", Brakes(mass_change=True))
        assert store.scalars("SELECT mass_change FROM run") == [True]
        store.execute("UPDATE run SET brakes = NULL")
        opened = store.runs.open(["hasselt"], FULL, new_id="run-2", at=NOW)
        assert opened.brakes == Brakes(mass_change=True, is_reported=True)

    def test_two_runs_of_one_name_are_refused(self, store: Store) -> None:
        """A run's name is its own for ever."""
        store.runs.open(["hasselt"], FULL, new_id="run-1", at=NOW)
        store.runs.end("run-1", ["hasselt"], at=NOW)
        with pytest.raises(StoreError):
            store.runs.open(["hasselt"], FULL, new_id="run-1", at=NOW)


@pytest.mark.parametrize("seed", range(8))
def test_a_forecast_is_what_opening_makes(store: Store, seed: int) -> None:
    """Whatever the members, the plan and the run that is still open: who would be asked is who is asked."""
    dice = Random(seed)
    for library in BOTH:
        store.take(
            *(
                member(
                    serial,
                    library=library,
                    insz=dice.choice([insz(serial)] * 5 + [None]),
                    membership_end=dice.choice([None, None, TODAY - timedelta(days=1), TODAY]),
                    open_items=dice.choice([0, 0, 1]),
                )
                for serial in range(1, 25)
            )
        )
        for serial in dice.sample(range(1, 25), 12):
            store.clock.now = NOW - timedelta(days=dice.choice([1, 29, 30, 31, 90]))
            verdicts: list[Verdict] = [Same(held()), Hold(Reason.DECEASED), Hold(Reason.PROTECTED)]
            verdict = dice.choice(verdicts)
            record(store, f"M{serial:04d}", verdict, library=library)
    store.clock.now = NOW
    if dice.random() < 0.6:
        store.runs.open(
            dice.choice([BOTH, ["genk"]]), night(store, most=dice.choice([None, 5])), new_id="run-1", at=NOW
        )
    plan = night(store, full=dice.random() < 0.5, most=dice.choice([None, 0, 3, 20]))
    libraries = dice.choice([BOTH, ["hasselt"], ["genk"]])
    forecast = store.runs.forecast(libraries, plan)
    opened = store.runs.open(libraries, plan, new_id="run-2", at=NOW)
    steps = Counter((one.library, one.why) for _, one in store.runs.steps(opened.id, libraries, after=0, most=1_000))
    assert {(one.library, one.why): one.members for one in forecast} == steps
    assert sum(steps.values()) == opened.steps
    assert forecast == sorted(forecast, key=lambda one: (one.library, one.why))
    assert Forecast("hasselt", Why.MUTATION, 1) not in forecast


HOLDER = """
import sys
from rrsync.store.encryption import Keyring
from tests.support import Clock, Dice, open_store
store = open_store(sys.argv[1], clock=Clock(), random=Dice(), keys=Keyring.fresh(Dice("keys")))
with store.runs.lease():
    print("held", flush=True)
    sys.stdin.read()
"""


class TestLease:
    """One night at a time, whoever and wherever."""

    def test_a_second_night_is_refused(self, store: Store) -> None:
        """In the same process and in another one's connections; afterwards it may."""
        other = store.again()
        with store.runs.lease() as lease:
            for runs in (store.runs, other.runs):
                with pytest.raises(Busy, match="Another night is running"), runs.lease():
                    pass
            for _ in range(3):  # with every connection of the pool in other hands in between
                with store.database.read(), store.database.read():
                    lease.check()
        with other.runs.lease() as lease:
            lease.check()

    def test_the_lease_ends_with_an_error_too(self, store: Store) -> None:
        """A night that fails does not shut the next one out."""
        with pytest.raises(ZeroDivisionError), store.runs.lease():
            _ = 1 // 0
        with store.again().runs.lease():
            pass

    def test_a_killed_process_gives_it_back(self, store: Store) -> None:
        """While another process holds it it is refused; killed without a word, it no longer does."""
        command = [sys.executable, "-c", HOLDER, store.url]
        with subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as holder:
            assert holder.stdout is not None
            assert holder.stdout.readline() == b"held\n"
            with pytest.raises(Busy), store.runs.lease():
                pass
            os.kill(holder.pid, signal.SIGKILL)
            holder.wait(30)
        while not self._is_free(store):
            pass  # PostgreSQL notes the end of a connection in its own time; the test's own limit is the bound
        with store.runs.lease() as lease:
            lease.check()

    @staticmethod
    def _is_free(store: Store) -> bool:
        try:
            with store.runs.lease():
                return True
        except Busy:
            return False

    def test_a_lost_connection_is_a_lost_lease(self, store: Store) -> None:
        """When the server ends the connection, the night learns it at its next look, and says what to do."""
        if store.database.is_sqlite:
            pytest.skip("a file has no connection to lose")
        end = (
            "SELECT pg_terminate_backend(pid) FROM pg_locks WHERE locktype = 'advisory' "
            "AND database = (SELECT oid FROM pg_database WHERE datname = current_database())"
        )

        def night() -> None:
            with store.runs.lease() as lease:
                store.again().execute(end)
                lease.check()

        with pytest.raises(StoreError, match="The lease on the nightly run was lost"):
            night()
        with store.runs.lease():
            pass

    def test_the_lease_holds_no_transaction_open(self, store: Store) -> None:
        """A night may last for hours; PostgreSQL's own housekeeping does not wait for it."""
        if store.database.is_sqlite:
            pytest.skip("a file's lease is no transaction")
        with store.runs.lease() as lease:
            lease.check()
            idle = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND state LIKE 'idle in%'"
            assert store.again().scalars(idle) == [0]

    def test_a_folder_that_is_not_there_is_told(self, clock: Clock, keys: Keyring) -> None:
        """The lease is a file beside the database; where none can be made, a sentence says so."""
        store = open_store("sqlite:////nowhere/rrsync.db", clock=clock, random=Dice(), keys=keys)
        with pytest.raises(StoreError, match="The lease file beside the database cannot be opened"), store.runs.lease():
            pass
        store.close()


class TestBrakes:
    """The brakes of a run, which its workers share."""

    LIMITS = Limits(mismatches=99, unavailable=99, change_share=1.0, same_address=99)

    def settle(self, store: Store, serials: Iterable[int]) -> Brakes:
        """Settle an answer about somebody else for each of these members; return the brakes after the last."""
        brakes = Brakes()
        for serial in serials:
            item = ask(store, f"M{serial:04d}", subject=insz(serial), run="run-1")
            item = replace(item, answer=Refused(item.outcome.reference, Reason.MISMATCH))
            verdicts, brakes = store.settlement.settle_run("run-1", [item], self.LIMITS, Brakes(away_s=1.0))
            assert verdicts == [Hold(Reason.MISMATCH)]
        return brakes

    @pytest.fixture
    def workers(self, store: Store) -> list[Store]:
        """Return two workers of one run."""
        store.take(*(member(serial) for serial in range(1, 21)))
        store.runs.open(["hasselt"], FULL, new_id="run-1", at=NOW)
        return [store, store.again()]

    def test_two_workers_at_once_lose_nothing(self, workers: list[Store]) -> None:
        """Every batch reads, adds and writes in its own transaction, whoever else does the same just now."""
        with ThreadPoolExecutor(2) as pool:
            last = list(pool.map(self.settle, workers, (range(1, 11), range(11, 21))))
        wanted = Brakes({"hasselt": LibraryCounts(mix_ups=20, moves="0" * 20)}, answers=20, useless=20, away_s=20.0)
        assert wanted in last
        assert workers[0].runs.add_brakes("run-1", Brakes()) == wanted

    def test_what_was_not_committed_was_not_counted(self, workers: list[Store]) -> None:
        """An answer that cannot be settled leaves the brakes as they were."""
        store, other = workers
        item = ask(store, "M0001", subject=insz(1), run="run-1")
        store.settlement.settle_run("run-1", [item], self.LIMITS, Brakes())
        with pytest.raises(LedgerError):
            other.settlement.settle_run("run-1", [item], self.LIMITS, Brakes(away_s=1.0))
        assert store.runs.add_brakes("run-1", Brakes()).answers == 1
        assert store.runs.add_brakes("run-1", Brakes()).away_s == 0

    def test_where_members_moved_to_is_a_keyed_hash(self, workers: list[Store]) -> None:
        """One place for one address, whatever its spelling, and another in another library; nothing of it in clear."""
        store, other = workers
        other.take(member(1, library="genk"))
        store.runs.open(BOTH, FULL, new_id="run-1", at=NOW)
        for library, serial, street in (
            ("hasselt", 1, "Lange straat"),
            ("hasselt", 2, "LANGE STRAAT"),
            ("genk", 1, "Lange straat"),
        ):
            item = ask(store, f"M{serial:04d}", subject=insz(serial), run="run-1", library=library)
            new = held("99", street=street)
            found = Found(item.outcome.reference, Person(new.name, None, new.address, None))
            store.settlement.settle_run("run-1", [replace(item, answer=found)], self.LIMITS, Brakes())
        brakes = store.runs.add_brakes("run-1", Brakes())
        assert sorted(brakes.places.values()) == [1, 2]
        (text,) = store.scalars("SELECT brakes FROM run")
        assert "straat" not in str(text).lower()
        assert all(re.fullmatch("[0-9a-f]{16}", place) for place in brakes.places)
