"""The door for the pages: serve them until told to stop, and sign what they write in the access logs."""

from __future__ import annotations

import gc
import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Final

import structlog

from rrsync import logging
from rrsync.app.runtime import stopping
from rrsync.app.services import Services
from rrsync.app.web_services import WebServices, web_services
from rrsync.cli.context import Voices, opened, voices
from rrsync.cli.options import ConfigOption
from rrsync.errors import RrsyncError

_BEAT_S: Final = 60.0
#: A page makes some ten thousand objects: what can be thrown away is looked for once a page, not fifteen times.
_YOUNG: Final = 10_000

log = structlog.get_logger()


def serve(config: ConfigOption = None) -> None:
    """Serve the pages, until Ctrl-C.

    They are for the desk, operators and the data-protection officer. Where they listen and who may come in is in [web]
    and [web.oidc] of the settings. They speak plain HTTP: put a web server with a certificate before them, and say its
    address in public_url. With the simulator, and without a provider, one can look around on this machine without
    logging in.
    """
    speak = voices()
    with opened(config) as services:
        logging.configure("info")
        attend(speak, services)


def attend(speak: Voices, services: Services) -> None:
    """Serve the pages on open services, until the process is told to stop.

    Raises:
        ConfigError: they cannot be served there, or nobody could come in.
        RrsyncError: they stopped by themselves.
    """
    from rrsync.web.app import create_app  # noqa: PLC0415 — the same
    from rrsync.web.server import PageServer  # noqa: PLC0415 — the same
    from rrsync.web.webhooks import webhook_dispatcher  # noqa: PLC0415 — no other command waits for what the pages need

    web, all_services = services.settings.web, web_services(services)
    app = create_app(all_services)
    try:
        with _for_long(), PageServer(app, web.host, web.port) as server, stopping(services.stop):
            webhook_dispatcher(app.state.context).start()
            speak.err.print(f"The pages are at {web.origin} ; stop them with Ctrl-C.")
            while server.is_alive and not services.stop.wait(_BEAT_S):
                _tend(all_services)
            if not services.stop.is_set():
                raise RrsyncError(
                    "The pages stopped by themselves",
                    kept="What was committed is kept",
                    todo="Start them again; if they stop again, report it",
                )
    finally:
        app.state.context.jobs.end()  # before the database closes
    speak.err.print("The pages are closed.")


@contextmanager
def _for_long() -> Iterator[None]:
    """Have the collector leave alone what is there by now, and look at the rest less often, until the block ends."""
    usual = gc.get_threshold()
    gc.collect()
    gc.freeze()
    gc.set_threshold(_YOUNG, *usual[1:])
    try:
        yield
    finally:
        gc.set_threshold(*usual)
        gc.unfreeze()


def free_port(wanted: int) -> int:
    """Return a port on this machine that nobody listens on: the one that is wanted, or else any."""
    for port in (wanted, 0):
        with socket.socket() as tried, suppress(OSError):
            tried.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            tried.bind(("127.0.0.1", port))
            return int(tried.getsockname()[1])
    return wanted


def _tend(services: WebServices) -> None:
    """Sign what was written of late, and forget what has lapsed; what keeps that from being done is tried again."""
    try:
        services.sign_off()
        services.break_glass.sweep()
        services.desk_answers.sweep()
    except RrsyncError as error:
        log.error("pages.untended", reason=type(error).__name__)  # noqa: TRY400 — its words are for the log's keeper
