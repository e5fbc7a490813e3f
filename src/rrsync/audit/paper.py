"""The letter on paper: the same sheet as a PDF, A4, with numbered pages.

1. What does not come from the sheet comes from the clock that is given: the same letter is the same bytes.
2. Each paragraph, heading and labelled line is tagged as what it is, in the order of reading; what stands at the foot
   of a page is not part of the text.
3. The letters of the font are in the file: any letter of Latin, Greek or Cyrillic script comes out. A letter that the
   font does not have stands as a question mark; the page in the browser has it.
"""

from __future__ import annotations

from contextlib import ExitStack, contextmanager
from importlib.resources import as_file, files
from typing import TYPE_CHECKING, Final

from fpdf import FPDF
from fpdf.enums import MethodReturnValue
from fpdf.fonts import TTFFont
from fpdf.prefs import ViewerPreferences

from rrsync.audit.paragraphs import TEXT

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime

    from rrsync.audit.letter import Lines, Section, Sheet

_FONT: Final = "sans"
_FACES: Final = {"": "SourceSansPro-Regular.ttf", "B": "SourceSansPro-Semibold.ttf"}
#: Millimetres: the margins, a line of text, where an item's labels and texts begin, the room between paragraphs.
_SIDE: Final = 25.0
_TOP: Final = 22.0
_FOOT: Final = 24.0
_LINE: Final = 5.2
_NUMBER: Final = 8.0
_LABEL: Final = 28.0
_GAP: Final = 2.6
#: Points.
_SIZE: Final = 10.5
_TITLE: Final = 17
_HEADING: Final = 12.5
_SMALL: Final = 8.5
#: What stands for the number of pages until it is known: no letter that a text may hold.
_PAGES: Final = "\ue000" * 6


def paper(sheet: Sheet, on: datetime, *, sender: str = "") -> bytes:
    """Give a letter of ``on`` as a PDF; ``sender`` is the library whose name stands at its head."""
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
    """Sheets of A4 that are being written on."""

    def __init__(self, sheet: Sheet, on: datetime) -> None:
        super().__init__(format="A4")
        self._foot = TEXT[sheet.language]["page"]
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
        self.cell(0, _LINE, self._foot.format(number=self.page_no(), pages=_PAGES))
        self._out("EMC")

    def heading(self, text: str, tag: str, size: float, *, below: float = 0) -> None:
        """Write a heading, on the page that has room for it, for ``below`` and for two lines more."""
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
        """Write a section: its heading stands on the page where its first item begins, and an item is kept whole."""
        for number, item in enumerate(section.items, start=1):
            lines = self._cut(item, _NUMBER)
            height = sum(len(parts) for _, parts in lines) * _LINE
            if number == 1:
                self.heading(section.title, "H2", _HEADING, below=min(height, self._whole / 2))
            self._need(height)
            self._labelled(lines, left=_NUMBER, number=f"{number}.")

    def _cut(self, lines: Lines, left: float) -> list[tuple[str, list[str]]]:
        """Give labelled lines, each text as the lines it takes."""
        self._body("")
        return [(label, self._split(text, self.epw - left - _LABEL)) for label, text in lines]

    def _labelled(self, lines: list[tuple[str, list[str]]], *, left: float, number: str = "") -> None:
        for label, parts in lines:
            self._flow(label, parts, left=left, label_width=_LABEL, number=number)
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
        """Give a text as the lines it has in the font that is set."""
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
        """Begin another page when this one has no room for what would have it on a whole one."""
        if height <= self._whole < height + self.y - _TOP:
            self._sheet()

    def _sheet(self) -> None:
        self.add_page()
        self._tags = 0

    @contextmanager
    def _tagged(self, tag: str) -> Iterator[None]:
        """Tag what is written within one page (ISO 32000-1, 14.8); the library itself tags pictures alone."""
        self._add_marked_content(struct_type=f"/{tag}", mcid=self._tags)
        self._out(f"/{tag} <</MCID {self._tags}>> BDC")
        self._tags += 1
        yield
        self._out("EMC")
