"""A log to take along: the file that the command writes, its entry in the log, and what was taken before."""

from __future__ import annotations

import csv
import io
import subprocess
import sys
import tracemalloc
import zipfile
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any, Final

import pytest

from rrsync.audit.export import ExportOrder, Format
from rrsync.cli import app as door
from rrsync.core.log_entry import JSON, Actor, ActorKind, Draft, Kind
from rrsync.core.spreadsheet import unescape
from rrsync.errors import BrokenChain, LedgerError
from rrsync.web import export
from tests.support import amount
from tests.web.officer import GENK, HASSELT, HOUSE, Office, afresh, office, told
from tests.web.scene import Browser

PAGE: Final = "/log/export"
WHY: Final = "audit 2026"
#: How long the long log is.
ENTRIES: Final = amount("ENTRIES", short=10_000, whole=200_000)
FILES: Final = [form for form in Format if form is not Format.TILES]
ENDS: Final = {
    "csv": "csv",
    "jsonl": "jsonl",
    "tiles": "zip",
    "auditregister": "auditregister.jsonl",
    "ldv": "ldv.jsonl",
}


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory, migrated_file: Path) -> Iterator[Office]:
    with office(tmp_path_factory.mktemp("export"), migrated_file) as made:
        yield made


@pytest.fixture
def at(kept: Office, tmp_path: Path) -> Iterator[Office]:
    with afresh(kept, tmp_path) as made:
        yield made


def form(**said: str) -> dict[str, str]:
    """Give the form, filled in."""
    return {"library": "hasselt", "format": "csv", "since": "", "until": "", "reason": WHY} | said


def taken(at: Office, browser: Browser | None = None, **said: str) -> Any:
    """Take something along, and give the answer."""
    return (browser or at.inside()).post(PAGE, form(**said))


def by_command(at: Office, target: Path, kind: str, *more: str) -> Path:
    """Take the same along at a terminal."""
    words = ("--library", "hasselt", "--format", kind, "--reason", WHY, "--actor", HOUSE)
    config = ("--config", str(at.folder / "rrsync.toml"))
    assert door.run(["log", "export", str(target), *words, *more, *config]) == 0
    return target


def contents(folder: Path) -> dict[str, bytes]:
    """Give the files of a folder, by their path in it."""
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize("kind", FILES)
def test_it_is_what_the_command_writes(at: Office, tmp_path: Path, kind: Format) -> None:
    """Byte for byte; a whole log, and a part of it."""
    day = at.scene.clock.now.date() - timedelta(days=20)
    whole, part = taken(at, format=kind.value), taken(at, format=kind.value, since="", until=day.isoformat())
    said = by_command(at, tmp_path / "whole", kind.value, "--until", "2026-06-30").read_bytes()
    assert whole.content.startswith(said) if kind is Format.JSONL else whole.content == said
    assert part.content == by_command(at, tmp_path / "part", kind.value, "--until", day.isoformat()).read_bytes()
    assert 100 < len(part.content) < len(whole.content)


def test_tiles_are_the_folder_that_the_command_writes(at: Office, tmp_path: Path) -> None:
    """In one file, which an auditor unpacks and checks with the program that is in it."""
    answer = taken(at, format="tiles")
    with zipfile.ZipFile(io.BytesIO(answer.content)) as archive:
        assert archive.testzip() is None
        archive.extractall(tmp_path)
        assert {info.external_attr >> 16 for info in archive.infolist()} == {0o600}
    mine, theirs = tmp_path / "hasselt-log", by_command(at, tmp_path / "theirs", "tiles")
    found = contents(mine)
    assert found == contents(theirs)
    checked = subprocess.run(
        [sys.executable, "verifier.py", "export", ".", "--key", "log.vkey"],
        cwd=mine,
        capture_output=True,
        text=True,
        check=False,
    )
    assert checked.returncode == 0, checked.stderr


@pytest.mark.parametrize("kind", Format)
def test_it_is_a_file_that_names_nobody_and_is_in_the_log(at: Office, kind: Format) -> None:
    """Who took what, how much of it and why is an entry before anything is given; what is given ends before it."""
    size = len(at.log())
    answer = taken(at, format=kind.value)
    assert answer.status_code == 200
    assert answer.headers["content-disposition"] == f'attachment; filename="hasselt-log-2026-07-01.{ENDS[kind]}"'
    assert answer.headers["cache-control"] == "no-store"
    assert "content-length" not in answer.headers
    (entry,) = at.log()[size:]
    assert (entry["kind"], entry["actor"]["id"], entry["why"]["note"]) == ("log.export", HOUSE, WHY)
    assert entry["export"]["format"] == kind.value
    assert (entry["export"]["from"], entry["export"]["to"]) == (0, entry["export"]["count"] - 1)
    assert entry["export"]["count"] == (131 if kind is Format.TILES else size)


