"""``rrsync log who``: the answer to a citizen who asks who looked them up (GDPR, art. 15).

``rrsync log show`` and ``rrsync log evidence``: who looked at whom; every look at that is in the log too.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Final

import typer

from rrsync.app.services import Services
from rrsync.audit.letter import Letter
from rrsync.audit.review import PersonAccesses
from rrsync.cli.context import Voices, opened, short, table, typed, viewer, voices
from rrsync.cli.log import LibrariesOption, looked, read
from rrsync.cli.member_file import shown
from rrsync.cli.options import ConfigOption, JsonOption, LibraryOption, SinceOption, UntilOption, ViewerOption
from rrsync.cli.output import replacing_lines
from rrsync.core.insz import Insz
from rrsync.core.log_entry import DENIED, OPEN, REUSED, Access, Status, actor_json, stamp
from rrsync.errors import ConfigError
from rrsync.store.log_search import AccessFilter
from rrsync.text import local_time
from rrsync.text.catalogue import translated, translations
from rrsync.text.log_terms import FLAGS

_MOST: Final = 10_000
_OUTCOMES: Final = (*(status.value for status in Status), DENIED, OPEN, REUSED)
_PSEUDONYM: Final = 8  # as many signs of it as tell people apart at a glance


def show(  # noqa: PLR0913 — a door's options
    *,
    library: LibraryOption,
    member: Annotated[str | None, typer.Option("--member", help="Only about this member.", metavar="MEMBER_NO")] = None,
    staff: Annotated[
        str | None, typer.Option("--staff", help="Only by this member of staff, by name.", metavar="NAME")
    ] = None,
    purpose: Annotated[str | None, typer.Option("--purpose", help="Only for this purpose.", metavar="CODE")] = None,
    outcome: Annotated[
        str | None,
        typer.Option("--outcome", help=f"Only what ended so: {', '.join(_OUTCOMES)}.", metavar="STATUS"),
    ] = None,
    since: SinceOption = None,
    until: UntilOption = None,
    last: Annotated[
        int, typer.Option("--last", min=1, max=_MOST, help="Only the last so many that fit.", metavar="N")
    ] = 50,
    raw: Annotated[
        bool,
        typer.Option("--raw", help="Every kind of entry, byte for byte, one a line; with --member and --last alone."),
    ] = False,
    actor: ViewerOption = None,
    as_json: JsonOption = False,
    config: ConfigOption = None,
) -> None:
    """Show who looked at whom, why, and what came of it.

    One line for each question to the register, with its outcome. People stand in it as pseudonyms only. With --member
    it shows the looks at one member, whoever asked. Times are Belgian, typed and shown. Who looks is in the log too, as
    every run and every change is: --raw shows those.

    Example: rrsync log show --library hasselt --member M000123 --since 2026-01-01
    """
    speak, who = voices(), viewer(actor)
    wanted = AccessFilter(
        library,
        actor=_said("--staff", staff),
        purpose=_said("--purpose", purpose),
        status=_outcome(outcome),
        since=local_time.since(since),
        until=local_time.until(until),
        last=last,
    )
    if raw and wanted != AccessFilter(library, last=last):
        raise ConfigError("--raw goes with --member and --last alone", todo="Leave the other options out")
    with opened(config) as services:
        looked(services, [library])
        about = _numbers(services, library, member)
        review = services.review()
        if raw:
            _show_raw(speak, library, review.entries(library, who, last=last, about=about), as_json=as_json)
            return
        looks = review.look(wanted, who, about=about)
        language = services.settings.language
    if as_json:
        speak.document([document(look) for look in looks])
    else:
        _show(speak, looks, language, last)


def _said(option: str, text: str | None) -> str:
    return "" if text is None else short(option, text)


def _outcome(text: str | None) -> str:
    if text is not None and text not in _OUTCOMES:
        raise ConfigError(f"--outcome is none of {', '.join(_OUTCOMES)}", kept="Nothing was looked up")
    return text or ""


def _numbers(services: Services, library: str, member: str | None) -> list[Insz]:
    if member is None:
        return []
    numbers = services.members.numbers(library, member)
    if not numbers:
        raise ConfigError("The library has no such member with a national number", todo="Check the member number")
    return numbers


def _show_raw(speak: Voices, library: str, entries: Sequence[tuple[int, bytes]], *, as_json: bool) -> None:
    lines = [{"seq": seq, **read(library, seq, data)} for seq, data in entries]
    if as_json:
        speak.document(lines)
        return
    for _, data in entries:
        speak.out.file.write(data.decode() + "\n")


def _show(speak: Voices, looks: Sequence[Access], language: str, last: int) -> None:
    _ = translations(language).gettext
    if not looks:
        speak.out.print(_("Nothing was found."))
        return
    heads = (_("entry"), _("when"), _("who"), _("why"), _("case"), _("outcome"))
    listed = table(*heads, _("result"), _("stands out"), _("about"), _("reference"))
    for look in looks:
        listed.add_row(
            str(look.seq),
            local_time.clock(look.at),
            look.actor.name,
            look.purpose,
            look.case,
            look.status,
            _result(look, language) or look.denial,
            ", ".join(translated(FLAGS, flag, language) for flag in look.flags),
            look.subject[:_PSEUDONYM],
            look.reference,
        )
    speak.out.print(listed)
    if len(looks) == last:
        text = _("These are the last %(count)s; --last shows more.")
        speak.err.print(text % {"count": last})


def _result(look: Access, language: str) -> str:
    _ = translations(language).gettext
    verdict = ": ".join(part for part in (look.verdict, look.hold) if part)
    if look.is_preview or look.is_offered:
        how = _("preview") if look.is_preview else _("offered")
        return f"{verdict} ({how})"
    return verdict


def document(look: Access) -> dict[str, object]:
    """Return a look for a JSON document; its moments are RFC 3339 in UTC, as in the entries."""
    said: dict[str, object] = asdict(look)
    said["preview"], said["offered"] = said.pop("is_preview"), said.pop("is_offered")
    ended = None if look.ended_at is None else stamp(look.ended_at)
    return said | {"at": stamp(look.at), "ended_at": ended, "actor": actor_json(look.actor)}


def evidence(
    entry: Annotated[int, typer.Argument(min=0, help="The entry, by its number in the log.", metavar="ENTRY")],
    library: LibraryOption,
    to: Annotated[Path, typer.Option("--to", help="The file to write.", metavar="FILE")],
    reason: Annotated[str, typer.Option("--reason", help="Why: it goes into the log.", metavar="TEXT")],
    actor: ViewerOption = None,
    config: ConfigOption = None,
) -> None:
    """Write the whole request and reply of one access.

    They are kept of the accesses that failed, of all or of none, as [log] evidence says, and are readable while the key
    of their year is there. The file holds a person's data and is readable by you alone. Who took it, and why, is in the
    log.

    Example: rrsync log evidence 118 --library hasselt --to 118.txt --reason "complaint 2026-4"
    """
    speak, who, why = voices(), viewer(actor), short("--reason", reason)
    with opened(config) as services:
        looked(services, [library])
        kept = services.review().evidence(library, entry, who, reason=why)
        _ = translations(services.settings.language).gettext
    lines = list(kept.lines())
    with replacing_lines(to) as write:
        for line in lines:
            write(line)
    text = _("The messages of entry %(entry)s are in %(file)s. They hold personal data: destroy the file after use.")
    speak.out.print(text % {"entry": kept.access.seq, "file": shown(to)})


class Language(StrEnum):
    """The languages that a letter can be in."""

    NL = "nl"
    EN = "en"


def who(
    library: LibrariesOption = None,
    language: Annotated[
        Language | None, typer.Option("--language", help="The letter's: nl or en; else that of the settings.")
    ] = None,
    to: Annotated[Path | None, typer.Option("--to", help="Write the letter to this file.", metavar="FILE")] = None,
    actor: ViewerOption = None,
    as_json: JsonOption = False,
    config: ConfigOption = None,
) -> None:
    """Answer a citizen who asks who looked them up.

    Their national number is asked for and not shown; without a terminal one line of standard input is read. The answer
    is a plain letter: when, for which library, who, why, on what ground, which fields, what came of it, also of what
    failed or was refused, and who looked in the log. The number is not in it. That it was asked is in the log too.

    Example: rrsync log who --language nl --to letter.txt
    """
    speak, by = voices(), viewer(actor)
    with opened(config) as services:
        libraries = looked(services, library)
        _ = translations(services.settings.language).gettext
        insz = typed(_("National number of the person who asks (not shown)"), production=services.production)
        names = {each.id: each.name for each in services.settings.library}
        told = services.review().who(libraries, by, insz)
        now, tongue = services.runtime.clock(), (language or Language(services.settings.language)).value
    text = Letter(names, tongue).write(told, now)
    if to is not None:
        with replacing_lines(to) as write:
            write(text.removesuffix("\n").encode())
    if as_json:
        speak.document({"on": stamp(now), "libraries": [_document(each, names) for each in told]})
    elif to is None:
        speak.out.file.write(text)
    else:
        speak.out.print(_("The letter is in %(file)s.") % {"file": shown(to)})


def _document(told: PersonAccesses, names: Mapping[str, str]) -> dict[str, object]:
    """Return what a log says for a JSON document; the sealed numbers are left out."""
    return {
        "library": told.library,
        "name": names.get(told.library, ""),
        "entry": told.seq,
        "forgotten": told.forgotten,
        "accesses": [document(look) for look in told.accesses],
        "others": [
            {name: value for name, value in line.items() if name != "subj"} | {"seq": seq} for seq, line in told.deeds
        ],
    }
