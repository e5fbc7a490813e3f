"""The letter to a citizen who asks who queried their data (GDPR, art. 15): its contents, as plain text and as a PDF.

1. Every access, and every other entry about the person, is in it once, with its number in the log; so the letter can be
   compared with the log. The person's own number, name and address are not in it.
2. The same letter gives the same bytes: its only input besides its contents is the clock that is passed in.
3. The PDF is A4 with numbered pages. Each paragraph, heading and labelled line is tagged, in reading order; the foot of
   a page is not part of the text.
4. The font is embedded and covers Latin, Greek and Cyrillic script. A letter that it lacks becomes a question mark; the
   page in the browser has it.
"""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import datetime
from importlib.resources import as_file, files
from typing import Final, TypeAlias

from fpdf import FPDF
from fpdf.enums import MethodReturnValue
from fpdf.fonts import TTFFont
from fpdf.prefs import ViewerPreferences

from rrsync.audit.letter_texts import (
    ANSWERED,
    DONE,
    FAILED,
    LABELS,
    LETTER_DEEDS,
    PART,
    REASONS,
    TEXT,
    VERDICTS,
    denial,
)
from rrsync.audit.review import PersonAccesses
from rrsync.core.desk_quota import REACHED
from rrsync.core.log_entry import DENIED, JSON, REUSED, Access, Actor, ActorKind, actor_of, moment
from rrsync.core.person import Masked
from rrsync.text.catalogue import translated, translations
from rrsync.text.formatting import day, exact
from rrsync.text.holds import advice
from rrsync.text.log_terms import deed_text, fields

#: Lines, each with its label.
Lines: TypeAlias = tuple[tuple[str, str], ...]

_WIDTH: Final = 76
_INDENT: Final = 4
_LABEL: Final = 14
_NIGHT: Final = "rrsync night"


@dataclass(frozen=True, slots=True)
class Section:
    """A part of the letter: its heading, and its items in the order of time."""

    title: str
    items: tuple[Lines, ...]


@dataclass(frozen=True, slots=True, repr=False)
class Sheet(Masked):
    """The contents of a letter: labelled lines at the head, paragraphs, sections of numbered items, paragraphs."""

    language: str
    title: str
    head: Lines
    opening: tuple[str, ...]
    sections: tuple[Section, ...]
    closing: tuple[str, ...]

    def plain(self) -> str:
        """Return it as plain text, no wider than a sheet of A4."""
        parts = [_wrapped(self.title.upper()), _labelled(self.head, indent=0), *map(_wrapped, self.opening)]
        for section in self.sections:
            parts.append(_wrapped(section.title.upper()))
            numbered = enumerate(section.items, start=1)
            parts += [f"{number}.\n{_labelled(item, indent=_INDENT)}" for number, item in numbered]
        parts += map(_wrapped, self.closing)
        return "\n\n".join(parts) + "\n"


@dataclass(frozen=True, slots=True)
class _Item:
    """An item, and what it is ordered by."""

    at: datetime
    library: str
    seq: int
    lines: Lines


