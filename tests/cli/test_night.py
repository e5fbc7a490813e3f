"""``rrsync night``: its words, its document, its exit codes, and how it is stopped."""

from __future__ import annotations

import io
import os
import signal
import subprocess
from pathlib import Path

import pytest
from rich.console import Console

from rrsync.app.runtime import Runtime, system_runtime
from rrsync.app.services import open_services
from rrsync.cli.context import Voices
from rrsync.cli.night import _progress
from rrsync.config.load import load
from rrsync.core.report import Report
from rrsync.sync.night import Progress
from tests.cli.conftest import Place
from tests.support import NOW, Clock

#: The keys of ``night --json``, in the contract's order.
KEYS = [
    "run",
    "started",
    "finished",
    "due",
    "asked",
    "found",
    "unknown",
    "refused",
    "same",
    "change",
    "hold",
    "open",
    "withheld",
    "stopped",
    "calls_per_second",
    "log",
]
SECOND = """
[[library]]
id = "other"
name = "Bibliotheek Anders"
sender = "other.example/bibliotheek"
capacity = "1300"
"""


class TestReport:
    """What a night says at its end."""

    def test_in_words(self, place: Place) -> None:
        """A table of counts, what was withheld, and the root to write down elsewhere."""
        register = place.register()
        said = place.run("night")
        assert (said.code, said.err) == (0, "")
        assert "on hold" in said.out
        assert "new_number" in said.out
        assert "Withheld, as the authorisation does not name it: " in said.out
        assert "Access log of demo: " in said.out
        assert register.counts["requests"] == register.counts["answered"] > 30

    def test_as_one_document(self, place: Place) -> None:
        """Exactly the contract's keys, on standard output, and nothing else anywhere."""
        register = place.register()
        said = place.run("night", "--json")
        assert (said.code, said.err) == (0, "")
        document = said.document
        assert list(document) == KEYS
        assert document["stopped"] is None
        assert document["due"] == document["asked"] == len(register.asked)
        assert document["asked"] == document["same"] + document["change"] + sum(document["hold"].values())
        assert set(document["hold"]) == {"abroad", "new_number", "reference_address"}
        assert document["open"] == 0
        assert set(document["log"]) == {"demo"}
        assert document["log"]["demo"]["size"] == place.log_size()

    def test_a_second_night_asks_nobody(self, settled: Place) -> None:
        """Who was asked today is not due, unless everybody is asked in full."""
        register = settled.register()
        assert settled.run("night", "--json").document["due"] == 0
        assert not register.counts
        full = settled.run("night", "--full", "--json").document
        assert full["due"] == len(register.asked) > 30
        assert full["change"] == 0


class TestWho:
    """Who is asked about."""

    def test_a_dry_run_asks_nobody(self, place: Place) -> None:
        """It says who would be due, why and how long it would take, and writes nothing."""
        register = place.register()
        place.env(REGISTRY__MAX_PER_SECOND="0.01")
        said = place.run("night", "--dry-run")
        assert (said.code, said.err) == (0, "")
        assert "never asked" in said.out
        document = place.run("night", "--dry-run", "--json").document
        assert document["due"] == [{"library": "demo", "why": "never", "members": document["total"]}]
        assert document["seconds"] == document["total"] * 100 > 3600
        assert f"{document['total']} members are due, about 1 h " in said.out
        assert not register.counts
        assert place.log_size() == 0

    @pytest.mark.parametrize(("rate", "time"), [("0.5", "1 min "), ("5", " s at")])
    def test_a_dry_run_says_how_long_in_words(self, place: Place, rate: str, time: str) -> None:
        """Minutes and seconds, as people say them."""
        place.env(REGISTRY__MAX_PER_SECOND=rate)
        assert time in place.run("night", "--dry-run").out

    def test_a_first_night_may_be_small(self, place: Place) -> None:
        """``--max`` bounds how many are asked about; the others are due the next time."""
        register = place.register()
        assert place.run("night", "--max", "5", "--json").document["asked"] == 5
        assert len(register.asked) == 5
        assert place.run("night", "--json").document["asked"] > 30

    def test_a_library_named_twice_is_one_library(self, place: Place) -> None:
        """Nobody is asked about twice."""
        register = place.register()
        document = place.run("night", "--library", "demo", "--library", "demo", "--max", "3", "--json").document
        assert document["due"] == len(register.asked) == 3

    def test_only_the_library_that_is_named(self, place: Place) -> None:
        """Another one's members are left alone."""
        with (place.folder / "rrsync.toml").open("a", encoding="utf-8") as file:
            file.write(SECOND)
        register = place.register()
        assert place.run("night", "--library", "other", "--json").document["due"] == 0
        assert not register.counts

    @pytest.mark.parametrize(
        ("words", "sign"),
        [
            (("--library", "nowhere"), "no library 'nowhere', only demo"),
            (("--channel", "file"), "no channel 'file' in this version"),
            (("--max", "0"), "--max"),
            (("extra",), "extra"),
        ],
    )
    def test_what_is_not_there_is_refused_before_anything_happens(
        self, place: Place, words: tuple[str, ...], sign: str
    ) -> None:
        """An unknown library, a channel of a later version, a number that is none."""
        register = place.register()
        said = place.run("night", *words)
        assert (said.code, said.out) == (2, "")
        assert sign in said.err
        assert not register.counts
        assert place.log_size() == 0

    def test_settings_without_a_library_are_refused(self, place: Place) -> None:
        """With what to do about it."""
        place.env(LIBRARY="[]")
        said = place.run("night")
        assert said.code == 2
        assert "Add a [[library]] to the settings file" in said.err


