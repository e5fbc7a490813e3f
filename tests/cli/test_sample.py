"""``rrsync log sample`` and ``rrsync log digest``: what a reviewer and the data-protection officer see."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from rrsync.core.belgian_time import Month, last_month
from rrsync.core.planning import belgian_day
from tests.anchor.post import post_office
from tests.cli.conftest import Place, Said
from tests.cli.test_flags import entries, refresh

MONTH = last_month(datetime.now(UTC))
NOON = MONTH.start + timedelta(days=10, hours=12)


def _list(place: Place, *more: str, code: int = 0) -> Said:
    said = place.run("log", "sample", "list", "--library", "demo", "--actor", "dpo", *more)
    assert said.code == code
    return said


def _sign(place: Place, *more: str, by: str = "dpo", decision: str = "justified") -> Said:
    words = ("--library", "demo", "--decision", decision, "--actor", by)
    return place.run("log", "sample", "sign", *more, *words)


@pytest.fixture
def looked(place: Place) -> Place:
    """Return a library where two of the staff looked at three members last month."""
    place.register()
    for hour, (member_no, by) in enumerate((("M000001", "an"), ("M000002", "an"), ("M000001", "bo"))):
        refresh(place, member_no, by=by, at=NOON + timedelta(hours=hour))
    return place


class TestList:
    """The last month that has ended, unless another is named."""

    def test_as_a_document(self, looked: Place) -> None:
        """What was drawn, from what, and what was decided; as `log show` gives a look."""
        document = _list(looked, "--json").document
        assert (document["library"], document["month"]) == ("demo", MONTH.text)
        assert (document["accesses"], document["left"]) == (3, 3)
        assert len(bytes.fromhex(document["seed"])) == 32
        looks = looked.run("log", "show", "--library", "demo", "--json").document
        picks = document["sample"]
        assert [pick["seq"] for pick in picks] == [look["seq"] for look in looks]
        assert sorted(pick["drawn"] for pick in picks) == ["random", "random", "risk"]
        for pick, look in zip(picks, looks, strict=True):
            assert pick == look | {"drawn": pick["drawn"], "decisions": []}
        assert picks[2]["flags"] == ["no_ground"]
        assert _list(looked, "--month", MONTH.text, "--json").document == document

    def test_as_a_table(self, looked: Place) -> None:
        """In the language of the settings."""
        said = _list(looked).out
        assert f"Steekproef van {MONTH.text} voor demo: 3 van de 3 raadplegingen door personen; 3 te beslissen." in said
        assert "geen aanleiding" in said
        looked.env(LANGUAGE="en")
        said = _list(looked).out
        assert f"Sample of {MONTH.text} for demo: 3 of the 3 accesses by persons; 3 left to decide." in said
        assert "no reason" in said
        assert f"The seed is {_list(looked, '--json').document['seed']}, from the first" in said

    def test_an_empty_month(self, place: Place) -> None:
        """Nobody looked; there is nothing to decide."""
        assert "0 van de 0 raadplegingen" in _list(place).out
        assert _list(place, "--month", "2020-01", "--json").document["sample"] == []

    def test_who_looks_is_in_the_log(self, looked: Place) -> None:
        """At which month, before it is shown."""
        _list(looked)
        (view,) = (
            line
            for line in entries(looked, views=True)
            if line["kind"] == "log.view" and line["view"]["what"] == "sample"
        )
        assert view["view"] == {"what": "sample", "filter": {"month": MONTH.text}, "count": 3}
        assert view["actor"] == {"t": "person", "id": "dpo"}

    @pytest.mark.parametrize(
        ("month", "said"),
        [
            (Month.of(datetime.now(UTC) + timedelta(days=31)).text, "has not ended"),
            ("October", "--month is no month"),
            ("2026-13", "--month is no month"),
        ],
    )
    def test_a_month_that_cannot_be_shown(self, place: Place, month: str, said: str) -> None:
        """2, and nothing is in the log."""
        assert said in _list(place, "--month", month, code=2).err
        assert place.log_size() == 0

    def test_a_library_that_is_not_there(self, place: Place) -> None:
        """2."""
        assert place.run("log", "sample", "list", "--library", "nowhere").code == 2
        assert (
            place.run(
                "log", "sample", "sign", "1", "--library", "nowhere", "--decision", "unclear", "--actor", "x"
            ).code
            == 2
        )


class TestSign:
    """A reviewer who is not in it decides."""

    def test_decisions(self, looked: Place) -> None:
        """Each is kept and shown, the last one counts; how many are left is told."""
        seqs = [str(pick["seq"]) for pick in _list(looked, "--json").document["sample"]]
        said = _sign(looked, *seqs[:2])
        assert (said.code, said.out) == (
            0,
            f"Getekend: {seqs[0]}, {seqs[1]}. Nog 1 te beslissen in de steekproef van {MONTH.text}.\n",
        )
        assert _sign(looked, seqs[0], "--month", MONTH.text, by="second", decision="UNJUSTIFIED").code == 0
        document = _list(looked, "--json").document
        assert document["left"] == 1
        assert [[(each["by"], each["decision"]) for each in pick["decisions"]] for pick in document["sample"]] == [
            [("dpo", "justified"), ("second", "unjustified")],
            [("dpo", "justified")],
            [],
        ]
        text = _list(looked).out
        assert "verantwoord (dpo, " in text
        assert "niet verantwoord (second, " in text
        reviews = [line for line in entries(looked, views=True) if line["kind"] == "sample.review"]
        assert [line["review"]["of"] for line in reviews] == [int(seqs[0]), int(seqs[1]), int(seqs[0])]

    @pytest.mark.parametrize("by", ["an", "BO"])
    def test_who_is_in_it_may_not_review_it(self, looked: Place, by: str) -> None:
        """2, and nothing is signed."""
        seq = _list(looked, "--json").document["sample"][0]["seq"]
        said = _sign(looked, str(seq), by=by)
        assert said.code == 2
        assert "may not be in it" in said.err
        assert _list(looked, "--json").document["left"] == 3

    def test_what_is_not_in_it(self, looked: Place) -> None:
        """2, and where to look."""
        said = _sign(looked, "9999")
        assert said.code == 2
        assert "does not have: 9999" in said.err
        assert "rrsync log sample list" in said.err

    @pytest.mark.parametrize("word", ["", "fine"])
    def test_a_decision_is_one_of_three(self, looked: Place, word: str) -> None:
        """Whoever says another is told which."""
        said = _sign(looked, "1", decision=word)
        assert said.code == 2
        assert "justified" in said.err


class TestOverdue:
    """Thirty days after the month's end."""

    def test_it_is_shown_until_it_is_decided(self, place: Place) -> None:
        """With the sample, and in the day's digest."""
        place.register()
        old = Month.of(MONTH.start - timedelta(days=40))
        refresh(place, "M000001", by="an", at=old.start + timedelta(days=3))
        document = _list(place, "--json").document
        assert document["overdue"] == [{"month": old.text, "left": 1, "of": 1}]
        assert f"Te laat: steekproef van {old.text}, nog 1 van 1 te beslissen." in _list(place).out
        late = f"Te laat: steekproef van {old.text}, nog 1 van 1 te beslissen."
        assert late in place.run("log", "digest").out
        (pick,) = _list(place, "--month", old.text, "--json").document["sample"]
        assert _sign(place, str(pick["seq"]), "--month", old.text).code == 0
        assert _list(place, "--json").document["overdue"] == []
        assert "Te laat" not in place.run("log", "digest").out


