"""Pages from templates: the frame around every page, and the values that pages share.

1. Everything is escaped; a name that a template does not know is an error, not a blank.
2. A template gets ``view`` (the dataclass of its page), ``frame`` and ``path``.
3. Its texts are English: ``_("…")`` and ``ngettext("…", "…", count)`` translate them into the frame's language.
   ``%(num)s`` is the count as that language writes it. The texts themselves are trusted, their values are escaped.
4. Filters write values and codes in the frame's language.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import ClassVar, Final, Literal, Protocol, TypeAlias, TypeVar

from jinja2 import Environment, PackageLoader, StrictUndefined, pass_context
from jinja2.runtime import Context
from markupsafe import Markup

from rrsync.text import formatting, holds, log_terms, page_messages, run_stops
from rrsync.text.catalogue import translated, translations
from rrsync.web.paths import path

Language: TypeAlias = Literal["nl", "en"]
Tone: TypeAlias = Literal["info", "good", "warn", "bad"]

#: The tone of an outcome of the log; of one that is not here, ``info``.
TONES: Final[dict[str, Tone]] = {
    **dict.fromkeys(("same", "filled", "change", "ok"), "good"),
    **dict.fromkeys(("hold", "not_found", "replaced", "cancelled", "refused"), "warn"),
    **dict.fromkeys(("invalid_reply", "indeterminate"), "warn"),
    **dict.fromkeys(("denied", "mismatch", "sig_bad"), "bad"),
}


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
    """An option of a form: the value sent, and its label."""

    value: str
    label: str


@dataclass(frozen=True, slots=True)
class Flash:
    """A message shown once on the next page: a key of ``page_messages.FLASHES`` and its values."""

    tone: Tone
    key: str
    values: Mapping[str, str | int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, repr=False)
class Filled:
    """The values typed into a form, and its errors: name of a field -> a code of ``FORM_ERRORS``."""

    values: Mapping[str, str] = field(default_factory=dict)
    errors: Mapping[str, str] = field(default_factory=dict)

    def __repr__(self) -> str:
        """Return the type alone: the values may be personal data."""
        return "Filled(***)"


#: An empty form.
BLANK: Final = Filled()


@dataclass(frozen=True, slots=True)
class Visitor:
    """The user who is logged in: name, roles as ``core.roles`` names them, and library; ``None`` is all libraries."""

    name: str
    roles: tuple[str, ...]
    library: str | None


@dataclass(frozen=True, slots=True)
class Frame:
    """The frame around a page.

    ``places`` are the links this user may follow, in order; ``here`` is the current one. ``token`` goes with every
    form. ``now`` is when the page is made (aware). ``environment`` is shown on every page unless it is production, and
    ``is_trial`` that users are not authenticated. ``address`` is where a change of language returns to: the address of
    the page itself, never of a form that was sent.
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
    """An error: what went wrong, what was kept safe, what to do.

    ``kind`` is a code of ``page_messages.PROBLEMS``. ``what``, ``kept`` and ``todo`` are an ``RrsyncError``'s own
    sentences, in English; they may be empty. ``reference`` is what the program's log has this under. ``again`` is the
    path to go back to, by its name and ``parts``.
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
    """The values of a page: any dataclass of the handlers that has a template by its name."""

    name: ClassVar[str]


class Pages:
    """The templates, ready to make pages."""

    def __init__(self) -> None:
        self._environment = Environment(
            loader=PackageLoader("rrsync.web"),
            autoescape=True,
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
            auto_reload=False,
        )
        _add_filters(self._environment)
        self._environment.globals |= {
            "_": _gettext,
            "ngettext": _ngettext,
            "path": path,
            "masked": formatting.MASKED,
            "flag_codes": tuple(log_terms.FLAGS),
            "outcome_codes": log_terms.STATUSES,
        }

    def page(self, view: Page, frame: Frame) -> str:
        """Return a whole page as HTML."""
        return self._render(f"{view.name}.html", view, frame)

    def part(self, part: str, view: Page, frame: Frame) -> str:
        """Return a part of a page, to update it by: ``live`` of a run."""
        return self._render(f"parts/{part}.html", view, frame)

    def _render(self, template: str, view: Page, frame: Frame) -> str:
        return self._environment.get_template(template).render(view=view, frame=frame)


def _frame(context: Context) -> Frame:
    frame: Frame = context["frame"]
    return frame


@pass_context
def _gettext(context: Context, text: str, **values: object) -> Markup:
    return Markup(translations(_frame(context).language).gettext(text)) % values  # noqa: S704 — our own text


@pass_context
def _ngettext(context: Context, one: str, several: str, count: int, **values: object) -> Markup:
    language = _frame(context).language
    text = translations(language).ngettext(one, several, count)
    return Markup(text) % {"num": formatting.number(count, language), **values}  # noqa: S704 — our own text


def _in_language(write: Callable[[_T, str], object]) -> Callable[[Context, _T], object]:
    """Return a filter that writes a value in the frame's language."""

    @pass_context
    def written(context: Context, value: _T) -> object:
        return write(value, _frame(context).language)

    return written


def _coded(table: Mapping[str, str]) -> Callable[[Context, str], object]:
    """Return a filter of codes; a code without a text stands as it is."""
    return _in_language(lambda code, language: translated(table, code, language))


@pass_context
def _moment(context: Context, at: datetime) -> str:
    frame = _frame(context)
    return formatting.moment(at, frame.language, frame.now)


@pass_context
def _ago(context: Context, at: datetime) -> str:
    frame = _frame(context)
    return formatting.ago(frame.now - at, frame.language)


def _flash(flash: Flash, language: str) -> str:
    return translations(language).gettext(page_messages.FLASHES[flash.key]) % flash.values


def _seconds(seconds: int, language: str) -> str:
    return formatting.lasts(timedelta(seconds=seconds), language)


def _tone(code: str) -> Tone:
    return TONES.get(code, "info")


def _add_filters(environment: Environment) -> None:
    """Add the filters that write values."""
    environment.filters.update(
        address=_in_language(formatting.lines),
        advice=_in_language(holds.advice),
        ago=_ago,
        brief=formatting.brief,
        certificate_use=_coded(page_messages.CERTIFICATE_USES),
        clock=formatting.clock,
        day=_in_language(formatting.day),
        decimal=_in_language(formatting.decimal),
        exact=_in_language(formatting.exact),
        fieldname=_coded(log_terms.FIELDS),
        finding=_coded(log_terms.FINDINGS),
        flag=_coded(log_terms.FLAGS),
        flag_meaning=_coded(log_terms.FLAG_MEANINGS),
        flash=_in_language(_flash),
        form_error=_coded(page_messages.FORM_ERRORS),
        full_name=formatting.full_name,
        halt=_in_language(run_stops.run_stop),
        lasts=_in_language(formatting.lasts),
        listed_name=formatting.listed_name,
        moment=_moment,
        month=_in_language(formatting.month),
        number=_in_language(formatting.number),
        outcome=_coded(log_terms.OUTCOMES),
        partial=_in_language(formatting.partial),
        place=_coded(page_messages.PLACES),
        problem=_in_language(page_messages.problem),
        purpose=_coded(log_terms.PURPOSES),
        role=_coded(page_messages.ROLES),
        seconds=_in_language(_seconds),
        sentence=formatting.sentence,
        short=formatting.short,
        tone=_tone,
        weekday=_in_language(formatting.weekday),
    )