class TestStops:
    """Every way a night ends early has its exit code."""

    @pytest.mark.parametrize(("fault", "reason"), [("refused:1", "refused"), ("mixup:1", "mix_up")])
    def test_a_register_that_refuses_or_mixes_up(self, place: Place, fault: str, reason: str) -> None:
        """Stopped on purpose: 4, with the reason in the document and a hint for a person."""
        place.register(fault)
        said = place.run("night", "--json")
        assert said.code == 4
        assert said.document["stopped"]["reason"] == reason
        assert said.document["stopped"]["hint"].endswith(".")
        assert "Stopped: " in place.run("night").err

    def test_an_authorisation_that_is_over(self, place: Place) -> None:
        """Nothing is sent; the denial is in the log."""
        register = place.register()
        place.settings("valid_until = 2099-12-31", "valid_until = 2019-12-31")
        said = place.run("night", "--json")
        assert said.code == 4
        assert said.document["stopped"]["reason"] == "not_authorised"
        assert not register.counts
        assert "access.denied" in place.run("log", "show", "--library", "demo", "--raw").out

    def test_another_night_on_the_same_database(self, place: Place) -> None:
        """75, which a timer knows as *try again later*."""
        register = place.register()
        with place.rooms() as app, app.runs.lease():
            said = place.run("night", "--json")
        assert (said.code, said.out) == (75, "")
        assert "Another night is running" in said.err
        assert not register.counts
        assert place.run("night").code == 0

    def test_sigterm_ends_a_night_cleanly_and_the_next_one_goes_on(self, place: Place) -> None:
        """The process settles what is under way and ends with 3; the same run is done by the next."""
        running: list[subprocess.Popen[str]] = []
        seen: list[str] = []

        def stop(reference: str) -> None:
            seen.append(reference)
            if len(seen) == 5:
                running[0].send_signal(signal.SIGTERM)

        place.env(REGISTRY__MAX_IN_FLIGHT="1")
        register = place.register(on_request=stop)
        register.latency_ms = 20
        running.append(place.start("night", "--json"))
        out, err = running[0].communicate(timeout=30)
        said = running[0].returncode
        assert said == 3, err
        assert '"stopped": null' in out
        first = register.counts["answered"]
        assert 5 <= first < 40
        after = place.run("night", "--json")
        assert after.code == 0
        assert after.document["due"] == after.document["asked"] > 0
        assert f'"run": "{after.document["run"]}"' in out
        assert register.counts["answered"] >= first + after.document["asked"]
        assert place.run("log", "verify").code == 0

    def test_what_is_still_open_is_said(self, place: Place) -> None:
        """Exit code 3 comes with a sentence."""
        seen: list[str] = []

        def stop(reference: str) -> None:
            seen.append(reference)
            if len(seen) == 3:
                os.kill(os.getpid(), signal.SIGTERM)

        place.env(REGISTRY__MAX_IN_FLIGHT="1")
        place.register(on_request=stop).latency_ms = 5
        before = signal.getsignal(signal.SIGTERM)
        said = place.run("night")
        assert said.code == 3
        assert "members are still open: the next `rrsync night` goes on with them." in said.err
        assert signal.getsignal(signal.SIGTERM) is before


class TestProgress:
    """How far it is."""

    def test_a_file_gets_a_line_every_ten_seconds(self, place: Place) -> None:
        """A timer's journal is not flooded."""
        clock, text = Clock(NOW), io.StringIO()
        runtime = system_runtime()
        settings = load(place.folder / "rrsync.toml")
        speak = Voices(Console(file=io.StringIO()), Console(file=text, width=100))
        with (
            open_services(settings, Runtime(clock, runtime.new_reference, runtime.random)) as app,
            _progress(app, speak) as told,
        ):
            for second in range(25):
                told(Progress(second, 25, 25 - second))
                clock.pass_by(seconds=1)
        assert text.getvalue().splitlines() == [
            "10 of 25 members, about 15 s left",
            "20 of 25 members, about 5 s left",
        ]

    def test_a_terminal_gets_a_bar(self, place: Place) -> None:
        """It is on standard error, so that a document stays a document."""
        place.register()
        place.monkeypatch.setenv("TTY_COMPATIBLE", "1")
        said = place.run("night", "--json")
        assert said.code == 0
        assert "members, about" in said.err
        assert list(said.document) == KEYS

    def test_operational_lines_go_to_standard_error(self, place: Place) -> None:
        """A warning is a line of JSON beside the document, never in it."""
        place.register("refused:1")
        said = place.run("night", "--json")
        assert '"event": "night.barred"' in said.err
        assert said.document["asked"] == 0


def test_the_keys_of_the_document_are_the_reports() -> None:
    """The contract's list and the report's are one."""
    assert list(Report("run", NOW).as_json()) == KEYS


def test_the_settings_may_be_named_before_the_command(place: Place, tmp_path: Path) -> None:
    """``rrsync --config FILE night`` is ``rrsync night --config FILE``."""
    place.register()
    place.monkeypatch.chdir(tmp_path)
    named = str(place.folder / "rrsync.toml")
    assert place.run("--config", named, "night", "--max", "1").code == 0
    assert place.run("night", "--config", named, "--max", "1").code == 0
    assert place.run("night").code == 2
