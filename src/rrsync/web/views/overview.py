"""What the data-protection officer sees first: how every log stands, and what awaits."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Literal, TypeAlias

if TYPE_CHECKING:
    from datetime import datetime

    from rrsync.web.views.frame import Tone

AnchorState: TypeAlias = Literal["good", "late", "failing", "never"]


@dataclass(frozen=True, slots=True)
class AnchorLine:
    """An anchor of a log: its name and kind (``file``, ``mail``, ``witness``), what it keeps and since when.

    ``failed_at`` is when it failed, if that is after it last took something in.
    """

    name: str
    kind: str
    state: AnchorState
    size: int | None = None
    at: datetime | None = None
    failed_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Found:
    """What is wrong, in an error's own sentences; when it was found and by whom, if not just now."""

    what: str
    kept: str
    todo: str
    at: datetime | None = None
    by: str = ""


@dataclass(frozen=True, slots=True)
class LogState:
    """A log at a glance. ``is_whole`` is ``None`` before it was ever verified; ``fault`` is what is wrong with it.

    ``is_running`` says that it is recomputed now, ``trouble`` why that, or looking at it, came to nothing.
    """

    library: str
    title: str
    size: int
    root: str
    is_whole: bool | None
    verified_at: datetime | None
    verified_by: str
    verified_size: int
    signed_at: datetime | None
    signed_size: int
    anchors: tuple[AnchorLine, ...]
    fault: Found | None = None
    trouble: Found | None = None
    is_running: bool = False


@dataclass(frozen=True, slots=True)
class Task:
    """What awaits the officer: a key of the page's words, how many, where, and whether it is late."""

    key: str
    count: int
    place: str
    tone: Tone


@dataclass(frozen=True, slots=True)
class OfficerPage:
    """The state of the logs and what awaits; the form sends ``library`` to have a log recomputed."""

    name: ClassVar[str] = "officer"

    logs: tuple[LogState, ...]
    tasks: tuple[Task, ...]
