"""Helpers for the tests of the store: entries, answers, verdicts, query plans and other processes."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from itertools import count
from typing import Any, Final

import pytest
from sqlalchemy import event

from rrsync.core.compare import Verdict
from rrsync.core.exchange import Answer, Reason, Refused
from rrsync.core.insz import Insz
from rrsync.core.log_entry import Actor, ActorKind, Draft, Evidence, Kind, decode
from rrsync.core.person import Member
from rrsync.store.holds import OpenHold
from rrsync.store.rows import MemberStatus
from rrsync.store.settlement import Judge, SettlementItem
from tests.support import LIBRARY, ROOT, Store, insz, intent, outcome

AN: Final = Actor(ActorKind.PERSON, "an")
DPO: Final = Actor(ActorKind.PERSON, "dpo")
_NUMBERS: Final = count(1)

#: Marks of tests for one kind of database only.
ON_SQLITE: Final = pytest.mark.parametrize("database_kind", ["sqlite"], indirect=True)
ON_POSTGRESQL: Final = pytest.mark.parametrize("database_kind", ["postgresql"], indirect=True)


def always(verdict: Verdict) -> Judge:
    """Return a judge that gives one verdict."""
    return lambda member, answer: verdict  # noqa: ARG005 — the signature of a judge


def ask(store: Store, number: str, *, subject: Insz | None, run: str = "", library: str = LIBRARY) -> SettlementItem:
    """Log a query about a member, and return its answer, to be settled."""
    reference = f"scene-{next(_NUMBERS)}"
    store.ledger.append([intent(reference, library=library, subject=subject, run=run)])
    answer: Answer = Refused(reference, Reason.REFUSED)
    return SettlementItem(library, number, answer, outcome(reference, library=library, subject=subject, run=run))


def status_of(store: Store, number: str = "M0001", library: str = LIBRARY) -> MemberStatus:
    """Return an existing member with its last verdict."""
    status = store.members.find(library, number)
    assert status is not None
    return status


def present(store: Store, number: str = "M0001", library: str = LIBRARY) -> Member:
    """Return an existing member."""
    return status_of(store, number, library).member


def record(store: Store, number: str, verdict: Verdict, *, run: str = "", library: str = LIBRARY) -> SettlementItem:
    """Query a member, and settle the answer with this verdict."""
    item = ask(store, number, subject=present(store, number, library).insz, run=run, library=library)
    assert store.settlement.settle([item], always(verdict)) == [verdict]
    return item


def only_hold(store: Store) -> OpenHold:
    """Return the only open hold."""
    (hold,) = store.holds.open()
    return hold


def entries(store: Store, library: str = LIBRARY) -> list[dict[str, Any]]:
    """Return the decoded entries of a log."""
    return [dict(decode(data)) for _, data in store.ledger.entries(library)]


def log_access(
    store: Store,
    serial: int = 1,
    *flags: str,
    by: str = "an",
    actor: str = "person",
    kind: Kind = Kind.INTENT,
    purpose: str = "desk",
    case: str = "",
    status: str = "",
    library: str = LIBRARY,
) -> int:
    """Log an access or another entry, with its outcome if there is a ``status``; return its position."""
    reference, subject = f"access-{next(_NUMBERS)}", insz(serial)
    body: dict[str, Any] = {
        "actor": {"t": actor, "id": by},
        "why": {"code": purpose} | ({"case": case} if case else {}),
    }
    body |= {"flags": list(flags)} if flags else {}
    drafts = [Draft(library, kind, reference, subject, body=body)]
    if status:
        evidence = Evidence(b"asked", b"") if status == "no_reply" else None
        end: dict[str, Any] = {"out": {"status": status, "codes": []}}
        drafts.append(Draft(library, Kind.OUTCOME, reference, subject, body=end, evidence=evidence))
    with store.ledger.writing() as session:
        return store.ledger.append_in(session, drafts)[0]


def statements(store: Store, use: Callable[[], object]) -> list[tuple[str, Any]]:
    """Return the statements that a call executes, with their parameters."""
    executed: list[tuple[str, Any]] = []

    def note(_connection: object, _cursor: object, statement: str, values: object, *_more: object) -> None:
        executed.append((statement, values))

    event.listen(store.database.engine, "before_cursor_execute", note)
    use()
    event.remove(store.database.engine, "before_cursor_execute", note)
    return executed


def plans(store: Store, use: Callable[[], object]) -> list[str]:
    """Return SQLite's query plan of each SELECT that a call executes."""
    selects = [(sql, values) for sql, values in statements(store, use) if sql.lstrip().startswith("SELECT")]
    with store.database.engine.connect() as connection:
        rows = [connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {sql}", values) for sql, values in selects]
        return [" ".join(str(row[3]) for row in plan) for plan in rows]


def run_together(program: str, *arguments: list[str]) -> list[str]:
    """Run a program in several processes that start at once; return the words that they print.

    The program calls ``ready()`` when it is set up; the processes then go on together.
    """
    ready = "import sys\ndef ready():\n    print('ready', flush=True)\n    sys.stdin.readline()\n"
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", ready + program, *each],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for each in arguments
    ]
    for process in processes:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
    for process in processes:
        assert process.stdin is not None
        process.stdin.write("go\n")
        process.stdin.flush()
    words: list[str] = []
    for process in processes:
        out, _ = process.communicate(timeout=60)
        assert process.returncode == 0
        words += out.split()
    return words
