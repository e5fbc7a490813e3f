"""A log given out: each form is read back by code of the test's own, and held against the log."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final
from uuid import UUID

import pytest

from rrsync.audit.export import KEY, VERIFIER, Export, ExportOrder, Format, LoggedOrder, laid_out
from rrsync.audit.export_formats import COLUMNS, is_registered, registration, row_of, span
from rrsync.core.log_entry import Access, Actor, ActorKind, Draft, Kind, access
from rrsync.core.merkle import entries_path, tile_path, tiles
from rrsync.core.signed_note import Checkpoint, Key, Note, Signer
from rrsync.errors import BrokenChain, ConfigError, NotAuthorised
from tests.night.conftest import LibraryNight
from tests.night.house import LIBRARY, House
from tests.night.invariants import in_clear, merkle
from tests.night.raw import Entry
from tests.support import ROOT

AN: Final = Actor(ActorKind.PERSON, "an.peeters")
DPO: Final = Actor(ActorKind.PERSON, "d.p. officer")
WHY: Final = "a question of the authority"
FSCK: Final = os.environ.get("RRSYNC_FSCK", "")
WITNESS: Final = Signer("witness.example/w1", bytes(range(32)))


def work(library_night: LibraryNight) -> House:
    """Build a library after a night with a few failures, a preview, a refresh and a refused attempt at the desk."""
    house = library_night(people=60, faults=("reset:7", "unsubscribed:11"), tolerated=("refused",))
    house.fill()
    house.night()
    desk = house.app.desk()
    for number, preview in (("M000001", True), ("M000002", False)):
        house.clock.pass_by(minutes=1)
        desk.refresh(LIBRARY, number, actor=AN, purpose="desk", case="brief-118", preview=preview)
    with pytest.raises(NotAuthorised):
        desk.refresh(LIBRARY, "M000003", actor=AN, purpose="curiosity", case="brief-119", preview=False)
    return house


def begun(house: House, form: Format, **period: datetime) -> tuple[Export, LoggedOrder]:
    """Begin to give the log out."""
    export = house.app.export()
    return export, export.begin(ExportOrder(LIBRARY, form, **period), actor=DPO, why=WHY)


def entries(house: House) -> list[Entry]:
    """Return the log as it stands, read past rrsync."""
    return house.raw.state().entries[LIBRARY]


def lines(house: House, form: Format) -> tuple[list[Entry], list[dict[str, Any]]]:
    """Return the log as it was, and what it was given out as."""
    before = entries(house)
    export, filled = begun(house, form)
    return before, [json.loads(line) for line in export.lines(filled, lambda _: None)]


def asked(log: Iterable[Entry]) -> list[tuple[Entry, Entry | None]]:
    """Return each look at a person with what came of it."""
    log = list(log)
    ends = {one.reference: one for one in log if one.kind == "access.outcome"}
    looks = [one for one in log if one.kind in {"access.intent", "access.denied"}]
    return [(one, ends.get(one.reference)) for one in looks]


class TestBegin:
    """Who takes the log out is in it, before anything is given."""

    def test_the_entry_says_who_takes_how_much_and_why(self, house: House) -> None:
        """It stands there although nothing was given yet, and is not in what will be given."""
        size = len(entries(house))
        export, filled = begun(house, Format.JSONL)
        added = entries(house)[size:]
        assert [(one.line["kind"], one.line["actor"]) for one in added] == [
            ("log.export", {"t": "person", "id": DPO.name})
        ]
        assert added[0].line["export"] == {"format": "jsonl", "from": 0, "to": size - 1, "count": size}
        assert added[0].line["why"] == {"note": WHY}
        assert len(list(export.lines(filled, lambda _: None))) == size

    def test_a_stretch_of_time_without_entries(self, house: House) -> None:
        """Is asked for in vain, and that too is said."""
        export, filled = begun(house, Format.CSV, since=house.clock() + timedelta(days=1))
        assert entries(house)[-1].line["export"] == {"format": "csv", "count": 0}
        assert list(export.rows(filled, lambda _: None)) == []


class TestRows:
    """A spreadsheet's rows."""

    def test_every_look_is_a_row_and_says_what_the_log_says(self, house: House) -> None:
        """Looks of the night and of the desk, with and without a reply, previewed and denied, in their order."""
        looks = asked(entries(house))
        export, filled = begun(house, Format.CSV)
        rows = [dict(zip(COLUMNS, row, strict=True)) for row in export.rows(filled, lambda _: None)]
        assert [int(row["seq"]) for row in rows] == [look.seq for look, _ in looks]
        for row, (look, end) in zip(rows, looks, strict=True):
            why, out = look.line["why"], (end.line["out"] if end else {})
            assert row["library"] == LIBRARY
            assert [row[name] for name in ("at", "reference", "run", "operation", "scope", "request", "denial")] == [
                look.line.get(name, "") for name in ("ts", "ref", "run", "op", "scope", "req", "denial")
            ]
            assert [row[name] for name in ("purpose", "case", "basis", "capacity")] == [
                why.get(name, "") for name in ("code", "case", "basis", "hoed")
            ]
            assert (row["actor_kind"], row["actor"]) == (look.line["actor"]["t"], look.line["actor"]["id"])
            assert (row["subject"], row["subject_year"]) == (look.line["subj"]["ref"], look.line["subj"]["key"])
            assert row["status"] == (out["status"] if end else "denied")
            assert (row["codes"], row["got"]) == (" ".join(out.get("codes", [])), " ".join(out.get("got", [])))
            assert (row["reply"], row["ms"]) == (out.get("rsp", ""), str(out.get("ms", 0)))
            assert row["ended_at"] == (end.line["ts"] if end else "")
            assert row["outcome_seq"] == (str(end.seq) if end else "")
            ended = end.line if end else {}
            assert (row["verdict"], row["hold"]) == (ended.get("verdict", ""), ended.get("hold", ""))
            assert row["changed"] == " ".join(ended.get("changed", []))
            assert row["preview"] == ("yes" if ended.get("preview") else "")
        assert {row["status"] for row in rows} >= {"ok", "no_reply", "denied"}
        assert {row["preview"] for row in rows} == {"", "yes"}

    def test_only_looks_of_a_stretch_of_time(self, house: House) -> None:
        """From its first moment up to its last, which is no longer meant."""
        log = entries(house)
        since, until = house.clock() - timedelta(minutes=1), house.clock()
        export, filled = begun(house, Format.CSV, since=since, until=until)
        rows = list(export.rows(filled, lambda _: None))
        wanted = [one for one, _ in asked(log) if since <= datetime.fromisoformat(one.line["ts"]) < until]
        assert [row[1] for row in rows] == [str(one.seq) for one in wanted]
        assert 0 < len(rows) < len(asked(log))

    def test_what_is_asked_meanwhile_is_not_in_it(self, house: House) -> None:
        """The export ends before its own entry, whatever is appended while it is written."""
        export, filled = begun(house, Format.CSV)
        house.app.desk().refresh(LIBRARY, "M000002", actor=AN, purpose="desk", case="later", preview=True)
        assert all(row[COLUMNS.index("case")] != "later" for row in export.rows(filled, lambda _: None))


