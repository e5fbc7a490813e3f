"""``rrsync night``: its report, its forecast, its exit codes, and how a signal stops it."""

from __future__ import annotations

import io
import os
import signal
import subprocess
from dataclasses import replace
from pathlib import Path
from typing import Final

import pytest
from rich.console import Console

from rrsync.app.runtime import system_runtime
from rrsync.app.services import open_services
from rrsync.cli.night import _progress
from rrsync.cli.output import Output
from rrsync.config.load import load
from rrsync.core.report import Report
from rrsync.sync.night import Progress
from tests.cli.conftest import SECOND_LIBRARY, Place
from tests.support import NOW, Clock

#: The keys of ``night --json``, in the contract's order.
KEYS: Final = [
    *("run", "started", "finished", "due", "asked", "found", "unknown", "refused", "same", "change", "hold", "open"),
    *("withheld", "stopped", "calls_per_second", "log"),
]


class TestReport:
    """The result of a night."""

    def test_as_a_table(self, place: Place) -> None:
        """The counts, the withheld fields, and the root of the log."""
        register = place.register()
        said = place.run("night")
        assert (said.code, said.err) == (0, "")
        for word in ("on hold", "new_number", "Geslacht (", "Access log of demo: "):
            assert word in said.out
        assert register.counts["requests"] == register.counts["answered"] > 30

    def test_as_one_document(self, place: Place) -> None:
        """Exactly the contract's keys, on standard output, and nothing on standard error."""
        register = place.register()
        said = place.run("night", "--json")
        assert (said.code, said.err) == (0, "")
        document = said.document
        assert list(document) == list(Report("run", NOW).as_json()) == KEYS
        assert document["stopped"] is None
        assert document["due"] == document["asked"] == len(register.asked)
        assert document["asked"] == document["same"] + document["change"] + sum(document["hold"].values())
        assert set(document["hold"]) == {"abroad", "new_number", "reference_address"}
        assert document["open"] == 0
        assert set(document["log"]) == {"demo"}
        assert document["log"]["demo"]["size"] == place.log_size()

    def test_a_second_night_asks_nobody(self, settled: Place) -> None:
        """Members asked today are not due, except with ``--full``."""
        register = settled.register()
        assert settled.run("night", "--json").document["due"] == 0
        assert not register.counts
        full = settled.run("night", "--full", "--json").document
        assert full["due"] == len(register.asked) > 30
        assert full["change"] == 0


class TestWho:
    """The members that a night asks about."""

    def test_a_dry_run_asks_nobody(self, place: Place) -> None:
        """It counts the due members, with the reason and the time, and writes nothing."""
        register = place.register()
        for rate, duration in (("0.01", "about 1 h "), ("0.5", "about 1 min "), ("5", " s at")):
            said = place.env(REGISTRY__MAX_PER_SECOND=rate).run("night", "--dry-run")
            assert (said.code, said.err) == (0, "")
            assert duration in said.out
        document = place.run("night", "--dry-run", "--json").document
        assert document["due"] == [{"library": "demo", "why": "never", "members": document["total"]}]
        assert document["seconds"] == document["total"] / 5
        assert not register.counts
        assert place.log_size() == 0

    def test_selections(self, place: Place) -> None:
        """Another library; a library named twice; a first small night, and the others the next time."""
        with place.config.open("a", encoding="utf-8") as file:
            file.write(SECOND_LIBRARY)
        register = place.register()
        assert place.run("night", "--library", "other", "--json").document["due"] == 0
        document = place.run("night", "--library", "demo", "--library", "demo", "--max", "5", "--json").document
        assert document["due"] == document["asked"] == len(register.asked) == 5
        assert place.run("night", "--json").document["asked"] > 30

    def test_unusable_options(self, place: Place) -> None:
        """2; nothing is asked or logged."""
        register = place.register()
        for words, sign in (
            (("--library", "nowhere"), "only demo"),
            (("--channel", "pigeon"), "pigeon"),
            (("--max", "0"), "--max"),
            (("extra",), "extra"),
        ):
            said = place.run("night", *words)
            assert (said.code, said.out) == (2, "")
            assert sign in said.err
        assert "[[library]]" in place.env(LIBRARY="[]").run("night").err
        assert not register.counts
        assert place.log_size() == 0

    def test_the_settings_before_the_command(self, place: Place, tmp_path: Path) -> None:
        """``rrsync --config FILE night`` equals ``rrsync night --config FILE``."""
        place.register()
        place.monkeypatch.chdir(tmp_path)
        named = ("--config", str(place.config))
        assert place.run(*named, "night", "--max", "1").code == 0
        assert place.run("night", *named, "--max", "1").code == 0
        assert place.run("night").code == 2


