"""What the data-protection officer sees: the log, an entry of it, a person's accesses, its state, figures, exports.

People stand in the log under pseudonyms; staff stand in it under their account's name.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Literal, TypeAlias

from rrsync.web.views.frame import BLANK, Choice, Filled, Tone

if TYPE_CHECKING:
    from datetime import date, datetime

    from rrsync.web.plot import Rows

AnchorState: TypeAlias = Literal["good", "late", "failing", "never"]


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

    ``looks`` is ``None`` before anything was asked. ``ticket`` stands for the number while the session lasts, so that
    the letter needs no second typing. ``forgotten`` are years of which the log can say nothing any more. ``noted`` is
    the entry of this look itself. Fields: ``insz``; of the second form ``ticket`` and ``language``.
    """

    name: ClassVar[str] = "person"

    filled: Filled = BLANK
    looks: tuple[LookLine, ...] | None = None
    deeds: tuple[Deed, ...] = ()
    ticket: str = ""
    forgotten: tuple[int, ...] = ()
    noted: int | None = None

    def __repr__(self) -> str:
        """Name the type alone: it is about one person."""
        return "PersonPage(***)"


@dataclass(frozen=True, slots=True)
class LetterSection:
    """A part of the letter: its heading, and items of labelled lines, each with its number."""

    title: str
    entries: tuple[tuple[tuple[str, str], ...], ...]


@dataclass(frozen=True, slots=True, repr=False)
class LetterPage:
    """The letter to a citizen, made to be printed; all its words come from the letter's own texts, in its language.

    ``library`` and ``sender`` stand at the head (address lines of the library), ``head`` are labelled lines (date,
    libraries), ``opening`` and ``closing`` paragraphs. ``is_download`` says that the same can be had as a file.
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
class AnchorLine:
    """An anchor of a log: its name and kind (``file``, ``mail``, ``witness``), what it keeps and since when."""

    name: str
    kind: str
    state: AnchorState
    size: int | None = None
    at: datetime | None = None
    said: str = ""


@dataclass(frozen=True, slots=True)
class LogState:
    """A log at a glance. ``is_whole`` is ``None`` before it was ever verified; ``fault`` is what verifying found."""

    library: str
    title: str
    size: int
    root: str
    is_whole: bool | None
    verified_at: datetime | None
    verified_by: str
    verified_size: int
    signed_at: datetime | None
    signed_size: int
    anchors: tuple[AnchorLine, ...]
    fault: str = ""


@dataclass(frozen=True, slots=True)
class Task:
    """What awaits the officer: a key of the page's words, how many, where, and whether it is late."""

    key: str
    count: int
    place: str
    tone: Tone


@dataclass(frozen=True, slots=True)
class OfficerPage:
    """The state of the logs and what awaits; the form sends ``library`` to have a log recomputed."""

    name: ClassVar[str] = "officer"

    logs: tuple[LogState, ...]
    tasks: tuple[Task, ...]


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
