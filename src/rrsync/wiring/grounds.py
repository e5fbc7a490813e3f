"""The grounds on which a library may ask: its authorisation, with the scope file that it names."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rrsync.core.authorisation import Authorisation, Scope
from rrsync.errors import ConfigError
from rrsync.registry.fields import known_paths

if TYPE_CHECKING:
    from pathlib import Path

    from rrsync.config.tables import LibrarySettings


def authorisation(library: LibrarySettings) -> Authorisation | None:
    """Give a library's authorisation as the settings say it; ``None`` when they say none.

    Raises:
        ConfigError: its scope file cannot be read, or names what the register does not know.
    """
    said = library.authorisation
    if said is None:
        return None
    return Authorisation(
        library=library.id,
        decision=said.decision,
        sender=library.sender,
        capacity=library.capacity,
        purposes=frozenset(said.purposes),
        valid_from=said.valid_from,
        valid_until=said.valid_until,
        scope=_scope(said.scope),
    )


def _scope(path: Path) -> Scope:
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(
            f"The scope file {path.name} cannot be read", todo="Run `rrsync init`, or correct the authorisation's scope"
        ) from error
    return Scope.parse(text, known=known_paths())
