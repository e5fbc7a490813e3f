"""Builds from the settings what keeps the access logs provable: the key that signs them, and the anchors."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from functools import partial
from hashlib import sha256
from typing import Final, TypeAlias

from rrsync.anchor.file import FileAnchor
from rrsync.anchor.mail import MailAnchor
from rrsync.anchor.witness import WitnessAnchor
from rrsync.audit.anchoring import Anchor
from rrsync.config.load import smtp_password
from rrsync.config.settings import AnchorSettings, LibrarySettings, MailAnchorSettings, Settings
from rrsync.core.anomaly import Limits
from rrsync.core.authorisation import Authorisation
from rrsync.core.belgian_time import Hours
from rrsync.core.signed_note import Key, Signer
from rrsync.errors import ConfigError
from rrsync.store.checkpoints import Checkpoints
from rrsync.store.encryption import Keyring

#: Returns the proof that a library's log only grew from one size to another.
Proof: TypeAlias = "Callable[[str, int, int], Sequence[bytes]]"

SEED_BYTES: Final = 32
_COMMENT: Final = "# rrsync signing key: it signs the access logs; keep it apart from the database."
_FILE_EVERY: Final = timedelta(minutes=5)
_WITNESS_EVERY: Final = timedelta(minutes=10)
_MAIL_EVERY: Final = timedelta(days=1)


def signing_text(random: Callable[[int], bytes]) -> str:
    """Return the text of a new file with a signing key."""
    return key_text(_COMMENT, random(SEED_BYTES))


def key_text(comment: str, seed: bytes) -> str:
    """Return the text of a file with the seed of an Ed25519 key."""
    return f"{comment}\n{base64.b64encode(seed).decode()}\n"


def seed_of(text: str) -> bytes | None:
    """Return the seed in such a file, 32 bytes; ``None`` when there is none."""
    lines = [line for line in text.splitlines() if line.strip() and not line.startswith("#")]
    try:
        seed = base64.b64decode(lines[0].encode("ascii"), validate=True) if len(lines) == 1 else b""
    except (binascii.Error, UnicodeEncodeError):
        return None
    return seed if len(seed) == SEED_BYTES else None


def signer(text: str) -> Callable[[str], Signer]:
    """Return a function that builds the signer of a name, with the key of such a file.

    Raises:
        ConfigError: the text is no key; it is not shown.
    """
    seed = seed_of(text)
    if seed is None:
        raise ConfigError("The signing key file holds no key", todo="Restore it from your backup")
    return partial(_named, seed=seed)


def _named(name: str, *, seed: bytes) -> Signer:
    return Signer(name, seed)


def anchors(settings: Settings, clock: Callable[[], datetime], proof: Proof, checkpoints: Checkpoints) -> list[Anchor]:
    """Build the anchors that the settings name.

    Raises:
        ConfigError: an anchor cannot be used.
    """
    return [_anchor(each, clock, proof, checkpoints) for each in settings.log.anchor]


def _anchor(said: AnchorSettings, clock: Callable[[], datetime], proof: Proof, checkpoints: Checkpoints) -> Anchor:
    match said.kind:
        case "file":
            file = FileAnchor(said.path)
            return Anchor(file.name, _FILE_EVERY, file.keep, file.last)
        case "mail":
            mail = _mailbox(said, clock)
            return Anchor(mail.name, _MAIL_EVERY, mail.keep)
        case "witness":
            key, ca = Key.parse(said.key), str(said.ca or "")
            witness = WitnessAnchor(said.url, key, clock=clock, ca=ca, deadline_s=said.deadline_s)
            old = partial(_seen, checkpoints, witness.name)
            keep = partial(witness.keep, old=old, proof=proof)
            return Anchor(witness.name, _WITNESS_EVERY, keep, sees=True)


def mailbox(settings: Settings, clock: Callable[[], datetime]) -> MailAnchor:
    """Build the mailbox of the data-protection officer, which the first mail anchor names.

    Raises:
        ConfigError: the settings name none.
    """
    for each in settings.log.anchor:
        if each.kind == "mail":
            return _mailbox(each, clock)
    raise ConfigError("The settings name no mailbox", todo="Name an [[log.anchor]] of kind mail")


def _mailbox(anchor: MailAnchorSettings, clock: Callable[[], datetime]) -> MailAnchor:
    return MailAnchor(
        host=anchor.host,
        port=anchor.port,
        sender=anchor.sender,
        to=anchor.to,
        clock=clock,
        tls=anchor.tls,
        user=anchor.user,
        password=smtp_password() if anchor.user else "",
        ca=str(anchor.ca or ""),
        deadline_s=anchor.deadline_s,
    )


def _seen(checkpoints: Checkpoints, name: str, library: str) -> int:
    """Return the size of the last checkpoint that an anchor accepted."""
    last = checkpoints.last_anchored(library, name)
    return last.size if last else 0


def terms(
    settings: Settings, library: str, keys: Keyring, authorisation: Authorisation | None, signing: Key
) -> dict[str, str]:
    """Return the settings that decide what is asked, of whom, and how it is proved, each as a short digest."""
    registry = settings.registry
    shapes = [f"{each.opening_hours} {each.case_pattern}" for each in settings.library if each.id == library]
    said = {
        "scope": authorisation.scope.digest if authorisation else "",
        "endpoint": f"{registry.environment} {registry.source} {registry.endpoint}",
        "signatures": f"{registry.sign} {registry.signature} {registry.verify} {registry.trust}",
        "authorisation": repr(authorisation and _decision(authorisation)),
        "keys": " ".join([*sorted(keys.data), signing.text]),
        "evidence": settings.log.evidence,
        "anchors": " ".join(each.model_dump_json() for each in settings.log.anchor),
        "flags": " ".join([settings.log.flags.model_dump_json(), *shapes]),
    }
    return {name: sha256(text.encode()).hexdigest()[:16] for name, text in said.items()}


def _decision(said: Authorisation) -> Sequence[object]:
    return (
        said.decision,
        said.sender,
        said.capacity,
        sorted(said.purposes),
        said.valid_from.isoformat(),
        said.valid_until.isoformat(),
    )


def limits(settings: Settings, library: LibrarySettings) -> Limits:
    """Return the limits beyond which an access of a library stands out."""
    flags = settings.log.flags
    return Limits(
        staff=flags.staff,
        per_hour=flags.per_hour,
        per_day=flags.per_day,
        refused=flags.refused,
        hours=Hours.parse(library.opening_hours) if library.opening_hours else None,
        case=re.compile(library.case_pattern) if library.case_pattern else None,
    )
