"""The doors for who installs rrsync: make what is missing, and check what is there.

What ``rrsync check`` says of the certificates: ours, and those that may sign replies.

The settings file that ``rrsync init`` writes.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from datetime import date, datetime
from functools import partial
from pathlib import Path
from typing import Final

import typer

from rrsync.anchor.durable_file import create
from rrsync.app.installation import fresh_keys, fresh_signing_key, has_signed, holds_data, prepare_database, usual_scope
from rrsync.app.services import Services
from rrsync.audit.notary import DESK, NIGHT
from rrsync.cli.context import opened, voices
from rrsync.cli.log import logged, read
from rrsync.cli.options import BEFORE, ConfigOption, JsonOption
from rrsync.config.load import certificate_passphrase, load, named_file, read_keys, read_signing_key
from rrsync.config.settings import RegistrySettings, Settings
from rrsync.core.log_entry import stamp
from rrsync.errors import ConfigError, RrsyncError
from rrsync.registry.certificates import certificates, identity, warning
from rrsync.sync.night import PURPOSE

TEMPLATE: Final = """\
# rrsync: the settings. Any key can also be set by the environment, as in RRSYNC_REGISTRY__ENDPOINT=...
# Relative paths are relative to this file.

language = "nl"                        # words for desk staff: nl | en

[store]
url = "sqlite:///rrsync.db"            # or postgresql+psycopg://user@host/db

[keys]
file = "rrsync.keys"                   # made by `rrsync init`, mode 0600; keep a copy apart from the database

[registry]
environment = "simulator"              # simulator | acceptance | production
endpoint = "http://127.0.0.1:8080/"    # one URL, or a table: service name -> URL; outside the simulator best left out
source = "RR"                          # RR | KSZ
max_per_second = 8.0                   # shared by every process on this database; MAGDA throttles at 10
max_in_flight = 16                     # shared too; an eighth is kept for the desk
deadline_s = 45                        # from first byte sent to last byte read
subscribe = true                       # a number that MAGDA has no subscription for is subscribed, and asked once more
repertory = "02.00"                    # RegistreerInschrijving and RegistreerUitschrijving: 02.00 | 02.01
sign = false                           # WS-Security; true outside the simulator
signature = "rsa-sha256"               # rsa-sha256 | rsa-sha1
token = "x509v3"                       # x509v3 | pkipath: the certificate alone, or with its chain
certificate = ""                       # client certificate chain and key, for TLS and signing: PEM or PKCS#12
private_key = ""                       # PEM, if the key is in a file of its own
ca = ""                                # PEM bundle that must have signed the server's certificate
verify = "never"                       # signatures of replies: never | if_present | required
trust = ""                             # PEM: the certificates that may sign replies, or their issuers

[night]
stale_after_days = 30                  # who was asked about longer ago is due again
max_unavailable = 10                   # so many replies in a row that cannot be used stop a night

[log]
signing_key = "rrsync.signing"         # made by `rrsync init`, mode 0600; it signs the access logs
signed = "rrsync.signed"               # folder: the last checkpoint signed of each log
evidence = "errors"                    # whole messages, sealed: errors | hash (mix-ups alone) | all

# Where checkpoints are kept out of reach of who keeps the database; outside the simulator at least one.
# [[log.anchor]]
# kind = "file"
# path = "/mnt/elsewhere/rrsync.anchors"
# [[log.anchor]]
# kind = "mail"
# host = "smtp.example"
# sender = "rrsync@library.example"
# to = "dpo@library.example"
# [[log.anchor]]
# kind = "witness"
# url = "https://witness.example/"
# key = "witness.example/w1+1a2b3c4d+BA..."   # as `rrsync witness` prints it

# [log.flags]                          # from how many on an access by a person stands out
# staff = 5                            # different people about one member in a week
# per_hour = 30
# per_day = 100
# refused = 3

# [web]                                # the pages: `rrsync serve`
# host = "127.0.0.1"                   # where they listen, in plain HTTP; put a web server with a certificate before
# port = 8000
# public_url = "https://rrsync.library.example"   # how browsers find them; needed unless it is this machine
# organisation = "OVO000009"           # whose staff work for all libraries here, if anybody's
# outside_per_month = 0                # people who are no member that a library may ask about, by two of its staff

# Who may come in; its secret is the credential rrsync.oidc, or RRSYNC_OIDC_SECRET. Without it, a trial: simulator only.
# [web.oidc]
# issuer = "https://authenticatie.vlaanderen.be/op"
# client_id = "..."
# scopes = ["openid", "vo", "profile"] # and rrn, so that a look at oneself stands out
# role_claim = "rrsync_rol_3d"
# roles = { "RRSync-Balie" = "desk", "RRSync-Beheer" = "operator", "RRSync-DPO" = "dpo" }

# [web.limits]                         # questions at the desk, by one person and by one library
# per_minute = 5
# per_hour = 30
# per_day = 100
# library_per_day = 1000

