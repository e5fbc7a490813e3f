"""What waits for the disk, and what does not."""

from __future__ import annotations

from sqlalchemy import text

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
