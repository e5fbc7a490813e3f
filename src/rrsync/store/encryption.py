"""Encrypted columns, keyed hashes, and the keys behind them.

1. A key file holds one key a line. The first ``data`` key encrypts and the others still decrypt; the ``index`` key
   makes keyed hashes and MACs.
2. An encrypted value is ``0x01``, the name of the key (8 bytes), a nonce (12), and AES-256-GCM ciphertext with its tag.
   Its place (table, column, row) is bound as associated data, so a value cannot be moved.
3. The access log has a key of its own for each library and calendar year, made by the first entry about a person in
   that year. A destroyed key is never made again: a second key would give the people of that year a second pseudonym,
   and hide the loss.
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
_LENGTH_BYTES: Final = 4


@dataclass(frozen=True, slots=True, repr=False)
class Keyring(Masked):
    """The keys of one installation: data keys by name, the first for writing, and the index key."""

    data: dict[str, bytes]
    index: bytes

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read a key file.

        Raises:
            ConfigError: a line is not a key, or a kind of key is missing; the message never shows a key.
        """
        data: dict[str, bytes] = {}
        index: list[bytes] = []
        for number, line in enumerate(text.splitlines(), start=1):
            words = line.split("#", 1)[0].split()
            if not words:
                continue
            match words:
                case ["data", name, key] if len(name) == _NAME and name.isascii() and name not in data:
                    data[name] = _parse_key(key, number)
                case ["index", key]:
                    index.append(_parse_key(key, number))
                case _:
                    raise _invalid_line(number)
        if not data or len(index) != 1:
            raise ConfigError(
                "The key file must hold at least one data key and exactly one index key",
                todo="Restore it from your backup; a new key cannot read what an old one wrote",
            )
        return cls(data, index[0])

    @classmethod
    def fresh(cls, random: Callable[[int], bytes]) -> Self:
        """Generate new keys."""
        data = random(KEY_BYTES)
        return cls({sha256(data).hexdigest()[:_NAME]: data}, random(KEY_BYTES))

    def to_text(self) -> str:
        """Return the content of the key file."""
        lines = ["# rrsync keys: keep a copy apart from the database; without them nobody can read it."]
        lines += [f"data {name} {base64.b64encode(key).decode()}" for name, key in self.data.items()]
        lines += [f"index {base64.b64encode(self.index).decode()}"]
        return "\n".join(lines) + "\n"


def _parse_key(text: str, number: int) -> bytes:
    if not text.isascii():  # else the decoder's own error would show the key
        raise _invalid_line(number)
    try:
        key = base64.b64decode(text, validate=True)
    except binascii.Error as error:
        raise _invalid_line(number) from error
    if len(key) != KEY_BYTES:
        raise _invalid_line(number)
    return key


def _invalid_line(number: int) -> ConfigError:
    return ConfigError(f"Line {number} of the key file is no key", todo="Restore the key file from your backup")


