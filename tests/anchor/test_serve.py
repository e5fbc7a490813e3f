"""The witness that another organisation runs, over real HTTP."""

from __future__ import annotations

import fcntl
import shutil
import socket
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from hashlib import sha256
from itertools import chain, pairwise, repeat
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory
from threading import Barrier
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rrsync.anchor.witness import MAX_BYTES, Submission
from rrsync.anchor.witness_server import Witness
from rrsync.core.merkle import EMPTY
from rrsync.core.signed_note import Checkpoint, Key, Note, Signature, Signer, cosigned_at, from_decimal, to_base64
from rrsync.errors import ConfigError
from tests.anchor.scene import SOON, Log, now, post, seed, signed
from tests.support import NOW

SIGNER = Signer("example.org/witness", seed("witness"))
KEY = SIGNER.cosigner
LOG = Log().grow(300)
FORK = LOG.fork(100, 200)
AT = int(NOW.timestamp())
SIZE = "text/x.tlog.size"

Start = Callable[..., Witness]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """Start witnesses of one folder, that stop when the test ends."""
    state = tmp_path / "state"
    state.mkdir()
    with ExitStack() as stack:

        def begin(**options: Any) -> Witness:
            return stack.enter_context(build(state, **options))

        yield begin


@pytest.fixture
def make(tmp_path: Path) -> Start:
    """Build witnesses of one folder, that are asked without HTTP."""
    state = tmp_path / "state"
    state.mkdir()
    return lambda **options: build(state, **options)


def build(state: Path, /, **options: Any) -> Witness:
    """Give a witness of our log."""
    told: dict[str, Any] = {"signer": SIGNER, "logs": [LOG.signer.key], "state": state, "clock": now}
    return Witness(**(told | options))


def ask(witness: Witness, what: Submission | str | bytes) -> tuple[int, str]:
    """Hand a submission over; return status and body."""
    text = what.to_text() if isinstance(what, Submission) else what
    reply = witness.add(text.encode() if isinstance(text, str) else text)
    return reply.status.value, reply.body


def state_file(witness: Witness, log: Log = LOG) -> Path:
    """Give where the witness keeps what it saw of a log."""
    return witness.state / sha256(log.signer.key.name.encode()).hexdigest()


def is_cosigned(note: Note, body: str) -> bool:
    """Whether an answer is one right cosignature of now."""
    return cosigned_at(Note(note.text, (Signature.parse(body),)), KEY) == AT


def has_ipv6() -> bool:
    """Whether anybody at all can listen on ::1 here."""
    try:
        with socket.create_server(("::1", 0), family=socket.AF_INET6):
            return True
    except OSError:
        return False


