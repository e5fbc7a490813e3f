"""A process of its own that asks at a desk until it is refused: ``python -m tests.store.asker URL NAME ...``."""

from __future__ import annotations

import sys

from rrsync.core.desk_quota import Granted, Limits
from rrsync.store.engine import Database
from rrsync.store.limits import Quotas
from tests.support import NOW

LIMITS = Limits(per_minute=7, per_hour=9, per_day=12, library_per_day=15)


def main() -> None:
    """Say it is ready, wait to be let go, then print under which name each ask was granted."""
    url, *names = sys.argv[1:]
    database = Database(url, timeout_s=60)
    quotas = Quotas(database, LIMITS, lambda: NOW)
    print("ready", flush=True)
    sys.stdin.readline()
    for name in names * 10:
        if isinstance(quotas.take("hasselt", name), Granted):
            print(name, flush=True)
    database.close()


if __name__ == "__main__":
    main()
