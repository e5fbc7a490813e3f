"""What the database leaves out of a search is not meant; and what a page of the log asks for besides."""

from __future__ import annotations

from typing import Any

import pytest
from sqlmodel import select

from rrsync.core.log_entry import Draft, Evidence, Kind
from rrsync.store.log_search import Search, Wanted, hints
from rrsync.store.tables import EntryRow
from tests.support import Store, insz

PURPOSES = ("desk", "desks", 'a "b" \\ c', "50%_é", "status")


def look(store: Store, purpose: str = "desk", status: str = "ok", *flags: str, case: str = "x") -> int:
    """Log a look by a person with its outcome; give its place."""
    seq = store.ledger.head("hasselt").size
    body: dict[str, Any] = {"actor": {"t": "person", "id": "an"}, "why": {"code": purpose, "case": case}}
    body |= {"flags": list(flags)} if flags else {}
    store.ledger.append([Draft("hasselt", Kind.INTENT, f"look-{seq}", insz(1), body=body)])
    outcome = {"out": {"status": status, "rsp": ""}}
    messages = Evidence(b"asked", b"") if status == "no_reply" else None
    store.ledger.append(
        [Draft("hasselt", Kind.OUTCOME, f"look-{seq}", insz(1), body=outcome, evidence=messages)]  # type: ignore[arg-type]
    )
    return seq


@pytest.fixture
def search(store: Store) -> Search:
    """Return the search of a store."""
    return Search(store.database)


def found(search: Search, **wanted: Any) -> list[int]:
    """Return the places of what a search finds."""
    return [each.seq for each in search.accesses(Wanted("hasselt", **wanted))]


class TestHints:
    """By purpose and by how it ended, whatever is written."""

    @pytest.mark.parametrize("purpose", PURPOSES)
    def test_a_purpose_is_found_as_it_is_written(self, store: Store, search: Search, purpose: str) -> None:
        """Quotes, signs that mean something to a database, and letters of more than a byte."""
        places = {each: look(store, each) for each in PURPOSES}
        assert found(search, purpose=purpose) == [places[purpose]]
        assert found(search, purpose=purpose, last=5) == [places[purpose]]

    def test_how_it_ended(self, store: Store, search: Search) -> None:
        """Each end finds its own, also of looks that say another's name elsewhere."""
        fine, away = look(store, case='"status":"no_reply"'), look(store, status="no_reply")
        denied = store.ledger.head("hasselt").size
        store.ledger.append([Draft("hasselt", Kind.DENIED, "", insz(1), body={"why": {"code": "desk"}})])
        unended = denied + 1
        store.ledger.append([Draft("hasselt", Kind.INTENT, "open", insz(1), body={"why": {"code": "desk"}})])
        assert found(search, status="ok") == [fine]
        assert found(search, status="no_reply") == [away]
        assert found(search, status="denied") == [denied]
        assert found(search, status="open") == [unended]
        assert found(search, status="reused") == []
        assert found(search, status="no_reply", purpose="desk", last=1) == [away]

    def test_what_has_ended_is_not_read_for_what_has_not(self, store: Store) -> None:
        """A log of a million has ended but for a few."""
        look(store)
        unended = store.ledger.head("hasselt").size
        for library in ("hasselt", "genk"):
            store.ledger.append([Draft(library, Kind.INTENT, "open", insz(1), body={"why": {"code": "desk"}})])
        look(store)
        sqlite = store.database.is_sqlite
        hinted = hints("hasselt", purpose="", status="open", is_sqlite=sqlite)
        with store.database.read() as session:
            places = session.exec(select(EntryRow.seq).where(EntryRow.library == "hasselt", *hinted)).all()
        assert places == [unended]


class TestPages:
    """What a page of the log asks for."""

    def test_only_what_stands_out(self, store: Store, search: Search) -> None:
        """By what the entries say."""
        look(store)
        flagged = [look(store, "desk", "ok", "colleague"), look(store, "desk", "ok", "refused", "odd_case")]
        assert found(search, flagged=True) == flagged
        assert found(search, flagged=True, last=1) == flagged[1:]
        assert found(search, flagged=True, before=flagged[1]) == flagged[:1]

    def test_what_is_before_an_entry(self, store: Store, search: Search) -> None:
        """The newest of them, whether found by person or by walking the log."""
        places = [look(store) for _ in range(4)]
        for more in ({}, {"actor": "an"}):
            assert found(search, before=places[3], last=2, **more) == places[1:3]
            assert found(search, before=places[0], **more) == []

    def test_the_last_deed_of_a_kind(self, store: Store, search: Search) -> None:
        """And none when there is none."""
        assert search.last_deed("hasselt", Kind.VERIFY) is None
        for size in (1, 2):
            store.ledger.append([Draft("hasselt", Kind.VERIFY, "", body={"verify": {"size": size}})])
            look(store)
        store.ledger.append([Draft("genk", Kind.VERIFY, "", body={"verify": {"size": 3}})])
        last = search.last_deed("hasselt", Kind.VERIFY)
        assert last is not None
        assert (last[0], last[1]["verify"]) == (3, {"size": 2})

    def test_whether_messages_are_kept(self, store: Store, search: Search) -> None:
        """Of a look or of its outcome."""
        for status, is_kept in (("ok", False), ("no_reply", True)):
            access = search.find("hasselt", look(store, status=status))
            assert access is not None
            assert search.has_messages(access) is is_kept