class TestAnswers:
    """Each answer of the protocol."""

    def test_a_log_that_grows_is_cosigned(self, start: Start) -> None:
        """From nothing, on, again at the same size, and on; every time with the proof from the last."""
        witness = start()
        for old, size in ((0, 5), (5, 8), (8, 8), (8, 300), (300, 300)):
            submission = LOG.submission(old, size)
            status, kind, body = post(witness.url, submission.to_text())
            assert (status, kind) == (200, "text/plain; charset=utf-8")
            assert is_cosigned(submission.note, body)
        assert post(witness.url, LOG.submission(3, 9).to_text()) == (409, SIZE, "300\n")
        assert witness.counts == {"200": 5, "409": 1}

    def test_an_empty_log_may_be_cosigned(self, make: Start) -> None:
        """Its root is that of nothing, and no other."""
        witness = make()
        status, body = ask(witness, LOG.submission(0, 0))
        assert status == 200
        assert is_cosigned(LOG.signed(0).note, body)
        other = signed("hasselt", LOG.signer, 0, bytes(32))
        assert ask(witness, Submission(0, (), other.note)) == (409, "0\n")
        assert ask(witness, LOG.submission(0, 7))[0] == 200

    def test_an_old_size_that_is_not_its_own(self, make: Start) -> None:
        """It says its own, as C2SP has it, and keeps what it had."""
        witness = make()
        assert ask(witness, LOG.submission(3, 9)) == (409, "0\n")
        ask(witness, LOG.submission(0, 9))
        for submission in (LOG.submission(0, 9), LOG.submission(0, 20), LOG.submission(4, 20), LOG.submission(0, 5)):
            assert ask(witness, submission) == (409, "9\n")
        assert ask(witness, LOG.submission(20, 30)) == (409, "9\n")
        assert ask(witness, LOG.submission(9, 30))[0] == 200

    def test_another_root_at_the_same_size(self, make: Start) -> None:
        """A log that says two things of one size."""
        witness = make()
        ask(witness, LOG.submission(0, 150))
        assert ask(witness, FORK.submission(150, 150)) == (409, "150\n")

    def test_a_proof_that_does_not_lead_there(self, make: Start) -> None:
        """Of a fork, cut, too long, altered, or where there should be none."""
        witness = make()
        nothing = LOG.submission(0, 150)
        assert ask(witness, Submission(0, (EMPTY,), nothing.note))[0] == 422
        ask(witness, nothing)
        right = LOG.submission(150, 300)
        flipped = bytes([right.proof[0][0] ^ 1]) + right.proof[0][1:]
        for wrong in (
            FORK.submission(150, 300),
            Submission(150, right.proof[:-1], right.note),
            Submission(150, (*right.proof, EMPTY), right.note),
            Submission(150, (flipped, *right.proof[1:]), right.note),
            Submission(150, (), right.note),
            Submission(150, (EMPTY,), LOG.signed(150).note),
        ):
            assert ask(witness, wrong)[0] == 422
        assert ask(witness, right)[0] == 200
        assert witness.counts["422"] == 7

    def test_a_log_it_does_not_know(self, make: Start) -> None:
        """Whoever signed it."""
        witness = make()
        assert ask(witness, Log("genk").grow(3).submission(0))[0] == 404

    def test_a_checkpoint_that_the_log_did_not_sign(self, make: Start) -> None:
        """Signed by others only, or under the log's name with another's bytes."""
        witness = make()
        note = LOG.signed(3).note
        stranger = Signer(LOG.signer.key.name, seed("stranger")).sign(note.text)
        forged = Signature(note.signatures[0].name, note.signatures[0].key_id, bytes(64))
        for signatures in ((stranger,), (forged,), (SIGNER.cosign(note.text, AT),), (forged, *note.signatures)):
            assert ask(witness, Submission(0, (), Note(note.text, signatures)))[0] == 403
        assert not state_file(witness).exists()

    def test_signatures_of_others_are_passed_over(self, make: Start) -> None:
        """They may stand there, and are not kept."""
        witness = make()
        note = LOG.signed(3).note
        others = [Signer(f"example.net/{number}", seed("w")).cosign(note.text, 1) for number in range(15)]
        assert ask(witness, Submission(0, (), Note(note.text, (*others, *note.signatures))))[0] == 200
        kept = Note.parse(state_file(witness).read_text(encoding="utf-8"))
        assert {one.name for one in kept.signatures} == {LOG.signer.key.name, KEY.name}

    def test_a_log_may_have_two_keys(self, make: Start) -> None:
        """As when its key is followed by another; and one of a log unknown so far may be added later."""
        later = Signer(LOG.signer.key.name, seed("later"))
        witness = make(logs=[LOG.signer.key, later.key])
        ask(witness, LOG.submission(0, 3))
        checkpoint = LOG.signed(5).checkpoint
        note = Note(checkpoint.to_text(), (later.sign(checkpoint.to_text()),))
        assert ask(witness, Submission(3, tuple(LOG.proof(3, 5)), note))[0] == 200
        after = make(logs=[later.key])
        assert ask(after, Submission(5, (), note))[0] == 200
        assert ask(after, LOG.submission(5, 9))[0] == 403

    def test_an_old_size_beyond_the_checkpoint(self, make: Start) -> None:
        """It makes no sense, whatever the witness knows."""
        witness = make()
        assert ask(witness, LOG.submission(9, 3))[0] == 400

    @pytest.mark.parametrize(
        "spoil",
        [
            lambda text: text[:0],
            lambda text: text.replace("old ", "new ", 1),
            lambda text: text.replace("old 0", "old 00", 1),
            lambda text: text.replace("old 0", "old -1", 1),
            lambda text: text.replace("old 0", "old  0", 1),
            lambda text: text.replace("old 0", "old 9223372036854775808", 1),
            lambda text: text.replace("old 0\n", "old 0\r\n", 1),
            lambda text: text.replace("old 0\n", "old 0\nbm90IDMyIGJ5dGVz\n", 1),
            lambda text: text.replace("old 0\n", "old 0\n***\n", 1),
            lambda text: text.replace("old 0\n", "old 0\n" + (to_base64(EMPTY) + "\n") * 64, 1),
            lambda text: text.replace("\n\n", "\n", 1),
            lambda text: text.rpartition("\n\n")[0] + "\n",
            lambda text: text.replace("\n3\n", "\n03\n"),
            lambda text: text.replace("\n3\n", "\n3 \n"),
            lambda text: text[:-1],
            lambda text: text.replace("— ", "- "),
            lambda text: text + "\n",
            lambda text: text.encode().replace("—".encode(), b"\xe2\x80"),
        ],
    )
    def test_what_cannot_be_read(self, make: Start, spoil: Callable[[str], str | bytes]) -> None:
        """By the letter, or not at all."""
        witness = make()
        assert ask(witness, spoil(LOG.submission(0, 3).to_text()))[0] == 400
        assert not state_file(witness).exists()

    def test_other_questions(self, start: Start) -> None:
        """A person who looks is told what this is; there is nothing else."""
        witness = start()
        host, port = witness.url.removeprefix("http://").split(":")
        with socket.create_connection((host, int(port))) as line:
            line.sendall(b"GET / HTTP/1.1\r\nHost: here\r\nConnection: close\r\n\r\n")
            assert b"This is a witness" in line.makefile("rb").read()
        assert post(witness.url, "", "/else")[0] == 404
        assert post(witness.url, LOG.submission(0, 3).to_text(), "/add-checkpoint/")[0] == 404


