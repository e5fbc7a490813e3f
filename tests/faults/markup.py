"""Rows 24 to 27: what is no XML, or more XML than a reply can be."""

from __future__ import annotations

import re
from collections.abc import Callable
from importlib.resources import files
from pathlib import Path
from typing import Final

from tests.faults.catalogue import Case, Row, Trial, ends
from tests.faults.packing import rewritten
from tests.registry.scene import door, http

SECRET: Final = "Kanariegeheim"
MOST_MS: Final = 1000
DEPTH: Final = 100_000
#: As much text as the size of a reply allows, and a little less.
LETTERS: Final = 2 * 2**20 - 2**16

UNREADABLE: Final = ends(outcomes={"invalid_reply": 2}, tries=2, exit_code=0, holds={"unreadable": 2})
USED: Final = ends(outcomes={"ok": 2}, tries=2, exit_code=0, changed=2)


def kept(expect: Callable[[Trial], None]) -> Callable[[Trial], None]:
    """Return what also asserts that question and reply are kept as evidence, sealed, and that no call took a second."""

    def check(trial: Trial) -> None:
        ended = [entry for entry in trial.entries if entry.kind == "access.outcome"]
        assert max(entry.line["out"]["ms"] for entry in ended) < MOST_MS
        assert all("rsp" in entry.line["out"] for entry in ended)
        ((evidence,),) = trial.house.raw.rows("SELECT count(*) FROM evidence")
        assert evidence == len(ended)
        expect(trial)

    return check


def inside(name: bytes, what: bytes) -> Callable[[bytes], bytes]:
    """Return what puts something in the first element of a name, before what is in it."""

    def change(body: bytes) -> bytes:
        before, start, after = body.partition(b"<" + name + b">")
        assert start
        return before + start + what + after

    return change


def declared(doctype: bytes, entity: bytes = b"") -> Callable[[bytes], bytes]:
    """Return what puts a document type before a reply, and an entity of it where MAGDA's name stands."""

    def change(body: bytes) -> bytes:
        declaration, end, rest = body.partition(b"?>")
        return declaration + end + doctype + rest.replace(b"MagdaGateway", entity or b"MagdaGateway", 1)

    return change


def watched(change: Callable[[bytes, Trial], Callable[[bytes], bytes]]) -> Callable[[Trial], None]:
    """Return the fault of a reply that names another address, and asserts that nobody ever goes there."""

    def inject(trial: Trial) -> None:
        trap = trial.stack.enter_context(door(lambda *_: http(f'<!ENTITY own "{SECRET}">'.encode())))
        rewritten(change(trap.url.encode(), trial))(trial)
        trial.night()
        assert not trap.connections, "something was fetched"

    return inject


def of_a_file(_: bytes, trial: Trial) -> Callable[[bytes], bytes]:
    """Name a file of this machine as an entity."""
    secret = trial.folder / "secret.txt"
    secret.write_text(SECRET, encoding="ascii")
    return declared(b'<!DOCTYPE x [<!ENTITY own SYSTEM "file://%s">]>' % str(secret).encode(), b"&own;")


def from_there(name: str, doctype: bytes, entity: bytes = b"") -> Case:
    """Return the case of a document type that names an address; ``%s`` in it is that."""
    return Case(name, watched(lambda url, _: declared(doctype.replace(b"%s", url), entity)), kept(UNREADABLE))


def laughs(entity: bytes, count: int) -> bytes:
    """Return a document type of entities, each ten times the one before."""
    rungs = b"".join(b'<!ENTITY l%d "%s">' % (n, b"&l%d;" % (n - 1) * 10) for n in range(1, count + 1))
    return b'<!DOCTYPE x [<!ENTITY l0 "%s">' % entity + rungs + b"]>"


#: One long entity, to be named many times.
BLOWN_UP: Final = b'<!DOCTYPE x [<!ENTITY l "' + b"a" * 60_000 + b'">]>'


def attributes(count: int) -> bytes:
    """Return an element with so many attributes."""
    return b"<a %s/>" % b" ".join(b'b%d=""' % number for number in range(count))


def hinted(url: bytes, _: Trial) -> Callable[[bytes], bytes]:
    """Say where a schema for the reply could be fetched."""
    hint = b'xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" xsi:schemaLocation="urn:x %sx.xsd"' % url
    hint += b' xsi:noNamespaceSchemaLocation="%sy.xsd"' % url
    return lambda body: body.replace(b"<Repliek>", b"<Repliek " + hint + b">", 1)


