"""An entry's exact bytes: canonical JSON, and nothing in it that tells who a person is."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
import rfc8785
from hypothesis import given
from hypothesis import strategies as st

from rrsync.core.log_entry import JSON, MAX_BYTES, VERSION, Draft, Kind, decode, encode, stamp
from tests.support import NOW, insz

TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
KEYS = st.text(st.characters(codec="ascii", exclude_categories=["Cc"]), max_size=8)
VALUES: st.SearchStrategy[JSON] = st.recursive(
    TEXT | st.booleans() | st.integers(-(2**53) + 1, 2**53 - 1),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=3),
    max_leaves=8,
)
BODIES = st.dictionaries(KEYS, VALUES, max_size=5)
MOMENTS = st.datetimes(timezones=st.just(UTC)).filter(lambda at: at.year >= 1000)


@given(BODIES, TEXT, st.sampled_from(Kind), TEXT, TEXT, st.integers(0, 2**40), MOMENTS)
def test_the_bytes_are_rfc_8785s(
    body: dict[str, JSON], log: str, kind: Kind, ref: str, run: str, seq: int, at: datetime
) -> None:
    """Whatever is said, the bytes are those of the canonical form, and read back to what was said."""
    subject: dict[str, JSON] = {"ref": "00ff", "enc": "x==", "key": "2026"}
    data = encode(Draft("hasselt", kind, ref, insz(1), run, body), log=log, seq=seq, at=at, subject=subject)
    line = decode(data)
    assert data == rfc8785.dumps(line)
    own = {"v": VERSION, "log": log, "seq": seq, "kind": kind.value, "ts": stamp(at), "subj": subject}
    own |= {name: text for name, text in (("ref", ref), ("run", run)) if text}
    assert line == body | own


def test_what_is_not_there_is_left_out() -> None:
    """No reference, no run, no subject: no such key."""
    line = decode(encode(Draft("hasselt", Kind.RUN_OPEN, ""), log="l", seq=0, at=NOW, subject={}))
    assert set(line) == {"v", "log", "seq", "kind", "ts"}


def test_a_body_cannot_speak_for_the_log() -> None:
    """What the log itself says of an entry is not the draft's to say."""
    body: dict[str, JSON] = {"v": 9, "log": "x", "seq": 9, "kind": "x", "ts": "x", "ref": "x", "run": "x", "subj": "x"}
    draft = Draft("hasselt", Kind.INTENT, "ref-1", run="run-1", body=body)
    line = decode(encode(draft, log="l", seq=3, at=NOW, subject={"ref": "r"}))
    assert line == {
        "v": VERSION,
        "log": "l",
        "seq": 3,
        "kind": "access.intent",
        "ts": stamp(NOW),
        "ref": "ref-1",
        "run": "run-1",
        "subj": {"ref": "r"},
    }


def test_an_entry_has_a_greatest_length() -> None:
    """Exactly 4 KiB is an entry, one byte more is none."""
    empty = len(encode(Draft("h", Kind.DENIED, "r", body={"x": ""}), log="l", seq=0, at=NOW, subject={}))
    for more, fits in ((0, True), (1, False)):
        draft = Draft("h", Kind.DENIED, "r", body={"x": "x" * (MAX_BYTES - empty + more)})
        if fits:
            assert len(encode(draft, log="l", seq=0, at=NOW, subject={})) == MAX_BYTES
        else:
            with pytest.raises(ValueError, match="longer than 4 KiB"):
                encode(draft, log="l", seq=0, at=NOW, subject={})


@pytest.mark.parametrize("value", ["half a character: \ud800", 2**70])
def test_what_json_cannot_say_is_refused(value: JSON) -> None:
    """A broken text or a number beyond all counting is no entry."""
    with pytest.raises(ValueError, match="cannot be written as JSON"):
        encode(Draft("h", Kind.DENIED, "r", body={"x": value}), log="l", seq=0, at=NOW, subject={})


@pytest.mark.parametrize("data", [b"", b"{", b"[]", b"1", b'"x"', b"null", b"\xff"])
def test_what_is_no_object_is_no_entry(data: bytes) -> None:
    """Reading anything else than an object is an error of one kind."""
    with pytest.raises(ValueError):  # noqa: PT011 — its words are the reader's own
        decode(data)


@given(MOMENTS)
def test_a_stamp_is_utc_to_the_microsecond(at: datetime) -> None:
    """RFC 3339, always as long, and read back exactly."""
    assert len(stamp(at)) == len("2026-07-01T02:00:00.000000Z")
    assert datetime.fromisoformat(stamp(at)) == at
