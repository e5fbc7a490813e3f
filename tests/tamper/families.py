"""The ways to tamper with a log, each done as the database's owner, who can do all but sign and make tags.

A family alters a copy of the log and gives the name of its first fault: ``entry 17``, the first one that is not as it
was, or ``checkpoint 40``, by the size in its row. Most do it in several ways, from clumsy to careful: careful is to
make columns, tree and head anew, and to leave no checkpoint that says otherwise.
"""

from __future__ import annotations

import base64
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from random import Random
from typing import Any, Final

from rrsync.core.merkle import Edge
from rrsync.core.signed_note import Checkpoint, Note, Signer
from tests.support import LIBRARY, Store
from tests.tamper.base import SIGNER, Base, Builder
from tests.tamper.model import Model, Row, follow, read, say, write


@dataclass
class Scene:
    """A copy of a log to tamper with."""

    store: Store
    base: Base
    dice: Random
    model: Model

    @property
    def size(self) -> int:
        """How many entries it has."""
        return len(self.base.model.rows)

    def any_row(self, least: int = 0) -> tuple[int, Row]:
        """Return an entry and its place."""
        seq = self.dice.randrange(least, self.size)
        return seq, self.model.rows[seq]

    def cover(self, first: int) -> None:
        """Make the tree anew, more or less carefully, after what was done from ``first`` on."""
        care = self.dice.randrange(4)
        if care >= 1:
            self.model.rehash()
        if care >= 2:
            self.model.forget(first)
        if care == 3:
            self.model.forget(0)


def _flipped(scene: Scene, data: bytes) -> bytes:
    at = scene.dice.randrange(len(data))
    return data[:at] + bytes([data[at] ^ (1 << scene.dice.randrange(8))]) + data[at + 1 :]


def flip(scene: Scene) -> str:
    """Flip a bit of the bytes, of the leaf hash, of the tag or of the pseudonym."""
    seq, row = scene.any_row()
    column = scene.dice.choice([name for name in ("data", "data", "leaf", "mac", "subject") if row[name]])
    row[column] = _flipped(scene, row[column])
    return f"entry {seq}"


def column(scene: Scene) -> str:
    """Have a column say something else than the bytes."""
    seq, row = scene.any_row()
    name = scene.dice.choice(["kind", "reference", "run", "at", "subject", "actor", "library"])
    if name == "at":
        row["at"] = _shifted(row["at"], timedelta(microseconds=scene.dice.choice([-1, 1, 10**6, 86_400 * 10**6])))
    elif name == "subject":
        row["subject"] = scene.dice.randbytes(32) if row["subject"] is None or scene.dice.random() < 0.5 else None
    elif name == "library":
        row["library"], row["reference"] = "genk", row["reference"] + "x"
        row["seq"] += 1_000
    else:
        row[name] = "" if row[name] and scene.dice.random() < 0.3 else row[name] + "x"
    return f"entry {seq}"


def _shifted(at: Any, by: timedelta) -> Any:
    if isinstance(at, str):
        return (datetime.fromisoformat(at) + by).isoformat(" ", "microseconds")
    return at + by


def kind(scene: Scene) -> str:
    """Put a value of another kind in a column; SQLite takes any."""
    if not scene.store.database.is_sqlite:
        return flip(scene)
    seq, row = scene.any_row()
    name = scene.dice.choice(["data", "leaf", "mac", "kind", "reference", "run", "at", "subject", "actor", "seq"])
    old = row[name]
    wrong: list[object] = [7.5, b"", "nonsense"]
    wrong += [old.hex(), old.decode("latin-1")] if isinstance(old, bytes) else []
    wrong += [old.encode()] if isinstance(old, str) else []
    row[name] = scene.dice.choice([value for value in wrong if value != old])
    if name == "seq":
        row[name] = scene.dice.choice([seq + 0.5, f"x{seq}", b"x"])
    return f"entry {seq}"


def rewrite(scene: Scene) -> str:
    """Rewrite what an entry says, with all that can be made anew."""
    seq, row = scene.any_row()
    changes: list[dict[str, Any]] = [
        {"actor": {"t": "person", "id": "bert"}},
        {"actor": {"t": "process", "id": "rrsync nights"}},
        {"why": {"code": "member-administration"}},
        {"out": {"status": "not_found"}},
        {"ts": "2026-07-01T02:00:00.000000Z"},
        {"subj": {"ref": "00" * 32, "enc": base64.b64encode(bytes(39)).decode(), "key": "2026"}},
        {"flags": ["own-record"]},
        {"ref": f"{scene.dice.getrandbits(40):010x}"},
        {"v": 1},
        {},
    ]
    say(row, **(scene.dice.choice(changes) or {"note": "x"}))
    if scene.dice.random() < 0.8:
        follow(row)
    if scene.dice.random() < 0.3:
        row["mac"] = scene.dice.choice(scene.model.rows)["mac"] if scene.dice.random() < 0.5 else None
    scene.cover(seq)
    return f"entry {seq}"


