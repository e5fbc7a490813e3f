"""Library systems told of changes: a receiver over HTTP, another's verifier, and what the database keeps."""

from __future__ import annotations

import base64
import json
import os
import shutil
import socket
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Event, Semaphore, Thread
from typing import Final

import pytest
from standardwebhooks.webhooks import Webhook, WebhookVerificationError
from structlog.testing import capture_logs

from rrsync.app.web_services import WebhookTarget
from rrsync.core.insz import holds_insz
from rrsync.errors import ConfigError
from rrsync.simulator.citizens import Situation
from rrsync.store.change_feed import WebhookDeliveries
from rrsync.web.server import BackgroundJobs
from rrsync.web.webhooks import Message, WebhookClient, WebhookDispatcher, retry_delay
from tests.anchor.scene import Trust, certified
from tests.support import Clock, Dice, Store
from tests.web.serving import Serving, serving

SECRET: Final = "whsec_" + base64.b64encode(b"a" * 32).decode()
NEW: Final = "whsec_" + base64.b64encode(b"b" * 32).decode()


@dataclass
class Receiver:
    """A library system's end: what it heard, in order, and how it answers."""

    url: str = ""
    status: int = 204
    drops: bool = False
    heard: list[tuple[dict[str, str], bytes]] = field(default_factory=list)
    leads: str = ""
    arrived: Semaphore = field(default_factory=lambda: Semaphore(0))

    @property
    def places(self) -> list[int]:
        """The places of what it heard."""
        return [json.loads(body)["data"]["seq"] for _, body in self.heard]


@contextmanager
def receiving(trust: Trust | None = None) -> Iterator[Receiver]:
    """Give a receiver that listens, over TLS where it has a certificate."""
    made = Receiver()

    class Answer(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            made.heard.append(({name.lower(): value for name, value in self.headers.items()}, body))
            made.arrived.release()
            if made.drops:
                return
            self.send_response(made.status)
            if made.leads:
                self.send_header("Location", made.leads)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Answer)
    if trust is not None:
        server.socket = trust.server.wrap_socket(server.socket, server_side=True)
    thread = Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    made.url = f"http{'s' if trust else ''}://127.0.0.1:{server.server_address[1]}/hooks?of=rrsync"
    try:
        yield made
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with receiving() as made:
        yield made