@dataclass(frozen=True, slots=True)
class Letter:
    """Writes letters in one language; ``names`` gives a library's name by its id."""

    names: Mapping[str, str]
    language: str

    def write(self, told: Sequence[PersonAccesses], on: datetime) -> str:
        """Return the letter of ``on`` about what the logs of these libraries say, as plain text."""
        return self.compose(told, on).plain()

    def compose(self, told: Sequence[PersonAccesses], on: datetime) -> Sheet:
        """Return the contents of the letter of ``on`` about what the logs of these libraries say."""
        looks = [look for each in told for look in each.accesses]
        sections = {
            "answered": [self._look(look) for look in looks if _is_answered(look)],
            "failed": [self._look(look) for look in looks if not _is_answered(look)],
            "others": [self._deed(each.library, seq, line) for each in told for seq, line in each.deeds],
        }
        return Sheet(
            language=self.language,
            title=self._text("title"),
            head=self._lines(
                ("date", day(on, self.language)),
                ("libraries", ", ".join(self._named(each.library) for each in told)),
            ),
            opening=self._opening(told, {name: len(items) for name, items in sections.items()}),
            sections=tuple(self._section(name, items) for name, items in sections.items() if items),
            closing=self._closing(told, is_empty=not any(sections.values())),
        )

    def _opening(self, told: Sequence[PersonAccesses], counts: Mapping[str, int]) -> tuple[str, ...]:
        gone = [self._forgotten(each) for each in told if each.forgotten]
        nothing = "since" if gone else "nobody"
        return (self._text("opening"), *gone, self._text("counts" if any(counts.values()) else nothing, **counts))

    def _closing(self, told: Sequence[PersonAccesses], *, is_empty: bool) -> tuple[str, ...]:
        places = ", ".join(self._part("one", first=each.seq, library=each.library) for each in told)
        proof = () if is_empty else (self._text("proof"),)
        return (*proof, self._text("itself", places=places), *map(self._text, ("number", "rights", "turn")))

    def _forgotten(self, told: PersonAccesses) -> str:
        years = ", ".join(map(str, told.forgotten))
        complete = max(told.forgotten) + 1
        return self._text("forgotten", years=years, library=self._named(told.library), complete=complete)

    def _section(self, name: str, items: list[_Item]) -> Section:
        ordered = sorted(items, key=lambda item: (item.at, item.library, item.seq))
        return Section(self._text(name), tuple(item.lines for item in ordered))

    def _look(self, look: Access) -> _Item:
        why = translated(REASONS, look.purpose, self.language)
        places = (look.seq,) if look.outcome_seq is None else (look.seq, look.outcome_seq)
        lines = self._lines(
            ("when", exact(look.at, self.language)),
            ("library", self._named(look.library)),
            ("who", self._who(look.actor, look.capacity)),
            ("why", self._part("case", why=why, case=look.case) if look.case else why),
            ("ground", self._ground(look)),
            ("data", self._data(look)),
            ("result", self._result(look)),
            ("log", self._place(look.library, *places)),
        )
        return _Item(look.at, look.library, look.seq, lines)

    def _ground(self, look: Access) -> str:
        if not look.basis:
            return self._part("none")
        is_covered = look.status != DENIED or look.denial == REACHED
        return self._part("basis" if is_covered else "ungrounded", basis=look.basis)

    def _deed(self, library: str, seq: int, line: Mapping[str, JSON]) -> _Item:
        at = moment(line)
        lines = self._lines(
            ("when", exact(at, self.language)),
            ("library", self._named(library)),
            ("who", self._who(actor_of(line), "")),
            ("what", deed_text(line, self.language, LETTER_DEEDS)),
            ("log", self._place(library, seq)),
        )
        return _Item(at, library, seq, lines)

    def _who(self, actor: Actor, capacity: str) -> str:
        kind = "person" if actor.kind is ActorKind.PERSON else "night" if actor.name == _NIGHT else "process"
        who = self._part(kind, name=actor.name or "?")
        return self._part("capacity", who=who, capacity=capacity) if capacity else who

    def _data(self, look: Access) -> str:
        data = fields(look.got, self.language) or self._part("none")
        return self._part("withheld", data=data, count=look.withheld) if look.withheld else data

    def _result(self, look: Access) -> str:
        """Return the result of an access: why it failed, else what was made of the reply, else that there was one."""
        if not _is_answered(look):
            text = translated(FAILED, look.status, self.language)
            return f"{text}: {denial(look.denial, self.language)}" if look.status == DENIED else text
        codes = ((VERDICTS, _made(look)), (DONE, look.operation.partition("-")[0]), (ANSWERED, look.status))
        text = next(translated(table, code, self.language) for table, code in codes if code in table)
        more = advice(look.hold, self.language).short if look.hold else fields(look.changed, self.language)
        return f"{text} ({more})" if more else text

    def _place(self, library: str, first: int, second: int | None = None) -> str:
        return self._part("one" if second is None else "two", first=first, second=second, library=library)

    def _named(self, library: str) -> str:
        name = self.names.get(library, "")
        return f"{name} ({library})" if name else library

    def _part(self, key: str, **values: object) -> str:
        return translations(self.language).gettext(PART[key]) % values

    def _text(self, key: str, **values: object) -> str:
        return _clean(translations(self.language).gettext(TEXT[key]) % values)

    def _lines(self, *lines: tuple[str, str]) -> Lines:
        return tuple((translated(LABELS, label, self.language), _clean(text) or "-") for label, text in lines)


