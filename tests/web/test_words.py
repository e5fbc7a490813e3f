"""The words of the pages: the same in both languages, of everything, and none that nobody reads."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from string import Formatter
from typing import Any, Final

import pytest

import rrsync.web
from rrsync.core.anomaly import Flag
from rrsync.core.exchange import Reason
from rrsync.core.log_entry import DENIED, OPEN, REUSED, Status
from rrsync.core.person import Address, Name, PartialDate
from rrsync.core.review_sample import Finding
from rrsync.core.roles import Role
from rrsync.text import formatting
from rrsync.web import figures
from rrsync.web.paths import PATHS, path
from rrsync.web.render import Frame, Pages, Place
from rrsync.web.runs import RunLine, RunsPage
from rrsync.web.words import advice, codes, deeds, frame, halts, log
from rrsync.web.words.book import PAGES

TABLES: Final[dict[str, Mapping[str, Mapping[Any, Any]]]] = {
    **PAGES,
    "frame": frame.FRAME,
    "flashes": frame.FLASHES,
    "roles": frame.ROLES,
    "looks": log.LOOKS,
    "advice": advice.ADVICE,
    "outcomes": codes.OUTCOMES,
    "flags": codes.FLAGS,
    "findings": codes.FINDINGS,
    "fields": codes.FIELDS,
    "purposes": codes.PURPOSES,
    "halts": halts.HALTS,
    "deeds": deeds.DEEDS,
}
TEMPLATES: Final = "".join(
    file.read_text(encoding="utf-8") for file in (Path(rrsync.web.__file__).parent / "templates").rglob("*.html")
)
NOW: Final = datetime(2026, 11, 1, 9, 0, tzinfo=UTC)
#: What a dictionary has of its own, and a template would find in the place of a word.
_OWN: Final = frozenset(dir(dict))


def _blanks(text: object) -> list[str]:
    """Give what a text leaves to be filled in."""
    if isinstance(text, str):
        return sorted(name for _, name, _, _ in Formatter().parse(text) if name is not None)
    if isinstance(text, tuple):
        return [blank for each in text for blank in _blanks(each)]
    return []


@pytest.mark.parametrize("name", TABLES)
class TestTables:
    """Each table of words."""

    def test_both_languages_say_the_same(self, name: str) -> None:
        """The same keys, with the same places to fill in, and nothing left empty."""
        dutch, english = TABLES[name]["nl"], TABLES[name]["en"]
        assert dutch.keys() == english.keys()
        assert {key: _blanks(text) for key, text in dutch.items()} == {
            key: _blanks(text) for key, text in english.items()
        }
        assert all([*dutch.values(), *english.values()])

    def test_no_key_hides_behind_a_dictionary_s_own(self, name: str) -> None:
        """``t.items`` would be no word."""
        assert not _OWN & {str(key) for key in TABLES[name]["nl"]}


class TestCodes:
    """Every code has its words."""

    def test_all_are_there(self) -> None:
        """Reasons, flags, findings, statuses, roles, places."""
        assert set(advice.ADVICE["nl"]) == set(Reason)
        assert set(codes.FLAGS["nl"]) == {flag.value for flag in Flag}
        assert set(codes.FINDINGS["nl"]) == {finding.value for finding in Finding}
        assert {status.value for status in Status} | {DENIED, OPEN, REUSED} == set(codes.ENDED)
        assert set(codes.ENDED) <= set(codes.OUTCOMES["nl"])
        assert set(codes.TONES) == set(codes.OUTCOMES["nl"])
        assert set(frame.ROLES["nl"]) == {role.value for role in Role}
        assert all(f"nav_{place}" in frame.FRAME["nl"] and place in PATHS for place in Place)

    def test_a_word_nobody_knows_stands_as_it_is(self) -> None:
        """A run that stopped for a reason of a later version is still shown."""
        run = RunLine("n-1", NOW, NOW, "stopped", 1, 0, 0, 0, "eclipse")
        assert "eclipse" in Pages().page(RunsPage((run,)), Frame(NOW, "t"))

    def test_every_word_of_the_frame_is_read_somewhere(self) -> None:
        """By its key, or by one that a place, a tone or the environment makes."""
        begun = ("nav_", "tone_")
        keys = [
            key for key in frame.FRAME["nl"] if not key.startswith(begun) and key not in {"simulator", "acceptance"}
        ]
        assert [key for key in keys if not re.search(rf"\bw\.{key}\b", TEMPLATES) and key != "box"] == []

    @pytest.mark.parametrize("name", PAGES)
    def test_every_word_is_read_somewhere(self, name: str) -> None:
        """By its key in a template, or by a key that a view gives or a code makes."""
        made = ("_what", "_todo", "_lead", "_hint", "_missing", "_form", "_wrong", "_insz", "_short")
        begun = ("use_", "task_", "state_", "kind_", "source_", "warn_")
        given = {key for key in PAGES[name]["nl"] if key.endswith(made) or key.startswith(begun)}
        unread = [
            key
            for key in PAGES[name]["nl"]
            if key not in given | _GIVEN and not re.search(rf"\b(t|{name}_words|run_words)\.{key}\b", TEMPLATES)
        ]
        assert unread == []


#: Keys that a view names, as its docstring says.
_GIVEN: Final = frozenset(
    {
        *("left", "idle", "ended", "refused", "fresh", "stale", "never", "register", "library", "staff", "national"),
        *("bis", "none", "no_number", "no_ground", "day", "log", "same", "change", "hold", "running"),
        *("done", "stopped", "accepted", "declined", "in_it", "nothing_chosen", "tiles_whole", "csv", "jsonl", "tiles"),
        *("missing", "forbidden", "unproved", "outside", "wrong", "many", "fault", "auditregister", "ldv"),
        *("ground", "rejected", "busy", "crowd"),
    }
)


class TestShow:
    """Values as people write them."""

    @pytest.mark.parametrize(
        ("at", "said"),
        [
            (NOW - timedelta(hours=2), ("vandaag om 08:00", "today at 08:00")),
            (NOW - timedelta(hours=10), ("gisteren om 00:00", "yesterday at 00:00")),
            (datetime(2026, 5, 3, 8, 0, tzinfo=UTC), ("3 mei 2026 om 10:00", "3 May 2026 at 10:00")),
        ],
    )
    def test_a_moment_is_said_as_seen_from_now(self, at: datetime, said: tuple[str, str]) -> None:
        """On the clock in Belgium, summer and winter; the day changes there too."""
        at = at if at.month == 5 or at.hour == 7 else datetime(2026, 10, 30, 23, 0, tzinfo=UTC)
        assert (formatting.moment(at, "nl", NOW), formatting.moment(at, "en", NOW)) == said

    @pytest.mark.parametrize(
        ("span", "dutch", "english"),
        [
            (timedelta(seconds=59), "zonet", "just now"),
            (timedelta(minutes=1), "1 minuut geleden", "1 minute ago"),
            (timedelta(hours=20), "20 uur geleden", "20 hours ago"),
            (timedelta(days=40), "40 dagen geleden", "40 days ago"),
            (timedelta(days=214), "7 maanden geleden", "7 months ago"),
            (timedelta(days=800), "2 jaar geleden", "2 years ago"),
        ],
    )
    def test_how_long_ago_is_said_in_one_unit(self, span: timedelta, dutch: str, english: str) -> None:
        """The unit one would say it in."""
        assert (formatting.ago(span, "nl"), formatting.ago(span, "en")) == (dutch, english)

    @pytest.mark.parametrize(
        ("span", "dutch"),
        [
            (timedelta(seconds=3), "1 minuut"),
            (timedelta(minutes=41), "41 minuten"),
            (timedelta(hours=2, minutes=41), "2 uur 41 min"),
            (timedelta(hours=1), "1 uur"),
        ],
    )
    def test_how_long_it_takes_is_said_to_the_minute(self, span: timedelta, dutch: str) -> None:
        """At least one."""
        assert formatting.lasts(span, "nl") == dutch

    def test_part_of_a_date_is_said_in_part(self) -> None:
        """What the register does not know is not made up."""
        dates = (PartialDate(1998, 3, 12), PartialDate(1998, 3, 0), PartialDate(1998, 0, 0))
        assert [formatting.partial(each, "nl") for each in dates] == ["12 maart 1998", "maart 1998", "1998"]

    def test_an_address_is_as_on_an_envelope(self) -> None:
        """A country only where it is another, and no line of what is not known."""
        address = Address("Kerkstraat", "12", "3", "3500", "Hasselt", "71022", "BEL")
        assert formatting.lines(address) == ("Kerkstraat 12 bus 3", "3500 Hasselt")
        assert formatting.lines(Address("Dam", "1", "", "1012", "Amsterdam", "", "NLD"))[-1] == "NLD"
        assert formatting.lines(Address()) == ()

    def test_a_name_is_said_or_listed(self) -> None:
        """Whichever part is missing."""
        name = Name("Peeters", "An")
        assert (formatting.full_name(name), formatting.listed_name(name)) == ("An Peeters", "Peeters, An")
        assert (formatting.full_name(Name("Peeters")), formatting.listed_name(Name())) == ("Peeters", "")

    def test_numbers_have_their_thousands_apart(self) -> None:
        """Each language by its own sign; one of a thing is one."""
        words = ("{} lid", "{} leden")
        assert (formatting.number(1_234_567, "nl"), formatting.number(1_234_567, "en")) == ("1.234.567", "1,234,567")
        assert (formatting.decimal(7.94, "nl"), formatting.decimal(7.94, "en")) == ("7,9", "7.9")
        assert (formatting.counted(1, words, "nl"), formatting.counted(1_000, words, "nl")) == ("1 lid", "1.000 leden")

    def test_the_rest_is_short(self) -> None:
        """Hashes, sentences, narrow columns, months, weekdays."""
        assert formatting.short("0123456789abcdef") == "0123 4567 89ab"
        assert [formatting.sentence(text) for text in ("", "zo is het", "Ja.")] == ["", "Zo is het.", "Ja."]
        assert (formatting.brief(NOW), formatting.month("2026-10", "en")) == ("01/11/2026 10:00", "October 2026")
        assert formatting.weekday(date(2026, 11, 1), "nl") == "zondag 1 november 2026"
        assert formatting.exact(NOW, "nl") == "1 november 2026, 10:00:00"


class TestPlot:
    """Bars by day."""

    def test_nothing_is_drawn_of_nothing(self) -> None:
        """No days, no bars, no division by none."""
        drawn = figures.rows([], first=date(2026, 11, 1))
        assert (drawn.days, drawn.rows, drawn.most) == ((), (), 0)

    def test_bars_stay_in_their_row(self) -> None:
        """A small count is still seen, and none is higher than the row; weekends and named days are in the width."""
        drawn = figures.rows([("a", (1, 0, 1_000)), ("b", (5, 5, 5))], first=date(2026, 10, 30))
        bars = [bar for row in drawn.rows for bar in row.bars]
        assert all(1 <= bar.height <= drawn.height and bar.y + bar.height == drawn.height for bar in bars)
        assert all(bar.x >= 0 and bar.x + bar.width <= drawn.width for bar in bars)
        assert len(drawn.weekends) == 2
        assert [tick.share for tick in drawn.ticks] == [16.7, 50.0, 83.3]


class TestPaths:
    """Addresses."""

    def test_a_part_stays_a_part(self) -> None:
        """Whatever a member number is made of, it leads to that member."""
        assert path("member", member="../a b/ü?#") == "/members/..%252Fa%20b%252F%C3%BC%3F%23"

    def test_no_address_can_name_a_person(self) -> None:
        """A number or a name is sent, never asked for by address."""
        parts = {part for text in PATHS.values() for part in re.findall(r"{(\w+)}", text)}
        assert parts == {"member", "hold", "wish", "run", "library", "entry", "day", "month", "file"}
