"""What ``rrsync check`` says of the certificates: ours, and those that may sign replies."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from rrsync.config.load import certificate_passphrase
from rrsync.registry.certificates import certificates, identity, warning

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime
    from pathlib import Path

    from rrsync.config.registry import RegistrySettings

#: Gives a state (ok, warning, fault) and a sentence.
Look = tuple[str, "Callable[[], tuple[str, str]]"]


def looks(registry: RegistrySettings, now: datetime) -> list[Look]:
    """Give what there is to look at."""
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
