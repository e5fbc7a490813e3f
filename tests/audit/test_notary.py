"""The notary: signs only what goes on from what was signed, and lets nobody ask when nobody else keeps the log."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from itertools import pairwise
from pathlib import Path

import pytest

from rrsync.anchor.file import FileAnchor
from rrsync.anchor.local_state import LastSigned
from rrsync.audit.anchoring import Anchor, Anchors
from rrsync.audit.notary import DESK, NIGHT, Notary
from rrsync.core.log_entry import Draft, Kind
from rrsync.core.merkle import verify_consistency
from rrsync.core.signed_note import Checkpoint, Key, Note, Receipt, Signed, Signer
from rrsync.errors import AnchorConflict, AnchorError, AnchorUnavailable, BrokenChain
from rrsync.store.checkpoints import Checkpoints
from rrsync.store.log_tree import LogTree
from tests.support import LIBRARY, Store, insz, intent, outcome

SEED = bytes(range(32))


@dataclass
class Harbour:
    """An anchor that is in reach or not, as the test says."""

    name: str = "harbour"
    is_open: bool = True
    taken: list[Sequence[Signed]] = field(default_factory=list)
    tries: int = 0

    def keep(self, signed: Sequence[Signed]) -> list[Receipt]:
        """Take checkpoints in, when it is open."""
        self.tries += 1
        if not self.is_open:
            raise AnchorUnavailable("The harbour is closed")
        self.taken.append(signed)
        return [Receipt(self.name, one.library, one.checkpoint.size, "") for one in signed]

    def last(self, key: Key) -> Checkpoint | None:
        """Return the newest checkpoint it took in."""
        found = [one.checkpoint for parcel in self.taken for one in parcel if one.checkpoint.origin == key.name]
        return max(found, key=lambda one: one.size, default=None)


@dataclass
class Office:
    """A notary on the test's database, and what it works with."""

    store: Store
    folder: Path
    harbour: Harbour
    noted: list[str] = field(default_factory=list)

    def notary(self, *anchors: Anchor, seed: bytes = SEED, folder: Path | None = None) -> Notary:
        """Build one, as another process would."""
        return Notary(
            database=self.store.database,
            seal=self.store.seal,
            ledger=self.store.ledger,
            tiles=self.tiles,
            checkpoints=self.checkpoints,
            signer=lambda name: Signer(name, seed),
            origins={name: name for name in (LIBRARY, "genk")},
            signed=LastSigned(folder or self.folder),
            keepers=Anchors(anchors, self.checkpoints, self.store.clock),
            clock=self.store.clock,
            note_terms=self.noted.append,
            lost_keys=lambda _: [],
        )

    def anchored(self, every: timedelta = timedelta(0)) -> Notary:
        """Build one with the harbour for an anchor."""
        return self.notary(Anchor("harbour", every, self.harbour.keep, self.harbour.last))

    @property
    def tiles(self) -> LogTree:
        """The tree."""
        return LogTree(self.store.database)

    @property
    def checkpoints(self) -> Checkpoints:
        """What was signed, as it stands in the database."""
        return Checkpoints(self.store.database, self.store.seal)

    def write(self, entries: int, *, library: str = LIBRARY) -> None:
        """Let the log grow by so many entries."""
        size = self.store.ledger.head(library).size
        self.store.ledger.append(
            [intent(f"{library}-{size + n}", library=library, subject=insz(n % 999)) for n in range(entries)]
        )

    def cut(self, size: int, *, library: str = LIBRARY) -> None:
        """Cut the log's tail as the owner of the database can: entries, head, tiles and checkpoints alike."""
        edge = self.tiles.edge(library, size)
        self.guards_off()
        self.store.execute("DELETE FROM entry WHERE library = :l AND seq >= :s", l=library, s=size)
        self.store.execute("DELETE FROM checkpoint WHERE library = :l AND size > :s", l=library, s=size)
        self.store.execute("DELETE FROM tile WHERE library = :l", l=library)
        self.store.execute("DELETE FROM pending WHERE library = :l", l=library)
        self.store.execute(
            "UPDATE log SET size = :s, edge = :e WHERE library = :l", l=library, s=size, e=edge.to_bytes()
        )

    def guards_off(self) -> None:
        """Take the database's own guards away."""
        if self.store.database.is_sqlite:
            for name in self.store.scalars("SELECT name FROM sqlite_master WHERE type = 'trigger'"):
                self.store.execute(f"DROP TRIGGER {name}")
        else:
            self.store.execute("DROP FUNCTION rrsync_append_only CASCADE")


