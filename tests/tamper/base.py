"""An invented log to be tampered with: entries of every kind, signed checkpoints, and what is kept elsewhere."""

from __future__ import annotations

from dataclasses import dataclass, field
from random import Random
from typing import Final

from rrsync.core.log_entry import JSON, Draft, Evidence, Kind
from rrsync.core.signed_note import Checkpoint, Note, Signer
from rrsync.store.checkpoints import Checkpoints, SignedCheckpoint
from rrsync.store.log_tree import KnownRoot, LogTree
from tests.support import LIBRARY, Store, insz
from tests.tamper.model import Model, read

SIGNER: Final = Signer(LIBRARY, b"s" * 32)
_OUTSIDE: Final = 2


@dataclass
class Base:
    """A whole log; ``outside`` is what its anchors gave back, ``backups`` what it was when each checkpoint was signed.

    ``midway`` are backups made while a run was under way, when its last entries were not signed yet.
    """

    model: Model = field(default_factory=lambda: Model({}))
    outside: list[KnownRoot] = field(default_factory=list)
    backups: list[Model] = field(default_factory=list)
    midway: list[Model] = field(default_factory=list)


class Builder:
    """Lets a library work for some days."""

    def __init__(self, store: Store, dice: Random) -> None:
        self.store = store
        self.dice = dice
        self.number = 0

    def work(self) -> None:
        """Append a few accesses and whatever else stands in a log, in one batch or in several."""
        self.store.clock.pass_by(seconds=self.dice.randrange(1, 5_000))
        drafts = [draft for _ in range(self.dice.randrange(1, 9)) for draft in self.access()]
        if self.dice.random() < 0.3:
            drafts.append(self.deed())
        if self.dice.random() < 0.5:
            self.store.ledger.append(drafts)
            return
        for draft in drafts:
            self.store.ledger.append([draft])

    def access(self) -> list[Draft]:
        """Return an intent and its outcome, or a denial."""
        self.number += 1
        reference, run = f"{self.dice.getrandbits(40):010x}-{self.number}", self.dice.choice(["", "run-1", "run-2"])
        subject = insz(self.dice.randrange(1, 60)) if self.dice.random() < 0.9 else None
        who: dict[str, JSON] = self.dice.choice([{"t": "person", "id": "an"}, {"t": "process", "id": "rrsync night"}])
        body: dict[str, JSON] = {"actor": who, "act": "R", "why": {"code": "desk", "case": f"nr. {self.number}é"}}
        if self.dice.random() < 0.05:
            return [Draft(LIBRARY, Kind.DENIED, reference, subject, run, body | {"denial": "purpose"})]
        failed = self.dice.random() < 0.1
        out: dict[str, JSON] = {"status": "transient" if failed else "ok", "codes": [], "ms": self.dice.randrange(900)}
        evidence = Evidence(b"<Verzoek/>", b"<Repliek/>") if failed else None
        outcome = Draft(LIBRARY, Kind.OUTCOME, reference, subject, run, {"out": out, "verdict": "same"}, evidence)
        return [Draft(LIBRARY, Kind.INTENT, reference, subject, run, body), outcome]

    def deed(self) -> Draft:
        """Return an entry without a reference."""
        body: dict[str, JSON] = {"actor": {"t": "person", "id": "dpo"}, "view": {"what": "show", "count": 3}}
        kind = self.dice.choice([Kind.RUN_OPEN, Kind.RUN_CLOSE, Kind.VIEW, Kind.VERIFY])
        return Draft(LIBRARY, kind, "", run="run-1", body=body if kind is Kind.VIEW else {})


def sign(store: Store) -> KnownRoot:
    """Sign what the log is, keep it in the database, and give what an anchor would know."""
    head = store.ledger.head(LIBRARY)
    text = Checkpoint(SIGNER.key.name, head.size, bytes.fromhex(head.root)).to_text()
    note = Note(text, (SIGNER.sign(text),)).to_text()
    Checkpoints(store.database, store.seal).add(SignedCheckpoint(LIBRARY, head.size, store.clock(), note))
    return KnownRoot(head.size, bytes.fromhex(head.root), "the anchor file")


def build(store: Store, dice: Random, *, size: int) -> Base:
    """Fill an empty database with a log of at least so many entries, signed now and then, and at its end."""
    base, builder = Base(), Builder(store, dice)
    store.ledger.append([Draft("genk", Kind.RUN_OPEN, "", run=f"run-{number}") for number in range(5)])
    signed: list[KnownRoot] = []
    while not signed or signed[-1].size < size:
        for _ in range(dice.randrange(1, 6)):
            builder.work()
        if dice.random() < 0.3:
            base.midway.append(read(store))
            builder.work()
        signed.append(sign(store))
        LogTree(store.database).grow(LIBRARY, signed[-1].size)
        base.backups.append(read(store))
    base.backups.pop()  # that is the log as it is
    base.outside = signed[-_OUTSIDE:]
    base.model = read(store)
    return base
