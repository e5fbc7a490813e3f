"""The anchor that is a file elsewhere."""

from __future__ import annotations

import fcntl
import os
import resource
import tracemalloc
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rrsync.anchor.file import FileAnchor
from rrsync.core.signed_note import Note, Receipt, Signer
from rrsync.errors import AnchorUnavailable
from tests.anchor.scene import LIBRARY, Log, seed, signed

#: A user who owns nothing.
NOBODY = 65_534
KEY = Log().signer.key


@pytest.fixture
def anchor(tmp_path: Path) -> FileAnchor:
    """Give an anchor whose file was not made yet."""
    return FileAnchor(tmp_path / "anchor.txt", patience_s=0.05)


def test_keeps_notes_that_can_be_read_and_verified(anchor: FileAnchor) -> None:
    """Each is there whole, with an empty line after it; the largest is given back."""
    log = Log().grow(9)
    assert anchor.last(KEY) is None
    assert anchor.keep([log.signed(4)]) == [Receipt(anchor.name, LIBRARY, 4, "")]
    assert anchor.keep([log.signed(9)]) == [Receipt(anchor.name, LIBRARY, 9, "")]
    assert anchor.last(KEY) == log.signed(9).checkpoint
    text = anchor.path.read_text(encoding="utf-8")
    assert text == log.signed(4).note.to_text() + "\n" + log.signed(9).note.to_text() + "\n"


def test_the_same_checkpoint_is_not_written_twice(anchor: FileAnchor) -> None:
    """One that stands there as the last of its log is kept already, whatever stands after it of others."""
    log, other = Log().grow(5), Log("genk").grow(3)
    for _ in range(3):
        assert [each.size for each in anchor.keep([log.signed(), other.signed()])] == [5, 3]
    text = anchor.path.read_text(encoding="utf-8")
    assert text == log.signed().note.to_text() + "\n" + other.signed().note.to_text() + "\n"


def test_a_note_that_only_looks_kept_is_written(anchor: FileAnchor) -> None:
    """The same text under another's signature is not our note."""
    one = Log().grow(5).signed()
    forged = Signer(KEY.name, seed("somebody")).sign(one.note.text)
    anchor.path.write_text(Note(one.note.text, (forged,)).to_text() + "\n", encoding="utf-8")
    assert anchor.last(KEY) is None
    anchor.keep([one])
    assert anchor.last(KEY) == one.checkpoint


def test_what_an_owner_of_the_file_replays_or_forges_does_not_count(anchor: FileAnchor) -> None:
    """An older note at the end does not take the place of the newest; one of another key is nobody's."""
    log = Log().grow(20)
    anchor.keep([log.signed(20)])
    forger = Signer(KEY.name, seed("forger"))
    for one in (log.signed(7), signed(LIBRARY, forger, 99, log.root(9))):
        with anchor.path.open("a", encoding="utf-8") as file:
            file.write(one.note.to_text() + "\n")
    assert anchor.last(KEY) == log.signed(20).checkpoint
    assert anchor.last(forger.key) == signed(LIBRARY, forger, 99, log.root(9)).checkpoint


def test_a_checkpoint_with_extensions_and_one_that_is_none(anchor: FileAnchor) -> None:
    """Lines that follow the root belong to the note; text that we signed and is no checkpoint is passed over."""
    log = Log().grow(3)
    text = f"{log.signed(3).note.text}an extension\n"
    other = f"{KEY.name}\nis no checkpoint\n"
    with anchor.path.open("w", encoding="utf-8") as file:
        for each in (text, other):
            file.write(Note(each, (log.signer.sign(each),)).to_text() + "\n")
    found = anchor.last(KEY)
    assert found is not None
    assert (found.size, found.extensions) == (3, ("an extension",))


_NOTE = Log().grow(40).signed(40).note.to_text()


@settings(deadline=None)
@given(
    steps=st.lists(
        st.one_of(
            st.integers(1, 39),
            st.sampled_from(["genk", "alken"]),
            st.binary(max_size=40),
            st.sampled_from([f"\n{KEY.name}\n".encode(), b"\n", b"\n\n", f"{KEY.name}\n3\n\n".encode()]),
            st.integers(0, len(_NOTE.encode()) - 2).map(lambda cut: _NOTE.encode()[:cut]),  # a letter is missing
        ),
        max_size=12,
    )
)
def test_whatever_stands_in_the_file_the_largest_of_ours_is_found(steps: list[int | str | bytes]) -> None:
    """Our notes, those of other logs, torn ends of larger ones and noise, in any order: nothing of ours is lost."""
    log = Log().grow(40)
    kept: list[int] = []
    with TemporaryDirectory() as folder:
        anchor = FileAnchor(Path(folder) / "anchor")
        for step in steps:
            match step:
                case int():
                    anchor.keep([log.signed(step)])
                    kept.append(step)
                case str():
                    anchor.keep([Log(step).grow(50).signed()])
                case bytes():
                    with anchor.path.open("ab") as file:
                        file.write(step)
        found = anchor.last(KEY)
        assert (found.size if found else 0) == max(kept, default=0)


