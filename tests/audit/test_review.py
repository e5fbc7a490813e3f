"""Looking at the access log: every look is an entry before anything is shown, and about whom it was."""

from __future__ import annotations

from hashlib import sha256
from typing import Any

import pytest

from rrsync.audit.review import Review
from rrsync.core.log_entry import Actor, ActorKind, Draft, Evidence, Kind, decode
from rrsync.errors import BrokenChain, ConfigError, StoreError
from rrsync.store.log_search import AccessFilter, LogSearch
from tests.support import NOW, Store, insz

DPO = Actor(ActorKind.PERSON, "dpo")
SENT, GOT = b"<Verzoek/>", b"<Repliek/>"


@pytest.fixture
def review(store: Store) -> Review:
    """Return who shows the log: it has a look at person 1 that failed, one at person 2, and the opening of a run."""
    body: dict[str, Any] = {"actor": {"t": "person", "id": "an"}, "req": sha256(SENT).hexdigest()}
    ended: dict[str, Any] = {"out": {"status": "transient", "rsp": sha256(GOT).hexdigest()}}
    store.ledger.append(
        [
            Draft("hasselt", Kind.INTENT, "a", insz(1), body=body),
            Draft("hasselt", Kind.OUTCOME, "a", insz(1), body=ended, evidence=Evidence(SENT, GOT)),
            Draft("hasselt", Kind.INTENT, "b", insz(2), body=body),
            Draft("hasselt", Kind.OUTCOME, "b", insz(2), body={"out": {"status": "ok"}}),
            Draft("hasselt", Kind.RUN_OPEN, ""),
        ]
    )
    return Review(store.ledger, LogSearch(store.database))


def last(store: Store, library: str = "hasselt") -> dict[str, Any]:
    """Return the newest entry, but for its seal."""
    *_, (_, data) = store.ledger.entries(library)
    return {name: value for name, value in decode(data).items() if name in {"actor", "kind", "view", "why", "seq"}}


def unguard(store: Store, statement: str, **values: object) -> None:
    """Run SQL as the owner of the database, past the guards of the log."""
    trigger = "entry_no_update" if store.database.is_sqlite else "entry_append_only ON entry"
    store.execute(f"DROP TRIGGER IF EXISTS {trigger}")
    assert store.execute(statement, **values)


def cut_off(store: Store) -> None:
    """Let the log take no entry any more."""
    store.execute("ALTER TABLE log RENAME TO elsewhere")


class TestLook:
    """Accesses, and the raw entries."""

    def test_what_was_asked_for_is_in_the_log(self, store: Store, review: Review) -> None:
        """Who looked, by which words and how much came out; never a person."""
        wanted = AccessFilter("hasselt", actor="an", purpose="", status="ok", since=NOW, last=5)
        assert [look.seq for look in review.look(wanted, DPO)] == [2]
        assert last(store) == {
            "seq": 5,
            "kind": "log.view",
            "actor": {"t": "person", "id": "dpo"},
            "view": {
                "what": "show",
                "count": 1,
                "filter": {"staff": "an", "outcome": "ok", "since": "2026-07-01T02:00:00.000000Z", "last": 5},
            },
        }

    def test_a_look_for_a_person_is_about_that_person(self, store: Store, review: Review) -> None:
        """Under each number the person has or had."""
        assert [look.seq for look in review.look(AccessFilter("hasselt"), DPO, about=[insz(1), insz(3)])] == [0]
        for number in (1, 3):
            assert [decode(data)["kind"] for _, data in store.ledger.of_subject("hasselt", insz(number))][-1] == (
                "log.view"
            )
        assert last(store)["view"] == {"what": "show", "count": 1}

    def test_raw_entries_are_the_exact_bytes(self, store: Store, review: Review) -> None:
        """The last ones of whatever kind, or the last about a person; without the look itself."""
        written = list(store.ledger.entries("hasselt"))
        assert review.entries("hasselt", DPO, last=2) == written[-2:]
        assert review.entries("hasselt", DPO, last=1, about=[insz(1)]) == [written[1]]
        assert review.entries("nowhere", DPO, last=2) == []
        assert last(store)["view"] == {"what": "show", "count": 1, "filter": {"raw": True, "last": 1}}

    def test_nothing_is_shown_when_it_cannot_be_noted(self, store: Store, review: Review) -> None:
        """Whatever was asked for."""
        cut_off(store)
        for look in (
            lambda: review.look(AccessFilter("hasselt"), DPO),
            lambda: review.look(AccessFilter("hasselt"), DPO, about=[insz(1)]),
            lambda: review.who(["hasselt"], DPO, insz(1)),
            lambda: review.evidence("hasselt", 0, DPO, reason="complaint"),
        ):
            with pytest.raises(StoreError):
                look()