def _is_answered(look: Access) -> bool:
    return look.status in ANSWERED


def _made(look: Access) -> str:
    """Return what was made of a reply, as ``VERDICTS`` has it; nothing for one that was shown again."""
    if look.status == REUSED:
        return ""
    if look.is_preview or look.is_offered:
        return "preview" if look.is_preview else "offered"
    return "filled" if look.verdict == "same" and look.changed else look.verdict


def _clean(text: str) -> str:
    """Return a text without characters that could move a terminal's cursor."""
    return "".join(letter if letter.isprintable() else "\N{REPLACEMENT CHARACTER}" for letter in text)


def _wrapped(text: str) -> str:
    return textwrap.fill(text, _WIDTH, break_on_hyphens=False)


def _labelled(lines: Lines, *, indent: int) -> str:
    """Return lines that each begin with their label; longer texts continue below it."""
    return "\n".join(
        textwrap.fill(
            text,
            _WIDTH,
            initial_indent=" " * indent + f"{label}:".ljust(_LABEL),
            subsequent_indent=" " * (indent + _LABEL),
            break_on_hyphens=False,
        )
        for label, text in lines
    )


_FONT: Final = "sans"
_FACES: Final = {"": "SourceSansPro-Regular.ttf", "B": "SourceSansPro-Semibold.ttf"}
#: Millimetres: the margins, a line of text, where an item's labels and texts begin, the room between paragraphs.
_SIDE: Final = 25.0
_TOP: Final = 22.0
_FOOT: Final = 24.0
_LINE: Final = 5.2
_NUMBER: Final = 8.0
_PAPER_LABEL: Final = 28.0
_GAP: Final = 2.6
#: Points.
_SIZE: Final = 10.5
_TITLE: Final = 17
_HEADING: Final = 12.5
_SMALL: Final = 8.5
#: What stands for the number of pages until it is known: no letter that a text may hold.
_PAGES: Final = "\ue000" * 6


def paper(sheet: Sheet, on: datetime, *, sender: str = "") -> bytes:
    """Return a letter of ``on`` as a PDF; ``sender`` is the library named at its head."""
    made = _Paper(sheet, on)
    if sender:
        made.heading(sender, "P", _HEADING)
    made.lines(sheet.head)
    made.heading(sheet.title, "H1", _TITLE)
    for text in sheet.opening:
        made.paragraph(text)
    for section in sheet.sections:
        made.section(section)
    if sheet.sections:
        made.ln(_GAP)
    for text in sheet.closing:
        made.paragraph(text)
    return bytes(made.output())


