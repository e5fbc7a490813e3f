"""Makes pages of what they show: the templates, with their words and the ways to write values in them.

Everything is escaped; a name a template does not know is an error and no blank. A template gets ``view`` (its
dataclass), ``frame``, ``t`` (the page's own words), ``w`` (the words all pages share) and ``path``.

What stands around every page, the small parts that pages share, and the pages that stand alone.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import ClassVar, Final, Literal, Protocol, TypeAlias, TypeVar

from jinja2 import Environment, PackageLoader, StrictUndefined, pass_context
from jinja2.runtime import Context

from rrsync.core.exchange import Reason
from rrsync.core.person import Address
from rrsync.text import formatting
from rrsync.web.paths import path
from rrsync.web.words import advice, codes, halts
from rrsync.web.words import frame as around
from rrsync.web.words.book import PAGES
from rrsync.web.words.codes import Tone
from rrsync.web.words.log import LOOKS

Language: TypeAlias = Literal["nl", "en"]


class Place(StrEnum):
    """The entries of the navigation, by the name of their path."""

    DESK = "desk"
    HOLDS = "holds"
    OUTSIDE = "outside"
    OPERATOR = "operator"
    RUNS = "runs"
    REGISTER = "register"
    OFFICER = "officer"
    LOG = "log"
    PERSON = "person"
    DAYS = "days"
    SAMPLES = "samples"
    FIGURES = "figures"
    EXPORT = "export"
    ADMIN = "admin"
    HOOKS = "hooks"
    PEOPLE = "people"


@dataclass(frozen=True, slots=True)
class Choice:
    """One thing to choose: what is sent, and what is read."""

    value: str
    label: str


@dataclass(frozen=True, slots=True)
class Flash:
    """What was just done, said once on the next page: a key of ``words.frame.FLASHES`` and what it names."""

    tone: Tone
    key: str
    values: Mapping[str, str | int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, repr=False)
class Filled:
    """What was typed into a form, and what is wrong with it: a field's name -> a key of the page's own words."""

    values: Mapping[str, str] = field(default_factory=dict)
    errors: Mapping[str, str] = field(default_factory=dict)

    def __repr__(self) -> str:
        """Name the type alone: what was typed may be a person's."""
        return "Filled(***)"


#: A form nobody typed into yet.
BLANK: Final = Filled()


@dataclass(frozen=True, slots=True)
class Visitor:
    """Who is logged in: name, roles as ``core.roles`` names them, and the library; none is all of them."""

    name: str
    roles: tuple[str, ...]
    library: str | None


@dataclass(frozen=True, slots=True)
class Frame:
    """What stands around a page.

    ``places`` are those this visitor may go to, in order; ``here`` is where they are. ``token`` goes with every form.
    ``now`` is when the page is made (aware). ``environment`` is said on every page unless it is production, and
    ``is_trial`` that who is logged in proved nothing. ``address`` is where a change of language comes back to; it is
    that of the page when it was asked for, never of what was sent.
    """

    now: datetime
    token: str
    language: Language = "nl"
    environment: Literal["simulator", "acceptance", "production"] = "production"
    is_trial: bool = False
    visitor: Visitor | None = None
    places: tuple[Place, ...] = ()
    here: Place | None = None
    address: str = "/"
    flashes: tuple[Flash, ...] = ()
    waiting: int = 0


@dataclass(frozen=True, slots=True)
class ErrorPage:
    """What went wrong, what was kept safe, what to do.

    ``kind`` is the key of a title in the page's words, which have ``_what`` and ``_todo`` of it too. ``what``, ``kept``
    and ``todo`` are an ``RrsyncError``'s own sentences, in English, for who looks further into it; they may be empty.
    ``reference`` is what the log of the program has this under; ``again`` is the path to go back to, by its name and
    ``parts``.
    """

    name: ClassVar[str] = "error"

    status: int
    kind: str
    what: str = ""
    kept: str = ""
    todo: str = ""
    reference: str = ""
    again: str = "home"
    parts: Mapping[str, str] = field(default_factory=dict)
    wait_s: int = 0


_T = TypeVar("_T")


class Page(Protocol):
    """What a page shows: any dataclass of ``views`` that has a template by its name."""

    name: ClassVar[str]


