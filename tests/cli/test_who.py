"""``rrsync log who``: the answer to a citizen, held against the log line by line."""

from __future__ import annotations

import io
import os
import pty
import re
import shutil
import subprocess
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any, Final
from zoneinfo import ZoneInfo

import pytest

from rrsync.app.runtime import Runtime, system_runtime
from rrsync.app.services import open_services
from rrsync.audit.letter import Letter
from rrsync.audit.letter_texts import ANSWERED, FAILED, LABELS, PART, REASONS, TEXT, VERDICTS
from rrsync.audit.review import Review
from rrsync.config.load import load
from rrsync.core.log_entry import Actor, ActorKind
from rrsync.text.log_terms import fields
from tests.cli.conftest import RRSYNC, WORLD, Place, Said
from tests.cli.sealed import lines_about
from tests.text.tables import spoken

MEMBER: Final = "M000040"
DIGITS: Final = WORLD.citizen(39).insz.digits
BELGIUM: Final = ZoneInfo("Europe/Brussels")
MONTHS: Final = {
    "nl": "januari februari maart april mei juni juli augustus september oktober november december",
    "en": "January February March April May June July August September October November December",
}
Item = dict[str, str]


def ask(place: Place, *options: str, typed: str = DIGITS) -> Said:
    """Ask who looked a person up, by a number on standard input."""
    place.monkeypatch.setattr("sys.stdin", io.StringIO(f"{typed}\n"))
    return place.run("log", "who", *options, "--actor", "dpo")


