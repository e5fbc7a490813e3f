"""``rrsync log who``: the answer to a citizen, compared with the log line by line."""

from __future__ import annotations

import base64
import hmac
import io
import json
import os
import pty
import re
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any, Final
from zoneinfo import ZoneInfo

import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from rrsync.app.runtime import system_runtime
from rrsync.app.services import open_services
from rrsync.audit.letter import Letter
from rrsync.audit.letter_texts import ANSWERED, FAILED, LABELS, PART, REASONS, TEXT, VERDICTS
from rrsync.audit.review import Review
from rrsync.config.load import load
from rrsync.core.log_entry import Actor, ActorKind
from rrsync.text.log_terms import fields
from tests.cli.conftest import REFERENCE, SETTLED, WORLD, Place, Said, digits
from tests.text.tables import spoken

DIGITS: Final = digits(REFERENCE)
BELGIUM: Final = ZoneInfo("Europe/Brussels")
MONTHS: Final = {
    "nl": "januari februari maart april mei juni juli augustus september oktober november december",
    "en": "January February March April May June July August September October November December",
}
Item = dict[str, str]


def ask(place: Place, *options: str, typed: str = DIGITS) -> Said:
    """Ask who queried a person, by a national number on standard input."""
    place.type(f"{typed}\n")
    return place.run("log", "who", *options, "--actor", "dpo")


def lines_about(place: Place, number: str = DIGITS) -> list[dict[str, Any]]:
    """Return the entries about a person, found without rrsync by the pseudonyms under the keys of the years."""
    sealed = place.query("SELECT year, key FROM log_key WHERE library = 'demo'")
    keys = [_unsealed(place.folder, key, f"log_key|key|demo|{year}") for year, key in sealed]
    refs = {hmac.digest(_derived(key, "pseudonym"), number.encode(), "sha256").hex() for key in keys}
    return [line for line in map(json.loads, place.raw_log()) if line.get("subj", {}).get("ref") in refs]


def _unsealed(folder: Path, sealed: bytes, where: str) -> bytes:
    (key,) = [line.split()[2] for line in (folder / "rrsync.keys").read_text().splitlines() if line.startswith("data")]
    cipher = AESGCM(_derived(base64.b64decode(key), "data"))
    return cipher.decrypt(sealed[9:21], sealed[21:], where.encode())


def _derived(key: bytes, label: str) -> bytes:
    return HKDF(algorithm=SHA256(), length=32, salt=None, info=f"rrsync {label}".encode()).derive(key)


