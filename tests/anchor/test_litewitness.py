"""Our way to a witness, against one that others wrote: litewitness of filippo.io/torchwood.

It runs where ``RRSYNC_LITEWITNESS`` names the program (``go install filippo.io/torchwood/cmd/litewitness@v0.9.0``).
"""

from __future__ import annotations

import os
import shutil
import socket
import sqlite3
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, closing
from datetime import UTC, datetime
from pathlib import Path
from threading import Event

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from rrsync.anchor.witness import WitnessAnchor, WitnessConflict, WitnessUnavailable
from rrsync.core.merkle import EMPTY
from rrsync.core.signed_note import Key, Receipt, Signature, Signer, cosigned_at, to_base64
from tests.anchor.scene import Log, proofs, seed, signed

NAME = "witness.example/lite"
PROGRAM = os.environ.get("RRSYNC_LITEWITNESS", "")
LOG = Log().grow(300)

pytestmark = [
    pytest.mark.skipif(not PROGRAM, reason="RRSYNC_LITEWITNESS does not name the program litewitness"),
    pytest.mark.skipif(not shutil.which("ssh-agent"), reason="there is no ssh-agent to keep its key"),
]


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, Key]]:
    """Start litewitness, which knows the logs of two libraries; give its address, and its key as it prints it."""
    folder = tmp_path_factory.mktemp("lite")
    with ExitStack() as stack:
        agent = _started(stack, folder, "ssh-agent", "-D", "-a", "agent.sock")
        assert agent.stdout is not None
        agent.stdout.readline()
        fingerprint = _add_key(folder)
        with closing(sqlite3.connect(folder / "lite.db")) as database, database:
            _know(database, LOG, Log("genk"))
        with socket.create_server(("127.0.0.1", 0)) as free:
            address = f"127.0.0.1:{free.getsockname()[1]}"
        words = ("-name", NAME, "-key", fingerprint, "-db", "lite.db", "-ssh-agent", "agent.sock", "-listen", address)
        program = _started(stack, folder, str(Path(PROGRAM).resolve()), *words)
        assert program.stdout is not None
        for line in program.stdout:
            if "vkey=" in line:
                yield f"http://{address}", _ready(address, Key.parse(line.rpartition("vkey=")[2].strip().strip('"')))
                return
        pytest.fail("litewitness did not start")


def keep(where: tuple[str, Key], *logs: Log, old: int = 0) -> list[Receipt]:
    """Have logs cosigned as they are."""
    anchor = WitnessAnchor(*where, clock=lambda: datetime.now(UTC))
    return anchor.keep([log.signed() for log in logs], old=lambda _: old, proof=proofs(*logs))


def test_all_that_a_witness_may_answer(served: tuple[str, Key]) -> None:
    """A log that grows is cosigned; a cut, a fork, a stranger and a wrong key are told apart."""
    for size in (1, 2, 3, 8, 100, 299):
        (receipt,) = keep(served, LOG.fork(size, 0))
        note = LOG.signed(size).note.plus(Signature.parse(receipt.text))
        assert cosigned_at(note, served[1]) is not None
    assert [one.size for one in keep(served, LOG.fork(299, 0), Log("genk").grow(5), old=299)] == [299, 5]
    with pytest.raises(WitnessConflict, match="has seen 299 entries of the log of hasselt, here are only 12") as cut:
        keep(served, LOG.fork(12, 0), old=12)
    assert cut.value.seen == 299
    with pytest.raises(WitnessConflict, match="does not follow on the 299 entries"):
        keep(served, LOG.fork(100, 200), old=299)
    with pytest.raises(WitnessConflict, match="another log of hasselt with these 299 entries"):
        keep(served, LOG.fork(100, 199), old=299)
    with pytest.raises(WitnessUnavailable, match="does not know the log"):
        keep(served, Log("alken").grow(1))
    forged = signed("hasselt", Signer(LOG.signer.key.name, seed("forger")), 300, LOG.root(300))
    with pytest.raises(WitnessUnavailable, match="has another key for the log"):
        WitnessAnchor(*served, clock=lambda: datetime.now(UTC)).keep([forged], old=lambda _: 299, proof=proofs(LOG))
    assert keep(served, LOG, old=299)[0].size == 300


def _started(stack: ExitStack, folder: Path, *words: str) -> subprocess.Popen[str]:
    process = stack.enter_context(
        subprocess.Popen(words, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    )
    stack.callback(process.kill)
    return process


def _add_key(folder: Path) -> str:
    """Give the agent a key; give its fingerprint."""
    key = Ed25519PrivateKey.from_private_bytes(seed("lite"))
    file = folder / "key.pem"
    file.touch(mode=0o600)
    file.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.OpenSSH, NoEncryption()))
    environment = {**os.environ, "SSH_AUTH_SOCK": str(folder / "agent.sock")}
    subprocess.run(["ssh-add", "-q", str(file)], check=True, env=environment, capture_output=True)
    listed = subprocess.run(["ssh-add", "-l"], check=True, env=environment, capture_output=True, text=True)
    return listed.stdout.split()[1]


def _know(database: sqlite3.Connection, *logs: Log) -> None:
    """Tell it of the logs, as its own tool does."""
    database.execute("CREATE TABLE log (origin TEXT PRIMARY KEY, tree_size INTEGER NOT NULL, tree_hash TEXT NOT NULL)")
    database.execute(
        "CREATE TABLE key (origin TEXT NOT NULL, key TEXT NOT NULL, FOREIGN KEY(origin) REFERENCES log(origin))"
    )
    for log in logs:
        key = log.signer.key
        database.execute("INSERT INTO log VALUES (?, 0, ?)", (key.name, to_base64(EMPTY)))
        database.execute("INSERT INTO key VALUES (?, ?)", (key.name, key.text))


def _ready(address: str, key: Key) -> Key:
    """Give the key back when it listens."""
    host, port = address.split(":")
    for _ in range(200):
        try:
            socket.create_connection((host, int(port))).close()
        except OSError:
            Event().wait(0.02)
        else:
            return key
    raise AssertionError("litewitness does not listen")
