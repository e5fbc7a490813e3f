"""Breaking the glass: off unless it is set; then with a second person, once, and told to the officer."""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final, TypeAlias

import orjson
import pytest
from sqlalchemy import text
from structlog.testing import capture_logs

from rrsync.config.load import load
from rrsync.core.break_glass import BreakGlassStage
from rrsync.core.log_entry import JSON, Actor, ActorKind
from rrsync.errors import StoreError
from rrsync.simulator.citizens import Situation
from rrsync.simulator.faults import Fault
from tests.support import Clock
from tests.web.provider import SECRET, Op, person, running
from tests.web.scene import Browser, Scene, opened
from tests.web.town import MORNING, Town, town

Kept: TypeAlias = tuple[Town, Op, Path]

CASE: Final = "inschrijving-2026/7"
WISH: Final = "/desk/outside/1"


@dataclass
class Street:
    """A town whose library in Hasselt has one inhabitant who is no member any more, under this number."""

    town: Town
    scene: Scene
    number: str

    @property
    def digits(self) -> str:
        """The national number of who is no member."""
        return self.town.world.citizen(int(self.number[1:]) - 1).insz.digits

    def form(self, **said: str) -> dict[str, str]:
        """Give the form of a wish."""
        return {"insz": self.digits, "purpose": "desk", "case": CASE} | said

    def wish(self) -> tuple[Browser, Browser]:
        """Have An wish to ask about that one; give An's browser and Jan's."""
        an, jan = self.scene.inside("an.peeters"), self.scene.inside("jan.baert")
        an.get("/desk/outside")
        assert an.post("/desk/outside", self.form()).headers["location"] == WISH
        return an, jan

    def logged(self, *kinds: str) -> list[dict[str, JSON]]:
        """Give what the log of Hasselt says of these kinds since the morning."""
        lines = (orjson.loads(data) for _, data in self.scene.app.access_log.entries("hasselt"))
        return [line for line in lines if line["kind"] in kinds and line["ts"] >= MORNING.isoformat()[:19]]


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kept]:
    """Give the town that every street is a copy of, who its people log in with, and its folder."""
    folder, clock = tmp_path_factory.mktemp("town"), Clock(MORNING)
    with running(clock) as op, town(folder, clock=clock, issuer=op.url, people=12) as made:
        op.people["jan.baert"] = person("jan.baert", "RRSync-Balie:OVO000001")
        op.people["genk.desk"] = person("genk.desk", "RRSync-Balie:OVO000002")
        with sqlite3.connect(folder / "rrsync.db") as database:
            gone = made.who(Situation.SETTLED)[0]
            database.execute("DELETE FROM member WHERE library = 'hasselt' AND number = ?", (gone,))
        database.close()
        yield made, op, folder


@contextmanager
def standing(kept: Kept, folder: Path, per_month: int, monkeypatch: pytest.MonkeyPatch) -> Iterator[Street]:
    monkeypatch.setenv("RRSYNC_OIDC_SECRET", SECRET)
    monkeypatch.setenv("RRSYNC_WEB__OUTSIDE_PER_MONTH", str(per_month))
    made, op, town_of_all = kept
    made.clock.now, made.register.faults = MORNING, []
    there = shutil.copytree(town_of_all, folder / "town")
    with opened(load(there / "rrsync.toml"), made.clock, op) as scene:
        yield Street(made, scene, made.who(Situation.SETTLED)[0])


@pytest.fixture
def street(kept: Kept, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Street]:
    with standing(kept, tmp_path, 2, monkeypatch) as made:
        yield made


