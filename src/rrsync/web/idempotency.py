"""What somebody sends twice is done once: the second of a double click waits for the first, and ends as it did."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future
from datetime import datetime, timedelta
from threading import Lock
from typing import Final, TypeAlias

from fastapi import FastAPI, Request

from rrsync.store.sessions import Visit
from rrsync.web.guard import house

#: How long what was done stands for what is sent again.
_STANDS: Final = timedelta(seconds=10)

_Key: TypeAlias = "tuple[object, ...]"


class Once:
    """What the forms of one process do; what failed may be tried again at once."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._deeds: dict[_Key, tuple[datetime, Future[str]]] = {}

    def do(self, key: _Key, now: datetime, work: Callable[[], str]) -> str:
        """Give where the work leads on; the same key within ten seconds is the same work, under way or done."""
        with self._lock:
            self._deeds = {each: deed for each, deed in self._deeds.items() if _stands(*deed, now)}
            begun = self._deeds.get(key)
            at, deed = begun or (now, Future())
            self._deeds[key] = at, deed
        if begun is not None:
            return deed.result()
        try:
            deed.set_result(work())
        except BaseException as error:
            with self._lock:
                del self._deeds[key]
            deed.set_exception(error)
            raise
        return deed.result()


def mount(app: FastAPI) -> None:
    """Give the application its own, once."""
    if not hasattr(app.state, "once"):
        app.state.once = Once()


def once(request: Request) -> Once:
    """Give the application's."""
    found = request.app.state.once
    assert isinstance(found, Once)  # noqa: S101 — tells mypy what Starlette keeps untyped
    return found


def do_once(request: Request, visit: Visit, said: tuple[str, ...], work: Callable[[], str]) -> str:
    """Do what a form of somebody's asks, unless they sent it just now; give where it leads on."""
    return once(request).do((visit.id, request.url.path, *said), house(request).now, work)


def _stands(at: datetime, deed: Future[str], now: datetime) -> bool:
    return not deed.done() or now - at < _STANDS
