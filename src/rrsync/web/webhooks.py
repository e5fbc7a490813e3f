"""Tells library systems what changed, by Standard Webhooks (standardwebhooks.com): signed, in order, until it is heard.

1. A message is one change: its type, the library, its place, the member number, the names of the fields, and when. No
   person's data is in it: what it says now is read through the API.
2. It is signed with every secret of the library, over its id, the moment and the body. Its id stays the same however
   often it is sent, and the moment is that of the sending.
3. Only an answer 2xx is one; no redirect is followed. What is not heard is sent again later and later, an hour apart at
   most, and nothing after it before it. Where we are stands in the database (``store.hooks``).
"""

from __future__ import annotations

import base64
import hmac
import socket
import ssl
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from http.client import HTTPConnection, HTTPException
from threading import Event
from typing import Final
from urllib.parse import urlsplit

import orjson
import structlog

from rrsync.app.services import Hook, Served
from rrsync.core.log_entry import stamp
from rrsync.errors import ConfigError, StoreError
from rrsync.net.bounded_socket import Allowance, connect, is_here, tls
from rrsync.store.change_feed import Feed, Hooks, News, Turn
from rrsync.web.guard import House
from rrsync.web.server import Jobs

TYPE: Final = "member.changed"
_LOOK_S: Final = 2.0
_DEADLINE_S: Final = 15.0
_MOST: Final = 1 << 16
_PAGE: Final = 100
_FIRST: Final = timedelta(seconds=5)
_LONGEST: Final = timedelta(hours=1)
_HEARD: Final = range(200, 300)
_PORTS: Final = {"http": 80, "https": 443}

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Message:
    """One message as it goes out: its id and its exact bytes."""

    id: str
    body: bytes

    @classmethod
    def of(cls, news: News) -> Message:
        """Give the message of a change."""
        said = {
            "type": TYPE,
            "timestamp": stamp(news.at),
            "data": {
                "library": news.library,
                "seq": news.seq,
                "member": news.number,
                "fields": news.fields,
                "verdict": news.verdict,
                "at": stamp(news.at),
            },
        }
        return cls(f"msg_{news.library}_{news.seq}", orjson.dumps(said))

    def headers(self, secrets: Iterable[bytes], now: datetime) -> dict[str, str]:
        """Give what goes with it at a moment: a signature for each secret."""
        moment = int(now.timestamp())
        signed = f"{self.id}.{moment}.".encode() + self.body
        marks = (base64.b64encode(hmac.digest(secret, signed, "sha256")).decode() for secret in secrets)
        return {
            "Content-Type": "application/json",
            "User-Agent": "rrsync",
            "webhook-id": self.id,
            "webhook-timestamp": str(moment),
            "webhook-signature": " ".join(f"v1,{mark}" for mark in marks),
        }


def wait_for(failures: int, throw: int) -> timedelta:
    """Give how long to wait after so many failures in a row: twice as long each time, and up to a fifth more by chance.

    >>> [wait_for(count, 0).total_seconds() for count in (1, 2, 3, 20)]
    [5.0, 10.0, 20.0, 3600.0]
    """
    usual = min(_LONGEST, _FIRST * (1 << min(failures - 1, 16)))
    return usual * (1 + throw / 256 / 5)


