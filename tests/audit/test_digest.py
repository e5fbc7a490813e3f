"""The day's digest: what stood out, by persons, on one day in Belgium."""

from __future__ import annotations

from datetime import date, timedelta

import pytest

from rrsync.audit.sample import Overdue
from rrsync.cli.log_review import digest_text
from rrsync.core.anomaly import Flag
from rrsync.core.belgian_time import Month
from rrsync.core.log_entry import decode
from rrsync.errors import ConfigError, LedgerError
from tests.audit.watched import DPO, Watched, there, watch
from tests.support import Store

DAY = date(2026, 7, 1)


@pytest.fixture
def watched(store: Store) -> Watched:
    """Return a library on the first of July, in the morning."""
    store.clock.now = there("2026-07-01T09:00")
    return watch(store)


def text(watched: Watched, language: str = "en", *, day: date = DAY, libraries: tuple[str, ...] = ("hasselt",)) -> str:
    """Return a day's digest, the next morning."""
    watched.store.clock.now = max(watched.store.clock.now, there("2026-07-02T06:00"))
    return digest_text(day, watched.oversight.digest(libraries, day, DPO), language)


def test_a_day_on_which_nobody_looked(watched: Watched) -> None:
    """It says so; a process is nobody."""
    watched.look(1, actor="process", flags=("refused",))
    assert text(watched) == "Access log, overview of 2026-07-01\n\nhasselt: nobody queried anything."
    assert text(watched, "nl") == (
        "Toegangslogboek, dagoverzicht van 2026-07-01\n\nhasselt: niemand heeft iets opgezocht."
    )


def test_a_day_on_which_nothing_stood_out(watched: Watched) -> None:
    """How many looked how often, and nothing more."""
    for by in ("an", "bo", "an"):
        watched.look(1, by=by)
    assert text(watched).splitlines()[2:] == ["hasselt: 3 accesses by 2 people; nothing stands out."]
    assert text(watched, "nl").splitlines()[2:] == ["hasselt: 3 raadplegingen door 2 personen; niets valt op."]


def test_what_stood_out(watched: Watched) -> None:
    """Who, how often, why, and at which entries; who most first; what was refused, here or by the register."""
    first = watched.look(1, by="an", flags=("own_record", "outside_hours"))
    second = watched.look(2, by="an", flags=("outside_hours",))
    third = watched.look(3, by="bo", flags=("no_ground", "refused"), is_denied=True)
    watched.look(4, by="an", status="refused")
    assert text(watched).splitlines()[2:] == [
        "hasselt: 4 accesses by 2 people; 3 stand out.",
        f"  an 2x: outside opening hours 2x, own record 1x (entry {first}, {second})",
        f"  bo 1x: no reason 1x, refused 1x (entry {third})",
        "  Refused attempts: an 1x, bo 1x.",
        "",
        "What stands out is a question, not a verdict. See `rrsync log show`.",
    ]
    dutch = text(watched, "nl")
    assert "  an 2x: buiten de openingsuren 2x, eigen gegevens 1x (regel" in dutch
    assert "Geweigerde pogingen: an 1x, bo 1x." in dutch


def test_what_the_register_got_wrong(watched: Watched) -> None:
    """A mix-up is told whoever asked: a night that stopped for one looks like any other the next morning."""
    first = watched.look(1, actor="process", status="mismatch")
    watched.look(2, actor="process", status="invalid_reply")
    second = watched.look(3, by="an", status="sig_bad")
    assert text(watched).splitlines()[2:] == [
        "hasselt: 1 access by 1 person; nothing stands out.",
        (
            "  The register replied about somebody else, or with an invalid signature: "
            f"entry {first}, {second}. None was used."
        ),
    ]
    assert f"foute handtekening: regel {first}, {second}. Niets is gebruikt." in text(watched, "nl")


