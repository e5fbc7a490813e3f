"""Commands for desk staff: refresh one member, and decide the holds that need a person."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields
from typing import Annotated

import typer
from rich.table import Table

from rrsync.app.services import Services
from rrsync.cli.context import Voices, chosen, opened, person, short, table, voices
from rrsync.cli.options import ActorOption, ConfigOption, JsonOption, LibraryOption
from rrsync.core.compare import Change, Hold, Same
from rrsync.core.exchange import Found, Reason
from rrsync.core.person import Address, Held, Name, PartialDate
from rrsync.errors import ConfigError, RegistryError, RrsyncError, StoreError
from rrsync.store.holds import OpenHold
from rrsync.sync.hold_decisions import AskedAgain, Postponed, Renumbered
from rrsync.sync.refresh import RefreshResult
from rrsync.text.catalogue import translated, translations
from rrsync.text.holds import Advice, advice, number_advice
from rrsync.text.log_terms import FIELDS

_HOLD_DIGITS = 9  # fewer than a national number has, so that none is looked up or lost in one

HoldArgument = Annotated[str, typer.Argument(help="The hold's number, from `rrsync holds list`.", metavar="HOLD")]
HoldsArgument = Annotated[
    list[str],
    typer.Argument(help="The holds' numbers, from `rrsync holds list`; the first that fails stops.", metavar="HOLD..."),
]


def refresh(
    member_no: Annotated[
        str, typer.Argument(help="The library's own member number, never the national number.", metavar="MEMBER_NO")
    ],
    library: LibraryOption,
    purpose: Annotated[
        str, typer.Option("--purpose", help="Why, by a code the authorisation names, such as desk.", metavar="CODE")
    ],
    case: Annotated[
        str,
        typer.Option("--case", help="What for: a reference you can find back, such as a letter's.", metavar="REF"),
    ],
    actor: ActorOption,
    preview: Annotated[bool, typer.Option("--preview", help="Show the difference; the member stays as it is.")] = False,
    as_json: JsonOption = False,
    config: ConfigOption = None,
) -> None:
    """Ask the register about one member, now, for a reason.

    Who asks, why and for which case are written in the access log before anything is sent. A preview is an access too.

    Example: rrsync refresh M000123 --library demo --purpose desk --case letter-2026-118 --actor an.peeters
    """
    who, what_for = person(actor), short("--case", case)
    why = short("--purpose", purpose)
    speak = voices()
    with opened(config) as services:
        chosen(services.settings, [library])
        done = services.desk().refresh(library, member_no, actor=who, purpose=why, case=what_for, preview=preview)
        language = services.settings.language
    if as_json:
        speak.document(_refreshed(done))
    else:
        _tell(speak, done, language)
    if _is_mix_up(done):
        raise typer.Exit(4)


def _is_mix_up(done: RefreshResult) -> bool:
    return isinstance(done.verdict, Hold) and done.verdict.reason is Reason.MISMATCH


def _refreshed(done: RefreshResult) -> dict[str, object]:
    verdict = done.verdict
    return {
        "library": done.member.library,
        "member_no": done.member.number,
        "verdict": type(verdict).__name__.lower(),
        "hold_reason": verdict.reason.value if isinstance(verdict, Hold) else None,
        "applied": done.applied,
        "reference": done.reference,
        "difference": [dict(zip(("field", "before", "after"), row, strict=True)) for row in _rows(done)],
        "withheld": dict(done.answer.withheld) if isinstance(done.answer, Found) else {},
    }


def _rows(done: RefreshResult) -> list[tuple[str, str, str]]:
    match done.verdict:
        case Change() | Same():
            return difference(done.member.held, done.verdict.after)
        case Hold():
            proposal = done.verdict.proposal
            return [] if proposal is None else difference(done.member.held, proposal)


def _tell(speak: Voices, done: RefreshResult, language: str) -> None:
    _ = translations(language).gettext
    if isinstance(done.verdict, Hold):
        reason = done.verdict.reason.value
        about = _("A person must review this")
        _tell_hold(speak, f"{about} ({reason})", advice(reason, language), language)
        if done.applied:
            speak.out.print(_("It is in the list: see `rrsync holds list`."))
    elif isinstance(done.verdict, Same):
        speak.out.print(_("The register confirms what we have."))
    elif done.applied:
        speak.out.print(_("The register says something else; it was accepted."))
    if rows := _rows(done):
        speak.out.print(_differing(rows, language))
    if not done.applied:
        speak.out.print(_("Preview: nothing was accepted. The access is in the log."))


def _tell_hold(speak: Voices, about: str, told: Advice, language: str) -> None:
    """Say what a hold means and what to do about it."""
    _ = translations(language).gettext
    speak.out.print(f"{about}: {told.means}")
    speak.out.print(_("What to do: %(steps)s") % {"steps": " ".join(told.steps)})


def difference(before: Held, after: Held) -> list[tuple[str, str, str]]:
    """Return the fields that differ: name, what we hold, what the register says."""
    ours, theirs = _flat(before), _flat(after)
    return [(name, ours[name], theirs[name]) for name in ours if ours[name] != theirs[name]]


def _flat(held: Held) -> dict[str, str]:
    texts = {part.name: getattr(held.name, part.name) for part in fields(Name)}
    texts["birth_date"] = _date(held.birth_date)
    texts |= {part.name: getattr(held.address, part.name) for part in fields(Address)}
    return texts | {"address_since": _date(held.address_since)}


def _date(day: PartialDate | None) -> str:
    return day.text if day else ""


def _differing(rows: list[tuple[str, str, str]], language: str) -> Table:
    _ = translations(language).gettext
    shown = table("", _("we have"), _("the register says"))
    for name, ours, theirs in rows:
        shown.add_row(translated(FIELDS, name, language), ours, theirs)
    return shown


def list_holds(
    library: Annotated[str | None, typer.Option("--library", help="Only this library's.", metavar="ID")] = None,
    as_json: JsonOption = False,
    config: ConfigOption = None,
) -> None:
    """List what a person must look at, the oldest first.

    Next: `rrsync holds show HOLD` says what is wrong with one, and what to do.
    """
    speak = voices()
    with opened(config) as services:
        chosen(services.settings, [library] if library else None)
        language = services.settings.language
        found = list(services.holds.open(library=library))
    if as_json:
        speak.document([_brief(hold) for hold in found])
        return
    _ = translations(language).gettext
    if not found:
        speak.out.print(_("There is nothing to review."))
        return
    listed = table(_("no."), _("library"), _("member"), _("since"), _("reason"), _("what it means"))
    for hold in found:
        since = f"{hold.opened_at:%Y-%m-%d}"
        listed.add_row(str(hold.id), hold.library, hold.number, since, hold.reason.value, _advice(hold, language).short)
    speak.out.print(listed)


def _brief(hold: OpenHold) -> dict[str, object]:
    return {
        "hold": hold.id,
        "library": hold.library,
        "member_no": hold.number,
        "reason": hold.reason.value,
        "opened_at": hold.opened_at.isoformat(),
        "proposes": hold.offers,
        "merge_with": hold.twin,
    }


def _advice(hold: OpenHold, language: str) -> Advice:
    if hold.reason is Reason.NEW_NUMBER and not hold.offers:
        return number_advice(hold.twin, language)
    return advice(hold.reason, language)


def show(hold: HoldArgument, as_json: JsonOption = False, config: ConfigOption = None) -> None:
    """Show one hold: why, what to do, what it proposes.

    Next: `rrsync holds accept HOLD --actor NAME` or `rrsync holds dismiss HOLD --actor NAME`.
    """
    speak = voices()
    with opened(config) as services:
        found = _find(services, hold)
        standing = services.members.find(found.library, found.number)
        language = services.settings.language
    rows = difference(standing.member.held, found.proposal) if standing and found.proposal else []
    if as_json:
        named = [dict(zip(("field", "before", "after"), row, strict=True)) for row in rows]
        speak.document({**_brief(found), "difference": named})
        return
    _tell_hold(speak, f"{found.library} {found.number} ({found.reason.value})", _advice(found, language), language)
    if rows:
        speak.out.print(_differing(rows, language))
    if found.new_insz is not None:
        speak.out.print(translations(language).gettext("There is a new national number. It is not shown here."))


def accept(holds: HoldsArgument, actor: ActorOption, config: ConfigOption = None) -> None:
    """Take over what the register says.

    The decision and who took it go into the access log. After a new number the register is asked under it at once; what
    it cannot do now the next night does. Example: rrsync holds accept 7 --actor an.peeters
    """
    who, ends, speak = person(actor), [0], voices()
    with opened(config) as services:

        def decide(hold: OpenHold) -> None:
            if hold.new_insz is None:
                services.settlement.accept(hold, who)
            else:
                ends.append(_followed(speak, services.renumber().accept(hold, who), services.settings.language))

        _decide(services, holds, decide)
        speak.out.print(translations(services.settings.language).gettext("Accepted."))
    if any(ends):
        raise typer.Exit(max(ends))


def _followed(speak: Voices, done: Renumbered, language: str) -> int:
    """Say what came of asking under a new number; give the exit code that it asks for."""
    _ = translations(language).gettext
    match done:
        case AskedAgain():
            text = _("The register was asked about the new number of %(number)s.")
            speak.out.print(text % {"number": done.number})
            _tell(speak, done.found, language)
            return 4 if _is_mix_up(done.found) else 0
        case Postponed():
            why = RrsyncError(done.why.what, kept="", todo=done.why.todo)
            text = _("The new number of %(number)s was accepted; what the register must do for it is postponed.")
            speak.err.print(f"rrsync: {text % {'number': done.number}} {why}")
            return 4 if done.why.exit_code == RegistryError.exit_code else 3


def dismiss(holds: HoldsArgument, actor: ActorOption, config: ConfigOption = None) -> None:
    """Keep what the library holds.

    The decision and who took it go into the access log. The hold comes back only when the register says something else.
    Example: rrsync holds dismiss 7 8 --actor an.peeters
    """
    who = person(actor)
    with opened(config) as services:
        _decide(services, holds, lambda hold: services.settlement.dismiss(hold, who))
        _ = translations(services.settings.language).gettext
        voices().out.print(_("Dismissed: what we have stays."))


def _decide(services: Services, numbers: list[str], decide: Callable[[OpenHold], None]) -> None:
    """Decide holds one by one.

    Raises:
        ConfigError, StoreError: one cannot be decided; those before it are, and are named.
    """
    done: list[str] = []
    try:
        for number in dict.fromkeys(numbers):
            hold = _find(services, number)
            decide(hold)
            done.append(str(hold.id))
    except (ConfigError, StoreError) as error:
        kept = f"Decided before it, and kept: {', '.join(done)}" if done else error.kept
        raise type(error)(error.what, kept=kept, todo=error.todo) from error


def _find(services: Services, number: str) -> OpenHold:
    usable = number.isascii() and number.isdigit() and len(number) <= _HOLD_DIGITS
    found = services.holds.find(int(number)) if usable else None
    if found is None:
        raise ConfigError("There is no open hold of that number", todo="See `rrsync holds list`")
    return found
