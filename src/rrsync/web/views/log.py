"""What the data-protection officer sees of the log: searched, an entry of it, a person's accesses, figures, exports.

People stand in the log under pseudonyms; staff stand in it under their account's name.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Literal

from rrsync.web.views.frame import BLANK, Choice, Filled

if TYPE_CHECKING:
    from datetime import date, datetime

    from rrsync.web.plot import Rows


@dataclass(frozen=True, slots=True)
class LookLine:
    """One look in a list: the entry, when, who, why and for which case, how it ended, what came of it.

    ``by`` is a person's account, or a process's name when ``is_process``. ``outcome`` is a key of
    ``words.codes.OUTCOMES``: ``preview`` of a preview, else the verdict of an answer, else the status. ``flags`` are
    keys of ``words.codes.FLAGS``; ``about`` is a pseudonym of a person.
    """

    library: str
    seq: int
    at: datetime
    by: str
    is_process: bool
    purpose: str
    case: str
    outcome: str
    flags: tuple[str, ...] = ()
    about: str = ""


@dataclass(frozen=True, slots=True)
class LogPage:
    """The search of the log, all of it by POST; ``found`` is ``None`` before anything was searched.

    Fields: ``library``, ``staff``, ``purpose``, ``outcome``, ``since``, ``until`` (days), ``flagged``. ``most`` is how
    many are shown at most; ``older`` is what the button for older entries sends as ``before``.
    """

    name: ClassVar[str] = "log"

    libraries: tuple[Choice, ...]
    purposes: tuple[str, ...]
    filled: Filled = BLANK
    found: tuple[LookLine, ...] | None = None
    most: int = 50
    older: int | None = None
    shown_as: int | None = None


@dataclass(frozen=True, slots=True)
class EntryPage:
    """One access: everything its entries say. ``got`` are names of ``words.codes.FIELDS``.

    ``via`` is the key of a library system with which somebody asked; ``of`` is the reference of an answer that was
    shown again. ``lines`` are the entries as they stand, by their number; ``key`` is the log's public key.
    ``has_evidence`` says whether the whole messages were kept; ``is_forgotten``, that they were once. The form for
    them sends ``reason``.
    """

    name: ClassVar[str] = "entry"

    look: LookLine
    reference: str
    run: str
    basis: str
    capacity: str
    operation: str
    got: tuple[str, ...]
    withheld: int
    changed: tuple[str, ...]
    denial: str
    codes: tuple[str, ...]
    ms: int
    ended_at: datetime | None
    ended_seq: int | None
    request: str
    reply: str
    via: str = ""
    of: str = ""
    lines: tuple[tuple[int, str], ...] = ()
    key: str = ""
    decisions: tuple[Decided, ...] = ()
    has_evidence: bool = False
    is_forgotten: bool = False
    filled: Filled = BLANK


@dataclass(frozen=True, slots=True)
class Decided:
    """What a reviewer decided: ``finding`` is a key of ``words.codes.FINDINGS``."""

    at: datetime
    by: str
    finding: str


@dataclass(frozen=True, slots=True)
class Deed:
    """Another line about a person than a look: when, who, and what in words."""

    library: str
    seq: int
    at: datetime
    by: str
    what: str


@dataclass(frozen=True, slots=True, repr=False)
class PersonPage:
    """A person's accesses, by a national number that is typed and never given back.

    ``looks`` is ``None`` before anything was asked. ``ticket`` stands for the number for a quarter of an hour, so that
    the letter needs no second typing. ``forgotten`` are years of which a log can say nothing any more. ``noted`` are
    the entries of this look itself. Of both, and of every line, the library is said when there are ``many``.
    Fields: ``insz``; of the second form ``ticket`` and ``language``.
    """

    name: ClassVar[str] = "person"

    filled: Filled = BLANK
    looks: tuple[LookLine, ...] | None = None
    deeds: tuple[Deed, ...] = ()
    ticket: str = ""
    forgotten: tuple[Gone, ...] = ()
    noted: tuple[Noted, ...] = ()
    many: bool = False

    def __repr__(self) -> str:
        """Name the type alone: it is about one person."""
        return "PersonPage(***)"


@dataclass(frozen=True, slots=True)
class Noted:
    """The entry of a library's log that a look itself is."""

    library: str
    seq: int


@dataclass(frozen=True, slots=True)
class Gone:
    """The years of which a library's log can say nothing any more."""

    library: str
    years: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class LetterSection:
    """A part of the letter: its heading, and items of labelled lines, each with its number."""

    title: str
    entries: tuple[tuple[tuple[str, str], ...], ...]


@dataclass(frozen=True, slots=True, repr=False)
class LetterPage:
    """The letter to a citizen, made to be printed; all its words come from the letter's own texts, in its language.

    ``library`` and ``sender`` stand at the head (the name of the library, if it is one, and address lines), ``head``
    are labelled lines (date, libraries), ``opening`` and ``closing`` paragraphs. ``is_download`` says that the same can
    be had as a file.
    """

    name: ClassVar[str] = "letter"

    language: Literal["nl", "en"]
    title: str
    library: str
    sender: tuple[str, ...]
    head: tuple[tuple[str, str], ...]
    opening: tuple[str, ...]
    sections: tuple[LetterSection, ...]
    closing: tuple[str, ...]
    ticket: str = ""
    is_download: bool = False

    def __repr__(self) -> str:
        """Name the type alone: it is about one person."""
        return "LetterPage(***)"


@dataclass(frozen=True, slots=True)
class FiguresPage:
    """Accesses per day, drawn; the same days by purpose, by library, by staff. ``days`` is one of ``choices``."""

    name: ClassVar[str] = "figures"

    first: date
    last: date
    days: int
    choices: tuple[int, ...]
    total: int
    by_purpose: Rows
    by_library: Rows | None
    by_staff: Rows


@dataclass(frozen=True, slots=True)
class ExportLine:
    """A part of the log that was taken out: when, by whom, as what, how many entries, why."""

    library: str
    at: datetime
    by: str
    format: str
    count: int
    reason: str


@dataclass(frozen=True, slots=True)
class ExportPage:
    """The form to take a part of the log out, and what was taken out before.

    Fields: ``library``, ``format`` (``csv``, ``jsonl``, ``tiles``, ``auditregister``, ``ldv``), ``since``, ``until``
    (days), ``reason``.
    """

    name: ClassVar[str] = "export"

    libraries: tuple[Choice, ...]
    filled: Filled = BLANK
    before: tuple[ExportLine, ...] = ()
