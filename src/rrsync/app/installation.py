"""The parts of a new installation: keys, the key that signs the logs, the usual scope, the database."""

from __future__ import annotations

import os
from importlib.resources import files

from rrsync.app.log_keeping import signing_text
from rrsync.config.load import read_keys
from rrsync.config.settings import Settings
from rrsync.store.encryption import FieldCipher, Keyring
from rrsync.store.engine import Database
from rrsync.store.rows import RowCipher, fill_blind_index


def fresh_keys() -> str:
    """Return the text of a new key file."""
    return Keyring.fresh(os.urandom).to_text()


def fresh_signing_key() -> str:
    """Return the text of a new file with a signing key."""
    return signing_text(os.urandom)


def usual_scope() -> str:
    """Return the scope file that Flemish libraries may have."""
    return (files("rrsync") / "scopes" / "libraries.txt").read_text(encoding="utf-8")


def prepare_database(settings: Settings) -> None:
    """Upgrade the database of the settings to the newest schema; create it if it is a file.

    Members of an older version get the entries of the blind index by which their names are found.

    Raises:
        ConfigError: the keys cannot be read.
        StoreError: the database cannot be reached.
    """
    rows = RowCipher(FieldCipher(Keyring.parse(read_keys(settings)), os.urandom))
    database = Database(settings.store.url)
    try:
        database.upgrade()
        fill_blind_index(database, rows)
    finally:
        database.close()


def holds_data(settings: Settings) -> bool:
    """Whether the database of the settings has members or an access log."""
    database = Database(settings.store.url)
    try:
        return database.holds_data()
    finally:
        database.close()


def has_signed(settings: Settings) -> bool:
    """Whether a log was ever signed here: there is a folder of signed checkpoints, or one in the database."""
    if settings.log.signed.exists():
        return True
    database = Database(settings.store.url)
    try:
        return database.has_signed()
    finally:
        database.close()