class TestMemory:
    """What it saw stays seen."""

    def test_what_it_saw_outlives_it(self, make: Start) -> None:
        """It is on disk before it is answered: the cosigned checkpoint itself, and nothing but it."""
        first = make()
        _, body = ask(first, LOG.submission(0, 9))
        kept = Note.parse(state_file(first).read_text(encoding="utf-8"))
        assert kept == LOG.signed(9).note.plus(Signature.parse(body))
        again = make()
        assert ask(again, LOG.submission(0, 20)) == (409, "9\n")
        assert ask(again, LOG.submission(9, 20))[0] == 200
        names = {path.name.removesuffix(".lock") for path in again.state.iterdir()}
        assert names == {state_file(again).name}

    @pytest.mark.parametrize(
        "damage",
        [
            lambda path: path.write_bytes(b""),
            lambda path: path.write_bytes(path.read_bytes()[:-20]),
            lambda path: path.write_bytes(b"\xff" + path.read_bytes()),
            lambda path: path.write_bytes(path.read_bytes().replace(b"\n150\n", b"\n0\n")),
            lambda path: path.write_bytes(path.read_bytes().replace(b"\n150\n", b"\n15\n")),
            lambda path: path.write_text(Log("genk").grow(3).signed().note.to_text(), encoding="utf-8"),
            lambda path: path.write_text(_signed_text("no checkpoint\n"), encoding="utf-8"),
            lambda path: (path.unlink(), path.mkdir()),
            lambda path: shutil.rmtree(path.parent),
        ],
    )
    def test_what_it_cannot_read_it_does_not_sign(self, make: Start, damage: Callable[[Path], object]) -> None:
        """A file that is damaged is no reason to begin anew."""
        witness = make()
        ask(witness, LOG.submission(0, 150))
        damage(state_file(witness))
        for submission in (LOG.submission(0, 9), LOG.submission(150, 200), LOG.submission(150, 150)):
            assert ask(witness, submission) == (500, "What this witness saw of the log cannot be read or kept.\n")

    def test_what_it_cannot_write_it_does_not_sign(self, make: Start) -> None:
        """The last one stands, and counts again when there is room."""
        witness = make()
        ask(witness, LOG.submission(0, 9))
        part = state_file(witness).with_suffix(".part")
        part.mkdir()
        assert ask(witness, LOG.submission(9, 20))[0] == 500
        assert ask(witness, LOG.submission(9, 9))[0] == 200
        part.rmdir()
        part.write_text("half of someth", encoding="utf-8")
        assert ask(witness, LOG.submission(9, 20))[0] == 200

    def test_a_log_that_another_process_asks_about(self, make: Start) -> None:
        """It is waited for, but not without end."""
        witness = make(deadline_s=SOON)
        ask(witness, LOG.submission(0, 9))
        with state_file(witness).with_suffix(".lock").open() as other:
            fcntl.flock(other, fcntl.LOCK_EX)
            assert ask(witness, LOG.submission(9, 20))[0] == 503
        assert ask(witness, LOG.submission(9, 20))[0] == 200

    def test_a_clock_that_stands_before_time(self, make: Start) -> None:
        """There is no cosignature without a time."""
        witness = make(clock=lambda: NOW.replace(year=1960))
        assert ask(witness, LOG.submission(0, 9))[0] == 500
        assert not state_file(witness).exists()

    @pytest.mark.parametrize(
        ("options", "said"),
        [
            ({"logs": [KEY]}, "is a witness', not a log's"),
            ({"state": Path("/nowhere/state")}, "There is no folder"),
            ({"host": "192.0.2.7"}, "cannot be served on 192.0.2.7"),
        ],
    )
    def test_settings_that_cannot_be(self, start: Start, options: dict[str, Any], said: str) -> None:
        """They are refused before anything is answered."""
        with pytest.raises(ConfigError, match=said):
            start(**options)