@pytest.fixture(scope="session")
def kept_looks(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return where the first test leaves what the others start from."""
    return tmp_path_factory.mktemp("looked") / "work"


@pytest.fixture
def looked(settled: Place, kept_looks: Path) -> Place:
    """Return a working directory where a member was looked up by the night, at the desk, in vain, and in the log."""
    if not kept_looks.exists():
        _look(settled)
        shutil.copytree(settled.folder, kept_looks)
    shutil.copytree(kept_looks, settled.folder, dirs_exist_ok=True)
    return settled


def _look(settled: Place) -> None:
    settled.register()
    assert settled.refresh(MEMBER).code == 0
    assert settled.refresh(MEMBER, "--preview").code == 0
    assert settled.refresh(MEMBER, purpose="curiosity").code == 4
    settled.register("mixup:1")
    assert settled.refresh(MEMBER).code == 4
    settled.register("refused:1")
    settled.refresh(MEMBER)
    assert settled.run("holds", "accept", str(settled.hold(MEMBER)), "--actor", "bo").code == 0
    assert settled.run("log", "show", "--library", "demo", "--member", MEMBER, "--actor", "dpo").code == 0
    taken = [line for line in lines_about(settled.folder, DIGITS) if line.get("out", {}).get("status") == "mismatch"]
    words = ("--library", "demo", "--to", "messages.txt", "--reason", "complaint 4", "--actor", "dpo")
    assert settled.run("log", "evidence", str(taken[0]["seq"]), *words).code == 0


def items(letter: str, language: str) -> Iterator[tuple[str, Item]]:
    """Read a letter back: each numbered item with the section it stands in, its lines by their label."""
    names = {text: name for name, text in spoken(LABELS, language).items()}
    sections = {spoken(TEXT, language)[name].upper(): name for name in ("answered", "failed", "others")}
    section, number = "", 0
    for part in letter.split("\n\n"):
        if part in sections:
            section, number = sections[part], 0
        elif match := re.match(r"(\d+)\.\n", part):
            number += 1
            assert int(match[1]) == number
            item: Item = {}
            for line in part[match.end() :].splitlines():
                assert len(line) <= 76
                if label := re.match(r" {4}(\w+): +", line):
                    last = names[label[1]]
                    item[last] = line[label.end() :]
                else:
                    item[last] += f" {line.strip()}"
            yield section, item


def moment(text: str, language: str) -> datetime:
    """Read a moment as the letter has it."""
    day, month, year, clock = text.replace(",", "").split()
    number = MONTHS[language].split().index(month) + 1
    return datetime.fromisoformat(f"{year}-{number:02d}-{int(day):02d}T{clock}").replace(tzinfo=BELGIUM)


def back(table: dict[str, str], text: str) -> str:
    """Return the one word of the log that a table says so."""
    (word,) = [word for word, said in table.items() if said == text]
    return word


def filled(template: str, text: str) -> tuple[str, ...] | None:
    """Return what stands in the places of a template; ``None`` when a text is not made from it."""
    pattern = re.sub(r"%\\\(\w+\\\)s", "(.*)", re.escape(template))
    found = re.fullmatch(pattern, text)
    return found.groups() if found else None


def places(text: str, language: str) -> tuple[int, ...]:
    """Read which entries an item tells of."""
    part = spoken(PART, language)
    found = filled(part["two"], text) or filled(part["one"], text)
    assert found is not None
    assert found[-1] == "demo"
    return tuple(int(number) for number in found[:-1])


def actor(text: str, language: str) -> tuple[str, str, str]:
    """Read who looked, and in what capacity."""
    part = spoken(PART, language)
    who, capacity = filled(part["capacity"], text) or (text, "")
    for kind, name in (("person", "person"), ("night", "process")):
        if found := filled(part[kind], who):
            return name, found[0], capacity
    raise AssertionError(text)


def look_of(item: Item, language: str) -> dict[str, Any]:
    """Read an item about a look, in the words of the log."""
    part = spoken(PART, language)
    why, case = filled(part["case"], item["why"]) or (item["why"], "")
    data, withheld = filled(part["withheld"], item["data"]) or (item["data"], "0")
    kind, name, capacity = actor(item["who"], language)
    purposes = spoken(REASONS, language)
    return {
        "at": moment(item["when"], language),
        "library": item["library"],
        "actor": {"t": kind, "id": name},
        "capacity": capacity,
        "purpose": back(purposes, why) if why in purposes.values() else why,
        "case": case,
        "basis": (filled(part["ungrounded"], item["ground"]) or filled(part["basis"], item["ground"]) or ("",))[0],
        "fields": data,
        "withheld": int(withheld),
        "seqs": places(item["log"], language),
        "result": item["result"],
    }


def look_in(intent: dict[str, Any], outcome: dict[str, Any], language: str) -> dict[str, Any]:
    """Return what the letter is to say of a look, from its entries."""
    out = outcome.get("out", {})
    words = spoken(FAILED | ANSWERED, language)
    verdict = "preview" if outcome.get("preview") else outcome.get("verdict", "")
    if outcome.get("verdict") == "same" and outcome.get("changed") and verdict != "preview":
        verdict = "filled"
    status = out.get("status", "denied" if intent["kind"] == "access.denied" else "open")
    result = words[status] if status in FAILED else spoken(VERDICTS, language)[verdict]
    return {
        "at": datetime.fromisoformat(intent["ts"]).replace(microsecond=0),
        "library": "Bibliotheek Demo (demo)",
        "actor": intent["actor"],
        "capacity": intent["why"]["hoed"],
        "purpose": intent["why"]["code"],
        "case": intent["why"].get("case", ""),
        "basis": intent["why"]["basis"],
        "fields": fields(out.get("got", ()), language) or spoken(PART, language)["none"],
        "withheld": out.get("withheld", 0),
        "seqs": tuple(line["seq"] for line in (intent, outcome) if line),
        "result": result,
    }


@pytest.mark.parametrize("language", ["nl", "en"])
def test_every_line_of_the_letter_is_in_the_log_and_every_line_of_the_log_in_the_letter(
    looked: Place, language: str
) -> None:
    """The log is read without rrsync: who, what, whose, when, how and why are the same, none is missing or doubled."""
    lines = lines_about(looked.folder, DIGITS)
    letter = ask(looked, "--language", language).out
    found = list(items(letter, language))
    looks = [line for line in lines if line["kind"] in {"access.intent", "access.denied"}]
    ends = {line["ref"]: line for line in lines if line["kind"] == "access.outcome"}
    expected = [look_in(line, ends.get(line["ref"], {}), language) for line in looks]
    told = [(section, look_of(item, language)) for section, item in found if section != "others"]
    results = [(said.pop("result"), look.pop("result")) for look, said in _paired(expected, told)]
    assert [said for _, said in told] == sorted(expected, key=lambda look: (_failed(look, ends), look["seqs"]))
    assert all(said.startswith(result) for said, result in results)
    others = [line for line in lines if line["kind"] in {"hold.decision", "log.view"}]
    assert [places(item["log"], language) for section, item in found if section == "others"] == [
        (line["seq"],) for line in others
    ]
    everything = [seq for _, item in found for seq in places(item["log"], language)]
    assert sorted(everything) == [line["seq"] for line in lines]
    assert len(looks) == 6
    assert len(others) == 3


def _failed(look: dict[str, Any], ends: dict[str, Any]) -> bool:
    (status,) = [line["out"]["status"] for line in ends.values() if line["seq"] in look["seqs"]] or ["denied"]
    return status in FAILED


def _paired(
    expected: list[dict[str, Any]], told: list[tuple[str, dict[str, Any]]]
) -> list[tuple[dict[str, Any], dict[str, Any]]]:
    by_place = {look["seqs"]: look for look in expected}
    return [(by_place[said["seqs"]], said) for _, said in told]


class TestLetter:
    """What a citizen reads."""

    def test_what_came_of_each(self, looked: Place) -> None:
        """In plain words, the attempts that failed or were refused apart, with why; and who looked in the log."""
        letter = " ".join(ask(looked).out.split())
        assert "Raadplegingen: 3. Pogingen die mislukten of geweigerd werden: 3. Andere regels over u: 3." in letter
        for words in (
            "een personeelslid, onder de naam an.peeters, in de hoedanigheid van bibliotheek (1300)",
            "een vraag aan de balie, dossier brief-118",
            "het nachtelijke programma (rrsync night), zonder tussenkomst van een personeelslid",
            "niets aangepast; een personeelslid moest het bekijken (referentieadres)",
            "alleen getoond; niets aangepast (referentieadres)",
            "niet gevraagd: de machtiging noemt dit doel niet, enkel desk, member-administration",
            "het antwoord ging over iemand anders; het is niet gebruikt",
            "geweigerd door het register",
            "nam over wat het register had gemeld (referentieadres)",
            "bekeek in het logboek wie uw gegevens had opgevraagd",
            "vroeg de volledige berichten van regel",
            "met als reden: complaint 4",
        ):
            assert words in letter

    def test_where_to_turn_and_how_to_prove_it(self, looked: Place) -> None:
        """The library's officer, the authority, the proof; and the entry that this answer itself is."""
        letter = " ".join(ask(looked).out.split())
        view = lines_about(looked.folder, DIGITS)[-1]
        assert (view["kind"], view["view"]["what"], view["actor"]["id"]) == ("log.view", "who", "dpo")
        assert view["view"]["count"] == 9
        assert f"staat zelf ook in het logboek: regel {view['seq']} van demo." in letter
        for words in ("functionaris voor gegevensbescherming", "Gegevensbeschermingsautoriteit", "rrsync log prove"):
            assert words in letter
        again = " ".join(ask(looked).out.split())
        assert f"om u te antwoorden Logboek: regel {view['seq']} van demo" in again

    def test_nobody_looked(self, place: Place) -> None:
        """It says so, in either language."""
        letter = ask(place).out
        assert "niemand heeft uw gegevens opgevraagd" in letter
        assert spoken(TEXT, "nl")["answered"].upper() + "\n" not in letter
        assert "rrsync log prove" not in letter
        place.env(LANGUAGE="en")
        assert TEXT["nobody"] in " ".join(ask(place, typed=WORLD.citizen(0).insz.digits).out.split())

    def test_a_year_that_was_forgotten(self, looked: Place) -> None:
        """From when on it can answer is said before what it answers."""
        year = int(lines_about(looked.folder, DIGITS)[0]["ts"][:4])
        looked.tamper("DELETE FROM log_key")
        letter = " ".join(ask_long_after(looked, year).split())
        says = f"Over {year} kan het logboek van Bibliotheek Demo (demo) niets meer zeggen"
        assert says in letter
        assert f"volledig vanaf 1 januari {year + 1}." in letter
        assert letter.index(says) < letter.index("Sindsdien staat in deze logboeken niets over u")

    def test_the_libraries_that_are_meant(self, looked: Place) -> None:
        """All, or those named; one that left the settings still has its log."""
        looked.settings('id = "demo"', 'id = "newer"')
        both = ask(looked, "--json").document
        assert [(each["library"], len(each["accesses"])) for each in both["libraries"]] == [("newer", 0), ("demo", 6)]
        (one,) = ask(looked, "--json", "--library", "demo").document["libraries"]
        assert one["accesses"] == both["libraries"][1]["accesses"]
        assert ask(looked, "--library", "nowhere").code == 2
        assert "regels" in ask(looked, "--library", "demo").out

    def test_as_a_document(self, looked: Place) -> None:
        """The same looks and lines, without the sealed number."""
        lines = lines_about(looked.folder, DIGITS)
        document = ask(looked, "--json").document
        (told,) = document["libraries"]
        assert (told["name"], told["forgotten"]) == ("Bibliotheek Demo", [])
        assert told["entry"] == lines_about(looked.folder, DIGITS)[-1]["seq"]
        seqs = [seq for look in told["accesses"] for seq in (look["seq"], look["outcome_seq"]) if seq is not None]
        assert sorted([*seqs, *(line["seq"] for line in told["others"])]) == [line["seq"] for line in lines]
        assert all("subj" not in line for line in told["others"])

    def test_to_a_file(self, looked: Place) -> None:
        """Whole, and only readable by who asked; what stood there is replaced."""
        file = looked.folder / "letter.txt"
        file.write_text("an older one", encoding="utf-8")
        said = ask(looked, "--to", "letter.txt", "--language", "en")
        assert (said.code, said.out, said.err) == (0, "De brief staat in letter.txt.\n", "")
        assert file.stat().st_mode & 0o777 == 0o600
        text = file.read_text(encoding="utf-8")
        assert text.startswith(f"{TEXT['title'].upper()}\n\nDate:")
        assert text.endswith("www.dataprotectionauthority.be.\n")
        assert DIGITS not in text

    def test_no_person_is_in_it(self, looked: Place) -> None:
        """Neither a number nor a name or street of any member, in any of the ways to ask."""
        (looked.folder / "letter.txt").touch()
        said = [ask(looked, *more).out for more in ((), ("--json",), ("--language", "en"), ("--to", "letter.txt"))]
        said += [(looked.folder / "letter.txt").read_text(encoding="utf-8")]
        for words in ((), ("--json",), ("--raw",), ("--member", MEMBER)):
            said.append(looked.run("log", "show", "--library", "demo", *words).out)
        names = {name for one in map(WORLD.citizen, range(40)) for name in (one.residence.street, *one.last_names)}
        assert len(names) > 40
        for text in said:
            assert not [name for name in names if re.search(rf"\b{re.escape(name)}\b", text)]


def ask_long_after(place: Place, year: int) -> str:
    """Ask in a later year, as the machine's clock would then say."""
    later = datetime(year + 11, 5, 1, tzinfo=BELGIUM)
    runtime = system_runtime()
    with open_services(
        load(place.folder / "rrsync.toml"), Runtime(lambda: later, runtime.new_reference, runtime.random)
    ) as app:
        told = Review(app.access_log, app.log_search).who(
            ["demo"], Actor(ActorKind.PERSON, "dpo"), WORLD.citizen(39).insz
        )
    return Letter({"demo": "Bibliotheek Demo"}, "nl").write(told, later)


class TestTyping:
    """The number is typed, never an argument."""

    @pytest.mark.parametrize("typed", ["{0}.{1}", " {0}{1} ", "{0} {1}"])
    def test_as_people_write_it(self, looked: Place, typed: str) -> None:
        """With its dots, dashes and blanks."""
        said = ask(looked, "--json", typed=typed.format(DIGITS[:6], DIGITS[6:]))
        assert len(said.document["libraries"][0]["accesses"]) == 6

    @pytest.mark.parametrize(
        ("typed", "why"),
        [
            ("", "no digits"),
            ("twelve", "no digits"),
            (DIGITS[:10], "eleven digits"),
            (f"{DIGITS[:9]}{(int(DIGITS[9:]) + 1) % 97:02d}", "check digits do not fit"),
        ],
    )
    def test_what_is_no_number(self, looked: Place, typed: str, why: str) -> None:
        """2, the rule that failed and not what was typed; nothing was looked up."""
        size = looked.log_size()
        said = ask(looked, typed=typed)
        assert (said.code, said.out) == (2, "")
        assert why in said.err
        assert looked.log_size() == size

    def test_it_is_no_argument(self, looked: Place) -> None:
        """Where every user of the machine could read it; and it is not repeated."""
        for words in ((DIGITS,), ("--insz", DIGITS), ("--actor", DIGITS)):
            said = looked.run("log", "who", *words)
            assert (said.code, said.out) == (2, "")

    def test_on_a_terminal_it_is_not_shown(self, looked: Place) -> None:
        """It is asked for on standard error, and what is typed there does not come back."""
        code, out, shown = at_a_terminal(looked, f"{DIGITS}\n")
        assert code == 0
        assert out.startswith(b"WIE HEEFT UW GEGEVENS OPGEVRAAGD?")
        assert DIGITS.encode() not in shown + out
        assert lines_about(looked.folder, DIGITS)[-1]["view"]["what"] == "who"

    def test_leaving_the_prompt_is_one_sentence(self, looked: Place) -> None:
        """130, and nothing was looked up."""
        size = looked.log_size()
        code, out, shown = at_a_terminal(looked, "\x04")
        assert (code, out) == (130, b"")
        assert b"rrsync: Stopped." in shown
        assert looked.log_size() == size

    def test_bytes_that_are_no_text(self, looked: Place) -> None:
        """Are no number."""
        looked.monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(b"\xff\xfe\n"), encoding="utf-8"))
        said = looked.run("log", "who")
        assert (said.code, said.out) == (2, "")
        assert "no digits" in said.err


def at_a_terminal(place: Place, typed: str) -> tuple[int, bytes, bytes]:
    """Type at the prompt of a terminal; give the exit code, standard output, and what the terminal shows."""
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        [RRSYNC, "log", "who", "--actor", "dpo"],
        cwd=place.folder,
        stdin=theirs,
        stdout=subprocess.PIPE,
        stderr=theirs,
        start_new_session=True,
    )
    place.stack.callback(process.kill)
    os.close(theirs)
    shown = b""
    while b"niet getoond): " not in shown:  # the blank comes when the terminal shows no more what is typed
        shown += os.read(ours, 1024)
    os.write(ours, typed.encode())
    out, _ = process.communicate(timeout=60)
    while rest := _rest(ours):
        shown += rest
    os.close(ours)
    return process.returncode, out, shown


def _rest(terminal: int) -> bytes:
    """Return what a terminal still shows; nothing once its other side was closed."""
    try:
        return os.read(terminal, 1024)
    except OSError:
        return b""
