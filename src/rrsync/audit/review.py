"""Shows the access log to a viewer, and logs every look before anything is shown.

A ``log.view`` entry says who looked, at what, for how many entries, and why where a reason is required. It names the
person who was looked for, so that a later answer to that person includes it. If it cannot be written, nothing is shown.

A verification is logged too. A fault is remembered until the log was found whole again. Nothing is appended to a broken
log, so the finding is kept beside it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from hashlib import sha256
from typing import Final

from rrsync.anchor.local_state import Fault, Faults
from rrsync.audit.notary import Notary
from rrsync.core.insz import Insz
from rrsync.core.log_entry import JSON, LOOKS, Access, Actor, Draft, Evidence, Kind, actor_json, actor_of, moment, stamp
from rrsync.errors import BrokenChain, ConfigError
from rrsync.store.access_log import AccessLog, LogHead
from rrsync.store.log_search import AccessFilter, LogSearch
from rrsync.store.log_tree import KnownRoot

#: What may stand in a log about a person besides the looks: decisions, and whatever else was done.
ABOUT: Final = frozenset(Kind) - LOOKS - {Kind.OUTCOME}


@dataclass(frozen=True, slots=True)
class PersonAccesses:
    """Everything one library's log says about one person: accesses, and other entries by sequence number and content.

    ``forgotten`` are the years whose key was destroyed; ``seq`` is the entry of this answer itself.
    """

    library: str
    accesses: tuple[Access, ...]
    deeds: tuple[tuple[int, dict[str, JSON]], ...]
    forgotten: tuple[int, ...]
    seq: int


@dataclass(frozen=True, slots=True)
class AccessDetail:
    """An access, its entries (sequence number and bytes), and whether its messages are kept, or were."""

    access: Access
    entries: tuple[tuple[int, bytes], ...]
    has_messages: bool
    is_forgotten: bool


@dataclass(frozen=True, slots=True)
class AccessMessages:
    """The messages of an access, and the access; ``None`` when none were kept, ``is_forgotten`` if they were."""

    access: Access
    evidence: Evidence | None
    is_forgotten: bool

    def lines(self) -> Iterator[bytes]:
        """Yield the messages as the lines of a file with headings.

        Raises:
            ConfigError: there are no messages.
        """
        look, kept = self.access, "The entry stands, with the hash of what was sent and received"
        if self.evidence is None and self.is_forgotten:
            what = f"The messages of entry {look.seq} cannot be read any more: the key of {look.year} was destroyed"
            raise ConfigError(what, kept=kept)
        if self.evidence is None:
            raise ConfigError(
                f"No messages were kept of entry {look.seq}",
                kept=kept,
                todo='[log] evidence says what is kept from now on: "errors", "all", or "hash" for none',
            )
        yield f"Access log of {look.library}, entry {look.seq}, reference {look.reference}".encode()
        for what, data in (("request", self.evidence.request), ("reply", self.evidence.reply)):
            yield f"{what}, {len(data)} bytes, SHA-256 {sha256(data).hexdigest()}:".encode()
            yield data


@dataclass(frozen=True, slots=True)
class Review:
    """Shows the access logs of one database to a viewer, who is logged first."""

    ledger: AccessLog
    search: LogSearch

    def look(self, wanted: AccessFilter, viewer: Actor, *, about: Sequence[Insz] = ()) -> list[Access]:
        """Return the matching accesses; only those about the person with these numbers, when there are any.

        Raises:
            LedgerError: the log cannot be written or read, so nothing is shown.
        """
        return self.shown(wanted, viewer, about=about)[0]

    def shown(self, wanted: AccessFilter, viewer: Actor, *, about: Sequence[Insz] = ()) -> tuple[list[Access], int]:
        """Return the result of ``look`` and the entry that logs it; raises what ``look`` raises."""
        if about:
            refs = [ref for insz in about for ref in self.ledger.pseudonyms(wanted.library, insz)]
            wanted = replace(wanted, subjects=tuple(refs))
        found = list(self.search.accesses(wanted))
        seq, *_ = self._note("show", wanted.library, viewer, _words(wanted), count=len(found), about=about)
        return found, seq

    def entry(self, library: str, seq: int, viewer: Actor) -> AccessDetail | None:
        """Return the access whose intent, denial or outcome is at ``seq``; ``None``, and no log entry, without one.

        Raises:
            LedgerError: the log cannot be written or read, so nothing is shown.
        """
        access = self.search.find(library, seq)
        if access is None:
            return None
        places = [access.seq] if access.outcome_seq is None else [access.seq, access.outcome_seq]
        entries = tuple(one for place in places for one in self.ledger.entries(library, since=place, most=1))
        has_messages = self.search.has_messages(access)
        self._note("show", library, viewer, {"entry": access.seq}, count=1, about=())
        return AccessDetail(access, entries, has_messages, not has_messages and self._is_forgotten(access))

    def entries(self, library: str, viewer: Actor, *, last: int, about: Sequence[Insz] = ()) -> list[tuple[int, bytes]]:
        """Return sequence number and exact bytes of the last entries of any kind, or of the last about a person.

        Raises:
            LedgerError: the log cannot be written or read, so nothing is shown.
        """
        if about:
            places = dict(place for insz in about for place in self.ledger.of_subject(library, insz))
            found = [(seq, places[seq]) for seq in sorted(places)[-last:]]
        else:
            size = self.ledger.head(library).size
            found = list(self.ledger.entries(library, since=max(0, size - last), most=last))
        self._note("show", library, viewer, {"raw": True, "last": last}, count=len(found), about=about)
        return found

    def who(self, libraries: Sequence[str], viewer: Actor, insz: Insz) -> list[PersonAccesses]:
        """Return everything the logs of these libraries say about one person (GDPR, art. 15).

        Raises:
            LedgerError: a log cannot be written or read, so nothing is shown.
        """
        return [self._told(library, viewer, insz) for library in libraries]

    def evidence(self, library: str, seq: int, viewer: Actor, *, reason: str) -> AccessMessages:
        """Return the whole request and reply of the access whose intent or outcome is at ``seq``.

        Raises:
            ConfigError: there is no such access.
            BrokenChain: the stored messages are not those that the log hashed.
            LedgerError: the log cannot be written or read, so nothing is shown.
        """
        access = self.search.find(library, seq)
        if access is None:
            raise ConfigError(
                f"No access stands at entry {seq} of the log of {library}",
                kept="Nothing was written",
                todo="Look the number up with `rrsync log show`",
            )
        places = [access.seq] if access.outcome_seq is None else [access.outcome_seq, access.seq]
        evidence = next((found for place in places if (found := self.ledger.evidence(library, place))), None)
        if evidence is not None:
            _check(access, evidence)
        about = tuple(self.ledger.subjects(library, [access.seq]).values())
        of: dict[str, JSON] = {"of": access.seq}
        self._note("evidence", library, viewer, of, count=int(evidence is not None), about=about, reason=reason)
        return AccessMessages(access, evidence, evidence is None and self._is_forgotten(access))

    def _is_forgotten(self, access: Access) -> bool:
        """Whether the key of an access's year was destroyed."""
        return access.year.isdigit() and int(access.year) in self.search.forgotten(access.library)

    def _told(self, library: str, viewer: Actor, insz: Insz) -> PersonAccesses:
        refs = tuple(self.ledger.pseudonyms(library, insz))
        accesses = tuple(self.search.accesses(AccessFilter(library, subjects=refs)))
        deeds = tuple(self.search.deeds(library, ABOUT, subjects=refs))
        forgotten = tuple(self.search.forgotten(library))
        (seq,) = self._note("who", library, viewer, {}, count=len(accesses) + len(deeds), about=(insz,))
        return PersonAccesses(library, accesses, deeds, forgotten, seq)

    def _note(
        self,
        what: str,
        library: str,
        viewer: Actor,
        words: dict[str, JSON],
        *,
        count: int,
        about: Sequence[Insz],
        reason: str = "",
    ) -> list[int]:
        """Log a look: one entry for each number the person has or had, else one about nobody."""
        view: dict[str, JSON] = {"what": what, "count": count}
        if words:
            view["filter"] = words
        body: dict[str, JSON] = {"actor": actor_json(viewer), "view": view}
        if reason:
            body["why"] = {"note": reason}
        with self.ledger.writing() as session:
            drafts = [Draft(library, Kind.VIEW, "", subject, body=body) for subject in about or (None,)]
            return self.ledger.append_in(session, drafts)