@pytest.fixture
def office(store: Store, tmp_path: Path) -> Office:
    """Return an office in which nothing was signed yet."""
    return Office(store, tmp_path / "signed", Harbour())


def _size(note: Note | None) -> int:
    assert note is not None
    return Checkpoint.parse(note.text).size


class TestSigning:
    """A checkpoint is signed once, is the log's own, and goes on from the last."""

    def test_an_empty_log_has_nothing_to_sign(self, office: Office) -> None:
        """And no folder is needed for it."""
        assert office.notary().sign(LIBRARY) is None
        assert office.checkpoints.all(LIBRARY) == []

    def test_what_is_signed_is_the_head_under_the_logs_name(self, office: Office) -> None:
        """In the database and outside of it, letter for letter."""
        office.write(3)
        notary = office.notary()
        note = notary.sign(LIBRARY)
        head = office.store.ledger.head(LIBRARY)
        assert note is not None
        assert note.is_signed_by(notary.key(LIBRARY))
        assert Checkpoint.parse(note.text) == Checkpoint(LIBRARY, 3, bytes.fromhex(head.root))
        assert [one.note for one in office.checkpoints.all(LIBRARY)] == [note.to_text()]
        assert (office.folder / f"{LIBRARY}.note").read_text(encoding="utf-8") == note.to_text()

    def test_the_same_head_is_signed_once(self, office: Office) -> None:
        """Asked again, the same note is given."""
        office.write(3)
        assert office.notary().sign(LIBRARY) == office.notary().sign(LIBRARY)
        assert len(office.checkpoints.all(LIBRARY)) == 1

    def test_every_checkpoint_goes_on_from_the_one_before(self, office: Office) -> None:
        """By the proof that anybody would ask for, over sizes around a tile's."""
        notary = office.notary()
        for more in (1, 1, 253, 1, 1, 300, 44):
            office.write(more)
            notary.sign(LIBRARY)
        kept = [Checkpoint.parse(Note.parse(one.note).text) for one in office.checkpoints.all(LIBRARY)]
        assert [one.size for one in kept] == [1, 2, 255, 256, 257, 557, 601]
        for old, new in pairwise(kept):
            proof = office.tiles.consistency(LIBRARY, old.size, new.size)
            assert verify_consistency(old=old.size, new=new.size, proof=proof, old_root=old.root, new_root=new.root)

    def test_a_crash_between_the_folder_and_the_database_is_mended(self, office: Office) -> None:
        """What was signed outside is put in the database too; it is the same note."""
        office.write(3)
        note = office.notary().sign(LIBRARY)
        office.guards_off()
        office.store.execute("DELETE FROM checkpoint")
        assert office.notary().sign(LIBRARY) == note
        assert [one.size for one in office.checkpoints.all(LIBRARY)] == [3]

    def test_a_log_that_was_cut_is_not_signed(self, office: Office) -> None:
        """Though its owner made everything in the database fit."""
        office.write(5)
        office.notary().sign(LIBRARY)
        office.cut(4)
        with pytest.raises(AnchorConflict, match=r"holds 4 entries, but the folder \[log\] signed .* 5"):
            office.notary().sign(LIBRARY)

    def test_a_log_that_was_cut_and_grew_again_is_not_signed(self, office: Office) -> None:
        """It is longer than what was signed, and another."""
        office.write(5)
        office.notary().sign(LIBRARY)
        office.cut(4)
        office.write(9)
        with pytest.raises(AnchorConflict, match="is not the one of which"):
            office.notary().sign(LIBRARY)

    def test_the_database_alone_still_tells_when_the_folder_is_lost(self, office: Office, tmp_path: Path) -> None:
        """A new machine goes on from the last checkpoint in the database."""
        office.write(5)
        office.notary().sign(LIBRARY)
        office.write(1)
        assert _size(office.notary(folder=tmp_path / "new").sign(LIBRARY)) == 6

    def test_another_key_cannot_go_on(self, office: Office) -> None:
        """A new signing key is another log for every witness."""
        office.write(5)
        office.notary().sign(LIBRARY)
        with pytest.raises(BrokenChain, match="cannot be believed"):
            office.notary(seed=bytes(32)).sign(LIBRARY)

    def test_a_note_that_was_forged_in_the_database_is_not_believed(self, office: Office) -> None:
        """Nor one of another size than its row says."""
        office.write(5)
        office.notary().sign(LIBRARY)
        office.guards_off()
        office.store.execute("UPDATE checkpoint SET size = 4")
        with pytest.raises(BrokenChain, match="the checkpoint of 4 in the database cannot be believed"):
            office.notary().sign(LIBRARY)

    def test_a_damaged_cache_of_the_tree_is_made_anew(self, office: Office) -> None:
        """And what is signed is right."""
        office.write(600)
        notary = office.notary()
        notary.sign(LIBRARY)
        office.store.execute("UPDATE tile SET hash = :h", h=bytes(32))
        office.write(300)
        assert _size(notary.sign(LIBRARY)) == 900
        assert office.tiles.root(LIBRARY, 900).hex() == office.store.ledger.head(LIBRARY).root

    def test_a_head_that_is_not_the_entries_is_not_signed(self, office: Office) -> None:
        """The tree is made from the entries themselves."""
        office.write(3)
        edge = office.store.scalars("SELECT edge FROM log")[0]
        assert isinstance(edge, bytes)
        office.store.execute("UPDATE log SET edge = :e", e=edge[::-1])
        with pytest.raises(BrokenChain, match="not the tree of the head"):
            office.notary().sign(LIBRARY)
        assert office.checkpoints.all(LIBRARY) == []

    def test_a_folder_that_cannot_be_used_stops_signing(self, office: Office, tmp_path: Path) -> None:
        """With what to do."""
        office.write(3)
        (tmp_path / "file").touch()
        with pytest.raises(AnchorError, match=r"Check \[log\] signed"):
            office.notary(folder=tmp_path / "file").sign(LIBRARY)
        office.notary().sign(LIBRARY)
        (office.folder / f"{LIBRARY}.note").write_text("no note", encoding="utf-8")
        with pytest.raises(AnchorError, match="last checkpoint signed of hasselt cannot be read"):
            office.notary().sign(LIBRARY)


