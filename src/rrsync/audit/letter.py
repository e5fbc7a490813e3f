"""The letter to who asks who looked them up (GDPR, art. 15): what stands in it, and the same as plain text.

Every look, and every other line of the log about the person, stands in it once, with its number in the log; so the
letter can be held against the log. The person's own number, name and address stand nowhere in it.
"""

from __future__ import annotations

import textwrap
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, TypeAlias

from rrsync.audit import phrases
from rrsync.audit.deeds import deed
from rrsync.audit.paragraphs import LABELS, PART, TEXT
from rrsync.core.access import DENIED, REUSED, actor_of, moment
from rrsync.core.entry import JSON, ActorKind
from rrsync.core.person import Masked
from rrsync.core.quota import REACHED

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

    from rrsync.audit.review import Told
    from rrsync.core.access import Access
    from rrsync.core.entry import Actor

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
    """What stands in a letter: labelled lines at the head, paragraphs, sections of numbered items, paragraphs."""

    language: str
    title: str
    head: Lines
    opening: tuple[str, ...]
    sections: tuple[Section, ...]
    closing: tuple[str, ...]

    def plain(self) -> str:
        """Give it as plain text, as wide as a sheet of A4 holds."""
        parts = [_wrapped(self.title.upper()), _labelled(self.head, indent=0), *map(_wrapped, self.opening)]
        for section in self.sections:
            parts.append(_wrapped(section.title.upper()))
            numbered = enumerate(section.items, start=1)
            parts += [f"{number}.\n{_labelled(item, indent=_INDENT)}" for number, item in numbered]
        parts += map(_wrapped, self.closing)
        return "\n\n".join(parts) + "\n"


@dataclass(frozen=True, slots=True)
class _Item:
    """An item, and where it stands in the order of time."""

    at: datetime
    library: str
    seq: int
    lines: Lines


@dataclass(frozen=True, slots=True)
class Letter:
    """Writes letters in one language; ``names`` gives a library's name by its id."""

    names: Mapping[str, str]
    language: str

    def write(self, told: Sequence[Told], on: datetime) -> str:
        """Give the letter of ``on`` about what these libraries' logs say, as plain text."""
        return self.compose(told, on).plain()

    def compose(self, told: Sequence[Told], on: datetime) -> Sheet:
        """Give what stands in the letter of ``on`` about what these libraries' logs say."""
        looks = [look for each in told for look in each.accesses]
        sections = {
            "answered": [self._look(look) for look in looks if self._is_answered(look)],
            "failed": [self._look(look) for look in looks if not self._is_answered(look)],
            "others": [self._deed(each.library, seq, line) for each in told for seq, line in each.deeds],
        }
        return Sheet(
            language=self.language,
            title=self._text("title"),
            head=self._lines(
                ("date", phrases.spoken_day(on, self.language)),
                ("libraries", ", ".join(self._named(each.library) for each in told)),
            ),
            opening=self._opening(told, {name: len(items) for name, items in sections.items()}),
            sections=tuple(self._section(name, items) for name, items in sections.items() if items),
            closing=self._closing(told, is_empty=not any(sections.values())),
        )

    def _opening(self, told: Sequence[Told], counts: Mapping[str, int]) -> tuple[str, ...]:
        gone = [self._forgotten(each) for each in told if each.forgotten]
        nothing = "since" if gone else "nobody"
        return (self._text("opening"), *gone, self._text("counts" if any(counts.values()) else nothing, **counts))

    def _closing(self, told: Sequence[Told], *, is_empty: bool) -> tuple[str, ...]:
        places = ", ".join(self._part("one", first=each.seq, library=each.library) for each in told)
        proof = () if is_empty else (self._text("proof"),)
        return (*proof, self._text("itself", places=places), *map(self._text, ("number", "rights", "turn")))

    def _forgotten(self, told: Told) -> str:
        years = ", ".join(map(str, told.forgotten))
        complete = max(told.forgotten) + 1
        return self._text("forgotten", years=years, library=self._named(told.library), complete=complete)

    def _section(self, name: str, items: list[_Item]) -> Section:
        ordered = sorted(items, key=lambda item: (item.at, item.library, item.seq))
        return Section(self._text(name), tuple(item.lines for item in ordered))

    def _look(self, look: Access) -> _Item:
        why = phrases.purpose(look.purpose, self.language)
        places = (look.seq,) if look.outcome_seq is None else (look.seq, look.outcome_seq)
        lines = self._lines(
            ("when", phrases.spoken(look.at, self.language)),
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
        at, (key, words) = moment(line), deed(line, self.language)
        lines = self._lines(
            ("when", phrases.spoken(at, self.language)),
            ("library", self._named(library)),
            ("who", self._who(actor_of(line), "")),
            ("what", self._part(key, **words)),
            ("log", self._place(library, seq)),
        )
        return _Item(at, library, seq, lines)

    def _who(self, actor: Actor, capacity: str) -> str:
        kind = "person" if actor.kind is ActorKind.PERSON else "night" if actor.name == _NIGHT else "process"
        who = self._part(kind, name=actor.name or "?")
        return self._part("capacity", who=who, capacity=capacity) if capacity else who

    def _data(self, look: Access) -> str:
        data = phrases.fields(look.got, self.language) or self._part("none")
        return self._part("withheld", data=data, count=look.withheld) if look.withheld else data

    def _is_answered(self, look: Access) -> bool:
        return look.status in phrases.ANSWERED[self.language]

    def _result(self, look: Access) -> str:
        """Give what came of a look: why it failed, else what was made of the answer, else that there was one."""
        if not self._is_answered(look):
            text = phrases.FAILED[self.language].get(look.status, look.status)
            return f"{text}: {phrases.clause(look.denial, self.language)}" if look.status == DENIED else text
        service = look.operation.partition("-")[0]
        answered = phrases.DONE[self.language].get(service) or phrases.ANSWERED[self.language][look.status]
        text = phrases.VERDICTS[self.language].get(_made(look), answered)
        more = phrases.hold(look.hold, self.language) if look.hold else phrases.fields(look.changed, self.language)
        return f"{text} ({more})" if more else text

    def _place(self, library: str, first: int, second: int | None = None) -> str:
        return self._part("one" if second is None else "two", first=first, second=second, library=library)

    def _named(self, library: str) -> str:
        name = self.names.get(library, "")
        return f"{name} ({library})" if name else library

    def _part(self, key: str, **values: object) -> str:
        return PART[self.language][key].format(**values)

    def _text(self, key: str, **values: object) -> str:
        return _clean(TEXT[self.language][key].format(**values))

    def _lines(self, *lines: tuple[str, str]) -> Lines:
        return tuple((LABELS[self.language][label], _clean(text) or "-") for label, text in lines)


def _made(look: Access) -> str:
    """Give what was made of an answer, as ``phrases.VERDICTS`` has it; nothing, of one that was shown again."""
    if look.status == REUSED:
        return ""
    if look.is_preview or look.is_offered:
        return "preview" if look.is_preview else "offered"
    return "filled" if look.verdict == "same" and look.changed else look.verdict


def _clean(text: str) -> str:
    """Give a text without what could move the cursor of who reads it on a terminal."""
    return "".join(letter if letter.isprintable() else "\N{REPLACEMENT CHARACTER}" for letter in text)


def _wrapped(text: str) -> str:
    return textwrap.fill(text, _WIDTH, break_on_hyphens=False)


def _labelled(lines: Lines, *, indent: int) -> str:
    """Give lines that each begin with their label; what does not fit goes on below it."""
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
