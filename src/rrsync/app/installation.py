"""What an installation is made of: keys, the key that signs the logs, the usual scope, a database."""

from __future__ import annotations

import os
from importlib.resources import files

from rrsync.app.log_keeping import signing_text
from rrsync.config.load import read_keys
from rrsync.config.settings import Settings
from rrsync.store.encryption import Keyring, Seal
from rrsync.store.engine import Database
from rrsync.store.rows import Rows, fill_beacons


def fresh_keys() -> str:
    """Give the text of a new key file."""
    return Keyring.fresh(os.urandom).to_text()


def fresh_signing_key() -> str:
    """Give the text of a new file with a signing key."""
    return signing_text(os.urandom)


def usual_scope() -> str:
    """Give the scope file that Flemish libraries may have."""
    return (files("rrsync") / "scopes" / "libraries.txt").read_text(encoding="utf-8")


def prepare_database(settings: Settings) -> None:
    """Bring the database that the settings name to the newest schema, making it if it is a file.

    Members that were there before their names could be found are given what they are found by.

    Raises:
        ConfigError: the keys cannot be read.
        StoreError: the database cannot be reached.
    """
    rows = Rows(Seal(Keyring.parse(read_keys(settings)), os.urandom))
    database = Database(settings.store.url)
    try:
        database.upgrade()
        fill_beacons(database, rows)
    finally:
        database.close()


def holds_data(settings: Settings) -> bool:
    """Whether the database that the settings name has members or an access log."""
    database = Database(settings.store.url)
    try:
        return database.holds_data()
    finally:
        database.close()


def has_signed(settings: Settings) -> bool:
    """Whether a log was ever signed here: the folder of the last ones is there, or the database has a checkpoint."""
    if settings.log.signed.exists():
        return True
    database = Database(settings.store.url)
    try:
        return database.has_signed()
    finally:
        database.close()
