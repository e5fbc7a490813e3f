"""The invariants I1 to I6 of the design, held against what is really there, by code that shares nothing with rrsync.

Each check gives sentences that begin with the name of the invariant; none is good news. They name members by number.
"""

from __future__ import annotations

import hashlib
import re
import unicodedata
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final

from rrsync.simulator.citizens import Citizen, Situation
from tests.night.raw import Entry, Held, Key, Member, State, Step, Written

INTENT: Final = "access.intent"
OUTCOME: Final = "access.outcome"
SETTLED: Final = ("deceased", "cancelled", "unknown", "new_number")
ENDINGS: Final = frozenset({"open", "done", "left"})

#: What an invented citizen's situation must come to, unless it is a question of addresses.
HOLDS: Final = {
    Situation.DECEASED: "deceased",
    Situation.PROTECTED: "protected",
    Situation.ABROAD: "abroad",
    Situation.STRUCK_OFF: "struck_off",
    Situation.ABSENT: "absent",
    Situation.RENUMBERED: "new_number",
    Situation.CANCELLED: "cancelled",
    Situation.UNKNOWN: "unknown",
    Situation.REFERENCE_ADDRESS: "reference_address",
    Situation.NO_ADDRESS: "no_address",
    Situation.CONTACT_ONLY: "no_address",
    Situation.UNKNOWN_STATUS: "unknown_status",
}


@dataclass(frozen=True, slots=True)
class Base:
    """A member as it was before a run, how long its library's log was then, and every number it had since."""

    member: Member
    seq: int
    numbers: frozenset[str]


@dataclass(slots=True)
class Scene:
    """What the checks need to know of what happened outside of the database.

    ``asked`` is what reached the register, reference and number; ``recorded`` says of each reference whether its intent
    was committed when it came. ``tolerated`` are hold reasons that a fault of the register may give to anybody; members
    of ``barred`` libraries need not be asked about.
    """

    before: dict[Key, Base]
    asked: list[tuple[str, str]]
    recorded: Mapping[str, bool]
    find: Callable[[str], Citizen | None] | None
    due: set[Key] = field(default_factory=set)
    barred: set[str] = field(default_factory=set)
    done: set[tuple[str, Key]] = field(default_factory=set)
    told: dict[str, list[bytes]] = field(default_factory=dict)
    tolerated: frozenset[str] = frozenset()


def after_run(scene: Scene, state: State, *, run: str, dead: bool = False) -> list[str]:
    """Check I1 to I5 after a run; with ``dead`` it was killed, and accesses may still lack their outcome."""
    checks = (
        recorded_first(scene, state),
        one_outcome(state, dead=dead),
        no_unsaid_change(scene, state),
        whole_log(scene, state),
        right_person(scene, state),
        () if dead else every_step(scene, state, run=run),
    )
    return [finding for check in checks for finding in check]


def recorded_first(scene: Scene, state: State) -> Iterator[str]:
    """I1: every reference that reached the register has an intent committed before it."""
    intents = {entry.reference for entry in _entries(state) if entry.kind == INTENT}
    for reference, _ in scene.asked:
        if reference not in scene.recorded:
            yield f"I1: the auditor could not look for {reference} when it reached the register"
        elif not scene.recorded[reference]:
            yield f"I1: {reference} reached the register before its intent was committed"
        elif reference not in intents:
            yield f"I1: the intent of {reference} is no longer there"


def one_outcome(state: State, *, dead: bool = False) -> Iterator[str]:
    """I2: every intent has exactly one outcome, after it; no outcome lacks its intent."""
    kinds: dict[Key, list[str]] = {}
    for entry in _entries(state):
        if entry.kind in {INTENT, OUTCOME}:
            kinds.setdefault((entry.library, entry.reference), []).append(entry.kind)
    for (_, reference), found in kinds.items():
        if found != [INTENT, OUTCOME] and not (dead and found == [INTENT]):
            yield f"I2: of {reference} the log has {', '.join(found)}"
    without = {key for key, found in kinds.items() if OUTCOME not in found}
    if state.pending != without:
        yield f"I2: {len(state.pending)} accesses are marked as pending, {len(without)} have no outcome"


