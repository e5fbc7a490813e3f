"""The doors for who installs rrsync: make what is missing, and check what is there."""

from __future__ import annotations

import os
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from rrsync.anchor.disk import create
from rrsync.audit.notary import DESK, NIGHT
from rrsync.cli import papers
from rrsync.cli.context import BEFORE, ConfigOption, JsonOption, opened, voices
from rrsync.cli.log import logged, read
from rrsync.cli.template import TEMPLATE
from rrsync.config.load import load, named_file, read_keys, read_signing_key
from rrsync.core.entry import stamp
from rrsync.errors import ConfigError, RrsyncError
from rrsync.sync.night import PURPOSE
from rrsync.wiring.install import fresh_keys, fresh_signing_key, has_signed, holds_data, prepare_database, usual_scope

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import date

    from rrsync.config.tables import Settings
    from rrsync.wiring.rooms import App


def init(config: ConfigOption = None) -> None:
    """Make what is missing here; leave what is there.

    Settings, keys and the key that signs the access log (mode 0600), the scope file, and the database that the settings
    name, brought to the newest schema. Keep a copy of the keys apart from the database: without them nobody can read
    it, and nobody can go on with its log.
    """
    speak = voices()
    for each in install(named_file(config or BEFORE.get())):
        speak.out.print(f"Made {os.path.relpath(each)}.")
    speak.out.print("The database is at the newest schema.")
    speak.out.print("Next: `rrsync check`, then `rrsync members import FILE --library ID`.")


def install(path: Path) -> list[Path]:
    """Make what a settings file and its installation lack; give the files made.

    Raises:
        ConfigError: a file cannot be made, or keys are missing for a database with data.
        StoreError: the database cannot be reached.
    """
    made = [path] if _make(path, TEMPLATE) else []
    settings = load(path)
    scopes = [library.authorisation.scope for library in settings.library if library.authorisation is not None]
    made += [scope for scope in scopes if _make(scope, usual_scope())]
    made += [settings.keys.file] if _make_keys(settings) else []
    made += [settings.log.signing_key] if _make_signing_key(settings) else []
    prepare_database(settings)
    return made


def _make(path: Path, text: str, mode: int = 0o644) -> bool:
    """Write a file that is not there, whole and on disk or not at all; say whether it was written."""
    try:
        if path.exists():
            return False
        path.parent.mkdir(parents=True, exist_ok=True)
        create(path, text, mode=mode)
    except OSError as error:
        raise ConfigError(
            f"{path.name} cannot be made: {error.strerror}",
            todo="Check the folder, its rights and the room on its disk",
        ) from error
    return True


def _make_keys(settings: Settings) -> bool:
    if _is_there(read_keys, settings, settings.keys.file):
        return False
    if holds_data(settings):
        raise ConfigError(
            "The key file is missing, but the database holds data that was written with it",
            todo="Restore the key file from your backup; new keys could not read the data",
        )
    return _make(settings.keys.file, fresh_keys(), 0o600)


def _make_signing_key(settings: Settings) -> bool:
    if _is_there(read_signing_key, settings, settings.log.signing_key):
        return False
    if has_signed(settings):
        raise ConfigError(
            "The signing key is missing, but checkpoints were signed with it",
            todo="Restore it from your backup; a new one would sign another log, and every anchor would refuse it",
        )
    return _make(settings.log.signing_key, fresh_signing_key(), 0o600)


def _is_there(read: Callable[[Settings], str], settings: Settings, file: Path) -> bool:
    """Whether a secret can be read, from wherever it comes; a file of it that cannot be used is not made anew."""
    try:
        read(settings)
    except ConfigError:
        if file.exists():
            raise
        return False
    return True


def check(as_json: JsonOption = False, config: ConfigOption = None) -> None:
    """Check the whole installation; ask nobody.

    Settings, keys, database, authorisations, certificate dates, clock and access log. Exit code 0 when all is well,
    else 2; a warning alone is well.
    """
    speak = voices()
    found: list[dict[str, str]] = []
    try:
        with opened(config) as app:
            found += [{"what": what, "state": "ok", "text": "can be used"} for what in ("settings", "keys", "database")]
            for what, look in _looks(app):
                try:
                    state, text = look()
                except RrsyncError as error:
                    state, text = "fault", str(error)
                found.append({"what": what, "state": state, "text": text})
    except RrsyncError as error:
        found.append({"what": "installation", "state": "fault", "text": str(error)})
    if as_json:
        speak.document(found)
    else:
        for each in found:
            speak.out.print(f"{each['state']:7} {each['what']}: {each['text']}")
    raise typer.Exit(2 if any(each["state"] == "fault" for each in found) else 0)


def _looks(app: App) -> list[tuple[str, Callable[[], tuple[str, str]]]]:
    today = app.chance.clock().date()
    looks: list[tuple[str, Callable[[], tuple[str, str]]]] = [("clock", lambda: _clock(app))]
    looks += papers.looks(app.settings.registry, app.chance.clock())
    looks.append(("register", lambda: _register(app)))
    looks += [
        (f"authorisation of {each.id}", partial(_authorised, app, each.id, today)) for each in app.settings.library
    ]
    looks += [(f"access log of {name}", partial(_log, app, name)) for name in logged(app)]
    if app.settings.log.anchor:
        looks += [(f"anchor of {name}", partial(_anchored, app, name)) for name in logged(app)]
    return looks


def _clock(app: App) -> tuple[str, str]:
    """The clock must not be behind what it once said: the log's last entries."""
    now = app.chance.clock()
    for head in app.ledger.heads():
        for seq, data in app.ledger.entries(head.library, since=max(0, head.size - 1)):
            if str(read(head.library, seq, data).get("ts")) > stamp(now):
                return "fault", f"it is behind the last entry of the access log of {head.library}; set it right"
    return "ok", f"{now:%Y-%m-%d %H:%M:%S} UTC"


def _register(app: App) -> tuple[str, str]:
    app.desk()
    return "ok", f"{app.settings.registry.environment}; it was asked nothing"


def _authorised(app: App, library: str, today: date) -> tuple[str, str]:
    found = app.authorisations.get(library)
    if found is None:
        return "fault", "there is none, so the register is never asked for this library"
    if not found.valid_from <= today <= found.valid_until:
        return "fault", f"{found.decision} is in force from {found.valid_from} to {found.valid_until}, not today"
    if PURPOSE not in found.purposes:
        return "fault", f"its purposes do not name {PURPOSE}, so the night can never ask"
    return "ok", f"{found.decision}, until {found.valid_until}, for {', '.join(sorted(found.purposes))}"


def _log(app: App, library: str) -> tuple[str, str]:
    head = app.notary.verify(library)
    app.notary.hold(library)
    return "ok", f"whole, {head.size} entries"


def _anchored(app: App, library: str) -> tuple[str, str]:
    """Who outside the database last took in a checkpoint of a log, and when."""
    last = app.checkpoints.last_anchored(library)
    if last is None:
        return "warning", "none took a checkpoint in yet; try them with `rrsync log anchor`"
    age = app.chance.clock() - last.at
    state = "ok" if age <= NIGHT else "warning" if age <= DESK else "fault"
    return state, f"{last.name} has a checkpoint of {last.size} entries since {last.at:%Y-%m-%d %H:%M} UTC"
