"""What somebody who owns the database, or a machine with a wrong clock, may try: nothing is signed or asked by it."""

from __future__ import annotations

import fcntl
from datetime import timedelta
from pathlib import Path

import pytest

from rrsync.anchor import local_state
from rrsync.anchor.file import FileAnchor
from rrsync.audit.anchoring import Anchor
from rrsync.audit.notary import NIGHT
from rrsync.core.merkle import Edge, leaf_hash
from rrsync.errors import AnchorError, BrokenChain, LedgerError
from rrsync.store.encryption import Keyring
from tests.audit.test_notary import Harbour, Office
from tests.support import LIBRARY, Dice, Store, insz, intent


@pytest.fixture
def office(store: Store, tmp_path: Path) -> Office:
    """Return an office in which nothing was signed yet."""
    return Office(store, tmp_path / "signed", Harbour())


def test_another_log_is_not_signed_under_a_librarys_name(office: Office) -> None:
    """A log that nobody knows gets no name, whatever the database says that its name is."""
    office.write(3)
    office.write(3, library="ghost")
    office.store.execute("UPDATE log SET origin = :o WHERE library = 'ghost'", o=LIBRARY)
    notary = office.notary()
    notary.sign(LIBRARY)
    with pytest.raises(BrokenChain, match="log of ghost is not begun under the name"):
        notary.sign("ghost")
    with pytest.raises(BrokenChain, match="log of ghost is not begun under the name"):
        notary.key("ghost")


def test_a_log_that_was_renamed_in_the_database_is_not_signed(office: Office) -> None:
    """Before it was ever signed, and after."""
    office.write(3)
    office.store.execute("UPDATE log SET origin = 'other/name'")
    with pytest.raises(BrokenChain, match="name it should have"):
        office.notary().sign(LIBRARY)
    office.store.execute("UPDATE log SET origin = :o", o=LIBRARY)
    office.notary().sign(LIBRARY)
    office.store.execute("UPDATE log SET origin = 'other/name'")
    with pytest.raises(BrokenChain, match="name it should have"):
        office.notary().hold(LIBRARY)


def test_a_library_that_left_the_settings_is_signed_under_its_old_name(office: Office) -> None:
    """What was signed before keeps its name."""
    office.write(3)
    office.notary().sign(LIBRARY)
    office.write(1)
    notary = office.notary()
    notary._origins = {}
    assert notary.sign(LIBRARY) is not None


def test_a_database_that_swallows_entries_is_seen_at_once(office: Office) -> None:
    """Nothing may be asked when nothing was written."""
    office.write(1)
    if office.store.database.is_sqlite:
        office.store.execute(
            "CREATE TRIGGER quiet BEFORE INSERT ON entry WHEN NEW.kind LIKE 'access.%' BEGIN SELECT RAISE(IGNORE); END"
        )
    else:
        office.store.execute("CREATE FUNCTION quiet() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN NULL; END $$")
        office.store.execute("CREATE TRIGGER quiet BEFORE INSERT ON entry FOR EACH ROW EXECUTE FUNCTION quiet()")
    with pytest.raises(LedgerError, match="did not keep what was written"):
        office.write(1)
    assert office.store.ledger.head(LIBRARY).size == 1


def test_entries_that_are_missing_far_back_stop_the_night_and_the_desk(office: Office) -> None:
    """Though the cache of the tree still has their hashes."""
    office.write(600)
    notary = office.notary()
    notary.sign(LIBRARY)
    office.guards_off()
    office.store.execute("DELETE FROM entry WHERE seq < 256")
    for work in (lambda: notary.begin([LIBRARY]), lambda: notary.attend(LIBRARY), lambda: notary.close([LIBRARY])):
        with pytest.raises(BrokenChain, match="does not hold the 600 entries"):
            work()


def test_a_tail_that_was_forged_before_it_was_signed_is_not_signed(office: Office) -> None:
    """Its owner made bytes, leaf, tree and head fit; but not the tag."""
    office.write(5)
    notary = office.notary()
    notary.sign(LIBRARY)
    office.write(3)
    office.guards_off()
    entries = list(office.store.ledger.entries(LIBRARY))
    data = entries[6][1].replace(b"member-administration", b"member-administratioN")
    leaves = [leaf_hash(data if seq == 6 else each) for seq, each in entries]
    office.store.execute("UPDATE entry SET data = :d, leaf = :l WHERE seq = 6", d=data, l=leaves[6])
    office.store.execute("UPDATE log SET edge = :e", e=Edge().extend(leaves).to_bytes())
    with pytest.raises(BrokenChain, match="entry 6"):
        notary.sign(LIBRARY)


