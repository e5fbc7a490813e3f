"""A night and its anchors, with real files, mail servers and witnesses: signed on time, stopped when nobody has it."""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import pytest

from rrsync.anchor.witness_server import Witness
from rrsync.audit.notary import newest
from rrsync.core.log_entry import Actor, ActorKind, Kind
from rrsync.core.merkle import Edge, leaf_hash, verify_consistency
from rrsync.core.signed_note import Checkpoint, Note, Signer
from rrsync.errors import AnchorConflict, AnchorError
from tests.anchor.post import post_office
from tests.anchor.scene import SOON, bad_server, hang
from tests.night.conftest import LibraryNight
from tests.night.house import LIBRARY, House

WITNESS = Signer("witness.example/w1", bytes(range(32)))
AN = Actor(ActorKind.PERSON, "an.peeters")
ELSEWHERE = "elsewhere"


def anchored(house: House, *anchors: str) -> House:
    """Name anchors in the settings; every use of the rooms knows them from now on."""
    house.configure("".join(anchors))
    return house


def a_file(house: House) -> str:
    """Give a file anchor in a folder of its own."""
    (house.folder / ELSEWHERE).mkdir(exist_ok=True)
    return f'[[log.anchor]]\nkind = "file"\npath = "{ELSEWHERE}/anchors"\n'


def a_witness(house: House, url: str = "") -> str:
    """Give a witness anchor: a real witness that knows the house's log, or whoever answers at ``url``."""
    if not url:
        (house.folder / "seen").mkdir()
        keys = [house.app.notary.key(name) for name in house.libraries]
        witness = Witness(signer=WITNESS, logs=keys, state=house.folder / "seen", clock=house.clock)
        url = house.stack.enter_context(witness).url
    said = f'url = "{url}"\nkey = "{WITNESS.cosigner.text}"\ndeadline_s = {SOON}\n'
    return f'[[log.anchor]]\nkind = "witness"\n{said}'


def checkpoints(house: House) -> list[Checkpoint]:
    """Give what was signed, read from the database past our own code."""
    notes = house.raw.rows("SELECT note FROM checkpoint ORDER BY size")
    return [Checkpoint.parse(Note.parse(str(note)).text) for (note,) in notes]


def ticking(house: House, **step: float) -> None:
    """Let time pass with every question that reaches the register."""

    def tick(_: str) -> None:
        house.clock.pass_by(**step)

    house.audit.also = tick


class TestSigning:
    """A checkpoint every thousand entries or sixty seconds, and at the end."""

    def test_every_thousand_entries_and_at_the_end(self, library_night: LibraryNight) -> None:
        """Each goes on from the one before, and the last is of the whole log."""
        house = library_night(people=1_200)
        house.fill()
        house.night()
        signed = checkpoints(house)
        leaves = [leaf_hash(bytes(data)) for (data,) in house.raw.rows("SELECT data FROM entry ORDER BY seq")]
        assert [one.size for one in signed][-1] == len(leaves) > 2_400
        assert all(new.size - old.size <= 1_000 + 4 * 8 for old, new in pairwise(signed))
        for old, new in pairwise(signed):
            proof = house.app.log_tree.consistency(LIBRARY, old.size, new.size)
            assert verify_consistency(old=old.size, new=new.size, proof=proof, old_root=old.root, new_root=new.root)
        for one in signed:
            assert Edge().extend(leaves[: one.size]).root() == one.root

    def test_every_sixty_seconds(self, library_night: LibraryNight) -> None:
        """However slow the register is."""
        house = library_night(people=40, in_flight=1)
        house.fill()
        ticking(house, seconds=20)
        house.night()
        assert len(checkpoints(house)) >= 40 * 20 // 80

    def test_a_command_that_writes_entries_ends_by_signing_them(self, library_night: LibraryNight) -> None:
        """A refresh at the desk is signed when its process ends."""
        house = library_night(people=5)
        house.fill()
        with house.opened() as app:
            refreshed(app.desk().refresh)
            app.sign_off()
        assert [one.size for one in checkpoints(house)][-1] == house.app.access_log.head(LIBRARY).size == 3


def refreshed(refresh: Callable[..., object]) -> None:
    """Refresh one member, as desk staff do."""
    refresh(LIBRARY, "M000001", actor=AN, purpose="desk", case="brief-1", preview=False)