@pytest.mark.parametrize("kind", [form for form in Format if form not in {Format.AUDITREGISTER, Format.TILES}])
def test_people_are_in_it_as_pseudonyms(at: Office, kind: Format) -> None:
    """No national number; the one form that has them says so on the page."""
    text = taken(at, format=kind.value).text
    numbers = {at.town.world.citizen(place).insz.digits for place in range(len(at.town.world))}
    assert not [number for number in numbers if number in text]
    with_numbers = taken(at, format="auditregister").text
    assert at.settled() in with_numbers
    assert "De enige vorm met rijksregisternummers erin." in told(at.inside().get(PAGE).text)


def test_no_cell_is_a_formula(at: Office) -> None:
    """Whatever somebody wrote as a case reference."""
    line: dict[str, JSON] = {"why": {"code": "desk", "case": "=HYPERLINK(1)", "basis": "-"}}
    at.scene.app.access_log.append([Draft("hasselt", Kind.DENIED, "", body=line)])
    rows = list(csv.DictReader(io.StringIO(taken(at).text)))
    assert rows[-1]["case"] == "'=HYPERLINK(1)"
    assert unescape(rows[-1]["case"]) == "=HYPERLINK(1)"


class TestForm:
    """What is asked for."""

    @pytest.mark.parametrize(
        ("said", "says"),
        [
            ({"library": ""}, "Kies een bibliotheek."),
            ({"format": "pdf"}, "Kies een vorm."),
            ({"reason": "  "}, "Vul een reden in."),
            ({"reason": "klacht van 85.07.30-033.28"}, "zonder rijksregisternummer"),
            ({"reason": "a\x07b"}, "Schrijf de reden korter"),
            ({"reason": "x" * 201}, "Schrijf de reden korter"),
            ({"since": "2026-02-30"}, "Kies een dag."),
            ({"since": "2026-07-01", "until": "2026-06-01"}, "Kies een dag die niet voor de eerste ligt."),
            ({"format": "tiles", "since": "2026-06-01"}, "altijd het hele logboek. Laat de dagen leeg."),
            ({"format": "tiles", "until": "2026-06-01"}, "altijd het hele logboek. Laat de dagen leeg."),
        ],
    )
    def test_what_is_wrong_is_said(self, at: Office, said: dict[str, str], says: str) -> None:
        """And what was right is kept; nothing is given, and nothing is in the log."""
        size = len(at.log())
        answer = taken(at, None, **said)
        assert (answer.status_code, len(at.log())) == (422, size)
        assert says in told(answer.text)
        assert "85.07.30" not in answer.text
        assert ('value="csv" checked' in answer.text) == ("format" not in said)

    def test_what_the_log_refuses_is_an_error_page(self, at: Office, monkeypatch: pytest.MonkeyPatch) -> None:
        """Before the first byte: no file is begun."""

        def refuse(*_: object) -> None:
            raise LedgerError("The log has no checkpoint yet")

        monkeypatch.setattr(type(at.scene.app.notary), "last", refuse)
        answer = taken(at, format="tiles")
        assert answer.status_code == 503
        assert "content-disposition" not in answer.headers

    def test_what_was_taken_before(self, at: Office) -> None:
        """The newest first, with the library when there are several."""
        browser = at.inside()
        assert "Er is nog niets uitgevoerd." in told(browser.get(PAGE).text)
        assert taken(at, browser, reason="the first").status_code == 200
        at.scene.clock.pass_by(minutes=1)
        at.scene.log_in(browser, HOUSE, "/login/again")
        assert taken(at, browser, library="genk", format="jsonl", reason="the second").status_code == 200
        words = told(browser.get(PAGE).text)
        assert words.index("the second") < words.index("the first")
        assert f"genkvandaag om 09:46{HOUSE}De regels zelf" in words
        assert "the first" not in at.inside(GENK).get(PAGE).text

    def test_no_more_than_the_last_twenty(self, at: Office) -> None:
        """Of all libraries together."""
        ledger = at.scene.app.access_log
        said: dict[str, JSON] = {"actor": {"t": "person", "id": "x"}, "export": {"format": "csv", "count": 1}}
        ledger.append([Draft(name, Kind.EXPORT, "", body=said) for name in ("hasselt", "genk") * 21])
        assert at.inside().get(PAGE).text.count("Rekenblad</td>") == 20
        ledger.append([Draft("hasselt", Kind.EXPORT, "")])
        assert at.inside(HASSELT).get(PAGE).status_code == 200


