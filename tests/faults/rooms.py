"""Rows 79 and 80: what is proved at the login, and what belongs to a room that is not built."""

from __future__ import annotations

from typing import Final

from tests.faults.catalogue import Row

ROWS: Final = (
    Row(
        79,
        "the identity provider is away",
        elsewhere="tests/web/test_login.py: a provider that is gone, a new key, a token of another time",
    ),
    Row(
        80,
        "the export to the Auditregister is away",
        elsewhere="audit: the access log is our own and nothing is exported to the Auditregister, so nothing can wait",
    ),
)
