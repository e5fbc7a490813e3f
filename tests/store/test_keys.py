"""The keys of a library's years: what they open, and what stays whole when they are destroyed."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from rrsync.core.log_entry import Draft, Evidence, Kind
from rrsync.errors import LedgerError, StoreError
from tests.support import LIBRARY, Store, insz, intent, outcome

ASKED = Evidence(b"<Verzoek>\xc3\xa9\x00</Verzoek>" * 50, b"<Repliek/>")
UNANSWERED = Evidence(b"<Verzoek/>", b"")


def explained(reference: str, evidence: Evidence, *, library: str = LIBRARY) -> Draft:
    """Return an outcome that comes with its messages."""
    return Draft(library, Kind.OUTCOME, reference, insz(1), body={"status": "transient"}, evidence=evidence)


class TestEvidence:
    """Messages that explain a failure stand beside the entry, sealed, and never in it."""

    def test_messages_come_back_to_the_byte(self, store: Store) -> None:
        """Both, from this process and from another; an entry without has none."""
        store.ledger.append([intent("a"), intent("b"), outcome("a"), explained("b", ASKED)])
        store.ledger.append([intent("c", library="genk"), explained("c", UNANSWERED, library="genk")])
        for ledger in (store.ledger, store.again().ledger):
            assert ledger.evidence(LIBRARY, 3) == ASKED
            assert ledger.evidence("genk", 1) == UNANSWERED
            assert [ledger.evidence(LIBRARY, seq) for seq in (0, 2, 4)] == [None] * 3
            assert ledger.evidence("nowhere", 0) is None
        assert repr(ASKED) == "Evidence(***)"

    def test_they_are_sealed_small_and_not_in_the_entry(self, store: Store) -> None:
        """Nothing of them stands in the database in clear, and much of the same takes little room."""
        store.ledger.append([intent("a"), explained("a", ASKED)])
        (data,) = store.scalars("SELECT data FROM evidence")
        assert isinstance(data, bytes)
        assert len(data) < len(ASKED.request) / 5
        assert b"Verzoek" not in data
        for _, entry in store.ledger.entries(LIBRARY):
            assert b"Verzoek" not in entry

    def test_messages_of_nobody_are_kept_too(self, store: Store) -> None:
        """The year's key is made for them, if it was not there."""
        store.ledger.append([Draft(LIBRARY, Kind.VERIFY, "", evidence=ASKED)])
        assert store.ledger.evidence(LIBRARY, 0) == ASKED

    def test_they_come_with_their_entry_or_not_at_all(self, store: Store) -> None:
        """What is rolled back leaves no messages behind."""
        with pytest.raises(LedgerError):
            store.ledger.append([intent("a"), explained("a", ASKED), outcome("a")])
        assert store.scalars("SELECT count(*) FROM evidence") == [0]

    @pytest.mark.parametrize(
        "statement",
        [
            "UPDATE evidence SET seq = 3 WHERE seq = 2",
            "UPDATE evidence SET library = 'genk', seq = 3 WHERE seq = 2",
            "UPDATE evidence SET seq = 3, data = substr(data, 1, 20) WHERE seq = 2",
            "UPDATE evidence SET seq = 3, data = substr(data, 1, 5) WHERE seq = 2",
        ],
    )
    def test_what_was_altered_or_moved_is_refused(self, store: Store, statement: str) -> None:
        """Messages open beside their own entry, and as they were, or not at all."""
        for library in (LIBRARY, "genk"):
            store.ledger.append([intent(one, library=library, subject=insz(1)) for one in "ab"])
        store.ledger.append([explained("a", ASKED), outcome("b")])
        assert store.ledger.evidence(LIBRARY, 2) == ASKED
        store.execute(statement)
        with pytest.raises(StoreError, match="messages kept of an access were altered or moved"):
            store.ledger.evidence("genk" if "genk" in statement else LIBRARY, 3)

    def test_text_for_messages_is_refused(self, store: Store) -> None:
        """SQLite takes anything in any column."""
        if not store.database.is_sqlite:
            pytest.skip("PostgreSQL holds one kind of value in a column")
        store.ledger.append([intent("a"), explained("a", ASKED)])
        for value in ("'a text'", "7", "CAST(x'ff' AS TEXT)"):
            store.execute(f"UPDATE evidence SET data = {value}")
            with pytest.raises(StoreError, match="messages kept of an access were altered or moved"):
                store.ledger.evidence(LIBRARY, 1)


