"""A MAGDA one can talk to: a real HTTP server that answers SOAP questions about invented people, and subscriptions.

1. A request is read without trust, noted, and announced to ``on_request`` before anything is answered.
2. One that our schema refuses gets SOAP Fault 10001, one on which a fault is due gets the fault, one that comes too
   fast gets SOAP Fault 99995 as MAGDA does it.
3. A question about a number that its asker must be subscribed to, and is not, gets exception 40003.
4. Everybody else is answered: a persona file first, then the invented population, else "no data found".

What was asked is kept for tests; no page and no count ever holds a number.
"""

from __future__ import annotations

import json
import time
from collections import Counter, deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from threading import Lock, Thread
from typing import Final, Self

from rrsync.errors import ConfigError
from rrsync.simulator.answer import Asker, Stamp, about, exceptions, fault
from rrsync.simulator.faults import ON_THE_WIRE, Fault, FaultKind, due
from rrsync.simulator.intake import Intake
from rrsync.simulator.personas import Personas
from rrsync.simulator.repertory import UNSUBSCRIBED, Repertory
from rrsync.simulator.services import PERSON
from rrsync.simulator.spoil import THROTTLED, Reply, Right, spoiled
from rrsync.simulator.wire import Server
from rrsync.simulator.world import Situation, World

_WINDOW_S: Final = 1.0
_ELSEWHERE: Final = World(seed=0, people=200)
_TEXT: Final = "text/plain; charset=UTF-8"


@dataclass(frozen=True, slots=True)
class Asked:
    """One question that reached the simulator; the number prints masked."""

    reference: str
    digits: str = field(repr=False)
    sender: str
    capacity: str
    at: datetime
    operation: str = PERSON.operation


class Throttle:
    """At most so many requests within any second; who is refused does not count."""

    __slots__ = ("_at", "_clock", "_lock", "_most")

    def __init__(self, most: int | None, clock: Callable[[], float]) -> None:
        """Allow ``most`` a second, or any number."""
        self._most = most
        self._clock = clock
        self._at: deque[float] = deque()
        self._lock = Lock()

    def admits(self) -> bool:
        """Whether one more request may come now."""
        if self._most is None:
            return True
        with self._lock:
            moment = self._clock()
            while self._at and moment - self._at[0] >= _WINDOW_S:
                self._at.popleft()
            if len(self._at) >= self._most:
                return False
            self._at.append(moment)
            return True


