"""What library systems are served with: their keys, calls done once, the feed of changes, and whom to tell of them."""

from __future__ import annotations

import base64
import binascii
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from rrsync.config.load import webhook_secret
from rrsync.errors import ConfigError
from rrsync.store.apikeys import ApiKeys
from rrsync.store.feed import Feed
from rrsync.store.hooks import Hooks
from rrsync.store.repeats import Repeats
from rrsync.store.rows import Rows

if TYPE_CHECKING:
    from collections.abc import Mapping

    from rrsync.config.tables import Settings
    from rrsync.store.seal import Seal
    from rrsync.wiring.rooms import App

_PREFIX: Final = "whsec_"
_BYTES: Final = range(24, 65)


@dataclass(frozen=True, slots=True)
class Hook:
    """Where a library system is told of changes, and the secrets that sign it: the new one first, while one changes."""

    library: str
    url: str
    secrets: tuple[bytes, ...] = field(repr=False)
    ca: str = ""


@dataclass(frozen=True, slots=True)
class Served:
    """All that library systems are served with; ``targets`` are the hooks of the settings, by library."""

    keys: ApiKeys
    repeats: Repeats
    feed: Feed
    hooks: Hooks
    targets: Mapping[str, Hook]


def served(app: App, seal: Seal) -> Served:
    """Build it.

    Raises:
        ConfigError: a hook's secret is missing, or is none.
    """
    database, luck = app.database, app.chance
    return Served(
        keys=ApiKeys(database, seal, app.ledger, luck.clock, luck.random),
        repeats=Repeats(database, seal, luck.clock),
        feed=Feed(database, Rows(seal)),
        hooks=Hooks(database, luck.clock, luck.random),
        targets=hooks(app.settings),
    )


def hooks(settings: Settings) -> dict[str, Hook]:
    """Give the hooks that the settings name.

    Raises:
        ConfigError: one's secret is missing, or is none; it is not shown.
    """
    return {
        each.id: Hook(each.id, each.webhook, _secrets(each.id), str(each.webhook_ca or ""))
        for each in settings.library
        if each.webhook
    }


def _secrets(library: str) -> tuple[bytes, ...]:
    try:
        words = webhook_secret(library).split()
        found = tuple(base64.b64decode(word.removeprefix(_PREFIX), validate=True) for word in words)
    except (binascii.Error, ValueError):
        found = ()
    if not found or any(len(secret) not in _BYTES for secret in found):
        raise ConfigError(
            f"There is no usable secret for the webhook of {library}",
            kept="The pages were not started",
            todo=f"Give whsec_ and 24 to 64 bytes in base64 as the systemd credential rrsync.webhook.{library} or as "
            f"RRSYNC_WEBHOOK_{library.upper().replace('-', '_')}",
        )
    return found
