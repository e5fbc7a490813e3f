"""Commands of desk staff: refresh one member, and accept or dismiss the holds that need a person's decision."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields
from typing import Annotated, Final

import typer
from rich.table import Table

from rrsync.app.services import Services
from rrsync.cli.context import acting_person, command_services, log_text, select_libraries
from rrsync.cli.options import ActorOption, ConfigOption, JsonOption, LibraryOption
from rrsync.cli.output import Output, make_table, terminal_output
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

_MAX_HOLD_DIGITS: Final = 9  # fewer than a national number has, so that none is looked up as a hold
_MIX_UP: Final = 4  # the exit code when the reply was about another person

HoldArgument = Annotated[str, typer.Argument(help="The hold's number, from `rrsync holds list`.", metavar="HOLD")]
HoldsArgument = Annotated[
    list[str],
    typer.Argument(
        help="The holds' numbers, from `rrsync holds list`. It stops at the first error.", metavar="HOLD..."
    ),
]
EPILOGS: Final = {
    "refresh": "Example: rrsync refresh M000123 --library demo --purpose desk --case letter-2026-118 "
    "--actor an.peeters --preview",
    "accept": "Example: rrsync holds accept 7 --actor an.peeters",
    "dismiss": "Example: rrsync holds dismiss 7 8 --actor an.peeters",
}


def refresh(
    member_no: Annotated[
        str, typer.Argument(help="The library's own member number, never the national number.", metavar="MEMBER_NO")
    ],
    library: LibraryOption,
    purpose: Annotated[
        str, typer.Option("--purpose", help="The purpose: a code that the authorisation names.", metavar="CODE")
    ],
    case: Annotated[
        str, typer.Option("--case", help="The case: your own reference, such as that of a letter.", metavar="REF")
    ],
    actor: ActorOption,
    preview: Annotated[bool, typer.Option("--preview", help="Show the difference; do not change the member.")] = False,
    as_json: JsonOption = False,
    config: ConfigOption = None,
) -> None:
    """Ask the register about one member now.

    The access log records the actor, the purpose and the case before the question is sent; a preview is logged too. A
    change is written at once. A reply that needs a person's decision becomes a hold: see `rrsync holds list`.

    Exit codes: 0 done, 3 the register is unavailable, 4 the question or the reply was refused.
    """
    who, purpose, case = acting_person(actor), log_text("--purpose", purpose), log_text("--case", case)
    output = terminal_output()
    with command_services(config) as services:
        select_libraries(services.settings, [library])
        done = services.desk().refresh(library, member_no, actor=who, purpose=purpose, case=case, preview=preview)
        language = services.settings.language
    if as_json:
        output.print_json(_refresh_document(done))
    else:
        _print_refresh(output, done, language)
    if _is_mix_up(done):
        raise typer.Exit(_MIX_UP)


def _is_mix_up(done: RefreshResult) -> bool:
    return isinstance(done.verdict, Hold) and done.verdict.reason is Reason.MISMATCH


def _refresh_document(done: RefreshResult) -> dict[str, object]:
    verdict = done.verdict
    return {
        "library": done.member.library,
        "member_no": done.member.number,
        "verdict": type(verdict).__name__.lower(),
        "hold_reason": verdict.reason.value if isinstance(verdict, Hold) else None,
        "applied": done.applied,
        "reference": done.reference,
        "difference": _difference_document(_refresh_difference(done)),
        "withheld": dict(done.answer.withheld) if isinstance(done.answer, Found) else {},
    }


def _refresh_difference(done: RefreshResult) -> list[tuple[str, str, str]]:
    match done.verdict:
        case Change() | Same():
            return difference(done.member.held, done.verdict.after)
        case Hold():
            proposal = done.verdict.proposal
            return [] if proposal is None else difference(done.member.held, proposal)


def _print_refresh(output: Output, done: RefreshResult, language: str) -> None:
    _ = translations(language).gettext
    if isinstance(done.verdict, Hold):
        reason = done.verdict.reason.value
        about = _("A person must review this")
        _print_hold(output, f"{about} ({reason})", advice(reason, language), language)
        if done.applied:
            output.result.print(_("It is in the list: see `rrsync holds list`."))
    elif isinstance(done.verdict, Same):
        output.result.print(_("The register confirms what we have."))
    elif done.applied:
        output.result.print(_("The register says something else; it was accepted."))
    if rows := _refresh_difference(done):
        output.result.print(_difference_table(rows, language))
    if not done.applied:
        output.result.print(_("Preview: nothing was accepted. The access is in the log."))


def _print_hold(output: Output, about: str, texts: Advice, language: str) -> None:
    """Print the meaning of a hold, and the advice."""
    _ = translations(language).gettext
    output.result.print(f"{about}: {texts.means}")
    output.result.print(_("What to do: %(steps)s") % {"steps": " ".join(texts.steps)})


def difference(before: Held, after: Held) -> list[tuple[str, str, str]]:
    """Return the fields that differ: name of the field, our value, the register's value."""
    ours, theirs = _flat(before), _flat(after)
    return [(name, ours[name], theirs[name]) for name in ours if ours[name] != theirs[name]]


def _flat(held: Held) -> dict[str, str]:
    texts = {part.name: getattr(held.name, part.name) for part in fields(Name)}
    texts["birth_date"] = _date(held.birth_date)
    texts |= {part.name: getattr(held.address, part.name) for part in fields(Address)}
    return texts | {"address_since": _date(held.address_since)}