def test_a_log_is_not_continued_with_other_keys(office: Office) -> None:
    """Nobody could check what would be added."""
    office.write(1)
    mine = office.store.keys
    other = office.store.again(keys=Keyring(mine.data, Keyring.fresh(Dice("other")).index))
    with pytest.raises(LedgerError, match="was written with other keys"):
        other.ledger.append([intent("ref-x")])
    office.store.again().ledger.append([intent("ref-y")])


def test_a_clock_that_is_behind_the_log_adds_nothing(office: Office) -> None:
    """Else today's people would stand under the key of a year whose term is over."""
    office.write(1)
    office.store.clock.pass_by(days=-400)
    with pytest.raises(LedgerError, match="clock is behind"):
        office.store.again().ledger.append([intent("ref-x", subject=insz(1))])


def test_a_row_that_says_it_was_anchored_does_not_vouch(office: Office) -> None:
    """Neither one of today nor one of a time to come."""
    office.harbour.is_open = False
    notary = office.anchored()
    office.write(1)
    for day in ("2026-07-01 08:00:00", "2099-01-01 00:00:00"):
        office.store.execute(
            "INSERT INTO anchor (library, size, name, at, receipt, mac) VALUES (:l, 1, 'harbour', :d, '', :m)",
            l=LIBRARY,
            d=day,
            m=bytes(32),
        )
    office.store.clock.pass_by(hours=5)
    with pytest.raises(AnchorError, match="4 hours"):
        notary.begin([LIBRARY])


def test_a_clock_that_was_once_ahead_silences_no_anchor(office: Office) -> None:
    """What was anchored in a year to come counts for nothing now."""
    notary = office.anchored()
    office.write(1)
    office.store.clock.pass_by(days=365)
    notary.close([LIBRARY])
    office.store.clock.pass_by(days=-365)
    tries = office.harbour.tries
    office.write(1)
    notary.close([LIBRARY])
    assert office.harbour.tries == tries + 1


def test_an_anchor_that_no_longer_has_what_it_took_in_is_out_of_reach(office: Office, tmp_path: Path) -> None:
    """A share that is not mounted leaves an empty folder: no new file is begun in it, and the night stops in time."""
    share = tmp_path / "share"
    share.mkdir()
    file = FileAnchor(share / "anchors")
    notary = office.notary(Anchor(file.name, timedelta(minutes=5), file.keep, file.last))
    office.write(2)
    notary.close([LIBRARY])
    share.rename(tmp_path / "away")
    share.mkdir()
    office.write(2)
    office.store.clock.pass_by(hours=1)
    (failure,) = notary.close([LIBRARY])
    assert "no longer has the checkpoint of 2" in str(failure)
    assert not (share / "anchors").exists()
    notary.vouch([LIBRARY], NIGHT)
    office.store.clock.pass_by(hours=4)
    with pytest.raises(AnchorError, match="4 hours"):
        notary.begin([LIBRARY])
    share.rmdir()
    (tmp_path / "away").rename(share)
    office.store.clock.pass_by(minutes=6)
    notary.begin([LIBRARY])


def test_an_anchor_that_was_away_is_not_waited_for_by_the_next_process(office: Office) -> None:
    """Every command is a process of its own."""
    office.harbour.is_open = False
    office.write(1)
    office.anchored().anchor([LIBRARY])
    office.anchored().sign(LIBRARY)
    office.anchored().anchor([LIBRARY])
    tries = office.harbour.tries
    office.anchored().anchor([LIBRARY])
    assert office.harbour.tries == tries
    office.store.clock.pass_by(minutes=5)
    office.anchored().anchor([LIBRARY])
    assert office.harbour.tries == tries + 1


def test_a_daily_mail_is_daily(office: Office) -> None:
    """Another anchor takes every checkpoint; the mail goes once a day, whatever nights and timers do."""
    file, mail = Harbour("file"), Harbour("mail")
    notary = office.notary(
        Anchor("file", timedelta(minutes=5), file.keep, file.last), Anchor("mail", timedelta(days=1), mail.keep)
    )
    for _ in range(49):
        office.write(1)
        notary.close([LIBRARY])
        office.store.clock.pass_by(hours=1)
    assert [parcel[0].checkpoint.size for parcel in mail.taken] == [1, 25, 49]
    assert len(file.taken) == 49


def test_what_signs_waits_for_nobody_for_ever(office: Office, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Somebody who holds the folder's lock stops signing with a sentence."""
    monkeypatch.setattr(local_state, "_PATIENCE_S", 0.05)
    office.write(1)
    (tmp_path / "signed").mkdir()
    with (tmp_path / "signed" / ".lock").open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        with pytest.raises(AnchorError, match="cannot be kept"):
            office.notary().sign(LIBRARY)
