"""``rrsync log sample``: the month's sample, and what its reviewers decide."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Final

import typer

from rrsync.cli import brussels
from rrsync.cli.actor import ActorOption, ViewerOption, person, viewer
from rrsync.cli.context import ConfigOption, JsonOption, LibraryOption, opened, table, voices
from rrsync.cli.digest import FLAGS
from rrsync.cli.log import looked
from rrsync.cli.look import document
from rrsync.core.entry import stamp
from rrsync.core.month import Month
from rrsync.core.sample import Finding
from rrsync.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rich.table import Table

    from rrsync.audit.sample import Decision, Overdue, Pick, Sample
    from rrsync.cli.context import Voices
    from rrsync.wiring.rooms import App

MonthOption = Annotated[
    str | None,
    typer.Option("--month", help="The month in Belgium, as 2026-10; else the last that has ended.", metavar="MONTH"),
]

sample_app = typer.Typer(
    no_args_is_help=True,
    help="The month's sample: accesses drawn by lot for a second person to look at.",
    epilog="Begin with `rrsync log sample list --library ID`; the last month that has ended is shown.",
)

_SAY: Final[dict[str, dict[str, str]]] = {
    "nl": {
        "head": "Steekproef van {} voor {}: {} van de {} raadplegingen door personen; {} te beslissen.",
        "seed": "Het lot is {}, uit de eerste {} regels van het logboek: wie het naloopt trekt dezelfde.",
        "overdue": "Te laat: steekproef van {}, nog {} van {} te beslissen.",
        "signed": "Getekend: {}. Nog {} te beslissen in de steekproef van {}.",
        "random": "lot",
        "risk": "risico",
        "justified": "verantwoord",
        "unjustified": "niet verantwoord",
        "unclear": "onduidelijk",
    },
    "en": {
        "head": "Sample of {} for {}: {} of the {} accesses by persons; {} to decide.",
        "seed": "The lot is {}, from the log's first {} entries: who goes over it draws the same.",
        "overdue": "Overdue: the sample of {}, {} of {} still to be decided.",
        "signed": "Signed: {}. {} left to decide in the sample of {}.",
        "random": "lot",
        "risk": "risk",
        "justified": "justified",
        "unjustified": "unjustified",
        "unclear": "unclear",
    },
}

_HEADS: Final[dict[str, tuple[str, ...]]] = {
    "nl": ("regel", "wanneer", "wie", "waarom", "dossier", "uitkomst", "valt op", "getrokken", "beslist"),
    "en": ("entry", "when", "who", "why", "case", "outcome", "stands out", "drawn by", "decided"),
}


@sample_app.command("list")
def list_sample(
    library: LibraryOption,
    month: MonthOption = None,
    actor: ViewerOption = None,
    as_json: JsonOption = False,
    config: ConfigOption = None,
) -> None:
    """Show a month's sample, and what is still to decide.

    Months that are overdue are named too. Nobody chooses a sample: the lot comes from the log itself, and anyone can
    draw it again. Half is drawn at random, half leans to what stands out. Looking at it is an entry of the access log.

    Example: rrsync log sample list --library hasselt --month 2026-10
    """
    speak, who = voices(), viewer(actor)
    with opened(config) as app:
        looked(app, [library])
        found = app.oversight.sample(library, _month(app, month), who)
        overdue = app.oversight.samples.overdue(library)
        language = app.settings.language
    if as_json:
        speak.document(_document(found, overdue))
    else:
        _tell(speak, found, overdue, language)


def _document(found: Sample, overdue: Sequence[Overdue]) -> dict[str, object]:
    return {
        "library": found.library,
        "month": found.month.text,
        "seed": found.seed.hex(),
        "entries": found.size,
        "accesses": found.looks,
        "left": found.left,
        "overdue": [{"month": each.month.text, "left": each.left, "of": each.of} for each in overdue],
        "sample": [_pick(pick) for pick in found.picks],
    }


def _pick(pick: Pick) -> dict[str, object]:
    drawn = "risk" if pick.by_risk else "random"
    return document(pick.access) | {"drawn": drawn, "decisions": [_decision(each) for each in pick.decisions]}


def _decision(each: Decision) -> dict[str, object]:
    return {"seq": each.seq, "at": stamp(each.at), "by": each.by, "decision": each.finding.value}


def _tell(speak: Voices, found: Sample, overdue: Sequence[Overdue], language: str) -> None:
    say = _SAY[language]
    speak.out.print(say["head"].format(found.month.text, found.library, len(found.picks), found.looks, found.left))
    if found.picks:
        speak.out.print(_table(found, language))
        speak.out.print(say["seed"].format(found.seed.hex(), found.size))
    for each in overdue:
        speak.out.print(say["overdue"].format(each.month.text, each.left, each.of))


def _table(found: Sample, language: str) -> Table:
    say = _SAY[language]
    shown = table(*_HEADS[language])
    for pick in found.picks:
        access = pick.access
        shown.add_row(
            str(access.seq),
            brussels.clock(access.at),
            access.actor.name,
            access.purpose,
            access.case,
            access.status,
            ", ".join(FLAGS[language].get(flag, flag) for flag in access.flags),
            say["risk" if pick.by_risk else "random"],
            "; ".join(f"{say[each.finding.value]} ({each.by}, {brussels.clock(each.at)})" for each in pick.decisions),
        )
    return shown


@sample_app.command("sign")
def sign(
    entries: Annotated[
        list[int], typer.Argument(help="The entries, by their number in the list.", metavar="ENTRY...", min=0)
    ],
    library: LibraryOption,
    decision: Annotated[
        Finding, typer.Option("--decision", help="What you found.", metavar="|".join(Finding), case_sensitive=False)
    ],
    actor: ActorOption,
    month: MonthOption = None,
    config: ConfigOption = None,
) -> None:
    """Decide about entries of a month's sample.

    Who reviews a sample may not be in it. Each decision is an entry of the access log. Another reviewer may decide
    again: both stay, the last one counts.

    Example: rrsync log sample sign 118 131 --library hasselt --decision justified --actor dpo
    """
    who = person(actor)
    with opened(config) as app:
        looked(app, [library])
        when, samples = _month(app, month), app.oversight.samples
        samples.sign(library, when, entries, decision, who)
        left = samples.of(library, when).left
        language = app.settings.language
    places = ", ".join(str(seq) for seq in dict.fromkeys(entries))
    voices().out.print(_SAY[language]["signed"].format(places, left, when.text))


def _month(app: App, text: str | None) -> Month:
    if text is None:
        return app.oversight.samples.last()
    try:
        return Month.parse(text)
    except ValueError as error:
        raise ConfigError("--month is no month", todo="Write it as 2026-10") from error
