"""``rrsync log digest``: what stood out on a day, in words for the data-protection officer, short enough to print."""

from __future__ import annotations

from collections import Counter, defaultdict
from datetime import date
from typing import TYPE_CHECKING, Annotated, Final

import typer

from rrsync.cli.actor import ViewerOption, viewer
from rrsync.cli.context import ConfigOption, opened, voices
from rrsync.cli.log import LibrariesOption, looked
from rrsync.core.entry import Actor, ActorKind
from rrsync.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from rrsync.audit.digest import Digest
    from rrsync.core.access import Access

#: How many people, and how many entries of one, a digest names before it only counts them.
_PEOPLE: Final = 20
_ENTRIES: Final = 10

#: What a flag says, in few words.
FLAGS: Final[dict[str, dict[str, str]]] = {
    "nl": {
        "many_staff": "door velen opgezocht",
        "many_lookups": "veel opzoekingen",
        "own_record": "eigen gegevens",
        "colleague": "een collega",
        "outside_hours": "buiten de openingsuren",
        "no_ground": "geen aanleiding",
        "odd_case": "vreemd dossiernummer",
        "refused": "geweigerd",
        "many_refused": "vaak geweigerd",
    },
    "en": {
        "many_staff": "looked up by many",
        "many_lookups": "many lookups",
        "own_record": "own record",
        "colleague": "a colleague",
        "outside_hours": "outside opening hours",
        "no_ground": "no ground",
        "odd_case": "odd case reference",
        "refused": "refused",
        "many_refused": "refused often",
    },
}

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
    """Give the digests of a day as one text, to print or to mail; it names staff, and no person looked up."""
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
    """Give a line for each person whose looks stand out, who most first."""
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
    """Give each word with how often it came, the most frequent first."""
    counts = sorted(Counter(words).items(), key=lambda each: (-each[1], each[0]))
    shown = [f"{word} {count}x" for word, count in counts[:_PEOPLE]]
    return ", ".join([*shown, "…"] if len(counts) > _PEOPLE else shown)


def _day(text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError as error:
        raise ConfigError("--day is no day", todo="Write it as 2026-10-14") from error
