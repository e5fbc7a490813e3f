"""Webhooks that tell library systems what changed, by Standard Webhooks (standardwebhooks.com): signed and in order.

1. A message is one change: its type, the library, its place, the member number, the names of the fields, and when. No
   person's data is in it: what changed is read through the API.
2. It is signed with every secret of the library, over its id, the moment and the body. Its id stays the same however
   often it is sent, and the moment is that of the sending.
3. Only an answer 2xx acknowledges it; no redirect is followed, and data goes in clear to this machine only. Failed
   deliveries are retried with exponential backoff, capped at an hour; later messages wait. How far each library was
   told stands in the database (``store.change_feed``).
"""

from __future__ import annotations

import base64
import hmac
from collections.abc import Iterable
from contextlib import closing
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from typing import Final
from urllib.parse import urlsplit

import orjson
import structlog

from rrsync.app.web_services import WebhookTarget, WebServices
from rrsync.core.log_entry import stamp
from rrsync.errors import ConfigError, StoreError
from rrsync.net.bounded_socket import Failure, is_here, tls
from rrsync.net.http_client import HttpClient, HttpError
from rrsync.store.change_feed import ChangeFeed, ChangeNotice, DeliveryLease, WebhookDeliveries
from rrsync.web.context import WebContext
from rrsync.web.server import BackgroundJobs