def delete(scene: Scene) -> str:
    """Delete an entry, or some in a row; let the gap be, or close it."""
    seq = scene.dice.randrange(scene.size - 1)
    rows = scene.model.rows
    count = min(scene.dice.choice([1, 1, 2, 10]), scene.size - 1 - seq)
    scene.model.rows = rows[:seq] + rows[seq + count :]
    if scene.dice.random() < 0.7:
        scene.model.renumber(first=seq)
    scene.cover(seq)
    return f"entry {seq}"


def swap(scene: Scene) -> str:
    """Let two entries change places, by their places alone or in all that says where they are."""
    rows = scene.model.rows
    first, second = sorted(scene.dice.sample(range(scene.size), 2))
    rows[first], rows[second] = rows[second], rows[first]
    for seq in (first, second):
        rows[seq]["seq"] = seq
    if scene.dice.random() < 0.7:
        for seq in (first, second):
            say(rows[seq], seq=seq)
    if scene.dice.random() < 0.3:
        rows[first]["mac"], rows[second]["mac"] = rows[second]["mac"], rows[first]["mac"]
    scene.model.rows = rows
    scene.cover(first)
    return f"entry {first}"


def insert(scene: Scene) -> str:
    """Put an entry that never was between two others, at the end, or beyond it."""
    seq, row = scene.any_row()
    fresh = dict(row, reference=f"{scene.dice.getrandbits(40):010x}")
    rows = scene.model.rows
    way = scene.dice.randrange(4)
    if way == 0:  # beyond the end, or before the beginning, and counted by nobody
        fresh["seq"] = scene.dice.choice([scene.size, scene.size + 5, -1])
        scene.model.rows = [*rows, fresh]
        return f"entry {fresh['seq']}"
    place = scene.size if way == 1 else seq
    scene.model.rows = [*rows[:place], fresh, *rows[place:]]
    for at, each in enumerate(scene.model.rows):
        each["seq"] = at
    say(fresh, ref=fresh["reference"], seq=place)
    if way == 3:
        scene.model.renumber(first=place)
    scene.model.rehash()
    scene.model.forget(scene.dice.choice([scene.size, place, 0]))
    return f"entry {place}"


def cut(scene: Scene) -> str:
    """Cut the last entries off, with or without what says that they were there."""
    keep = scene.dice.choice([0, scene.size - 1, scene.dice.randrange(scene.size), scene.dice.randrange(scene.size)])
    scene.model.rows = scene.model.rows[:keep]
    care = scene.dice.randrange(5)
    if care == 1:
        scene.model.head["size"] = keep
    if care >= 2:
        scene.model.rehash()
    if care >= 3:
        scene.model.forget(keep)
    if care == 4:
        scene.model.forget(0)
    if care == 4 and keep == 0:
        scene.model.tables["log"] = []
    return f"entry {keep}"


def roll_back(scene: Scene) -> str:
    """Put an older backup back, whole."""
    scene.model = scene.dice.choice(scene.base.backups + scene.base.midway).copy()
    return f"entry {len(scene.model.rows)}"


def fork(scene: Scene) -> str:
    """Put an older backup back, made when no run was under way, and go on from there past what was anchored."""
    return _grow_on(scene, scene.dice.choice(scene.base.backups))


def fork_midway(scene: Scene) -> str:
    """The same with a backup made in the middle of a run, of which the last entries were never signed."""
    return _grow_on(scene, scene.dice.choice(scene.base.midway or scene.base.backups))


def _grow_on(scene: Scene, backup: Model) -> str:
    write(scene.store, backup)
    for table in ("pending", "evidence"):  # the backup's own do not matter here
        scene.store.execute(f"DELETE FROM {table}")
    scene.store.clock.pass_by(days=2)
    builder = Builder(scene.store, scene.dice)
    while scene.store.ledger.head(LIBRARY).size <= scene.size:
        builder.work()
    scene.model = read(scene.store)
    return f"entry {len(backup.rows)}"


