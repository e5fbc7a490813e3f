"""Rows 71 to 74: a log that is not the one that was signed, anchors out of reach, and keys that are not there."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from typing import Final

from rrsync.app.installation import fresh_keys
from rrsync.sync.night import Night
from tests.faults.catalogue import STAFF, Case, Row, Trial, ends
from tests.night.house import LIBRARY
from tests.night.test_anchors import a_file, a_witness, anchored, put_aside, put_back, ticking

NOWHERE: Final = "http://127.0.0.1:9/"


def put_back_older(trial: Trial, *, forked: bool = False) -> None:
    """Put an older backup in the database's place, and run a night; with ``forked`` it has grown otherwise since."""
    built = trial.build(members=3)
    anchored(built, a_witness(built) if forked else a_file(built))
    trial.night()
    built.clock.pass_by(hours=5)
    backup = put_aside(built)
    trial.refresh()
    built.app.notary.close([LIBRARY])
    put_back(built, backup, signed=True)
    for row in built.rows if forked else ():  # a desk that was tampered with looks at no anchor
        with built.opened() as app:
            desk = replace(app.desk(), attend=lambda _: None)
            desk.refresh(LIBRARY, row["member_no"], actor=STAFF, purpose="desk", case="c-2", preview=False)
    built.excused = True
    trial.night()


def begins_no_more(tries: int, *words: str) -> Callable[[Trial], None]:
    """Return what asserts that the last night did not begin: nobody was asked, and it is said why."""

    def expect(trial: Trial) -> None:
        assert (trial.exit_code, trial.tries) == (4, tries), trial.said
        assert trial.outcomes[""] == 0
        for word in words:
            assert word in trial.said
        trial.heard()

    return expect


def tampered(trial: Trial) -> None:
    """Change one byte of the log, as the owner of the database can, and run a night."""
    built = trial.build(members=3)
    trial.night()
    built.clock.pass_by(days=40)
    built.app.database.close()
    with closing(sqlite3.connect(built.raw.path or "")) as owner:
        for (name,) in owner.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'").fetchall():
            owner.execute(f"DROP TRIGGER {name}")
        ((data,),) = owner.execute("SELECT data FROM entry WHERE seq = 2").fetchall()
        owner.execute("UPDATE entry SET data = ? WHERE seq = 2", (data.replace(b'"act":"R"', b'"act":"W"'),))
        owner.commit()
    built.reopen()
    built.excused = trial.expected_findings = True
    trial.command("log", "verify")


def names_the_place(trial: Trial) -> None:
    """Whoever verifies the log is told whose it is, and where it is broken."""
    assert trial.exit_code == 4, trial.said
    assert LIBRARY in trial.said
    assert "2" in trial.said


def nobody_keeps_it(trial: Trial) -> None:
    """Let the only witness be out of reach while a night takes hours."""
    built = trial.build(members=20, in_flight=1)
    anchored(built, a_witness(built, NOWHERE))
    ticking(built, minutes=20)
    trial.night()


def stopped_after_hours(trial: Trial) -> None:
    """It stopped after four hours; what was done is kept, the rest is open."""
    assert (trial.exit_code, trial.stopped) == (4, "anchor"), trial.said
    assert "`rrsync log anchor`" in trial.said
    assert trial.outcomes == {"ok": trial.tries}
    assert 12 <= trial.tries < 20
    assert (trial.changed, trial.left) == (trial.tries, 20 - trial.tries)


def without_keys(trial: Trial) -> None:
    """Take the key file away."""
    trial.build().reopen()
    keys = trial.house.settings.keys.file
    aside = keys.rename(keys.with_suffix(".aside"))
    trial.command("night")
    aside.rename(keys)
    trial.house.reopen()


def with_other_keys(trial: Trial) -> None:
    """Put another installation's keys in the place of ours."""
    trial.build().reopen()
    keys = trial.house.settings.keys.file
    mine = keys.read_text(encoding="ascii")
    keys.write_text(fresh_keys(), encoding="ascii")
    trial.command("night")
    keys.write_text(mine, encoding="ascii")
    trial.house.reopen()


def refuses(exit_code: int) -> Callable[[Trial], None]:
    """Return what asserts that nothing began, and all is well with the right keys."""

    def expect(trial: Trial) -> None:
        assert (trial.exit_code, trial.tries, trial.changed) == (exit_code, 0, 0), trial.said
        assert "key" in trial.said
        trial.heal()

    return expect


def one_damaged(trial: Trial) -> None:
    """Change a byte of one member's sealed address."""
    built = trial.build(members=3)
    number = built.rows[1]["member_no"]
    (kept,) = built.raw.rows("SELECT address FROM member WHERE number = ?", number)[0]

    def put(sealed: bytes) -> None:
        with closing(sqlite3.connect(built.raw.path or "")) as owner:
            owner.execute("UPDATE member SET address = ? WHERE number = ?", (sealed, number))
            owner.commit()

    def damage(night: Night) -> Night:
        put(kept[:-1] + bytes([kept[-1] ^ 1]))
        return night

    built.excused = True
    trial.night(change=damage)
    put(kept)
    built.reopen()


ROWS: Final = (
    Row(
        71,
        "a database put back from a backup",
        put_back_older,
        begins_no_more(4, "backup was put back"),
    ),
    Row(72, "a byte of the log that was changed", tampered, names_the_place),
    Row(
        73,
        "an anchor out of reach",
        nobody_keeps_it,
        stopped_after_hours,
        also=[
            Case("a log that forked", lambda trial: put_back_older(trial, forked=True), begins_no_more(7, "follow")),
        ],
        note="409 is no alarm: the witness says how much it has seen, and gets the proof from there (tests/anchor)",
    ),
    Row(
        74,
        "keys that are not there",
        without_keys,
        refuses(2),
        also=[
            Case("another's", with_other_keys, refuses(2)),
            Case(
                "one member damaged",
                one_damaged,
                ends(outcomes={"ok": 2}, tries=2, exit_code=3, left=1, changed=2, warned={"night.damaged"}),
            ),
        ],
    ),
)
