"""A library, invented people, replies written by hand, and a server on this machine that says whatever it is told."""

from __future__ import annotations

import re
import socket
import ssl
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime
from importlib.resources import files
from itertools import count
from pathlib import Path
from threading import Thread
from typing import Final, TypeAlias

import pytest

from rrsync.core.authorisation import Authorisation, Scope
from rrsync.core.exchange import Notice, Question
from rrsync.core.insz import Insz
from rrsync.core.log_entry import Actor, ActorKind, Draft
from rrsync.registry.codes import warn
from rrsync.registry.fields import known_paths
from rrsync.registry.gate import Gate
from rrsync.registry.outcome import Keep, Outcome, Rules, SoapReply, read_answer
from rrsync.registry.pace import RateLimiter
from rrsync.registry.request import PERSON, Service
from rrsync.registry.soap import SoapClient

NOW: Final = datetime(2026, 7, 1, 10, 0, tzinfo=UTC)
TODAY: Final = NOW.date()
DIGITS: Final = "60612221635"
OTHER: Final = "85671200150"
STREET: Final = "Kanarievogelstraat"
LAST: Final = "Kanariepiet"

SCOPE: Final = Scope.parse((files("rrsync") / "scopes" / "libraries.txt").read_text(), known=known_paths())
AUTHORISATION: Final = Authorisation(
    library="hasselt",
    decision="RR 28/2009",
    sender="hasselt.be/bibliotheek-aip",
    capacity="1300",
    purposes=frozenset({"member-administration", "desk"}),
    valid_from=date(2009, 5, 18),
    valid_until=date(2099, 12, 31),
    scope=SCOPE,
)
QUESTION: Final = Question(
    "hasselt",
    Insz(DIGITS),
    Actor(ActorKind.PROCESS, "night"),
    "member-administration",
    "ref-0",
    case="c-1",
    run="run-1",
)

RULES: Final = Rules(SCOPE, TODAY, production=False, keep=Keep.ERRORS)

HOME: Final = f"""<Hoofdverblijfplaats DatumBegin="2004-04-04">
<Straatnaam><String>{STREET}</String><Taal>nl</Taal></Straatnaam><Huisnummer>70</Huisnummer><Busnummer/>
<Gemeentenaam><String> Gent </String></Gemeentenaam><Land><String>BELGIE</String></Land><Postcode>9000</Postcode>
<ISOCodeLand>BEL</ISOCodeLand><NISCodeGemeente>44021</NISCodeGemeente></Hoofdverblijfplaats>"""
NAME: Final = f"""<Naam DatumBegin="2010-11-29"><Achternamen><Achternaam>{LAST}</Achternaam></Achternamen>
<Voornamen><Voornaam GebruikelijkeVoornaam="1">Jo</Voornaam><Voornaam>An</Voornaam></Voornamen></Naam>"""


def person(
    inner: str = "",
    *,
    digits: str = DIGITS,
    home: str = HOME,
    addresses: str = "",
    name: str = NAME,
    born: str = "1960-00-00",
) -> str:
    """Return a Persoon; ``inner`` goes at its end, ``addresses`` beside the main residence."""
    return (
        f'<Persoon Bron="RR"><INSZ>{digits}</INSZ>{name}<Geslacht><Code>2</Code></Geslacht>'
        f"<Geboorte><Datum>{born}</Datum><Plaats><Naam>Gent</Naam></Plaats></Geboorte>"
        f"<Adressen>{home}{addresses}</Adressen>{inner}</Persoon>"
    )


def notice(
    code: str, severity: str = "FOUT", origin: str = "MAGDA", annotations: Sequence[tuple[str, str]] = ()
) -> str:
    """Return an Uitzondering."""
    noted = "".join(f"<Annotatie><Naam>{n}</Naam><Waarde>{v}</Waarde></Annotatie>" for n, v in annotations)
    return (
        f"<Uitzondering><Identificatie>{code}</Identificatie><Oorsprong>{origin}</Oorsprong><Type>{severity}</Type>"
        f"<Diagnose>about {DIGITS}</Diagnose><Annotaties>{noted}</Annotaties></Uitzondering>"
    )