[[library]]
id = "demo"
name = "Bibliotheek Demo"
sender = "demo.example/bibliotheek"    # MAGDA: Afzender/Identificatie
capacity = "1300"                      # MAGDA: Hoedanigheid
# organisation = "OVO000001"           # the code under which [web.oidc] knows the library
# webhook = "https://wise.example/rrsync"   # where its library system is told of changes: docs/api.md
# opening_hours = "mo-fr 09:00-19:00; sa 09:00-17:00"   # a look at another time stands out in the log
# case_pattern = "[a-z]+-[0-9]+"         # so does a case reference of another shape

[library.authorisation]
decision = "RR 28/2009"                # no authorisation in force, no call
scope = "scopes/libraries.txt"
purposes = ["member-administration", "desk"]
valid_from = 2009-05-18
valid_until = 2099-12-31
"""

#: Gives a state (ok, warning, fault) and a sentence.
Look = tuple[str, "Callable[[], tuple[str, str]]"]


def certificate_checks(registry: RegistrySettings, now: datetime) -> list[Look]:
    """Return what there is to look at."""
    found: list[Look] = []
    if registry.certificate is not None:
        found.append(("certificate", partial(_ours, registry.certificate, registry.private_key, now)))
    if registry.trust is not None:
        found.append(("trust store", partial(_trusted, registry.trust, now)))
    return found


def _ours(certificate: Path, private_key: Path | None, now: datetime) -> tuple[str, str]:
    """Our certificate, with its key: they must belong together, and count today."""
    ours = identity(certificate, private_key, certificate_passphrase())
    if now < ours.begins:
        return "fault", f"it only counts from {ours.begins:%Y-%m-%d %H:%M} UTC"
    return _until(ours.ends, now)


def _trusted(trust: Path, now: datetime) -> tuple[str, str]:
    """Who may sign replies: the one that lasts longest matters, as a new one may stand beside the old."""
    ends = [each.not_valid_after_utc for each in certificates(trust)]
    state, text = _until(max(ends), now)
    over = sum(end < now for end in ends)
    if state == "ok" and over:
        return "warning", f"{text}; take out what ended: {over} of {len(ends)} certificates"
    return state, text


def _until(end: datetime, now: datetime) -> tuple[str, str]:
    days = (end.date() - now.date()).days
    state, todo = warning(days if end >= now else -1)
    if state == "fault":
        return state, f"it ended on {end:%Y-%m-%d}; {todo}"
    return state, "; ".join(part for part in (f"valid until {end:%Y-%m-%d}, {days} days", todo) if part)


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
        with opened(config) as services:
            found += [{"what": what, "state": "ok", "text": "can be used"} for what in ("settings", "keys", "database")]
            for what, look in _looks(services):
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


def _looks(services: Services) -> list[tuple[str, Callable[[], tuple[str, str]]]]:
    settings, today = services.settings, services.runtime.clock().date()
    looks: list[tuple[str, Callable[[], tuple[str, str]]]] = [("clock", lambda: _clock(services))]
    looks += certificate_checks(settings.registry, services.runtime.clock())
    looks.append(("register", lambda: _register(services)))
    looks += [
        (f"authorisation of {each.id}", partial(_authorised, services, each.id, today)) for each in settings.library
    ]
    looks += [(f"access log of {name}", partial(_log, services, name)) for name in logged(services)]
    if settings.log.anchor:
        looks += [(f"anchor of {name}", partial(_anchored, services, name)) for name in logged(services)]
    return looks


def _clock(services: Services) -> tuple[str, str]:
    """The clock must not be behind what it once said: the log's last entries."""
    now = services.runtime.clock()
    for head in services.access_log.heads():
        for seq, data in services.access_log.entries(head.library, since=max(0, head.size - 1)):
            if str(read(head.library, seq, data).get("ts")) > stamp(now):
                return "fault", f"it is behind the last entry of the access log of {head.library}; set it right"
    return "ok", f"{now:%Y-%m-%d %H:%M:%S} UTC"


def _register(services: Services) -> tuple[str, str]:
    services.desk()
    registry = services.settings.registry
    return "ok", f"{registry.environment}; it was asked nothing"


def _authorised(services: Services, library: str, today: date) -> tuple[str, str]:
    found = services.authorisations.get(library)
    if found is None:
        return "fault", "there is none, so the register is never asked for this library"
    if not found.valid_from <= today <= found.valid_until:
        return "fault", f"{found.decision} is in force from {found.valid_from} to {found.valid_until}, not today"
    if PURPOSE not in found.purposes:
        return "fault", f"its purposes do not name {PURPOSE}, so the night can never ask"
    return "ok", f"{found.decision}, until {found.valid_until}, for {', '.join(sorted(found.purposes))}"


def _log(services: Services, library: str) -> tuple[str, str]:
    head = services.notary.verify(library)
    services.notary.hold(library)
    return "ok", f"whole, {head.size} entries"


def _anchored(services: Services, library: str) -> tuple[str, str]:
    """Who outside the database last took in a checkpoint of a log, and when."""
    last = services.checkpoints.last_anchored(library)
    if last is None:
        return "warning", "none took a checkpoint in yet; try them with `rrsync log anchor`"
    age = services.runtime.clock() - last.at
    state = "ok" if age <= NIGHT else "warning" if age <= DESK else "fault"
    return state, f"{last.name} has a checkpoint of {last.size} entries since {last.at:%Y-%m-%d %H:%M} UTC"
