"""Addresses of the pages."""

from __future__ import annotations

import re

from rrsync.web.paths import PATHS, path


class TestPaths:
    """Addresses."""

    def test_a_part_stays_a_part(self) -> None:
        """Whatever a member number is made of, it leads to that member."""
        assert path("member", member="../a b/ü?#") == "/members/..%252Fa%20b%252F%C3%BC%3F%23"

    def test_no_address_can_name_a_person(self) -> None:
        """A number or a name is sent, never asked for by address."""
        parts = {part for text in PATHS.values() for part in re.findall(r"{(\w+)}", text)}
        assert parts == {"member", "hold", "wish", "run", "library", "entry", "day", "month", "file"}
