"""``rrsync log digest``, ``sample`` and ``staff``: the review of accesses by a second person.

``digest`` summarises a day: the accesses that the rules of ``core.anomaly`` flag, and the overdue reviews. ``sample``
shows the monthly random sample and records the decisions of its reviewers. ``staff`` maintains the list of staff, from
which the rules recognise an access to one's own data or to a colleague's.
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
from rrsync.cli.context import acting_person, command_services, log_text, prompt_insz, select_libraries, viewing_person
from rrsync.cli.log import readable_logs
from rrsync.cli.log_queries import access_cells, access_document, access_heads, flag_texts
from rrsync.cli.options import ActorOption, ConfigOption, JsonOption, LibrariesOption, LibraryOption, ViewerOption
from rrsync.cli.output import Output, make_table, terminal_output
from rrsync.core.belgian_time import Month
from rrsync.core.log_entry import Access, Actor, ActorKind, stamp
from rrsync.core.review_sample import Finding
from rrsync.errors import ConfigError
from rrsync.text import local_time
from rrsync.text.catalogue import translated, translations
from rrsync.text.log_terms import FINDINGS, FLAGS

#: The number of people, and of entries per person, that a digest lists; it only counts the rest.
_MAX_PEOPLE: Final = 20
_MAX_ENTRIES: Final = 10

#: The actor when a timer mails the digest.
_TIMER: Final = Actor(ActorKind.PROCESS, "rrsync digest")

MonthOption = Annotated[
    str | None,
    typer.Option("--month", help="The month in Belgium (2026-10). Default: the last complete month.", metavar="MONTH"),
]
NameOption = Annotated[
    str, typer.Option("--name", help="The name under which the person acts, as in --actor.", metavar="NAME")
]
EPILOGS: Final = {
    "digest": "Example: rrsync log digest --day 2026-10-14",
    "list_sample": "Example: rrsync log sample list --library hasselt --month 2026-10",
    "sign": "Example: rrsync log sample sign 118 131 --library hasselt --decision justified --actor dpo",
    "add": "Example: rrsync log staff add --library hasselt --name an.peeters",
}


def digest(
    library: LibrariesOption = None,
    day: Annotated[
        str | None,
        typer.Option("--day", help="The day in Belgium (2026-10-14). Default: yesterday.", metavar="DAY"),
    ] = None,
    mail: Annotated[
        bool, typer.Option("--mail", help="Mail the digest to the mail anchor's mailbox instead of printing it.")
    ] = False,
    actor: ViewerOption = None,
    config: ConfigOption = None,
) -> None:
    """Summarise a day's notable accesses and overdue reviews.

    Rules flag an access by a person: many people queried the member, the person queried many members, their own record
    or a colleague, the library was closed, there was no ground, the case reference is unusual, the access was refused.
    The log records who reads the digest. With --mail, a timer sends it to the data-protection officer every morning.
    """
    who = _TIMER if mail and actor is None else viewing_person(actor)
    with command_services(config) as services:
        names = readable_logs(services, library)
        when = _day(day) if day is not None else services.digests.yesterday()
        mailbox = services.mailbox() if mail else None
        text = digest_text(when, services.oversight.digest(names, when, who), services.settings.language)
        if mailbox is None:
            terminal_output().result.print(text)
            return
        mailbox.send(f"rrsync: {text.partition(chr(10))[0]}", text + "\n")
        terminal_output().messages.print(f"Mailed to {mailbox.to}.")


def digest_text(day: date, digests: Sequence[Digest], language: str) -> str:
    """Return the digests of a day as one text, to print or to mail. It names staff, but none of the people queried."""
    _ = translations(language).gettext
    lines = [_("Access log, overview of %(day)s") % {"day": day.isoformat()}]
    for each in digests:
        lines += ["", *_digest_lines(each, language)]
    if any(each.flagged for each in digests):
        lines += ["", _("What stands out is a question, not a verdict. See `rrsync log show`.")]
    return "\n".join(lines)


def _digest_lines(found: Digest, language: str) -> Iterator[str]:
    _ = translations(language).gettext
    yield _summary(found, language)
    yield from (f"  {line}" for line in _flagged_lines(found.flagged, language))
    if found.refused:
        names = _counted(look.actor.name for look in found.refused)
        yield "  " + _("Refused attempts: %(names)s.") % {"names": names}
    if found.mixups:
        text = _("The register replied about somebody else, or with an invalid signature: %(places)s. None was used.")
        yield "  " + text % {"places": _entry_numbers(found.mixups, language)}
    yield from (f"  {_overdue_text(month, language)}" for month in found.overdue)


def _summary(found: Digest, language: str) -> str:
    """Return the number of accesses to a library's members, of people who made them, and of notable ones."""
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


