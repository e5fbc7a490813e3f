"""Searching the access log: each look joined with its outcome, found by whom, whose, why, when and how it ended."""

from __future__ import annotations

import tracemalloc
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import count
from typing import Any

import pytest
from sqlalchemy import event

from rrsync.core.log_entry import JSON, Access, Draft, Kind
from rrsync.errors import BrokenChain
from rrsync.store.log_search import Search, Wanted
from tests.support import NOW, Dice, Store, insz

NIGHT: dict[str, JSON] = {"t": "process", "id": "rrsync night"}


def _person(name: str) -> dict[str, JSON]:
    return {"t": "person", "id": name}


@dataclass
class Desk:
    """Writes looks as the gate does, and says where each stands."""

    store: Store
    search: Search
    numbers: Iterator[int] = field(default_factory=count)

    def look(  # noqa: D102 — as the fixture says
        self,
        serial: int,
        *,
        by: str = "",
        purpose: str = "desk",
        status: str | None = "ok",
        denial: str = "",
        library: str = "hasselt",
    ) -> int:
        reference, whom = f"ref-{next(self.numbers)}", insz(serial)
        body: dict[str, JSON] = {"actor": _person(by) if by else NIGHT, "why": {"code": purpose}}
        kind = Kind.DENIED if denial else Kind.INTENT
        drafts = [Draft(library, kind, reference, whom, body=body | ({"denial": denial} if denial else {}))]
        if not denial and status is not None:
            drafts.append(Draft(library, Kind.OUTCOME, reference, whom, body={"out": {"status": status, "codes": []}}))
        with self.store.ledger.writing() as session:
            return self.store.ledger.append_in(session, drafts)[0]

    def deed(self, kind: Kind, *, serial: int | None = None) -> int:  # noqa: D102 — as the fixture says
        subject = None if serial is None else insz(serial)
        with self.store.ledger.writing() as session:
            return self.store.ledger.append_in(session, [Draft("hasselt", kind, "", subject)])[0]

    def found(self, **wanted: object) -> list[int]:
        """Return where the looks stand that are found."""
        return [one.seq for one in self.all(**wanted)]

    def all(self, **wanted: object) -> list[Access]:
        """Return the looks that are found."""
        return list(self.search.accesses(Wanted(**({"library": "hasselt"} | wanted))))  # type: ignore[arg-type]

    def pseudonyms(self, serial: int) -> tuple[bytes, ...]:
        """Return under what a person stands in the log."""
        return tuple(self.store.ledger.pseudonyms("hasselt", insz(serial)))


@pytest.fixture
def desk(store: Store) -> Desk:
    """Return what writes looks, and denials, and other entries."""
    return Desk(store, Search(store.database))