class TestDigest:
    """A day, in few words."""

    def test_a_day_on_which_something_stood_out(self, looked: Place) -> None:
        """Who, how often and why; in the language of the settings."""
        day = belgian_day(NOON).isoformat()
        said = looked.run("log", "digest", "--day", day, "--actor", "dpo")
        assert (said.code, said.err) == (0, "")
        assert said.out.startswith(
            f"Toegangslogboek, dagoverzicht van {day}\n\ndemo: 3 raadplegingen door 2 personen; 1 valt op.\n  bo 1x: "
        )
        looked.env(LANGUAGE="en")
        assert "demo: 3 accesses by 2 people; 1 stands out." in looked.run("log", "digest", "--day", day).out

    def test_by_mail(self, looked: Place) -> None:
        """To the mailbox of the mail anchor, the same words; without one, nothing is looked at."""
        day = belgian_day(NOON).isoformat()
        assert "name no mailbox" in looked.run("log", "digest", "--mail").err
        with post_office() as postman:
            mail = f'kind = "mail"\nhost = "127.0.0.1"\nport = {postman.port}\ntls = "none"\n'
            mail += 'sender = "rrsync@b.example"\nto = "dpo@b.example"\n'
            looked.settings("[[library]]", f"[[log.anchor]]\n{mail}\n[[library]]")
            said = looked.run("log", "digest", "--day", day, "--mail")
            assert (said.code, said.out) == (0, "")
            assert said.err == "Mailed to dpo@b.example.\n"
            (digest, *_) = postman.mails
            text = str(digest.get_content()).replace("\r\n", "\n")
            assert text == looked.run("log", "digest", "--day", day).out

    def test_yesterday(self, place: Place) -> None:
        """Unless a day is named."""
        day = belgian_day(datetime.now(UTC)) - timedelta(days=1)
        said = place.run("log", "digest", "--library", "demo").out
        assert said == f"Toegangslogboek, dagoverzicht van {day}\n\ndemo: niemand heeft iets opgezocht.\n"

    def test_who_looks_is_in_the_log(self, looked: Place) -> None:
        """At which day."""
        day = belgian_day(NOON).isoformat()
        looked.run("log", "digest", "--day", day, "--actor", "dpo")
        (view,) = (
            line
            for line in entries(looked, views=True)
            if line["kind"] == "log.view" and line["view"]["what"] == "digest"
        )
        assert view["view"] == {"what": "digest", "filter": {"day": day}, "count": 1}

    @pytest.mark.parametrize(("day", "said"), [("yesterday", "--day is no day"), ("2199-01-01", "is still to come")])
    def test_a_day_that_cannot_be_shown(self, place: Place, day: str, said: str) -> None:
        """2."""
        done = place.run("log", "digest", "--day", day)
        assert done.code == 2
        assert said in done.err
