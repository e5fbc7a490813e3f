"""Values as people write them."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import Final

import pytest

from rrsync.core.person import Address, Name, PartialDate
from rrsync.text import formatting

NOW: Final = datetime(2026, 11, 1, 9, 0, tzinfo=UTC)


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
        assert formatting.lines(address, "nl") == ("Kerkstraat 12 bus 3", "3500 Hasselt")
        assert formatting.lines(Address("Dam", "1", "", "1012", "Amsterdam", "", "NLD"), "nl")[-1] == "NLD"
        assert formatting.lines(Address(), "nl") == ()

    def test_a_name_is_said_or_listed(self) -> None:
        """Whichever part is missing."""
        name = Name("Peeters", "An")
        assert (formatting.full_name(name), formatting.listed_name(name)) == ("An Peeters", "Peeters, An")
        assert (formatting.full_name(Name("Peeters")), formatting.listed_name(Name())) == ("Peeters", "")

    def test_numbers_have_their_thousands_apart(self) -> None:
        """Each language by its own sign."""
        assert (formatting.number(1_234_567, "nl"), formatting.number(1_234_567, "en")) == ("1.234.567", "1,234,567")
        assert (formatting.decimal(7.94, "nl"), formatting.decimal(7.94, "en")) == ("7,9", "7.9")

    def test_the_rest_is_short(self) -> None:
        """Hashes, sentences, narrow columns, months, weekdays."""
        assert formatting.short("0123456789abcdef") == "0123 4567 89ab"
        assert [formatting.sentence(text) for text in ("", "zo is het", "Ja.")] == ["", "Zo is het.", "Ja."]
        assert (formatting.brief(NOW), formatting.month("2026-10", "en")) == ("01/11/2026 10:00", "October 2026")
        assert formatting.weekday(date(2026, 11, 1), "nl") == "zondag 1 november 2026"
        assert formatting.exact(NOW, "nl") == "1 november 2026, 10:00:00"
