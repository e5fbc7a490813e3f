"""What runs in another process, to be killed there."""

from __future__ import annotations

import threading
from dataclasses import replace
from datetime import datetime
from multiprocessing.synchronize import Event
from pathlib import Path

from rrsync import logging
from rrsync.app.runtime import system_runtime
from rrsync.app.services import open_services
from rrsync.config.load import load
from rrsync.core.planning import tonight
from rrsync.store.engine import Database
from rrsync.store.runs import Runs
from tests.night.raw import Raw
from tests.support import Clock


def hold_lease(url: str, holding: Event) -> None:
    """Hold the lease until killed."""
    with Runs(Database(url)).lease():
        holding.set()
        threading.Event().wait(60)


def night(folder: str, now: datetime) -> None:
    """Run a whole night over everybody, or go on with the one that is open."""
    logging.configure("debug")
    settings = load(Path(folder) / "rrsync.toml")
    runtime = replace(system_runtime(), clock=Clock(now))
    with open_services(settings, runtime) as app:
        plan = tonight(now=app.runtime.clock(), stale_after_days=30, full=True, most=None)
        report = app.night().run([each.id for each in settings.library], plan, progress=lambda _: None)
    raise SystemExit(report.exit_code)


def wait_until_gone(raw: Raw, *, patience_s: float, but: int = 0) -> None:
    """Wait until PostgreSQL has seen that a killed process is gone: until then it may still commit for it."""
    pause = threading.Event()
    for _ in range(int(patience_s / 0.005)):
        if raw.others() <= but:
            return
        pause.wait(0.005)
    raise AssertionError("PostgreSQL still serves a process that is dead")
