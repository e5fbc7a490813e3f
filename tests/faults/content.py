"""Rows 53 to 58: replies that hold more, less or other things than we know."""

from __future__ import annotations

import csv
import unicodedata
from collections.abc import Callable
from typing import Final

from rrsync.simulator.citizens import Situation, World, member_rows
from tests.faults.catalogue import Case, Row, Trial, ends
from tests.faults.saying import edited, served
from tests.night.raw import Member

SECRET: Final = "Verborgenwoord"
RIGHT_TO_LEFT: Final = "\u202e\u05e0\u05e2\u05de\u05d9\u202c \U0001f3e0"
HOME: Final = r"(?<=<Hoofdverblijfplaats)[^>]*>"
BORN: Final = r"(?<=<Geboorte)[^>]*><Datum>[^<]*<"
LAST: Final = r"<Achternaam>[^<]*</Achternaam>"

TAKEN: Final = ends(outcomes={"ok": 1}, tries=1, exit_code=0, changed=1)
UNREADABLE: Final = ends(outcomes={"invalid_reply": 2}, tries=2, exit_code=0, holds={"unreadable": 2})
MISMATCH: Final = ends(outcomes={"mismatch": 2}, tries=2, exit_code=0, holds={"mismatch": 2}, warned={"alarm"})


def more(*pairs: tuple[str, str]) -> Callable[[Trial], None]:
    """Return a register that adds things to a right reply."""
    return served(edited(*pairs))


def nothing_kept(trial: Trial) -> None:
    """What is new is counted under its name, and no word of it is kept."""
    (outcome,) = [entry.line["out"] for entry in trial.entries if entry.kind == "access.outcome"]
    assert outcome["withheld"] > 0
    assert trial.report is not None
    assert any("Geheim" in path for path in trial.report.withheld), trial.report.withheld
    TAKEN(trial)
    everything = b"".join(data for _, data in trial.house.raw.bytes()) + trial.heard().encode()
    assert SECRET.encode() not in everything


def only(trial: Trial) -> Member:
    """Return the one member there is."""
    (member,) = trial.house.raw.state().members.values()
    return member


def dated(since: str = "", born: str = "") -> Callable[[Trial], None]:
    """Return a register that dates the address, or the birth, so; the auditor knows another day, and is excused."""

    def inject(trial: Trial) -> None:
        pairs = [(HOME, f' DatumBegin="{since}">')] if since else []
        pairs += [(BORN, f"><Datum>{born}<")] if born else []
        served(edited(*pairs))(trial)
        trial.house.excused = True

    return inject


def has(since: str = "", born: str = "") -> Callable[[Trial], None]:
    """Return what asserts these dates, as text, of a member who was changed."""

    def expect(trial: Trial) -> None:
        held = only(trial).held
        assert not since or held.address_since == since
        assert not born or held.birth_date == born
        TAKEN(trial)

    return expect


def named(text: str) -> Callable[[Trial], None]:
    """Return a register that knows everybody by this last name; the auditor knows another, and is excused."""

    def inject(trial: Trial) -> None:
        served(edited((LAST, f"<Achternaam>{text}</Achternaam>")))(trial)
        trial.house.excused = True

    return inject


def bears(name: str) -> Callable[[Trial], None]:
    """Return what asserts that the name was taken as it is, in NFC, and can do no harm in the export."""

    def expect(trial: Trial) -> None:
        assert only(trial).held.name[0].endswith(name)
        TAKEN_NOT_HEALED(trial)
        path = trial.house.folder / "export.csv"
        trial.command("members", "export", str(path))
        with path.open(encoding="utf-8", newline="") as file:
            (row,) = csv.DictReader(file)
        assert row["last_name"].endswith(name)
        assert row["last_name"][0] not in "=+-@\t\r"
        trial.heal()

    return expect


TAKEN_NOT_HEALED: Final = ends(outcomes={"ok": 1}, tries=1, exit_code=0, changed=1, heals=False)


def keeps_the_name(trial: Trial) -> None:
    """An empty or missing name blanks nothing."""
    assert trial.before is not None
    assert [only(trial).held.name] == [member.held.name for member in trial.before.members.values()]
    TAKEN(trial)


def everybody(trial: Trial) -> None:
    """Take in one of every situation that is no plain address."""
    trial.build(members=0, people=400)
    world = World(seed=1, people=400)
    seen: set[Situation] = set()
    rows = []
    for position, row in enumerate(member_rows(world)):
        situation = world.citizen(position).situation
        if situation.value in EXPECTED and situation not in seen:
            seen.add(situation)
            rows.append(row | {"membership_end": "", "street": "Oude Kanariestraat", "house_number": "1"})
    trial.house.take(rows)
    trial.before = trial.house.raw.state()


EXPECTED: Final = {
    **{name: name for name in ("deceased", "protected", "abroad", "struck_off", "absent", "unknown_status")},
    **{name: name for name in ("reference_address", "no_address")},
    "contact_only": "no_address",
}


