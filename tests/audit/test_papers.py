"""``docs/access-log.md`` is true: its tables are held against what a night, a desk and an officer really write."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from typing import Any, Final

import pytest

from rrsync.app.web_services import web_services
from rrsync.audit.export import ExportOrder, Format
from rrsync.audit.letter import Letter
from rrsync.audit.letter_texts import LABELS
from rrsync.audit.oversight import Oversight
from rrsync.audit.review import Review
from rrsync.cli.app import run
from rrsync.config.load import read_keys
from rrsync.core.belgian_time import last_month
from rrsync.core.exchange import Question
from rrsync.core.insz import Insz
from rrsync.core.log_entry import Actor, ActorKind, Evidence, Kind, Status
from rrsync.core.review_sample import Finding
from rrsync.errors import NotAuthorised
from rrsync.registry import outcome
from rrsync.registry.request import PERSON
from rrsync.store.encryption import FieldCipher, Keyring
from rrsync.store.log_search import AccessFilter
from rrsync.text.catalogue import translated
from tests.night.conftest import LibraryNight
from tests.night.house import LIBRARY, House
from tests.support import ROOT

AN: Final = Actor(ActorKind.PERSON, "an.peeters")
DPO: Final = Actor(ActorKind.PERSON, "d.p. officer")
BOSS: Final = Actor(ActorKind.PERSON, "the director")
PAPER: Final = ROOT / "docs" / "access-log.md"


def table(head: str) -> list[list[str]]:
    """Return the rows of the one table of the paper whose first cells these are."""
    text = PAPER.read_text("utf-8")
    assert text.count(f"\n| {head} |") == 1
    rows = text.split(f"\n| {head} |")[1].split("\n\n")[0].splitlines()[2:]
    return [[cell.strip() for cell in row.strip("|").split("|")] for row in rows]


def quoted(cell: str) -> list[str]:
    """Return what stands in a cell as code."""
    return re.findall(r"`([^`]+)`", cell)


def paths(line: dict[str, Any], prefix: str = "") -> Iterator[str]:
    """Yield the fields of an entry; what an officer asked for, and the settings by their names, are one each."""
    for name, value in line.items():
        path = f"{prefix}{name}"
        if path in {"view.filter", "terms.now"}:
            yield f"{path}.*"
        elif isinstance(value, dict):
            yield from paths(value, f"{path}.")
        else:
            yield path


def work(library_night: LibraryNight) -> House:
    """Build a library after a night that stopped, one that went on, work at the desk and a decision about a hold."""
    house = library_night(people=60, faults=("unavailable:1",), in_flight=4)
    house.fill()
    house.night()
    house.simulator.faults = ()
    house.reopen()
    house.night()
    desk = house.app.desk()
    for number, preview in (("M000001", True), ("M000002", False)):
        desk.refresh(LIBRARY, number, actor=AN, purpose="desk", case="brief-118", preview=preview)
    with pytest.raises(NotAuthorised):
        desk.refresh(LIBRARY, "M000003", actor=AN, purpose="curiosity", case="brief-119", preview=False)
    house.app.settlement.dismiss(next(iter(house.app.holds.open())), AN)
    counted(house)
    return house


def counted(house: House) -> None:
    """Do all that is done at the counter: be offered a change, shown it again, take it over; correct, and end that."""
    counter, by_key = web_services(house.app).desk_service, replace(AN, via="the library system")
    row = next(row for row in house.rows if row["member_no"] == "M000001")
    house.take([row | {"street": "Kanarievogelstraat"}])
    for _ in range(2):
        offer = counter.ask(LIBRARY, "M000001", actor=by_key, purpose="desk", case="brief-122")
    assert offer.after is not None
    until = house.clock().date() + timedelta(days=9)
    counter.accept(offer, by_key)
    counter.correct(LIBRARY, "M000001", offer.before.address, reason="lease", until=until, actor=AN)
    counter.uncorrect(LIBRARY, "M000001", AN)
    outside = replace(web_services(house.app).outside_queries, per_month=1)
    stranger = Insz.parse("00.61.01-001.37", production=False)
    wish = outside.glasses.find(LIBRARY, outside.want(LIBRARY, stranger, actor=AN, purpose="desk", case="brief-124"))
    assert wish is not None
    outside.decide(wish, DPO, is_approved=False)
    hold = next(iter(house.app.holds.open()))
    for name in ("an", "bo", "cis", "dre", "els", "fons"):  # so many that it stands out
        actor = Actor(ActorKind.PERSON, name)
        counter.ask(LIBRARY, hold.number, actor=actor, purpose="desk", case="brief-123")


def watch(house: House) -> Oversight:
    """Watch over the library as wiring does."""
    app = house.app
    return Oversight(
        database=app.database,
        seal=FieldCipher(Keyring.parse(read_keys(house.settings)), os.urandom),
        ledger=app.access_log,
        search=app.log_search,
        root=app.log_tree.root,
        limits={},
        clock=house.clock,
        random=os.urandom,
    )


def officer(house: House) -> None:
    """Do all that an officer does: look, search, prove, export, verify, review, keep the list of staff, and forget."""
    app, oversight = house.app, watch(house)
    authorisation = app.authorisations[LIBRARY]
    denied = Question(LIBRARY, person(house), AN, "curiosity", "flagged-1", case="brief-120")
    asked = Question(LIBRARY, person(house), AN, "desk", "flagged-2", case="brief-121")
    refusal = outcome.denied(denied, PERSON, authorisation, "no such purpose")
    app.access_log.append(oversight.flags.mark([refusal, outcome.intent(asked, PERSON, authorisation, b"ask")]))
    nothing = Evidence(b"ask", b"")
    app.access_log.append([outcome.outcome(asked, Status.NOT_SENT, nothing, keep=outcome.Keep.ERRORS, ms=0)])
    review = Review(app.access_log, app.log_search)
    looks = review.look(AccessFilter(LIBRARY, actor=AN.name, last=50), DPO, about=[person(house)])
    review.evidence(LIBRARY, looks[0].seq, DPO, reason="complaint 4")
    review.who([LIBRARY], DPO, person(house))
    app.prover().prove(LIBRARY, 3, actor=DPO)
    app.export().begin(ExportOrder(LIBRARY, Format.CSV), actor=DPO, why="audit")
    assert run(["--config", str(house.folder / "rrsync.toml"), "log", "verify", "--actor", DPO.name]) == 0
    oversight.staff.add(LIBRARY, AN.name, person(house), actor=DPO)
    oversight.staff.remove(LIBRARY, AN.name, actor=DPO)
    house.clock.pass_by(days=40)
    month = last_month(house.clock())
    sample = oversight.sample(LIBRARY, month, DPO)
    oversight.samples.sign(LIBRARY, month, [sample.picks[0].access.seq], Finding("justified"), DPO)
    house.raw.state()  # the auditor remembers what it reads, and looks again when the key is gone
    house.clock.pass_by(days=366 * 11)
    app.key_destruction.ask(LIBRARY, 2026, DPO)
    app.key_destruction.confirm(LIBRARY, 2026, BOSS)


def person(house: House) -> Insz:
    """Return whom the desk looked at."""
    found = house.app.members.find(LIBRARY, "M000001")
    assert found is not None
    assert found.member.insz is not None
    return found.member.insz


class TestRecord:
    """The tables of the record."""

    def test_the_record_is_what_the_paper_says(self, house: House) -> None:
        """Each field of each kind of entry is in the table, and each line of the table is in some entry."""
        officer(house)
        short = {quoted(kind)[0]: word for kind, word, _ in table("kind | short")}
        written = {
            (field, word)
            for field_cell, kinds, _, _ in table("field | in | what it says")
            for field in quoted(field_cell)
            for word in (short.values() if kinds == "all" else kinds.split(", "))
        }
        found = set()
        for _, data in house.app.access_log.entries(LIBRARY):
            line = json.loads(data)
            found |= {(path, short[line["kind"]]) for path in paths(line)}
        assert found - written == set(), "an entry holds what the paper does not say"
        assert written - found == set(), "the paper says what no entry holds"
        absent = [field for cell, _ in table("field | why not") for field in quoted(cell)]
        assert absent
        assert not {field for field, _ in found} & set(absent)

    def test_every_kind_and_every_end_is_in_it(self) -> None:
        """In the order of the code."""
        assert [quoted(kind)[0] for kind, _, _ in table("kind | short")] == [kind.value for kind in Kind]
        (ends,) = [row[2] for row in table("field | in | what it says") if row[0] == "`out.status`"]
        assert quoted(ends) == [status.value for status in Status]

    def test_every_field_answers_a_question_or_says_that_it_does_not(self) -> None:
        """And every question has a field."""
        answers = {row[3] for row in table("field | in | what it says")}
        assert answers == {"who", "what", "whose", "when", "how", "why", "none"}


class TestLetter:
    """The answer to a citizen, in the six questions."""

    def test_every_line_of_the_letter_is_in_the_paper(self) -> None:
        """By its Dutch and its English label."""
        lines = [row[0] for row in table("line of the letter | from | question")]
        labels = [name for name in LABELS if name not in {"date", "libraries"}]
        assert lines == [f"{translated(LABELS, name, 'nl')} ({LABELS[name]})" for name in labels]

    def test_every_number_in_the_letter_is_found_in_the_log(self, house: House) -> None:
        """Each entry about the person is named once, no other is, and the counts are theirs."""
        insz = person(house)
        Review(house.app.access_log, house.app.log_search).look(AccessFilter(LIBRARY), DPO, about=[insz])
        about = [one for one in house.raw.state().entries[LIBRARY] if one.digits == insz.digits]
        told = Review(house.app.access_log, house.app.log_search).who([LIBRARY], DPO, insz)
        letter = " ".join(Letter({}, "en").write(told, house.clock()).split())
        named = [
            int(number)
            for pair in re.findall(r"[Ee]ntr(?:y|ies) (\d+)(?: and (\d+))? of demo", letter)
            for number in pair
            if number
        ]
        asked = house.raw.state().entries[LIBRARY][-1]
        assert sorted(named) == sorted([*(one.seq for one in about), asked.seq])
        counts = re.search(r"Accesses: (\d+)\. Attempts .*?: (\d+)\. Other entries about you: (\d+)\.", letter)
        assert counts is not None
        ends = {one.reference: one.line["out"]["status"] for one in about if one.kind == "access.outcome"}
        looks = [one for one in about if one.kind in {"access.intent", "access.denied", "access.reuse"}]
        ends |= {one.reference: "ok" for one in about if one.kind == "access.reuse"}
        good = [one for one in looks if ends.get(one.reference) in {"ok", "not_found", "replaced", "cancelled"}]
        others = [one for one in about if not one.kind.startswith("access.")]
        assert [int(count) for count in counts.groups()] == [len(good), len(looks) - len(good), len(others)]


@pytest.mark.skipif(not shutil.which("openssl"), reason="there is no program openssl, which the paper uses")
def test_what_the_paper_says_to_type_by_hand(house: House) -> None:
    """Shows a good signature, and the same leaf in the entries and in the tree."""
    export = house.app.export()
    filled = export.begin(ExportOrder(LIBRARY, Format.TILES), actor=DPO, why="by hand")
    folder = house.folder / "by hand"
    for name, data in export.files(filled, lambda _: None):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(data)
    (script,) = re.findall(r"```sh\n(.*?)```", PAPER.read_text("utf-8"), re.DOTALL)
    done = subprocess.run(["sh", "-eu", "-c", script], cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    said, entry, tree = done.stdout.splitlines()
    assert said == "Signature Verified Successfully"
    assert entry.split()[0] == tree