class TestWho:
    """All that the logs say about one person."""

    def test_looks_and_deeds_in_every_library(self, review: Review) -> None:
        """And that they were looked up now, which the next answer tells."""
        review.look(AccessFilter("hasselt"), DPO, about=[insz(1)])
        here, there = review.who(["hasselt", "genk"], DPO, insz(1))
        assert [look.seq for look in here.accesses] == [0]
        assert [(seq, line["kind"]) for seq, line in here.deeds] == [(5, "log.view")]
        assert (here.library, here.seq, here.forgotten) == ("hasselt", 6, ())
        assert (there.library, there.seq, there.accesses, there.deeds) == ("genk", 0, (), ())
        (again,) = review.who(["hasselt"], DPO, insz(1))
        assert [seq for seq, _ in again.deeds] == [5, 6]
        assert again.deeds[1][1]["view"] == {"what": "who", "count": 2}

    def test_a_year_whose_key_was_destroyed(self, store: Store, review: Review) -> None:
        """Nobody can be found in it, and that is said."""
        store.clock.pass_by(days=365)
        store.ledger.append([Draft("hasselt", Kind.DENIED, "c", insz(1))])
        store.execute("DELETE FROM log_key WHERE year = 2026")
        review = Review(store.again().ledger, LogSearch(store.database))
        (told,) = review.who(["hasselt"], DPO, insz(1))
        assert told.forgotten == (2026,)
        assert [look.seq for look in told.accesses] == [5]


class TestEvidence:
    """The whole messages of an access."""

    @pytest.mark.parametrize("seq", [0, 1])
    def test_by_either_entry(self, store: Store, review: Review, seq: int) -> None:
        """Who took them and why is an entry about the person."""
        kept = review.evidence("hasselt", seq, DPO, reason="complaint 4")
        assert kept.evidence == Evidence(SENT, GOT)
        assert (kept.access.seq, kept.is_forgotten) == (0, False)
        assert last(store) == {
            "seq": 5,
            "kind": "log.view",
            "actor": {"t": "person", "id": "dpo"},
            "view": {"what": "evidence", "count": 1, "filter": {"of": 0}},
            "why": {"note": "complaint 4"},
        }
        assert [seq for seq, _ in store.ledger.of_subject("hasselt", insz(1))] == [0, 1, 5]

    def test_none_was_kept(self, store: Store, review: Review) -> None:
        """It was asked for all the same."""
        kept = review.evidence("hasselt", 2, DPO, reason="complaint")
        assert (kept.evidence, kept.is_forgotten) == (None, False)
        assert last(store)["view"]["count"] == 0

    @pytest.mark.usefixtures("review")
    def test_it_cannot_be_read_any_more(self, store: Store) -> None:
        """The key of the year was destroyed; nobody knows whom the look was about."""
        store.execute("DELETE FROM log_key")
        store.clock.pass_by(days=365)
        kept = Review(store.again().ledger, LogSearch(store.database)).evidence("hasselt", 0, DPO, reason="complaint")
        assert (kept.evidence, kept.is_forgotten) == (None, True)
        assert store.scalars("SELECT count(*) FROM entry WHERE seq = 5 AND subject IS NULL") == [1]

    @pytest.mark.parametrize("seq", [4, 99])
    def test_no_access_stands_there(self, store: Store, review: Review, seq: int) -> None:
        """Then nothing was looked at."""
        with pytest.raises(ConfigError, match=f"No access stands at entry {seq} of the log of hasselt"):
            review.evidence("hasselt", seq, DPO, reason="complaint")
        assert last(store)["kind"] == "run.open"

    @pytest.mark.parametrize(("old", "new"), [("req", b"x"), ("rsp", b"y")])
    def test_what_is_not_what_the_log_tells_of(self, store: Store, review: Review, old: str, new: bytes) -> None:
        """Is not given out."""
        seq = 0 if old == "req" else 1
        data = dict(store.ledger.entries("hasselt"))[seq]
        right = sha256(SENT if old == "req" else GOT).hexdigest().encode()
        forged = data.replace(right, sha256(new).hexdigest().encode())
        unguard(store, "UPDATE entry SET data = :data WHERE seq = :seq", data=forged, seq=seq)
        with pytest.raises(BrokenChain, match="are not those it tells of"):
            review.evidence("hasselt", 0, DPO, reason="complaint")
