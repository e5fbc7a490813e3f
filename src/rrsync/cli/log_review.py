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

from rrsync.app.services import Services
from rrsync.audit.oversight import Digest
from rrsync.audit.sample import Decision, Overdue, Pick, Sample
from rrsync.cli.context import Voices, chosen, opened, person, short, table, typed, viewer, voices
from rrsync.cli.log import LibrariesOption, looked
from rrsync.cli.log_queries import document
from rrsync.cli.options import ActorOption, ConfigOption, JsonOption, LibraryOption, ViewerOption
from rrsync.core.belgian_time import Month
from rrsync.core.log_entry import Access, Actor, ActorKind, stamp
from rrsync.core.review_sample import Finding
from rrsync.errors import ConfigError
from rrsync.text import local_time
from rrsync.text.catalogue import translated, translations
from rrsync.text.log_terms import FINDINGS, FLAGS

#: How many people, and how many entries of one, a digest names before it only counts them.
_PEOPLE: Final = 20
_ENTRIES: Final = 10

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
    with opened(config) as services:
        names = looked(services, library)
        when = _day(day) if day is not None else services.digests.yesterday()
        mailbox = services.mailbox() if mail else None
        text = digest_text(when, services.oversight.digest(names, when, who), services.settings.language)
        if mailbox is None:
            voices().out.print(text)
            return
        mailbox.send(f"rrsync: {text.partition(chr(10))[0]}", text + "\n")
        voices().err.print(f"Mailed to {mailbox.to}.")


def digest_text(day: date, digests: Sequence[Digest], language: str) -> str:
    """Return the digests of a day as one text, to print or to mail; it names staff, and no person looked up."""
    _ = translations(language).gettext
    lines = [_("Access log, overview of %(day)s") % {"day": day.isoformat()}]
    for each in digests:
        lines += ["", *_library(each, language)]
    if any(each.flagged for each in digests):
        lines += ["", _("What stands out is a question, not a verdict. See `rrsync log show`.")]
    return "\n".join(lines)


def _library(found: Digest, language: str) -> Iterator[str]:
    _ = translations(language).gettext
    yield _summary(found, language)
    yield from (f"  {line}" for line in _people(found.flagged, language))
    if found.refused:
        names = _counted(look.actor.name for look in found.refused)
        yield "  " + _("Refused attempts: %(names)s.") % {"names": names}
    if found.mixups:
        text = _("The register replied about somebody else, or with an invalid signature: %(places)s. None was used.")
        yield "  " + text % {"places": _places(found.mixups, language)}
    yield from (f"  {_late(month, language)}" for month in found.overdue)


def _summary(found: Digest, language: str) -> str:
    """Return how many accesses a library had, by how many people, and how many stand out."""
    say = translations(language)
    if not found.looks and not found.flagged:
        return say.gettext("%(library)s: nobody queried anything.") % {"library": found.library}
    looks = say.ngettext("%(num)s access", "%(num)s accesses", found.looks) % {"num": found.looks}
    people = say.ngettext("by %(num)s person", "by %(num)s people", found.people) % {"num": found.people}
    flagged = len(found.flagged)
    if flagged:
        notable = say.ngettext("%(num)s stands out", "%(num)s stand out", flagged) % {"num": flagged}
    else:
        notable = say.gettext("nothing stands out")
    return f"{found.library}: {looks} {people}; {notable}."


def _late(month: Overdue, language: str) -> str:
    text = translations(language).gettext("Overdue: sample of %(month)s, %(left)s of %(of)s left to decide.")
    return text % {"month": month.month.text, "left": month.left, "of": month.of}


def _people(flagged: Iterable[Access], language: str) -> Iterator[str]:
    """Yield a line for each person whose accesses stand out, the most first."""
    by_name: defaultdict[str, list[Access]] = defaultdict(list)
    for look in flagged:
        by_name[look.actor.name].append(look)
    people = sorted(by_name.items(), key=lambda each: (-len(each[1]), each[0]))
    for name, looks in people[:_PEOPLE]:
        why = _counted(translated(FLAGS, flag, language) for look in looks for flag in look.flags)
        yield f"{name} {len(looks)}x: {why} ({_places(looks, language)})"
    if rest := people[_PEOPLE:]:
        count, times = len(rest), sum(len(looks) for _, looks in rest)
        text = translations(language).ngettext(
            "and %(num)s other, together %(times)sx", "and %(num)s others, together %(times)sx", count
        )
        yield text % {"num": count, "times": times}