class TestWhose:
    """Whose log it is."""

    def test_an_officer_of_one_library_takes_that_one(self, at: Office) -> None:
        """Without naming it; another is as unknown as one that does not exist."""
        browser = at.inside(GENK)
        answer = taken(at, browser, library="")
        assert answer.headers["content-disposition"].startswith('attachment; filename="genk-log-')
        size = len(at.log())
        for other in ("hasselt", "nowhere"):
            assert taken(at, browser, library=other).status_code == 404
        assert len(at.log()) == size

    def test_who_proved_long_ago_who_they_are_proves_it_again(self, at: Office) -> None:
        """Nothing is given till then."""
        browser = at.inside()
        browser.get(PAGE)
        at.scene.clock.pass_by(minutes=10)
        size = len(at.log())
        assert (taken(at, browser).status_code, len(at.log())) == (403, size)
        at.scene.log_in(browser, HOUSE, "/login/again")
        assert (taken(at, browser).status_code, len(at.log())) == (200, size + 1)


class TestStream:
    """Sent as it is made."""

    def test_it_breaks_off_when_the_log_is_not_what_was_signed(
        self, at: Office, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """So that nobody takes it for whole."""
        source = at.scene.app.export()
        filled = source.begin(ExportOrder("hasselt", Format.TILES), actor=_actor(), why=WHY)
        whole = b"".join(export._written(source, filled, at.scene.clock.now))
        real = type(source)._bytes

        def altered(self: Any, filled: Any, told: Callable[[int], None]) -> Iterator[bytes]:
            yield from (data.replace(b"desk", b"disk") for data in real(self, filled, told))

        monkeypatch.setattr(type(source), "_bytes", altered)
        got: list[bytes] = []
        with pytest.raises(BrokenChain):
            got.extend(export._written(source, filled, at.scene.clock.now))
        assert zipfile.is_zipfile(io.BytesIO(whole))
        assert not zipfile.is_zipfile(io.BytesIO(b"".join(got)))

    def test_small_parts_go_together(self) -> None:
        """And none is empty."""
        parts = [b"x" * 10, b"", b"y" * export._CHUNK, b"z"]
        assert list(export._chunks(parts)) == [b"x" * 10 + b"y" * export._CHUNK, b"z"]
        assert list(export._chunks([])) == []

    @pytest.mark.proof
    @pytest.mark.timeout(900)
    def test_a_long_log_takes_no_more_room(self, at: Office) -> None:
        """What is held at once is some megabytes in every form, whatever the log's length."""
        _grow(at, ENTRIES - len(at.log()))
        source = at.scene.app.export()
        for kind in (Format.CSV, Format.JSONL, Format.TILES, Format.LDV):
            filled = source.begin(ExportOrder("hasselt", kind), actor=_actor(), why=WHY)
            tracemalloc.start()
            try:
                sent = sum(map(len, export._chunks(export._written(source, filled, at.scene.clock.now))))
                _, peak = tracemalloc.get_traced_memory()
            finally:
                tracemalloc.stop()
            assert sent > 25 * ENTRIES, kind
            assert peak < 16 * 1024 * 1024, kind


def _actor() -> Actor:
    return Actor(ActorKind.PERSON, HOUSE)


def _grow(at: Office, more: int) -> None:
    """Let a log have so many entries more: accesses of a person's, each with its outcome; and sign it."""
    person: dict[str, JSON] = {"t": "person", "id": "an.peeters"}
    asked: dict[str, JSON] = {"actor": person, "why": {"code": "desk", "case": "brief-1", "basis": "RR 28/2009"}}
    ended: dict[str, JSON] = {"out": {"status": "ok", "got": ["last", "first"]}, "verdict": "same"}
    for start in range(0, more, 1_000):
        numbers = range(start, min(start + 1_000, more), 2)
        drafts = [
            draft
            for number in numbers
            for draft in (
                Draft("hasselt", Kind.INTENT, f"grown-{number}", body=asked),
                Draft("hasselt", Kind.OUTCOME, f"grown-{number}", body=ended),
            )
        ]
        at.scene.app.access_log.append(drafts)
    at.scene.app.sign_off()