class TestForgetting:
    """Destroying a year's key makes its people unknown for ever, and leaves the log whole."""

    def grown(self, store: Store) -> None:
        """Fill two years of two libraries' logs."""
        for year in (2026, 2027):
            store.clock.now = datetime(year, 7, 1, tzinfo=UTC)
            for library in (LIBRARY, "genk"):
                a, b = f"{year}-a", f"{year}-b"
                store.ledger.append([intent(a, library=library, subject=insz(1)), intent(b, library=library)])
                store.clock.pass_by(days=1)
                store.ledger.append([explained(a, ASKED, library=library)])

    def destroy(self, store: Store, year: int = 2026, *, fails: bool = False) -> tuple[int, int]:
        """Destroy a year's key, as whoever forgets does; it may fail before it is committed."""
        with store.ledger.writing() as session:
            counts = store.ledger.destroy_in(session, LIBRARY, year)
            if fails:
                raise ZeroDivisionError
        return counts

    def test_the_years_and_their_ends_are_known(self, store: Store) -> None:
        """Every year whose key is there, with the time of its last entry."""
        assert store.ledger.year_ends(LIBRARY) == {}
        self.grown(store)
        ends = {year: datetime(year, 7, day, tzinfo=UTC) for year, day in ((2026, 2), (2027, 2))}
        assert store.ledger.year_ends(LIBRARY) == ends
        self.destroy(store)
        assert store.ledger.year_ends(LIBRARY) == {2027: ends[2027]}

    def test_what_was_destroyed_is_counted(self, store: Store) -> None:
        """The entries about people, and the messages, of that year and library alone."""
        self.grown(store)
        assert self.destroy(store) == (2, 1)
        assert store.counts()["log_key"] == 3
        assert store.scalars("SELECT count(*) FROM evidence") == [3]
        with pytest.raises(LedgerError, match="The access log of hasselt has no key of 2026"):
            self.destroy(store)
        with pytest.raises(LedgerError, match="has no key of 2010"):
            self.destroy(store, 2010)

    @pytest.mark.parametrize("anew", [False, True])
    def test_nothing_fails_after_it(self, store: Store, anew: bool) -> None:
        """The log verifies and is shown, who is pending is nobody's name, and the other years go on as before."""
        self.grown(store)
        head, entries = store.verify(), list(store.ledger.entries(LIBRARY))
        (other,) = store.ledger.pseudonyms(LIBRARY, insz(1))[1:]
        self.destroy(store)
        ledger = (store.again() if anew else store).ledger
        assert (store.verify(), list(ledger.entries(LIBRARY))) == (head, entries)
        assert ledger.pseudonyms(LIBRARY, insz(1)) == [other]
        assert [seq for seq, _ in ledger.of_subject(LIBRARY, insz(1))] == [3, 5]
        assert ledger.subjects(LIBRARY, range(6)) == {3: insz(1), 5: insz(1)}
        assert [ledger.evidence(LIBRARY, seq) for seq in (2, 5)] == [None, ASKED]
        assert {one.reference for one in ledger.pending()} == {"2026-b", "2027-b"}
        ledger.append([outcome("2026-b", subject=insz(1)), outcome("2027-b")])
        assert store.verify().size == 8

    def test_a_person_whose_intent_is_still_pending_is_forgotten_too(self, store: Store) -> None:
        """What has no outcome yet is listed without whom it is about."""
        store.ledger.append([intent("a", subject=insz(1))])
        self.destroy(store)
        assert [(one.reference, one.subject) for one in store.ledger.pending()] == [("a", None)]

    def test_what_is_rolled_back_is_not_destroyed(self, store: Store) -> None:
        """Key and messages are there until it is committed."""
        self.grown(store)
        with pytest.raises(ZeroDivisionError):
            self.destroy(store, fails=True)
        assert store.ledger.evidence(LIBRARY, 2) == ASKED
        assert len(store.ledger.of_subject(LIBRARY, insz(1))) == 4

    def test_a_key_that_was_destroyed_is_never_made_anew(self, store: Store) -> None:
        """An entry about somebody in that year, from a clock that was set back, is refused; one about nobody is not."""
        self.grown(store)
        self.destroy(store)
        for ledger in (store.ledger, store.again().ledger):
            store.clock.now = datetime(2026, 8, 1, tzinfo=UTC)
            with pytest.raises(LedgerError, match=r"2026 of .* hasselt was destroyed|clock is behind"):
                ledger.append([intent("late", subject=insz(1))])
        store.ledger.append([intent("nobody")])
        store.ledger.append([intent("elsewhere", library="genk", subject=insz(1))])
        assert store.verify().size == 7

    def test_a_key_that_is_gone_is_not_made_anew_in_its_own_year(self, store: Store) -> None:
        """Whoever takes it away stops the log of that year, and hides nothing."""
        store.ledger.append([intent("a", subject=insz(1)), intent("b")])
        store.execute("DELETE FROM log_key")
        with pytest.raises(LedgerError, match="was destroyed"):
            store.again().ledger.append([intent("c", subject=insz(1))])

    def test_a_clock_that_was_ahead_stops_no_year(self, store: Store) -> None:
        """A year of which there never was a key gets one, though the log has entries of a later year."""
        store.clock.now = datetime(2027, 1, 1, tzinfo=UTC)
        store.ledger.append([intent("a", subject=insz(1))])
        store.clock.now = datetime(2026, 12, 31, tzinfo=UTC)
        store.ledger.append([intent("b", subject=insz(1))])
        assert sorted(store.ledger.year_ends(LIBRARY)) == [2026, 2027]

    def test_a_destroyed_key_is_nowhere_in_the_files(self, store: Store) -> None:
        """Once it is scrubbed, not a piece of the sealed key or of the messages is left in SQLite's files."""
        self.grown(store)
        wanted = "SELECT key FROM log_key WHERE library = 'hasselt' AND year = 2026"
        pieces = [
            *store.scalars(wanted),
            *store.scalars("SELECT data FROM evidence WHERE library = 'hasselt' AND seq = 2"),
        ]
        self.destroy(store)
        store.database.scrub()
        assert store.verify().size == 6
        store.ledger.append([intent("after", subject=insz(1))])
        path = store.database.path
        for file in [Path(f"{path}{end}") for end in ("", "-wal")] if path else []:
            held = file.read_bytes()
            assert all(isinstance(piece, bytes) and piece[8:40] not in held for piece in pieces)