class FieldCipher:
    """Encrypts and decrypts values, and makes keyed hashes and MACs; ``random(n)`` returns n random bytes."""

    def __init__(self, keys: Keyring, random: Callable[[int], bytes]) -> None:
        self._ciphers = {name.encode(): AESGCM(derive(key, "data")) for name, key in keys.data.items()}
        self._name = next(iter(self._ciphers))
        self._index = derive(keys.index, "index")
        self._mac_key = derive(keys.index, "entry")
        self._random = random

    def encrypt(self, plain: bytes, *, where: str) -> bytes:
        """Encrypt a value; ``where`` names table, column and row."""
        nonce = self._random(_NONCE)
        head = _VERSION + self._name + nonce
        return head + self._ciphers[self._name].encrypt(nonce, plain, where.encode())

    def decrypt(self, data: bytes, *, where: str) -> bytes:
        """Decrypt a value.

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

    def has_key_of(self, data: bytes) -> bool:
        """Return whether a value was encrypted with a key of this keyring."""
        return data[1 : 1 + _NAME] in self._ciphers

    def keyed_hash(self, what: str, text: str) -> bytes:
        """Return a keyed hash to find a text by: HMAC-SHA256 of its kind and the text."""
        return hmac.digest(self._index, f"{what}\0{text}".encode(), "sha256")

    def mac(self, where: str, data: bytes) -> bytes:
        """Return a MAC that shows that rrsync wrote these bytes in this place (HMAC-SHA256)."""
        return hmac.digest(self._mac_key, where.encode() + b"\0" + data, "sha256")

    def new_key(self) -> bytes:
        """Generate a key of 32 bytes."""
        return self._random(KEY_BYTES)


def derive(key: bytes, label: str) -> bytes:
    """Derive the key for one use, by HKDF-SHA256 (RFC 5869)."""
    return HKDF(algorithm=SHA256(), length=KEY_BYTES, salt=None, info=f"rrsync {label}".encode()).derive(key)


class SubjectKey:
    """The key of one library and year, for people in the access log and the evidence beside it."""

    def __init__(self, key: bytes, random: Callable[[int], bytes]) -> None:
        self._pseudonym = derive(key, "pseudonym")
        self._cipher = AESGCM(derive(key, "subject"))
        self._evidence = AESGCM(derive(key, "evidence"))
        self._random = random

    def pseudonym(self, digits: str) -> bytes:
        """Return the pseudonym of a national number: a keyed hash of 32 bytes."""
        return hmac.digest(self._pseudonym, digits.encode(), "sha256")

    def encrypt(self, digits: str, *, where: str) -> bytes:
        """Return nonce and ciphertext of a national number, bound to its entry."""
        nonce = self._random(_NONCE)
        return nonce + self._cipher.encrypt(nonce, digits.encode(), where.encode())

    def decrypt(self, data: bytes, *, where: str) -> str:
        """Decrypt a national number.

        Raises:
            StoreError: it was altered, or moved to another entry.
        """
        try:
            return self._cipher.decrypt(data[:_NONCE], data[_NONCE:], where.encode()).decode()
        except (InvalidTag, ValueError) as error:
            raise StoreError(
                "A number in the access log was altered or moved", todo="Run `rrsync log verify`"
            ) from error

    def encrypt_evidence(self, evidence: Evidence, *, where: str) -> bytes:
        """Return nonce and ciphertext of the compressed messages of an access, bound to its entry."""
        framed = len(evidence.request).to_bytes(_LENGTH_BYTES, "big") + evidence.request + evidence.reply
        nonce = self._random(_NONCE)
        return nonce + self._evidence.encrypt(nonce, zlib.compress(framed), where.encode())

    def decrypt_evidence(self, data: bytes, *, where: str) -> Evidence:
        """Decrypt the messages of an access, both to the byte.

        Raises:
            StoreError: they were altered, or moved to another entry.
        """
        try:
            framed = zlib.decompress(self._evidence.decrypt(data[:_NONCE], data[_NONCE:], where.encode()))
        except (InvalidTag, ValueError) as error:
            raise StoreError(
                "The messages kept of an access were altered or moved",
                kept="Its entry in the access log says what was asked, and the hash of what came back",
                todo="Run `rrsync log verify`",
            ) from error
        end = _LENGTH_BYTES + int.from_bytes(framed[:_LENGTH_BYTES], "big")
        return Evidence(framed[_LENGTH_BYTES:end], framed[end:])


class SubjectKeys:
    """The subject keys of one database, decrypted on first use."""

    def __init__(self, cipher: FieldCipher, random: Callable[[int], bytes]) -> None:
        self._cipher = cipher
        self._random = random
        self._known: dict[tuple[str, int], SubjectKey] = {}

    def find(self, session: Session, library: str, year: int) -> SubjectKey | None:
        """Return the key of a library and year; ``None`` if it was destroyed, or never made."""
        row = session.get(LogKeyRow, (library, year))
        if row is None:
            self._known.pop((library, year), None)
            return None
        if (library, year) not in self._known:
            self._known[library, year] = SubjectKey(
                self._cipher.decrypt(row.key, where=_where(library, year)), self._random
            )
        return self._known[library, year]

    def for_writing(self, session: Session, library: str, year: int) -> SubjectKey:
        """Return the key for an entry of this year; the first entry makes it, and it is cached once committed.

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
        fresh = self._cipher.new_key()
        encrypted = self._cipher.encrypt(fresh, where=_where(library, year))
        session.execute(insert(LogKeyRow).values(library=library, year=year, key=encrypted))
        made[library, year] = SubjectKey(fresh, self._random)
        return made[library, year]

    def pseudonyms(self, session: Session, library: str, digits: str) -> list[bytes]:
        """Return the pseudonyms of a national number in a library's log, one for each year whose key exists."""
        years = session.exec(select(LogKeyRow.year).where(LogKeyRow.library == library)).all()
        keys = [self.find(session, library, year) for year in years]
        return [key.pseudonym(digits) for key in keys if key is not None]

    def person(self, session: Session, library: str, where: str, data: bytes) -> Insz | None:
        """Return the subject of an entry; ``None`` if it has none, or the key of its year was destroyed.

        Raises:
            StoreError: the number in it was altered, or moved to another entry.
        """
        encrypted = decode(data).get("subj")
        key = self.find(session, library, int(str(encrypted["key"]))) if isinstance(encrypted, dict) else None
        if not isinstance(encrypted, dict) or key is None:
            return None
        return Insz(key.decrypt(base64.b64decode(str(encrypted["enc"])), where=where))

    def ends(self, session: Session, library: str) -> dict[int, datetime]:
        """Return the time of the last entry of each year whose key exists."""
        year = extract("year", col(EntryRow.at))
        wanted = select(year, func.max(EntryRow.at)).where(EntryRow.library == library).group_by(year)
        kept = session.exec(select(LogKeyRow.year).where(LogKeyRow.library == library)).all()
        ends = {int(found): at for found, at in session.exec(wanted)}
        return {found: ends[found] for found in sorted(kept) if found in ends}

    def destroy(self, session: Session, library: str, year: int) -> tuple[int, int]:
        """Destroy a key and the evidence under it; return the numbers of entries about people and of evidence.

        Raises:
            LedgerError: the key does not exist.
        """
        row = session.get(LogKeyRow, (library, year))
        if row is None:
            raise LedgerError(
                f"The access log of {library} has no key of {year}", todo="It was destroyed before, or never made"
            )
        evidence = col(EvidenceRow.library) == library, col(EvidenceRow.year) == year
        evidence_count = session.exec(select(func.count()).select_from(EvidenceRow).where(*evidence)).one()
        people = session.exec(select(func.count()).select_from(EntryRow).where(*_about_people(library, year))).one()
        session.execute(delete(EvidenceRow).where(*evidence))
        session.delete(row)
        session.flush()
        self._known.pop((library, year), None)
        return people, evidence_count


def _where(library: str, year: int) -> str:
    return f"log_key|key|{library}|{year}"


def _was_used(session: Session, library: str, year: int) -> bool:
    """Return whether the log has entries about people in this year, so that a key of the year must have existed."""
    about = col(EntryRow.library) == library, _SUBJECT
    last = session.exec(select(EntryRow.at).where(*about).order_by(col(EntryRow.seq).desc()).limit(1)).first()
    if last is None or last.year < year:  # a log grows with time: the last entry tells whether a year is new
        return False
    return names_people(session, library, year)


def names_people(session: Session, library: str, year: int) -> bool:
    """Return whether the log has entries about people in this year (UTC)."""
    return session.exec(select(EntryRow.seq).where(*_about_people(library, year)).limit(1)).first() is not None


def _about_people(library: str, year: int) -> tuple[ColumnElement[bool], ...]:
    begin, end = (datetime(at, 1, 1, tzinfo=UTC) for at in (year, year + 1))
    return col(EntryRow.library) == library, col(EntryRow.at) >= begin, col(EntryRow.at) < end, _SUBJECT


# An expression, so that no index is used and the log is read in its own order.
_SUBJECT: Final = func.length(EntryRow.subject) > 0
