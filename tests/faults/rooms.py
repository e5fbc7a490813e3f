"""Rows 79 and 80: what belongs to rooms that are not built yet."""

from __future__ import annotations

from typing import Final

from tests.faults.catalogue import Row

ROWS: Final = (
    Row(79, "the identity provider is away", elsewhere="web: there are no pages, so no sessions, yet"),
    Row(
        80,
        "the export to the Auditregister is away",
        elsewhere="audit: the access log is our own and nothing is exported to the Auditregister, so nothing can wait",
    ),
)
