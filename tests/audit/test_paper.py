"""The letter on paper, read back."""

from __future__ import annotations

import io
import re
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import pytest
from pypdf import PdfReader

from rrsync.audit.letter import Letter, Section, Sheet, paper
from rrsync.audit.letter_texts import TEXT
from rrsync.audit.review import PersonAccesses
from rrsync.core.log_entry import Access, Actor, ActorKind, Status, access, stamp
from rrsync.text.catalogue import translated
from tests.support import NOW

SENDER: Final = "Bibliotheek Čakovec-Łódź"
#: Names as they are in Belgium, and what a page number could be mistaken for.
NAMES: Final = ("Željko Čović", "Łukasz Wójcik", "Győző Erdős", "Öztürk Ğ. İnci", "Ана Петрова", "Ελένη", "fi {nb} ffi")


def look(seq: int, name: str = "an.peeters", **facts: Any) -> Access:
    """Return one look of a person's."""
    at = NOW + timedelta(minutes=seq)
    line: dict[str, Any] = {
        "ts": stamp(at),
        "kind": "access.intent",
        "actor": {"t": "person", "id": name},
        "why": {"code": "desk", "case": "brief-2026-118", "basis": "RR 28/2009", "hoed": "1300"},
    }
    out: dict[str, Any] = {
        "ts": stamp(at),
        "out": {"status": Status.OK.value, "got": ["last", "first", "birth_date", "street"]},
        "verdict": "change",
        "changed": ["street", "house_number"],
    }
    return replace(access("hasselt", seq, line, (seq + 1, out)), **facts)


def sheet(*looks: Access, language: str = "nl", **told: Any) -> Sheet:
    """Compose a letter about what one log says."""
    deed: dict[str, Any] = {
        "ts": stamp(NOW),
        "kind": "log.view",
        "view": {"what": "who"},
        "actor": {"t": "person", "id": "dpo"},
    }
    facts: dict[str, Any] = {"forgotten": (2014,), "seq": 99_999} | told
    said = PersonAccesses("hasselt", looks, ((9, deed),), **facts)
    return Letter({"hasselt": SENDER}, language).compose([said], NOW)


def read(data: bytes) -> PdfReader:
    """Open a paper."""
    return PdfReader(io.BytesIO(data))


def pages(data: bytes) -> list[str]:
    """Return the text of each page, with single blanks."""
    return [" ".join(page.extract_text().split()) for page in read(data).pages]


def texts(of: Sheet) -> list[str]:
    """Return every text of a letter, in its order, with single blanks."""
    found = [text for line in of.head for text in line]
    found += [of.title, *of.opening]
    for section in of.sections:
        found.append(section.title)
        for number, item in enumerate(section.items, start=1):
            found += [f"{number}.", *(text for line in item for text in line)]
    return [" ".join(text.split()) for text in (*found, *of.closing)]


def running(data: bytes, language: str) -> str:
    """Return the text of a paper without what stands at the feet of its pages."""
    found = pages(data)
    feet = [translated(TEXT, "page", language) % {"number": at, "pages": len(found)} for at in range(1, len(found) + 1)]
    assert all(page.endswith(foot) for page, foot in zip(found, feet, strict=True))
    return " ".join(page.removesuffix(foot).strip() for page, foot in zip(found, feet, strict=True))


@pytest.mark.parametrize("language", ["nl", "en"])
@pytest.mark.parametrize("count", [0, 1, 40])
def test_every_line_of_the_letter_is_in_it(language: str, count: int) -> None:
    """In its order, none missing, none besides; every page has its number."""
    looks = [look(2 * at, NAMES[at % len(NAMES)]) for at in range(count)]
    made = sheet(*looks, language=language)
    assert running(paper(made, NOW, sender=SENDER), language) == " ".join([SENDER, *texts(made)])


def test_a_letter_without_a_sender() -> None:
    """Of several libraries nobody stands at its head."""
    made = sheet(look(1))
    assert running(paper(made, NOW), "nl") == " ".join(texts(made))


