"""Signs the access logs, sends the checkpoints to the anchors, and says whether the register may still be asked.

1. A checkpoint is signed every 1 000 entries or 60 seconds, and at the end of a run. Each one extends the last signed
   checkpoint, which is also kept outside the database (C2SP tlog-checkpoint, "Signatures").
2. Before a question, the log is compared with the signed and anchored checkpoints. A shorter or different log is a
   restored backup or was altered, and nothing is asked. A process that asks all day compares every ten seconds.
3. When no anchor accepted a checkpoint for four hours the night stops; after a day the desk stops too (as X-Road's
   message log does, ``acceptable-timestamp-failure-period``).

Only notes that the log's own key signed count.
"""

from __future__ import annotations

import quopri
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from datetime import datetime, timedelta
from itertools import pairwise
from threading import Lock
from typing import Final

from rrsync.anchor.local_state import LastSigned
from rrsync.audit.anchoring import Anchors
from rrsync.core.merkle import Edge, verify_consistency
from rrsync.core.signed_note import Checkpoint, Key, Note, Signed, Signer, origin
from rrsync.errors import AnchorConflict, AnchorUnavailable, BrokenChain
from rrsync.store.access_log import AccessLog, LogHead
from rrsync.store.checkpoints import Checkpoints, SignedCheckpoint
from rrsync.store.encryption import FieldCipher
from rrsync.store.engine import Database
from rrsync.store.log_tree import KnownRoot, LogTree, verify_log

_KEPT: Final = "Nothing was asked"
_VERIFY: Final = (
    "Run `rrsync log verify`: it names the entry; keep everything as it is and call the data-protection officer"
)


def shorter(head: LogHead, known: KnownRoot) -> AnchorConflict:
    """Return the error for a log with fewer entries than a checkpoint of it."""
    return AnchorConflict(
        f"The access log of {head.library} holds {head.size} entries, but {known.source} has a checkpoint of "
        f"{known.size}",
        kept=_KEPT,
        todo="An older backup was put back, or entries were cut: put the newest database back; if there is none, keep "
        "everything as it is and call the data-protection officer",
    )


def another(head: LogHead, known: KnownRoot) -> AnchorConflict:
    """Return the error for a log with other entries than a checkpoint of it."""
    what = f"The access log of {head.library} is not the one of which {known.source} has a checkpoint of {known.size}"
    return AnchorConflict(f"{what} entries", kept=_KEPT, todo=_VERIFY)


def gaps(head: LogHead) -> BrokenChain:
    """Return the error for missing entries that the head counts."""
    what = f"The access log of {head.library} does not hold the {head.size} entries that its head counts"
    return BrokenChain(what, kept=_KEPT, todo=_VERIFY)


def broken(library: str) -> BrokenChain:
    """Return the error for entries that do not lead from one checkpoint to the next."""
    what = f"The access log of {library} does not go on from the last checkpoint signed"
    return BrokenChain(what, kept="Nothing was signed or asked", todo=_VERIFY)


def renamed(library: str) -> BrokenChain:
    """Return the error for a log that has another name in the database."""
    return BrokenChain(
        f"The access log of {library} is not begun under the name it should have",
        kept="Nothing was signed or asked",
        todo="If the library's sender changed in the settings before anything was signed, put the old one back; else "
        "keep the database as it is, and call the data-protection officer",
    )


def lost_key(library: str, year: int) -> BrokenChain:
    """Return the error for a year's key that is gone although nobody destroyed it."""
    return BrokenChain(
        f"The key of {year} of the access log of {library} is missing, and no entry says that it was destroyed",
        kept=_KEPT,
        todo="Put it back from a backup of the database; call the data-protection officer",
    )


#: A checkpoint is signed after so many entries, or so long after the last.
ENTRIES: Final = 1_000
SECONDS: Final = timedelta(seconds=60)
#: So long a look at a log lasts, for a process that asks all day.
AGAIN: Final = timedelta(seconds=10)


