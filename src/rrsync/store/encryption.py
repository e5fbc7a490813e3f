"""The keys of a library's years: one a calendar year, made by the year's first entry about a person.

A key that was destroyed is never made anew: a second one would give the people of that year a second pseudonym, and
hide that the first is gone.

Keys, encrypted columns and keyed lookup.

A key file holds one key a line: ``data`` keys encrypt (the first is used for writing, the others still read), the
``index`` key makes the lookup values. A sealed value is ``0x01``, the key's name (8 bytes), a nonce (12) and
AES-256-GCM ciphertext with tag; what it belongs to (table, column, row) is bound as associated data, so that it cannot
be moved.
"""

from __future__ import annotations

import base64
import binascii
import hmac
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import sha256
from typing import Final, Self

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from sqlalchemy import ColumnElement, delete, extract, func, insert
from sqlmodel import Session, col, select

from rrsync.core.insz import Insz
from rrsync.core.log_entry import Evidence, decode
from rrsync.core.person import Masked
from rrsync.errors import ConfigError, LedgerError, StoreError
from rrsync.store.tables import EntryRow, EvidenceRow, LogKeyRow

KEY_BYTES: Final = 32
_NAME: Final = 8
_NONCE: Final = 12
_VERSION: Final = b"\x01"
_HEAD: Final = 1 + _NAME + _NONCE
_LENGTH: Final = 4


