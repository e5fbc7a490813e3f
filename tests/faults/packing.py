"""Rows 13, 14, 17 and 28: how a reply is packed, how large it is, and in which letters it is written."""

from __future__ import annotations

import gzip
import zlib
from codecs import BOM_UTF8, BOM_UTF16_LE
from collections.abc import Callable
from functools import cache
from typing import Final

from tests.faults.catalogue import Call, Case, Row, Trial, alone, ends
from tests.registry.scene import http

MIB: Final = 2**20

UNREADABLE: Final = ends(outcomes={"invalid_reply": 2}, tries=2, exit_code=0, holds={"unreadable": 2})
USED: Final = ends(outcomes={"ok": 2}, tries=2, exit_code=0, changed=2)
MISMATCH: Final = ends(outcomes={"mismatch": 2}, tries=2, exit_code=0, holds={"mismatch": 2}, warned={"alarm"})
NO_ADDRESS: Final = ends(outcomes={"ok": 2}, tries=2, exit_code=0, holds={"no_address": 2})
BROKEN: Final = ends(outcomes={"no_reply": 8}, tries=8, exit_code=3, left=1)
NO_MESSAGE: Final = ends(outcomes={"invalid_reply": 8}, tries=8, exit_code=3, left=1)


@cache
def bomb(wbits: int) -> bytes:
    """Return 300 MB of blanks, packed."""
    packer = zlib.compressobj(9, wbits=wbits)
    blanks = b" " * MIB
    return b"".join([packer.compress(blanks) for _ in range(300)]) + packer.flush()


def packed(coding: str, body: Callable[[], bytes]) -> Callable[[Trial], object]:
    """Return what lets the register answer everything with these bytes, packed as it says."""

    def inject(trial: Trial) -> None:
        said = http(body(), 200, [f"Content-Encoding: {coding}"])
        trial.serve(lambda _: said)

    return inject


def not_asked_for(expect: Callable[[Trial], None]) -> Callable[[Trial], None]:
    """Return what also asserts that nothing packed was asked for, and that no call took a second."""

    def check(trial: Trial) -> None:
        assert trial.door is not None
        assert all(b"accept-encoding: identity\r\n" in head.lower() for head in trial.door.heads)
        assert max(entry.line["out"]["ms"] for entry in trial.entries if entry.kind == "access.outcome") < 1000
        expect(trial)

    return check


def rewritten(change: Callable[[bytes], bytes]) -> Callable[[Trial], object]:
    """Return what changes the bytes of every right reply."""
    return lambda trial: trial.serve(lambda call: http(change(call.right.body)))


def spelled(encoding: str, letters: str) -> Callable[[bytes], bytes]:
    """Return what writes a reply with an accent, declared as ``encoding`` and written in ``letters``."""

    def change(body: bytes) -> bytes:
        text = body.decode().partition("?>")[2].replace("</Straatnaam>", "<!--é--></Straatnaam>")
        text = text.replace("</Achternaam>", "é</Achternaam>")
        return f'<?xml version="1.0" encoding="{encoding}"?>{text}'.encode(letters)

    return change


def undeclared(body: bytes) -> bytes:
    """Leave the declaration out."""
    return body.partition(b"?>")[2]


def multipart(call: Call) -> bytes:
    """Return the right reply as MTOM would carry it."""
    inner = b"Content-Type: application/xop+xml; charset=UTF-8\r\n\r\n" + call.right.body
    parts = b"--part\r\n" + inner + b"\r\n--part--\r\n"
    return http(parts, 200, ['Content-Type: multipart/related; boundary="part"; type="application/xop+xml"'])


def by_reference(name: bytes) -> Callable[[bytes], bytes]:
    """Return what puts a reference to another part in the place of a text."""
    include = b'<xop:Include xmlns:xop="http://www.w3.org/2004/08/xop/include" href="cid:1"/>'

    def change(body: bytes) -> bytes:
        before, start, rest = body.partition(b"<" + name + b">")
        text, end, after = rest.partition(b"</" + name + b">")
        assert text
        return before + start + include + end + after

    return change


ROWS: Final = (
    Row(
        13,
        "gzip bomb",
        inject=packed("gzip", lambda: bomb(31)),
        expect=not_asked_for(UNREADABLE),
        also=(
            Case("deflate bomb", packed("deflate", lambda: bomb(15)), not_asked_for(UNREADABLE)),
            Case("brotli", packed("br", lambda: b"\x0b\x02\x80"), not_asked_for(UNREADABLE)),
            Case("twice", packed("gzip, gzip", lambda: bomb(31)), not_asked_for(UNREADABLE)),
            Case("of nothing", alone(packed("gzip", lambda: b"no gzip")), not_asked_for(BROKEN)),
            Case(
                "a right reply",
                lambda trial: trial.serve(
                    lambda call: http(gzip.compress(call.right.body), 200, ["Content-Encoding: gzip"])
                ),
                USED,
            ),
        ),
    ),
    Row(
        14,
        "body above 2 MiB",
        inject=rewritten(lambda body: body + b"\n" * 2 * MIB),
        expect=UNREADABLE,
        also=(Case("just below", rewritten(lambda body: body + b"\n" * (2 * MIB - len(body))), USED),),
    ),
    Row(
        17,
        "another charset than declared",
        inject=rewritten(spelled("UTF-8", "iso-8859-1")),
        expect=UNREADABLE,
        note="The catalogue also takes UTF-16; MAGDA declares UTF-8 (FACTS §1.5), so that alone is read.",
        also=(
            Case("iso-8859-1 as declared", rewritten(spelled("ISO-8859-1", "iso-8859-1")), UNREADABLE),
            Case("utf-8 declared as iso-8859-1", rewritten(spelled("ISO-8859-1", "utf-8")), UNREADABLE),
            Case("utf-16", alone(rewritten(spelled("UTF-16", "utf-16"))), NO_MESSAGE),
            Case("utf-16 without bom", rewritten(spelled("UTF-16", "utf-16-le")), UNREADABLE),
            Case("bom of another", alone(rewritten(lambda body: BOM_UTF16_LE + body)), NO_MESSAGE),
            Case("bom", rewritten(lambda body: BOM_UTF8 + body), USED),
            Case("no prolog", rewritten(undeclared), USED),
        ),
    ),
    Row(
        28,
        "multipart",
        inject=alone(lambda trial: trial.serve(multipart)),
        expect=NO_MESSAGE,
        note="What does not begin as XML is an error of the way (FACTS §9.3), so it is tried again.",
        also=(
            Case("a number in another part", rewritten(by_reference(b"INSZ")), MISMATCH),
            Case("a street in another part", rewritten(by_reference(b"String")), NO_ADDRESS),
        ),
    ),
)