class CheckpointSchedule:
    """When a log is due to be signed or compared; ``grown`` counts the entries of this process. Threads share it."""

    def __init__(self, grown: Callable[[str], int], clock: Callable[[], datetime]) -> None:
        self._grown = grown
        self._clock = clock
        self._signed: dict[str, tuple[int, datetime | None]] = {}
        self._looked: dict[str, datetime] = {}
        self._turns: defaultdict[str, Lock] = defaultdict(Lock)

    def signed(self, library: str) -> None:
        """Record that a log was signed in its present state."""
        self._signed[library] = self._grown(library), self._clock()

    def is_due(self, library: str) -> bool:
        """Whether a log is due to be signed."""
        fresh, at = self._fresh(library)
        return fresh >= ENTRIES or (fresh > 0 and (at is None or self._clock() - at >= SECONDS))

    def has_grown(self, library: str) -> bool:
        """Whether this process wrote to a log since it last signed it."""
        return self._fresh(library)[0] > 0

    @contextmanager
    def looking(self, library: str) -> Iterator[bool]:
        """Yield whether to compare a log, while holding its lock; a failed comparison does not count."""
        with self._turns[library]:
            at = self._looked.get(library)
            is_needed = at is None or abs(self._clock() - at) >= AGAIN or self.is_due(library)
            if is_needed:
                self._looked.pop(library, None)
            yield is_needed
            if is_needed:
                self._looked[library] = self._clock()

    def _fresh(self, library: str) -> tuple[int, datetime | None]:
        entries, at = self._signed.get(library, (0, None))
        return self._grown(library) - entries, at


def point(library: str, note: Note, key: Key, *, source: str) -> KnownRoot:
    """Return the root in a note, once its signature is verified; ``source`` is where the note was found.

    Raises:
        BrokenChain: the log's key did not sign it, or it belongs to another log.
    """
    try:
        checkpoint = Checkpoint.parse(note.text)
        if not note.is_signed_by(key):
            raise _forged(library, "a checkpoint", source, "it is not signed by the log's key")
    except ValueError as error:
        raise _forged(library, "a checkpoint", source, str(error)) from error
    if checkpoint.origin != key.name:
        raise _forged(library, f"the checkpoint of {checkpoint.size}", source, "it is of another log")
    return KnownRoot(checkpoint.size, checkpoint.root, source)


def newest(library: str, data: bytes, key: Key, *, source: str) -> KnownRoot | None:
    """Return the root of the newest note of this log in a file: a note, an anchor's file, or a saved mail.

    Notes that are incomplete, of another log, or signed by other keys are ignored; ``None`` when none is left.
    """
    text = (data + b"\n\n" + quopri.decodestring(data)).decode(errors="replace")  # a mail that was saved is encoded
    blocks, found = text.replace("\r\n", "\n").split("\n\n"), []
    for body, lines in pairwise(blocks):
        with suppress(ValueError, BrokenChain):
            note = Note.parse(f"{body.strip(chr(10))}\n\n{lines.strip(chr(10))}\n")
            found.append(point(library, note, key, source=source))
    return max(found, key=lambda one: one.size, default=None)


def points(kept: Sequence[SignedCheckpoint], key: Key, source: str) -> list[KnownRoot]:
    """Return the roots of the notes in the database.

    Raises:
        BrokenChain: a row has no note, one not signed by the log's key, or one that differs from the row.
    """
    return [_kept(each, key, source) for each in kept]


def _kept(kept: SignedCheckpoint, key: Key, source: str) -> KnownRoot:
    what = f"the checkpoint of {kept.size}"
    try:
        found = point(kept.library, Note.parse(kept.note), key, source=source)
    except (TypeError, ValueError) as error:  # SQLite takes anything in any column
        raise _forged(kept.library, what, source, "it is no signed note") from error
    except BrokenChain as error:
        raise _forged(kept.library, what, source, error.what.rpartition(": ")[2]) from error
    if found.size != kept.size:
        raise _forged(kept.library, what, source, f"its note is of {found.size}")
    return found


def _forged(library: str, what: str, source: str, cause: str) -> BrokenChain:
    return BrokenChain(
        f"In the access log of {library}, {what} in {source} cannot be believed: {cause}",
        kept="Nothing was asked",
        todo="Stop the nightly job, keep everything as it is, and call the data-protection officer",
    )


NIGHT: Final = timedelta(hours=4)
DESK: Final = timedelta(hours=24)
_OURS: Final = "the folder [log] signed"
_STORED: Final = "the database"
_EMPTY: Final = KnownRoot(0, Edge().root(), "")


