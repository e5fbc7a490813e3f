"""``rrsync log sample`` and ``rrsync log digest``: the review of accesses by a second person."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any, Final

import pytest

from rrsync.core.belgian_time import Month, last_month
from rrsync.core.planning import belgian_day
from rrsync.text.catalogue import translations
from rrsync.text.log_terms import FINDINGS, FLAGS
from tests.anchor.post import post_office
from tests.cli.conftest import Place, Said

MONTH: Final = last_month(datetime.now(UTC))
NOON: Final = MONTH.start + timedelta(days=10, hours=12)
DAY: Final = belgian_day(NOON).isoformat()
DIGEST: Final = ("log", "digest", "--day", DAY)
OVERDUE: Final = "Overdue: sample of %(month)s, %(left)s of %(of)s left to decide."


def sample(place: Place, *more: str) -> Any:
    """Return the sample as a document."""
    return place.run("log", "sample", "list", "--library", "demo", "--actor", "dpo", "--json", *more).document


def sign(place: Place, *more: object, by: str = "dpo", decision: str = "justified") -> Said:
    """Record a decision."""
    words = ("--library", "demo", "--decision", decision, "--actor", by)
    return place.run("log", "sample", "sign", *map(str, more), *words)


def views(place: Place, what: str) -> list[dict[str, Any]]:
    """Return the records of reading the sample or the digest."""
    return [line for line in place.log() if line["kind"] == "log.view" and line["view"]["what"] == what]


@pytest.fixture
def looked(place: Place) -> Place:
    """Return a library where two members of staff made three accesses to two members last month."""
    place.register()
    for hour, (member_no, by) in enumerate((("M000001", "an"), ("M000002", "an"), ("M000001", "bo"))):
        place.refresh_at(NOON + timedelta(hours=hour), member_no, by=by)
    return place


class TestList:
    """The last complete month, or another one."""

    def test_as_a_document(self, looked: Place) -> None:
        """The seed, the accesses as in ``log show``, and the decisions; the reader is in the log."""
        document = sample(looked)
        assert (document["library"], document["month"]) == ("demo", MONTH.text)
        assert (document["accesses"], document["left"]) == (3, 3)
        assert len(bytes.fromhex(document["seed"])) == 32
        accesses = looked.run("log", "show", "--library", "demo", "--json").document
        picks = document["sample"]
        assert sorted(pick["drawn"] for pick in picks) == ["random", "random", "risk"]
        for pick, access in zip(picks, accesses, strict=True):
            assert pick == access | {"drawn": pick["drawn"], "decisions": []}
        assert picks[2]["flags"] == ["no_ground"]
        (view,) = views(looked, "sample")
        assert view["view"] == {"what": "sample", "filter": {"month": MONTH.text}, "count": 3}
        assert view["actor"] == {"t": "person", "id": "dpo"}
        assert sample(looked, "--month", MONTH.text) == document

    @pytest.mark.parametrize("language", ["nl", "en"])
    def test_as_a_table(self, looked: Place, language: str) -> None:
        """In the language of the settings."""
        seed = sample(looked)["seed"]
        out = looked.env(LANGUAGE=language).run("log", "sample", "list", "--library", "demo").out
        for word in (MONTH.text, seed, translations(language).gettext(FLAGS["no_ground"])):
            assert word in out

    def test_an_empty_month(self, place: Place) -> None:
        """Nothing to decide."""
        assert place.run("log", "sample", "list", "--library", "demo").code == 0
        assert sample(place, "--month", "2020-01")["sample"] == []

    def test_unusable_months_and_libraries(self, place: Place) -> None:
        """2, and no entry."""
        running = Month.of(datetime.now(UTC) + timedelta(days=31)).text
        for more in (("--month", running), ("--month", "October"), ("--month", "2026-13"), ("--library", "nowhere")):
            assert place.run("log", "sample", "list", "--library", "demo", *more).code == 2
        assert sign(place, 1, "--library", "nowhere").code == 2
        assert place.log_size() == 0


class TestSign:
    """Decisions of a reviewer."""

    def test_decisions(self, looked: Place) -> None:
        """Each is stored and shown; the last one counts."""
        first, second, _ = (pick["seq"] for pick in sample(looked)["sample"])
        said = sign(looked, first, second)
        assert said.code == 0
        assert f"{first}, {second}" in said.out
        assert sign(looked, first, "--month", MONTH.text, by="second", decision="UNJUSTIFIED").code == 0
        document = sample(looked)
        assert document["left"] == 1
        assert [[(each["by"], each["decision"]) for each in pick["decisions"]] for pick in document["sample"]] == [
            [("dpo", "justified"), ("second", "unjustified")],
            [("dpo", "justified")],
            [],
        ]
        out = looked.run("log", "sample", "list", "--library", "demo").out
        assert f"{translations('nl').gettext(FINDINGS['unjustified'])} (second, " in out
        reviews = [line for line in looked.log() if line["kind"] == "sample.review"]
        assert [line["review"]["of"] for line in reviews] == [first, second, first]

    def test_unusable_decisions(self, looked: Place) -> None:
        """2: a reviewer who is in the sample, an entry that is not, or another decision."""
        seq = sample(looked)["sample"][0]["seq"]
        for by in ("an", "BO"):
            assert sign(looked, seq, by=by).code == 2
        assert "9999" in sign(looked, "9999").err
        for word in ("", "fine"):
            assert "justified" in sign(looked, seq, decision=word).err
        assert sample(looked)["left"] == 3


def test_an_overdue_sample(place: Place) -> None:
    """From thirty days after the month on until the decision, in the list of the sample and in the digest."""
    place.register()
    old = Month.of(MONTH.start - timedelta(days=40))
    place.refresh_at(old.start + timedelta(days=3), "M000001", by="an")
    assert sample(place)["overdue"] == [{"month": old.text, "left": 1, "of": 1}]
    late = translations("nl").gettext(OVERDUE) % {"month": old.text, "left": 1, "of": 1}
    commands = ("log", "sample", "list", "--library", "demo"), ("log", "digest")
    assert all(late in place.run(*command).out for command in commands)
    (pick,) = sample(place, "--month", old.text)["sample"]
    assert sign(place, pick["seq"], "--month", old.text).code == 0
    assert sample(place)["overdue"] == []
    assert not any(late in place.run(*command).out for command in commands)


class TestDigest:
    """The summary of a day."""

    def test_a_notable_day(self, looked: Place) -> None:
        """The people, the numbers and the flags, in the language of the settings; the reader is in the log."""
        said = looked.run(*DIGEST, "--actor", "dpo")
        assert (said.code, said.err) == (0, "")
        for word in (DAY, "demo: 3 ", "bo 1x: " + translations("nl").gettext(FLAGS["no_ground"])):
            assert word in said.out
        (view,) = views(looked, "digest")
        assert view["view"] == {"what": "digest", "filter": {"day": DAY}, "count": 1}
        assert "demo: 3 accesses by 2 people; 1 stands out." in looked.env(LANGUAGE="en").run(*DIGEST).out

    def test_by_mail(self, looked: Place) -> None:
        """The same text, to the mailbox of the mail anchor; without a mailbox nothing is read."""
        assert looked.run("log", "digest", "--mail").code == 2
        assert views(looked, "digest") == []
        with post_office() as postman:
            mail = f'kind = "mail"\nhost = "127.0.0.1"\nport = {postman.port}\ntls = "none"\n'
            mail += 'sender = "rrsync@b.example"\nto = "dpo@b.example"\n'
            looked.settings("\n[[library]]", f"\n[[log.anchor]]\n{mail}\n[[library]]")
            said = looked.run(*DIGEST, "--mail")
            assert (said.code, said.out) == (0, "")
            assert "dpo@b.example" in said.err
            (digest, *_) = postman.mails
            assert str(digest.get_content()).replace("\r\n", "\n") == looked.run(*DIGEST).out

    def test_yesterday(self, place: Place) -> None:
        """The default day."""
        day = belgian_day(datetime.now(UTC)) - timedelta(days=1)
        assert day.isoformat() in place.run("log", "digest", "--library", "demo").out
        for unusable in ("yesterday", "2199-01-01"):
            assert place.run("log", "digest", "--day", unusable).code == 2