def each_its_own(trial: Trial) -> None:
    """Everybody is on hold for what is so, and nobody is changed."""
    holds: dict[str, int] = {}
    for reason in EXPECTED.values():
        holds[reason] = holds.get(reason, 0) + 1
    count = len(EXPECTED)
    ends(outcomes={"ok": count}, tries=count, exit_code=0, holds=holds, heals=False)(trial)


def at_home(trial: Trial) -> None:
    """Take in one member at the very address of the register, whose town has another code since it merged."""
    trial.build(members=0)
    world = World(seed=1, people=60)
    rows = (row for at, row in enumerate(member_rows(world)) if world.citizen(at).situation is Situation.SETTLED)
    trial.house.take([next(rows) | {"membership_end": ""}])
    trial.before = trial.house.raw.state()
    trial.serve(edited((r"<NISCodeGemeente>[^<]*<", "<NISCodeGemeente>71072<")))


def same_home(trial: Trial) -> None:
    """The address is the same; its code is filled in."""
    assert trial.report is not None
    assert (trial.report.same, trial.report.change) == (1, 0)
    assert only(trial).held.address[5] == "71072"
    ends(outcomes={"ok": 1}, tries=1, exit_code=0, changed=1, heals=False)(trial)


ROWS: Final = (
    Row(
        53,
        "a schema that grew",
        more(
            (r"</Huisnummer>", "</Huisnummer><GebouwId soort='nieuw'>77</GebouwId>"),
            (r"<Geslacht>", "<Geslacht nieuw='1'>"),
            (
                r"</Context>",
                "<Annotaties><Annotatie><Naam>a</Naam><Waarde>b</Waarde></Annotatie></Annotaties></Context>",
            ),
        ),
        TAKEN,
    ),
    Row(
        54,
        "a field outside of the scope",
        more((r"</Persoon>", f"<Geheim><Woord>{SECRET}</Woord></Geheim></Persoon>")),
        nothing_kept,
        note="the status stays ok, with a count under withheld: the contract has no scope_excess",
    ),
    Row(
        55,
        "an element that must be there is not",
        served(edited((r"<INSZ>[^<]*</INSZ>", "")), members=2),
        MISMATCH,
        also=[
            Case("no reference", served(edited((r"(?<=<Antwoord>)<Referte>[^<]*</Referte>", "")), members=2), MISMATCH),
            Case("no reply", served(edited((r"<Repliek>.*</Repliek>", "")), members=2), UNREADABLE),
            Case("a new version", served(edited((r"v02_02", "v02_03")), members=2), UNREADABLE),
            Case("no name", served(edited((r"<Naam DatumBegin.*?</Naam>", ""))), keeps_the_name),
            Case(
                "no address",
                served(edited((r"<Adressen>.*</Adressen>", "")), members=2, tolerated=["no_address"]),
                ends(outcomes={"ok": 2}, tries=2, exit_code=0, holds={"no_address": 2}),
            ),
        ],
        note="more than one in a hundred does not stop a run by itself: ten in a row do (issue, breaker)",
    ),
    Row(
        56,
        "a date that is not whole",
        dated(since="1998-00-00"),
        has(since="1998-00-00"),
        also=[
            Case("no such day", dated(since="2023-02-29"), has(since="2023-02-00")),
            Case("a month of 99", dated(since="1998-99-99"), has(since="1998-00-00")),
            Case("a partial birth date", dated(born="1965-00-00"), TAKEN),
            Case("no birth date at all", dated(born="0000-00-00"), TAKEN),
            Case(
                "an address that begins later",
                dated(since="2099-01-01"),
                ends(outcomes={"ok": 1}, tries=1, exit_code=0, holds={"no_address": 1}),
            ),
        ],
    ),
    Row(
        57,
        "a name that no form foresaw",
        named("x" * 10_000),
        ends(outcomes={"invalid_reply": 1}, tries=1, exit_code=0, holds={"unreadable": 1}),
        also=[
            Case("empty", named(""), keeps_the_name),
            Case("a formula", named("=cmd|' /C calc'!A0"), bears("=cmd|' /C calc'!A0")),
            Case("quotes and tags", named("O'Neill \";&lt;b&gt;--"), bears("O'Neill \";<b>--")),
            Case("right to left", named(RIGHT_TO_LEFT), bears(RIGHT_TO_LEFT)),
            Case("decomposed", named("Ame\u0301lie"), bears(unicodedata.normalize("NFC", "Ame\u0301lie"))),
            Case(
                "a character that is none",
                named("a&#0;b"),
                ends(outcomes={"invalid_reply": 1}, tries=1, exit_code=0, holds={"unreadable": 1}),
            ),
        ],
    ),
    Row(
        58,
        "somebody who does not live there",
        everybody,
        each_its_own,
        also=[Case("a town that merged", at_home, same_home)],
        note="the catalogue calls it ok; the contract puts each on hold for its own reason, under outcome ok",
    ),
)