class TestOutOfReach:
    """No anchor for four hours stops the night; for a day, the desk."""

    @pytest.mark.parametrize("how", ["no folder", "refuses", "hangs", "no mail server"])
    def test_the_night_stops_after_four_hours(self, library_night: LibraryNight, how: str) -> None:
        """With exit code 4 and a sentence; what is open is done by the next one, when an anchor is there again."""
        house = library_night(people=20, in_flight=1)
        house.fill()
        anchored(house, closed(house, how))
        ticking(house, minutes=20)
        report = house.night()
        assert report.stopped is not None
        assert (report.exit_code, report.stopped[0]) == (4, "anchor")
        assert "`rrsync log anchor`" in report.stopped[1]
        assert 12 <= report.asked < 20
        assert report.open == 20 - report.asked
        anchored(house, a_file(house))
        assert house.night().exit_code == 0

    def test_a_night_that_cannot_begin_asks_nothing(self, library_night: LibraryNight) -> None:
        """The last anchoring is of yesterday, and the anchor is away."""
        house = library_night(people=5)
        house.fill()
        anchored(house, a_file(house))
        house.night()
        house.clock.pass_by(days=31)
        shutil.rmtree(house.folder / ELSEWHERE)
        asked = len(house.simulator.asked)
        with pytest.raises(AnchorError, match="4 hours"):
            house.told(house.night)
        assert len(house.simulator.asked) == asked

    def test_the_desk_goes_on_for_a_day(self, library_night: LibraryNight) -> None:
        """And then no longer, until an anchor is there again."""
        house = library_night(people=5)
        house.fill()
        anchored(house, a_file(house))
        house.night()
        (house.folder / ELSEWHERE).rename(house.folder / "away")
        house.clock.pass_by(hours=23)
        house.reopen()
        refreshed(house.app.desk().refresh)
        house.clock.pass_by(hours=2)
        asked = len(house.simulator.asked)
        with pytest.raises(AnchorError, match="24 hours"):
            house.told(lambda: refreshed(house.app.desk().refresh))
        assert len(house.simulator.asked) == asked
        (house.folder / "away").rename(house.folder / ELSEWHERE)
        refreshed(house.app.desk().refresh)

    def test_one_anchor_in_reach_is_enough(self, library_night: LibraryNight) -> None:
        """A witness that is away does not stop a night whose file takes every checkpoint."""
        house = library_night(people=20, in_flight=1)
        house.fill()
        anchored(house, closed(house, "refuses"), a_file(house))
        ticking(house, minutes=20)
        assert house.night().exit_code == 0
        names = {str(name) for (name,) in house.raw.rows("SELECT DISTINCT name FROM anchor WHERE library <> ''")}
        assert len(names) == 1


def closed(house: House, how: str) -> str:
    """Give an anchor that is out of reach in some way."""
    match how:
        case "no folder":
            return '[[log.anchor]]\nkind = "file"\npath = "nowhere/anchors"\n'
        case "refuses":
            return a_witness(house, "http://127.0.0.1:9/")
        case "hangs":
            return a_witness(house, f"http://127.0.0.1:{house.stack.enter_context(bad_server(hang))}/")
        case _:
            said = 'host = "127.0.0.1"\nport = 9\ntls = "none"\nsender = "a@b.example"\nto = "dpo@b.example"\n'
            return f'[[log.anchor]]\nkind = "mail"\n{said}deadline_s = {SOON}\n'


@pytest.mark.parametrize("database_kind", ["sqlite"])  # its file is what is put back
class TestBackups:
    """A database that was put back is seen, and nothing is asked with it."""

    @pytest.mark.parametrize("kept", ["the folder", "the file", "the witness"])
    def test_an_old_backup_stops_the_night_and_the_desk(self, library_night: LibraryNight, kept: str) -> None:
        """Whoever alone still knows better: the folder of what was signed, a file elsewhere, or a witness."""
        house = library_night(people=6)
        house.fill()
        if kept != "the folder":
            anchored(house, a_file(house) if kept == "the file" else a_witness(house))
        house.night()
        house.clock.pass_by(hours=5)
        backup = put_aside(house)
        refreshed(house.app.desk().refresh)
        house.app.notary.close([LIBRARY])
        put_back(house, backup, signed=kept != "the folder")
        house.excused = True
        asked = len(house.simulator.asked)
        for work in (house.night, lambda: refreshed(house.app.desk().refresh)):
            with pytest.raises(AnchorConflict) as conflict:
                house.told(work)
            assert conflict.value.exit_code == 4
            assert "backup was put back" in str(conflict.value)
        assert len(house.simulator.asked) == asked

    def test_a_forked_log_is_refused_by_the_witness(self, library_night: LibraryNight) -> None:
        """The log grew past what the witness saw: it says 422, and the night does not begin."""
        house = library_night(people=6)
        house.fill()
        anchored(house, a_witness(house))
        house.night()
        backup = put_aside(house)
        house.clock.pass_by(hours=5)
        refreshed(house.app.desk().refresh)
        house.app.notary.close([LIBRARY])
        put_back(house, backup, signed=True)
        carelessly(house, times=3)
        house.excused = True
        asked = len(house.simulator.asked)
        with pytest.raises(AnchorConflict, match="does not follow"):
            house.told(house.night)
        assert len(house.simulator.asked) == asked


def carelessly(house: House, *, times: int) -> None:
    """Refresh a member at a desk that looks at no anchor first, as one would that was tampered with."""
    with house.opened() as app:
        for _ in range(times):
            refreshed(replace(app.desk(), attend=lambda _: None).refresh)