def with_a_schema(url: bytes, _: Trial) -> Callable[[bytes], bytes]:
    """Put a schema that imports another into the reply."""
    schema = (
        b'<xsd:schema xmlns:xsd="http://www.w3.org/2001/XMLSchema"><xsd:import schemaLocation="%sz.xsd"/></xsd:schema>'
    )
    return inside(b"Repliek", schema % url)


def reads_own_files_alone(trial: Trial) -> None:
    """Expect that a reply is read in spite of it, and that our own interfaces name no file outside their folder."""
    USED(trial)
    for path in sorted(Path(str(files("rrsync") / "wsdl")).rglob("*.[wx]s*")):
        for named in re.findall(rb'(?i)schemaLocation="([^"]+)"', path.read_bytes()):
            where = path.parent / named.decode()
            assert where.resolve().is_relative_to(path.parent.resolve()), f"{path.name} names {named.decode()}"
            assert where.is_file()


def bad(name: str, change: Callable[[bytes], bytes]) -> Case:
    """Return the case of a reply that cannot be read, and is kept."""
    return Case(name, rewritten(change), kept(UNREADABLE))


def good(name: str, change: Callable[[bytes], bytes]) -> Case:
    """Return the case of a reply that is odd, and can be read."""
    return Case(name, rewritten(change), USED)


ROWS: Final = (
    Row(
        24,
        "not well-formed",
        inject=rewritten(lambda body: body.replace(b"</Repliek>", b"")),
        expect=kept(UNREADABLE),
        note="The catalogue stops at 5 % of 100; the issue's breaker is ten in a row, or half of the last fifty.",
        also=(
            bad("a NUL", inside(b"String", b"\0")),
            bad("a control character", inside(b"String", b"\x01")),
            bad("a control character as reference", inside(b"String", b"&#1;")),
            bad("a lone surrogate", inside(b"String", b"\xed\xa0\x80")),
            bad("an entity nobody declared", inside(b"String", b"&nobody;")),
            bad("two roots", lambda body: body + body.partition(b"?>")[2]),
            bad("an attribute twice", lambda body: body.replace(b"<Repliek>", b'<Repliek a="1" a="1">')),
            bad("a prefix nobody declared", lambda body: body.replace(b"<Repliek>", b"<Repliek><q:x/>")),
        ),
    ),
    Row(
        25,
        "DOCTYPE",
        inject=rewritten(declared(b"<!DOCTYPE x>")),
        expect=kept(UNREADABLE),
        also=(
            Case("a file of ours", watched(of_a_file), kept(UNREADABLE)),
            from_there("an entity elsewhere", b'<!DOCTYPE x [<!ENTITY own SYSTEM "%s">]>', b"&own;"),
            from_there("a parameter entity", b'<!DOCTYPE x [<!ENTITY % p SYSTEM "%s"> %p;]>'),
            from_there("an external DTD", b'<!DOCTYPE x SYSTEM "%s">'),
            from_there("a public DTD", b'<!DOCTYPE x PUBLIC "-//X//Y" "%s">'),
        ),
    ),
    Row(
        26,
        "billion laughs",
        inject=rewritten(declared(laughs(b"ha", 9), b"&l9;")),
        expect=kept(UNREADABLE),
        also=(
            bad("quadratic", declared(BLOWN_UP, b"&l;" * 30_000)),
            bad("deep", inside(b"Geslacht", b"<a>" * DEPTH + b"</a>" * DEPTH)),
            bad("deeper than a person", inside(b"Geslacht", b"<a>" * 70 + b"</a>" * 70)),
            bad("100 000 attributes", inside(b"Repliek", attributes(DEPTH))),
            bad("101 attributes", inside(b"Repliek", attributes(101))),
            bad("a text of 2 MB where a street stands", inside(b"String", b"a" * LETTERS)),
            Case(
                "a text of 2 MB where nothing is read",
                rewritten(inside(b"Repliek", b"<a>%s</a>" % (b"a" * LETTERS))),
                USED,
            ),
            Case("100 000 elements", rewritten(inside(b"Repliek", b"<a/>" * DEPTH)), UNREADABLE),
        ),
    ),
    Row(
        27,
        "a schema by address",
        inject=watched(hinted),
        expect=reads_own_files_alone,
        also=(Case("in the reply", watched(with_a_schema), USED),),
    ),
)