def _overdue_text(month: Overdue, language: str) -> str:
    text = translations(language).gettext("Overdue: sample of %(month)s, %(left)s of %(of)s left to decide.")
    return text % {"month": month.month.text, "left": month.left, "of": month.of}


def _flagged_lines(flagged: Iterable[Access], language: str) -> Iterator[str]:
    """Yield a line for each person with flagged accesses, the person with the most first."""
    by_name: defaultdict[str, list[Access]] = defaultdict(list)
    for look in flagged:
        by_name[look.actor.name].append(look)
    people = sorted(by_name.items(), key=lambda each: (-len(each[1]), each[0]))
    for name, looks in people[:_MAX_PEOPLE]:
        why = _counted(translated(FLAGS, flag, language) for look in looks for flag in look.flags)
        yield f"{name} {len(looks)}x: {why} ({_entry_numbers(looks, language)})"
    if rest := people[_MAX_PEOPLE:]:
        count, times = len(rest), sum(len(looks) for _, looks in rest)
        text = translations(language).ngettext(
            "and %(num)s other, together %(times)sx", "and %(num)s others, together %(times)sx", count
        )
        yield text % {"num": count, "times": times}


def _entry_numbers(looks: Sequence[Access], language: str) -> str:
    places = ", ".join(str(look.seq) for look in looks[:_MAX_ENTRIES])
    entry = translations(language).gettext("entry")
    return f"{entry} {places}{', …' if len(looks) > _MAX_ENTRIES else ''}"


def _counted(words: Iterable[str]) -> str:
    """Return each word with the number of its occurrences, the most frequent first."""
    counts = sorted(Counter(words).items(), key=lambda each: (-each[1], each[0]))
    shown = [f"{word} {count}x" for word, count in counts[:_MAX_PEOPLE]]
    return ", ".join([*shown, "…"] if len(counts) > _MAX_PEOPLE else shown)