def _words(wanted: AccessFilter) -> dict[str, JSON]:
    """Return the search terms without the person, who is in the entry like every person."""
    words: dict[str, JSON] = {
        name: text
        for name, text in (("staff", wanted.actor), ("purpose", wanted.purpose), ("outcome", wanted.status))
        if text
    }
    words |= {"flagged": True} if wanted.flagged else {}
    words |= {} if wanted.before is None else {"before": wanted.before}
    words |= {name: stamp(at) for name, at in (("since", wanted.since), ("until", wanted.until)) if at is not None}
    return words if wanted.last is None else words | {"last": wanted.last}


def _check(access: Access, evidence: Evidence) -> None:
    """Compare the stored messages with the hashes in the log.

    Raises:
        BrokenChain: they differ.
    """
    said = (access.request, access.reply)
    kept = [sha256(data).hexdigest() if data else "" for data in (evidence.request, evidence.reply)]
    if any(has != says for has, says in zip(kept, said, strict=True)):
        raise BrokenChain(
            f"The messages kept of entry {access.seq} of the access log of {access.library} are not those it tells of",
            kept="Nothing was written",
            todo="Keep the database as it is, and call the data-protection officer",
        )


@dataclass(frozen=True, slots=True)
class VerifiedLog:
    """A successful verification: when, by whom, how many entries; ``since`` is the first of them, 0 for all."""

    at: datetime
    by: Actor
    size: int
    since: int