@pytest.mark.parametrize("edge", range(-4, 30))
def test_a_note_over_the_edge_of_what_is_read_at_once(anchor: FileAnchor, edge: int) -> None:
    """Where a note begins makes no difference: before the edge, on it, or with the edge in its first lines."""
    log = Log().grow(12)
    note = log.signed(12).note.to_text().encode() + b"\n"
    anchor.path.write_bytes(b"x" * 500 + b"\n\n" + note + b"y" * ((1 << 20) - len(note) + edge))
    assert anchor.last(KEY) == log.signed(12).checkpoint
    assert anchor.keep([log.signed(12)])[0].size == 12
    assert anchor.path.stat().st_size == 502 + (1 << 20) + edge


def test_a_long_note_is_read_whole(anchor: FileAnchor) -> None:
    """A note that many witnesses signed is longer than most."""
    one = Log().grow(3).signed()
    lines = tuple(Signer(f"example.org/witness/{number}", seed("w")).cosign(one.note.text, 1) for number in range(60))
    with anchor.path.open("w", encoding="utf-8") as file:
        file.write(one.note.plus(*lines).to_text() + "\n")
    assert anchor.last(KEY) == one.checkpoint
    before = anchor.path.read_bytes()
    anchor.keep([one])
    assert anchor.path.read_bytes() == before


def test_a_file_of_ten_years_is_read_in_little_memory(anchor: FileAnchor) -> None:
    """A hundred thousand notes of other logs after ours: the memory it takes does not grow with them."""
    log = Log().grow(3)
    anchor.keep([log.signed()])
    others = "".join(Log(f"library{number}").grow(1).signed().note.to_text() + "\n" for number in range(100))
    with anchor.path.open("ab") as file:
        for _ in range(1000):
            file.write(others.encode())
    tracemalloc.start()
    try:
        assert anchor.last(KEY) == log.signed().checkpoint
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 4 << 20


def test_many_may_write_at_once(tmp_path: Path) -> None:
    """Sixteen writers, each for its own log: every note is there, whole."""
    logs = [Log(f"library{number}").grow(number + 1) for number in range(16)]

    def write(log: Log) -> None:
        for size in range(1, len(log.leaves) + 1):
            FileAnchor(tmp_path / "anchor").keep([log.signed(size)])

    with ThreadPoolExecutor(16) as pool:
        list(pool.map(write, logs))
    anchor = FileAnchor(tmp_path / "anchor")
    for log in logs:
        assert anchor.last(log.signer.key) == log.signed().checkpoint
    sizes = sum(len(log.leaves) for log in logs)
    assert anchor.path.read_text(encoding="utf-8").count("— ") == sizes


def test_a_file_that_another_holds_too_long(anchor: FileAnchor) -> None:
    """It is not waited for without end."""
    anchor.path.touch()
    with anchor.path.open() as other:
        fcntl.flock(other, fcntl.LOCK_EX)
        with pytest.raises(AnchorUnavailable, match="another process holds it") as refused:
            anchor.keep([Log().grow(1).signed()])
    assert refused.value.exit_code == 4
    assert anchor.path.read_bytes() == b""


def test_a_disk_that_is_full_spoils_nothing(anchor: FileAnchor) -> None:
    """A note that is half written does no harm to those before it nor to those after."""
    log = Log().grow(9)
    anchor.keep([log.signed(4)])
    size, (soft, hard) = anchor.path.stat().st_size, resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size + 60, hard))
    try:
        with pytest.raises(AnchorUnavailable, match="no room left"):
            anchor.keep([log.signed(6)])
        with pytest.raises(AnchorUnavailable, match="no room left"):
            anchor.keep([log.signed(6)])
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert anchor.path.stat().st_size == size + 60
    assert anchor.last(KEY) == log.signed(4).checkpoint
    anchor.keep([log.signed(9)])
    assert anchor.last(KEY) == log.signed(9).checkpoint


def test_a_place_that_is_not_mounted(tmp_path: Path) -> None:
    """The folder is not made, and no file on this machine takes its place."""
    anchor = FileAnchor(tmp_path / "share" / "anchor.txt")
    for attempt in (lambda: anchor.keep([Log().grow(1).signed()]), lambda: anchor.last(KEY)):
        with pytest.raises(AnchorUnavailable, match="its folder is not there") as refused:
            attempt()
        assert "Check that the place is mounted" in str(refused.value)
    assert not list(tmp_path.iterdir())


def test_what_is_no_file(tmp_path: Path) -> None:
    """A folder, a pipe that nobody reads, a file for a folder: one sentence, at once."""
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "file").touch()
    one = Log().grow(1).signed()
    for name, reason in (("", "it is a folder"), ("pipe", "it is no file"), ("file/below", "its folder is not there")):
        with pytest.raises(AnchorUnavailable, match=reason):
            FileAnchor(tmp_path / name).keep([one])
    with pytest.raises(AnchorUnavailable, match="it is no file"):
        FileAnchor(tmp_path / "pipe").last(KEY)


def test_a_file_without_rights(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is said what is missing; where the tests run as root, who may write everywhere, somebody else tries."""
    (tmp_path / "anchors").touch(mode=0o444)
    tmp_path.chmod(0o755)
    monkeypatch.chdir(tmp_path)  # nobody else may come here by way of pytest's own folder
    who = os.geteuid()
    os.seteuid(who or NOBODY)
    try:
        with pytest.raises(AnchorUnavailable, match="may not read and write it"):
            FileAnchor(Path("anchors")).keep([Log().grow(1).signed()])
    finally:
        os.seteuid(who)