@dataclass(frozen=True, slots=True, repr=False)
class Keyring(Masked):
    """The keys of one installation: data keys by name, the first for writing, and the index key."""

    data: dict[str, bytes]
    index: bytes

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read a key file.

        Raises:
            ConfigError: a line that is no key, or a kind of key missing; no key is ever shown.
        """
        data: dict[str, bytes] = {}
        index: list[bytes] = []
        for number, line in enumerate(text.splitlines(), start=1):
            words = line.split("#", 1)[0].split()
            if not words:
                continue
            match words:
                case ["data", name, key] if len(name) == _NAME and name.isascii() and name not in data:
                    data[name] = _key(key, number)
                case ["index", key]:
                    index.append(_key(key, number))
                case _:
                    raise _bad_line(number)
        if not data or len(index) != 1:
            raise ConfigError(
                "The key file must hold at least one data key and exactly one index key",
                todo="Restore it from your backup; a new key cannot read what an old one wrote",
            )
        return cls(data, index[0])

    @classmethod
    def fresh(cls, random: Callable[[int], bytes]) -> Self:
        """Make new keys."""
        data = random(KEY_BYTES)
        return cls({sha256(data).hexdigest()[:_NAME]: data}, random(KEY_BYTES))

    def to_text(self) -> str:
        """Return the content of the key file."""
        lines = ["# rrsync keys: keep a copy apart from the database; without them nobody can read it."]
        lines += [f"data {name} {base64.b64encode(key).decode()}" for name, key in self.data.items()]
        lines += [f"index {base64.b64encode(self.index).decode()}"]
        return "\n".join(lines) + "\n"


class Seal:
    """Encrypts and opens values, and makes lookup values; ``random(n)`` gives n random bytes."""

    def __init__(self, keys: Keyring, random: Callable[[int], bytes]) -> None:
        self._ciphers = {name.encode(): AESGCM(derive(key, "data")) for name, key in keys.data.items()}
        self._name = next(iter(self._ciphers))
        self._index = derive(keys.index, "index")
        self._entry = derive(keys.index, "entry")
        self._random = random

    def seal(self, plain: bytes, *, where: str) -> bytes:
        """Encrypt; ``where`` names table, column and row."""
        nonce = self._random(_NONCE)
        head = _VERSION + self._name + nonce
        return head + self._ciphers[self._name].encrypt(nonce, plain, where.encode())

    def open(self, data: bytes, *, where: str) -> bytes:
        """Decrypt what ``seal`` gave.

        Raises:
            StoreError: its key is missing, or it was altered or moved.
        """
        cipher = self._ciphers.get(data[1 : 1 + _NAME])
        if data[:1] != _VERSION or cipher is None:
            raise StoreError(
                "A value in the database was encrypted with a key that is not in the key file",
                todo="Put the key file that belongs to this database back",
            )
        try:
            return cipher.decrypt(data[1 + _NAME : _HEAD], data[_HEAD:], where.encode())
        except (InvalidTag, ValueError) as error:  # ValueError: too short to hold a nonce
            raise StoreError(
                "A value in the database was altered, moved, or belongs to other keys",
                todo="Restore the database, or put the key file that belongs to it back",
            ) from error

    def knows(self, data: bytes) -> bool:
        """Whether what ``seal`` gave was sealed with a key that is here."""
        return data[1 : 1 + _NAME] in self._ciphers

    def lookup(self, what: str, text: str) -> bytes:
        """Return the keyed value under which a text is found again: HMAC-SHA256 of what it is and the text."""
        return hmac.digest(self._index, f"{what}\0{text}".encode(), "sha256")

    def tag(self, where: str, data: bytes) -> bytes:
        """Return the keyed tag that shows who wrote this there: HMAC-SHA256 of the place and the bytes."""
        return hmac.digest(self._entry, where.encode() + b"\0" + data, "sha256")

    def fresh_key(self) -> bytes:
        """Return a new random key of 32 bytes."""
        return self._random(KEY_BYTES)


class SubjectKey:
    """The key of one library and year, under which people stand in the access log, and evidence beside it."""

    def __init__(self, key: bytes, random: Callable[[int], bytes]) -> None:
        self._pseudonym = derive(key, "pseudonym")
        self._cipher = AESGCM(derive(key, "subject"))
        self._evidence = AESGCM(derive(key, "evidence"))
        self._random = random

    def pseudonym(self, digits: str) -> bytes:
        """Return the keyed pseudonym of a number, 32 bytes."""
        return hmac.digest(self._pseudonym, digits.encode(), "sha256")

    def encrypt(self, digits: str, *, where: str) -> bytes:
        """Return nonce and ciphertext of a number, bound to its entry."""
        nonce = self._random(_NONCE)
        return nonce + self._cipher.encrypt(nonce, digits.encode(), where.encode())

    def decrypt(self, data: bytes, *, where: str) -> str:
        """Return the number back.

        Raises:
            StoreError: it was altered, or stands in another entry than its own.
        """
        try:
            return self._cipher.decrypt(data[:_NONCE], data[_NONCE:], where.encode()).decode()
        except (InvalidTag, ValueError) as error:
            raise StoreError(
                "A number in the access log was altered or moved", todo="Run `rrsync log verify`"
            ) from error

    def seal_evidence(self, evidence: Evidence, *, where: str) -> bytes:
        """Return nonce and ciphertext of the messages of an access, compressed, bound to its entry."""
        framed = len(evidence.request).to_bytes(_LENGTH, "big") + evidence.request + evidence.reply
        nonce = self._random(_NONCE)
        return nonce + self._evidence.encrypt(nonce, zlib.compress(framed), where.encode())

    def open_evidence(self, data: bytes, *, where: str) -> Evidence:
        """Return the messages back, both to the byte.

        Raises:
            StoreError: they were altered, or stand at another entry than their own.
        """
        try:
            framed = zlib.decompress(self._evidence.decrypt(data[:_NONCE], data[_NONCE:], where.encode()))
        except (InvalidTag, ValueError) as error:
            raise StoreError(
                "The messages kept of an access were altered or moved",
                kept="Its entry in the access log says what was asked, and the hash of what came back",
                todo="Run `rrsync log verify`",
            ) from error
        end = _LENGTH + int.from_bytes(framed[:_LENGTH], "big")
        return Evidence(framed[_LENGTH:end], framed[end:])


def derive(key: bytes, label: str) -> bytes:
    """Return the key for one use, by HKDF-SHA256 (RFC 5869)."""
    return HKDF(algorithm=SHA256(), length=KEY_BYTES, salt=None, info=f"rrsync {label}".encode()).derive(key)


def _key(text: str, number: int) -> bytes:
    if not text.isascii():  # else the decoder's own error would show the key
        raise _bad_line(number)
    try:
        key = base64.b64decode(text, validate=True)
    except binascii.Error as error:
        raise _bad_line(number) from error
    if len(key) != KEY_BYTES:
        raise _bad_line(number)
    return key


def _bad_line(number: int) -> ConfigError:
    return ConfigError(f"Line {number} of the key file is no key", todo="Restore the key file from your backup")


class SubjectKeys:
    """The keys that are in one database, opened as they are needed."""

    def __init__(self, seal: Seal, random: Callable[[int], bytes]) -> None:
        self._seal = seal
        self._random = random
        self._known: dict[tuple[str, int], SubjectKey] = {}

    def find(self, session: Session, library: str, year: int) -> SubjectKey | None:
        """Return the key of a library and year; ``None`` when it was destroyed, or never made."""
        row = session.get(LogKeyRow, (library, year))
        if row is None:
            self._known.pop((library, year), None)
            return None
        if (library, year) not in self._known:
            self._known[library, year] = SubjectKey(self._seal.open(row.key, where=_where(library, year)), self._random)
        return self._known[library, year]

    def writing(self, session: Session, library: str, year: int) -> SubjectKey:
        """Return the key for an entry of this year; the first one makes it, and it is kept once committed.

        Raises:
            LedgerError: it was destroyed.
        """
        made: dict[tuple[str, int], SubjectKey] = session.info.setdefault("made", {})
        key = self._known.get((library, year)) or made.get((library, year)) or self.find(session, library, year)
        if key is not None:
            return key
        if _was_used(session, library, year):
            raise LedgerError(
                f"The key of {year} of the access log of {library} was destroyed; no entry of that year can be added",
                todo="Check this machine's clock; if it is right, call the data-protection officer",
            )
        fresh = self._seal.fresh_key()
        sealed = self._seal.seal(fresh, where=_where(library, year))
        session.execute(insert(LogKeyRow).values(library=library, year=year, key=sealed))
        made[library, year] = SubjectKey(fresh, self._random)
        return made[library, year]

    def pseudonyms(self, session: Session, library: str, digits: str) -> list[bytes]:
        """Return under what a number stands in a library's log, in each year whose key is there."""
        years = session.exec(select(LogKeyRow.year).where(LogKeyRow.library == library)).all()
        keys = [self.find(session, library, year) for year in years]
        return [key.pseudonym(digits) for key in keys if key is not None]

    def person(self, session: Session, library: str, where: str, data: bytes) -> Insz | None:
        """Return whom an entry is about; ``None`` when it names nobody, or its year's key was destroyed.

        Raises:
            StoreError: the number in it was altered, or stands in another entry than its own.
        """
        sealed = decode(data).get("subj")
        key = self.find(session, library, int(str(sealed["key"]))) if isinstance(sealed, dict) else None
        if not isinstance(sealed, dict) or key is None:
            return None
        return Insz(key.decrypt(base64.b64decode(str(sealed["enc"])), where=where))

    def ends(self, session: Session, library: str) -> dict[int, datetime]:
        """Return the time of the last entry of each year whose key is there."""
        year = extract("year", col(EntryRow.at))
        wanted = select(year, func.max(EntryRow.at)).where(EntryRow.library == library).group_by(year)
        kept = session.exec(select(LogKeyRow.year).where(LogKeyRow.library == library)).all()
        ends = {int(found): at for found, at in session.exec(wanted)}
        return {found: ends[found] for found in sorted(kept) if found in ends}

    def destroy(self, session: Session, library: str, year: int) -> tuple[int, int]:
        """Destroy a key and the evidence under it; give how many entries are about a person, and how much evidence.

        Raises:
            LedgerError: the key is not there.
        """
        row = session.get(LogKeyRow, (library, year))
        if row is None:
            raise LedgerError(
                f"The access log of {library} has no key of {year}", todo="It was destroyed before, or never made"
            )
        evidence = col(EvidenceRow.library) == library, col(EvidenceRow.year) == year
        messages = session.exec(select(func.count()).select_from(EvidenceRow).where(*evidence)).one()
        people = session.exec(select(func.count()).select_from(EntryRow).where(*_about_people(library, year))).one()
        session.execute(delete(EvidenceRow).where(*evidence))
        session.delete(row)
        session.flush()
        self._known.pop((library, year), None)
        return people, messages


def _where(library: str, year: int) -> str:
    return f"log_key|key|{library}|{year}"


def _was_used(session: Session, library: str, year: int) -> bool:
    """Whether the log has entries of this year about people, so that the year's key must have been there."""
    about = col(EntryRow.library) == library, _SUBJECT
    last = session.exec(select(EntryRow.at).where(*about).order_by(col(EntryRow.seq).desc()).limit(1)).first()
    if last is None or last.year < year:  # a log grows with time: a new year is known by its last entry
        return False
    return session.exec(select(EntryRow.seq).where(*_about_people(library, year)).limit(1)).first() is not None


def _about_people(library: str, year: int) -> tuple[ColumnElement[bool], ...]:
    begin, end = (datetime(at, 1, 1, tzinfo=UTC) for at in (year, year + 1))
    return col(EntryRow.library) == library, col(EntryRow.at) >= begin, col(EntryRow.at) < end, _SUBJECT


_SUBJECT = func.length(EntryRow.subject) > 0  # by no index: the log is read in its own order