class Pages:
    """The pages, ready to be made."""

    def __init__(self) -> None:
        self._environment = Environment(
            loader=PackageLoader("rrsync.web"),
            autoescape=True,
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
            auto_reload=False,
        )
        _write(self._environment)
        self._environment.globals |= {
            "path": path,
            "masked": formatting.MASKED,
            "flag_codes": tuple(codes.FLAGS["nl"]),
            "outcome_codes": codes.ENDED,
        }

    def page(self, view: Page, frame: Frame) -> str:
        """Give a whole page as HTML."""
        return self._render(f"{view.name}.html", view, frame)

    def part(self, part: str, view: Page, frame: Frame) -> str:
        """Give a part of a page, to renew it by: ``live`` of a run."""
        return self._render(f"parts/{part}.html", view, frame)

    def _render(self, template: str, view: Page, frame: Frame) -> str:
        return self._environment.get_template(template).render(
            view=view,
            frame=frame,
            t=PAGES[view.name][frame.language],
            w=around.FRAME[frame.language],
            looks_words=LOOKS[frame.language],
            run_words=PAGES["runs"][frame.language],
            operator_words=PAGES["operator"][frame.language],
        )


def _frame(context: Context) -> Frame:
    frame: Frame = context["frame"]
    return frame


def _spoken(write: Callable[[_T, str], str]) -> Callable[[Context, _T], str]:
    """Give a filter of what writes a value in a language."""

    @pass_context
    def written(context: Context, value: _T) -> str:
        return write(value, _frame(context).language)

    return written


def _coded(words: Mapping[str, Mapping[str, str]]) -> Callable[[Context, str], str]:
    """Give a filter of codes; a code without words stands as it is."""
    return _spoken(lambda code, language: words[language].get(code, code))


@pass_context
def _moment(context: Context, at: datetime) -> str:
    frame = _frame(context)
    return formatting.moment(at, frame.language, frame.now)


@pass_context
def _ago(context: Context, at: datetime) -> str:
    frame = _frame(context)
    return formatting.ago(frame.now - at, frame.language)


@pass_context
def _counted(context: Context, count: int, words: tuple[str, str]) -> str:
    return formatting.counted(count, words, _frame(context).language)


@pass_context
def _lines(context: Context, address: Address) -> tuple[str, ...]:
    box = around.FRAME[_frame(context).language]["box"]
    return formatting.lines(address, str(box))


@pass_context
def _advice(context: Context, reason: Reason) -> advice.Advice:
    return advice.ADVICE[_frame(context).language][reason]


@pass_context
def _halt(context: Context, reason: str) -> halts.Halt:
    """Give why a run stopped; a word that has no words of its own stands as it is."""
    return halts.HALTS[_frame(context).language].get(reason, halts.Halt(reason, formatting.sentence(reason), ""))


@pass_context
def _flag(context: Context, flag: str) -> tuple[str, str]:
    return codes.FLAGS[_frame(context).language].get(flag, (flag, ""))


@pass_context
def _flash(context: Context, flash: Flash) -> str:
    return around.FLASHES[_frame(context).language][flash.key].format(**flash.values)


@pass_context
def _seconds(context: Context, seconds: int) -> str:
    return formatting.lasts(timedelta(seconds=seconds), _frame(context).language)


def _tone(code: str) -> Tone:
    return codes.TONES.get(code, "info")


def _write(environment: Environment) -> None:
    """Give templates the ways to write values."""
    environment.filters.update(
        address=_lines,
        advice=_advice,
        ago=_ago,
        brief=formatting.brief,
        clock=formatting.clock,
        counted=_counted,
        day=_spoken(formatting.day),
        decimal=_spoken(formatting.decimal),
        exact=_spoken(formatting.exact),
        fieldname=_coded(codes.FIELDS),
        finding=_coded(codes.FINDINGS),
        flag=_flag,
        flash=_flash,
        full_name=formatting.full_name,
        halt=_halt,
        lasts=_spoken(formatting.lasts),
        listed_name=formatting.listed_name,
        moment=_moment,
        month=_spoken(formatting.month),
        number=_spoken(formatting.number),
        outcome=_coded(codes.OUTCOMES),
        partial=_spoken(formatting.partial),
        purpose=_coded(codes.PURPOSES),
        role=_coded(around.ROLES),
        seconds=_seconds,
        sentence=formatting.sentence,
        short=formatting.short,
        tone=_tone,
        weekday=_spoken(formatting.weekday),
    )
