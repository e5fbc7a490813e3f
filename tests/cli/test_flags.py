"""Accesses that stand out, from the door on: marked in the log before the register is asked."""

from __future__ import annotations

import io
import sqlite3
from contextlib import closing
from dataclasses import replace
from datetime import date, datetime, timedelta
from typing import Any

import pytest

from rrsync.app.runtime import system_runtime
from rrsync.app.services import open_services
from rrsync.config.load import load
from rrsync.core.belgian_time import midnight
from rrsync.core.log_entry import Actor, ActorKind
from tests.cli.conftest import WORLD, Place


def number(of: int) -> str:
    """Return the national number of a member; ``M000001`` has the first."""
    return WORLD.citizen(of - 1).insz.digits


def entries(place: Place, *, views: bool = False) -> list[dict[str, Any]]:
    """Return all entries of the log; those of looks at the log itself only if they are asked for."""
    document = place.run("log", "show", "--library", "demo", "--last", "500", "--raw", "--json").document
    return [line for line in document if views or line["kind"] != "log.view"]


def flags(place: Place) -> list[list[str]]:
    """Return the flags of every look and denial, in the order of the log."""
    looks = {"access.intent", "access.denied"}
    return [line.get("flags", []) for line in entries(place) if line["kind"] in looks]


def add(place: Place, name: str, of: int) -> None:
    """Put a member on the list of staff."""
    place.monkeypatch.setattr("sys.stdin", io.StringIO(f"{number(of)}\n"))
    assert place.run("log", "staff", "add", "--library", "demo", "--name", name, "--actor", "dpo").code == 0


def refresh(place: Place, member_no: str, *, by: str = "an.peeters", at: datetime | None = None) -> None:
    """Refresh a member, at a time of the test's."""
    runtime = system_runtime()
    with open_services(
        load(place.folder / "rrsync.toml"), runtime if at is None else replace(runtime, clock=lambda: at)
    ) as app:
        actor = Actor(ActorKind.PERSON, by)
        app.desk().refresh("demo", member_no, actor=actor, purpose="desk", case="brief-118", preview=False)


class TestDesk:
    """What staff do at the desk, against a register that answers."""

    def test_an_ordinary_look(self, place: Place) -> None:
        """Has no flags, and neither has its outcome."""
        place.register()
        assert place.refresh("M000001").code == 0
        assert flags(place) == [[]]
        assert all("flags" not in line for line in entries(place))

    def test_oneself_and_a_colleague(self, place: Place) -> None:
        """By the list of staff; whoever is not on it is a member like any other."""
        place.register()
        add(place, "an.peeters", 1)
        for member_no in ("M000001", "M000002"):
            assert place.refresh(member_no).code == 0
        refresh(place, "M000001", by="bo")
        assert flags(place) == [["own_record"], [], ["colleague", "no_ground"]]

    def test_outside_opening_hours(self, place: Place) -> None:
        """By the clock on the wall in Belgium."""
        place.register()
        place.settings('capacity = "1300"', 'opening_hours = "mo-su 09:00-17:00"\ncapacity = "1300"')
        day = midnight(date(2026, 7, 1))
        for hour, member_no in ((8, "M000001"), (9, "M000002"), (16, "M000003"), (17, "M000004")):
            refresh(place, member_no, at=day + timedelta(hours=hour))
        assert flags(place) == [["outside_hours"], [], [], ["outside_hours"]]

    def test_the_same_member_twice(self, place: Place) -> None:
        """There was nothing left to ask; a preview leaves it open."""
        place.register()
        assert place.refresh("M000001", "--preview").code == 0
        assert place.refresh("M000001").code == 0
        assert place.refresh("M000001").code == 0
        assert flags(place) == [[], [], ["no_ground"]]

    def test_a_member_on_hold_is_ground_to_look(self, settled: Place) -> None:
        """After a night all others were just confirmed."""
        settled.register()
        for member_no in ("M000001", "M000007"):
            assert settled.refresh(member_no).code == 0
        assert flags(settled)[-2:] == [["no_ground"], []]

    def test_an_odd_case(self, place: Place) -> None:
        """When the settings say how a library writes them."""
        place.register()
        place.settings('capacity = "1300"', 'case_pattern = "dossier-[0-9]+"\ncapacity = "1300"')
        assert place.refresh("M000001").code == 0
        assert flags(place) == [["odd_case"]]

    def test_refused_attempts(self, place: Place) -> None:
        """Each one; and the third in a day as one of many."""
        register = place.register()
        for member_no in ("M000001", "M000002", "M000003"):
            assert place.refresh(member_no, purpose="curiosity").code == 4
        assert flags(place) == [["refused"], ["refused"], ["many_refused", "refused"]]
        assert not register.counts

    def test_many_looks_and_many_staff(self, place: Place) -> None:
        """From the numbers on that the settings say."""
        place.register()
        place.env(LOG__FLAGS__PER_HOUR="3", LOG__FLAGS__STAFF="2")
        for member_no in ("M000001", "M000002", "M000003"):
            assert place.refresh(member_no).code == 0
        refresh(place, "M000003", by="bo")
        assert flags(place) == [[], [], ["many_lookups"], ["many_staff", "no_ground"]]

    def test_every_try_is_marked(self, place: Place) -> None:
        """A second try is logged as the first was, and is no second look."""
        place.register("throttle:1")
        place.env(LOG__FLAGS__PER_HOUR="2")
        place.settings('capacity = "1300"', 'opening_hours = "mo-su closed"\ncapacity = "1300"')
        assert place.refresh("M000001").code == 3
        tries = flags(place)
        assert len(tries) > 1
        assert tries == [["outside_hours"]] * len(tries)


class TestNight:
    """What a process does is not looked at."""

    def test_a_night_has_no_flags(self, place: Place) -> None:
        """Whatever the hour and the list of staff; and it is not held up."""
        place.register()
        add(place, "an.peeters", 1)
        place.settings('capacity = "1300"', 'opening_hours = "mo-su closed"\ncapacity = "1300"')
        assert place.run("night").code == 0
        assert len(flags(place)) == 40
        assert not [said for said in flags(place) if said]


class TestFailing:
    """It fails closed."""

    def test_what_cannot_be_judged_is_not_asked(self, place: Place) -> None:
        """4; nothing is sent, and no look is in the log."""
        register = place.register()
        with closing(sqlite3.connect(place.folder / "rrsync.db")) as connection:
            connection.execute("DROP TABLE staff")
        said = place.refresh("M000001")
        assert said.code == 4
        assert "cannot be checked for anomalies" in said.err
        assert "Nothing was asked" in said.err
        assert not register.counts
        assert flags(place) == []

    @pytest.mark.parametrize(
        ("setting", "said"),
        [
            ('opening_hours = "van negen tot vijf"', "the opening hours 'van negen tot vijf' cannot be read"),
            ('opening_hours = "ma-vr 09:00-17:00"', "days are mo, tu, we, th, fr, sa, su"),
            ('case_pattern = "brief-("', "it is no regular expression"),
        ],
    )
    def test_settings_that_cannot_be_used(self, place: Place, setting: str, said: str) -> None:
        """2, and what is wrong, before anything else happens."""
        place.settings('capacity = "1300"', f'{setting}\ncapacity = "1300"')
        done = place.run("log", "verify")
        assert done.code == 2
        assert said in done.err