class TestClients:
    """Whoever connects."""

    @pytest.mark.parametrize(
        "said",
        [
            b"",
            b"POST /add-checkpoint HTTP/1.1\r\n",
            b"POST /add-checkpoint HTTP/1.1\r\nHost: here\r\nContent-Length: 100\r\n\r\nold 0\n",
        ],
    )
    def test_one_that_falls_silent_is_ended(self, start: Start, said: bytes) -> None:
        """Before a word, in the middle of the head, in the middle of the body."""
        witness = start(deadline_s=SOON)
        with _connected(witness) as line:
            line.sendall(said)
            assert line.recv(100) == b""

    def test_one_that_drips_is_ended(self, start: Start) -> None:
        """The deadline is for the whole request."""
        witness = start(deadline_s=SOON)
        with _connected(witness) as line:
            line.settimeout(0.01)
            for number in range(3000):
                try:
                    line.sendall(b"POST /add-checkpoint HTTP/1.1\r\n"[number % 31 : number % 31 + 1])
                    if line.recv(1) == b"":
                        break
                except TimeoutError:
                    continue
                except ConnectionError:
                    break
            else:
                pytest.fail("it was never ended")

    @pytest.mark.parametrize(
        ("head", "status"),
        [
            (f"Content-Length: {MAX_BYTES + 1}", 413),
            (f"Content-Length: {'9' * 20}", 413),
            (f"Content-Length: {'9' * 400}", 400),
            ("Content-Length: -1", 400),
            ("Content-Length: ten", 400),
            ("X: y", 411),
            ("Transfer-Encoding: chunked", 411),
            ("Transfer-Encoding: chunked\r\nContent-Length: 5", 411),
        ],
    )
    def test_one_that_sends_much_or_will_not_say_how_much(self, start: Start, head: str, status: int) -> None:
        """It is refused before a byte of it is read."""
        with _connected(start()) as line:
            line.sendall(f"POST /add-checkpoint HTTP/1.1\r\nHost: here\r\n{head}\r\n\r\n".encode())
            assert line.makefile("rb").read().startswith(f"HTTP/1.1 {status} ".encode())

    def test_the_largest_that_may_come(self, start: Start) -> None:
        """It is read, and then refused for what it is."""
        assert post(start().url, "x" * MAX_BYTES)[0] == 400

    def test_heads_without_end_are_cut_off(self, start: Start) -> None:
        """Long before the deadline."""
        with _connected(start()) as line, pytest.raises(ConnectionError):
            line.sendall(b"GET / HTTP/1.1\r\n" + (b"X: " + b"y" * 60_000 + b"\r\n") * 1_000)

    def test_some_hold_all_places(self, start: Start) -> None:
        """One more is ended at once; when they are gone others are served."""
        witness = start(max_connections=3, deadline_s=60)
        with ExitStack() as stack:
            for _ in range(3):
                line = stack.enter_context(_connected(witness))
                line.sendall(b"GET / HTTP/1.1\r\nHost: here\r\n\r\n")
                assert line.recv(1) == b"H"
            with _connected(witness) as one_more:
                assert one_more.recv(1) == b""
        while (reply := _tried(witness, LOG.submission(0, 3))) is None:
            pass
        assert reply[0] == 200

    def test_one_connection_may_ask_again_and_again(self, start: Start) -> None:
        """HTTP keep-alive, as C2SP has it: each request has its own time."""
        body = LOG.submission(0, 3).to_text().encode()
        head = f"POST /add-checkpoint HTTP/1.1\r\nHost: here\r\nContent-Length: {len(body)}\r\n\r\n".encode()
        until = time.monotonic() + 1.5
        with _connected(start(deadline_s=1.0)) as line, line.makefile("rb") as said:
            for expected in chain([b"HTTP/1.1 200 OK\r\n"], repeat(b"HTTP/1.1 409 Conflict\r\n")):
                line.sendall(head + body)
                assert said.readline() == expected
                while said.readline() != b"\r\n":
                    pass
                said.readline()
                if time.monotonic() > until:
                    break

    def test_it_stops_while_some_are_connected(self, start: Start) -> None:
        """It does not wait for who says nothing."""
        witness = start(deadline_s=60)
        with _connected(witness) as line:
            line.sendall(b"GET / HTTP/1.1\r\nHost: here\r\n\r\n")
            assert line.recv(1) == b"H"
            witness.__exit__()
            assert line.makefile("rb").read().endswith(b"witness says.\n")

    @pytest.mark.skipif(not has_ipv6(), reason="this machine has no address ::1")
    def test_by_the_other_kind_of_address(self, start: Start) -> None:
        """Where this machine has one."""
        witness = start(host="::1")
        assert witness.url.startswith("http://[::1]:")
        assert post(witness.url, LOG.submission(0, 3).to_text())[0] == 200


