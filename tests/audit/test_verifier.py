"""The verifier that is not us: it takes a log that is whole, and names what is wrong with any other."""

from __future__ import annotations

import ast
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from email.message import EmailMessage
from email.policy import SMTP
from pathlib import Path
from typing import Final

import pytest

from rrsync.audit import verifier
from rrsync.core.merkle import Edge, Proof, bundle, entries_path, inclusion, leaf_hash, tile_path, tiles
from rrsync.core.signed_note import Checkpoint, Note, Signer

LOG: Final = Signer("rrsync.example/hasselt", bytes(range(32)))
OTHER: Final = Signer("rrsync.example/genk", bytes(range(32)))
WITNESS: Final = Signer("witness.example/w1", bytes(range(1, 33)))
FSCK: Final = os.environ.get("RRSYNC_FSCK", "")
SOURCE: Final = Path(verifier.__file__)


def entry(seq: int, /, **more: object) -> bytes:
    """Return an entry that says where it stands."""
    return json.dumps({"kind": "access.intent", "log": LOG.key.name, "seq": seq} | more, sort_keys=True).encode()


def entries(size: int) -> list[bytes]:
    """Return so many entries."""
    return [entry(seq) for seq in range(size)]


def root(data: Sequence[bytes]) -> bytes:
    """Return the root over these entries."""
    return Edge().extend(map(leaf_hash, data)).root()


def signed(data: Sequence[bytes], *, log: Signer = LOG, at: int | None = None) -> Note:
    """Return the checkpoint of these entries that the log signed, and a witness if it is said when."""
    text = Checkpoint(log.key.name, len(data), root(data)).to_text()
    note = Note(text, (log.sign(text),))
    return note if at is None else note.plus(WITNESS.cosign(text, at))


