"""A proof in a file: what C2SP says one is, that it stands alone, and that no change to it is believed."""

from __future__ import annotations

import os
import random
from typing import Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rrsync.core.merkle import Edge, Proof, inclusion, leaf_hash
from rrsync.core.signed_note import Checkpoint, Note, Signature, Signer

FORGERIES: Final = int(os.environ.get("RRSYNC_FORGERIES", "5000"))
LOG: Final = Signer("example.com/log", bytes(range(32)))
ENTRIES: Final = [f"entry {number}".encode() for number in range(70)]
LEAVES: Final = [leaf_hash(data) for data in ENTRIES]


def signed(origin: str, size: int, root: bytes) -> Note:
    """Return a checkpoint that the log signed."""
    text = Checkpoint(origin, size, root).to_text()
    return Note(text, (LOG.sign(text),))


def prove(index: int, size: int) -> Proof:
    """Return the proof of an entry."""
    hashes = tuple(Edge().extend(LEAVES[lo:hi]).root() for lo, hi in inclusion(index, size))
    return Proof(index, hashes, signed(LOG.key.name, size, Edge().extend(LEAVES[:size]).root()), ENTRIES[index])


TEXT: Final = prove(3, 7).to_text()
EXTRA: Final = "extra ZW50cnkgMw==\n"


def test_a_proof_is_c2sps() -> None:
    """Its format, the entry, its place, a hash a line, an empty line and the checkpoint."""
    lines = TEXT.split("\n")
    assert lines[:3] == ["c2sp.org/tlog-proof@v1", EXTRA.strip(), "index 3"]
    assert [len(line) for line in lines[3:6]] == [44, 44, 44]
    assert lines[6:9] == ["", "example.com/log", "7"]
    assert TEXT.endswith(prove(3, 7).checkpoint.to_text())


def test_every_entry_of_a_log_is_proven_by_its_file() -> None:
    """At every size up to 70: the entry's bytes are in it, and its checkpoint comes out."""
    for size in range(1, len(ENTRIES) + 1):
        for index in range(size):
            proof = Proof.parse(prove(index, size).to_text())
            assert proof == prove(index, size)
            assert proof.check(leaf_hash(proof.extra), LOG.key).size == size


def test_the_largest_log_is_proven_with_63_hashes() -> None:
    """One more is refused."""
    proof = Proof(0, (bytes(32),) * 63, signed("log", 1, bytes(32)))
    assert Proof.parse(proof.to_text()) == proof
    more = proof.to_text().replace("index 0\n", "index 0\n" + "A" * 43 + "=\n")
    with pytest.raises(ValueError, match="at most 63 hashes"):
        Proof.parse(more)


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("", id="nothing"),
        pytest.param("c2sp.org/tlog-proof@v1", id="a first line"),
        pytest.param("c2sp.org/tlog-proof@v1\n\nindex 3\n\n", id="an empty line too soon"),
        pytest.param("\n\n" + TEXT, id="empty lines before it"),
        pytest.param(TEXT.replace("@v1", "@v2"), id="another format"),
        pytest.param(TEXT.replace("@v1", "@v1 "), id="a blank after the format"),
        pytest.param(" " + TEXT, id="a blank before the format"),
        pytest.param(TEXT.replace("\n", "\r\n"), id="carriage returns"),
        pytest.param(TEXT.replace(EXTRA, "extra \n"), id="extra data of nothing"),
        pytest.param(TEXT.replace(EXTRA, "extra\n"), id="extra data without a blank"),
        pytest.param(TEXT.replace(EXTRA, EXTRA + EXTRA), id="extra data twice"),
        pytest.param(TEXT.replace("Mw==", "Mw="), id="extra data cut"),
        pytest.param(TEXT.replace("Mw==", "Mx=="), id="extra data with bits past its end"),
        pytest.param(TEXT.replace("index 3\n", EXTRA), id="extra data for the place"),
        pytest.param(TEXT.replace(EXTRA + "index 3\n", "index 3\n" + EXTRA), id="extra data after the place"),
        pytest.param(TEXT.replace("index 3\n", ""), id="no place"),
        pytest.param(TEXT.replace("index 3", "index 03"), id="a leading zero"),
        pytest.param(TEXT.replace("index 3", "index +3"), id="a sign"),
        pytest.param(TEXT.replace("index 3", "index  3"), id="two blanks"),
        pytest.param(TEXT.replace("index 3", "index 3 "), id="a blank after the place"),
        pytest.param(TEXT.replace("index 3", "index"), id="a place of nothing"),
        pytest.param(TEXT.replace("index 3", f"index {1 << 63}"), id="a place past all logs"),
        pytest.param(TEXT.replace("index 3\n", "index 3\nAAAA\n"), id="a short hash"),
        pytest.param(TEXT.replace("index 3\n", "index 3\nx\n"), id="no base64"),
        pytest.param(TEXT.replace("\n\nexample", "\nexample"), id="no empty line"),
        pytest.param(TEXT.replace("\n\nexample", "\n\n\nexample"), id="two empty lines"),
        pytest.param(TEXT[:-1], id="no newline at the end"),
        pytest.param(TEXT + "\n", id="an empty line at the end"),
        pytest.param(TEXT + "more\n", id="a line at the end"),
        pytest.param(TEXT[: TEXT.index("—")], id="no signature"),
        pytest.param(TEXT.replace("\n7\n", "\n07\n"), id="no checkpoint"),
        pytest.param(TEXT[: TEXT.index("\n\n")] + "\n", id="no note"),
    ],
)
def test_what_is_no_proof_is_refused(text: str) -> None:
    """To the letter."""
    with pytest.raises(ValueError, match=r"."):
        Proof.parse(text)