def put_aside(house: House) -> Path:
    """Copy the database and what was signed, as a nightly backup does."""
    backup = house.folder.with_name(house.folder.name + "-backup")
    backup.mkdir()
    copy(str(house.app.database.path), backup / "rrsync.db")
    shutil.copytree(house.folder / "rrsync.signed", backup / "rrsync.signed")
    return backup


def put_back(house: House, backup: Path, *, signed: bool) -> None:
    """Put the backup in the place of what there is; what was signed too, or not."""
    copy(backup / "rrsync.db", str(house.app.database.path))
    if signed:
        shutil.rmtree(house.folder / "rrsync.signed")
        shutil.copytree(backup / "rrsync.signed", house.folder / "rrsync.signed")
    house.reopen()


def copy(source: str | Path, target: str | Path) -> None:
    """Copy a SQLite database into another, whoever has it open."""
    with closing(sqlite3.connect(source)) as old, closing(sqlite3.connect(target)) as new:
        old.backup(new)


class TestAnchoring:
    """What the anchors get is what was signed."""

    def test_a_witness_cosigns_and_the_proof_bears_it(self, library_night: LibraryNight) -> None:
        """The proof of an entry that goes to somebody else has the witness's signature under the log's."""
        house = library_night(people=6)
        house.fill()
        anchored(house, a_witness(house), a_file(house))
        house.night()
        proof = house.app.prover().prove(LIBRARY, 2, actor=AN)
        assert proof.checkpoint.is_signed_by(WITNESS.cosigner)
        assert proof.check(leaf_hash(proof.extra), house.app.notary.key(LIBRARY)).size > 2
        last = (house.folder / ELSEWHERE / "anchors").read_text(encoding="utf-8")
        assert house.app.notary.last(LIBRARY).to_text() in last  # type: ignore[union-attr] # a night has signed

    def test_the_officer_gets_one_mail_about_all_libraries(self, library_night: LibraryNight) -> None:
        """With each note letter for letter; nobody is in it."""
        with post_office() as postman:
            house = library_night(people=4, libraries=(LIBRARY, "genk"))
            house.fill()
            said = f'host = "127.0.0.1"\nport = {postman.port}\ntls = "none"\nsender = "a@b.example"\n'
            anchored(house, f'[[log.anchor]]\nkind = "mail"\n{said}to = "dpo@b.example"\n')
            house.night()
            (mail,) = postman.bodies  # one, at the night's beginning: it goes once a day
            for name in (LIBRARY, "genk"):
                kept = newest(name, mail, house.app.notary.key(name), source="the mail")
                assert kept is not None
                assert kept.root == house.app.log_tree.root(name, kept.size)

    def test_settings_that_matter_are_in_the_log_when_they_change(self, library_night: LibraryNight) -> None:
        """Once for what they were first, and once for each change, naming which."""
        house = library_night(people=4)
        house.fill()
        house.night()
        house.night(full=True)
        anchored(house, a_file(house))
        scope = house.folder / "scopes" / "libraries.txt"
        scope.write_text(scope.read_text(encoding="utf-8").replace("Persoon/Geboorte", "# Persoon/Geboorte"), "utf-8")
        house.reopen()
        house.night(full=True)
        lines = [line for _, line in house.app.log_search.deeds(LIBRARY, {Kind.SETTINGS})]
        changed = [line["terms"]["changed"] for line in lines if isinstance(line["terms"], dict)]
        assert changed[0] == [
            "anchors",
            "authorisation",
            "endpoint",
            "evidence",
            "flags",
            "keys",
            "scope",
            "signatures",
        ]
        assert changed[1:] in ([["anchors", "scope"]], [["anchors"]])


@pytest.mark.parametrize(
    ("policy", "fault", "kept"),
    [
        ("errors", "", 0),
        ("errors", "mixup:1", 1),
        ("hash", "unknowncode:1", 0),
        ("hash", "mixup:1", 1),
        ("all", "", 1),
    ],
)
def test_messages_are_kept_when_they_explain_a_failure(
    library_night: LibraryNight, policy: str, fault: str, kept: int
) -> None:
    """Sealed, and never in the entry; with the settings they are kept of all, or of none but a mix-up."""
    house = library_night(people=1, faults=[fault] if fault else [], settings="[night]\nmax_mismatches = 9")
    said = house.settings.log.model_copy(update={"evidence": policy})
    house.settings = house.settings.model_copy(update={"log": said})
    house.fill()
    house.excused = True
    house.night()
    rows = house.raw.rows("SELECT seq FROM evidence")
    assert len(rows) == kept
    for (seq,) in rows:
        found = house.app.access_log.evidence(LIBRARY, int(str(seq)))
        assert found is not None
        assert b"GeefPersoon" in found.request
        assert b"Repliek" in found.reply
