"""Proofs for others: a log's newest checkpoint with who cosigned it, and one entry's way into it (C2SP tlog-proof)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from rrsync.core.entry import JSON, Actor, Draft, Kind, named
from rrsync.core.note import Checkpoint, Note, Signature
from rrsync.core.proof import Proof
from rrsync.core.tree import leaf_hash
from rrsync.errors import BrokenChain, ConfigError

if TYPE_CHECKING:
    from rrsync.audit.notary import Notary
    from rrsync.store.checkpoints import Checkpoints
    from rrsync.store.ledger import Ledger
    from rrsync.store.tiles import Tiles


@dataclass(frozen=True, slots=True)
class Prover:
    """Gives proofs of entries; who asks for one stands in the log."""

    notary: Notary
    ledger: Ledger
    tiles: Tiles
    checkpoints: Checkpoints

    def newest(self, library: str) -> Note:
        """Sign what a log is now and give the note, with the signatures of the witnesses that have seen it.

        Raises:
            ConfigError: the log is empty.
            LedgerError: it cannot be signed.
        """
        note = self.notary.sign(library)
        if note is None:
            raise ConfigError(f"The access log of {library} is empty", todo="There is nothing to sign or to prove yet")
        return self.cosigned(library, note)

    def cosigned(self, library: str, note: Note) -> Note:
        """Give a note with the signatures of the witnesses that have seen just this checkpoint."""
        size = Checkpoint.parse(note.text).size
        lines = [
            line
            for one in self.checkpoints.anchorings(library)
            if one.size == size
            for line in one.receipt.splitlines(keepends=True)
        ]
        return note.plus(*map(Signature.parse, lines))

    def prove(self, library: str, seq: int, *, actor: Actor) -> Proof:
        """Give the proof that an entry is in the log; the entry's own bytes are in it, so that it stands alone.

        Raises:
            ConfigError: there is no such entry.
            LedgerError: the request for it cannot be written, or the log cannot be signed.
            BrokenChain: the entry does not lead to what is signed.
        """
        found = list(self.ledger.entries(library, since=seq, most=1))
        if not found or found[0][0] != seq:
            raise ConfigError(f"The access log of {library} has no entry {seq}", todo="See `rrsync log show`")
        view: dict[str, JSON] = {"what": "prove", "filter": {"entry": seq}, "count": 1}
        self.ledger.append([Draft(library, Kind.VIEW, "", body={"actor": named(actor), "view": view})])
        note = self._covering(library, seq)
        data = found[0][1]
        proof = Proof(seq, tuple(self.tiles.inclusion(library, seq, Checkpoint.parse(note.text).size)), note, data)
        try:
            proof.check(leaf_hash(data), self.notary.key(library))
        except ValueError as error:
            raise BrokenChain(
                f"Entry {seq} of the access log of {library} does not lead to what is signed: {error}",
                todo="Run `rrsync log verify`: it names the cause",
            ) from error
        return proof

    def _covering(self, library: str, seq: int) -> Note:
        """Give the newest note over an entry that a witness has seen; when none has, the newest there can be."""
        seen = {one.size for one in self.checkpoints.anchorings(library) if one.receipt and one.size > seq}
        kept = [one for one in self.checkpoints.all(library) if one.size in seen]
        return self.cosigned(library, Note.parse(kept[-1].note)) if kept else self.newest(library)