@dataclass(frozen=True, slots=True)
class LogVerification:
    """Verifies the logs of one database."""

    notary: Notary
    ledger: AccessLog
    search: LogSearch
    faults: Faults
    clock: Callable[[], datetime]

    def verify(
        self,
        library: str,
        viewer: Actor,
        *,
        since: KnownRoot | None = None,
        progress: Callable[[int, int], None] | None = None,
    ) -> LogHead:
        """Recompute a log, whole or from a known root; only the whole log clears a fault.

        Raises:
            BrokenChain: the message names the library, the sequence number and the cause of the first fault.
            LedgerError: the log cannot be read, or the finding cannot be stored.
        """
        try:
            head = self.notary.verify(library, since=since, progress=progress)
        except BrokenChain as error:
            self.faults.keep(library, Fault(self.clock(), viewer.name, error.what, error.kept, error.todo))
            raise
        said: dict[str, JSON] = {"size": head.size, "root": head.root, "since": since.size if since else 0}
        if head.size:
            self.ledger.append([Draft(library, Kind.VERIFY, "", body={"actor": actor_json(viewer), "verify": said})])
        if since is None:
            self.faults.forget(library)
        return head

    def fault(self, library: str) -> Fault | None:
        """Return the last fault of a log that was not found whole since; raises what ``Faults.read`` raises."""
        return self.faults.read(library)

    def last(self, library: str) -> VerifiedLog | None:
        """Return the last successful verification of a log.

        Raises:
            BrokenChain: its entry cannot be read.
        """
        found = self.search.last_deed(library, Kind.VERIFY)
        if found is None:
            return None
        seq, line = found
        said = line.get("verify")
        size, since = (said.get("size"), said.get("since")) if isinstance(said, dict) else (None, None)
        try:
            at = moment(line)
        except ValueError as error:
            raise _unreadable(library, seq) from error
        if not isinstance(size, int) or not isinstance(since, int):
            raise _unreadable(library, seq)
        return VerifiedLog(at, actor_of(line), size, since)


def _unreadable(library: str, seq: int) -> BrokenChain:
    return BrokenChain(
        f"Entry {seq} of the access log of {library} cannot be read",
        todo="Run `rrsync log verify`: it names the cause",
    )
