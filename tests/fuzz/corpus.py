"""The right replies that fuzzing starts from, each with its question and a member who lived elsewhere."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import cache
from importlib.resources import files
from typing import Final

from rrsync.core.authorisation import Scope
from rrsync.core.exchange import Found, Question
from rrsync.core.insz import Insz
from rrsync.core.log_entry import Actor, ActorKind
from rrsync.core.person import Address, Held, Member, Name
from rrsync.registry.fields import known_paths
from rrsync.registry.outcome import Keep, Outcome, Rules, SoapReply, read_answer
from rrsync.simulator.citizens import World
from rrsync.simulator.personas import Personas
from rrsync.simulator.replies import NOT_FOUND, Request, Stamp, Uitzondering, exceptions, fault, person_reply, refusal
from tests.support import LIBRARY, magda_folder

NOW: Final = datetime(2026, 7, 1, 10, 0, tzinfo=UTC)
REFERENCE: Final = "5f0c6a7e-6d0f-4a57-9d0b-0a4c3f1d2e11"
INVENTED: Final = 200
_STAMP: Final = Stamp(NOW, "magda-1")
_SCOPE: Final = Scope.parse((files("rrsync") / "scopes" / "libraries.txt").read_text(), known=known_paths())
_RULES: Final = Rules(_SCOPE, NOW.date(), production=False, keep=Keep.HASH)
_ELSEWHERE: Final = Address("Kanarievogelstraat", "12", "7", "3999", "Zwaluwgem", "99999", "BEL")


@dataclass(frozen=True, slots=True)
class Base:
    """A right reply to a question about somebody, and what the library holds of them."""

    data: bytes
    question: Question
    member: Member

    def read(self, data: bytes) -> Outcome:
        """Return the outcome of a reply to this question."""
        return read_answer(self.question, b"", SoapReply(data), _RULES)


@cache
def bases() -> tuple[Base, ...]:
    """Return the government's personas, where they are here, and our simulator's people."""
    return (*_personas(), *_invented())


def _personas() -> list[Base]:
    folder = magda_folder() / "personas"
    if not (folder / "GeefPersoon-02.02").is_dir():
        return []
    personas = Personas(folder)
    numbers = sorted(path.stem for path in (folder / "GeefPersoon-02.02").glob("*.xml") if path.stem.isdigit())
    replies = {number: personas.about(_asker(number)) for number in numbers}
    return [_base(number, data) for number, data in replies.items() if data is not None]


def _invented() -> list[Base]:
    world = World(seed=11, people=INVENTED)
    found = [world.citizen(position) for position in range(INVENTED)]
    replies = [_base(one.insz.digits, person_reply(one, _asker(one.insz.digits), _STAMP)) for one in found]
    number = found[0].insz.digits
    odd = (
        exceptions(_asker(number), _STAMP, NOT_FOUND),
        refusal(_asker(number), _STAMP, Uitzondering("99996", "Te veel gelijktijdige bevragingen")),
        fault("99995 - Te veel gelijktijdige bevragingen", message="Throttle rate exceeded"),
    )
    return replies + [_base(number, data) for data in odd]


def _asker(digits: str) -> Request:
    return Request("hasselt.be/bibliotheek-aip", REFERENCE, "1300", "", REFERENCE, digits)


def _base(digits: str, data: bytes) -> Base:
    """Return a base; the library holds the register's name and birth date, and an address of long ago."""
    actor = Actor(ActorKind.PROCESS, "night")
    question = Question(LIBRARY, Insz(digits), actor, "member-administration", REFERENCE)
    held = Held(Name("Kanariepiet", "Jozefien"), None, _ELSEWHERE, None)
    member = Member(library=LIBRARY, number="M1", insz=Insz(digits), held=held)
    base = Base(data, question, member)
    answer = base.read(data).answer
    if not isinstance(answer, Found):
        return base
    held = replace(held, name=answer.person.name, birth_date=answer.person.birth_date)
    return replace(base, member=replace(member, held=held))
