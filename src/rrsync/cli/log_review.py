"""``rrsync log staff``: who works in a library, so that a look at oneself or at a colleague stands out.

``rrsync log sample``: the month's sample, and what its reviewers decide.

``rrsync log digest``: what stood out on a day, in words for the data-protection officer, short enough to print.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from datetime import date
from typing import Annotated, Final

import typer
from rich.table import Table

from rrsync.app.services import App
from rrsync.audit.oversight import Digest
from rrsync.audit.sample import Decision, Overdue, Pick, Sample
from rrsync.cli.context import Voices, chosen, opened, person, short, table, typed, viewer, voices
from rrsync.cli.log import LibrariesOption, looked
from rrsync.cli.log_queries import FLAGS, document
from rrsync.cli.options import ActorOption, ConfigOption, JsonOption, LibraryOption, ViewerOption
from rrsync.core.belgian_time import Month
from rrsync.core.log_entry import Access, Actor, ActorKind, stamp
from rrsync.core.review_sample import Finding
from rrsync.errors import ConfigError
from rrsync.text import local_time

#: How many people, and how many entries of one, a digest names before it only counts them.
_PEOPLE: Final = 20
_ENTRIES: Final = 10

_SAY: Final[dict[str, dict[str, str]]] = {
    "nl": {
        "title": "Toegangslogboek, dagoverzicht van {}",
        "looks": "{}: {} door {}",
        "stand out": "{}; {}.",
        "quiet": "{}; niets valt op.",
        "none": "{}: niemand heeft iets opgezocht.",
        "entries": "regel",
        "more": "en nog {}, samen {}x",
        "refused": "Geweigerde pogingen: {}.",
        "mixups": "Het register antwoordde over iemand anders, of met een foute handtekening: {}. Niets is gebruikt.",
        "overdue": "Te laat nagekeken: steekproef van {}, nog {} van {} te beslissen.",
        "end": "Wat opvalt is een vraag, geen oordeel. Bekijk het met `rrsync log show`.",
    },
    "en": {
        "title": "Access log, digest of {}",
        "looks": "{}: {} by {}",
        "stand out": "{}; {}.",
        "quiet": "{}; nothing stands out.",
        "none": "{}: nobody looked anything up.",
        "entries": "entry",
        "more": "and {}, together {}x",
        "refused": "Refused attempts: {}.",
        "mixups": "The register answered about somebody else, or with a wrong signature: {}. Nothing was used.",
        "overdue": "Overdue: the sample of {}, {} of {} still to be decided.",
        "end": "What stands out is a question, no verdict. See `rrsync log show`.",
    },
}

#: Of one, and of more.
_COUNTED: Final[dict[str, dict[str, tuple[str, str]]]] = {
    "nl": {
        "looks": ("{} raadpleging", "{} raadplegingen"),
        "people": ("{} persoon", "{} personen"),
        "flagged": ("{} valt op", "{} vallen op"),
        "others": ("{} andere", "{} anderen"),
    },
    "en": {
        "looks": ("{} lookup", "{} lookups"),
        "people": ("{} person", "{} people"),
        "flagged": ("{} stands out", "{} stand out"),
        "others": ("{} other", "{} others"),
    },
}


#: Who looks when the digest is mailed by a timer.
_TIMER: Final = Actor(ActorKind.PROCESS, "rrsync digest")


def digest(
    library: LibrariesOption = None,
    day: Annotated[
        str | None, typer.Option("--day", help="The day in Belgium, as 2026-10-14; else yesterday.", metavar="DAY")
    ] = None,
    mail: Annotated[
        bool, typer.Option("--mail", help="Mail it to the mailbox of the mail anchor, instead of printing it.")
    ] = False,
    actor: ViewerOption = None,
    config: ConfigOption = None,
) -> None:
    """Say what stood out on a day, and what is overdue.

    An access by a person stands out by rules: a member looked up by many, many lookups by one, the own record, a
    colleague, outside opening hours, nothing to ask for, an odd case reference, refused. Looking at it is an entry of
    the access log too. With --mail, a timer sends it to the data-protection officer every morning.

    Example: rrsync log digest --day 2026-10-14
    """
    who = _TIMER if mail and actor is None else viewer(actor)
    with opened(config) as app:
        names = looked(app, library)
        when = _day(day) if day is not None else app.oversight.digests.yesterday()
        mailbox = app.mailbox() if mail else None
        text = digest_text(when, app.oversight.digest(names, when, who), app.settings.language)
        if mailbox is None:
            voices().out.print(text)
            return
        mailbox.send(f"rrsync: {text.partition(chr(10))[0]}", text + "\n")
        voices().err.print(f"Mailed to {mailbox.to}.")


def digest_text(day: date, digests: Sequence[Digest], language: str) -> str:
    """Return the digests of a day as one text, to print or to mail; it names staff, and no person looked up."""
    say = _SAY[language]
    lines = [say["title"].format(day.isoformat())]
    for each in digests:
        lines += ["", *_library(each, language)]
    if any(each.flagged for each in digests):
        lines += ["", say["end"]]
    return "\n".join(lines)


def _library(found: Digest, language: str) -> Iterator[str]:
    say = _SAY[language]
    people = _number(found.people, "people", language)
    looks = say["looks"].format(found.library, _number(found.looks, "looks", language), people)
    if found.flagged:
        yield say["stand out"].format(looks, _number(len(found.flagged), "flagged", language))
    elif found.looks:
        yield say["quiet"].format(looks)
    else:
        yield say["none"].format(found.library)
    yield from (f"  {line}" for line in _people(found.flagged, language))
    if found.refused:
        yield f"  {say['refused'].format(_counted(look.actor.name for look in found.refused))}"
    if found.mixups:
        yield f"  {say['mixups'].format(_places(found.mixups, language))}"
    for month in found.overdue:
        yield f"  {say['overdue'].format(month.month.text, month.left, month.of)}"


def _people(flagged: Iterable[Access], language: str) -> Iterator[str]:
    """Yield a line for each person whose looks stand out, who most first."""
    say = _SAY[language]
    by_name: defaultdict[str, list[Access]] = defaultdict(list)
    for look in flagged:
        by_name[look.actor.name].append(look)
    people = sorted(by_name.items(), key=lambda each: (-len(each[1]), each[0]))
    for name, looks in people[:_PEOPLE]:
        why = _counted(FLAGS[language].get(flag, flag) for look in looks for flag in look.flags)
        yield f"{name} {len(looks)}x: {why} ({_places(looks, language)})"
    if rest := people[_PEOPLE:]:
        yield say["more"].format(_number(len(rest), "others", language), sum(len(looks) for _, looks in rest))


def _places(looks: Sequence[Access], language: str) -> str:
    places = ", ".join(str(look.seq) for look in looks[:_ENTRIES])
    return f"{_SAY[language]['entries']} {places}{', …' if len(looks) > _ENTRIES else ''}"


def _number(count: int, what: str, language: str) -> str:
    one, more = _COUNTED[language][what]
    return (one if count == 1 else more).format(count)


def _counted(words: Iterable[str]) -> str:
    """Return each word with how often it came, the most frequent first."""
    counts = sorted(Counter(words).items(), key=lambda each: (-each[1], each[0]))
    shown = [f"{word} {count}x" for word, count in counts[:_PEOPLE]]
    return ", ".join([*shown, "…"] if len(counts) > _PEOPLE else shown)


def _day(text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError as error:
        raise ConfigError("--day is no day", todo="Write it as 2026-10-14") from error


MonthOption = Annotated[
    str | None,
    typer.Option("--month", help="The month in Belgium, as 2026-10; else the last that has ended.", metavar="MONTH"),
]


_SAMPLE_SAY: Final[dict[str, dict[str, str]]] = {
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
    say = _SAMPLE_SAY[language]
    speak.out.print(say["head"].format(found.month.text, found.library, len(found.picks), found.looks, found.left))
    if found.picks:
        speak.out.print(_table(found, language))
        speak.out.print(say["seed"].format(found.seed.hex(), found.size))
    for each in overdue:
        speak.out.print(say["overdue"].format(each.month.text, each.left, each.of))


def _table(found: Sample, language: str) -> Table:
    say = _SAMPLE_SAY[language]
    shown = table(*_HEADS[language])
    for pick in found.picks:
        access = pick.access
        shown.add_row(
            str(access.seq),
            local_time.clock(access.at),
            access.actor.name,
            access.purpose,
            access.case,
            access.status,
            ", ".join(FLAGS[language].get(flag, flag) for flag in access.flags),
            say["risk" if pick.by_risk else "random"],
            "; ".join(f"{say[each.finding.value]} ({each.by}, {local_time.clock(each.at)})" for each in pick.decisions),
        )
    return shown


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
    voices().out.print(_SAMPLE_SAY[language]["signed"].format(places, left, when.text))


def _month(app: App, text: str | None) -> Month:
    if text is None:
        return app.oversight.samples.last()
    try:
        return Month.parse(text)
    except ValueError as error:
        raise ConfigError("--month is no month", todo="Write it as 2026-10") from error


NameOption = Annotated[
    str, typer.Option("--name", help="The name they act by, as they give it to --actor.", metavar="NAME")
]


_STAFF_SAY: Final = {
    "nl": {
        "ask": "Rijksregisternummer (niet getoond)",
        "added": "{} staat op de personeelslijst; van het nummer is alleen een sleutelwaarde bewaard.",
        "removed": "{} is van de personeelslijst geschrapt.",
        "empty": "De personeelslijst is leeg.",
    },
    "en": {
        "ask": "National number (not shown)",
        "added": "{} is on the list of staff; of the number only a keyed value is kept.",
        "removed": "{} was taken off the list of staff.",
        "empty": "The list of staff is empty.",
    },
}


def add(library: LibraryOption, name: NameOption, actor: ViewerOption = None, config: ConfigOption = None) -> None:
    """Put a member of staff on the list.

    The national number is asked for and not shown; without a terminal one line of standard input is read. It is kept as
    a keyed value only, which nobody can read back. Who added whom stands in the access log.

    Example: rrsync log staff add --library hasselt --name an.peeters
    """
    who, called = viewer(actor), short("--name", name)
    with opened(config) as app:
        chosen(app.settings, [library])
        say = _STAFF_SAY[app.settings.language]
        insz = typed(say["ask"], production=app.production)
        app.oversight.staff.add(library, called, insz, actor=who)
        voices().out.print(say["added"].format(called))


def remove(library: LibraryOption, name: NameOption, actor: ViewerOption = None, config: ConfigOption = None) -> None:
    """Take a member of staff off the list.

    Accesses that were marked before stay marked. Who removed whom stands in the access log.
    """
    who, called = viewer(actor), short("--name", name)
    with opened(config) as app:
        looked(app, [library])
        app.oversight.staff.remove(library, called, actor=who)
        voices().out.print(_STAFF_SAY[app.settings.language]["removed"].format(called))


def list_staff(
    library: LibraryOption, actor: ViewerOption = None, as_json: JsonOption = False, config: ConfigOption = None
) -> None:
    """Show the names on the list.

    Looking at it is an entry of the access log too.
    """
    speak, who = voices(), viewer(actor)
    with opened(config) as app:
        looked(app, [library])
        names = app.oversight.names(library, who)
        language = app.settings.language
    if as_json:
        speak.document(names)
        return
    for name in names or [_STAFF_SAY[language]["empty"]]:
        speak.out.print(name)
