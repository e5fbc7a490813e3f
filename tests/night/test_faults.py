"""Whatever fails, whenever: nobody is changed wrongly, and it is said what happened, what was kept and what to do."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import psycopg
import pytest
from sqlalchemy import event

from rrsync.app.installation import fresh_keys
from rrsync.cli.app import run
from rrsync.core.log_entry import Actor, ActorKind
from rrsync.errors import ConfigError, LedgerError, RrsyncError, StoreError
from rrsync.simulator.faults import Fault, FaultKind
from tests.night.conftest import LibraryNight
from tests.night.house import House

AGAIN = frozenset(
    {
        *(FaultKind.THROTTLE, FaultKind.BUSY, FaultKind.SOURCE, FaultKind.UNAVAILABLE, FaultKind.HTML),
        *(FaultKind.RESET, FaultKind.HANG, FaultKind.DRIP, FaultKind.TRUNCATE, FaultKind.EMPTY_BODY),
    }
)
ON_HOLD = {
    FaultKind.BOMB: "unreadable",
    FaultKind.OVERSIZE: "unreadable",
    FaultKind.DOCTYPE: "unreadable",
    FaultKind.EMPTY: "unreadable",
    FaultKind.MIXUP: "mismatch",
    FaultKind.OTHERREF: "mismatch",
    FaultKind.UNSUBSCRIBED: "refused",
    FaultKind.UNKNOWNCODE: "refused",
}
STOPS = {
    FaultKind.MIXUP: "mix_up",
    FaultKind.OTHERREF: "mix_up",
    FaultKind.REFUSED: "refused",
    FaultKind.SIGNATURE: "refused",
    FaultKind.REDIRECT: "refused",
}


def tells(sentence: str) -> None:
    """Hold a message against the form: what happened, what was kept, what to do."""
    parts = [part for part in sentence.rstrip(".").split(". ") if part]
    assert len(parts) >= 3, sentence
    assert sentence.endswith(".")
    assert len(sentence) < 400
    assert "Traceback" not in sentence


@pytest.mark.parametrize("kind", list(FaultKind))
def test_a_register_that_fails_every_third_time(library_night: LibraryNight, kind: FaultKind) -> None:
    """Who was answered has the right verdict, who was not is tried again the next night, and nobody is mixed up."""
    quick = kind in {FaultKind.HANG, FaultKind.DRIP}
    house = library_night(
        people=40,
        faults=(f"{kind.value}:3",),
        tolerated={ON_HOLD[kind]} if kind in ON_HOLD else (),
        in_flight=4,
        deadline_s=0.3 if quick else 20,
    )
    house.fill()
    house.scene.barred = {"demo"} if STOPS.get(kind) == "refused" else set()
    report = house.night()
    assert house.simulator.counts[kind] > 0
    if kind in STOPS:
        assert report.stopped is not None
        assert (report.exit_code, report.stopped[0]) == (4, STOPS[kind])
        tells(report.stopped[1].removeprefix("demo: "))
    else:
        assert report.exit_code == (3 if report.open else 0)
        assert report.open == report.due - report.asked
    if kind in AGAIN:
        assert report.open <= report.due // 4
    assert set(report.hold) & set(ON_HOLD.values()) <= {ON_HOLD.get(kind)}
    house.simulator.faults = ()
    house.reopen()
    house.scene.barred = set()
    second = house.night()
    assert (second.exit_code, second.open) == (0, 0)


def test_a_register_that_is_down_from_the_start(library_night: LibraryNight) -> None:
    """The breaker stops the night after a few calls; nothing is lost."""
    house = library_night(people=60, faults=("unavailable:1",), in_flight=4)
    house.fill()
    report = house.night()
    assert report.stopped is not None
    assert (report.exit_code, report.stopped[0]) == (4, "breaker")
    assert (report.asked, report.open) == (0, report.due)
    tells(report.stopped[1])
    house.simulator.faults = ()
    house.reopen()
    assert house.night().exit_code == 0


def test_a_register_that_nobody_reaches(library_night: LibraryNight) -> None:
    """Nothing listens at all: the same, and the log says that nothing was sent."""
    house = library_night(people=30, in_flight=4)
    house.fill()
    house.simulator.__exit__()
    report = house.night()
    assert report.stopped is not None
    assert (report.exit_code, report.stopped[0]) == (4, "breaker")
    tells(report.stopped[1])
    entries = house.raw.state().entries["demo"]
    assert {entry.line["out"]["status"] for entry in entries if entry.kind == "access.outcome"} == {"not_sent"}


def test_a_register_that_goes_away_half_way(library_night: LibraryNight) -> None:
    """What was answered is kept, the rest stays open, and the next night goes on."""
    house = library_night(people=80, in_flight=4)
    house.fill()

    def go(_: str) -> None:
        if len(house.audit.recorded) == 40:
            house.simulator.faults = [always("reset")]

    house.audit.also = go
    report = house.night()
    assert report.stopped is not None
    assert report.stopped[0] == "breaker"
    assert 30 <= report.asked <= 44
    house.audit.also = None
    house.simulator.faults = ()
    house.reopen()
    second = house.night()
    assert (second.exit_code, second.asked) == (0, report.open)


def always(kind: str) -> Fault:
    """Give a fault that always strikes."""
    return Fault.parse(f"{kind}:1")


@contextmanager
def impatient(house: House) -> Iterator[None]:
    """Let the night's own connections wait for a lock no longer than a moment."""
    engine = house.app.database.engine
    statement = "PRAGMA busy_timeout = 100" if house.raw.path is not None else "SET lock_timeout = '100ms'"

    def hurry(connection: Any, *_: object) -> None:
        connection.execute(statement)
        if house.raw.path is None:
            connection.commit()

    event.listen(engine, "checkout", hurry)
    yield
    event.remove(engine, "checkout", hurry)


