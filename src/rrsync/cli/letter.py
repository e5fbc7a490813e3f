"""The letter to who asks who looked them up (GDPR, art. 15): plain text, as wide as a sheet of A4 holds.

Every look, and every other line of the log about the person, stands in it once, with its number in the log; so the
letter can be held against the log. The person's own number, name and address stand nowhere in it.
"""

from __future__ import annotations

import textwrap
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from rrsync.cli import phrases
from rrsync.cli.brussels import spoken, spoken_day
from rrsync.cli.paragraphs import LABELS, PART, TEXT
from rrsync.core.access import DENIED, actor_of, moment
from rrsync.core.entry import JSON, ActorKind, Kind

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

    from rrsync.audit.review import Told
    from rrsync.core.access import Access
    from rrsync.core.entry import Actor

_WIDTH: Final = 76
_INDENT: Final = 4
_LABEL: Final = 14
_NIGHT: Final = "rrsync night"
_VIEWS: Final = {"show": "show", "who": "answer", "evidence": "evidence"}


@dataclass(frozen=True, slots=True)
class _Item:
    """A numbered item: where it stands in the order of time, and what stands beside each label."""

    at: datetime
    library: str
    seq: int
    lines: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Letter:
    """Writes letters in one language; ``names`` gives a library's name by its id."""

    names: Mapping[str, str]
    language: str

    def write(self, told: Sequence[Told], on: datetime) -> str:
        """Give the letter of ``on`` about what these libraries' logs say."""
        looks = [look for each in told for look in each.accesses]
        sections = {
            "answered": [self._look(look) for look in looks if self._is_answered(look)],
            "failed": [self._look(look) for look in looks if not self._is_answered(look)],
            "others": [self._deed(each.library, seq, line) for each in told for seq, line in each.deeds],
        }
        counts = {name: len(items) for name, items in sections.items()}
        parts = [self._text("title"), self._head(told, on), self._text("opening")]
        parts += [self._forgotten(each) for each in told if each.forgotten]
        nothing = "since" if any(each.forgotten for each in told) else "nobody"
        parts.append(self._text("counts" if any(counts.values()) else nothing, **counts))
        for name, items in sections.items():
            parts += self._section(name, items)
        places = ", ".join(self._part("one", first=each.seq, library=each.library) for each in told)
        parts += [self._text("proof")] if any(counts.values()) else []
        parts += [self._text("itself", places=places), *map(self._text, ("number", "rights", "turn"))]
        return "\n\n".join(parts) + "\n"

    def _head(self, told: Sequence[Told], on: datetime) -> str:
        libraries = ", ".join(self._named(each.library) for each in told)
        return self._lines((("date", spoken_day(on, self.language)), ("libraries", libraries)), indent=0)

    def _forgotten(self, told: Told) -> str:
        years = ", ".join(map(str, told.forgotten))
        complete = max(told.forgotten) + 1
        return self._text("forgotten", years=years, library=self._named(told.library), complete=complete)

    def _section(self, name: str, items: list[_Item]) -> list[str]:
        ordered = sorted(items, key=lambda item: (item.at, item.library, item.seq))
        written = [
            f"{number}.\n{self._lines(item.lines, indent=_INDENT)}" for number, item in enumerate(ordered, start=1)
        ]
        return [self._text(name), *written] if written else []

    def _look(self, look: Access) -> _Item:
        why = phrases.purpose(look.purpose, self.language)
        places = (look.seq,) if look.outcome_seq is None else (look.seq, look.outcome_seq)
        lines = (
            ("when", spoken(look.at, self.language)),
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
        return self._part("ungrounded" if look.status == DENIED else "basis", basis=look.basis)

    def _deed(self, library: str, seq: int, line: Mapping[str, JSON]) -> _Item:
        at = moment(line)
        lines = (
            ("when", spoken(at, self.language)),
            ("library", self._named(library)),
            ("who", self._who(actor_of(line), "")),
            ("what", self._done(line)),
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
        verdict = "filled" if look.verdict == "same" and look.changed else look.verdict
        verdict = "preview" if look.is_preview else verdict
        text = phrases.VERDICTS[self.language].get(verdict, answered)
        more = phrases.hold(look.hold, self.language) if look.hold else phrases.fields(look.changed, self.language)
        return f"{text} ({more})" if more else text

    def _done(self, line: Mapping[str, JSON]) -> str:
        """Give what was done, in an entry that is no look."""
        words = _words(line)
        match words["kind"]:
            case Kind.VIEW:
                return self._part(_VIEWS.get(words["what"], "view"), **words)
            case Kind.DECISION if words["decision"] in {"accepted", "dismissed"}:
                words["hold"] = phrases.hold(words["hold"], self.language)
                words["changed"] = phrases.fields(tuple(words["changed"].split()), self.language)
                return self._part(words["decision"], **words)
            case Kind.STAFF if words["deed"] in {"add", "remove"}:
                return self._part(words["deed"], **words)
            case _:
                return self._part("other", **words)

    def _place(self, library: str, first: int, second: int | None = None) -> str:
        return self._part("one" if second is None else "two", first=first, second=second, library=library)

    def _named(self, library: str) -> str:
        name = self.names.get(library, "")
        return f"{name} ({library})" if name else library

    def _part(self, key: str, **values: object) -> str:
        return PART[self.language][key].format(**values)

    def _text(self, key: str, **values: object) -> str:
        return textwrap.fill(_plain(TEXT[self.language][key].format(**values)), _WIDTH, break_on_hyphens=False)

    def _lines(self, lines: Sequence[tuple[str, str]], *, indent: int) -> str:
        """Give lines that each begin with their label; what does not fit goes on below it."""
        return "\n".join(
            textwrap.fill(
                _plain(text) or "-",
                _WIDTH,
                initial_indent=" " * indent + f"{LABELS[self.language][label]}:".ljust(_LABEL),
                subsequent_indent=" " * (indent + _LABEL),
                break_on_hyphens=False,
            )
            for label, text in lines
        )


def _words(line: Mapping[str, JSON]) -> dict[str, str]:
    """Give the words of an entry that is no look, by their last name; what it does not say is empty."""
    words = dict.fromkeys(("kind", "what", "of", "note", "decision", "hold", "changed", "deed", "name"), "")
    for part in (line, *(line.get(name) for name in ("view", "why", "staff"))):
        for name, value in part.items() if isinstance(part, dict) else ():
            if name == "filter" and isinstance(value, dict):
                words["of"] = str(value.get("of", ""))
            elif name in words:
                words[name] = " ".join(map(str, value)) if isinstance(value, list) else str(value)
    return words


def _plain(text: str) -> str:
    """Give a text without what could move the cursor of who reads it on a terminal."""
    return "".join(letter if letter.isprintable() else "\N{REPLACEMENT CHARACTER}" for letter in text)