class TestHolding:
    """Before anything is asked the log is held against what is known of it elsewhere."""

    def test_a_log_as_it_was_left_is_fit(self, office: Office) -> None:
        """Also when it grew since."""
        notary = office.anchored()
        notary.hold(LIBRARY)
        office.write(5)
        notary.close([LIBRARY])
        notary.hold(LIBRARY)
        office.write(2)
        notary.hold(LIBRARY)

    def test_an_old_backup_is_seen_by_the_anchor_alone(self, office: Office, tmp_path: Path) -> None:
        """The whole machine was put back, the folder of what was signed too; the anchor is elsewhere."""
        office.write(3)
        notary = office.anchored()
        notary.close([LIBRARY])
        shutil.copytree(office.folder, tmp_path / "backup")
        office.write(4)
        notary.close([LIBRARY])
        office.cut(3)
        shutil.rmtree(office.folder)
        shutil.copytree(tmp_path / "backup", office.folder)
        with pytest.raises(AnchorConflict, match=r"holds 3 entries, but the anchor harbour has a checkpoint of 7"):
            office.anchored().begin([LIBRARY])

    def test_the_file_anchor_gives_its_last_back(self, office: Office, tmp_path: Path) -> None:
        """A real file, elsewhere."""
        file = FileAnchor(tmp_path / "elsewhere")
        anchor = Anchor(file.name, timedelta(0), file.keep, file.last)
        office.write(5)
        office.notary(anchor).close([LIBRARY])
        office.cut(2)
        shutil.rmtree(office.folder)
        with pytest.raises(AnchorConflict, match="has a checkpoint of 5"):
            office.notary(anchor).hold(LIBRARY)

    def test_verification_holds_the_log_against_every_checkpoint(self, office: Office) -> None:
        """Those in the database, the folder's and the anchors'."""
        notary = office.anchored()
        for _ in range(3):
            office.write(4)
            notary.close([LIBRARY])
        assert notary.verify(LIBRARY).size == 12
        office.cut(8)
        with pytest.raises(BrokenChain, match="entry 8"):
            notary.verify(LIBRARY)


