"""What waits for the disk, and what does not."""

from __future__ import annotations

import pytest
from sqlalchemy import text
from sqlalchemy.exc import InvalidRequestError

from tests.support import Store


def _waits(store: Store, *, passing: bool) -> str:
    asked = "PRAGMA synchronous" if store.database.is_sqlite else "SHOW synchronous_commit"
    with store.database.write(passing=passing) as session:
        return str(session.execute(text(asked)).scalar_one())


def test_only_what_is_passing_does_not_wait_for_the_disk(store: Store) -> None:
    """Also on a connection that was used for the other just before."""
    if not store.database.is_sqlite:  # the tests' server waits for nothing
        store.execute(f'ALTER DATABASE "{store.database.engine.url.database}" SET synchronous_commit = on')
        store.database.close()
    full, none = ("2", "1") if store.database.is_sqlite else ("on", "off")
    order = [False, True, True, False, True, False]
    assert [_waits(store, passing=passing) for passing in order] == [none if each else full for each in order]


@pytest.mark.parametrize("way", ["read", "write"])
def test_a_session_is_of_no_use_after_its_block(store: Store, way: str) -> None:
    """What would be read then, by a generator that is late, would keep a connection that nobody gives back."""
    with getattr(store.database, way)() as session:
        session.execute(text("SELECT 1"))
    with pytest.raises(InvalidRequestError, match="closed"):
        session.execute(text("SELECT 1"))