class TestBytes:
    """The entries as they stand."""

    def test_every_entry_is_a_line_to_the_byte(self, house: House) -> None:
        """And the tree over the lines is the tree of the log."""
        before = entries(house)
        head = house.app.access_log.head(LIBRARY)
        export, filled = begun(house, Format.JSONL)
        found = list(export.lines(filled, lambda _: None))
        assert found == [one.data for one in before]
        assert all(b"\n" not in line for line in found)
        assert merkle(found).hex() == head.root

    def test_a_stretch_of_time_is_a_stretch_of_the_log(self, house: House) -> None:
        """Without a gap, of which the entry names the ends."""
        log = entries(house)
        since = house.clock() - timedelta(minutes=1)
        wanted = [one for one in log if datetime.fromisoformat(one.line["ts"]) >= since]
        export, filled = begun(house, Format.JSONL, since=since)
        assert list(export.lines(filled, lambda _: None)) == [one.data for one in wanted]
        said = entries(house)[-1].line["export"]
        assert (said["from"], said["to"], said["count"]) == (wanted[0].seq, wanted[-1].seq, len(wanted))

    def test_how_far_it_is_is_told(self, house: House) -> None:
        """Every thousand entries, whatever they are given out as."""
        house.app.access_log.append([Draft(LIBRARY, Kind.VIEW, "", body={"n": n}) for n in range(2_500)])
        house.app.desk().refresh(LIBRARY, "M000002", actor=AN, purpose="desk", case="later", preview=True)
        for form in (Format.JSONL, Format.LDV):
            export, filled = begun(house, form)
            told: list[int] = []
            assert list(export.lines(filled, told.append))
            assert told == ([1_000, 2_000] if form is Format.JSONL else [2_000])


