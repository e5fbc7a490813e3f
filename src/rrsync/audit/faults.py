"""What is said when a log is not the one that was signed: what is wrong, what was kept safe, what to do."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from rrsync.errors import AnchorConflict, BrokenChain

if TYPE_CHECKING:
    from rrsync.store.ledger import Head
    from rrsync.store.verify import Point

_KEPT: Final = "Nothing was asked"
_VERIFY: Final = (
    "Run `rrsync log verify`: it names the entry; keep everything as it is and call the data-protection officer"
)


def shorter(head: Head, known: Point) -> AnchorConflict:
    """The log has fewer entries than a checkpoint of it."""
    return AnchorConflict(
        f"The access log of {head.library} holds {head.size} entries, but {known.source} has a checkpoint of "
        f"{known.size}",
        kept=_KEPT,
        todo="An older backup was put back, or entries were cut: put the newest database back; if there is none, keep "
        "everything as it is and call the data-protection officer",
    )


def another(head: Head, known: Point) -> AnchorConflict:
    """The log has other entries than a checkpoint of it."""
    what = f"The access log of {head.library} is not the one of which {known.source} has a checkpoint of {known.size}"
    return AnchorConflict(f"{what} entries", kept=_KEPT, todo=_VERIFY)


def gaps(head: Head) -> BrokenChain:
    """Entries are missing that the head counts."""
    what = f"The access log of {head.library} does not hold the {head.size} entries that its head counts"
    return BrokenChain(what, kept=_KEPT, todo=_VERIFY)


def broken(library: str) -> BrokenChain:
    """The entries do not lead from one checkpoint to the next."""
    what = f"The access log of {library} does not go on from the last checkpoint signed"
    return BrokenChain(what, kept="Nothing was signed or asked", todo=_VERIFY)


def renamed(library: str) -> BrokenChain:
    """The database has the log under a name that it should not have."""
    return BrokenChain(
        f"The access log of {library} is not begun under the name it should have",
        kept="Nothing was signed or asked",
        todo="If the library's sender changed in the settings before anything was signed, put the old one back; else "
        "keep the database as it is, and call the data-protection officer",
    )


def lost_key(library: str, year: int) -> BrokenChain:
    """A year's key is gone, and nobody destroyed it."""
    return BrokenChain(
        f"The key of {year} of the access log of {library} is missing, and no entry says that it was destroyed",
        kept=_KEPT,
        todo="Put it back from a backup of the database; call the data-protection officer",
    )