@contextmanager
def locked(house: House) -> Iterator[None]:
    """Hold the database, as another program would."""
    if house.raw.path is not None:
        holder: Any = sqlite3.connect(house.raw.path, isolation_level=None, check_same_thread=False)
        holder.execute("BEGIN IMMEDIATE")
    else:
        holder = psycopg.connect(house.raw.url.replace("+psycopg", "", 1))
        holder.execute("LOCK TABLE log, run, pending IN EXCLUSIVE MODE")
    try:
        yield
    finally:
        holder.rollback()
        holder.close()


def test_a_database_that_is_locked_from_the_start(library_night: LibraryNight) -> None:
    """Nothing is asked, for nothing could be recorded."""
    house = library_night(people=10)
    house.fill()
    with impatient(house), locked(house), pytest.raises(StoreError) as failed:
        house.night()
    assert failed.value.exit_code == 4
    assert not house.simulator.asked
    tells(str(failed.value))


def test_a_database_that_is_locked_half_way(library_night: LibraryNight) -> None:
    """The night stops, for evidence cannot be kept; what was answered meanwhile is asked again."""
    house = library_night(people=60, in_flight=4)
    house.fill()
    locks: list[Any] = []

    def lock(_: str) -> None:
        if len(house.audit.recorded) == 20:
            locks.append(locked(house))
            locks[0].__enter__()

    house.audit.also = lock
    with impatient(house):
        house.excused = True  # accesses are pending still: that is what the next night is for
        report = house.night()
        locks[0].__exit__(None, None, None)
        house.excused = False
    assert report.stopped is not None
    assert (report.exit_code, report.stopped[0]) == (4, "evidence")
    tells(report.stopped[1])
    house.look(report.run, dead=True)
    house.audit.also = None
    house.reopen()
    second = house.night()
    assert (second.exit_code, second.open) == (0, 0)