def no_unsaid_change(scene: Scene, state: State) -> Iterator[str]:
    """I3: what was held became what is held by changes of which each has its outcome, which names what changed."""
    entries = {(entry.library, entry.seq): entry for entry in _entries(state)}
    by_member: dict[Key, list[Written]] = {}
    for change in state.changes:
        by_member.setdefault(change.key, []).append(change)
    for key, base in scene.before.items():
        now, held = state.members.get(key), base.member.held
        for change in by_member.get(key, []):
            if change.seq >= base.seq:
                yield from _said(change, entries.get((key[0], change.seq)), base.member.digits)
                if change.before != held:
                    yield f"I3: before the change at {change.seq}, {key[1]} was another than the log says"
                held = change.after
        if now is not None and now.held != held:
            yield f"I3: {key[1]} is not what its changes made of it"
    yield from _done_as_said(state)


def _done_as_said(state: State) -> Iterator[str]:
    """Look for outcomes that say that data changed, and not that a change was offered, where none did."""
    written = {(change.key[0], change.seq) for change in state.changes}
    for entry in _entries(state):
        says = entry.kind == OUTCOME and (entry.line.get("changed") or entry.line.get("verdict") == "change")
        if says and not entry.line.get("offered") and (entry.library, entry.seq) not in written:
            yield f"I3: the outcome at {entry.seq} says that data changed, and none did"


def _said(change: Written, entry: Entry | None, digits: str) -> Iterator[str]:
    """Hold a change against the entry that should say it."""
    if entry is None or entry.kind != OUTCOME or entry.digits != digits:
        yield f"I3: the change of {change.key[1]} at {change.seq} has no outcome about that member"
    elif set(entry.line.get("changed", [])) != change.before.changed(change.after):
        yield f"I3: the outcome at {change.seq} does not name what changed of {change.key[1]}"


def whole_log(scene: Scene, state: State) -> Iterator[str]:
    """I4: no gap, the head counts the entries and is the root of their tree, and the past is what it was."""
    for library in sorted({*state.entries, *state.heads}):
        entries = state.entries.get(library, [])
        size, edge = state.heads.get(library, (0, b""))
        if [entry.seq for entry in entries] != list(range(len(entries))):
            yield f"I4: the log of {library} has a gap"
        if [entry.line["seq"] for entry in entries] != [entry.seq for entry in entries]:
            yield f"I4: an entry of {library} stands in another place than it says"
        if size != len(entries):
            yield f"I4: the head of {library} counts {size} of {len(entries)} entries"
        leaves = [entry.data for entry in entries]
        if _folded(edge) != merkle(leaves):
            yield f"I4: the tree of {library} is not that of its entries"
        if leaves[: len(scene.told.get(library, []))] != scene.told.get(library, []):
            yield f"I4: the log of {library} was another before"
        scene.told[library] = leaves


def right_person(scene: Scene, state: State) -> Iterator[str]:
    """I5: every access is about one person, from intent to outcome, and every verdict is about that person."""
    about: dict[str, str] = {}
    for entry in _entries(state):
        if entry.reference and entry.digits and about.setdefault(entry.reference, entry.digits) != entry.digits:
            yield f"I5: {entry.reference} is about two people"
    for reference, digits in scene.asked:
        if about.get(reference, digits) != digits:
            yield f"I5: the register was asked about somebody else under {reference}"
    last = {
        (entry.line["run"], entry.library, entry.digits): entry
        for entry in _entries(state)
        if entry.kind == OUTCOME and entry.line.get("run") and entry.line.get("verdict", "void") != "void"
    }
    for step in state.steps:
        if step.state == "done" and (step.run, step.key) not in scene.done:
            scene.done.add((step.run, step.key))
            yield from _right_step(scene, state, step, last)