class _Paper(FPDF):
    """The pages of the PDF while they are written."""

    def __init__(self, sheet: Sheet, on: datetime) -> None:
        super().__init__(format="A4")
        self._foot = translated(TEXT, "page", sheet.language)
        self._tags = 0
        with ExitStack() as stack:
            for style, face in _FACES.items():
                font = stack.enter_context(as_file(files("font_source_sans_pro") / "files" / face))
                self.add_font(_FONT, style, font)
        self.set_title(sheet.title)
        self.set_lang(sheet.language)
        self.set_creation_date(on)
        self.set_producer("rrsync")
        self.viewer_preferences = ViewerPreferences(display_doc_title=True)
        self.alias_nb_pages(_PAGES)
        self.set_margins(_SIDE, _TOP, _SIDE)
        self.set_auto_page_break(auto=False)
        self._sheet()

    def footer(self) -> None:
        """Write the page's number at its foot; the library calls this at the end of every page."""
        self._out("/Artifact BMC")
        self.set_y(-_FOOT + 8)
        self.set_font(_FONT, "", _SMALL)
        self.cell(0, _LINE, self._foot % {"number": self.page_no(), "pages": _PAGES})
        self._out("EMC")

    def heading(self, text: str, tag: str, size: float, *, below: float = 0) -> None:
        """Write a heading on a page that has room for it, for ``below`` and for two more lines."""
        self.set_font(_FONT, "B", size)
        height = size * 0.5
        parts = self._split(text, self.epw)
        self._need(_GAP + height * len(parts) + below)
        self.ln(_GAP)
        self.set_font(_FONT, "B", size)
        with self._tagged(tag):
            for part in parts:
                self.cell(0, height, part, new_x="LMARGIN", new_y="NEXT")
        self.ln(_GAP)

    def paragraph(self, text: str) -> None:
        """Write a paragraph."""
        self._body("")
        self._flow("", self._split(text, self.epw), left=0, label_width=0)
        self.ln(_GAP)

    def lines(self, lines: Lines) -> None:
        """Write labelled lines."""
        self._labelled(self._cut(lines, 0), left=0)

    def section(self, section: Section) -> None:
        """Write a section: its heading on the page where its first item begins, and no item split over two pages."""
        for number, item in enumerate(section.items, start=1):
            lines = self._cut(item, _NUMBER)
            height = sum(len(parts) for _, parts in lines) * _LINE
            if number == 1:
                self.heading(section.title, "H2", _HEADING, below=min(height, self._whole / 2))
            self._need(height)
            self._labelled(lines, left=_NUMBER, number=f"{number}.")

    def _cut(self, lines: Lines, left: float) -> list[tuple[str, list[str]]]:
        """Return labelled lines, with each text split into lines."""
        self._body("")
        return [(label, self._split(text, self.epw - left - _PAPER_LABEL)) for label, text in lines]

    def _labelled(self, lines: list[tuple[str, list[str]]], *, left: float, number: str = "") -> None:
        for label, parts in lines:
            self._flow(label, parts, left=left, label_width=_PAPER_LABEL, number=number)
            number = ""
        self.ln(_GAP)

    def _flow(self, label: str, parts: list[str], *, left: float, label_width: float, number: str = "") -> None:
        """Write the parts of a text line by line, each page's as one tagged paragraph."""
        while parts:
            room = int((self._bottom - self.y) / _LINE + 0.01)
            if room < min(2, len(parts)):
                self._sheet()
                continue
            with self._tagged("P"):
                for part in parts[:room]:
                    self._line(part, label, number, left, label_width)
                    label = number = ""
            parts = parts[room:]

    def _line(self, text: str, label: str, number: str, left: float, label_width: float) -> None:
        self._body("B")
        if number:
            self.cell(left, _LINE, number)
        self.set_x(self.l_margin + left)
        if label:
            self.cell(label_width, _LINE, self._known(label))
        self.set_x(self.l_margin + left + label_width)
        self._body("")
        self.cell(0, _LINE, text, new_x="LMARGIN", new_y="NEXT")

    def _split(self, text: str, width: float) -> list[str]:
        """Return a text split into lines in the current font."""
        known = self._known(text)
        if self.get_string_width(known) < width - 2 * self.c_margin:
            return [known]
        found = self.multi_cell(width, _LINE, known, dry_run=True, output=MethodReturnValue.LINES, align="L")
        assert isinstance(found, list)  # noqa: S101 — tells mypy what was asked for
        return [str(line) for line in found]

    def _known(self, text: str) -> str:
        font = self.fonts[_FONT]
        assert isinstance(font, TTFFont)  # noqa: S101 — the same
        return "".join(letter if ord(letter) in font.cmap else "?" for letter in text)

    def _body(self, style: str) -> None:
        self.set_font(_FONT, style, _SIZE)

    @property
    def _bottom(self) -> float:
        return self.h - _FOOT

    @property
    def _whole(self) -> float:
        return self._bottom - _TOP

    def _need(self, height: float) -> None:
        """Begin a new page if this one lacks the room and a whole page has it."""
        if height <= self._whole < height + self.y - _TOP:
            self._sheet()

    def _sheet(self) -> None:
        self.add_page()
        self._tags = 0

    @contextmanager
    def _tagged(self, tag: str) -> Iterator[None]:
        """Tag the text written on one page (ISO 32000-1, 14.8); the library itself tags only pictures."""
        self._add_marked_content(struct_type=f"/{tag}", mcid=self._tags)
        self._out(f"/{tag} <</MCID {self._tags}>> BDC")
        self._tags += 1
        yield
        self._out("EMC")
