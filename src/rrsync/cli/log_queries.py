"""``rrsync log show``, ``who`` and ``evidence``: read accesses from the log, for officers and for citizens.

Every command records in the log who read it, about whom and why. ``who`` writes the letter to a citizen who exercises
the right of access (GDPR, art. 15). People appear as pseudonyms; only ``evidence`` writes personal data, to a file.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Final

import typer

from rrsync.app.services import Services
from rrsync.audit.review import PersonAccesses
from rrsync.cli.context import command_services, log_text, prompt_insz, viewing_person
from rrsync.cli.log import read_entry, readable_logs
from rrsync.cli.options import (
    ConfigOption,
    EntryArgument,
    JsonOption,
    LibrariesOption,
    LibraryOption,
    ReasonOption,
    SinceOption,
    UntilOption,
    ViewerOption,
)
from rrsync.cli.output import Output, line_writer, make_table, printable, terminal_output
from rrsync.core.insz import Insz
from rrsync.core.log_entry import DENIED, OPEN, REUSED, Access, Status, actor_json, stamp
from rrsync.errors import ConfigError
from rrsync.store.log_search import AccessFilter
from rrsync.text import local_time
from rrsync.text.catalogue import translated, translations
from rrsync.text.log_terms import FLAGS

_MOST: Final = 10_000
_OUTCOMES: Final = (*(status.value for status in Status), DENIED, OPEN, REUSED)
_PSEUDONYM_LENGTH: Final = 8  # enough characters to tell people apart in a table
EPILOGS: Final = {
    "show": "Example: rrsync log show --library hasselt --member M000123 --since 2026-01-01",
    "evidence": 'Example: rrsync log evidence 118 --library hasselt --to 118.txt --reason "complaint 2026-4"',
    "who": "Example: rrsync log who --language nl --to letter.txt",
}


def show(  # noqa: PLR0913 — the options of a command
    *,
    library: LibraryOption,
    member: Annotated[str | None, typer.Option("--member", help="Only about this member.", metavar="MEMBER_NO")] = None,
    staff: Annotated[
        str | None, typer.Option("--staff", help="Only by this member of staff, by name.", metavar="NAME")
    ] = None,
    purpose: Annotated[str | None, typer.Option("--purpose", help="Only for this purpose.", metavar="CODE")] = None,
    outcome: Annotated[
        str | None,
        typer.Option("--outcome", help=f"Only with this outcome: {', '.join(_OUTCOMES)}.", metavar="STATUS"),
    ] = None,
    since: SinceOption = None,
    until: UntilOption = None,
    last: Annotated[
        int, typer.Option("--last", min=1, max=_MOST, help="At most this number, the most recent.", metavar="N")
    ] = 50,
    raw: Annotated[
        bool,
        typer.Option("--raw", help="The exact bytes of every kind of entry; only with --member and --last."),
    ] = False,
    actor: ViewerOption = None,
    as_json: JsonOption = False,
    config: ConfigOption = None,
) -> None:
    """Show who queried whom, why, and with what result.

    Each line is one question to the register with its outcome. People appear as pseudonyms. --member selects the
    accesses to one member. Times are in Belgian time. The log also records its readers, every run and every change:
    --raw shows all entries.
    """
    output, who = terminal_output(), viewing_person(actor)
    wanted = AccessFilter(
        library,
        actor=_filter_text("--staff", staff),
        purpose=_filter_text("--purpose", purpose),
        status=_outcome(outcome),
        since=local_time.since(since),
        until=local_time.until(until),
        last=last,
    )
    if raw and wanted != AccessFilter(library, last=last):
        raise ConfigError("--raw combines only with --member and --last", todo="Leave the other options out")
    with command_services(config) as services:
        readable_logs(services, [library])
        about = _numbers(services, library, member)
        review = services.review()
        if raw:
            _print_raw(output, library, review.entries(library, who, last=last, about=about), as_json=as_json)
            return
        accesses = review.look(wanted, who, about=about)
        language = services.settings.language
    if as_json:
        output.print_json([access_document(access) for access in accesses])
    else:
        _print_accesses(output, accesses, language, last)


def _filter_text(option: str, text: str | None) -> str:
    return "" if text is None else log_text(option, text)


def _outcome(text: str | None) -> str:
    if text is not None and text not in _OUTCOMES:
        raise ConfigError(f"--outcome must be one of {', '.join(_OUTCOMES)}", kept="Nothing was queried")
    return text or ""


def _numbers(services: Services, library: str, member: str | None) -> list[Insz]:
    """Return the present and former national numbers of a member."""
    if member is None:
        return []
    numbers = services.members.numbers(library, member)
    if not numbers:
        raise ConfigError("The library has no such member with a national number", todo="Check the member number")
    return numbers


def _print_raw(output: Output, library: str, entries: Sequence[tuple[int, bytes]], *, as_json: bool) -> None:
    lines = [{"seq": seq, **read_entry(library, seq, data)} for seq, data in entries]
    if as_json:
        output.print_json(lines)
        return
    for _, data in entries:
        output.result.file.write(data.decode() + "\n")


def _print_accesses(output: Output, accesses: Sequence[Access], language: str, last: int) -> None:
    _ = translations(language).gettext
    if not accesses:
        output.result.print(_("Nothing was found."))
        return
    table = make_table(*access_heads(language), _("result"), _("stands out"), _("about"), _("reference"))
    for access in accesses:
        result = _result(access, language) or access.denial
        pseudonym = access.subject[:_PSEUDONYM_LENGTH]
        table.add_row(*access_cells(access), result, flag_texts(access, language), pseudonym, access.reference)
    output.result.print(table)
    if len(accesses) == last:
        output.messages.print(_("These are the last %(count)s; --last shows more.") % {"count": last})


def access_heads(language: str) -> tuple[str, ...]:
    """Return the heads of the columns of ``access_cells``."""
    _ = translations(language).gettext
    return _("entry"), _("when"), _("who"), _("why"), _("case"), _("outcome")


def access_cells(access: Access) -> tuple[str, ...]:
    """Return the cells with which every table of accesses begins."""
    at = local_time.clock(access.at)
    return str(access.seq), at, access.actor.name, access.purpose, access.case, access.status


def flag_texts(access: Access, language: str) -> str:
    """Return the flags of an access as one cell."""
    return ", ".join(translated(FLAGS, flag, language) for flag in access.flags)


def _result(access: Access, language: str) -> str:
    _ = translations(language).gettext
    verdict = ": ".join(part for part in (access.verdict, access.hold) if part)
    if access.is_preview or access.is_offered:
        how = _("preview") if access.is_preview else _("offered")
        return f"{verdict} ({how})"
    return verdict


def access_document(access: Access) -> dict[str, object]:
    """Return an access for a JSON document; times are RFC 3339 in UTC, as in the entries."""
    document: dict[str, object] = asdict(access)
    document["preview"], document["offered"] = document.pop("is_preview"), document.pop("is_offered")
    ended = None if access.ended_at is None else stamp(access.ended_at)
    return document | {"at": stamp(access.at), "ended_at": ended, "actor": actor_json(access.actor)}


def evidence(
    entry: EntryArgument,
    library: LibraryOption,
    to: Annotated[Path, typer.Option("--to", help="The file to write.", metavar="FILE")],
    reason: ReasonOption,
    actor: ViewerOption = None,
    config: ConfigOption = None,
) -> None:
    """Write the full request and reply of one access.

    The setting [log] evidence selects the accesses whose messages are stored: those that failed, mix-ups only, or all.
    They are encrypted under the key of their year. The file contains personal data and is readable by you alone. The
    log records the actor and the reason.
    """
    output, who, why = terminal_output(), viewing_person(actor), log_text("--reason", reason)
    with command_services(config) as services:
        readable_logs(services, [library])
        kept = services.review().evidence(library, entry, who, reason=why)
        _ = translations(services.settings.language).gettext
    lines = list(kept.lines())
    with line_writer(to) as write:
        for line in lines:
            write(line)
    text = _("The messages of entry %(entry)s are in %(file)s. They hold personal data: destroy the file after use.")
    output.result.print(text % {"entry": kept.access.seq, "file": printable(to)})


class Language(StrEnum):
    """The languages of a letter."""

    NL = "nl"
    EN = "en"


def who(
    library: LibrariesOption = None,
    language: Annotated[
        Language | None, typer.Option("--language", help="The letter's language: nl or en. Default: the settings'.")
    ] = None,
    to: Annotated[Path | None, typer.Option("--to", help="Write the letter to this file.", metavar="FILE")] = None,
    actor: ViewerOption = None,
    as_json: JsonOption = False,
    config: ConfigOption = None,
) -> None:
    """Tell a citizen who queried their data.

    The command asks for the citizen's national number without showing it; without a terminal it reads one line of
    standard input. The answer is a letter: for each access when, for which library, by whom, why, on what legal basis,
    which fields and with what result; also the failed and refused accesses, and who read the log. The letter does not
    contain the number. The log records the request.
    """
    from rrsync.audit.letter import Letter  # noqa: PLC0415 — it imports fpdf, which no other command needs

    output, by = terminal_output(), viewing_person(actor)
    with command_services(config) as services:
        libraries = readable_logs(services, library)
        _ = translations(services.settings.language).gettext
        insz = prompt_insz(_("National number of the person who asks (not shown)"), production=services.production)
        names = {each.id: each.name for each in services.settings.library}
        answers = services.review().who(libraries, by, insz)
        now = services.runtime.clock()
        letter = Letter(names, (language or Language(services.settings.language)).value)
    text = letter.write(answers, now)
    if to is not None:
        with line_writer(to) as write:
            write(text.removesuffix("\n").encode())
    if as_json:
        output.print_json({"on": stamp(now), "libraries": [_answer_document(each, names) for each in answers]})
    elif to is None:
        output.result.file.write(text)
    else:
        output.result.print(_("The letter is in %(file)s.") % {"file": printable(to)})


def _answer_document(answer: PersonAccesses, names: Mapping[str, str]) -> dict[str, object]:
    """Return the answer of one log for a JSON document, without the encrypted numbers."""
    return {
        "library": answer.library,
        "name": names.get(answer.library, ""),
        "entry": answer.seq,
        "forgotten": answer.forgotten,
        "accesses": [access_document(access) for access in answer.accesses],
        "others": [
            {name: value for name, value in line.items() if name != "subj"} | {"seq": seq} for seq, line in answer.deeds
        ],
    }