def envelope(content: str) -> bytes:
    """Return a SOAP message."""
    return (
        '<?xml version="1.0" encoding="UTF-8"?><s:Envelope xmlns:s="http://schemas.xmlsoap.org/soap/envelope/">'
        f"<s:Header/><s:Body>{content}</s:Body></s:Envelope>"
    ).encode()


def answer(
    content: str = "",
    notices: str = "",
    *,
    ref: str = "ref-0",
    receiver: str | None = None,
    general: str = "",
    asked: Service = PERSON,
) -> bytes:
    """Return a reply with one Antwoord, which holds ``content`` and ``notices``."""
    inhoud = f"<Inhoud>{content}</Inhoud>" if content else ""
    own = f"<Uitzonderingen>{notices}</Uitzonderingen>" if notices else ""
    return repliek(
        f"<Antwoorden><Antwoord><Referte>{ref}</Referte>{inhoud}{own}</Antwoord></Antwoorden>",
        general=general,
        receiver=ref if receiver is None else receiver,
        asked=asked,
    )


def repliek(inner: str = "", *, general: str = "", receiver: str = "ref-0", asked: Service = PERSON) -> bytes:
    """Return a reply; ``general`` are the notices of the whole."""
    told = f"<Ontvanger><Identificatie>x</Identificatie><Referte>{receiver}</Referte></Ontvanger>" if receiver else ""
    level_2 = f"<Uitzonderingen>{general}</Uitzonderingen>" if general else ""
    return envelope(
        f'<g:{asked.name}Response xmlns:g="{asked.namespace}"><Repliek>'
        f"<Context><Naam>{asked.name}</Naam><Bericht><Type>ANTWOORD</Type>{told}</Bericht></Context>"
        f"{inner}{level_2}</Repliek></g:{asked.name}Response>"
    )


def fault(text: str, code: str = "Server") -> bytes:
    """Return a SOAP Fault."""
    return envelope(f"<s:Fault><faultcode>{code}</faultcode><faultstring>{text}</faultstring></s:Fault>")


def read(data: bytes, question: Question = QUESTION, asked: Service = PERSON) -> Outcome:
    """Return the outcome of a SOAP reply that needs no signature."""
    return read_answer(question, b"<question/>", SoapReply(data, asked), RULES)


def http(body: bytes, status: int = 200, headers: Sequence[str] = ()) -> bytes:
    """Return an HTTP response's bytes."""
    head = [f"HTTP/1.1 {status} X", f"Content-Length: {len(body)}", "Content-Type: text/xml", *headers]
    return "\r\n".join(head).encode() + b"\r\n\r\n" + body


def reference(request: bytes) -> str:
    """Return the reference of a question as it was sent."""
    found = re.search(rb"<Referte>(.*?)</Referte>", request)
    assert found
    return found[1].decode()


#: Gets the number of the request, its body and the connection; gives the bytes to answer with, or closes.
Handler: TypeAlias = Callable[[int, bytes, socket.socket], bytes | None]


@dataclass
class Door:
    """A server that hands every request to ``handler``; it remembers what it was sent, heads and bodies."""

    handler: Handler
    heads: list[bytes] = field(default_factory=list)
    bodies: list[bytes] = field(default_factory=list)
    connections: int = 0
    url: str = ""


@contextmanager
def door(handler: Handler, wrap: Callable[[socket.socket], socket.socket] | None = None) -> Iterator[Door]:
    """Open a door; ``wrap`` may put TLS on a connection."""
    listener = socket.create_server(("127.0.0.1", 0))
    opened = Door(handler, url=f"{'https' if wrap else 'http'}://127.0.0.1:{listener.getsockname()[1]}/")

    def accept() -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            opened.connections += 1
            Thread(target=_serve, args=(opened, connection, wrap), daemon=True).start()

    thread = Thread(target=accept, daemon=True)
    thread.start()
    try:
        yield opened
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        thread.join()