def test_what_could_not_be_read_back_is_never_made() -> None:
    """A place, hashes and a checkpoint that can be written."""
    note = signed("log", 1, bytes(32))
    for index, hashes in ((-1, ()), (1 << 63, ()), (0, (b"short",)), (0, (bytes(32),) * 64)):
        with pytest.raises(ValueError, match="a proof"):
            Proof(index, hashes, note)
    with pytest.raises(ValueError, match="a checkpoint is three lines"):
        Proof(0, (), Note("hello\n", (LOG.sign("hello\n"),)))


def test_it_says_what_fails() -> None:
    """Who did not sign, whose log it is, or that the entry is not there."""
    proof, leaf = prove(3, 7), LEAVES[3]
    other = Signer("example.com/other", bytes(32))
    with pytest.raises(ValueError, match=r"not signed by example\.com/other"):
        proof.check(leaf, other.key)
    with pytest.raises(ValueError, match=r"is of another log than example\.com/log"):
        Proof(3, proof.hashes, signed("example.com/other", 7, bytes(32))).check(leaf, LOG.key)
    with pytest.raises(ValueError, match="from entry 3 to the root of 7"):
        proof.check(LEAVES[4], LOG.key)
    false = Signature(LOG.key.name, LOG.key.id, bytes(64))
    with pytest.raises(ValueError, match="is not its own"):
        Proof(3, proof.hashes, Note(proof.checkpoint.text, (false,))).check(leaf, LOG.key)


HASHES: Final = st.lists(st.binary(min_size=32, max_size=32), max_size=63).map(tuple)


@given(st.integers(0, (1 << 63) - 1), HASHES, st.integers(0, (1 << 63) - 1), st.binary(max_size=300))
def test_a_proof_reads_back(index: int, hashes: tuple[bytes, ...], size: int, extra: bytes) -> None:
    """Whatever it holds, be it true or not."""
    proof = Proof(index, hashes, signed("log of mine", size, bytes(32)), extra)
    assert Proof.parse(proof.to_text()) == proof


def _spoil(dice: random.Random, text: str, other: str) -> str:
    """Return the file with a character, a line or a part of another file in it."""
    at, lines = dice.randrange(len(text)), text.split("\n")
    one, two = dice.randrange(len(lines)), dice.randrange(len(lines))
    swapped = list(lines)
    swapped[one], swapped[two] = swapped[two], swapped[one]
    theirs = other.split("\n")
    return dice.choice(
        [
            text[:at] + chr(ord(text[at]) ^ (1 << dice.randrange(7))) + text[at + 1 :],
            text[:at] + dice.choice("+/=AQgw0139\n —é\r\t") + text[at + dice.randrange(2) :],
            text[:at] + text[at + 1 :],
            text[:at],
            "\n".join(swapped),
            "\n".join(lines[:one] + lines[one + 1 :]),
            "\n".join([*lines[:one], lines[two], *lines[one:]]),
            "\n".join(lines[:one] + theirs[min(one, len(theirs) - 1) :]),
            "\n".join([*lines[:one], dice.choice(theirs), *lines[one + 1 :]]),
        ]
    )


@pytest.mark.timeout(600)
def test_no_changed_file_is_believed() -> None:
    """Thousands of files, each changed somewhere; RRSYNC_FORGERIES says how many.

    A line of a key we do not know, or a signature given twice, changes nothing, and does not count as a change.
    """
    dice, tried = random.Random(9162), 0
    proofs = [prove(index, size) for size in range(1, 18) for index in range(size)]
    true = {(one.index, one.hashes, one.extra, one.checkpoint.text) for one in proofs}
    files = [one.to_text() for one in proofs]
    while tried < FORGERIES:
        text = _spoil(dice, dice.choice(files), dice.choice(files))
        try:
            proof = Proof.parse(text)
            proof.check(leaf_hash(proof.extra), LOG.key)
        except ValueError:
            tried += 1
        else:
            assert (proof.index, proof.hashes, proof.extra, proof.checkpoint.text) in true, text
