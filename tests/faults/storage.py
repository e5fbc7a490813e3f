"""Rows 62 to 66, 69 and 70: a database that cannot, and a lease that is another's or lost."""

from __future__ import annotations

import os
import resource
import shutil
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import pytest
from sqlalchemy import Pool, event

from tests.faults.catalogue import Answer, Call, Case, Row, Trial, ends
from tests.faults.saying import recovers
from tests.night.test_faults import impatient, locked

#: How long another program holds the database, and how long a night waits for it at most.
MOMENT_S: Final = 0.3

SICK: Final = """
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <stdlib.h>
#include <unistd.h>
static int sick(void) { const char *sign = getenv("SICK_DISK"); return sign && access(sign, F_OK) == 0; }
static int really(const char *name, int fd) { return ((int (*)(int))dlsym(RTLD_NEXT, name))(fd); }
int fsync(int fd) { if (sick()) { errno = EIO; return -1; } return really("fsync", fd); }
int fdatasync(int fd) { if (sick()) { errno = EIO; return -1; } return really("fdatasync", fd); }
"""


@contextmanager
def no_room() -> Iterator[None]:
    """Let no file of this process grow, as on a disk that is full."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def once(work: Callable[[], object]) -> Answer:
    """Return who does something when the first question comes, and answers everybody rightly."""
    guard = threading.Lock()
    done: list[bool] = []

    def answer(call: Call) -> bytes:
        with guard:
            if not done:
                done.append(True)
                work()
        return call.said()

    return answer


def held_for_a_moment(trial: Trial) -> None:
    """Let another program hold the database while answers come."""
    trial.build(members=4)

    def hold() -> None:
        other = sqlite3.connect(trial.house.raw.path or "", isolation_level=None, check_same_thread=False)
        other.execute("BEGIN IMMEDIATE")
        threading.Timer(MOMENT_S, other.close).start()  # which rolls back

    trial.serve(once(hold))


def held_for_good(trial: Trial) -> None:
    """Let another program hold the database, before anything is asked."""
    trial.build()
    with impatient(trial.house), locked(trial.house):
        trial.night()


def full_at_intent(run: Callable[[Trial], None]) -> Callable[[Trial], None]:
    """Return what leaves no room on the disk, and then runs."""

    def inject(trial: Trial) -> None:
        trial.build()
        trial.house.app.desk()  # all that is read once is read before
        with no_room():
            run(trial)

    return inject


def nothing_asked(trial: Trial) -> None:
    """Nobody was asked, nothing is in the log, and it is said."""
    assert (trial.exit_code, trial.tries, trial.changed, dict(trial.outcomes)) == (4, 0, 0, {})
    assert "Nothing was" in trial.said
    trial.heal()


def stopped_half_way(trial: Trial, break_it: Callable[[], Any], mend: Callable[[], Any]) -> None:
    """Break the database when the first question is at the register, run a night, and mend it."""
    trial.serve(once(break_it))
    trial.house.excused = True  # accesses have no outcome yet: that is what the next night is for
    try:
        trial.night()
    finally:
        mend()
        trial.house.excused = False


def full_at_outcome(trial: Trial) -> None:
    """Fill the disk when the question is at the register."""
    trial.build(members=6, in_flight=1)
    room = no_room()
    stopped_half_way(trial, room.__enter__, lambda: room.__exit__(None, None, None))


def lost_and_found(trial: Trial) -> None:
    """Nothing was applied that is not in the log; the next run says what is not known, and asks anew."""
    assert (trial.exit_code, trial.stopped) == (4, "evidence"), trial.said
    assert trial.report is not None
    trial.house.look(trial.report.run, dead=True)
    lost, asked = trial.outcomes[""], trial.tries
    assert 1 <= lost <= asked <= 2 * trial.house.settings.registry.max_in_flight
    assert trial.changed == trial.outcomes["ok"]
    recovers(trial)
    assert (trial.outcomes["indeterminate"], trial.outcomes[""]) == (lost, 0)
    assert "night.recovered" in trial.warned


def read_only(trial: Trial) -> None:
    """Let the database be read only, from when the first question is at the register."""
    trial.build(members=6, in_flight=1)
    marks: list[bool] = []

    def refuse(connection: Any, *_: object) -> None:
        connection.execute(f"PRAGMA query_only = {'ON' if marks else 'OFF'}")

    event.listen(Pool, "checkout", refuse)
    stopped_half_way(trial, lambda: marks.append(True), marks.clear)
    event.remove(Pool, "checkout", refuse)


def on_a_server(trial: Trial, **options: Any) -> tuple[Any, str]:
    """Build the installation on a PostgreSQL database of its own; give the server and the database's name."""
    server = trial.start_postgres()
    trial.url = trial.stack.enter_context(server.database())
    trial.build(**options)
    return server, trial.url.rpartition("/")[2].partition("?")[0]