def tree_of(folder: dict[str, bytes], size: int) -> list[bytes]:
    """Return the entries of a folder, read from its bundles."""
    found: list[bytes] = []
    for number in range(-(-size // 256)):
        width = min(256, size - number * 256)
        data = folder[entries_path(number, width)]
        while data:
            end = 2 + int.from_bytes(data[:2], "big")
            found.append(data[2:end])
            data = data[end:]
    return found


def hashes(level: int, number: int, width: int, leaves: list[bytes]) -> bytes:
    """Return a tile's content by RFC 6962's definition alone."""
    of = 256**level
    return b"".join(merkle(leaves[at * of : (at + 1) * of]) for at in range(number * 256, number * 256 + width))


class TestTiles:
    """A folder that others check."""

    def test_the_folder_holds_the_log_its_tree_and_who_signed(self, house: House) -> None:
        """Every entry that the checkpoint covers, and none after it."""
        note = house.app.prover().newest(LIBRARY)
        covered = [one.data for one in entries(house)]
        house.app.desk().refresh(LIBRARY, "M000002", actor=AN, purpose="desk", case="later", preview=True)
        export, filled = begun(house, Format.TILES)
        folder = dict(export.files(filled, lambda _: None))
        checkpoint = Checkpoint.parse(note.text)
        assert folder["checkpoint"].decode() == note.to_text()
        assert tree_of(folder, checkpoint.size) == covered
        assert merkle(covered) == checkpoint.root
        assert Note.parse(note.to_text()).is_signed_by(Key.parse(folder[KEY].decode().strip()))
        said = entries(house)[-1].line["export"]
        assert said == {"format": "tiles", "from": 0, "to": checkpoint.size - 1, "count": checkpoint.size}

    def test_a_log_of_which_nothing_was_signed(self, house: House) -> None:
        """Is signed first."""
        assert begun(house, Format.TILES)[1].note is not None

    def test_tiles_of_a_part_of_a_log(self, house: House) -> None:
        """Are refused, and nothing is noted: a tree stands for the whole of it."""
        size = len(entries(house))
        with pytest.raises(ConfigError, match="whole"):
            begun(house, Format.TILES, since=house.clock())
        assert len(entries(house)) == size

    @pytest.mark.parametrize("size", [1, 2, 255, 256, 257, 511, 512, 700])
    def test_every_file_is_what_the_specification_says(self, size: int) -> None:
        """For trees of full and partial tiles: names, bundles and hashes, and nothing else."""
        leaves = [b"entry %d" % n for n in range(size)]
        signer = Signer("example.org/log", bytes(32))
        text = Checkpoint("example.org/log", size, merkle(leaves)).to_text()
        note = Note(text, (signer.sign(text),))
        folder = dict(laid_out("example", iter(leaves), note=note, key=signer.key))
        assert tree_of(folder, size) == leaves
        expected = {tile_path(*tile): hashes(*tile, leaves) for tile in tiles(size)}
        assert {name: data for name, data in folder.items() if name in expected} == expected
        bundles = {name for name in folder if name.startswith("tile/entries/")}
        assert set(folder) == {*expected, *bundles, "checkpoint", KEY, VERIFIER, "README.txt"}
        assert len(bundles) == -(-size // 256)

    def test_a_tree_of_three_levels(self) -> None:
        """Its second level is full, and goes up as one hash."""
        size = 256 * 256 + 3
        leaves = [b"%d" % n for n in range(size)]
        signer = Signer("example.org/log", bytes(32))
        text = Checkpoint("example.org/log", size, merkle(leaves)).to_text()
        folder = dict(laid_out("example", iter(leaves), note=Note(text, (signer.sign(text),)), key=signer.key))
        assert folder[tile_path(2, 0, 1)] == merkle(leaves[: 256 * 256])
        assert len(folder[tile_path(1, 0)]) == 256 * 32
        assert [name for name in folder if name.startswith("tile/1/")] == ["tile/1/000"]

    def test_entries_that_are_not_those_that_were_signed(self) -> None:
        """Are told of after the last, and there is no checkpoint over them."""
        leaves = [b"%d" % n for n in range(300)]
        signer = Signer("example.org/log", bytes(32))
        text = Checkpoint("example.org/log", 300, merkle(leaves)).to_text()
        note = Note(text, (signer.sign(text),))
        for wrong in ([*leaves[:7], b"other", *leaves[8:]], leaves[:-1]):
            given: list[str] = []
            with pytest.raises(BrokenChain, match="verify"):
                given.extend(name for name, _ in laid_out("example", wrong, note=note, key=signer.key))
            assert "checkpoint" not in given

    def test_it_goes_by_as_a_stream(self) -> None:
        """Who takes the first file has made us read one bundle."""
        read = 0

        def counted() -> Iterator[bytes]:
            nonlocal read
            for _ in range(10_000):
                read += 1
                yield b"entry"

        signer = Signer("example.org/log", bytes(32))
        text = Checkpoint("example.org/log", 10_000, bytes(32)).to_text()
        first = next(laid_out("example", counted(), note=Note(text, (signer.sign(text),)), key=signer.key))
        assert (first[0], read) == ("tile/entries/000", 256)

    def test_the_verifier_is_the_one_of_the_source(self, house: House) -> None:
        """To the byte, and README.txt says what to type."""
        export, filled = begun(house, Format.TILES)
        folder = dict(export.files(filled, lambda _: None))
        source = ROOT / "src" / "rrsync" / "audit" / VERIFIER
        if source.exists():
            assert folder[VERIFIER] == source.read_bytes()
        readme = folder["README.txt"].decode()
        assert f"python3 {VERIFIER} export . --key {KEY}" in readme
        assert house.app.access_log.origin(LIBRARY) in readme


@pytest.fixture
def folder(house: House) -> Path:
    """Return an export on disk, of a log that a witness has signed too."""
    seen = Checkpoint.parse(house.app.prover().newest(LIBRARY).text)
    cosignature = WITNESS.cosign(seen.to_text(), 1_782_000_000).line
    house.app.checkpoints.anchored(LIBRARY, seen.size, "a witness", house.clock(), cosignature)
    export, filled = begun(house, Format.TILES)
    place = house.folder / "export"
    for name, data in export.files(filled, lambda _: None):
        path = place / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    return place


def verified(folder: Path, *more: str) -> subprocess.CompletedProcess[str]:
    """Do what README.txt says."""
    return done(folder, sys.executable, VERIFIER, "export", ".", "--key", KEY, *more)


def done(folder: Path, *command: str) -> subprocess.CompletedProcess[str]:
    """Run a command in a folder."""
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False, timeout=60)


def flip(path: Path) -> None:
    """Change one bit in the middle of a file."""
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


class TestOthers:
    """Programs that share nothing with rrsync check the folder."""

    def test_the_verifier_in_it(self, folder: Path) -> None:
        """Says that the log is whole, and who signed it."""
        said = verified(folder, "--witness", WITNESS.cosigner.text)
        assert (said.returncode, said.stderr) == (0, "")
        assert "whole" in said.stdout
        assert WITNESS.cosigner.name in said.stdout

    @pytest.mark.parametrize("part", ["checkpoint", "tile/entries/", "tile/0/"])
    def test_the_verifier_sees_a_bit_that_was_flipped(self, folder: Path, part: str) -> None:
        """Wherever it is."""
        for path in [path for path in folder.rglob("*") if path.relative_to(folder).as_posix().startswith(part)]:
            if path.is_file():
                flip(path)
        assert verified(folder).returncode == 1

    @pytest.mark.skipif(not FSCK, reason="RRSYNC_FSCK does not name transparency-dev's fsck (tessera, cmd/fsck)")
    @pytest.mark.parametrize("part", ["", "checkpoint", "tile/entries/", "tile/0/"])
    def test_the_fsck_of_transparency_dev(self, folder: Path, part: str) -> None:
        """Takes the folder as it is, and no other; with one worker it may wait for ever once it found a fault."""
        for path in [path for path in folder.rglob("*") if path.relative_to(folder).as_posix().startswith(part)]:
            if part and path.is_file():
                flip(path)
        said = done(
            folder, FSCK, "-N=16", f"--storage_url=file://{folder}/", f"--public_key={KEY}", "--ui=false", "-v=1"
        )
        is_good = "Successfully fsck'd log with size" in said.stderr  # its exit code does not say
        assert is_good is (part == ""), said.stderr[-500:]
        assert ("fsck failed" in said.stderr) is (part != "")


class TestAuditregister:
    """Calls for MAGDA's Auditregister."""

    def test_every_question_that_was_sent_is_a_call(self, house: House) -> None:
        """With three references in its headers and three in its body, and the person's own number."""
        log, calls = lines(house, Format.AUDITREGISTER)
        looks = [look for look, end in asked(log) if end]
        assert len(calls) == len(looks)
        for call, look in zip(calls, looks, strict=True):
            assert (call["method"], call["path"]) == ("POST", "/audit/v1/registraties")
            assert set(call["headers"]) == {"x-correlation-id", "x-tracing-id", "x-request-id"}
            for reference in (*call["headers"].values(), *call["body"]["registratie"].values()):
                assert str(UUID(reference)) == reference
            assert call["body"]["meta"] == {"onderwerpInOnderzoek": False}
            assert set(call["body"]["registratie"]) == {"correlatieId", "tracingId", "requestId"}
            assert call["body"]["registratie"]["tracingId"] == look.reference
            assert call["headers"]["x-correlation-id"] == (look.line.get("run") or look.reference)
            told = call["gegevens"]
            assert told["overWie"] == look.digits
            assert (told["referentie"], told["wat"], told["wanneer"]) == (
                look.reference,
                look.line["op"],
                look.line["ts"],
            )
            assert (told["gebruiker"], told["waarom"]) == (look.line["actor"]["id"], look.line["why"]["hoed"])
        assert len({call["headers"]["x-request-id"] for call in calls}) == len(calls)

    def test_the_same_log_gives_the_same_calls(self, house: House) -> None:
        """So that what was sent can be told from what was not."""
        _, once = lines(house, Format.AUDITREGISTER)
        _, again = lines(house, Format.AUDITREGISTER)
        assert once == again

    def test_the_key_of_the_year_is_gone(self, house: House) -> None:
        """Then the call says everything but the person."""
        entries(house)  # the auditor remembers what it reads, and looks again at the end
        with house.app.access_log.writing() as session:
            house.app.access_log.destroy_in(session, LIBRARY, house.clock().year)
        export, filled = begun(house, Format.AUDITREGISTER)
        calls = [json.loads(line) for line in export.lines(filled, lambda _: None)]
        assert calls
        assert not any("overWie" in call["gegevens"] for call in calls)

    def test_a_reference_that_is_no_uuid(self) -> None:
        """Stands for the same one each time, in its own log alone."""
        look = an_access(ref="ref-1")
        first = registration(look, None, origin="one.example/log")["headers"]
        assert first == registration(look, None, origin="one.example/log")["headers"]
        assert first != registration(look, None, origin="two.example/log")["headers"]

    @pytest.mark.parametrize(
        ("status", "registered"), [("not_sent", False), ("no_reply", True), ("indeterminate", True), ("ok", True)]
    )
    def test_what_was_never_sent_is_not_registered(self, status: str, registered: bool) -> None:
        """Nobody was asked anything then; where that is not known, it counts as asked."""
        assert is_registered(an_access(status=status)) is registered


def an_access(*, ref: str = "ref-1", status: str = "ok", **more: object) -> Access:
    """Return a look with an outcome."""
    intent: dict[str, Any] = {
        "kind": "access.intent",
        "ts": "2026-07-01T02:00:00.000001Z",
        "ref": ref,
        "actor": {"t": "person", "id": "an"},
        "op": "GeefPersoon-02.02",
        "why": {"code": "desk", "hoed": "1300"},
        "subj": {"ref": "ab" * 32, "key": "2026"},
        **more,
    }
    ended: dict[str, Any] = {"ts": "2026-07-01T02:00:01.000000Z", "out": {"status": status}}
    return access("hasselt", 7, intent, (8, ended))


def attributes(owner: dict[str, Any]) -> dict[str, str]:
    """Return OTLP's attributes."""
    found = [(one["key"], one["value"]["stringValue"]) for one in owner["attributes"]]
    assert len(found) == len(dict(found))
    return dict(found)


def spans_of(line: dict[str, Any]) -> dict[str, Any]:
    """Return the one span of a line, which has one resource and one scope."""
    (resource,) = line["resourceSpans"]
    (scope,) = resource["scopeSpans"]
    (found,) = scope["spans"]
    assert attributes(resource["resource"])["service.name"] == "rrsync"
    span: dict[str, Any] = found
    return span


class TestLogboek:
    """Records of Logboek Dataverwerkingen."""

    def test_every_look_is_a_record_about_one_person_and_names_no_user(self, house: House) -> None:
        """Under its run or its own trace; the run has a record of its own, about nobody."""
        log, found = lines(house, Format.LDV)
        looks = asked(log)
        spans = [spans_of(line) for line in found]
        records, runs = spans[: len(looks)], spans[len(looks) :]
        for record, (look, end) in zip(records, looks, strict=True):
            said = attributes(record)
            assert said["dpl.core.data_subject_id"] == look.line["subj"]["ref"]
            assert said["dpl.core.data_subject_id_type"] == "INSZ-pseudonym"
            activity = said["dpl.core.processing_activity_id"]
            assert activity == f"https://{look.line['log']}#{look.line['why']['code']}"
            assert record["traceId"] == UUID(look.line.get("run") or look.reference).hex
            assert in_nanoseconds(record["startTimeUnixNano"]) == look.line["ts"]
            assert in_nanoseconds(record["endTimeUnixNano"]) == (end or look).line["ts"]
            assert ("parentSpanId" in record) is ("run" in look.line)
            assert record["name"].startswith(look.line["op"])
            assert len(bytes.fromhex(record["spanId"])) == 8
        assert len({(record["traceId"], record["spanId"]) for record in spans}) == len(spans)
        (run,) = runs
        assert {record["parentSpanId"] for record in records if "parentSpanId" in record} == {run["spanId"]}
        assert {record["traceId"] for record in records if "parentSpanId" in record} == {run["traceId"]}
        assert "dpl.core.data_subject_id" not in attributes(run)
        times = [one.line["ts"] for one in log if one.kind in {"run.open", "run.close"}]
        assert [in_nanoseconds(run[f"{side}TimeUnixNano"]) for side in ("start", "end")] == [times[0], times[-1]]
        text = json.dumps(found)
        assert AN.name not in text
        assert "brief-118" not in text

    def test_only_runs_of_the_stretch_have_a_record(self, house: House) -> None:
        """What was asked at the desk alone has none above it."""
        export, filled = begun(house, Format.LDV, since=house.clock())
        spans = [spans_of(json.loads(line)) for line in export.lines(filled, lambda _: None)]
        assert spans
        assert not any("parentSpanId" in span or span["name"] == "night" for span in spans)

    @pytest.mark.parametrize(
        ("status", "code"), [("ok", 1), ("not_found", 0), ("cancelled", 0), ("refused", 0), ("no_reply", 2)]
    )
    def test_only_what_failed_on_the_way_is_an_error(self, status: str, code: int) -> None:
        """That the register knows nobody, or refuses, is an answer."""
        record = spans_of(span(an_access(status=status), origin="hasselt.be/aip/hasselt"))
        assert record["status"] == {"code": code}
        assert attributes(record).get("exception.type") == (status if code == 2 else None)

    def test_a_purpose_of_several_words_and_an_origin_with_a_scheme(self) -> None:
        """Still make an address."""
        look = an_access(why={"code": "old letters"})
        record = spans_of(span(look, origin="https://hasselt.be/aip"))
        assert attributes(record)["dpl.core.processing_activity_id"] == "https://hasselt.be/aip#old%20letters"


def in_nanoseconds(text: str) -> str:
    """Return OTLP's time as the log writes it."""
    seconds, rest = divmod(int(text), 1_000_000_000)
    assert rest % 1_000 == 0
    at = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(seconds=seconds, microseconds=rest // 1_000)
    return at.replace(tzinfo=None).isoformat(timespec="microseconds") + "Z"


def test_nobody_is_in_it_by_name_or_number(house: House) -> None:
    """But by number in what the Auditregister asks for."""
    canaries = house.canaries()
    assert canaries.numbers
    given: dict[str, bytes] = {}
    for form in Format:
        export, filled = begun(house, form)
        match form:
            case Format.CSV:
                given[form] = "\n".join(",".join(row) for row in export.rows(filled, lambda _: None)).encode()
            case Format.TILES:
                given[form] = b"\n".join(data for _, data in export.files(filled, lambda _: None))
            case _:
                given[form] = b"\n".join(export.lines(filled, lambda _: None))
    assert all(given.values())
    found = list(in_clear(canaries, given.items()))
    assert found == ["I6: auditregister holds a number in clear"]


def test_a_row_has_a_cell_for_each_column() -> None:
    """Also of a look that says little."""
    assert len(row_of(an_access())) == len(COLUMNS)
