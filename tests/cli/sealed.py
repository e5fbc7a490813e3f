"""Reads an access log without rrsync: SQLite, JSON, and the keys as their file has them."""

from __future__ import annotations

import base64
import hmac
import json
import sqlite3
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF


def lines_about(folder: Path, digits: str, library: str = "demo") -> list[dict[str, Any]]:
    """Return every entry about who has a number, found by the pseudonyms that the keys of the years give."""
    connection = sqlite3.connect(folder / "rrsync.db")
    sealed = connection.execute("SELECT year, key FROM log_key WHERE library = ?", [library]).fetchall()
    found = connection.execute("SELECT data FROM entry WHERE library = ? ORDER BY seq", [library]).fetchall()
    connection.close()
    keys = [_open(folder, key, f"log_key|key|{library}|{year}") for year, key in sealed]
    refs = {hmac.digest(_derive(key, "pseudonym"), digits.encode(), "sha256").hex() for key in keys}
    lines = [json.loads(data) for (data,) in found]
    return [line for line in lines if line.get("subj", {}).get("ref") in refs]


def _open(folder: Path, sealed: bytes, where: str) -> bytes:
    (key,) = [line.split()[2] for line in (folder / "rrsync.keys").read_text().splitlines() if line.startswith("data")]
    cipher = AESGCM(_derive(base64.b64decode(key), "data"))
    return cipher.decrypt(sealed[9:21], sealed[21:], where.encode())


def _derive(key: bytes, label: str) -> bytes:
    return HKDF(algorithm=SHA256(), length=32, salt=None, info=f"rrsync {label}".encode()).derive(key)