class TestAccesses:
    """A look is an intent or a denial, with its outcome."""

    def test_a_look_is_joined_with_its_outcome(self, desk: Desk) -> None:
        """Whatever stands between the two."""
        first = desk.look(1, by="an", status=None)
        desk.look(2)
        outcome = Draft("hasselt", Kind.OUTCOME, "ref-0", insz(1), body={"out": {"status": "no_reply"}})
        desk.store.ledger.append([outcome])
        found = desk.all()
        assert [(one.seq, one.outcome_seq, one.status) for one in found] == [(first, 3, "no_reply"), (1, 2, "ok")]
        assert (found[0].actor.name, found[0].purpose, found[0].at) == ("an", "desk", NOW)

    def test_what_is_no_look_is_not_found(self, desk: Desk) -> None:
        """Runs and what was done to the log are other entries; another library's are in another log."""
        desk.deed(Kind.RUN_OPEN)
        only = desk.look(1)
        desk.look(1, library="genk")
        desk.deed(Kind.VIEW, serial=1)
        assert desk.found() == [only]
        assert desk.found(library="nowhere") == []

    def test_by_staff(self, desk: Desk) -> None:
        """By their name to the letter; a process is nobody's name."""
        ans = [desk.look(1, by="an"), desk.look(2, by="an", denial="no purpose")]
        desk.look(1, by="bo")
        desk.look(1, by="An")
        desk.look(1)
        assert desk.found(actor="an") == ans
        assert desk.found(actor="rrsync night") == []

    def test_by_people_alone(self, desk: Desk) -> None:
        """What a process did is left out."""
        desk.look(1)
        people = [desk.look(1, by="an"), desk.look(2, by="bo", status=None)]
        desk.look(3)
        assert desk.found(persons_only=True) == people

    def test_by_member_over_the_years(self, desk: Desk) -> None:
        """Under every year's pseudonym; nobody's is nobody."""
        looks = [desk.look(1)]
        desk.look(2)
        desk.store.clock.pass_by(days=365)
        looks.append(desk.look(1, by="an", denial="no purpose"))
        assert desk.found(subjects=desk.pseudonyms(1)) == looks
        assert desk.found(subjects=desk.pseudonyms(1), actor="an") == looks[1:]
        assert desk.found(subjects=desk.pseudonyms(3)) == []
        assert desk.found(subjects=()) == []

    @pytest.mark.parametrize(
        ("status", "places"), [("ok", [0]), ("refused", [2]), ("denied", [4]), ("open", [5]), ("no_reply", [])]
    )
    def test_by_how_it_ended(self, desk: Desk, status: str, places: list[int]) -> None:
        """By the status of the outcome, or because it has none."""
        desk.look(1)
        desk.look(1, status="refused")
        desk.look(1, denial="the authorisation ended")
        desk.look(1, status=None)
        assert desk.found(status=status) == places

    def test_by_purpose(self, desk: Desk) -> None:
        """By its code."""
        desk.look(1, purpose="member-administration")
        asked = desk.look(1, purpose="desk")
        assert desk.found(purpose="desk") == [asked]

    def test_by_time(self, desk: Desk) -> None:
        """From the first moment on, up to the last, which is not meant any more."""
        places = []
        for _ in range(4):
            places.append(desk.look(1))
            desk.store.clock.pass_by(hours=1)
        since, until = NOW + timedelta(hours=1), NOW + timedelta(hours=3)
        assert desk.found(since=since, until=until) == places[1:3]
        assert desk.found(since=since) == places[1:]
        assert desk.found(until=until) == places[:3]
        assert desk.found(since=since, until=until, subjects=desk.pseudonyms(1)) == places[1:3]

    def test_a_clock_that_was_set_back_hides_nothing(self, desk: Desk) -> None:
        """The log is not taken to be in the order of its times."""
        places = []
        for hours in (5, 6, -90, 7, 8):
            desk.store.clock.now = NOW + timedelta(hours=hours)
            places.append(desk.look(1))
        assert desk.found(since=NOW) == [places[at] for at in (0, 1, 3, 4)]

    def test_the_last_ones(self, desk: Desk) -> None:
        """The newest that fit, in their order."""
        places = [desk.look(serial % 3 + 1, by="an" if serial % 2 else "") for serial in range(9)]
        assert desk.found(last=2) == places[-2:]
        assert desk.found(last=100) == places
        assert desk.found(last=2, actor="an") == [places[5], places[7]]
        assert desk.found(last=1, subjects=desk.pseudonyms(2)) == [places[7]]

    def test_entries_from_before_schema_0002_are_found_by_staff(self, desk: Desk) -> None:
        """They have no name beside their bytes, and no tag; their bytes have it."""
        places = [desk.look(1, by="an"), desk.look(1), desk.look(1, by="bo")]
        trigger = "entry_no_update" if desk.store.database.is_sqlite else "entry_append_only ON entry"
        desk.store.execute(f"DROP TRIGGER {trigger}")
        desk.store.execute("UPDATE entry SET actor = '', mac = NULL")
        places.append(desk.look(1, by="an"))
        assert desk.found(actor="an") == [places[0], places[3]]
        assert desk.found(persons_only=True) == [places[0], places[2], places[3]]

    @pytest.mark.parametrize("data", [b"{", b'{"ts":"yesterday"}'])
    def test_an_entry_that_is_none_any_more_is_named(self, desk: Desk, data: bytes) -> None:
        """It is not passed over."""
        place = desk.look(1)
        trigger = "entry_no_update" if desk.store.database.is_sqlite else "entry_append_only ON entry"
        desk.store.execute(f"DROP TRIGGER {trigger}")
        desk.store.execute("UPDATE entry SET data = :data WHERE seq = :seq", data=data, seq=place)
        with pytest.raises(BrokenChain, match="Entry 0 of the access log of hasselt cannot be read"):
            desk.found()
        with pytest.raises(BrokenChain, match="Entry 0 of the access log of hasselt cannot be read"):
            desk.search.forgotten("hasselt")


class TestFind:
    """One look, by an entry of it."""

    def test_by_either_entry(self, desk: Desk) -> None:
        """The intent's or the outcome's; a denial is its own; anything else is no look."""
        desk.look(1, by="an")
        desk.look(1, denial="no purpose")
        desk.deed(Kind.VIEW)
        asked, same, denied = (desk.search.find("hasselt", seq) for seq in range(3))
        assert asked == same
        assert asked is not None
        assert (asked.seq, asked.outcome_seq, asked.actor.name) == (0, 1, "an")
        assert denied is not None
        assert (denied.seq, denied.status) == (2, "denied")
        assert [desk.search.find("hasselt", seq) for seq in (3, 4)] == [None, None]
        assert desk.search.find("genk", 0) is None