def _date(day: PartialDate | None) -> str:
    return day.text if day else ""


def _difference_document(rows: list[tuple[str, str, str]]) -> list[dict[str, str]]:
    return [dict(zip(("field", "before", "after"), row, strict=True)) for row in rows]


def _difference_table(rows: list[tuple[str, str, str]], language: str) -> Table:
    _ = translations(language).gettext
    table = make_table("", _("we have"), _("the register says"))
    for name, ours, theirs in rows:
        table.add_row(translated(FIELDS, name, language), ours, theirs)
    return table


def list_holds(
    library: Annotated[str | None, typer.Option("--library", help="Only this library.", metavar="ID")] = None,
    as_json: JsonOption = False,
    config: ConfigOption = None,
) -> None:
    """List the open holds, the oldest first.

    A hold is a reply of the register that is not applied until a person decides: the member died, moved abroad, has
    another name. Next: `rrsync holds show HOLD` explains one hold and says what to do.
    """
    output = terminal_output()
    with command_services(config) as services:
        select_libraries(services.settings, [library] if library else None)
        language = services.settings.language
        holds = list(services.holds.open(library=library))
    if as_json:
        output.print_json([_hold_document(hold) for hold in holds])
        return
    _ = translations(language).gettext
    if not holds:
        output.result.print(_("There is nothing to review."))
        return
    table = make_table(_("no."), _("library"), _("member"), _("since"), _("reason"))
    for hold in holds:
        since = f"{hold.opened_at:%Y-%m-%d}"
        table.add_row(str(hold.id), hold.library, hold.number, since, _advice(hold, language).short)
    output.result.print(table)


def _hold_document(hold: OpenHold) -> dict[str, object]:
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
    """Show one hold: its reason, advice and proposal.

    Next: `rrsync holds accept HOLD --actor NAME` applies the register's data; `rrsync holds dismiss HOLD --actor NAME`
    keeps the library's.
    """
    output = terminal_output()
    with command_services(config) as services:
        found = _find_hold(services, hold)
        standing = services.members.find(found.library, found.number)
        language = services.settings.language
    rows = difference(standing.member.held, found.proposal) if standing and found.proposal else []
    if as_json:
        output.print_json({**_hold_document(found), "difference": _difference_document(rows)})
        return
    _print_hold(output, f"{found.library} {found.number} ({found.reason.value})", _advice(found, language), language)
    if rows:
        output.result.print(_difference_table(rows, language))
    if found.new_insz is not None:
        output.result.print(translations(language).gettext("There is a new national number. It is not shown here."))


def accept(holds: HoldsArgument, actor: ActorOption, config: ConfigOption = None) -> None:
    """Accept the register's data for one or more holds.

    The access log records each decision and the actor. If the hold is about a new national number, the register is
    asked about that number at once; if it is unavailable, the next night asks.
    """
    who, codes, output = acting_person(actor), [0], terminal_output()
    with command_services(config) as services:

        def decide(hold: OpenHold) -> None:
            if hold.new_insz is None:
                services.settlement.accept(hold, who)
            else:
                done = services.renumber().accept(hold, who)
                codes.append(_print_renumbered(output, done, services.settings.language))

        _decide_each(services, holds, decide)
        output.result.print(translations(services.settings.language).gettext("Accepted."))
    if any(codes):
        raise typer.Exit(max(codes))


def _print_renumbered(output: Output, done: Renumbered, language: str) -> int:
    """Print the result of the question about a new number, and return the exit code."""
    _ = translations(language).gettext
    match done:
        case AskedAgain():
            text = _("The register was asked about the new number of %(number)s.")
            output.result.print(text % {"number": done.number})
            _print_refresh(output, done.found, language)
            return _MIX_UP if _is_mix_up(done.found) else 0
        case Postponed():
            why = RrsyncError(done.why.what, kept="", todo=done.why.todo)
            text = _("The new number of %(number)s was accepted; what the register must do for it is postponed.")
            output.messages.print(f"rrsync: {text % {'number': done.number}} {why}")
            return 4 if done.why.exit_code == RegistryError.exit_code else 3


def dismiss(holds: HoldsArgument, actor: ActorOption, config: ConfigOption = None) -> None:
    """Keep the library's data for one or more holds.

    The access log records each decision and the actor. A dismissed hold returns only when the register's data changes.
    """
    who = acting_person(actor)
    with command_services(config) as services:
        _decide_each(services, holds, lambda hold: services.settlement.dismiss(hold, who))
        _ = translations(services.settings.language).gettext
        terminal_output().result.print(_("Dismissed: what we have stays."))


def _decide_each(services: Services, numbers: list[str], decide: Callable[[OpenHold], None]) -> None:
    """Decide the holds one by one.

    Raises:
        ConfigError, StoreError: one hold cannot be decided; the message names those that were decided before it.
    """
    done: list[str] = []
    try:
        for number in dict.fromkeys(numbers):
            hold = _find_hold(services, number)
            decide(hold)
            done.append(str(hold.id))
    except (ConfigError, StoreError) as error:
        kept = f"Decided before it, and kept: {', '.join(done)}" if done else error.kept
        raise type(error)(error.what, kept=kept, todo=error.todo) from error


def _find_hold(services: Services, number: str) -> OpenHold:
    is_usable = number.isascii() and number.isdigit() and len(number) <= _MAX_HOLD_DIGITS
    found = services.holds.find(int(number)) if is_usable else None
    if found is None:
        raise ConfigError("There is no open hold of that number", todo="See `rrsync holds list`")
    return found