def _day(text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError as error:
        raise ConfigError("--day is not a day", todo="Write it as 2026-10-14") from error


def list_sample(
    library: LibraryOption,
    month: MonthOption = None,
    actor: ViewerOption = None,
    as_json: JsonOption = False,
    config: ConfigOption = None,
) -> None:
    """Show a month's sample and its decisions.

    The list also names the overdue months. The seed of the sample comes from the log itself, so that nobody can choose
    the accesses and anyone can draw them again. One half is drawn uniformly; in the other half flagged accesses weigh
    more. The log records who reads the sample.
    """
    output, who = terminal_output(), viewing_person(actor)
    with command_services(config) as services:
        readable_logs(services, [library])
        found = services.oversight.sample(library, _month(services, month), who)
        overdue = services.samples.overdue(library)
        language = services.settings.language
    if as_json:
        output.print_json(_sample_document(found, overdue))
    else:
        _print_sample(output, found, overdue, language)


def _sample_document(found: Sample, overdue: Sequence[Overdue]) -> dict[str, object]:
    return {
        "library": found.library,
        "month": found.month.text,
        "seed": found.seed.hex(),
        "entries": found.size,
        "accesses": found.looks,
        "left": found.left,
        "overdue": [{"month": each.month.text, "left": each.left, "of": each.of} for each in overdue],
        "sample": [_pick_document(pick) for pick in found.picks],
    }


def _pick_document(pick: Pick) -> dict[str, object]:
    decisions = [_decision_document(each) for each in pick.decisions]
    return access_document(pick.access) | {"drawn": "risk" if pick.by_risk else "random", "decisions": decisions}


def _decision_document(each: Decision) -> dict[str, object]:
    return {"seq": each.seq, "at": stamp(each.at), "by": each.by, "decision": each.finding.value}


def _print_sample(output: Output, found: Sample, overdue: Sequence[Overdue], language: str) -> None:
    _ = translations(language).gettext
    text = _(
        "Sample of %(month)s for %(library)s: %(picks)s of the %(looks)s accesses by persons; %(left)s left to decide."
    )
    counts = {"picks": len(found.picks), "looks": found.looks, "left": found.left}
    output.result.print(text % ({"month": found.month.text, "library": found.library} | counts))
    if found.picks:
        output.result.print(_sample_table(found, language))
        text = _(
            "The seed is %(seed)s, from the first %(size)s entries of the log: the same draw gives the same sample."
        )
        output.result.print(text % {"seed": found.seed.hex(), "size": found.size})
    for each in overdue:
        output.result.print(_overdue_text(each, language))


def _sample_table(found: Sample, language: str) -> Table:
    _ = translations(language).gettext
    table = make_table(*access_heads(language), _("stands out"), _("drawn by"), _("decided"))
    for pick in found.picks:
        drawn = _("risk") if pick.by_risk else _("lot")
        decided = "; ".join(_decided(each, language) for each in pick.decisions)
        table.add_row(*access_cells(pick.access), flag_texts(pick.access, language), drawn, decided)
    return table


def _decided(each: Decision, language: str) -> str:
    return f"{translated(FINDINGS, each.finding, language)} ({each.by}, {local_time.clock(each.at)})"


def sign(
    entries: Annotated[
        list[int], typer.Argument(help="The numbers of the entries in the list.", metavar="ENTRY...", min=0)
    ],
    library: LibraryOption,
    decision: Annotated[
        Finding, typer.Option("--decision", help="The decision.", metavar="|".join(Finding), case_sensitive=False)
    ],
    actor: ActorOption,
    month: MonthOption = None,
    config: ConfigOption = None,
) -> None:
    """Record a decision on entries of a month's sample.

    A reviewer must not be the actor of any access in the sample. Each decision is an entry of the access log. A second
    reviewer can decide again: both decisions stay, and the last one counts.
    """
    who = acting_person(actor)
    with command_services(config) as services:
        readable_logs(services, [library])
        when, samples = _month(services, month), services.samples
        samples.sign(library, when, entries, decision, who)
        left = samples.of(library, when).left
        language = services.settings.language
    places = ", ".join(str(seq) for seq in dict.fromkeys(entries))
    text = translations(language).gettext("Signed: %(entries)s. %(left)s left to decide in the sample of %(month)s.")
    terminal_output().result.print(text % {"entries": places, "left": left, "month": when.text})


def _month(services: Services, text: str | None) -> Month:
    if text is None:
        return services.samples.last()
    try:
        return Month.parse(text)
    except ValueError as error:
        raise ConfigError("--month is not a month", todo="Write it as 2026-10") from error


def add(library: LibraryOption, name: NameOption, actor: ViewerOption = None, config: ConfigOption = None) -> None:
    """Add a member of staff to the list.

    The command asks for the national number without showing it; without a terminal it reads one line of standard input.
    Only a keyed hash of the number is stored. The log records the change and the actor.
    """
    who, called = viewing_person(actor), log_text("--name", name)
    with command_services(config) as services:
        select_libraries(services.settings, [library])
        _ = translations(services.settings.language).gettext
        insz = prompt_insz(_("National number (not shown)"), production=services.production)
        services.staff.add(library, called, insz, actor=who)
        text = _("%(name)s is on the list of staff; only a keyed value of the number is kept.")
        terminal_output().result.print(text % {"name": called})


def remove(library: LibraryOption, name: NameOption, actor: ViewerOption = None, config: ConfigOption = None) -> None:
    """Remove a member of staff from the list.

    Accesses that are flagged already stay flagged. The log records the change and the actor.
    """
    who, called = viewing_person(actor), log_text("--name", name)
    with command_services(config) as services:
        readable_logs(services, [library])
        services.staff.remove(library, called, actor=who)
        text = translations(services.settings.language).gettext("%(name)s was removed from the list of staff.")
        terminal_output().result.print(text % {"name": called})


def list_staff(
    library: LibraryOption, actor: ViewerOption = None, as_json: JsonOption = False, config: ConfigOption = None
) -> None:
    """Show the names on the list.

    The log records who reads the list.
    """
    output, who = terminal_output(), viewing_person(actor)
    with command_services(config) as services:
        readable_logs(services, [library])
        names = services.oversight.names(library, who)
        language = services.settings.language
    if as_json:
        output.print_json(names)
        return
    for name in names or [translations(language).gettext("The list of staff is empty.")]:
        output.result.print(name)
