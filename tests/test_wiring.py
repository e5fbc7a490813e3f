"""What is put together from the settings, and how a process is told to stop."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, timedelta
from importlib.metadata import version
from pathlib import Path

import pytest

from rrsync.app.installation import fresh_keys, fresh_signing_key, holds_data, prepare_database, usual_scope
from rrsync.app.runtime import stopping, system_runtime, until_stopped
from rrsync.app.services import Services, open_services
from rrsync.config.load import load, settings_template
from rrsync.config.settings import Settings
from rrsync.core.log_entry import Actor, ActorKind, decode
from rrsync.errors import ConfigError, RegistryUnavailable
from rrsync.store.members import ImportRow
from tests.registry.authority import issue
from tests.support import NOW, member


class Impatient(threading.Event):
    """A stop that nobody waits for."""

    def wait(self, timeout: float | None = None) -> bool:  # noqa: ARG002 — the base class's
        """Return whether it has come."""
        return self.is_set()


Make = Callable[..., Settings]


@pytest.fixture
def make(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Make:
    """Return what makes an installation with pieces of its settings replaced."""
    for name in [name for name in os.environ if name.startswith("RRSYNC_")]:
        monkeypatch.delenv(name)

    def make(*pairs: tuple[str, str]) -> Settings:
        text = settings_template()
        for old, new in pairs:
            assert text.count(old) == 1
            text = text.replace(old, new)
        (tmp_path / "rrsync.toml").write_text(text, encoding="utf-8")
        (tmp_path / "scopes").mkdir(exist_ok=True)
        (tmp_path / "scopes" / "libraries.txt").write_text(usual_scope(), encoding="utf-8")
        settings = load(tmp_path / "rrsync.toml")
        for file, content in ((settings.keys.file, fresh_keys()), (settings.log.signing_key, fresh_signing_key())):
            if not file.exists():
                file.touch(mode=0o600)
                file.write_text(content, encoding="ascii")
        prepare_database(settings)
        return settings

    return make


@pytest.fixture
def app(make: Make) -> Iterator[Services]:
    """Yield the rooms of the usual settings."""
    with open_services(make()) as app:
        yield app


def test_the_clock_and_the_dice_are_the_machines() -> None:
    """Aware UTC, and never the same reference or bytes twice."""
    runtime = system_runtime()
    assert runtime.clock().tzinfo is UTC
    assert runtime.new_reference() != runtime.new_reference()
    assert len(runtime.new_reference()) == 36
    assert runtime.random(16) != runtime.random(16)


ACCEPTANCE = ('environment = "simulator"', 'environment = "acceptance"')
PRODUCTION = ('environment = "simulator"', 'environment = "production"')
AIP = ('"demo.example/bibliotheek"', '"demo.example/bibliotheek-aip"')
ANCHORED = ("# [log.flags]", '[[log.anchor]]\nkind = "file"\npath = "anchors"\n# [log.flags]')
CERTIFIED = ('certificate = ""', 'certificate = "client.pem"')


class TestRefusals:
    """What cannot be used is said before anything is sent."""

    @pytest.mark.parametrize(
        ("pairs", "why"),
        [
            ((ACCEPTANCE, AIP), "no anchor"),
            ((PRODUCTION,), "no anchor"),
            ((ACCEPTANCE, AIP, ANCHORED), "takes signed messages only"),
            ((PRODUCTION, ANCHORED), "takes signed messages only"),
            ((('"http://127.0.0.1:8080/"', '{ Other = "http://127.0.0.1/" }'),), "no address for GeefPersoon"),
            ((CERTIFIED,), r"client\.pem cannot be read"),
            ((('ca = ""', 'ca = "rrsync.toml"'),), "CA file cannot be used"),
            (
                (('verify = "never"', 'verify = "required"'), ('trust = ""', 'trust = "rrsync.toml"')),
                "holds no PEM certificate",
            ),
        ],
    )
    def test_a_register_that_cannot_be_asked(self, make: Make, pairs: tuple[tuple[str, str], ...], why: str) -> None:
        """Neither at the desk nor at night."""
        with open_services(make(*pairs)) as app:
            for build in (app.desk, app.night):
                with pytest.raises(ConfigError, match=why):
                    build()

    @pytest.mark.parametrize(("days", "can"), [(-1, False), (1, True), (400, False)])
    def test_a_certificate_that_does_not_count_now(self, make: Make, tmp_path: Path, days: int, can: bool) -> None:
        """Nobody is asked with it, and what to do is said; with one that does, all can be built."""
        clock = system_runtime().clock
        issued = issue("library.example", now=clock(), begins=timedelta(0), ends=timedelta(days=365))
        (tmp_path / "client.pem").write_bytes(issued.pem + issued.secret())
        settings = make(CERTIFIED, ("sign = false", "sign = true"))
        runtime = replace(system_runtime(), clock=lambda: clock() + timedelta(days=days))
        with open_services(settings, runtime) as app:
            if can:
                app.desk()
                app.night()
                return
            with pytest.raises(ConfigError, match="counts from"):
                app.desk()

    def test_a_scope_that_cannot_be_read(self, make: Make, tmp_path: Path) -> None:
        """Missing, or no text."""
        settings = make()
        scope = tmp_path / "scopes" / "libraries.txt"
        for content in (b"\xff", None):
            scope.unlink() if content is None else scope.write_bytes(content)
            with (
                pytest.raises(ConfigError, match=r"The scope file libraries\.txt cannot be read"),
                open_services(settings),
            ):
                pass

    def test_a_scope_path_the_register_does_not_know(self, make: Make, tmp_path: Path) -> None:
        """Named, before anything else happens."""
        settings = make()
        (tmp_path / "scopes" / "libraries.txt").write_text("Schoenmaat\n", encoding="utf-8")
        with pytest.raises(ConfigError, match="Schoenmaat"), open_services(settings):
            pass

    def test_keys_that_are_none(self, make: Make) -> None:
        """The line is named, not shown."""
        settings = make()
        settings.keys.file.write_text("data 2026 hunter2\n", encoding="ascii")
        with pytest.raises(ConfigError) as refused, open_services(settings):
            pass
        assert "hunter2" not in str(refused.value)

    def test_a_database_without_our_schema(self, make: Make, tmp_path: Path) -> None:
        """With the command that brings it there; the connections are closed."""
        settings = make()
        (tmp_path / "rrsync.db").unlink()
        with pytest.raises(ConfigError, match="rrsync init"), open_services(settings):
            pass


class TestRooms:
    """What is put together."""

    def test_who_may_ask(self, app: Services) -> None:
        """The authorisation is the settings'."""
        found = app.authorisations["demo"]
        assert (found.decision, found.sender, found.capacity) == ("RR 28/2009", "demo.example/bibliotheek", "1300")
        assert found.purposes == {"member-administration", "desk"}
        assert not app.production

    def test_a_library_without_authorisation_has_none(self, make: Make) -> None:
        """So nothing is ever asked for it."""
        block = settings_template()[settings_template().index("[library.authorisation]") :]
        with open_services(make((block, ""))) as app:
            assert app.authorisations == {}

    def test_a_run_opens_with_version_and_settings(self, app: Services) -> None:
        """The log says what ran under what."""
        assert app.about == {"app": f"rrsync {version('rrsync')}", "settings": app.settings.digest}

    @pytest.mark.parametrize(
        ("environment", "pair", "wanted"),
        [
            ("simulator", ("[night]\n", "[night]\n"), 5),
            ("simulator", ("[night]\n", "[night]\nmax_mismatches = 2\n"), 2),
        ],
    )
    def test_limits_of_a_night(self, make: Make, environment: str, pair: tuple[str, str], wanted: int) -> None:
        """The settings', else what suits the environment."""
        with open_services(make(pair)) as app:
            assert app.settings.registry.environment == environment
            night = app.night()
        assert (night.limits.mismatches, night.limits.unavailable, night.at_once) == (wanted, 10, 16)

    def test_a_pause_ends_when_the_process_is_told_to_stop(self, app: Services) -> None:
        """Nobody waits a minute for a stop."""
        app.stop.set()
        app.pause(60)

    def test_a_register_that_is_away(self, make: Make) -> None:
        """Is tried again, each try with its own line in the log, and then given up."""
        with open_services(make(('"http://127.0.0.1:8080/"', '"http://127.0.0.1:9/"'))) as app:
            app.members.take([ImportRow(2, member(library="demo"))], import_id="1", at=NOW)
            desk = replace(app, stop=Impatient()).desk()
            with pytest.raises(RegistryUnavailable) as away:
                desk.refresh(
                    "demo", "M0001", actor=Actor(ActorKind.PERSON, "an"), purpose="desk", case="1", preview=False
                )
            kinds = [decode(data)["kind"] for _, data in app.access_log.entries("demo")]
        assert away.value.exit_code == 3
        assert kinds == ["settings.change", *["access.intent", "access.outcome"] * (len(kinds) // 2)]
        assert len(kinds) > 2

    def test_a_database_says_whether_it_holds_data(self, make: Make) -> None:
        """So that nobody makes new keys for it."""
        settings = make()
        assert not holds_data(settings)
        with open_services(settings) as app:
            app.members.take([ImportRow(2, member(library="demo"))], import_id="1", at=NOW)
        assert holds_data(settings)


class TestStop:
    """A process is told to stop."""

    @pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
    def test_a_signal_sets_the_event(self, number: signal.Signals) -> None:
        """What is under way can end cleanly; afterwards signals are as they were."""
        before = signal.getsignal(signal.SIGTERM), signal.getsignal(signal.SIGINT)
        with until_stopped() as stopped:
            assert not stopped.is_set()
            os.kill(os.getpid(), number)
            assert stopped.wait(5)
        assert (signal.getsignal(signal.SIGTERM), signal.getsignal(signal.SIGINT)) == before

    def test_a_second_ctrl_c_ends_the_process_as_usual(self) -> None:
        """Who is in a hurry is not kept."""
        event = threading.Event()
        with stopping(event):
            os.kill(os.getpid(), signal.SIGINT)
            assert event.wait(5)
            with pytest.raises(KeyboardInterrupt):
                signal.raise_signal(signal.SIGINT)