class TestVouching:
    """Who must keep the log, and how long they may be out of reach."""

    def test_without_anchors_there_is_nobody_to_wait_for(self, office: Office) -> None:
        """As in a trial against the simulator."""
        office.write(1)
        office.store.clock.pass_by(days=9)
        office.notary().vouch([LIBRARY], NIGHT)

    @pytest.mark.parametrize(("limit", "hours"), [(NIGHT, 4), (DESK, 24)])
    def test_it_is_as_long_as_since_the_last_anchoring(self, office: Office, limit: timedelta, hours: int) -> None:
        """To the second; whatever the log does meanwhile."""
        notary = office.anchored()
        office.write(1)
        notary.close([LIBRARY])
        office.store.clock.pass_by(hours=hours)
        office.write(1)
        notary.vouch([LIBRARY], limit)
        office.store.clock.pass_by(seconds=1)
        with pytest.raises(AnchorError, match=rf"kept elsewhere for {hours} hours.*`rrsync log anchor`"):
            notary.vouch([LIBRARY], limit)

    def test_a_log_that_was_never_anchored_counts_from_its_first_entry(self, office: Office) -> None:
        """So that no anchor at all is no way around it."""
        office.harbour.is_open = False
        notary = office.anchored()
        notary.vouch([LIBRARY], NIGHT)
        office.write(1)
        office.store.clock.pass_by(hours=4)
        notary.vouch([LIBRARY], NIGHT)
        office.store.clock.pass_by(seconds=1)
        with pytest.raises(AnchorError):
            notary.vouch([LIBRARY], NIGHT)

    def test_a_night_begins_by_trying_again(self, office: Office) -> None:
        """An anchoring of long ago is renewed first; only a harbour that stays closed stops it."""
        notary = office.anchored()
        office.write(1)
        notary.close([LIBRARY])
        office.store.clock.pass_by(days=3)
        notary.begin([LIBRARY])
        office.store.clock.pass_by(days=3)
        office.harbour.is_open = False
        with pytest.raises(AnchorError, match="4 hours"):
            notary.begin([LIBRARY])

    def test_the_desk_tries_again_after_a_day(self, office: Office) -> None:
        """And asks on when the harbour opened meanwhile."""
        notary = office.anchored()
        office.write(1)
        notary.close([LIBRARY])
        office.store.clock.pass_by(hours=25)
        office.harbour.is_open = False
        with pytest.raises(AnchorError, match="24 hours"):
            notary.attend(LIBRARY)
        office.harbour.is_open = True
        notary.attend(LIBRARY)
        assert office.noted == [LIBRARY, LIBRARY]

    def test_the_desk_is_not_kept_waiting_for_a_harbour_that_was_open_today(self, office: Office) -> None:
        """No anchor is called while the last anchoring is young."""
        notary = office.anchored()
        office.write(1)
        notary.close([LIBRARY])
        tries = office.harbour.tries
        office.store.clock.pass_by(hours=23)
        notary.attend(LIBRARY)
        assert office.harbour.tries == tries