def _places(looks: Sequence[Access], language: str) -> str:
    places = ", ".join(str(look.seq) for look in looks[:_ENTRIES])
    entry = translations(language).gettext("entry")
    return f"{entry} {places}{', …' if len(looks) > _ENTRIES else ''}"


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
    with opened(config) as services:
        looked(services, [library])
        found = services.oversight.sample(library, _month(services, month), who)
        overdue = services.samples.overdue(library)
        language = services.settings.language
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
    _ = translations(language).gettext
    text = _(
        "Sample of %(month)s for %(library)s: %(picks)s of the %(looks)s accesses by persons; %(left)s left to decide."
    )
    counts = {"picks": len(found.picks), "looks": found.looks, "left": found.left}
    speak.out.print(text % ({"month": found.month.text, "library": found.library} | counts))
    if found.picks:
        speak.out.print(_table(found, language))
        text = _(
            "The seed is %(seed)s, from the first %(size)s entries of the log: the same draw gives the same sample."
        )
        speak.out.print(text % {"seed": found.seed.hex(), "size": found.size})
    for each in overdue:
        speak.out.print(_late(each, language))


def _table(found: Sample, language: str) -> Table:
    _ = translations(language).gettext
    heads = (_("entry"), _("when"), _("who"), _("why"), _("case"), _("outcome"))
    shown = table(*heads, _("stands out"), _("drawn by"), _("decided"))
    for pick in found.picks:
        access = pick.access
        shown.add_row(
            str(access.seq),
            local_time.clock(access.at),
            access.actor.name,
            access.purpose,
            access.case,
            access.status,
            ", ".join(translated(FLAGS, flag, language) for flag in access.flags),
            _("risk") if pick.by_risk else _("lot"),
            "; ".join(_decided(each, language) for each in pick.decisions),
        )
    return shown


def _decided(each: Decision, language: str) -> str:
    return f"{translated(FINDINGS, each.finding, language)} ({each.by}, {local_time.clock(each.at)})"


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
    with opened(config) as services:
        looked(services, [library])
        when, samples = _month(services, month), services.samples
        samples.sign(library, when, entries, decision, who)
        left = samples.of(library, when).left
        language = services.settings.language
    places = ", ".join(str(seq) for seq in dict.fromkeys(entries))
    text = translations(language).gettext("Signed: %(entries)s. %(left)s left to decide in the sample of %(month)s.")
    voices().out.print(text % {"entries": places, "left": left, "month": when.text})


def _month(services: Services, text: str | None) -> Month:
    if text is None:
        return services.samples.last()
    try:
        return Month.parse(text)
    except ValueError as error:
        raise ConfigError("--month is no month", todo="Write it as 2026-10") from error


NameOption = Annotated[
    str, typer.Option("--name", help="The name they act by, as they give it to --actor.", metavar="NAME")
]


def add(library: LibraryOption, name: NameOption, actor: ViewerOption = None, config: ConfigOption = None) -> None:
    """Put a member of staff on the list.

    The national number is asked for and not shown; without a terminal one line of standard input is read. It is kept as
    a keyed value only, which nobody can read back. Who added whom stands in the access log.

    Example: rrsync log staff add --library hasselt --name an.peeters
    """
    who, called = viewer(actor), short("--name", name)
    with opened(config) as services:
        chosen(services.settings, [library])
        _ = translations(services.settings.language).gettext
        insz = typed(_("National number (not shown)"), production=services.production)
        services.staff.add(library, called, insz, actor=who)
        text = _("%(name)s is on the list of staff; only a keyed value of the number is kept.")
        voices().out.print(text % {"name": called})


def remove(library: LibraryOption, name: NameOption, actor: ViewerOption = None, config: ConfigOption = None) -> None:
    """Take a member of staff off the list.

    Accesses that were marked before stay marked. Who removed whom stands in the access log.
    """
    who, called = viewer(actor), short("--name", name)
    with opened(config) as services:
        looked(services, [library])
        services.staff.remove(library, called, actor=who)
        text = translations(services.settings.language).gettext("%(name)s was removed from the list of staff.")
        voices().out.print(text % {"name": called})


def list_staff(
    library: LibraryOption, actor: ViewerOption = None, as_json: JsonOption = False, config: ConfigOption = None
) -> None:
    """Show the names on the list.

    Looking at it is an entry of the access log too.
    """
    speak, who = voices(), viewer(actor)
    with opened(config) as services:
        looked(services, [library])
        names = services.oversight.names(library, who)
        language = services.settings.language
    if as_json:
        speak.document(names)
        return
    for name in names or [translations(language).gettext("The list of staff is empty.")]:
        speak.out.print(name)