@dataclass(kw_only=True, eq=False, repr=False)
class Simulator:
    """The server, from ``with`` to the end of the block; ``url`` is its one address for every service.

    ``now`` and ``new_reference`` date and name MAGDA's replies, ``clock`` (in seconds) paces the throttle.
    With ``must_subscribe`` only a subscriber is told of a person; who is subscribed is kept in memory.
    ``on_request`` is told each reference before anything is answered; an error in it drops the connection. With
    ``keep_asked`` every question is remembered, which grows with the run.

    Raises:
        ConfigError: when the folder of personas holds none.
    """

    now: Callable[[], datetime]
    new_reference: Callable[[], str]
    world: World | None = None
    personas: Path | None = None
    latency_ms: int = 0
    max_per_second: int | None = None
    faults: Sequence[Fault] = ()
    host: str = "127.0.0.1"
    port: int = 0
    keep_asked: bool = True
    must_subscribe: bool = False
    on_request: Callable[[str], None] | None = None
    clock: Callable[[], float] = time.monotonic

    def __post_init__(self) -> None:
        """Look at the personas; nothing listens yet."""
        self._files = None if self.personas is None else Personas(self.personas)
        self._throttle = Throttle(self.max_per_second, self.clock)
        self._asked: list[Asked] = []
        self._counts: Counter[str] = Counter()
        self._lock = Lock()
        self._intake = Intake()
        self._repertory = Repertory()
        self._server: Server | None = None
        self._thread: Thread | None = None

    def __enter__(self) -> Self:
        """Listen.

        Raises:
            ConfigError: when the port is taken or not allowed.
        """
        try:
            self._server = Server((self.host, self.port), self)
        except OSError as error:
            raise ConfigError(f"The simulator cannot listen on port {self.port}", todo="Choose another") from error
        self._thread = Thread(target=self._server.serve_forever, args=(0.02,), name="simulator", daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Stop listening, end every connection and wait for what is under way."""
        if self._server is not None and self._thread is not None:
            self._server.close()
            self._thread.join()

    @property
    def url(self) -> str:
        """The address to ask, with the port that is really used."""
        host, port = (self.host, self.port) if self._server is None else self._server.server_address[:2]
        return f"http://{host!s}:{port}/"

    @property
    def asked(self) -> tuple[Asked, ...]:
        """Every question so far, in order of arrival; empty without ``keep_asked``."""
        with self._lock:
            return tuple(self._asked)

    @property
    def counts(self) -> Counter[str]:
        """How many requests, answered, throttled, invalid, of each operation and of each fault; a copy."""
        with self._lock:
            return Counter(self._counts)

    def subscribes(self, sender: str, capacity: str, digits: str) -> bool:
        """Whether a sender is subscribed to a number in a capacity."""
        return self._repertory.holds(sender, capacity, digits)

    def answer(self, body: bytes) -> tuple[Reply, FaultKind | None]:
        """Answer one message: the reply, and the fault of the connection that goes with it."""
        number = self._count("requests")
        question = self._intake.read(body)
        asker = question.asker
        self._note(asker)
        if self.latency_ms and self._server is not None:
            self._server.stopping.wait(self.latency_ms / 1000)
        if question.complaint:
            self._count("invalid")
            return Reply(fault(question.complaint, code="s:Server"), status=500), None
        self._count(asker.offer.operation)
        kind = due(self.faults, number)
        if kind is not None:
            self._count(kind)
            return spoiled(kind, self._right(asker)), kind if kind in ON_THE_WIRE else None
        if not self._throttle.admits():
            self._count("throttled")
            return Reply(THROTTLED, status=500), None
        try:
            reply = self._right(asker).reply
        except ConfigError as error:
            return Reply(fault(error.what), status=500), None
        self._count("answered")
        return reply, None

    def show(self, path: str) -> Reply:
        """Show the counts (``/counts``) or the references (``/references``), never a number."""
        if path == "/counts":
            return Reply(json.dumps(self.counts, sort_keys=True).encode(), content_type="application/json")
        if path == "/references":
            return Reply("".join(f"{one.reference}\n" for one in self.asked).encode(), content_type=_TEXT)
        return Reply(b"Ask with POST, or look at /counts and /references.\n", 404, _TEXT)

    def refuse(self) -> None:
        """Count a message that was too large to read."""
        self._count("requests")
        self._count("invalid")

    def _count(self, what: str) -> int:
        with self._lock:
            self._counts[str(what)] += 1
            return self._counts[str(what)]

    def _note(self, asker: Asker) -> None:
        """Keep a question and announce it; one without a reference reached us, but cannot be named."""
        if not asker.reference:
            return
        if self.keep_asked:
            who = asker.sender, asker.capacity
            asked = Asked(asker.reference, asker.digits, *who, self.now(), asker.offer.operation)
            with self._lock:
                self._asked.append(asked)
        if self.on_request is not None:
            self.on_request(asker.reference)

    def _right(self, asker: Asker) -> Right:
        stamp = Stamp(self.now(), self.new_reference())
        return Right(asker, stamp, lambda who: self._about(who, stamp), lambda who: self._another(who, stamp))

    def _about(self, asker: Asker, stamp: Stamp) -> bytes:
        """Answer from the persona files, else from the population, else that nobody has the number."""
        is_person = asker.offer is PERSON
        if is_person and self.must_subscribe and not self.subscribes(asker.sender, asker.capacity, asker.digits):
            return exceptions(asker, stamp, UNSUBSCRIBED)
        reply = None if self._files is None else self._files.about(asker)
        if reply is not None:
            return reply
        return self._told(asker, stamp) if is_person else self._repertory.answer(asker, stamp)

    def _told(self, asker: Asker, stamp: Stamp) -> bytes:
        """Answer about a person without a file."""
        citizen = None if self.world is None else self.world.find(asker.digits)
        reply = self._files.nobody(asker) if citizen is None and self._files is not None else None
        return reply if reply is not None else about(citizen, asker, stamp)

    def _another(self, asker: Asker, stamp: Stamp) -> bytes:
        """Answer about somebody else, who lives where the library thinks."""
        worlds = (self.world or _ELSEWHERE, _ELSEWHERE)
        everybody = (world.citizen(position) for world in worlds for position in range(len(world)))
        others = (one for one in everybody if one.situation is Situation.SETTLED and one.insz.digits != asker.digits)
        return about(next(others), asker, stamp)