def ended(server: Any, name: str) -> None:
    """End every connection but the auditor's."""
    theirs = f"datname = '{name}' AND application_name <> 'auditor'"
    server.run(f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE {theirs}")


def gone(trial: Trial) -> None:
    """Let the server end all connections and be read only, as one that fails over."""
    server, name = on_a_server(trial, members=6, in_flight=1)

    def fail_over() -> None:
        server.run(f"ALTER DATABASE {name} SET default_transaction_read_only = on")
        ended(server, name)

    def mend() -> None:
        server.run(f"ALTER DATABASE {name} RESET default_transaction_read_only")
        ended(server, name)

    stopped_half_way(trial, fail_over, mend)


def lease_lost(trial: Trial) -> None:
    """Let the connection that holds the lease be ended, as after a long pause; the others are made anew."""
    server, name = on_a_server(trial, members=12, in_flight=1)
    mine = f"datname = '{name}' AND pid IN (SELECT pid FROM pg_locks WHERE locktype = 'advisory')"
    stopped_half_way(
        trial,
        lambda: server.run(f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE {mine}"),
        lambda: None,
    )


def stopped_without_lease(trial: Trial) -> None:
    """The run stops within a batch: who lost the lease asks nothing more; what it had, it may settle."""
    assert (trial.exit_code, trial.stopped) == (4, "evidence"), trial.said
    assert "lease" in trial.said
    assert trial.report is not None
    trial.house.look(trial.report.run, dead=True)
    assert trial.tries <= 4 * trial.house.settings.registry.max_in_flight
    assert trial.changed == trial.outcomes["ok"]
    recovers(trial)


def two_at_once(trial: Trial) -> None:
    """Start a night while another one holds the lease."""
    trial.build()
    with trial.house.app.runs.lease():
        trial.command("night")


def two_hosts_at_once(trial: Trial) -> None:
    """The same on a server, where the other may be on another machine."""
    on_a_server(trial)
    with trial.house.app.runs.lease():
        trial.command("night")


def second_is_refused(trial: Trial) -> None:
    """Exit code 75, and nobody was asked."""
    assert (trial.exit_code, trial.tries, dict(trial.outcomes)) == (75, 0, {})
    assert "Another night is running" in trial.said
    trial.heal()


def sick_disk(trial: Trial) -> None:
    """Let every fsync fail with EIO from when the first question comes, in a process of its own."""
    compiler = shutil.which("cc")
    if compiler is None:
        pytest.skip("there is no C compiler to make fsync fail with")
    built, sign = trial.build(members=6, in_flight=1), trial.folder / "sick"
    source, library = trial.folder / "sick.c", trial.folder / "sick.so"
    source.write_text(SICK, encoding="ascii")
    made = subprocess.run(
        [compiler, "-shared", "-fPIC", "-o", library, source, "-ldl"], capture_output=True, check=False
    )
    if made.returncode:
        pytest.skip("the C compiler makes no shared library")
    built.clock.now = datetime.now(UTC)  # the process reads the machine's
    built.audit.also = lambda _: sign.touch()
    built.prepare(libraries=built.libraries, full=False)
    trial.env(STORE__URL=built.settings.store.url)
    words = [sys.executable, "-c", "from rrsync.cli.app import main; main()", "night", "--config", str(trial.config)]
    done = subprocess.run(words, env=_environment(library, sign), capture_output=True, check=False, timeout=60)
    built.audit.also = None
    sign.unlink(missing_ok=True)
    trial.exit_code, trial.said = done.returncode, done.stderr.decode()
    built.said.append(trial.said + done.stdout.decode())


def _environment(library: Path, sign: Path) -> dict[str, str]:
    return dict(os.environ) | {"LD_PRELOAD": str(library), "SICK_DISK": str(sign)}


def died_clean(trial: Trial) -> None:
    """The process ended with exit code 4 and asked nothing more; the next night recovers."""
    assert trial.exit_code == 4, trial.said
    run = str(trial.house.raw.rows("SELECT id FROM run")[0][0])
    trial.house.look(run, dead=True)
    assert 1 <= trial.tries <= 2
    recovers(trial)
    assert trial.outcomes[""] == 0


ROWS: Final = (
    Row(
        62,
        "a database that another holds",
        held_for_a_moment,
        ends(outcomes={"ok": 4}, tries=4, exit_code=0, changed=4),
        also=[Case("for good", held_for_good, nothing_asked)],
    ),
    Row(
        63,
        "a disk that is full before the question",
        full_at_intent(Trial.refresh),
        nothing_asked,
        also=[Case("night", full_at_intent(Trial.night), nothing_asked)],
    ),
    Row(64, "a disk that is full before the outcome", full_at_outcome, lost_and_found),
    Row(
        65,
        "a database that goes away half way",
        read_only,
        lost_and_found,
        also=[Case("failing over", gone, lost_and_found)],
    ),
    Row(66, "an fsync that fails", sick_disk, died_clean),
    Row(
        69,
        "two nights at once",
        two_at_once,
        second_is_refused,
        also=[Case("on two hosts", two_hosts_at_once, second_is_refused)],
    ),
    Row(
        70,
        "a lease that is lost",
        lease_lost,
        stopped_without_lease,
        note="there is no fencing token: the lease is the connection's lock, looked at after every batch; outcome and "
        "change are one transaction, so a second night can at most ask once more, never write for another",
    ),
)