def test_a_disk_that_is_full_half_way(library_night: LibraryNight, request: pytest.FixtureRequest) -> None:
    """The same, on the file that cannot grow."""
    house = library_night(people=60, in_flight=4)
    if house.raw.path is None:
        pytest.skip("PostgreSQL's disk is not ours to fill")
    house.fill()
    full: list[bool] = []

    def fill_up(_: str) -> None:
        if len(house.audit.recorded) == 20:
            full.append(True)

    def limit(connection: Any, *_: object) -> None:
        if full:
            connection.execute("PRAGMA max_page_count = 1")  # SQLite takes it for the pages there are

    event.listen(house.app.database.engine, "checkout", limit)
    house.audit.also = fill_up
    house.excused = True
    report = house.night()
    house.excused = False
    assert report.stopped is not None
    assert (report.exit_code, report.stopped[0]) == (4, "evidence")
    assert "full" in report.stopped[1]
    tells(report.stopped[1])
    house.look(report.run, dead=True)
    house.audit.also = None
    full.clear()
    house.reopen()
    second = house.night()
    assert (second.exit_code, second.open) == (0, 0)


def test_keys_that_are_missing_or_another_s(library_night: LibraryNight) -> None:
    """Without keys nothing opens; with other keys the night stops before it asks."""
    house = library_night(people=5)
    house.fill()
    house.reopen()
    keys = house.settings.keys.file
    mine = keys.read_text(encoding="ascii")
    keys.unlink()
    with pytest.raises(ConfigError) as missing:
        house.night()
    assert missing.value.exit_code == 2
    tells(str(missing.value))
    keys.touch(mode=0o600)
    keys.write_text(fresh_keys(), encoding="ascii")
    failed: list[RrsyncError] = []
    house.excused = True
    try:
        report = house.night()
    except RrsyncError as error:
        failed.append(error)
        tells(str(error))
    else:
        assert report.stopped is not None
        tells(report.stopped[1])
    assert not house.simulator.asked
    keys.write_text(mine, encoding="ascii")
    house.reopen()
    house.excused = False
    assert house.night().exit_code == 0


def test_a_web_page_instead_of_every_answer(library_night: LibraryNight) -> None:
    """HTML with status 200 is no answer: the breaker stops the night, and nobody is changed."""
    house = library_night(people=30, in_flight=4, faults=("html:1",))
    house.fill()
    report = house.night()
    assert report.stopped is not None
    assert (report.exit_code, report.stopped[0], report.asked) == (4, "breaker", 0)
    tells(report.stopped[1])


@pytest.mark.parametrize("kind", ["mixup", "otherref", "refused", "signature", "redirect"])
def test_the_door_says_it_in_sentences(
    library_night: LibraryNight, capfd: pytest.CaptureFixture[str], kind: str
) -> None:
    """On standard error, with nothing of anybody's in it; the exit code is the contract's."""
    house = library_night(people=30, in_flight=4, faults=(f"{kind}:1",), tolerated=("mismatch",))
    house.fill()
    assert run(["night", "--config", str(house.folder / "rrsync.toml")]) == 4
    _, err = capfd.readouterr()
    house.said.append(err)
    (line,) = [line for line in err.splitlines() if line.startswith("Stopped: ")]
    tells(line.removeprefix("Stopped: ").removeprefix("demo: "))


def test_evidence_that_cannot_be_kept_is_an_error_of_the_log(library_night: LibraryNight) -> None:
    """The gate asks nothing when its intent cannot be written."""
    house = library_night(people=5)
    house.fill()
    state = house.prepare(libraries=house.libraries, full=False)
    number = next(iter(state.members))[1]
    staff = Actor(ActorKind.PERSON, "an")
    with impatient(house), locked(house), pytest.raises(LedgerError) as failed:
        house.app.desk().refresh("demo", number, actor=staff, purpose="desk", case="1", preview=False)
    assert not house.simulator.asked
    tells(str(failed.value))