def files(data: Sequence[bytes]) -> Iterator[tuple[str, bytes]]:
    """Yield every tile and every bundle of these entries, made from C2SP's definition."""
    rows = [[leaf_hash(one) for one in data]]
    while len(rows[-1]) >= 256:
        row = rows[-1]
        rows.append([Edge().extend(row[at : at + 256]).root() for at in range(0, len(row) // 256 * 256, 256)])
    for level, number, width in tiles(len(data)):
        here = slice(number * 256, number * 256 + width)
        yield tile_path(level, number, width), b"".join(rows[level][here])
        if not level:
            yield entries_path(number, width), bundle(data[here])


def lay(folder: Path, data: Sequence[bytes], note: Note | None = None) -> Path:
    """Write an export, with this note or the log's own."""
    for name, content in files(data):
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    folder.mkdir(exist_ok=True)
    (folder / "checkpoint").write_text((note or signed(data)).to_text(), "utf-8", newline="\n")
    return folder


def ask(*arguments: str | Path, key: str = LOG.key.text) -> int:
    """Ask as one does at the command line."""
    return verifier.main([*map(str, arguments), "--key", key])


def flip(path: Path, at: int) -> None:
    """Turn a bit of one byte of a file."""
    data = bytearray(path.read_bytes())
    data[at] ^= 1
    path.write_bytes(data)


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the export of a log of 600 entries."""
    return lay(tmp_path_factory.mktemp("whole") / "log", entries(600))


@pytest.fixture
def log(whole: Path, tmp_path: Path) -> Path:
    """Return a copy of it, to spoil."""
    return Path(shutil.copytree(whole, tmp_path / "log"))


class TestWhole:
    """What is as it was signed is said to be."""

    @pytest.mark.parametrize("size", [0, 1, 2, 3, 255, 256, 257, 511, 512, 70_000])
    def test_a_log_of_any_size(self, tmp_path: Path, capsys: pytest.CaptureFixture[str], size: int) -> None:
        """With the number of its entries, its root and who signed."""
        data = entries(size)
        assert ask("export", lay(tmp_path / "log", data)) == 0
        said, error = capsys.readouterr()
        assert error == ""
        assert said.startswith(f"{LOG.key.name}: the log is whole. Entries: {size}; root: {root(data).hex()};")

    def test_a_witness_and_what_was_kept(self, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        """It says when the witness saw it; the anchor's file holds other logs too, and half a note after a crash."""
        data = entries(300)
        folder = lay(tmp_path / "log", data, signed(data, at=1_782_000_000))
        kept = [signed(data[:size]).to_text() for size in (0, 1, 255, 256, 299, 300)]
        others = signed(entries(7), log=OTHER).to_text()
        anchor, alone = tmp_path / "anchor", tmp_path / "alone"
        anchor.write_text(
            "\n".join([others, *kept[:3], kept[3][:-30] + "\n", others, *kept[3:], kept[0][:70]]), "utf-8"
        )
        alone.write_bytes(kept[2].replace("\n", "\r\n").encode())
        arguments = ["--witness", WITNESS.cosigner.text, "--earlier", str(anchor), "--earlier", str(alone)]
        assert ask("export", folder, *arguments) == 0
        said = capsys.readouterr().out
        assert "countersigned by witness.example/w1 on 2026-06-21 00:00:00 UTC" in said
        assert "earlier checkpoints that agree: 7" in said

    def test_a_mail_that_was_saved(self, log: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        """As it went over the line, or as its reader copied it."""
        text = f"Keep this.\n\nLibrary hasselt: 256 entries\n\n{signed(entries(256)).to_text()}"
        mail = EmailMessage(policy=SMTP)
        mail["Subject"] = "checkpoints"
        mail.set_content(text, cte="quoted-printable")
        for number, data in enumerate((mail.as_bytes(), text.encode())):
            (tmp_path / str(number)).write_bytes(data)
            assert ask("export", log, "--earlier", tmp_path / str(number)) == 0
            assert "earlier checkpoints that agree: 1" in capsys.readouterr().out

    def test_the_key_may_stand_in_a_file(self, log: Path, tmp_path: Path) -> None:
        """With a newline after it, as files have."""
        (tmp_path / "log.vkey").write_text(f"{LOG.key.text}\n", "utf-8")
        assert ask("export", log, key=str(tmp_path / "log.vkey")) == 0


def _rewrite(change: Callable[[list[bytes]], object]) -> Callable[[Path], None]:
    """Return a forger who changes the entries and writes every bundle and tile anew, but cannot sign."""

    def forge(log: Path) -> None:
        data = entries(600)
        change(data)
        lay(log, data, signed(entries(600)))

    return forge


def _rebundle(change: Callable[[list[bytes]], object], number: int = 1) -> Callable[[Path], None]:
    """Return a forger who writes one bundle anew, and no tile."""

    def forge(log: Path) -> None:
        data = entries(256 * number + 256)[256 * number :]
        change(data)
        (log / entries_path(number)).write_bytes(bundle(data))

    return forge


def _rehash(log: Path) -> None:
    """Change entry 300 and its hash, and nothing above."""
    data = entries(600)
    data[300] = entry(300, kind="other")
    for name, content in files(data):
        if name in {entries_path(1), tile_path(0, 1)}:
            (log / name).write_bytes(content)


def _swap(one: str, two: str) -> Callable[[Path], None]:
    """Return a forger who changes two files' places."""

    def forge(log: Path) -> None:
        first, second = (log / one).read_bytes(), (log / two).read_bytes()
        (log / one).write_bytes(second)
        (log / two).write_bytes(first)

    return forge


def _cut(name: str, size: int) -> Callable[[Path], None]:
    """Return a forger who keeps only the first bytes of a file, or adds zeros to it."""

    def forge(log: Path) -> None:
        (log / name).write_bytes((log / name).read_bytes().ljust(size, b"\0")[:size])

    return forge


DAMAGE: Final[dict[str, tuple[Callable[[Path], object], str]]] = {
    "an entry changed": (
        _rebundle(lambda data: data.__setitem__(44, entry(300, kind="other"))),
        "entry 300 is not what",
    ),
    "an entry taken out": (_rebundle(lambda data: data.pop(44)), "entry 300 is not what"),
    "an entry put in": (_rebundle(lambda data: data.insert(44, entry(300))), "entry 301 is not what"),
    "two entries swapped": (_rebundle(lambda data: data.insert(44, data.pop(45))), "entry 300 is not what"),
    "the last of a bundle cut": (_rebundle(list.pop), "entry 511 is not there: tile/entries/001 ends"),
    "an entry after a bundle": (_rebundle(lambda data: data.append(entry(512))), "entry 511 should be the last of"),
    "a bundle gone": (lambda log: (log / "tile/entries/001").unlink(), "entry 256 is not shown: tile/entries/001"),
    "the last bundle gone": (lambda log: shutil.rmtree(log / "tile/entries/002.p"), "entry 512 is not shown"),
    "a bundle empty": (_cut("tile/entries/000", 0), "entry 0 is not shown: tile/entries/000"),
    "half a length": (_cut("tile/entries/000", 1), "entry 0 is not there: tile/entries/000 ends"),
    "half an entry": (_cut("tile/entries/000", 100), "entry 1 is not there: tile/entries/000 ends"),
    "a byte after the last": (_cut("tile/entries/002.p/88", 10_000), "entry 599 should be the last of"),
    "two bundles swapped": (_swap("tile/entries/000", "tile/entries/001"), "entry 0 is not what was hashed: tile/0"),
    "a hash changed": (lambda log: flip(log / "tile/0/001", 32 * 44 + 5), "entry 300 is not what was hashed: tile/0"),
    "a hash above changed": (lambda log: flip(log / "tile/1/000.p/2", 40), "entries 256 to 511 together are not what"),
    "a tile gone": (lambda log: (log / "tile/0/001").unlink(), "entry 256 is not shown: tile/0/001 is missing or cut"),
    "a tile above gone": (lambda log: shutil.rmtree(log / "tile/1"), "entry 0 is not shown: tile/1/000.p/2"),
    "a tile cut": (_cut("tile/0/000", 8191), "entry 0 is not shown: tile/0/000"),
    "a tile too long": (_cut("tile/0/002.p/88", 89 * 32), "entry 512 is not shown: tile/0/002.p/88"),
    "two tiles swapped": (_swap("tile/0/000", "tile/0/001"), "entry 0 is not what was hashed: tile/0"),
    "an entry and its hash": (_rehash, "entries 256 to 511 together are not what was hashed: tile/1"),
    "all but the signature": (
        _rewrite(lambda data: data.__setitem__(300, entry(300, kind="other"))),
        "an entry from 0 to 599 is not what was signed",
    ),
    "no checkpoint": (lambda log: (log / "checkpoint").unlink(), "there is no checkpoint in"),
    "a checkpoint that is none": (_cut("checkpoint", 60), "what should be a signed checkpoint is none"),
    "a checkpoint with more": (_cut("checkpoint", 300), "what should be a signed checkpoint is none"),
    "a checkpoint in no UTF-8": (lambda log: (log / "checkpoint").write_bytes(b"\xff"), "there is no checkpoint in"),
    "another size": (
        lambda log: (log / "checkpoint").write_text(signed(entries(600)).to_text().replace("600", "599"), "utf-8"),
        "a signature in this name is not its own",
    ),
    "another log's checkpoint": (
        lambda log: (log / "checkpoint").write_text(signed(entries(600), log=OTHER).to_text(), "utf-8"),
        "the checkpoint of 600 entries is not signed with the key that was given",
    ),
    "another log, our signature": (
        lambda log: (log / "checkpoint").write_text(
            Note(text := Checkpoint("else", 600, bytes(32)).to_text(), (LOG.sign(text),)).to_text(), "utf-8"
        ),
        "the checkpoint is of another log, else",
    ),
    "a checkpoint of fewer": (
        lambda log: (log / "checkpoint").write_text(signed(entries(599)).to_text(), "utf-8"),
        "entry 512 is not shown: tile/entries/002.p/87",
    ),
}


class TestDamage:
    """What is not as it was signed is found, and the first entry of it named."""

    @pytest.mark.parametrize("damage", DAMAGE)
    def test_every_kind(self, log: Path, capsys: pytest.CaptureFixture[str], damage: str) -> None:
        """One sentence, with the log, the entry and the cause."""
        spoil, cause = DAMAGE[damage]
        spoil(log)
        assert ask("export", log) == 1
        said, error = capsys.readouterr()
        assert said == ""
        assert error.count("\n") == 1
        assert error.startswith(f"{LOG.key.name}: {cause}")

    @pytest.mark.parametrize("seq", [0, 1, 127, 255, 256, 511, 512, 599])
    def test_a_bit_of_any_entry(self, log: Path, capsys: pytest.CaptureFixture[str], seq: int) -> None:
        """In its bytes, and in the length before them."""
        number, place = divmod(seq, 256)
        path = log / entries_path(number, 88 if number == 2 else 256)
        here = len(bundle(entries(600)[256 * number : seq]))
        for at in (here, here + 1, here + 2, here + 30):
            flip(path, at)
            assert ask("export", log) == 1
            assert f": entry {seq} is not " in capsys.readouterr().err
            flip(path, at)
        assert ask("export", log) == 0
        flip(log / tile_path(0, number, 88 if number == 2 else 256), 32 * place)
        assert ask("export", log) == 1
        assert f": entry {seq} is not what was hashed" in capsys.readouterr().err

    def test_a_large_log_too(self, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        """At every level of its tiles."""
        log = lay(tmp_path / "log", entries(70_000))
        for name, cause in (
            ("tile/2/000.p/1", "entries 0 to 65535 together"),
            ("tile/1/000", "entries 256 to 511 together"),
            ("tile/1/001.p/17", "entries 65792 to 66047 together"),
            ("tile/0/273.p/112", "entry 69889 is"),
        ):
            at = 0 if name.startswith("tile/2") else 40
            flip(log / name, at)
            assert ask("export", log) == 1
            assert f": {cause}" in capsys.readouterr().err
            flip(log / name, at)

    @pytest.mark.parametrize(
        ("bad", "cause"),
        [
            (entry(4), "entry 3 says that it is entry 4"),
            (entry(3, seq=True), "entry 3 says that it is entry True"),
            (entry(3, seq=3.0), "entry 3 says that it is entry 3.0"),
            (entry(3, seq="x" * 100), "entry 3 says that it is entry 'xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx."),
            (b"{}", "entry 3 says that it is entry None"),
            (entry(3, log="else"), "entry 3 says that it is of the log 'else'"),
            (b"[3]", "entry 3 is no JSON object"),
            (b"", "entry 3 is no JSON object"),
            (b"\xff", "entry 3 is no JSON object"),
            (b'{"seq":3', "entry 3 is no JSON object"),
            (b"[" * 60_000, "entry 3 is no JSON object"),
        ],
    )
    def test_a_signed_entry_that_lies(
        self, tmp_path: Path, capsys: pytest.CaptureFixture[str], bad: bytes, cause: str
    ) -> None:
        """A log may have signed what no log of ours would."""
        data = entries(7)
        data[3] = bad
        assert ask("export", lay(tmp_path / "log", data)) == 1
        assert cause in capsys.readouterr().err

    def test_a_witness_that_did_not_sign(self, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        """Or whose signature is of another checkpoint."""
        data = entries(5)
        log = lay(tmp_path / "log", data)
        assert ask("export", log, "--witness", WITNESS.cosigner.text) == 1
        assert "of 5 entries is not countersigned by witness.example/w1" in capsys.readouterr().err
        note = signed(data)
        lay(log, data, note.plus(WITNESS.cosign(signed(entries(4)).text, 7)))
        assert ask("export", log) == 0
        assert ask("export", log, "--witness", WITNESS.cosigner.text) == 1
        assert f"{WITNESS.key.name}: a signature in this name is not its own" in capsys.readouterr().err


class TestEarlier:
    """What was kept elsewhere shows what the database alone cannot."""

    def test_an_old_state_put_back(self, log: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        """The log is whole and signed, and shorter than it was."""
        (tmp_path / "anchor").write_text(signed(entries(601)).to_text(), "utf-8")
        assert ask("export", log) == 0
        assert ask("export", log, "--earlier", tmp_path / "anchor") == 1
        assert "entry 600 is missing: there were 601 entries before" in capsys.readouterr().err

    def test_a_log_written_anew(self, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        """With the log's own key: what was kept of it says between which entries."""
        data = entries(600)
        (tmp_path / "anchor").write_text(
            "\n".join(signed(data[:size]).to_text() for size in (100, 250, 400, 600)), "utf-8"
        )
        data[300] = entry(300, kind="other")
        log = lay(tmp_path / "log", data)
        assert ask("export", log) == 0
        assert ask("export", log, "--earlier", tmp_path / "anchor") == 1
        assert "an entry from 250 to 399 is not what was signed: 400 entries had another" in capsys.readouterr().err

    def test_two_versions_of_one_log(self, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        """Signed at the same size, with roots that differ: something was changed, and there is no saying where."""
        data = entries(9)
        (tmp_path / "one").write_text(signed([*data[:8], entry(8, kind="other")]).to_text(), "utf-8")
        log = lay(tmp_path / "log", data)
        assert ask("export", log, "--earlier", tmp_path / "one") == 1
        assert "is not what was signed: 9 entries had another root" in capsys.readouterr().err

    def test_what_is_no_checkpoint_of_this_log(
        self, log: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        """Is not taken for one."""
        other = signed(entries(3), log=OTHER).to_text()
        for number, data in enumerate((b"", b"\xff\n\n\xff", other.encode(), b"\n\n\n\n")):
            (tmp_path / str(number)).write_bytes(data)
            assert ask("export", log, "--earlier", tmp_path / str(number)) == 1
            assert "holds no checkpoint that was signed with the key" in capsys.readouterr().err


def proof(index: int, size: int, *, at: int | None = None, extra: bool = True) -> Proof:
    """Return the proof of an entry."""
    data = entries(size)
    hashes = tuple(root(data[lo:hi]) for lo, hi in inclusion(index, size))
    return Proof(index, hashes, signed(data, at=at), data[index] if extra else b"")


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """Return the place of a proof."""
    return tmp_path / "one.tlog-proof"


class TestProofs:
    """One entry, and what leads from it to what was signed."""

    def test_every_entry_of_every_small_log(self, file: Path, capsys: pytest.CaptureFixture[str]) -> None:
        """Its bytes come out, as they were written."""
        for size in range(1, 20):
            for index in range(size):
                file.write_text(proof(index, size).to_text(), "utf-8")
                assert ask("proof", file) == 0
                said, line = capsys.readouterr().out.splitlines()
                assert said.startswith(f"{LOG.key.name}: entry {index} is in the log of {size} entries, signed by")
                assert line.encode() == entry(index)

    def test_an_entry_beside_its_proof(self, file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        """And who countersigned it."""
        file.write_text(proof(5, 11, at=0, extra=False).to_text(), "utf-8")
        (tmp_path / "entry").write_bytes(entry(5))
        arguments = ["--entry", str(tmp_path / "entry"), "--witness", WITNESS.cosigner.text]
        assert ask("proof", file, *arguments) == 0
        assert "countersigned by witness.example/w1 on 1970-01-01 00:00:00 UTC" in capsys.readouterr().out
        assert ask("proof", file) == 1
        assert "entry 5 is not proven" in capsys.readouterr().err

    @pytest.mark.parametrize(
        ("old", "new", "cause"),
        [
            ("index 5", "index 6", "entry 6 is not proven"),
            ("index 5", "index 11", "entry 11 is not proven"),
            ("index 5", "index 05", "is no proof"),
            ("index 5", "index -5", "is no proof"),
            ("@v1", "@v2", "is no proof"),
            ("extra eyJr", "extra eyJs", "entry 5 is not proven"),
            ("NX0=\n", "NX1=\n", "is no proof"),
            ("NX0=\n", "NX0\n", "is no proof"),
            ("\n11\n", "\n12\n", "a signature in this name is not its own"),
            ("\n11\n", "\n011\n", "what should be a signed checkpoint is none"),
            ("— ", "- ", "what should be a signed checkpoint is none"),
            ("\n\n—", "\n—", "what should be a signed checkpoint is none"),
            (LOG.key.name, OTHER.key.name, "is not signed with the key"),
        ],
    )
    def test_a_changed_proof(
        self, file: Path, capsys: pytest.CaptureFixture[str], old: str, new: str, cause: str
    ) -> None:
        """Is not believed, and it is said why."""
        text = proof(5, 11).to_text()
        assert old in text
        file.write_text(text.replace(old, new), "utf-8")
        assert ask("proof", file) == 1
        assert cause in capsys.readouterr().err

    def test_hashes_that_are_too_many_or_too_few(self, file: Path, capsys: pytest.CaptureFixture[str]) -> None:
        """Or in another order."""
        for index, size in ((5, 11), (10, 11), (0, 1), (0, 2)):
            lines = proof(index, size).to_text().split("\n")
            last = lines.index("")
            for changed in (
                [*lines[:3], "A" * 43 + "=", *lines[3:]],
                [*lines[:3], *["A" * 43 + "="] * 64, *lines[last:]],
                [*lines[:3], *lines[4:]] if last > 3 else ["", *lines],
                [*lines[:3], *lines[3:last][::-1], *lines[last:]] if last > 4 else ["", *lines],
            ):
                file.write_text("\n".join(changed), "utf-8")
                assert ask("proof", file) == 1
        assert "is no proof" in capsys.readouterr().err

    def test_an_entry_that_lies(self, file: Path, capsys: pytest.CaptureFixture[str]) -> None:
        """It is in the log, and not where it says."""
        data = [entry(0), entry(7)]
        file.write_text(Proof(1, (leaf_hash(data[0]),), signed(data), data[1]).to_text(), "utf-8")
        assert ask("proof", file) == 1
        assert "entry 1 says that it is entry 7" in capsys.readouterr().err


class TestQuestions:
    """What cannot be asked is said to be so, and is no answer."""

    @pytest.mark.parametrize(
        ("key", "more"),
        [
            ("no key", []),
            ("name+00000000+AAAA", []),
            (WITNESS.cosigner.text, []),
            (LOG.key.text.replace("hasselt", "genk"), []),
            (LOG.key.text, ["--witness", WITNESS.key.text]),
            (LOG.key.text, ["--earlier", "nowhere"]),
        ],
    )
    def test_a_key_or_a_file_that_is_none(self, log: Path, key: str, more: list[str]) -> None:
        """The exit code is another."""
        with pytest.raises(SystemExit) as left:
            ask("export", log, *more, key=key)
        assert left.value.code == 2

    def test_a_proof_that_is_not_there(self, tmp_path: Path) -> None:
        """Or an entry."""
        (tmp_path / "one").write_text(proof(0, 1).to_text(), "utf-8")
        for path, more in (("nowhere", []), ("one", ["--entry", str(tmp_path / "nowhere")])):
            with pytest.raises(SystemExit) as left:
                ask("proof", tmp_path / path, *more)
            assert left.value.code == 2

    def test_help_says_where_the_key_comes_from(self, capsys: pytest.CaptureFixture[str]) -> None:
        """And what the answer does not say."""
        with pytest.raises(SystemExit):
            verifier.main(["--help"])
        said = capsys.readouterr().out
        assert "not from where the log came" in said
        assert "It does not say that an entry is true" in said


class TestAlone:
    """One file, that shares nothing with rrsync."""

    def test_it_imports_the_standard_library_and_cryptography(self) -> None:
        """And reads on Python 3.9."""
        tree = ast.parse(SOURCE.read_text("utf-8"), feature_version=(3, 9))
        names = {one.name for node in ast.walk(tree) if isinstance(node, ast.Import) for one in node.names}
        names |= {str(node.module) for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
        assert {name.split(".")[0] for name in names} - sys.stdlib_module_names == {"cryptography"}

    def test_a_copy_runs_where_rrsync_is_not(self, log: Path, tmp_path: Path) -> None:
        """No module of ours is loaded, whatever is asked."""
        shutil.copy(SOURCE, tmp_path / "verifier.py")
        (tmp_path / "one").write_text(proof(3, 7).to_text(), "utf-8")
        run = self._run
        assert run(tmp_path, "export", "log").returncode == 0
        assert run(tmp_path, "proof", "one").stdout.splitlines()[1].encode() == entry(3)
        flip(log / "tile/entries/001", 30)
        done = run(tmp_path, "export", "log")
        assert (done.returncode, done.stdout) == (1, "")
        assert f"{LOG.key.name}: entry 256 is not what was hashed" in done.stderr

    def _run(self, folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run the copy with nothing of this process about it, and hold what it loaded against what it may."""
        command = [sys.executable, "-I", "-X", "importtime", "verifier.py", *arguments, "--key", LOG.key.text]
        done = subprocess.run(command, cwd=folder, env={}, capture_output=True, text=True, check=False)
        loaded = [
            line.rpartition("|")[2].strip() for line in done.stderr.splitlines() if line.startswith("import time")
        ]
        assert "cryptography.exceptions" in loaded
        assert not [name for name in loaded if name.split(".")[0] in {"rrsync", "tests"}]
        return done


@pytest.mark.skipif(not FSCK, reason="RRSYNC_FSCK does not name transparency-dev's fsck (tessera, cmd/fsck)")
class TestFsck:
    """The fsck of transparency-dev reads the same folders, and says the same."""

    def _is_whole(self, folder: Path) -> bool:
        """Ask it; its exit code says nothing, and one worker alone may wait for ever once it found a fault."""
        (folder.parent / "log.vkey").write_text(f"{LOG.key.text}\n", "utf-8")
        done = subprocess.run(
            [FSCK, "-N=16", f"--storage_url=file://{folder}/", "--public_key=log.vkey", "--ui=false", "-v=1"],
            cwd=folder.parent,
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )
        is_whole = "Successfully fsck'd log with size" in done.stderr
        assert ("fsck failed" in done.stderr) is not is_whole
        return is_whole

    @pytest.mark.parametrize("size", [1, 255, 256, 257, 70_000])
    def test_it_takes_a_log_that_is_whole(self, tmp_path: Path, size: int) -> None:
        """Of any size."""
        assert self._is_whole(lay(tmp_path / "log", entries(size)))

    @pytest.mark.parametrize("size", [1, 257, 70_000])
    def test_it_takes_no_other(self, tmp_path: Path, size: int) -> None:
        """With one bit turned in any kind of file, the first and the last of it."""
        log = lay(tmp_path / "log", entries(size))
        kinds = {name.rpartition("/0")[0]: name for name, _ in files(entries(size))}
        firsts = {name.rpartition("/0")[0]: name for name, _ in reversed(list(files(entries(size))))}
        for name in {"checkpoint", *kinds.values(), *firsts.values()}:
            flip(log / name, 9)
            assert not self._is_whole(log), name
            assert ask("export", log) == 1
            flip(log / name, 9)
        assert self._is_whole(log)