def test_an_item_is_kept_whole_and_a_heading_with_its_first() -> None:
    """No page ends within an item, or with a heading alone."""
    made = sheet(*(look(2 * at) for at in range(40)))
    for page in pages(paper(made, NOW, sender=SENDER)):
        words = re.findall(r"\b(?:Wanneer|Logboek)\b", page)
        assert words[: 2 * (len(words) // 2)] == ["Wanneer", "Logboek"] * (len(words) // 2)
        body = page.rpartition(" Bladzijde ")[0]
        assert not body.endswith(tuple(section.title for section in made.sections))


def test_what_is_longer_than_a_page_goes_on_on_the_next() -> None:
    """A name of a hundred libraries, an item that no page holds: all of it is there."""
    long = " ".join(f"Bibliotheek nummer {at}" for at in range(600))
    item = tuple((f"Regel {at}", f"tekst {at}") for at in range(70))
    made = replace(sheet(), head=(("Bibliotheken", long),), sections=(Section("Raadplegingen", (item, item)),))
    assert running(paper(made, NOW), "nl") == " ".join(texts(made))


def test_a_word_wider_than_the_paper() -> None:
    """Is broken, and none of its letters is lost."""
    word = "x" * 400
    made = sheet(look(1, word))
    assert word in running(paper(made, NOW), "nl").replace(" ", "")


def test_a_letter_that_the_font_does_not_have() -> None:
    """Stands as a question mark, and is said nowhere."""
    said = running(paper(sheet(look(1, "漢字 Ж")), NOW), "nl")
    assert "onder de naam ?? Ж," in said


def test_more_than_ninety_nine_pages() -> None:
    """They are numbered too."""
    made = sheet(*(look(2 * at) for at in range(420)))
    found = pages(paper(made, NOW))
    assert len(found) > 99
    assert found[-1].endswith(f"Bladzijde {len(found)} van {len(found)}")


def test_the_same_letter_is_the_same_bytes() -> None:
    """Nothing comes from this machine: no clock, no dice, no name of a program's version."""
    made = sheet(look(1), look(3, "Ана"))
    data = paper(made, NOW, sender=SENDER)
    assert paper(made, NOW, sender=SENDER) == data
    assert paper(made, NOW + timedelta(days=1), sender=SENDER) != data
    assert read(data).metadata == {
        "/Title": "Wie heeft uw gegevens opgevraagd?",
        "/Producer": "rrsync",
        "/CreationDate": "D:20260701020000Z",
    }


@pytest.mark.parametrize("language", ["nl", "en"])
def test_it_can_be_read_aloud(language: str) -> None:
    """It says its language and title, is A4, has its own letters, and each of its texts is tagged as what it is."""
    made = sheet(look(1), language=language)
    found = read(paper(made, NOW, sender=SENDER))
    root: Any = found.trailer["/Root"]
    assert (root["/Lang"], root["/MarkInfo"]["/Marked"]) == (language, True)
    assert root["/ViewerPreferences"]["/DisplayDocTitle"].value
    page: Any = found.pages[0]
    assert [round(float(side)) for side in page.mediabox[2:]] == [595, 842]
    for font in page["/Resources"]["/Font"].values():
        below = font.get_object()["/DescendantFonts"][0].get_object()["/FontDescriptor"].get_object()
        assert {"/FontFile2", "/FontFile3"} & below.keys()
    tags = [part["/S"] for part in _parts(root)]
    assert set(tags) == {"/H1", "/H2", "/P"}
    assert (tags.count("/H1"), tags.count("/H2")) == (1, len(made.sections))
    assert tags.count("/P") >= 1 + len(made.head) + len(made.opening) + len(made.closing) + sum(
        len(item) for section in made.sections for item in section.items
    )


def test_every_tag_is_of_a_text_on_its_page() -> None:
    """The marks of a page are numbered from 0 on, each is opened and closed once, and the feet are no text."""
    found = read(paper(sheet(*(look(2 * at) for at in range(20))), NOW, sender=SENDER))
    assert len(found.pages) > 2
    tagged: dict[int, list[int]] = {}
    for part in _parts(found.trailer["/Root"]):
        page = part["/Pg"].indirect_reference.idnum
        tagged.setdefault(page, []).append(int(part["/K"][0]))
    for page in found.pages:
        assert page.indirect_reference is not None
        content = page.get_contents()
        assert content is not None
        stream = content.get_data()
        marks = [int(mark) for mark in re.findall(rb"/(?:P|H1|H2) <</MCID (\d+)>> BDC", stream)]
        assert marks == list(range(len(marks))) == tagged[page.indirect_reference.idnum]
        assert stream.count(b"/Artifact BMC") == 1
        assert stream.count(b"EMC") == len(marks) + 1


def test_its_day_is_the_clocks() -> None:
    """In a winter as in a summer."""
    winter = datetime(2026, 12, 31, 23, 30, tzinfo=UTC)
    data = paper(Letter({}, "en").compose([PersonAccesses("hasselt", (), (), (), 1)], winter), winter)
    assert "Date 1 January 2027" in pages(data)[0]


def _parts(root: Any) -> list[Any]:
    """Return the parts of a paper's structure, in the order in which they are read."""
    (document,) = root["/StructTreeRoot"]["/K"]
    return [part.get_object() for part in document.get_object()["/K"]]


def test_who_acts_may_be_a_program() -> None:
    """The nightly one is named as in the letter."""
    night = replace(look(1), actor=Actor(ActorKind.PROCESS, "rrsync night"))
    assert "het nachtelijke programma (rrsync night)" in running(paper(sheet(night), NOW), "nl")
