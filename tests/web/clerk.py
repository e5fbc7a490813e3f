"""A desk at work: invented members, a register that knows them and counts what it is asked, and staff of two libraries.

Of Hasselt's members nobody was asked about yet. Genk has no authorisation, and two members of its own.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import islice
from typing import Any, Final
from uuid import uuid4

import httpx2 as httpx
from lxml import html

from rrsync.config.settings import Settings
from rrsync.core.insz import Insz
from rrsync.core.log_entry import decode
from rrsync.core.person import Member
from rrsync.simulator.citizens import Citizen, World, member_rows
from rrsync.simulator.faults import Fault
from rrsync.simulator.server import Simulator
from rrsync.store.members import ImportRow
from rrsync.web.paths import path
from tests.installation import member_of
from tests.support import Clock
from tests.web.provider import Op, person
from tests.web.scene import Browser, Scene, opened

WORLD: Final = World(seed=1, people=40)
#: Members of Hasselt by what the register says of them.
SETTLED, ABROAD, MOVED, RENUMBERED, REFERENCE = "M000001", "M000007", "M000015", "M000018", "M000040"
#: A member of Genk alone.
OTHERS: Final = "G000001"
NUMBERS: Final = frozenset(
    number.digits for citizen in map(WORLD.citizen, range(40)) for number in (citizen.insz, citizen.new_insz)
)
CASE: Final = "brief-118"
OK, SEE_OTHER = 200, 303

_SETTINGS: Final = """\
[registry]
endpoint = "{endpoint}"
max_per_second = 5000.0
"""
_STAFF: Final = {
    "jan.baert": person("jan.baert", "RRSync-Balie:OVO000001"),
    "gert.nijs": person("gert.nijs", "RRSync-Balie:OVO000002"),
}

Make = Callable[[str], Settings]


def citizen(number: str) -> Citizen:
    """Give who has a member number."""
    return WORLD.citizen(int(number[1:]) - 1)


@dataclass
class Clerk:
    """One of the staff before a browser."""

    browser: Browser
    answers: list[httpx.Response] = field(default_factory=list)

    def sees(self, name: str, status: int = OK, **parts: object) -> str:
        """Go to a page, and give it."""
        return self.at(path(name, **parts), status)

    def at(self, address: str, status: int = OK) -> str:
        """Go to an address, and give the page there."""
        answer = self.browser.get(address)
        assert answer.status_code == status, answer.text
        return answer.text

    def sends(self, name: str, said: Mapping[str, str], status: int = SEE_OTHER, **parts: object) -> str:
        """Send a form; give where it leads, or the page that comes back."""
        answer = self.browser.post(path(name, **parts), said)
        assert answer.status_code == status, answer.text
        return str(answer.headers["location"]) if status == SEE_OTHER else answer.text

    def asks(self, number: str, status: int = SEE_OTHER, *, purpose: str = "desk", case: str = CASE) -> str:
        """Ask the register about a member."""
        self.sees("member", member=number)
        return self.sends("refresh", {"purpose": purpose, "case": case}, status, member=number)

    def answered(self, number: str, **asked: str) -> str:
        """Ask the register about a member, and give the page of its answer."""
        return self.at(self.asks(number, **asked))  # type: ignore[arg-type] # words alone


@dataclass
class Place:
    """The pages, their rooms, the register behind them and the clock."""

    scene: Scene
    register: Simulator
    clock: Clock

    def clerk(self, name: str = "an.peeters") -> Clerk:
        """Give one of the staff who is logged in."""
        return Clerk(self.scene.inside(name))

    @property
    def asked(self) -> int:
        """How often the register was asked."""
        return len(self.register.asked)

    def member(self, number: str, library: str = "hasselt") -> Member:
        """Give a member as it is held."""
        found = self.scene.app.members.find(library, number)
        assert found is not None
        return found.member

    def log(self, library: str = "hasselt") -> list[dict[str, Any]]:
        """Give the access log."""
        return [decode(data) for _, data in self.scene.app.access_log.entries(library)]

    def kinds(self, *wanted: str) -> list[str]:
        """Give the kinds of what stands in Hasselt's log, of those that are named."""
        return [line["kind"] for line in self.log() if line["kind"] in wanted]

    def hold(self, number: str) -> int:
        """Give the number of a member's open hold."""
        found = self.scene.app.holds.of("hasselt", number)
        assert found is not None
        return found.id


@contextmanager
def place(make: Make, clock: Clock, op: Op, settings: str, *faults: str, more: str = "") -> Iterator[Place]:
    """Give the desk; ``settings`` are those of the pages, ``more`` stands in the register's own table."""
    op.people |= _STAFF
    with Simulator(
        now=clock, new_reference=lambda: str(uuid4()), world=WORLD, faults=[Fault.parse(fault) for fault in faults]
    ) as register:
        text = _SETTINGS.format(endpoint=register.url) + more + settings
        with opened(make(text), clock, op) as scene:
            rows = list(enumerate(member_rows(WORLD), start=2))
            members = [ImportRow(line, member_of("hasselt", row)) for line, row in rows]
            scene.app.members.take(members, import_id="import-1", at=clock())
            genks = [
                ImportRow(line, member_of("genk", row | {"member_no": f"G{row['member_no'][1:]}"}))
                for line, row in islice(rows, 2)
            ]
            scene.app.members.take(genks, import_id="import-2", at=clock())
            yield Place(scene, register, clock)


def tree(page: str) -> Any:
    """Give a page to search in."""
    return html.fromstring(page)


def text(page: str) -> str:
    """Give what is read on a page, with single blanks."""
    return " ".join(" ".join(tree(page).xpath("//main//text()")).split())


def field_of(page: str, name: str) -> str:
    """Give the value of a field."""
    found = tree(page).xpath(f"//*[@name='{name}']/@value")
    return str(found[0]) if found else ""


def settled(page: str) -> str:
    """Give a page without what is another on every page of everybody: the token."""
    return re.sub(r'name="token" value="[^"]*"', "", page)


def dotted(insz: Insz) -> str:
    """Give a number as it stands on a card."""
    digits = insz.digits
    return f"{digits[:2]}.{digits[2:4]}.{digits[4:6]}-{digits[6:9]}.{digits[9:]}"


def is_clean(page: str) -> bool:
    """Whether no national number is on a page, however it is written."""
    bare = re.sub(r"[\s./-]", "", page)
    return not [number for number in NUMBERS if number in bare]