@pytest.fixture(scope="session")
def kept_looks(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder in which the first test leaves the installation for the others."""
    return tmp_path_factory.mktemp("looked") / "work"


@pytest.fixture
def looked(settled: Place, kept_looks: Path) -> Place:
    """Return an installation where a member was queried by the night, at the desk, without success, and in the log."""
    if not kept_looks.exists():
        _look(settled)
        shutil.copytree(settled.folder, kept_looks)
    shutil.copytree(kept_looks, settled.folder, dirs_exist_ok=True)
    return settled


def _look(settled: Place) -> None:
    settled.register()
    assert settled.refresh(REFERENCE).code == 0
    assert settled.refresh(REFERENCE, "--preview").code == 0
    assert settled.refresh(REFERENCE, purpose="curiosity").code == 4
    settled.register("mixup:1")
    assert settled.refresh(REFERENCE).code == 4
    settled.register("refused:1")
    settled.refresh(REFERENCE)
    assert settled.run("holds", "accept", str(settled.hold(REFERENCE)), "--actor", "bo").code == 0
    assert settled.run("log", "show", "--library", "demo", "--member", REFERENCE, "--actor", "dpo").code == 0
    taken = [line for line in lines_about(settled) if line.get("out", {}).get("status") == "mismatch"]
    words = ("--library", "demo", "--to", "messages.txt", "--reason", "complaint 4", "--actor", "dpo")
    assert settled.run("log", "evidence", str(taken[0]["seq"]), *words).code == 0


def items(letter: str, language: str) -> Iterator[tuple[str, Item]]:
    """Read a letter: each numbered item with its section, and its lines by their label."""
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
    """Read a time of a letter."""
    day, month, year, clock = text.replace(",", "").split()
    number = MONTHS[language].split().index(month) + 1
    return datetime.fromisoformat(f"{year}-{number:02d}-{int(day):02d}T{clock}").replace(tzinfo=BELGIUM)


def back(table: dict[str, str], text: str) -> str:
    """Return the code of the log that has this text."""
    (word,) = [word for word, said in table.items() if said == text]
    return word


def filled(template: str, text: str) -> tuple[str, ...] | None:
    """Return the values of a template in a text; ``None`` when the text does not come from it."""
    pattern = re.sub(r"%\\\(\w+\\\)s", "(.*)", re.escape(template))
    found = re.fullmatch(pattern, text)
    return found.groups() if found else None


def places(text: str, language: str) -> tuple[int, ...]:
    """Read the numbers of an item's entries."""
    part = spoken(PART, language)
    found = filled(part["two"], text) or filled(part["one"], text)
    assert found is not None
    assert found[-1] == "demo"
    return tuple(int(number) for number in found[:-1])


def actor(text: str, language: str) -> tuple[str, str, str]:
    """Read the actor and the capacity."""
    part = spoken(PART, language)
    who, capacity = filled(part["capacity"], text) or (text, "")
    for kind, name in (("person", "person"), ("night", "process")):
        if found := filled(part[kind], who):
            return name, found[0], capacity
    raise AssertionError(text)


def look_of(item: Item, language: str) -> dict[str, Any]:
    """Read an item about an access, in the codes of the log."""
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
    """Return an access as the letter must describe it, from its entries."""
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
    """The test reads the log without rrsync: every value is the same, and no access is missing or repeated."""
    lines = lines_about(looked)
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
    """The letter and the document."""

    def test_results_and_reasons(self, looked: Place) -> None:
        """The kind of result of each access, with the case and the reason, and the numbers of the summary."""
        letter = " ".join(ask(looked).out.split())
        part, failed = spoken(PART, "nl"), spoken(FAILED, "nl")
        assert re.findall(r": (\d)\.", letter)[:3] == ["3", "3", "3"]  # answered, failed, others
        for words in ("an.peeters", "1300", "brief-118", "rrsync night", "complaint 4", failed["mismatch"]):
            assert words in letter
        assert part["night"].partition("%")[0] in letter

    def test_the_answer_is_an_entry_too(self, looked: Place) -> None:
        """The letter names it, with the proof and the authority; the next letter has it among the others."""
        letter = " ".join(ask(looked).out.split())
        view = lines_about(looked)[-1]
        assert (view["kind"], view["view"]["what"], view["actor"]["id"]) == ("log.view", "who", "dpo")
        assert view["view"]["count"] == 9
        for words in (f"regel {view['seq']} van demo.", "Gegevensbeschermingsautoriteit", "rrsync log prove"):
            assert words in letter
        (answer,) = ask(looked, "--json").document["libraries"]
        assert answer["others"][-1]["seq"] == view["seq"]

    @pytest.mark.parametrize("language", ["nl", "en"])
    def test_nobody_looked(self, place: Place, language: str) -> None:
        """The letter says so, in the language of the settings."""
        letter = " ".join(ask(place.env(LANGUAGE=language), typed=digits(SETTLED)).out.split())
        assert spoken(TEXT, language)["nobody"] in letter
        assert "rrsync log prove" not in letter

    def test_a_year_that_was_forgotten(self, looked: Place) -> None:
        """The letter says first from when on the log can answer."""
        year = int(lines_about(looked)[0]["ts"][:4])
        looked.tamper("DELETE FROM log_key")
        letter = " ".join(ask_long_after(looked, year).split())
        says = f"Over {year} kan het logboek van Bibliotheek Demo (demo) niets meer zeggen"
        assert says in letter
        assert f"volledig vanaf 1 januari {year + 1}." in letter
        assert letter.index(says) < letter.index("Sindsdien staat in deze logboeken niets over u")

    def test_libraries(self, looked: Place) -> None:
        """All, or the named ones; a library that left the settings still has its log."""
        looked.settings('id = "demo"', 'id = "newer"')
        both = ask(looked, "--json").document
        assert [(each["library"], len(each["accesses"])) for each in both["libraries"]] == [("newer", 0), ("demo", 6)]
        (one,) = ask(looked, "--json", "--library", "demo").document["libraries"]
        assert one["accesses"] == both["libraries"][1]["accesses"]
        assert ask(looked, "--library", "nowhere").code == 2

    def test_as_a_document(self, looked: Place) -> None:
        """The same accesses and entries, without the encrypted number."""
        lines = lines_about(looked)
        document = ask(looked, "--json").document
        (told,) = document["libraries"]
        assert (told["name"], told["forgotten"]) == ("Bibliotheek Demo", [])
        assert told["entry"] == lines_about(looked)[-1]["seq"]
        seqs = [seq for look in told["accesses"] for seq in (look["seq"], look["outcome_seq"]) if seq is not None]
        assert sorted([*seqs, *(line["seq"] for line in told["others"])]) == [line["seq"] for line in lines]
        assert all("subj" not in line for line in told["others"])

    def test_to_a_file(self, looked: Place) -> None:
        """It replaces an older file, is private, and does not contain the number."""
        file = looked.folder / "letter.txt"
        file.write_text("an older one", encoding="utf-8")
        said = ask(looked, "--to", "letter.txt", "--language", "en")
        assert (said.code, said.out.count("\n"), said.err) == (0, 1, "")
        assert file.stat().st_mode & 0o777 == 0o600
        text = file.read_text(encoding="utf-8")
        assert text.startswith(f"{TEXT['title'].upper()}\n\nDate:")
        assert DIGITS not in text

    def test_no_person_is_in_it(self, looked: Place) -> None:
        """No form of the answer contains the number, name or street of a member."""
        (looked.folder / "letter.txt").touch()
        said = [ask(looked, *more).out for more in ((), ("--json",), ("--language", "en"), ("--to", "letter.txt"))]
        said += [(looked.folder / "letter.txt").read_text(encoding="utf-8")]
        for words in ((), ("--json",), ("--raw",), ("--member", REFERENCE)):
            said.append(looked.run("log", "show", "--library", "demo", *words).out)
        names = {name for one in map(WORLD.citizen, range(40)) for name in (one.residence.street, *one.last_names)}
        assert len(names) > 40
        for text in said:
            assert not [name for name in names if re.search(rf"\b{re.escape(name)}\b", text)]


def ask_long_after(place: Place, year: int) -> str:
    """Ask in a later year."""
    later = datetime(year + 11, 5, 1, tzinfo=BELGIUM)
    with open_services(load(place.config), replace(system_runtime(), clock=lambda: later)) as services:
        review = Review(services.access_log, services.log_search)
        answers = review.who(["demo"], Actor(ActorKind.PERSON, "dpo"), WORLD.citizen(39).insz)
    return Letter({"demo": "Bibliotheek Demo"}, "nl").write(answers, later)


class TestTyping:
    """The national number is typed, never an argument."""

    def test_separators(self, looked: Place) -> None:
        """As people write numbers."""
        for form in ("{0}.{1}", " {0}{1} ", "{0} {1}"):
            said = ask(looked, "--json", typed=form.format(DIGITS[:6], DIGITS[6:]))
            assert len(said.document["libraries"][0]["accesses"]) == 6

    def test_a_text_that_is_no_number(self, looked: Place) -> None:
        """2; the text is not repeated, and nothing is logged."""
        size = looked.log_size()
        wrong = f"{DIGITS[:9]}{(int(DIGITS[9:]) + 1) % 97:02d}"
        for typed in ("", "twelve", DIGITS[:10], wrong):
            said = ask(looked, typed=typed)
            assert (said.code, said.out) == (2, "")
            assert not typed or typed not in said.err
        looked.monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(b"\xff\xfe\n"), encoding="utf-8"))
        assert looked.run("log", "who").code == 2
        assert looked.log_size() == size

    def test_an_argument(self, looked: Place) -> None:
        """2: every user of the machine could read it. It is not repeated."""
        for words in ((DIGITS,), ("--insz", DIGITS), ("--actor", DIGITS)):
            said = looked.run("log", "who", *words)
            assert (said.code, said.out) == (2, "")

    def test_a_terminal_does_not_show_it(self, looked: Place) -> None:
        """The prompt is on standard error."""
        code, out, shown = at_a_terminal(looked, f"{DIGITS}\n")
        assert code == 0
        assert out.decode().startswith(spoken(TEXT, "nl")["title"].upper())
        assert DIGITS.encode() not in shown + out
        assert lines_about(looked)[-1]["view"]["what"] == "who"

    def test_leaving_the_prompt(self, looked: Place) -> None:
        """130 and one sentence; nothing is logged."""
        size = looked.log_size()
        code, out, shown = at_a_terminal(looked, "\x04")
        assert (code, out) == (130, b"")
        assert b"rrsync: Stopped." in shown
        assert looked.log_size() == size


def at_a_terminal(place: Place, typed: str) -> tuple[int, bytes, bytes]:
    """Type at the prompt of a terminal; return the exit code, standard output, and the text on the terminal."""
    ours, theirs = pty.openpty()
    process = place.start(
        *("log", "who", "--actor", "dpo"),
        stdin=theirs,
        stdout=subprocess.PIPE,
        stderr=theirs,
        start_new_session=True,
        text=False,
    )
    os.close(theirs)
    shown = b""
    while b"): " not in shown:  # the terminal echoes nothing from here on
        shown += os.read(ours, 1024)
    os.write(ours, typed.encode())
    out, _ = process.communicate(timeout=60)
    with suppress(OSError):  # once its other side is closed
        while rest := os.read(ours, 1024):
            shown += rest
    os.close(ours)
    return process.returncode, out, shown
