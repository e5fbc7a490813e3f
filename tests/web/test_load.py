"""Many people at the pages at once: the bench's crowd, small, and without its watch."""

from __future__ import annotations

from pathlib import Path

from bench.desk import measure


def test_nothing_is_lost_or_doubled(database_url: str, tmp_path: Path) -> None:
    """Twenty people in 400 requests: each question is once in the log and once at the register; the log is whole."""
    found = measure(tmp_path, database_url, people=20, requests=400, pause_s=0.0, latency_ms=10)
    assert found.faults == []
    assert found.record.total >= 400
    assert found.intents > 20
    assert found.reused > 0
    assert found.record.accepted > 0
    assert {"search", "member", "refresh", "difference", "log", "figures"} <= found.record.took.keys()
