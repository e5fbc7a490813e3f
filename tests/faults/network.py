"""Rows 1, 3, 4, 5 and 9 to 12: the way to the register, before and after a question has left."""

from __future__ import annotations

import socket
import struct
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from threading import Event
from typing import Final

from tests.faults.catalogue import Answer, Call, Case, Row, Trial, Wrap, alone, ends

#: Short, for a test; the settings say 45.
DEADLINE_S: Final = 0.2
#: What a call may take beyond its deadline on a busy machine.
GRACE_MS: Final = 400
DRIP_S: Final = 0.05
PLAIN: Final = "http://127.0.0.1:{port}/"

UNREACHED: Final = ends(outcomes={"not_sent": 8}, tries=0, exit_code=3, left=1)
UNANSWERED: Final = ends(outcomes={"no_reply": 8}, tries=8, exit_code=3, left=1)


def hurried(inject: Callable[[Trial], object]) -> Callable[[Trial], None]:
    """Return a fault that is slower than the deadline."""
    return alone(inject, deadline_s=DEADLINE_S)


def answered(answer: Answer, wrap: Wrap | None = None, url: str = "") -> Callable[[Trial], object]:
    """Return what lets the register answer everything like this."""
    return lambda trial: trial.serve(answer, wrap, url=url)


def in_time(expect: Callable[[Trial], None]) -> Callable[[Trial], None]:
    """Return what also asserts that no call took longer than its deadline, by the access log."""

    def check(trial: Trial) -> None:
        spent = [entry.line["out"]["ms"] for entry in trial.entries if entry.kind == "access.outcome"]
        assert max(spent) <= DEADLINE_S * 1000 + GRACE_MS, spent
        expect(trial)

    return check


def for_good(trial: Trial) -> None:
    """Let many members be due while nobody listens."""
    trial.build(members=40)
    nobody_listens(trial)


def nobody_listens(trial: Trial) -> None:
    """Name a port on which nobody listens."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    trial.env(REGISTRY__ENDPOINT=f"http://127.0.0.1:{port}/")


def stops_asking(trial: Trial) -> None:
    """Expect that a register that is away for good is not asked about everybody, and the night says so."""
    assert (trial.exit_code, trial.stopped, trial.left, trial.changed) == (4, "breaker", 40, 0)
    assert set(trial.outcomes) == {"not_sent"}
    assert trial.outcomes.total() < 40
    trial.heal()


@contextmanager
def black_hole() -> Iterator[str]:
    """Yield an address on which no connection is ever made: its queue of connections is full."""
    with ExitStack() as stack:
        listener = stack.enter_context(socket.socket())
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        for _ in range(4):
            waiting = stack.enter_context(socket.socket())
            waiting.setblocking(False)
            waiting.connect_ex(listener.getsockname())
        yield f"http://127.0.0.1:{listener.getsockname()[1]}/"


def swallowed(trial: Trial) -> None:
    """Name the black hole."""
    trial.env(REGISTRY__ENDPOINT=trial.stack.enter_context(black_hole()))


def never_shakes(connection: socket.socket) -> socket.socket:
    """Take a client's greeting and say nothing, until it goes away."""
    while connection.recv(4096):
        pass
    raise OSError


def reset(connection: socket.socket) -> None:
    """Close so that the client gets a reset."""
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    connection.close()


def cut_short(connection: socket.socket) -> socket.socket:
    """Take the first bytes of a question, and reset."""
    connection.recv(64)
    reset(connection)
    raise OSError


def connected(times: int, expect: Callable[[Trial], None]) -> Callable[[Trial], None]:
    """Return what also asserts how many connections were made."""

    def check(trial: Trial) -> None:
        assert trial.door is not None
        assert trial.door.connections == times, f"{trial.door.connections} connections: {trial.outcomes} {trial.said}"
        expect(trial)

    return check


def hang(call: Call) -> None:
    """Say nothing until the client goes away."""
    call.connection.recv(1)


def drip(said: Callable[[Call], bytes]) -> Answer:
    """Say the right reply a byte at a time, from where ``said`` ends."""

    def answer(call: Call) -> None:
        first, whole = said(call), call.said()
        call.connection.sendall(first)
        for position in range(len(first), len(whole)):
            Event().wait(DRIP_S)
            call.connection.sendall(whole[position : position + 1])

    return answer


def head(call: Call) -> bytes:
    """Return the head of the right reply."""
    return call.said().partition(b"\r\n\r\n")[0] + b"\r\n\r\n"


def halfway(call: Call) -> None:
    """Say half of the right reply, and close."""
    whole = call.said()
    call.connection.sendall(whole[: len(whole) - len(call.right.body) // 2])


def promised_more(call: Call) -> None:
    """Announce more than there is, and close: what came is a whole message, and yet not the whole reply."""
    body = call.right.body
    call.connection.sendall(f"HTTP/1.1 200 OK\r\nContent-Length: {len(body) + 10}\r\n\r\n".encode() + body)


def chunked(last: bytes) -> Answer:
    """Say the right reply as a chunk, and ``last`` in place of the chunk that ends it."""

    def answer(call: Call) -> None:
        body = call.right.body
        start = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
        call.connection.sendall(start + f"{len(body):x}\r\n".encode() + body + b"\r\n" + last)

    return answer


ROWS: Final = (
    Row(
        1,
        "no such name",
        inject=alone(lambda trial: trial.bypass(endpoint="http://register.invalid/")),
        expect=UNREACHED,
        note="SERVFAIL is to us the same error of the resolver as NXDOMAIN. The deadline does not end a lookup.",
    ),
    Row(
        3,
        "connection refused",
        inject=alone(nobody_listens),
        expect=UNREACHED,
        also=(Case("for good", for_good, stops_asking),),
    ),
    Row(4, "connect timeout", inject=hurried(swallowed), expect=in_time(UNREACHED)),
    Row(
        5,
        "TLS handshake stalls",
        inject=hurried(answered(hang, never_shakes)),
        expect=in_time(connected(8, UNREACHED)),
    ),
    Row(
        9,
        "reset while the question is written",
        inject=alone(answered(hang, cut_short, PLAIN)),
        expect=connected(8, ends(outcomes={"no_reply": 8}, tries=0, exit_code=3, left=1)),
        also=(Case("when it is written", alone(answered(lambda call: reset(call.connection))), UNANSWERED),),
    ),
    Row(10, "no first byte", inject=hurried(answered(hang)), expect=in_time(UNANSWERED)),
    Row(
        11,
        "slow drip",
        inject=hurried(answered(drip(head))),
        expect=in_time(UNANSWERED),
        also=(Case("from the first byte", hurried(answered(drip(lambda _: b""))), in_time(UNANSWERED)),),
    ),
    Row(
        12,
        "closed in the middle of the body",
        inject=alone(answered(halfway)),
        expect=UNANSWERED,
        also=(
            Case("content length too long", alone(answered(promised_more)), UNANSWERED),
            Case("bad chunk", alone(answered(chunked(b"zz\r\n\r\n"))), UNANSWERED),
            Case("last chunk missing", alone(answered(chunked(b""))), UNANSWERED),
        ),
    ),
)