@contextmanager
def tls_door(
    handler: Handler, certificate: Path, key: Path, *, asks: Path | str | None = None, newest: str = "TLSv1_3"
) -> Iterator[Door]:
    """Open a door behind TLS; ``asks`` is the authority of the client certificates that it wants."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    if asks is not None:
        context.verify_mode = ssl.CERT_REQUIRED
        context.load_verify_locations(asks)
    if newest == "TLSv1_1":
        context.set_ciphers("DEFAULT:@SECLEVEL=0")
        with pytest.warns(DeprecationWarning, match="TLSv1_1"):
            context.minimum_version = ssl.TLSVersion.TLSv1_1
        with pytest.warns(DeprecationWarning, match="TLSv1_1"):
            context.maximum_version = ssl.TLSVersion.TLSv1_1
    else:
        context.maximum_version = ssl.TLSVersion[newest]
    with door(handler, wrap=lambda plain: context.wrap_socket(plain, server_side=True)) as opened:
        yield opened


def _serve(opened: Door, connection: socket.socket, wrap: Callable[[socket.socket], socket.socket] | None) -> None:
    try:
        if wrap:
            connection = wrap(connection)
        with connection, connection.makefile("rb") as stream:
            while head := _head(stream.readline):
                length = re.search(rb"(?i)content-length: *([0-9]+)", head)
                body = stream.read(int(length[1]) if length else 0)
                opened.heads.append(head)
                opened.bodies.append(body)
                said = opened.handler(len(opened.bodies) - 1, body, connection)
                if said is None:
                    return
                connection.sendall(said)
    except OSError:
        connection.close()


def _head(readline: Callable[[], bytes]) -> bytes:
    lines = []
    while (line := readline()) not in {b"\r\n", b""}:
        lines.append(line)
    return b"".join(lines)


@dataclass
class Standing:
    """A gate before a door, with the log it writes and the waits it asks for."""

    gate: Gate
    door: Door
    log: list[Draft]
    waits: list[float]

    @property
    def kinds(self) -> list[str]:
        """The log's kinds, and the status of each outcome."""
        return [line.kind.value.removeprefix("access.") + self._status(line) for line in self.log]

    def _status(self, line: Draft) -> str:
        out = line.body.get("out")
        return f":{out['status']}" if isinstance(out, dict) else ""


@contextmanager
def standing(
    handler: Handler,
    *,
    interrupted: Callable[[], bool] = lambda: False,
    append: Callable[[Sequence[Draft]], None] | None = None,
    authorisation: Authorisation = AUTHORISATION,
    pace: RateLimiter | None = None,
    deadline_s: float = 5.0,
    production: bool = False,
    max_wait_s: float = 120.0,
    now: datetime = NOW,
    repertory: str | None = None,
    subscribed: Callable[[Draft], None] | None = None,
    unknown: Callable[[Notice], None] = warn,
    keep: Keep = Keep.ERRORS,
    sign: Callable[[bytes], bytes] | None = None,
    verify: Callable[[bytes], bytes] | None = None,
) -> Iterator[Standing]:
    """Stand a gate before a door."""
    numbers = count(1)
    log: list[Draft] = []
    waits: list[float] = []
    with door(handler) as opened:
        client = SoapClient(opened.url, deadline_s=deadline_s, sign=sign, verify=verify)
        gate = Gate(
            client=client,
            append=append or log.extend,
            authorisations={"hasselt": authorisation},
            pace=pace or RateLimiter(None, sleep=waits.append),
            clock=lambda: now,
            new_reference=lambda: f"ref-{next(numbers)}",
            source="RR",
            production=production,
            sleep=waits.append,
            interrupted=interrupted,
            max_wait_s=max_wait_s,
            repertory=repertory,
            subscribed=subscribed,
            unknown=unknown,
            keep=keep,
        )
        try:
            yield Standing(gate, opened, log, waits)
        finally:
            client.close()


def saying(*replies: Callable[[str], bytes] | bytes) -> Handler:
    """Answer in turn, the last for ever; a function is given the reference asked under."""

    def handler(number: int, body: bytes, _: socket.socket) -> bytes:
        said = replies[min(number, len(replies) - 1)]
        return http(said(reference(body)) if callable(said) else said)

    return handler


def asked(digits: str = DIGITS, ref: str = "ref-0") -> Question:
    """Return a question about somebody."""
    return replace(QUESTION, insz=Insz(digits), reference=ref)