FORKS = (LOG, FORK, LOG.fork(40, 260, "third"), LOG.fork(0, 300, "fourth"))
SIZES = st.sampled_from([0, 1, 2, 3, 7, 8, 40, 41, 99, 100, 101, 128, 200, 255, 256, 299, 300])


def are_consistent(seen: list[tuple[int, tuple[bytes, ...]]]) -> bool:
    """Whether every log that was cosigned goes on from the one before."""
    return all(after[: len(before)] == before for (_, before), (_, after) in pairwise(seen))


@settings(deadline=None)
@given(
    steps=st.lists(
        st.tuples(st.sampled_from(FORKS), SIZES, st.one_of(SIZES, st.none()), st.integers(0, 3)),
        max_size=30,
    ),
    again=st.sets(st.integers(0, 29)),
)
def test_whatever_is_asked_it_never_cosigns_two_logs(
    steps: list[tuple[Log, int, int | None, int]], again: set[int]
) -> None:
    """Honest growth, forks, older backups, wrong sizes and borrowed proofs, with a restart now and then."""
    seen: list[tuple[int, tuple[bytes, ...]]] = []
    with TemporaryDirectory() as folder:
        witness = build(Path(folder))
        for number, (log, size, said, whose) in enumerate(steps):
            if number in again:
                witness = build(Path(folder))
            known = seen[-1][0] if seen else 0
            old = known if said is None else said
            hashes = FORKS[whose].proof(old, size) if old <= size else []
            submission = Submission(old, tuple(hashes), log.signed(size).note)
            reply = witness.add(submission.to_text().encode())
            if reply.status == 200:
                assert is_cosigned(submission.note, reply.body)
                seen.append((size, tuple(log.leaves[:size])))
                assert are_consistent(seen)
            elif log is FORKS[whose] and old == known <= size:
                assert seen[-1][1] != tuple(log.leaves[: seen[-1][0]]), "it refused what follows"
            else:
                assert reply.status in {400, 409, 422}


def test_sixteen_that_race_get_one_log(make: Start) -> None:
    """Two witnesses on one folder, honest and forked at once: what was cosigned is one log, and the file its last."""
    witnesses = [make(), make()]
    ready = Barrier(16)
    sizes = [sorted(Random(number).choices(range(1, 301), k=25)) for number in range(16)]

    def race(number: int) -> list[tuple[int, tuple[bytes, ...]]]:
        log, witness = FORKS[number % 2], witnesses[number // 2 % 2]
        got, known = [], 0
        ready.wait()
        for size in sizes[number]:
            while known <= size:
                status, body = ask(witness, log.submission(known, size))
                if status == 200:
                    assert is_cosigned(log.signed(size).note, body)
                    got.append((size, tuple(log.leaves[:size])))
                    known = size
                    break
                if status != 409 or from_decimal(body.rstrip("\n")) == known:
                    return got  # the other log was cosigned
                known = from_decimal(body.rstrip("\n"))
        return got

    with ThreadPoolExecutor(16) as pool:
        seen = sorted(one for got in pool.map(race, range(16)) for one in got)
    assert are_consistent(seen)
    winner = next(number for number in (0, 1) if FORKS[number].leaves[: seen[-1][0]] == list(seen[-1][1]))
    assert seen[-1][0] == max(max(sizes[number]) for number in range(winner, 16, 2))
    last = Checkpoint.parse(Note.parse(state_file(witnesses[0]).read_text(encoding="utf-8")).text)
    assert last.size == seen[-1][0]


def _signed_text(body: str) -> str:
    """Sign what is no checkpoint."""
    return Note(body, (LOG.signer.sign(body),)).to_text()


def _connected(witness: Witness) -> socket.socket:
    host, port = witness.url.removeprefix("http://").split(":")
    return socket.create_connection((host, int(port)), timeout=10)


def _tried(witness: Witness, submission: Submission) -> tuple[int, str] | None:
    try:
        status, _, body = post(witness.url, submission.to_text())
        return status, body
    except OSError:
        return None


def test_its_key_is_read_from_what_it_hands_over() -> None:
    """The line that the operator gives away is the key that cosigns."""
    assert Key.parse(KEY.text) == KEY