def untag(scene: Scene) -> str:
    """Take tags away, so that entries look as those of before there were any."""
    rows = scene.model.rows
    first = scene.dice.choice([0, scene.dice.randrange(scene.size)])
    end = scene.dice.choice([first + 1, scene.size, scene.dice.randrange(first + 1, scene.size + 1)])
    says_so = scene.dice.random() < 0.5
    for row in rows[first:end]:
        row["mac"] = None
        row["actor"] = "" if says_so else row["actor"]
        if says_so:
            say(row, v=1)
    if says_so:
        scene.cover(first)
    return f"entry {first}"


def borrow(scene: Scene) -> str:
    """Return an entry the tag of another, or an earlier one of the same place in another log."""
    first, second = sorted(scene.dice.sample(range(scene.size), 2))
    rows = scene.model.rows
    if scene.dice.random() < 0.5:
        rows[first]["mac"], rows[second]["mac"] = rows[second]["mac"], rows[first]["mac"]
        return f"entry {first}"
    other = next(row for row in scene.model.tables["entry"] if row["library"] == "genk" and row["seq"] == 3)
    rows[3].update({name: value for name, value in other.items() if name != "library"})
    say(rows[3], log=LIBRARY)
    scene.cover(3)
    return "entry 3"


def head(scene: Scene) -> str:
    """Have the head say something else than the entries."""
    log, size = scene.model.head, scene.size
    match scene.dice.randrange(7):
        case 0:
            log["size"] = scene.dice.randrange(size)
            return f"entry {log['size']}"
        case 1:
            log["size"] = size + scene.dice.randrange(1, 100)
            return f"entry {size}"
        case 2:
            log["edge"] = _flipped(scene, log["edge"])
            return f"entry {size - 1}"
        case 3:
            keep = scene.dice.randrange(size)
            edge = Edge().extend(row["leaf"] for row in scene.model.rows[:keep])
            log.update(size=keep, edge=edge.to_bytes())
            return f"entry {keep}"
        case 4:
            log["origin"] += "x"
        case 5:
            log["size"] = -size
        case _:
            scene.model.tables["log"] = []
    return "entry 0"


def forge(scene: Scene) -> str:
    """Put another note in the place of a checkpoint: made up, altered, of another log, or signed by another key."""
    kept = scene.dice.choice(scene.model.notes)
    note = Note.parse(kept["note"])
    checkpoint = Checkpoint.parse(note.text)
    fake = Checkpoint(LIBRARY, checkpoint.size, scene.dice.randbytes(32)).to_text()
    stranger, neighbour = Signer(LIBRARY, b"x" * 32), Signer("genk", b"s" * 32)
    elsewhere = Checkpoint("genk", checkpoint.size, checkpoint.root).to_text()
    kept["note"] = scene.dice.choice(
        [
            Note(fake, note.signatures).to_text(),
            Note(note.text.replace(str(checkpoint.size), str(checkpoint.size + 1)), note.signatures).to_text(),
            Note(fake, (stranger.sign(fake),)).to_text(),
            Note(fake, (stranger.sign(fake), *note.signatures)).to_text(),
            Note(elsewhere, (SIGNER.sign(elsewhere),)).to_text(),
            Note(elsewhere, (neighbour.sign(elsewhere),)).to_text(),
            kept["note"].replace("— ", "- "),
            kept["note"][:-20],
            note.text,
            "",
        ]
    )
    return f"checkpoint {kept['size']}"


def replay(scene: Scene) -> str:
    """Show a note that was signed, at another size than it was signed of."""
    one, other = scene.dice.sample(scene.model.notes, 2)
    match scene.dice.randrange(3):
        case 0:
            other["note"] = one["note"]
            return f"checkpoint {other['size']}"
        case 1:
            one["size"] += 1
            return f"checkpoint {one['size']}"
        case _:
            fresh = dict(one, size=scene.size + 7)
            scene.model.tables["checkpoint"].append(fresh)
            return f"checkpoint {fresh['size']}"


#: Each family, and how many of a hundred tamperings are of it.
FAMILIES: Final[dict[Callable[[Scene], str], int]] = {
    flip: 10,
    column: 8,
    kind: 6,
    rewrite: 12,
    delete: 9,
    swap: 8,
    insert: 8,
    cut: 8,
    roll_back: 5,
    fork: 3,
    untag: 6,
    borrow: 4,
    head: 6,
    forge: 4,
    replay: 3,
}
#: One in so many tamperings is of the family that no anchor can name more exactly than by a stretch of the log.
MIDWAY: Final = 400