def _right_step(scene: Scene, state: State, step: Step, last: dict[tuple[str, str, str], Entry]) -> Iterator[str]:
    """Hold a step that is done against the outcome about that member, and against the register."""
    member, base = state.members[step.key], scene.before.get(step.key)
    said = last.get((step.run, step.key[0], member.digits))
    if said is None or (said.line["verdict"], said.line.get("hold", "")) != (step.verdict, step.reason):
        yield f"I5: the step of {step.key[1]} says otherwise than the outcome about that member"
    if base is not None and base.member.digits == member.digits and step.reason not in scene.tolerated:
        yield from _as_the_register(scene, base.member, member, (step.verdict, step.reason))


def _as_the_register(scene: Scene, before: Member, now: Member, verdict: tuple[str, str]) -> Iterator[str]:
    """Hold a verdict and an address against what the register knows of this number."""
    if scene.find is None:
        return
    citizen = scene.find(before.digits)
    wanted = expected(citizen, before.held)
    if verdict != wanted:
        yield f"I5: {now.key[1]} got {' '.join(verdict).strip()}, and should have got {' '.join(wanted).strip()}"
    if wanted[0] == "hold" and now.held != before.held:
        yield f"I5: {now.key[1]} is on hold, and was changed"
    if wanted[0] == "change" and citizen is not None:
        place = citizen.residence
        parts = (place.street, place.house_number, place.box, place.postal_code, place.municipality, place.nis_code)
        if now.held.address[:6] != parts or now.held.address_since != citizen.since.text:
            yield f"I5: {now.key[1]} has another address than the register knows"


def expected(citizen: Citizen | None, held: Held) -> tuple[str, str]:
    """Give verdict and hold reason for an invented citizen of whom this is held."""
    if citizen is None:
        return "hold", "unknown"
    if reason := HOLDS.get(citizen.situation):
        return "hold", reason
    if held.birth_date and citizen.birth.is_complete and held.birth_date != citizen.birth.text:
        return "hold", "birth_date_differs"
    place = citizen.residence
    theirs = (place.street, place.house_number, place.box, place.postal_code, place.municipality)
    return ("same", "") if squashed(held.address) == squashed(theirs) else ("change", "")


def squashed(address: tuple[str, ...]) -> list[str]:
    """Give street, number, box, postal code and municipality without what is spelling only."""
    parts = [bare(part) for part in address[:5]]
    parts[2] = parts[2].removeprefix("bus").lstrip("0")
    return parts


def bare(text: str) -> str:
    """Give the letters and digits of a text alone, without accents or case."""
    return "".join(char for char in unicodedata.normalize("NFKD", text).casefold() if char.isalnum())


def every_step(scene: Scene, state: State, *, run: str) -> Iterator[str]:
    """I5: everybody who was due has a step, and in a run that ended each of them is done or left."""
    steps = {step.key: step for step in state.steps if step.run == run}
    for key in sorted(scene.due - set(steps)):
        yield f"I5: {key[1]} was due and has no step"
    for key in sorted(set(steps) - scene.due):
        yield f"I5: {key[1]} has a step and was not due"
    tried = {(one.library, one.digits) for one in _entries(state) if one.kind == INTENT and one.line.get("run") == run}
    for key, step in sorted(steps.items()):
        member, base = state.members.get(key), scene.before.get(key)
        asked = base is None or any((key[0], digits) in tried for digits in base.numbers)
        if step.state == "left" and not asked and key[0] not in scene.barred:
            yield f"I5: {key[1]} was due and never asked about"
        if step.state not in ENDINGS or (step.state == "open" and state.ended[run]):
            yield f"I5: the step of {key[1]} is {step.state} in a run that ended"
        if step.state != "done" and (step.verdict or step.reason):
            yield f"I5: the step of {key[1]} has a verdict and is not done"
        if step.state == "done" and member and (member.verdict, member.hold_reason) != (step.verdict, step.reason):
            yield f"I5: {key[1]} has another verdict than its step"


