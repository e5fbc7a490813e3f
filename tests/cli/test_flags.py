"""Flags: notable accesses are marked in the log before the register is asked."""

from __future__ import annotations

from datetime import date, timedelta

import pytest

from rrsync.core.belgian_time import midnight
from tests.cli.conftest import ABROAD, SETTLED, Place, digits


def flags(place: Place) -> list[list[str]]:
    """Return the flags of all accesses and denials, in the order of the log."""
    return [line.get("flags", []) for line in place.log() if line["kind"] in {"access.intent", "access.denied"}]


def add_setting(place: Place, setting: str) -> None:
    """Add a setting to the library."""
    place.settings('capacity = "1300"', f'{setting}\ncapacity = "1300"')


class TestDesk:
    """Accesses by staff."""

    def test_an_ordinary_access(self, place: Place) -> None:
        """Neither the intent nor the outcome has flags."""
        place.register()
        assert place.refresh(SETTLED).code == 0
        assert flags(place) == [[]]
        assert all("flags" not in line for line in place.log())

    def test_own_record_and_colleague(self, place: Place) -> None:
        """According to the list of staff."""
        place.register()
        assert place.add_staff("an.peeters", digits(SETTLED)).code == 0
        for member_no in (SETTLED, "M000002"):
            assert place.refresh(member_no).code == 0
        place.refresh_at(None, SETTLED, by="bo")
        assert flags(place) == [["own_record"], [], ["colleague", "no_ground"]]

    def test_outside_opening_hours(self, place: Place) -> None:
        """In Belgian time."""
        place.register()
        add_setting(place, 'opening_hours = "mo-su 09:00-17:00"')
        day = midnight(date(2026, 7, 1))
        for hour, member_no in ((8, SETTLED), (9, "M000002"), (16, "M000003"), (17, "M000004")):
            place.refresh_at(day + timedelta(hours=hour), member_no)
        assert flags(place) == [["outside_hours"], [], [], ["outside_hours"]]

    def test_the_same_member_twice(self, place: Place) -> None:
        """The second access has no ground; after a preview it has."""
        place.register()
        assert place.refresh(SETTLED, "--preview").code == 0
        assert place.refresh(SETTLED).code == 0
        assert place.refresh(SETTLED).code == 0
        assert flags(place) == [[], [], ["no_ground"]]

    def test_a_hold_is_a_ground(self, settled: Place) -> None:
        """The night confirmed all other members."""
        settled.register()
        for member_no in (SETTLED, ABROAD):
            assert settled.refresh(member_no).code == 0
        assert flags(settled)[-2:] == [["no_ground"], []]

    def test_an_odd_case(self, place: Place) -> None:
        """When the settings have a pattern."""
        place.register()
        add_setting(place, 'case_pattern = "dossier-[0-9]+"')
        assert place.refresh(SETTLED).code == 0
        assert flags(place) == [["odd_case"]]

    def test_refused_attempts(self, place: Place) -> None:
        """Each one; the third in a day as one of many."""
        register = place.register()
        for member_no in (SETTLED, "M000002", "M000003"):
            assert place.refresh(member_no, purpose="curiosity").code == 4
        assert flags(place) == [["refused"], ["refused"], ["many_refused", "refused"]]
        assert not register.counts

    def test_many_accesses_and_many_staff(self, place: Place) -> None:
        """From the thresholds of the settings on."""
        place.env(LOG__FLAGS__PER_HOUR="3", LOG__FLAGS__STAFF="2").register()
        for member_no in (SETTLED, "M000002", "M000003"):
            assert place.refresh(member_no).code == 0
        place.refresh_at(None, "M000003", by="bo")
        assert flags(place) == [[], [], ["many_lookups"], ["many_staff", "no_ground"]]

    def test_every_try_is_flagged(self, place: Place) -> None:
        """A retry is logged like the first try, and does not count as a second access."""
        place.env(LOG__FLAGS__PER_HOUR="2").register("throttle:1")
        add_setting(place, 'opening_hours = "mo-su closed"')
        assert place.refresh(SETTLED).code == 3
        tries = flags(place)
        assert len(tries) > 1
        assert tries == [["outside_hours"]] * len(tries)


def test_a_night_is_never_flagged(place: Place) -> None:
    """Whatever the hour and the list of staff."""
    place.register()
    assert place.add_staff("an.peeters", digits(SETTLED)).code == 0
    add_setting(place, 'opening_hours = "mo-su closed"')
    assert place.run("night").code == 0
    assert flags(place) == [[]] * 40


def test_nothing_is_asked_when_flags_cannot_be_computed(place: Place) -> None:
    """4; nothing is sent or logged."""
    register = place.register()
    place.sql("DROP TABLE staff")
    assert place.refresh(SETTLED).code == 4
    assert not register.counts
    assert flags(place) == []


@pytest.mark.parametrize(
    ("setting", "sign"),
    [
        ('opening_hours = "van negen tot vijf"', "van negen tot vijf"),
        ('opening_hours = "ma-vr 09:00-17:00"', "mo, tu, we, th, fr, sa, su"),
        ('case_pattern = "brief-("', "case_pattern"),
    ],
)
def test_unusable_settings(place: Place, setting: str, sign: str) -> None:
    """2, before anything else happens."""
    add_setting(place, setting)
    said = place.run("log", "verify")
    assert said.code == 2
    assert sign in said.err