class Notary:
    """Signs and verifies the logs of one database.

    ``signer`` returns the signer for a name; ``origins`` are the logs' names in the settings, which a log keeps once it
    is signed. ``note_terms`` logs changed settings; ``lost_keys`` returns the years whose key is gone undestroyed.
    """

    def __init__(  # noqa: PLR0913 — the one place where log, tree, signatures and anchors come together
        self,
        *,
        database: Database,
        seal: FieldCipher,
        ledger: AccessLog,
        tiles: LogTree,
        checkpoints: Checkpoints,
        signer: Callable[[str], Signer],
        origins: Mapping[str, str],
        signed: LastSigned,
        keepers: Anchors,
        clock: Callable[[], datetime],
        note_terms: Callable[[str], None],
        lost_keys: Callable[[str], Sequence[int]],
    ) -> None:
        self._database = database
        self._seal = seal
        self._ledger = ledger
        self._tiles = tiles
        self._checkpoints = checkpoints
        self._sign_as = signer
        self._origins = origins
        self._signed = signed
        self._keepers = keepers
        self._clock = clock
        self._note_terms = note_terms
        self._lost_keys = lost_keys
        self._rhythm = CheckpointSchedule(ledger.grown, clock)

    def key(self, library: str) -> Key:
        """Return the public key of a library's log.

        Raises:
            BrokenChain: the database has the log under another or an unknown name.
        """
        return self._signer(library, self._signed.read(library)).key

    def last(self, library: str) -> Note | None:
        """Return the last signed checkpoint of a log, as kept outside the database.

        Raises:
            BrokenChain: this log's key did not sign it.
        """
        note = self._signed.read(library)
        if note is not None:
            point(library, note, self._signer(library, note).key, source=_OURS)
        return note

    def _signer(self, library: str, note: Note | None) -> Signer:
        """Return the signer of a log, under the name of its last checkpoint, else the name in the settings.

        The database is not asked: its owner could otherwise have one log signed under another log's name.
        """
        name = note.text.partition("\n")[0] if note else self._origins.get(library)
        begun = origin(self._ledger.origin(library))
        if name is None or (begun != name and self._ledger.began(library) is not None):
            raise renamed(library)
        return self._sign_as(name)

    def sign(self, library: str) -> Note | None:
        """Sign the log's present state unless that is done, and return the newest note; ``None`` for an empty log.

        Raises:
            BrokenChain: the log does not extend the last signed checkpoint.
            LedgerError: it cannot be signed or stored now.
        """
        with self._signed.held():
            note = self.last(library)
            known = self._known(library, note)
            head = self._ledger.head(library)
            for one in known:
                self._hold(library, one, head)
            if head.size and (note is None or Checkpoint.parse(note.text).size < head.size):
                note = self._note(library, note, max(known, key=lambda one: one.size, default=None))
            if note is not None and all(one.size < head.size for one in known if one.source == _STORED):
                size = Checkpoint.parse(note.text).size
                self._checkpoints.add(SignedCheckpoint(library, size, self._clock(), note.to_text()))
            self._rhythm.signed(library)
        return note

    def _note(self, library: str, last: Note | None, since: KnownRoot | None) -> Note:
        """Recompute the entries since the last signed checkpoint, and sign the present state."""
        head = verify_log(self._database, library, cipher=self._seal, since=since)
        self._prove(library, since or _EMPTY, head)
        signer = self._signer(library, last)
        text = Checkpoint(signer.key.name, head.size, bytes.fromhex(head.root)).to_text()
        note = Note(text, (signer.sign(text),))
        self._signed.write(library, note)
        return note

    def hold(self, library: str) -> None:
        """Compare a log with every signed checkpoint of it and with those its anchors return.

        Raises:
            BrokenChain: the log is shorter, or different.
            LedgerError: the log or a checkpoint cannot be read now.
        """
        known = self.outside(library)  # before the head: it may grow, and be signed, meanwhile
        head = self._ledger.head(library)
        if self._ledger.count(library) < head.size:
            raise gaps(head)
        for one in known:
            self._hold(library, one, head)

    def outside(self, library: str) -> list[KnownRoot]:
        """Return the roots of a log that are known outside the database, and the last one in it.

        Raises:
            BrokenChain: this log's key did not sign one of them.
            LedgerError: the local checkpoint cannot be read.
        """
        return [*self._known(library, self.last(library)), *self._keepers.known(library, self.key(library))]

    def verify(
        self, library: str, *, since: KnownRoot | None = None, progress: Callable[[int, int], None] | None = None
    ) -> LogHead:
        """Recompute a log, whole or from a known root, and compare it with every known root.

        Raises:
            BrokenChain: the message names the library, the sequence number and the cause of the first fault.
        """
        kept = points(self._checkpoints.all(library), self.key(library), _STORED)
        known = [*kept, *self.outside(library)]
        head = verify_log(self._database, library, cipher=self._seal, points=known, since=since, progress=progress)
        if (year := next(iter(self._lost_keys(library)), None)) is not None:
            raise lost_key(library, year)
        return head

    def proof(self, library: str, old: int, new: int) -> list[bytes]:
        """Return the verified proof that a log only grew, for the holder of a checkpoint.

        Raises:
            BrokenChain: the entries do not lead to the signed root.
        """
        note = self.last(library)
        signed = Checkpoint.parse(note.text) if note else None
        if signed is None or signed.size != new:
            return self._tiles.consistency(library, old, new)
        self._tiles.root_like(library, new, signed.root)
        proof, before = self._tiles.consistency(library, old, new), self._tiles.root(library, old)
        if not verify_consistency(old=old, new=new, proof=proof, old_root=before, new_root=signed.root):
            raise broken(library)
        return proof

    def anchor(self, libraries: Sequence[str], *, force: bool = False, seeing: bool = False) -> list[AnchorUnavailable]:
        """Send the last checkpoints to the anchors; ``force`` and ``seeing`` are those of ``Keepers.keep``.

        Raises:
            AnchorConflict: an anchor knows another log, or a longer one.
        """
        signed = self._newest(libraries)
        try:
            return self._keepers.keep(signed, force=force, seeing=seeing)
        except AnchorConflict:
            newer = self._newest(libraries)  # another process may have signed and anchored in between
            if newer == signed:
                raise
            return self._keepers.keep(newer, force=force, seeing=seeing)

    def begin(self, libraries: Sequence[str]) -> None:
        """Before a run: compare the logs, sign, anchor, and vouch; raises what these raise."""
        for library in libraries:
            self.hold(library)
            self._note_terms(library)
            self.sign(library)
        self.anchor(libraries, force=True)
        self.vouch(libraries, NIGHT)

    def beat(self, libraries: Sequence[str]) -> None:
        """During a run: sign and anchor when due, and vouch; raises what these raise."""
        if due := [library for library in libraries if self._rhythm.is_due(library)]:
            for library in due:
                self.sign(library)
            self.anchor(libraries)
            self.vouch(libraries, NIGHT)

    def close(self, libraries: Sequence[str]) -> list[AnchorUnavailable]:
        """At the end or from a timer: compare, sign and anchor the logs; return the failures; raise what they raise."""
        for library in libraries:
            self.hold(library)
            self.sign(library)
        return self.anchor(libraries, force=True)

    def attend(self, library: str) -> None:
        """Before a desk query: compare the log, sign it, and vouch; raises what these raise.

        A witness returns nothing but refuses a checkpoint that does not follow, so it is asked when it is due. Within
        ten seconds the comparison is not repeated, unless a checkpoint is due.
        """
        with self._rhythm.looking(library) as is_needed:
            if is_needed:
                self._attend(library)

    def _attend(self, library: str) -> None:
        self.hold(library)
        self._note_terms(library)
        self.sign(library)
        if self._keepers.is_late(library, DESK):
            self.anchor([library], force=True)
        self.anchor([library], seeing=True)
        self.vouch([library], DESK)

    def vouch(self, libraries: Sequence[str], limit: timedelta) -> None:
        """Allow queries only while anchors keep checkpoints.

        Raises:
            AnchorError: no anchor accepted a checkpoint of a log for longer than ``limit``.
        """
        for library in libraries:
            self._keepers.vouch(library, limit, began=self._ledger.began(library))

    def grown(self) -> list[str]:
        """Return the libraries whose logs this process wrote to since it last signed them."""
        return [name for name in self._ledger.written() if self._rhythm.has_grown(name)]

    def _newest(self, libraries: Sequence[str]) -> list[tuple[Signed, Key]]:
        notes = [(library, self.last(library)) for library in libraries]
        return [
            (Signed(library, note, Checkpoint.parse(note.text)), self._signer(library, note).key)
            for library, note in notes
            if note is not None
        ]

    def _known(self, library: str, last: Note | None) -> list[KnownRoot]:
        key = self._signer(library, last).key
        found = [point(library, last, key, source=_OURS)] if last else []
        stored = self._checkpoints.last(library)
        return [*found, *points([stored] if stored else [], key, _STORED)]

    def _hold(self, library: str, known: KnownRoot, head: LogHead) -> None:
        if known.size > head.size:
            raise shorter(head, known)
        if self._tiles.root_like(library, known.size, known.root) != known.root:
            raise another(head, known)

    def _prove(self, library: str, old: KnownRoot, head: LogHead) -> None:
        """Verify that the log extends the signed checkpoint, with the same proof that a third party uses."""
        root = bytes.fromhex(head.root)
        self._tiles.grow(library, head.size)
        is_whole = self._tiles.root_like(library, head.size, root) == root
        proof = self._tiles.consistency(library, old.size, head.size)
        if not is_whole or not verify_consistency(
            old=old.size, new=head.size, proof=proof, old_root=old.root, new_root=root
        ):
            raise broken(library)