class TestRhythm:
    """Every thousand entries or sixty seconds a checkpoint; every anchor in its turn."""

    def test_a_thousand_entries(self, office: Office) -> None:
        """Not one sooner, whatever the beat."""
        notary = office.notary()
        notary.begin([LIBRARY])
        office.write(999)
        notary.beat([LIBRARY])
        assert office.checkpoints.all(LIBRARY) == []
        office.write(1)
        notary.beat([LIBRARY])
        assert [one.size for one in office.checkpoints.all(LIBRARY)] == [1000]

    def test_sixty_seconds(self, office: Office) -> None:
        """If the log grew at all."""
        notary = office.notary()
        notary.begin([LIBRARY])
        office.store.clock.pass_by(seconds=60)
        notary.beat([LIBRARY])
        office.write(1)
        notary.beat([LIBRARY])
        office.store.clock.pass_by(seconds=60)
        office.write(1)
        notary.beat([LIBRARY])
        notary.beat([LIBRARY])
        assert [one.size for one in office.checkpoints.all(LIBRARY)] == [1, 2]

    def test_an_anchor_is_asked_no_more_often_than_it_wants(self, office: Office) -> None:
        """Every ten minutes, though a checkpoint is signed every minute."""
        notary = office.anchored(timedelta(minutes=10))
        for _ in range(31):
            office.write(1)
            notary.beat([LIBRARY])
            office.store.clock.pass_by(minutes=1)
        assert len(office.checkpoints.all(LIBRARY)) == 31
        assert [parcel[0].checkpoint.size for parcel in office.harbour.taken] == [1, 11, 21, 31]

    def test_a_daily_anchor_that_stands_alone_is_asked_before_the_night_would_stop(self, office: Office) -> None:
        """Every three hours then, and the night goes on."""
        notary = office.anchored(timedelta(days=1))
        for _ in range(8):
            office.write(1)
            notary.beat([LIBRARY])
            office.store.clock.pass_by(hours=1)
        assert [parcel[0].checkpoint.size for parcel in office.harbour.taken] == [1, 4, 7]

    def test_a_harbour_that_was_closed_is_left_alone_for_five_minutes(self, office: Office) -> None:
        """Then it is tried again, and what is newest is taken in."""
        office.harbour.is_open = False
        notary = office.anchored()
        for minute in range(7):
            office.write(1)
            office.harbour.is_open = minute > 3
            notary.beat([LIBRARY])
            office.store.clock.pass_by(minutes=1)
        assert office.harbour.tries == 3
        assert [parcel[0].checkpoint.size for parcel in office.harbour.taken] == [6, 7]

    def test_one_delivery_carries_all_logs_where_it_can(self, office: Office) -> None:
        """A mail about two libraries is one mail."""
        harbour = office.harbour
        notary = office.notary(Anchor("harbour", timedelta(0), harbour.keep, harbour.last))
        office.write(1)
        office.write(2, library="genk")
        notary.close([LIBRARY, "genk"])
        assert [[one.library for one in parcel] for parcel in harbour.taken] == [[LIBRARY, "genk"]]
        assert notary.anchor([LIBRARY, "genk"], force=True) == []

    def test_what_this_process_wrote_and_did_not_sign_is_known(self, office: Office) -> None:
        """A command that wrote entries ends by signing them."""
        notary = office.notary()
        assert notary.grown() == []
        office.write(1)
        assert notary.grown() == [LIBRARY]
        notary.close(notary.grown())
        assert notary.grown() == []
        office.store.ledger.append([outcome(f"{LIBRARY}-0"), Draft("genk", Kind.RUN_OPEN, "")])
        assert notary.grown() == ["genk", LIBRARY]


class TestAttending:
    """A desk that asks all day looks at its log, and signs it, every ten seconds."""

    def looks(self, office: Office, notary: Notary) -> bool:
        """Attend, and tell whether that was a look: a look has changed settings noted."""
        office.noted.clear()
        notary.attend(LIBRARY)
        return office.noted == [LIBRARY]

    def test_ten_seconds(self, office: Office) -> None:
        """And not a second sooner, however often it asks; each log has its own."""
        notary = office.notary()
        office.write(1)
        seen = []
        for _ in range(12):
            seen.append(self.looks(office, notary))
            office.store.clock.pass_by(seconds=2)
        assert seen == [True, False, False, False, False] * 2 + [True, False]
        office.write(1, library="genk")
        notary.attend("genk")
        assert office.noted == ["genk"]

    def test_a_clock_that_was_set_back_makes_it_look(self, office: Office) -> None:
        """Not only once the old hour has come again."""
        notary = office.notary()
        office.write(1)
        assert self.looks(office, notary)
        office.store.clock.pass_by(hours=-1)
        assert self.looks(office, notary)

    def test_what_is_due_is_signed_at_once(self, office: Office) -> None:
        """A thousand entries within ten seconds."""
        notary = office.notary()
        office.write(1)
        notary.attend(LIBRARY)
        office.write(999)
        assert not self.looks(office, notary)
        office.write(1)
        assert self.looks(office, notary)
        assert [one.size for one in office.checkpoints.all(LIBRARY)] == [1, 1001]

    def test_a_look_that_failed_is_none(self, office: Office) -> None:
        """A log that was cut is refused each time, and not only every ten seconds."""
        notary = office.notary()
        office.write(5)
        notary.attend(LIBRARY)
        office.cut(2)
        notary.attend(LIBRARY)
        office.store.clock.pass_by(seconds=10)
        for _ in range(3):
            with pytest.raises(BrokenChain, match="holds 2 entries"):
                notary.attend(LIBRARY)

    def test_a_look_that_failed_undoes_the_one_before(self, office: Office) -> None:
        """A clock that was set back made it look; set right again, it is as if nobody had looked."""
        notary = office.notary()
        office.write(5)
        notary.attend(LIBRARY)
        office.cut(2)
        for hours in (-1, 1):
            office.store.clock.pass_by(hours=hours)
            with pytest.raises(BrokenChain, match="holds 2 entries"):
                notary.attend(LIBRARY)