class Courier:
    """Tells the library systems of one installation; ``random(n)`` gives n random bytes."""

    def __init__(
        self,
        served: Served,
        *,
        jobs: Jobs,
        stop: Event,
        clock: Callable[[], datetime],
        random: Callable[[int], bytes],
        deadline_s: float = _DEADLINE_S,
    ) -> None:
        self._hooks: Hooks = served.hooks
        self._feed: Feed = served.feed
        self._targets = served.targets
        self._jobs = jobs
        self._stop = stop
        self._clock = clock
        self._random = random
        self._deadline_s = deadline_s

    def start(self) -> None:
        """Begin to look for what there is to tell, behind the pages; nothing, where no library has a webhook."""
        if self._targets:
            self._jobs.start("hooks", self._watch)

    def wait(self, most_s: float) -> bool:
        """Wait until nobody is told any more, once the process was told to stop; give whether it is so."""
        return all(self._jobs.wait(name, most_s) for name in ("hooks", *(f"hook {each}" for each in self._targets)))

    def _watch(self) -> None:
        """Look, every two seconds, whom there is something to tell; each is told by a thread of its own."""
        while True:
            try:
                for library in filter(self.awaits, self._targets):
                    self._jobs.start(f"hook {library}", partial(self.tell, library))
            except StoreError as error:  # it is looked again in two seconds
                log.warning("hook.unseen", reason=type(error).__name__)
            if self._stop.wait(_LOOK_S):
                return

    def awaits(self, library: str) -> bool:
        """Whether there is something to tell a library now; one that was never told begins here.

        Raises:
            StoreError: the database cannot be used.
        """
        state = self._hooks.states([library]).get(library)
        if state is None:
            self._hooks.begin(library, self._feed.last(library))
            return False
        return state.next_at <= self._clock() and self._feed.count(library, state.cursor) > 0

    def tell(self, library: str) -> int:
        """Tell a library all there is to tell, while it hears it; give how many changes it acknowledged.

        Raises:
            StoreError: the database cannot be used.
        """
        turn = self._hooks.take(library) if self.awaits(library) else None
        return 0 if turn is None else self._deliver(self._targets[library], turn)

    def _deliver(self, target: Hook, turn: Turn) -> int:
        heard, cursor, failures = 0, turn.cursor, turn.failures
        while page := self._feed.after(target.library, cursor, most=_PAGE):
            for news in page:
                if self._stop.is_set():
                    self._hooks.leave(turn)
                    return heard
                trouble = self._send(target, Message.of(news))
                if trouble:
                    self._fail(turn, failures, trouble)
                    return heard
                if not self._hooks.told(turn, news.seq):  # the turn is another's: we were too slow
                    return heard
                heard, cursor, failures = heard + 1, news.seq, 0
        self._hooks.leave(turn)
        return heard

    def _fail(self, turn: Turn, failures: int, trouble: str) -> None:
        again = self._clock() + wait_for(failures + 1, self._random(1)[0])
        self._hooks.failed(turn, trouble, failures=failures + 1, again=again)
        log.warning("hook.failed", library=turn.library, reason=trouble, tries=failures + 1)

    def _send(self, target: Hook, message: Message) -> str:
        """Send a message; give ``""`` when it was heard, else what the other side did."""
        try:
            status = Post(target, self._deadline_s).send(message, self._clock())
        except ConfigError:
            return "ca"
        except Unheard as error:
            return error.why
        return "" if status in _HEARD else f"status {status}"


def courier(house: House) -> Courier:
    """Build the courier of the pages."""
    app = house.app
    return Courier(
        house.entrance.served, jobs=house.jobs, stop=app.stop, clock=app.chance.clock, random=app.chance.random
    )


class Unheard(Exception):
    """No answer came: ``slow``, ``odd``, ``away``, ``untrusted``, ``tls``, or ``clear`` where it would go in clear."""

    def __init__(self, why: str) -> None:
        self.why = why
        super().__init__(why)


class Post:
    """The way to one webhook: a connection for one message, bounded in time and size.

    Raises:
        ConfigError: the CA file cannot be used.
    """

    def __init__(self, target: Hook, deadline_s: float) -> None:
        parts = urlsplit(target.url)
        self._target = target
        self._host = parts.hostname or ""
        self._scheme = parts.scheme
        self._port = parts.port or _PORTS[parts.scheme]
        self._path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        self._allowance = Allowance(deadline_s, 2 * _MOST)
        self._context = tls(target.ca, self._allowance) if parts.scheme == "https" else None

    def send(self, message: Message, now: datetime) -> int:
        """Send a message, and give the status of the answer; nothing of its body is read.

        Raises:
            Unheard: none came, in time.
        """
        if self._context is None and not is_here(self._host):
            raise Unheard("clear")
        self._allowance.start()
        connection = _Connection(self._host, self._port, self._allowance)
        connection.default_port = _PORTS[self._scheme]
        try:
            connection.sock = connect(self._host, self._port, self._allowance, self._context)
            connection.request("POST", self._path, message.body, message.headers(self._target.secrets, now))
            return connection.getresponse().status
        except HTTPException as error:
            raise Unheard("slow" if self._allowance.is_over() else "odd") from error
        except (OSError, UnicodeError) as error:
            raise Unheard(self._why(error)) from error
        finally:
            connection.close()

    def _why(self, error: Exception) -> str:
        if self._allowance.is_over():
            return "slow"
        if isinstance(error, ssl.SSLCertVerificationError):
            return "untrusted"
        return "tls" if isinstance(error, ssl.SSLError) else "away"


class _Connection(HTTPConnection):
    """HTTP over a connection that was made before."""

    sock: socket.socket

    def __init__(self, host: str, port: int, allowance: Allowance) -> None:
        super().__init__(host, port, timeout=allowance.seconds)