TYPE: Final = "member.changed"
_LOOK_S: Final = 2.0
_DEADLINE_S: Final = 15.0
_PAGE: Final = 100
_FIRST: Final = timedelta(seconds=5)
_LONGEST: Final = timedelta(hours=1)
_ACKNOWLEDGED: Final = range(200, 300)
_REASONS: Final = {
    Failure.DEADLINE: "slow",
    Failure.NETWORK: "away",
    Failure.TLS: "tls",
    Failure.UNTRUSTED: "untrusted",
}

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Message:
    """One message as it goes out: its id and its exact bytes."""

    id: str
    body: bytes

    @classmethod
    def of(cls, news: ChangeNotice) -> Message:
        """Return the message of a change."""
        content = {
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
        return cls(f"msg_{news.library}_{news.seq}", orjson.dumps(content))

    def headers(self, secrets: Iterable[bytes], now: datetime) -> dict[str, str]:
        """Return its headers at a moment, with a signature for each secret."""
        moment = int(now.timestamp())
        signed = f"{self.id}.{moment}.".encode() + self.body
        signatures = (base64.b64encode(hmac.digest(secret, signed, "sha256")).decode() for secret in secrets)
        return {
            "Content-Type": "application/json",
            "webhook-id": self.id,
            "webhook-timestamp": str(moment),
            "webhook-signature": " ".join(f"v1,{signature}" for signature in signatures),
        }


def retry_delay(failures: int, jitter: int) -> timedelta:
    """Return how long to wait after so many failures in a row: twice as long each time, and up to a fifth more.

    ``jitter`` is a random byte.

    >>> [retry_delay(count, 0).total_seconds() for count in (1, 2, 3, 20)]
    [5.0, 10.0, 20.0, 3600.0]
    """
    usual = min(_LONGEST, _FIRST * (1 << min(failures - 1, 16)))
    return usual * (1 + jitter / 256 / 5)


class WebhookDispatcher:
    """Delivers the changes of one installation to its library systems."""

    def __init__(self, services: WebServices, *, jobs: BackgroundJobs, deadline_s: float = _DEADLINE_S) -> None:
        self._hooks: WebhookDeliveries = services.webhook_deliveries
        self._feed: ChangeFeed = services.change_feed
        self._targets = services.webhooks
        self._jobs = jobs
        self._stop = services.stop
        self._clock = services.runtime.clock
        self._random = services.runtime.random
        self._deadline_s = deadline_s

    def start(self) -> None:
        """Begin to look for changes to tell, in the background; nothing, where no library has a webhook."""
        if self._targets:
            self._jobs.start("hooks", self._watch)

    def wait(self, most_s: float) -> bool:
        """Wait until no library is told any more, once the process was told to stop; return whether it is so."""
        return all(self._jobs.wait(name, most_s) for name in ("hooks", *(f"hook {each}" for each in self._targets)))

    def _watch(self) -> None:
        """Look every two seconds which libraries there are changes for; each is told by a thread of its own."""
        while True:
            try:
                for library in filter(self.awaits, self._targets):
                    self._jobs.start(f"hook {library}", partial(self.tell, library))
            except StoreError as error:  # tried again in two seconds
                log.warning("hook.unseen", reason=type(error).__name__)
            if self._stop.wait(_LOOK_S):
                return

    def awaits(self, library: str) -> bool:
        """Whether there are changes to tell a library now; one that was never told begins here.

        Raises:
            StoreError: the database cannot be used.
        """
        state = self._hooks.states([library]).get(library)
        if state is None:
            self._hooks.begin(library, self._feed.last(library))
            return False
        return state.next_at <= self._clock() and self._feed.count(library, state.cursor) > 0

    def tell(self, library: str) -> int:
        """Tell a library all changes, until one fails; return how many it acknowledged.

        Raises:
            StoreError: the database cannot be used.
        """
        turn = self._hooks.take(library) if self.awaits(library) else None
        if turn is None:
            return 0
        try:
            client = WebhookClient(self._targets[library], self._deadline_s)
        except ConfigError:
            self._fail(turn, turn.failures, "ca")
            return 0
        with closing(client):
            return self._deliver(client, turn)

    def _deliver(self, client: WebhookClient, turn: DeliveryLease) -> int:
        told, cursor, failures = 0, turn.cursor, turn.failures
        while page := self._feed.after(turn.library, cursor, most=_PAGE):
            for news in page:
                if self._stop.is_set():
                    self._hooks.leave(turn)
                    return told
                reason = client.send(Message.of(news), self._clock())
                if reason:
                    self._fail(turn, failures, reason)
                    return told
                if not self._hooks.told(turn, news.seq):  # this took too long: another process has the turn
                    return told
                told, cursor, failures = told + 1, news.seq, 0
        self._hooks.leave(turn)
        return told

    def _fail(self, turn: DeliveryLease, failures: int, reason: str) -> None:
        again = self._clock() + retry_delay(failures + 1, self._random(1)[0])
        self._hooks.failed(turn, reason, failures=failures + 1, again=again)
        log.warning("hook.failed", library=turn.library, reason=reason, tries=failures + 1)


def webhook_dispatcher(ctx: WebContext) -> WebhookDispatcher:
    """Build the dispatcher of an application."""
    return WebhookDispatcher(ctx, jobs=ctx.jobs)


class WebhookClient:
    """Sends messages to one webhook.

    Raises:
        ConfigError: the CA file cannot be used.
    """

    def __init__(self, target: WebhookTarget, deadline_s: float) -> None:
        parts = urlsplit(target.url)
        self._target = target
        self._is_clear = parts.scheme != "https" and not is_here(parts.hostname or "")
        context = tls(ca=target.ca) if parts.scheme == "https" else None
        self._client = HttpClient(deadline_s=deadline_s, max_bytes=0, context=context)

    def send(self, message: Message, now: datetime) -> str:
        """Send a message; return ``""`` when it was acknowledged, else what the other side did.

        That is ``status`` and a number, ``slow``, ``away``, ``odd``, ``untrusted`` or ``tls``; ``clear`` where it would
        go in clear.
        """
        if self._is_clear:
            return "clear"
        headers = message.headers(self._target.secrets, now)
        try:
            status = self._client.exchange("POST", self._target.url, headers=headers, body=message.body).status
        except HttpError as error:
            return _REASONS.get(error.failure, "odd")
        return "" if status in _ACKNOWLEDGED else f"status {status}"

    def close(self) -> None:
        """Close the connection."""
        self._client.close()
