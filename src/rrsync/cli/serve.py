"""``rrsync serve``: serve the web pages, and sign the access logs while they run."""

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
from rrsync.cli.context import command_services
from rrsync.cli.options import ConfigOption
from rrsync.cli.output import Output, terminal_output
from rrsync.errors import RrsyncError

_MAINTENANCE_S: Final = 60.0
#: A page creates about ten thousand objects: with this threshold the collector runs once a page, not fifteen times.
_GC_THRESHOLD: Final = 10_000

log = structlog.get_logger()


def serve(config: ConfigOption = None) -> None:
    """Serve the web pages until Ctrl-C.

    The pages are for desk staff, operators and the data-protection officer. The tables [web] and [web.oidc] of the
    settings name the address and the login. The pages use plain HTTP: put a web server with a certificate in front, and
    set public_url to its address. With the simulator and without an identity provider, anybody on this machine can use
    the pages without a login.
    """
    with command_services(config) as services:
        logging.configure("info")
        serve_pages(terminal_output(), services)


def serve_pages(output: Output, services: Services) -> None:
    """Serve the pages until SIGTERM or Ctrl-C.

    Raises:
        ConfigError: the address is unusable, or nobody could log in.
        RrsyncError: the server stopped by itself.
    """
    from rrsync.web.app import create_app  # noqa: PLC0415 — only this command needs the pages
    from rrsync.web.server import PageServer  # noqa: PLC0415 — the same
    from rrsync.web.webhooks import webhook_dispatcher  # noqa: PLC0415 — the same

    web, all_services = services.settings.web, web_services(services)
    app = create_app(all_services)
    try:
        with _tuned_collector(), PageServer(app, web.host, web.port) as server, stopping(services.stop):
            webhook_dispatcher(app.state.context).start()
            output.messages.print(f"The pages are at {web.origin} ; stop them with Ctrl-C.")
            while server.is_alive and not services.stop.wait(_MAINTENANCE_S):
                _maintain(all_services)
            if not services.stop.is_set():
                raise RrsyncError(
                    "The server of the pages stopped by itself",
                    kept="Committed data is kept",
                    todo="Start it again; if it stops again, report it",
                )
    finally:
        app.state.context.jobs.end()  # before the database closes
    output.messages.print("The pages are closed.")


@contextmanager
def _tuned_collector() -> Iterator[None]:
    """Let the garbage collector skip the objects that exist already, and run less often, until the block ends."""
    usual = gc.get_threshold()
    gc.collect()
    gc.freeze()
    gc.set_threshold(_GC_THRESHOLD, *usual[1:])
    try:
        yield
    finally:
        gc.set_threshold(*usual)
        gc.unfreeze()


def free_port(wanted: int) -> int:
    """Return a free port on this machine: the wanted one if possible."""
    for port in (wanted, 0):
        with socket.socket() as tried, suppress(OSError):
            tried.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            tried.bind(("127.0.0.1", port))
            return int(tried.getsockname()[1])
    return wanted


def _maintain(services: WebServices) -> None:
    """Sign the new log entries and delete expired data; an error is logged, and the next call tries again."""
    try:
        services.sign_off()
        services.break_glass.sweep()
        services.desk_answers.sweep()
    except RrsyncError as error:
        log.error("pages.untended", reason=type(error).__name__)  # noqa: TRY400 — a traceback could show a person's data