class TestStops:
    """Every early end has its exit code."""

    @pytest.mark.parametrize(("fault", "reason"), [("refused:1", "refused"), ("mixup:1", "mix_up")])
    def test_refusals_and_mix_ups(self, place: Place, fault: str, reason: str) -> None:
        """4, with the reason and a hint."""
        place.register(fault)
        said = place.run("night", "--json")
        assert said.code == 4
        assert said.document["stopped"]["reason"] == reason
        assert said.document["stopped"]["hint"].endswith(".")
        assert place.run("night").err

    def test_an_expired_authorisation(self, place: Place) -> None:
        """4; nothing is sent, and the denial is logged."""
        register = place.register()
        place.settings("valid_until = 2099-12-31", "valid_until = 2019-12-31")
        said = place.run("night", "--json")
        assert said.code == 4
        assert said.document["stopped"]["reason"] == "not_authorised"
        assert not register.counts
        assert "access.denied" in [line["kind"] for line in place.log()]

    def test_another_night_on_the_same_database(self, place: Place) -> None:
        """75, the code for a temporary failure."""
        register = place.register()
        with place.services() as services, services.runs.lease():
            said = place.run("night", "--json")
        assert (said.code, said.out) == (75, "")
        assert not register.counts
        assert place.run("night").code == 0

    def test_sigterm_ends_a_night_and_the_next_one_continues(self, place: Place) -> None:
        """3; the questions in flight are settled, and the same run is finished by the next night."""
        running: list[subprocess.Popen[str]] = []
        seen: list[str] = []

        def stop(reference: str) -> None:
            seen.append(reference)
            if len(seen) == 5:
                running[0].send_signal(signal.SIGTERM)

        register = place.env(REGISTRY__MAX_IN_FLIGHT="1").register(on_request=stop)
        register.latency_ms = 20
        running.append(place.start("night", "--json"))
        out, err = running[0].communicate(timeout=30)
        assert running[0].returncode == 3, err
        assert '"stopped": null' in out
        first = register.counts["answered"]
        assert 5 <= first < 40
        after = place.run("night", "--json")
        assert after.code == 0
        assert after.document["due"] == after.document["asked"] > 0
        assert f'"run": "{after.document["run"]}"' in out
        assert register.counts["answered"] >= first + after.document["asked"]
        assert place.run("log", "verify").code == 0

    def test_open_members_are_reported(self, place: Place) -> None:
        """3, with a sentence; the handler of the signal is restored."""
        seen: list[str] = []

        def stop(reference: str) -> None:
            seen.append(reference)
            if len(seen) == 3:
                os.kill(os.getpid(), signal.SIGTERM)

        place.env(REGISTRY__MAX_IN_FLIGHT="1").register(on_request=stop).latency_ms = 5
        before = signal.getsignal(signal.SIGTERM)
        said = place.run("night")
        assert said.code == 3
        assert "still open" in said.err
        assert signal.getsignal(signal.SIGTERM) is before


class TestProgress:
    """Progress and log lines on standard error."""

    def test_a_file_gets_a_line_every_ten_seconds(self, place: Place) -> None:
        """For the journal of a timer."""
        clock, text = Clock(NOW), io.StringIO()
        output = Output(Console(file=io.StringIO()), Console(file=text, width=100))
        with (
            open_services(load(place.config), replace(system_runtime(), clock=clock)) as services,
            _progress(services, output) as show,
        ):
            for second in range(25):
                show(Progress(second, 25, 25 - second))
                clock.pass_by(seconds=1)
        assert text.getvalue().splitlines() == [
            "10 of 25 members, about 15 s left",
            "20 of 25 members, about 5 s left",
        ]

    def test_a_terminal_gets_a_bar(self, place: Place) -> None:
        """The document stays alone on standard output."""
        place.register()
        place.monkeypatch.setenv("TTY_COMPATIBLE", "1")
        said = place.run("night", "--json")
        assert said.code == 0
        assert "members, about" in said.err
        assert list(said.document) == KEYS

    def test_log_lines(self, place: Place) -> None:
        """A warning is a line of JSON beside the document."""
        place.register("refused:1")
        said = place.run("night", "--json")
        assert '"event": "night.barred"' in said.err
        assert said.document["asked"] == 0
