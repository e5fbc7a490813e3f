"""What the columns beside an entry's bytes must say: they are copies, for searching, of what the bytes say."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Final

from rrsync.core.entry import JSON, person_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

_NAMES: Final = ("log", "seq", "kind", "ref", "run", "ts", "subj", "actor")


def disagreement(line: Mapping[str, JSON], origin: str, seq: int, columns: Sequence[object], *, tagged: bool) -> str:
    """Give the name of the first column that says otherwise than the bytes do, or ``""``.

    The columns are ``kind``, ``reference``, ``run``, ``at``, ``subject`` and ``actor``, as the database gives them
    without knowing their types; that of the actor came with the tag, and is empty without one.
    """
    kind, reference, run, at, subject, actor = columns
    subj = line.get("subj")
    said = (
        line.get("log"),
        line.get("seq"),
        line.get("kind"),
        line.get("ref", ""),
        line.get("run", ""),
        line.get("ts"),
        subj.get("ref") if isinstance(subj, dict) else None,
        person_of(line) if tagged else "",  # the column came with the tag
    )
    has = (
        origin,
        seq,
        kind,
        reference,
        run,
        _stamp(at),
        _hex(subject),
        actor,
    )
    if said == has:
        return ""
    return next(name for name, one, other in zip(_NAMES, said, has, strict=True) if one != other)


def _hex(subject: object) -> str | None:
    """Give a pseudonym as the bytes say it; what is no pseudonym agrees with nothing."""
    return None if subject is None else subject.hex() if isinstance(subject, bytes) else ""


def _stamp(at: object) -> str:
    """Give a moment as the bytes say it, from how the database gives it: SQLite as text, PostgreSQL as a time."""
    if isinstance(at, str):
        return f"{at[:10]}T{at[11:]}Z" if at[10:11] == " " else ""
    return at.isoformat(timespec="microseconds") + "Z" if isinstance(at, datetime) else ""