@pytest.fixture
def place(tmp_path: Path, migrated_file: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Give a folder with an empty database, and the secret of Hasselt's webhook."""
    for name in [name for name in os.environ if name.startswith("RRSYNC_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("RRSYNC_WEBHOOK_HASSELT", SECRET)
    shutil.copy(migrated_file, tmp_path / "rrsync.db")
    return tmp_path


@pytest.fixture
def served(place: Path, clock: Clock, receiver: Receiver) -> Iterator[Serving]:
    """Give the libraries, of which Hasselt has a webhook that is told from the beginning on."""
    with serving(place, clock=clock, hooks={"hasselt": f'webhook = "{receiver.url}"'}) as made:
        assert courier(made).tell("hasselt") == 0
        yield made


@pytest.fixture
def clock() -> Clock:
    """Give a clock that is set to the moment: another's library looks whether a message is of just now."""
    return Clock(datetime.now(UTC))


def courier(served: Serving, stop: Event | None = None) -> WebhookDispatcher:
    """Give who tells, whose threads nobody started."""
    stop = stop or Event()
    return WebhookDispatcher(
        replace(served.app, stop=stop, runtime=replace(served.app.runtime, random=Dice("courier"))),
        jobs=BackgroundJobs(stop),
        deadline_s=5.0,
    )


def change(served: Serving, count: int = 2) -> list[int]:
    """Let so many members move, and give the places of the changes."""
    moved = [at for at in range(len(served.world)) if served.world.citizen(at).situation is Situation.MOVED]
    key = served.key()
    for at in moved[:count]:
        said = served.refresh(f"M{at + 1:06d}", key, f"a-call-of-some-length-{at}").json()
        assert said["state"] == "accepted"
    found = served.app.change_feed.after("hasselt", -1, most=100)
    assert len(found) == count
    return [news.seq for news in found]


class TestTelling:
    """What a library system hears."""

    def test_every_change_is_told_once_signed_and_in_order(self, served: Serving, receiver: Receiver) -> None:
        """Another's library verifies it; nobody's data is in it but the member number."""
        places = change(served)
        assert courier(served).tell("hasselt") == len(places)
        assert receiver.places == places
        for (headers, body), seq in zip(receiver.heard, places, strict=True):
            assert headers["webhook-id"] == f"msg_hasselt_{seq}"
            assert headers["webhook-timestamp"] == str(int(served.clock().timestamp()))
            said = Webhook(SECRET).verify(body, headers)
            assert (said["type"], said["data"]["library"]) == ("member.changed", "hasselt")
            assert said["data"].keys() == {"library", "seq", "member", "fields", "verdict", "at"}
            assert "address" in said["data"]["fields"]
            assert not holds_insz(body.decode())
            assert served.member(said["data"]["member"]).held.name.last not in body.decode()
            with pytest.raises(WebhookVerificationError):
                Webhook(NEW).verify(body, headers)
            with pytest.raises(WebhookVerificationError):
                Webhook(SECRET).verify(body.replace(b"hasselt", b"hasselT"), headers)
        assert courier(served).tell("hasselt") == 0
        assert len(receiver.heard) == len(places)

    @pytest.mark.parametrize("status", [300, 400, 404, 410, 429, 500, 503])
    def test_what_was_not_heard_is_told_again_and_nothing_before_it(
        self, served: Serving, receiver: Receiver, status: int
    ) -> None:
        """Later and later; then all that waited, in order. The state says why."""
        places = change(served)
        receiver.status = status
        with capture_logs() as logged:
            assert courier(served).tell("hasselt") == 0
        assert [(line["event"], line["reason"], line["tries"]) for line in logged] == [
            ("hook.failed", f"status {status}", 1)
        ]
        state = served.app.webhook_deliveries.states(["hasselt"])["hasselt"]
        assert (state.failures, state.why, state.told_at) == (1, f"status {status}", None)
        assert timedelta(seconds=5) <= state.next_at - served.clock() <= timedelta(seconds=6)
        assert courier(served).tell("hasselt") == 0
        assert receiver.places == places[:1]
        served.clock.pass_by(seconds=6)
        assert courier(served).tell("hasselt") == 0
        assert served.app.webhook_deliveries.states(["hasselt"])["hasselt"].failures == 2
        receiver.status = 200
        served.clock.pass_by(seconds=12)
        assert courier(served).tell("hasselt") == len(places)
        assert receiver.places == [places[0], places[0], *places]
        assert len({headers["webhook-id"] for headers, _ in receiver.heard}) == len(places)
        state = served.app.webhook_deliveries.states(["hasselt"])["hasselt"]
        assert (state.failures, state.cursor, state.told_at) == (0, places[-1], served.clock())

    def test_no_redirect_is_followed(self, served: Serving, receiver: Receiver) -> None:
        """It would lead the news elsewhere."""
        change(served, 1)
        with receiving() as other:
            receiver.status, receiver.leads = 307, other.url
            assert courier(served).tell("hasselt") == 0
            assert other.heard == []

    def test_one_that_breaks_off_or_is_away_was_not_heard(self, served: Serving, receiver: Receiver) -> None:
        """It is told again."""
        places = change(served, 1)
        receiver.drops = True
        assert courier(served).tell("hasselt") == 0
        receiver.drops = False
        served.clock.pass_by(minutes=1)
        assert courier(served).tell("hasselt") == 1
        assert receiver.places == places * 2
        away = WebhookTarget("hasselt", "http://127.0.0.1:9/", (b"a" * 32,))
        assert WebhookClient(away, 1.0).send(Message("msg_x", b"{}"), served.clock()) == "away"

    def test_one_who_hangs_is_left_after_the_deadline(self) -> None:
        """Whatever it drips."""
        with socket.create_server(("127.0.0.1", 0)) as silent:
            hook = WebhookTarget("hasselt", f"http://127.0.0.1:{silent.getsockname()[1]}/", (b"a" * 32,))
            assert WebhookClient(hook, 0.3).send(Message("msg_x", b"{}"), Clock()()) == "slow"

    def test_words_go_in_clear_to_this_machine_alone(self) -> None:
        """Whatever the settings were."""
        hook = WebhookTarget("hasselt", "http://library.example/", (b"a" * 32,))
        assert WebhookClient(hook, 1.0).send(Message("m", b""), Clock()()) == "clear"

    def test_over_tls_to_whom_the_settings_trust(self, tmp_path: Path) -> None:
        """And to nobody else: not by the system's authorities, nor with a file that is none."""
        trust, now = certified(tmp_path), Clock()()
        with receiving(trust) as far:
            hook = WebhookTarget("hasselt", far.url, (b"a" * 32,), trust.ca)
            assert WebhookClient(hook, 5.0).send(Message("msg_x", b'{"data": {"seq": 1}}'), now) == ""
            assert WebhookClient(replace(hook, ca=""), 5.0).send(Message("msg_x", b"{}"), now) == "untrusted"
            with pytest.raises(ConfigError):
                WebhookClient(replace(hook, ca=str(tmp_path / "nothing.pem")), 5.0)
            assert far.places == [1]

    def test_while_a_secret_changes_both_sign(self, served: Serving) -> None:
        """The receiver may know either."""
        headers = Message("msg_hasselt_1", b"{}").headers((b"b" * 32, b"a" * 32), served.clock())
        for secret in (SECRET, NEW):
            assert Webhook(secret).verify(b"{}", headers) == {}

    def test_the_watch_tells_behind_the_pages(self, place: Path, clock: Clock, receiver: Receiver) -> None:
        """Begun with the pages, ended with the process."""
        with serving(place, clock=clock, hooks={"hasselt": f'webhook = "{receiver.url}"'}) as served:
            stop = Event()
            telling = courier(served, stop)
            assert telling.awaits("hasselt") is False
            places = change(served)
            telling.start()
            assert all(receiver.arrived.acquire(timeout=30) for _ in places)
            stop.set()
            assert receiver.places == places
            assert telling.wait(30)


class TestSettings:
    """What can be set of webhooks."""

    @pytest.mark.parametrize(
        "url",
        [
            "http://library.example/",
            "ftp://library.example/",
            "https://user:pw@library.example/",
            "https://",
            "x",
            "https://a.example/#x",
        ],
    )
    def test_an_address_that_is_none(self, place: Path, clock: Clock, url: str) -> None:
        """Https alone, but for this machine."""
        with (
            pytest.raises(ConfigError, match="webhook"),
            serving(place, clock=clock, hooks={"genk": f'webhook = "{url}"'}),
        ):
            pass

    @pytest.mark.parametrize("secret", ["", "whsec_", "whsec_AAAA", "not base64 at all", "whsec_" + "A" * 400])
    def test_a_secret_that_is_none(
        self, place: Path, clock: Clock, monkeypatch: pytest.MonkeyPatch, secret: str
    ) -> None:
        """The pages do not start, and it is not shown."""
        monkeypatch.setenv("RRSYNC_WEBHOOK_GENK", secret)
        hooks = {"genk": 'webhook = "https://library.example/"'}
        with pytest.raises(ConfigError, match="RRSYNC_WEBHOOK_GENK") as told, serving(place, clock=clock, hooks=hooks):
            pass
        assert secret in {"", "whsec_"} or secret not in str(told.value)

    def test_outside_the_simulator_it_is_https(
        self, place: Path, clock: Clock, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """On this machine too."""
        monkeypatch.setenv("RRSYNC_REGISTRY__ENVIRONMENT", "acceptance")
        monkeypatch.setenv("RRSYNC_WEB__PUBLIC_URL", "https://rrsync.example")
        hooks = {"hasselt": 'webhook = "http://127.0.0.1:1/"'}
        with pytest.raises(ConfigError, match="webhook must be https"), serving(place, clock=clock, hooks=hooks):
            pass


class TestHooks:
    """How far each was told, on both databases."""

    @pytest.fixture
    def hooks(self, store: Store, clock: Clock) -> WebhookDeliveries:
        """Give them on either."""
        return WebhookDeliveries(store.database, clock, Dice("hooks"))

    def test_one_tells_at_a_time(self, store: Store, hooks: WebhookDeliveries, clock: Clock) -> None:
        """Another's turn comes when it is left, or after a minute; and the first then notes nothing more."""
        assert hooks.take("hasselt") is None
        hooks.begin("hasselt", 4)
        hooks.begin("hasselt", 9)
        turn = hooks.take("hasselt")
        assert turn is not None
        assert (turn.cursor, hooks.take("hasselt")) == (4, None)
        assert hooks.told(turn, 5)
        assert hooks.leave(turn)
        second = hooks.take("hasselt")
        assert second is not None
        assert second.cursor == 5
        clock.pass_by(minutes=1)
        third = WebhookDeliveries(store.again().database, clock, Dice("another")).take("hasselt")
        assert third is not None
        assert not hooks.told(second, 6)
        assert not hooks.failed(second, "status 500", failures=1, again=clock())
        assert hooks.states(["hasselt", "genk"])["hasselt"].cursor == 5

    def test_of_many_at_once_one_takes_the_turn(self, hooks: WebhookDeliveries) -> None:
        """Whichever thread it is."""
        hooks.begin("hasselt", -1)
        with ThreadPoolExecutor(12) as pool:
            turns = list(pool.map(lambda _: hooks.take("hasselt"), range(24)))
        assert sum(turn is not None for turn in turns) == 1

    def test_who_is_waited_for_is_hastened(self, hooks: WebhookDeliveries, clock: Clock) -> None:
        """Else not before its time."""
        hooks.begin("hasselt", -1)
        turn = hooks.take("hasselt")
        assert turn is not None
        assert hooks.failed(turn, "status 500", failures=1, again=clock() + timedelta(hours=1))
        assert hooks.take("hasselt") is None
        hooks.hasten("hasselt")
        assert hooks.take("hasselt") is not None


def test_how_long_it_waits() -> None:
    """Twice as long each time, to an hour, and a fifth more at most."""
    waits = [retry_delay(count, 255).total_seconds() for count in range(1, 60)]
    assert waits == sorted(waits)
    assert 5 < waits[0] < 6
    assert 3600 < waits[-1] < 4320