def test_it_is_off_unless_it_is_set(kept: Kept, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Then there is no such page, and the menu does not name it."""
    with standing(kept, tmp_path, 0, monkeypatch) as street:
        an = street.scene.inside("an.peeters")
        assert "/desk/outside" not in an.get("/desk").text
        assert an.get("/desk/outside").status_code == 404
        assert an.post("/desk/outside", street.form()).status_code == 404
        assert street.logged("outside.decision") == []


def test_with_a_colleague_s_word_one_asks_once(street: Street) -> None:
    """The officer is told, the answer is shown once, and the log says who wanted, who approved and who asked."""
    an, jan = street.wish()
    asked = len(street.town.register.asked)
    assert street.digits not in jan.get(WISH).text
    with capture_logs() as told:
        assert jan.post(WISH, {"deed": "approve"}).status_code == 303
    assert [line["reason"] for line in told if line["event"] == "alarm"] == ["outside"]
    assert len(street.town.register.asked) == asked
    an.get(WISH)
    answer = an.post(WISH, {"deed": "ask"})
    citizen = street.town.world.citizen(int(street.number[1:]) - 1)
    assert answer.status_code == 200
    assert citizen.residence.street in answer.text
    assert street.digits not in answer.text
    assert len(street.town.register.asked) == asked + 1
    assert citizen.residence.street not in an.get(WISH).text
    assert an.post(WISH, {"deed": "ask"}).status_code == 503
    assert len(street.town.register.asked) == asked + 1
    said = street.logged("outside.decision")
    assert [(line["actor"]["id"], line["decision"]) for line in said] == [  # type: ignore[call-overload, index]
        ("an.peeters", "wanted"),
        ("jan.baert", "approved"),
    ]
    (intent,) = street.logged("access.intent")
    assert intent["flags"] == ["no_ground"]
    assert {line["subj"]["ref"] for line in [*said, intent]} == {intent["subj"]["ref"]}  # type: ignore[call-overload, index]


def test_nobody_approves_their_own(street: Street) -> None:
    """Not by another way of sending it either."""
    an, _ = street.wish()
    an.get(WISH)
    assert an.post(WISH, {"deed": "approve"}).status_code == 503
    assert an.post(WISH, {"deed": "ask"}).status_code == 503
    assert street.logged("access.intent") == []


def test_a_colleague_does_not_ask_in_ones_place(street: Street) -> None:
    """Who approved knows of it; the question is the other's."""
    _, jan = street.wish()
    jan.get(WISH)
    jan.post(WISH, {"deed": "approve"})
    assert jan.post(WISH, {"deed": "ask"}).status_code == 503
    assert street.logged("access.intent") == []


@pytest.mark.parametrize("minutes", [10, 11])
def test_what_lapsed_is_not_approved(street: Street, minutes: int) -> None:
    """Ten minutes, and it must be wished anew."""
    _, jan = street.wish()
    jan.get(WISH)
    street.town.clock.pass_by(minutes=minutes)
    jan.get(WISH)
    said = jan.post(WISH, {"deed": "approve"})
    assert said.status_code in {403, 503}  # who they are was proved too long ago, or it lapsed
    assert [line["decision"] for line in street.logged("outside.decision")] == ["wanted"]


def test_a_clock_that_was_set_back_gives_no_more_time(street: Street) -> None:
    """What was approved in a time to come has lapsed, and its number goes."""
    street.wish()
    room, clock = street.scene.app.outside_queries, street.town.clock
    wish = room.glasses.find("hasselt", 1)
    assert wish is not None
    room.decide(wish, Actor(ActorKind.PERSON, "jan.baert"), is_approved=True)
    clock.pass_by(seconds=-60)
    assert [each.stage(clock()) for each in room.glasses.recent("hasselt")] == [BreakGlassStage.READY]
    clock.pass_by(seconds=-1)
    assert [each.stage(clock()) for each in room.glasses.recent("hasselt")] == [BreakGlassStage.LAPSED]
    room.glasses.sweep()
    assert [each.insz for each in room.glasses.recent("hasselt")] == [None]


def test_a_refused_wish_is_not_asked(street: Street) -> None:
    """And the log says who refused."""
    an, jan = street.wish()
    jan.get(WISH)
    jan.post(WISH, {"deed": "refuse"})
    an.get(WISH)
    assert an.post(WISH, {"deed": "ask"}).status_code == 503
    assert [line["decision"] for line in street.logged("outside.decision")] == ["wanted", "refused"]
    assert street.logged("access.intent") == []


def test_a_library_has_so_many_a_month(street: Street) -> None:
    """Two here; the third is told so, and next month there are two again."""
    an = street.scene.inside("an.peeters")
    an.get("/desk/outside")
    assert [an.post("/desk/outside", street.form()).status_code for _ in range(3)] == [303, 303, 400]
    street.town.clock.pass_by(days=31)
    an = street.scene.inside("an.peeters")
    an.get("/desk/outside")
    assert an.post("/desk/outside", street.form()).status_code == 303


def test_a_wish_is_the_library_s_own(street: Street) -> None:
    """At another library it is as unknown as one there is not."""
    street.wish()
    elsewhere = street.scene.inside("genk.desk")
    found, missing = elsewhere.get(WISH), elsewhere.get("/desk/outside/99")
    assert found.status_code == missing.status_code == 404


def test_a_member_is_asked_about_as_a_member(street: Street) -> None:
    """Whoever stands in the file needs no glass broken."""
    an = street.scene.inside("an.peeters")
    an.get("/desk/outside")
    number = street.town.who(Situation.SETTLED)[1]
    member = street.town.world.citizen(int(number[1:]) - 1)
    said = an.post("/desk/outside", street.form(insz=member.insz.digits))
    assert said.status_code == 400
    assert number in said.text
    assert street.logged("outside.decision") == []


@pytest.mark.parametrize("number", ["2147483648", "9223372036854775808", "9" * 5_000, "-1", "1_0", "x"])
def test_what_is_no_wish_is_not_there(street: Street, number: str) -> None:
    """However long a number the address names."""
    an = street.scene.inside("an.peeters")
    an.get("/desk/outside")
    assert an.get(f"/desk/outside/{number}").status_code == 404
    assert an.post(f"/desk/outside/{number}", {"deed": "ask"}).status_code == 404


def test_the_number_is_forgotten_once_the_wish_is_over(street: Street) -> None:
    """Who wanted, why and what became of it stays; the person's number does not."""
    an, _ = street.wish()
    room, database = street.scene.app.outside_queries, street.scene.app.database
    street.town.clock.pass_by(minutes=19, seconds=59)
    room.glasses.sweep()
    with database.read() as session:
        assert all(session.scalars(text("SELECT insz FROM glass")))
    street.town.clock.pass_by(seconds=1)
    an = street.scene.inside("an.peeters")
    an.get("/desk/outside")
    assert an.post("/desk/outside", street.form()).status_code == 303
    with database.read() as session:
        kept = session.scalars(text("SELECT insz FROM glass ORDER BY id")).all()
    assert [bool(each) for each in kept] == [False, True]
    assert an.get(WISH).status_code == 200
    assert an.post(WISH, {"deed": "ask"}).status_code == 503


@pytest.mark.parametrize(("field", "value"), [("insz", "12345678901"), ("purpose", "gossip"), ("case", "x y")])
def test_a_form_that_cannot_be_used_says_what_is_wrong(street: Street, field: str, value: str) -> None:
    """What was typed of the number does not come back."""
    an = street.scene.inside("an.peeters")
    an.get("/desk/outside")
    said = an.post("/desk/outside", street.form(**{field: value}))
    assert said.status_code == 422
    assert f'id="{field}-wrong"' in said.text
    assert street.form(**{field: value})["insz"] not in said.text


def test_a_number_is_no_case(street: Street) -> None:
    """It would stand in the log in clear."""
    an = street.scene.inside("an.peeters")
    an.get("/desk/outside")
    said = an.post("/desk/outside", street.form(case=street.digits))
    assert said.status_code == 422
    assert street.digits not in said.text


def test_two_words_at_once_are_one(street: Street) -> None:
    """The second finds it decided."""
    street.wish()
    room = street.scene.app.outside_queries
    wish = room.glasses.find("hasselt", 1)
    assert wish is not None
    jan = Actor(ActorKind.PERSON, "jan.baert")
    room.decide(wish, jan, is_approved=True)
    with pytest.raises(StoreError, match="decided or used"):
        room.decide(wish, jan, is_approved=False)


def test_what_the_register_could_not_answer_may_be_asked_again(street: Street) -> None:
    """While the wish lasts; each try is a question of its own in the log."""
    an, jan = street.wish()
    jan.get(WISH)
    jan.post(WISH, {"deed": "approve"})
    an.get(WISH)
    street.town.register.faults = [Fault.parse("redirect:1")]
    assert an.post(WISH, {"deed": "ask"}).status_code in {502, 503}
    street.town.register.faults = []
    assert an.post(WISH, {"deed": "ask"}).status_code == 200
    references = [line["ref"] for line in street.logged("access.intent")]
    assert len(references) == len(set(references)) >= 2