def test_a_day_is_one_in_belgium(watched: Watched) -> None:
    """From midnight to midnight there."""
    for at in ("2026-06-30T23:59:59", "2026-07-01T00:00", "2026-07-01T23:59:59", "2026-07-02T00:00"):
        watched.store.clock.now = there(at)
        watched.look(1)
    assert "2 accesses by 1 person" in text(watched)
    watched.store.clock.now = there("2026-07-02T00:00")
    assert watched.oversight.digests.yesterday() == DAY
    watched.store.clock.now -= timedelta(seconds=1)
    assert watched.oversight.digests.yesterday() == DAY - timedelta(days=1)


def test_what_is_overdue(watched: Watched) -> None:
    """On a quiet day too."""
    for serial in (1, 2):
        watched.look(serial)
    watched.store.clock.now = there("2026-09-15T12:00")
    (digest,) = watched.oversight.digest(["hasselt"], date(2026, 9, 14), DPO)
    assert digest.overdue == (Overdue(Month(2026, 7), 2, 2),)
    assert text(watched, day=date(2026, 9, 14)).splitlines()[2:] == [
        "hasselt: nobody queried anything.",
        "  Overdue: sample of 2026-07, 2 of 2 left to decide.",
    ]
    assert "Te laat: steekproef van 2026-07, nog 2 van 2 te beslissen." in text(watched, "nl", day=date(2026, 9, 14))


def test_it_stays_short(watched: Watched) -> None:
    """On the worst of days it fits on a page: who did most is named, the rest is counted."""
    for number in range(30):
        for serial in range(12 if number == 0 else 1):
            watched.look(serial + 1, by=f"staff-{number:02d}", flags=tuple(Flag), is_denied=True)
    said = text(watched)
    assert len(said.splitlines()) < 60
    assert "staff-00 12x: a colleague 12x, " in said
    assert ", …)" in said
    assert "  and 10 others, together 10x\n" in said
    assert "staff-19 1x, …." in said
    assert "staff-20" not in said


def test_a_flag_of_a_later_version_is_shown_by_its_name(watched: Watched) -> None:
    """It is not left out."""
    watched.look(1, flags=("of_later",))
    assert "an 1x: of_later 1x" in text(watched)


def test_library_by_library(watched: Watched) -> None:
    """In the order in which they are named."""
    watched.look(1, library="genk", by="cis")
    assert text(watched, libraries=("hasselt", "genk")).splitlines()[1:] == [
        "",
        "hasselt: nobody queried anything.",
        "",
        "genk: 1 access by 1 person; nothing stands out.",
    ]


def test_who_looks_is_in_each_log_first(watched: Watched) -> None:
    """At which day, and how many were shown."""
    watched.look(1, flags=("refused",))
    text(watched, libraries=("hasselt", "genk"))
    for library, count in (("hasselt", 1), ("genk", 0)):
        line = decode(list(watched.store.ledger.entries(library))[-1][1])
        assert (line["kind"], line["actor"]) == ("log.view", {"t": "person", "id": "dpo"})
        assert line["view"] == {"what": "digest", "filter": {"day": "2026-07-01"}, "count": count}


def test_the_list_of_staff_is_looked_at_likewise(watched: Watched) -> None:
    """How many names were shown."""
    assert watched.oversight.names("hasselt", DPO) == []
    line = decode(next(iter(watched.store.ledger.entries("hasselt")))[1])
    assert line["view"] == {"what": "staff", "count": 0}


def test_a_look_that_cannot_be_logged_shows_nothing(watched: Watched) -> None:
    """It fails closed."""
    watched.look(1)
    watched.store.execute("ALTER TABLE pending RENAME TO away")
    watched.store.execute("ALTER TABLE log RENAME COLUMN edge TO gone")
    with pytest.raises(LedgerError):
        text(watched)
    with pytest.raises(LedgerError):
        watched.oversight.names("hasselt", DPO)


def test_a_day_that_is_still_to_come(watched: Watched) -> None:
    """Has no digest; today has one."""
    with pytest.raises(ConfigError, match="2026-07-02 is still to come"):
        watched.oversight.digest(["hasselt"], date(2026, 7, 2), DPO)
    assert watched.oversight.digest(["hasselt"], DAY, DPO)[0].looks == 0