def due(state: State, *, libraries: Iterable[str], now: datetime, stale_after_days: int, full: bool) -> set[Key]:
    """Give who is due, by the rule of the plan read again: a number, a ground, never asked or long ago, not settled."""
    chosen, today, before = set(libraries), now.date(), now.replace(tzinfo=None) - timedelta(days=stale_after_days)
    found = set()
    for key, member in state.members.items():
        ground = member.membership_end is None or member.membership_end >= today or member.open_items > 0
        stale = member.refreshed_at is None or member.refreshed_at < before
        settled = member.refreshed_at is not None and member.hold_reason in SETTLED
        if key[0] in chosen and member.digits and ground and (full or (stale and not settled)):
            found.add(key)
    return found


def in_clear(canaries: Canaries, places: Iterable[tuple[str, bytes]]) -> Iterator[str]:
    """I6: no number, name or street in clear anywhere."""
    for where, data in places:
        for found in canaries.sung(data):
            yield f"I6: {where} holds {found} in clear"


_DIGITS: Final = re.compile(rb"(?=(\d\d[ .]?\d\d[ .]?\d\d[- ]?\d{3}[. ]?\d\d))")


@dataclass(frozen=True, slots=True)
class Canaries:
    """What must not be found: numbers, with and without separators, and words of more than five letters."""

    numbers: frozenset[bytes]
    words: re.Pattern[bytes]

    @classmethod
    def of(cls, numbers: Iterable[str], words: Iterable[str]) -> Canaries:
        """Take numbers, and the names and streets that are long enough to be found by chance nowhere."""
        long = {word.strip() for word in words if len(word.strip()) > 5}
        spelled = {
            form for word in long for form in (word, word.replace('"', '\\"'), word.encode("unicode_escape").decode())
        }
        any_word = re.compile(_either({word.encode() for word in spelled}) if spelled else rb"(?!)")
        return cls(frozenset(number.encode() for number in numbers), any_word)

    def sung(self, data: bytes) -> Iterator[str]:
        """Say what kind of thing was found."""
        for match in _DIGITS.finditer(data):
            if re.sub(rb"\D", b"", match[1]) in self.numbers:
                yield "a number"
                break
        if self.words.search(data):
            yield "a name or a street"


def _either(words: set[bytes]) -> bytes:
    """Give a pattern of any of these words, with what they begin with alike but once: thousands are sought at once."""
    if b"" in words:
        return b""
    ends = {first: {word[1:] for word in words if word[0] == first} for first in {word[0] for word in words}}
    return b"(?:" + b"|".join(re.escape(bytes([first])) + _either(rest) for first, rest in ends.items()) + b")"


def merkle(leaves: list[bytes]) -> bytes:
    """Give the root of a tree as RFC 6962 §2.1 writes it: split at the largest power of two below its size."""
    if not leaves:
        return hashlib.sha256(b"").digest()
    if len(leaves) == 1:
        return hashlib.sha256(b"\x00" + leaves[0]).digest()
    half = 1
    while half * 2 < len(leaves):
        half *= 2
    return hashlib.sha256(b"\x01" + merkle(leaves[:half]) + merkle(leaves[half:])).digest()


def _folded(edge: bytes) -> bytes:
    """Give the root from the right edge: the whole subtrees' roots from left to right."""
    hashes = [edge[at : at + 32] for at in range(0, len(edge), 32)]
    if not hashes:
        return hashlib.sha256(b"").digest()
    root = hashes.pop()
    while hashes:
        root = hashlib.sha256(b"\x01" + hashes.pop() + root).digest()
    return root


def _entries(state: State) -> Iterator[Entry]:
    for library in sorted(state.entries):
        yield from state.entries[library]
