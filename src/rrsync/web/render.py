"""Makes pages of what they show: the templates, with their words and the ways to write values in them.

Everything is escaped; a name a template does not know is an error and no blank. A template gets ``view`` (its
dataclass), ``frame``, ``t`` (the page's own words), ``w`` (the words all pages share) and ``path``.
"""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, ClassVar, Protocol, TypeVar

from jinja2 import Environment, PackageLoader, StrictUndefined, pass_context
from jinja2.runtime import Context

from rrsync.core.exchange import Reason
from rrsync.web import show
from rrsync.web.paths import path
from rrsync.web.words import advice, codes, halts
from rrsync.web.words import frame as around
from rrsync.web.words.book import PAGES
from rrsync.web.words.log import LOOKS

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from datetime import datetime

    from rrsync.core.person import Address
    from rrsync.web.views.frame import Flash, Frame, Tone

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
            "masked": show.MASKED,
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
    return show.moment(at, frame.language, frame.now)


@pass_context
def _ago(context: Context, at: datetime) -> str:
    frame = _frame(context)
    return show.ago(frame.now - at, frame.language)


@pass_context
def _counted(context: Context, count: int, words: tuple[str, str]) -> str:
    return show.counted(count, words, _frame(context).language)


@pass_context
def _lines(context: Context, address: Address) -> tuple[str, ...]:
    box = around.FRAME[_frame(context).language]["box"]
    return show.lines(address, str(box))


@pass_context
def _advice(context: Context, reason: Reason) -> advice.Advice:
    return advice.ADVICE[_frame(context).language][reason]


@pass_context
def _halt(context: Context, reason: str) -> halts.Halt:
    """Give why a run stopped; a word that has no words of its own stands as it is."""
    return halts.HALTS[_frame(context).language].get(reason, halts.Halt(reason, show.sentence(reason), ""))


@pass_context
def _flag(context: Context, flag: str) -> tuple[str, str]:
    return codes.FLAGS[_frame(context).language].get(flag, (flag, ""))


@pass_context
def _flash(context: Context, flash: Flash) -> str:
    return around.FLASHES[_frame(context).language][flash.key].format(**flash.values)


@pass_context
def _seconds(context: Context, seconds: int) -> str:
    return show.lasts(timedelta(seconds=seconds), _frame(context).language)


def _tone(code: str) -> Tone:
    return codes.TONES.get(code, "info")


def _write(environment: Environment) -> None:
    """Give templates the ways to write values."""
    environment.filters.update(
        address=_lines,
        advice=_advice,
        ago=_ago,
        brief=show.brief,
        clock=show.clock,
        counted=_counted,
        day=_spoken(show.day),
        decimal=_spoken(show.decimal),
        exact=_spoken(show.exact),
        fieldname=_coded(codes.FIELDS),
        finding=_coded(codes.FINDINGS),
        flag=_flag,
        flash=_flash,
        full_name=show.full_name,
        halt=_halt,
        lasts=_spoken(show.lasts),
        listed_name=show.listed_name,
        moment=_moment,
        month=_spoken(show.month),
        number=_spoken(show.number),
        outcome=_coded(codes.OUTCOMES),
        partial=_spoken(show.partial),
        purpose=_coded(codes.PURPOSES),
        role=_coded(around.ROLES),
        seconds=_seconds,
        sentence=show.sentence,
        short=show.short,
        tone=_tone,
        weekday=_spoken(show.weekday),
    )
