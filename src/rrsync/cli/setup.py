"""``rrsync init`` and ``rrsync check``: create what an installation needs, and check it without asking about anybody.

``init`` creates only what is missing: settings, keys, scope files, and the database at the newest schema. ``check``
runs one check after the other; each gives a state (ok, warning, fault) and a sentence.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import TypeAlias

import typer

from rrsync.anchor.durable_file import create
from rrsync.app.installation import fresh_keys, fresh_signing_key, has_signed, holds_data, prepare_database, usual_scope
from rrsync.app.services import Services
from rrsync.audit.notary import DESK, NIGHT
from rrsync.cli.context import command_services
from rrsync.cli.log import libraries_with_log, read_entry
from rrsync.cli.options import CONFIG_BEFORE_COMMAND, ConfigOption, JsonOption
from rrsync.cli.output import terminal_output
from rrsync.config.load import certificate_passphrase, load, named_file, read_keys, read_signing_key, settings_template
from rrsync.config.settings import RegistrySettings, Settings
from rrsync.core.log_entry import stamp
from rrsync.errors import ConfigError, RrsyncError
from rrsync.registry.certificates import certificates, identity, warning
from rrsync.sync.night import PURPOSE

#: A subject of ``rrsync check``, and the function that returns its state and a sentence.
Check: TypeAlias = tuple[str, Callable[[], tuple[str, str]]]


def init(config: ConfigOption = None) -> None:
    """Create the missing files and the database.

    The files are the settings, the keys (mode 0600), the key that signs the access logs (mode 0600) and the scope file.
    The database that the settings name is created, or upgraded to the newest schema. Existing files stay as they are.

    Keep a copy of both keys apart from the database: without them its data cannot be read, and its log cannot continue.
    """
    output = terminal_output()
    for each in install(named_file(config or CONFIG_BEFORE_COMMAND.get())):
        output.result.print(f"Created {os.path.relpath(each)}.")
    output.result.print("The database has the newest schema.")
    output.result.print("Next: `rrsync check`, then `rrsync members import FILE --library ID`.")


def install(path: Path) -> list[Path]:
    """Create the missing parts of an installation, and return the created files.

    Raises:
        ConfigError: a file cannot be created, or the keys of a database with data are missing.
        StoreError: the database cannot be reached.
    """
    made = [path] if _create(path, settings_template()) else []
    settings = load(path)
    scopes = [library.authorisation.scope for library in settings.library if library.authorisation is not None]
    made += [scope for scope in scopes if _create(scope, usual_scope())]
    made += [settings.keys.file] if _create_keys(settings) else []
    made += [settings.log.signing_key] if _create_signing_key(settings) else []
    prepare_database(settings)
    return made


def _create(path: Path, text: str, mode: int = 0o644) -> bool:
    """Create a missing file, completely or not at all; return whether it was created."""
    try:
        if path.exists():
            return False
        path.parent.mkdir(parents=True, exist_ok=True)
        create(path, text, mode=mode)
    except OSError as error:
        raise ConfigError(
            f"{path.name} cannot be created: {error.strerror}",
            todo="Check the folder, its permissions and the free disk space",
        ) from error
    return True


def _create_keys(settings: Settings) -> bool:
    if _exists(read_keys, settings, settings.keys.file):
        return False
    if holds_data(settings):
        raise ConfigError(
            "The key file is missing, but the database contains data encrypted with it",
            todo="Restore the key file from your backup; new keys cannot read the data",
        )
    return _create(settings.keys.file, fresh_keys(), 0o600)


def _create_signing_key(settings: Settings) -> bool:
    if _exists(read_signing_key, settings, settings.log.signing_key):
        return False
    if has_signed(settings):
        raise ConfigError(
            "The signing key is missing, but checkpoints are signed with it",
            todo="Restore it from your backup; anchors refuse checkpoints that another key signs",
        )
    return _create(settings.log.signing_key, fresh_signing_key(), 0o600)


def _exists(read: Callable[[Settings], str], settings: Settings, file: Path) -> bool:
    """Whether a secret can be read from any of its sources; an unusable file of it is an error, not replaced."""
    try:
        read(settings)
    except ConfigError:
        if file.exists():
            raise
        return False
    return True


def check(as_json: JsonOption = False, config: ConfigOption = None) -> None:
    """Check the installation; ask about nobody.

    The checks cover the settings, keys, database, clock, certificates, authorisations, access logs and anchors. The
    register is not asked about anybody. Exit codes: 0 no fault (warnings are possible), 2 at least one fault.
    """
    output = terminal_output()
    found: list[dict[str, str]] = []
    try:
        with command_services(config) as services:
            found += [{"what": what, "state": "ok", "text": "usable"} for what in ("settings", "keys", "database")]
            for what, run in _checks(services):
                try:
                    state, text = run()
                except RrsyncError as error:
                    state, text = "fault", str(error)
                found.append({"what": what, "state": state, "text": text})
    except RrsyncError as error:
        found.append({"what": "installation", "state": "fault", "text": str(error)})
    if as_json:
        output.print_json(found)
    else:
        for each in found:
            output.result.print(f"{each['state']:7} {each['what']}: {each['text']}")
    raise typer.Exit(2 if any(each["state"] == "fault" for each in found) else 0)


def _checks(services: Services) -> list[Check]:
    settings, now, names = services.settings, services.runtime.clock(), libraries_with_log(services)
    checks: list[Check] = [("clock", partial(_check_clock, services))]
    checks += certificate_checks(settings.registry, now)
    checks.append(("register", partial(_check_register, services)))
    checks += [
        (f"authorisation of {each.id}", partial(_check_authorisation, services, each.id)) for each in settings.library
    ]
    checks += [(f"access log of {name}", partial(_check_log, services, name)) for name in names]
    if settings.log.anchor:
        checks += [(f"anchor of {name}", partial(_check_anchor, services, name)) for name in names]
    return checks


def _check_clock(services: Services) -> tuple[str, str]:
    """Compare the clock with the last entry of each log, which must not be in the future."""
    now = services.runtime.clock()
    for head in services.access_log.heads():
        for seq, data in services.access_log.entries(head.library, since=max(0, head.size - 1)):
            if str(read_entry(head.library, seq, data).get("ts")) > stamp(now):
                return "fault", f"it is behind the last entry of the access log of {head.library}; set it right"
    return "ok", f"{now:%Y-%m-%d %H:%M:%S} UTC"


def _check_register(services: Services) -> tuple[str, str]:
    services.desk()
    registry = services.settings.registry
    return "ok", f"{registry.environment}; it was not asked"


def _check_authorisation(services: Services, library: str) -> tuple[str, str]:
    found, today = services.authorisations.get(library), services.runtime.clock().date()
    if found is None:
        return "fault", "there is none: the register is never asked for this library"
    if not found.valid_from <= today <= found.valid_until:
        return "fault", f"{found.decision} is in force from {found.valid_from} to {found.valid_until}, not today"
    if PURPOSE not in found.purposes:
        return "fault", f"its purposes do not include {PURPOSE}: the night can never ask"
    return "ok", f"{found.decision}, until {found.valid_until}, for {', '.join(sorted(found.purposes))}"


def _check_log(services: Services, library: str) -> tuple[str, str]:
    head = services.notary.verify(library)
    services.notary.hold(library)
    return "ok", f"intact, {head.size} entries"


def _check_anchor(services: Services, library: str) -> tuple[str, str]:
    """Check the age of the last checkpoint that an anchor stored."""
    last = services.checkpoints.last_anchored(library)
    if last is None:
        return "warning", "no anchor stores a checkpoint yet; run `rrsync log anchor`"
    age = services.runtime.clock() - last.at
    state = "ok" if age <= NIGHT else "warning" if age <= DESK else "fault"
    return state, f"{last.name} stores a checkpoint of {last.size} entries since {last.at:%Y-%m-%d %H:%M} UTC"


def certificate_checks(registry: RegistrySettings, now: datetime) -> list[Check]:
    """Return the checks of our certificate and of those that may sign replies."""
    found: list[Check] = []
    if registry.certificate is not None:
        found.append(("certificate", partial(_check_own_certificate, registry.certificate, registry.private_key, now)))
    if registry.trust is not None:
        found.append(("trust store", partial(_check_trust_store, registry.trust, now)))
    return found


def _check_own_certificate(certificate: Path, private_key: Path | None, now: datetime) -> tuple[str, str]:
    """Check that our certificate belongs to its key and is valid now."""
    ours = identity(certificate, private_key, certificate_passphrase())
    if now < ours.begins:
        return "fault", f"it is valid only from {ours.begins:%Y-%m-%d %H:%M} UTC"
    return _validity(ours.ends, now)


def _check_trust_store(trust: Path, now: datetime) -> tuple[str, str]:
    """Check the certificate that is valid longest, because a new one may be listed beside the old one."""
    ends = [each.not_valid_after_utc for each in certificates(trust)]
    state, text = _validity(max(ends), now)
    over = sum(end < now for end in ends)
    if state == "ok" and over:
        return "warning", f"{text}; remove the expired ones: {over} of {len(ends)} certificates"
    return state, text


def _validity(end: datetime, now: datetime) -> tuple[str, str]:
    days = (end.date() - now.date()).days
    state, todo = warning(days if end >= now else -1)
    if state == "fault":
        return state, f"it expired on {end:%Y-%m-%d}; {todo}"
    return state, "; ".join(part for part in (f"valid until {end:%Y-%m-%d}, {days} days", todo) if part)