class TestDeeds:
    """What was done to the log, and the other entries that are no looks."""

    def test_by_kind_time_and_person(self, desk: Desk) -> None:
        """In their order."""
        desk.look(1)
        first, second = desk.deed(Kind.VIEW, serial=1), desk.deed(Kind.RUN_OPEN)
        desk.store.clock.pass_by(hours=1)
        third = desk.deed(Kind.VIEW, serial=2)

        def found(*kinds: Kind, **more: object) -> list[int]:
            return [seq for seq, _ in desk.search.deeds("hasselt", kinds, **more)]  # type: ignore[arg-type]

        assert found(Kind.VIEW) == [first, third]
        assert found(Kind.VIEW, Kind.RUN_OPEN) == [first, second, third]
        assert found(Kind.VIEW, Kind.RUN_OPEN, since=NOW + timedelta(seconds=1)) == [third]
        assert found(Kind.VIEW, Kind.RUN_OPEN, until=NOW + timedelta(seconds=1)) == [first, second]
        assert found(Kind.VIEW, Kind.RUN_OPEN, subjects=desk.pseudonyms(2)) == [third]
        assert found(Kind.EXPORT) == []
        ((_, line),) = desk.search.deeds("hasselt", [Kind.RUN_OPEN])
        assert (line["kind"], line["seq"]) == ("run.open", second)

    @pytest.mark.parametrize("kind", [Kind.INTENT, Kind.OUTCOME, Kind.DENIED])
    def test_looks_are_no_deeds(self, desk: Desk, kind: Kind) -> None:
        """They are not given without their outcome by mistake."""
        with pytest.raises(ValueError, match="joined with their outcome"):
            next(desk.search.deeds("hasselt", [Kind.VIEW, kind]))


class TestForgotten:
    """Years whose keys were destroyed."""

    def test_only_years_that_named_people(self, desk: Desk) -> None:
        """A year in which nobody was asked about never had a key; an empty log has no years."""
        assert desk.search.forgotten("hasselt") == []
        desk.look(1)
        for year in (2027, 2028, 2029):
            desk.store.clock.now = datetime.fromisoformat(f"{year}-05-01T00:00Z")
            desk.deed(Kind.RUN_OPEN, serial=None if year == 2028 else 1)
        assert desk.search.forgotten("hasselt") == []
        desk.store.execute("DELETE FROM log_key WHERE year < 2029")
        assert desk.search.forgotten("hasselt") == [2026, 2027]


class TestALongLog:
    """What is longer than a page, and much longer."""

    def test_more_than_a_page(self, desk: Desk) -> None:
        """Nothing is lost or doubled where one page ends and the next begins."""
        drafts = [
            Draft("hasselt", Kind.DENIED, f"r{number}", insz(1), body={"actor": _person("an")})
            for number in range(2_001)
        ]
        desk.store.ledger.append(drafts)
        for wanted in ({}, {"actor": "an"}, {"subjects": desk.pseudonyms(1)}):
            assert desk.found(**wanted) == list(range(2_001))
            assert desk.found(last=1_500, **wanted) == list(range(501, 2_001))

    def test_a_search_holds_a_page_of_it_at_a_time(self, desk: Desk) -> None:
        """However long the log is."""
        for batch in range(5):
            named = [f"r{batch}-{number}" for number in range(2_000)]
            kinds = (Kind.INTENT, Kind.OUTCOME)
            desk.store.ledger.append([Draft("hasselt", kind, name, insz(1)) for kind in kinds for name in named])
        tracemalloc.start()
        assert sum(1 for _ in desk.search.accesses(Wanted("hasselt"))) == 10_000
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert peak < 8_000_000

    def test_a_search_goes_by_the_indexes(self, desk: Desk) -> None:
        """By person, by staff and by kind the log is not read through."""
        if not desk.store.database.is_sqlite:
            pytest.skip("how PostgreSQL goes about it depends on what it knows of the data")
        desk.look(1, by="an")
        searches: list[tuple[str, Callable[[], object]]] = [
            ("entry_actor", lambda: desk.found(actor="an")),
            ("entry_actor", lambda: desk.found(persons_only=True)),
            ("entry_subject", lambda: desk.found(subjects=desk.pseudonyms(1))),
            ("entry_deed", lambda: list(desk.search.deeds("hasselt", [Kind.VIEW]))),
        ]
        for index, search in searches:
            plans = _plans(desk.store, search)
            assert f"INDEX {index} (" in plans
            assert "entry_reference (library=? AND reference=? AND kind=?)" in plans or index == "entry_deed"
            assert "SCAN entry" not in plans


def _plans(store: Store, search: Callable[[], object]) -> str:
    """Return how SQLite goes about the statements of a search."""
    asked: list[tuple[str, Any]] = []

    def listen(_connection: object, _cursor: object, statement: str, values: object, *_more: object) -> None:
        asked.append((statement, values))

    event.listen(store.database.engine, "before_cursor_execute", listen)
    search()
    event.remove(store.database.engine, "before_cursor_execute", listen)
    with store.database.engine.connect() as connection:
        plans = [connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", values) for statement, values in asked]
        return "\n".join(str(row[3]) for plan in plans for row in plan)


def test_the_search_of_another_process_finds_the_same(desk: Desk) -> None:
    """It needs the database alone."""
    desk.look(1, by="an")
    assert list(Search(desk.store.again(random=Dice("x")).database).accesses(Wanted("hasselt"))) == desk.all()
