"""Signed notes, checkpoints and cosignatures, against C2SP's examples, Go's own note and a real witnessed log."""

from __future__ import annotations

import random
from base64 import b64encode
from collections.abc import Callable
from typing import Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rrsync.core.signed_note import (
    Checkpoint,
    Key,
    KeyKind,
    Note,
    Signature,
    Signer,
    cosigned_at,
    from_base64,
    from_decimal,
    is_key_name,
)

LOG: Final = Signer("example.com/log", bytes(range(32)))
WITNESS: Final = Signer("witness.example/w1", bytes(range(1, 33)))
TEXT: Final = Checkpoint("example.com/log", 5, bytes(32)).to_text()
SIGNED: Final = Note(TEXT, (LOG.sign(TEXT), WITNESS.cosign(TEXT, 1_700_000_000)))

# c2sp.org/signed-note
FOO: Final = "example.com/foo+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k"
FOO_NOTE: Final = (
    "This is an example message.\n\n"
    "— example.com/foo "
    "Uw2QOkn8srV1yJGh2VYRlL1Tnagv1YEq6TfXppzi2ONncAlTgK7Ztg1ERYNZXsYjOBH3mFXmRKuwHjG1Yu72IneyaQM=\n"
)
SALVATORE: Final = (
    "Ognuno sta solo sul cuor della terra\ntrafitto da un raggio di sole:\n\ned è subito sera.\n\n"
    "— quasimodo.example/salvatore "
    "NnugSzTjtVAewIS+Z/iJhUPeFDkO/5QQ2i5ddnGITLlC+EhfLW9oJKONrMouFSQU0xMcXxj99ihAQwaqP3ZekRwNtIc=\n"
)

# c2sp.org/tlog-cosignature
SOFA: Final = (
    "example.com/behind-the-sofa\n20852163\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n\n"
    "— example.com/behind-the-sofa "
    "Az3grlgtzPICa5OS8npVmf1Myq/5IZniMp+ZJurmRDeOoRDe4URYN7u5/Zhcyv2q1gGzGku9nTo+zyWE+xeMcTOAYQ8=\n"
    "— witness.example.com/w1 jWbPPwAAAABkGFDLEZMHwSRaJNiIDoe9DYn/zXcrtPHeolMI5OWXEhZCB9dlrDJsX3b2oyin1nPZ"
    "qhf5nNo0xUe+mbIUBkBIfZ+qnA==\n"
)

# golang.org/x/mod/sumdb/note
PETER: Final = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW"
PETERS_SEED: Final = from_base64("AYEKFALVFGyNhPJEMzD1QIDr+Y7hfZx09iUvxdXHKDFz")[1:]
PETERS_NOTE: Final = (
    "If you think cryptography is the answer to your problem,\nthen you don't know what your problem is.\n\n"
    "— PeterNeumann "
    "x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=\n"
)

# A checkpoint of a certificate log, cosigned by four witnesses of the public network on 23 May 2026.
ARCHE: Final = "arche2025h1.staging.ct.transparency.dev+ba2f06c0+AU0vHmlGCS/PdN8b2OaGmKprLI8HKM+dJ472xgFYh15f"
ARCHES_WITNESSES: Final = (
    "remora.n621.de+da77ade7+BOvN63jn/bLvkieywe8R6UYAtVtNbZpXh34x7onlmtw2",
    "witness.stagemole.eu+67f7aea0+BEqSG3yu9YrmcM3BHvQYTxwFj3uSWakQepafafpUqklv",
    "transparency.dev/DEV:witness-little-garden+d8042a87+BCtusOxINQNUTN5Oj8HObRkh2yHf/MwYaGX4CPdiVEPM",
    "witness1.smartit.nu/witness1+a48c820f+BPSFWg9G6KPiO7QPryYO5Xq4oYJJ+kAvLKLSimDhoxMO",
)
ARCHES_NOTE: Final = """\
arche2025h1.staging.ct.transparency.dev
1432088532
U7WM79jrzyhGZ5/GUBTpM7NzwdyfFx61t3RovgcC4Ro=

— arche2025h1.staging.ct.transparency.dev zTM8sQAAAZ5W0WdjBAMARjBEAiBjW5IQf9pvsYLfQFX6hoGREPMHbdQ3urbllzalApkptQIgIpwtEroeW2BXaHAI4kJXFbon5Ch9MNL5zRNZ55lvGt0=
— arche2025h1.staging.ct.transparency.dev ui8GwCF1+kWqZrxGdhj4aX3gcw7XUlXQQabg/27lefwhUkzbC3NygNI75MdhL1bfTW9g8Ei59RA23oHP7Ry1k3ZFWwQ=
— transparency.dev/DEV:witness-little-garden 2AQqhwAAAABqEiEgzgFIqqhbUoDwjMWE6UP8nd8/KYTzwZ2rhIgcqoXHAwVkjZr4AscylP3v7sEodkRAErumC2q44vdgJY096st5BQ==
— witness1.smartit.nu/witness1 pIyCDwAAAABqEiEghIp82KWebrw7/oHQwlTAm3g2RKS4+eebl8eO0WH+/iEcxZ75W3u5hNI7TOQtmJbqmNWVuE0tgh0XwzdZsDsUAQ==
— remora.n621.de 2net5wAAAABqEiEgPlfF3V06o0Y+fHM+J5J9s27wgxxcOVSpZ/2g/KSiXCg9DEZI+aVCIobWX9sXTynk5XeU/zZ0WBxtqB0DrAWfBw==
— witness.stagemole.eu Z/euoAAAAABqEiEgw0i+7g2ENfDAWHmtRzCfKTHSDwYDJA2NmKeGi9Y8FtEyOUvVr+AJmIY/2TUFucgKi7lI7cUiOvKFYe/TmN9DAg==
"""  # noqa: E501 — a signature is one line


class TestExamples:
    """What others signed verifies, and is written back as it was."""

    @pytest.mark.parametrize("text", [FOO_NOTE, SALVATORE, SOFA, PETERS_NOTE, ARCHES_NOTE])
    def test_every_example_is_written_as_it_was_read(self, text: str) -> None:
        """C2SP's three, Go's and a real one."""
        assert Note.parse(text).to_text() == text

    @pytest.mark.parametrize("key", [FOO, PETER, ARCHE, *ARCHES_WITNESSES])
    def test_every_key_is_written_as_it_was_read(self, key: str) -> None:
        """With its id, which follows from the rest."""
        assert Key.parse(key).text == key

    @pytest.mark.parametrize(("key", "text"), [(FOO, FOO_NOTE), (PETER, PETERS_NOTE), (ARCHE, ARCHES_NOTE)])
    def test_every_signature_is_its_keys(self, key: str, text: str) -> None:
        """And of no other text."""
        note = Note.parse(text)
        assert note.is_signed_by(Key.parse(key))
        with pytest.raises(ValueError, match="is not its own"):
            Note(note.text + "\n", note.signatures).is_signed_by(Key.parse(key))

    def test_gos_key_gives_gos_signature(self) -> None:
        """From the same seed, the same key and the same line."""
        signer, note = Signer("PeterNeumann", PETERS_SEED), Note.parse(PETERS_NOTE)
        assert signer.key.text == PETER
        assert Note(note.text, (signer.sign(note.text),)) == note

    @pytest.mark.parametrize("key", ARCHES_WITNESSES)
    def test_real_witnesses_cosigned_a_real_log(self, key: str) -> None:
        """All at the moment they say, and none of another size."""
        note = Note.parse(ARCHES_NOTE)
        assert cosigned_at(note, Key.parse(key)) == 1779573024
        assert Checkpoint.parse(note.text).size == 1432088532
        with pytest.raises(ValueError, match="is not its own"):
            cosigned_at(Note(note.text.replace("532", "533"), note.signatures), Key.parse(key))

    def test_c2sps_checkpoint_is_read(self) -> None:
        """Its origin, its size, its root, and when its witness saw it."""
        note = Note.parse(SOFA)
        checkpoint = Checkpoint.parse(note.text)
        assert (checkpoint.origin, checkpoint.size) == ("example.com/behind-the-sofa", 20852163)
        assert checkpoint.to_text() == note.text
        assert int.from_bytes(note.signatures[1].data[:8], "big") == 1679315147


class TestNotes:
    """What a note is, and what is none."""

    @pytest.mark.parametrize(
        "text",
        [
            pytest.param("", id="nothing"),
            pytest.param("text\n", id="no signatures"),
            pytest.param("text\n\n", id="an empty line and no signature"),
            pytest.param(FOO_NOTE.replace("\n\n", "\n"), id="no empty line"),
            pytest.param(FOO_NOTE[:-1], id="no newline at the end"),
            pytest.param(FOO_NOTE + "\n", id="an empty line at the end"),
            pytest.param(FOO_NOTE + "more\n", id="a line at the end"),
            pytest.param(FOO_NOTE + " ", id="a blank at the end"),
            pytest.param(FOO_NOTE.replace("message", "mess\tage"), id="a tab"),
            pytest.param(FOO_NOTE.replace("\n", "\r\n"), id="carriage returns"),
            pytest.param(FOO_NOTE.replace("message", "mess\0age"), id="a zero"),
            pytest.param(FOO_NOTE.replace("message", "mess\udc80age"), id="no UTF-8"),
            pytest.param(FOO_NOTE.replace("— ", "- "), id="no dash"),
            pytest.param(FOO_NOTE.replace("— ", "—\u00a0"), id="another blank"),
            pytest.param(FOO_NOTE.replace("— ", "—  "), id="two blanks"),
            pytest.param(FOO_NOTE.replace("foo ", "foo  "), id="two blanks before the signature"),
            pytest.param(FOO_NOTE.replace("foo ", "f+o "), id="a plus in the name"),
            pytest.param(FOO_NOTE.replace("foo ", "f\u2003o "), id="a blank in the name"),
            pytest.param(FOO_NOTE.replace("example.com/foo ", " "), id="no name"),
            pytest.param(FOO_NOTE.replace("example.com/foo ", ""), id="no name and no blank"),
            pytest.param(FOO_NOTE.replace("aQM=", "aQM"), id="base64 without its end"),
            pytest.param(FOO_NOTE.replace("aQM=", "aQN="), id="base64 with bits past its end"),
            pytest.param(FOO_NOTE.replace("aQM=", "aQM=="), id="base64 with too long an end"),
            pytest.param(FOO_NOTE.replace("aQM=", "aQM=AAAA"), id="base64 after its end"),
            pytest.param(FOO_NOTE.replace("Okn8", "-kn8"), id="base64 for URLs"),
            pytest.param(FOO_NOTE.replace("Okn8", "Oén8"), id="no ASCII"),
            pytest.param("text\n\n— name \n", id="no bytes"),
            pytest.param("text\n\n— name AAA=\n", id="no whole id"),
            pytest.param("text\n\n— name AAAAAA==\n", id="an id alone"),
            pytest.param("x" * (1 << 17) + FOO_NOTE, id="too long"),
            pytest.param("é" * (1 << 16) + FOO_NOTE, id="too long in bytes"),
        ],
    )
    def test_what_is_no_note_is_refused(self, text: str) -> None:
        """To the letter."""
        with pytest.raises(ValueError, match=r"."):
            Note.parse(text)

    def test_sixteen_long_signatures_are_read(self) -> None:
        """As C2SP asks of every verifier, with those of five kilobytes too; lines of unknown keys are passed over."""
        others = tuple(Signature(f"other{number}", bytes(4), bytes(4900)) for number in range(15))
        note = Note.parse(Note(TEXT, (*others, LOG.sign(TEXT))).to_text())
        assert len(note.signatures) == 16
        assert note.is_signed_by(LOG.key)

    def test_a_note_may_hold_empty_lines(self) -> None:
        """The last one divides it from its signatures."""
        for text in ("\n", "one\n\n", "one\n\ntwo\n", "\n\none\n"):
            note = Note(text, (LOG.sign(text),))
            assert Note.parse(note.to_text()) == note
            assert note.is_signed_by(LOG.key)

    def test_only_the_name_and_the_id_together_are_a_key(self) -> None:
        """A line that shares but one of them is passed over; one that shares both must be right."""
        (true,) = Note.parse(FOO_NOTE).signatures
        key = Key.parse(FOO)
        junk = bytes(64)
        text = Note.parse(FOO_NOTE).text
        others = (Signature("example.com/bar", true.key_id, junk), Signature(true.name, bytes(4), junk))
        assert not Note(text, others).is_signed_by(key)
        assert Note(text, (*others, true)).is_signed_by(key)
        for data in (junk, b"x", junk + b"x", true.data[:-1]):
            with pytest.raises(ValueError, match=r"the signature of example\.com/foo is not its own"):
                Note(text, (true, Signature(true.name, true.key_id, data))).is_signed_by(key)

    def test_a_signature_is_added_once(self) -> None:
        """A witness's new cosignature takes the place of its old one."""
        line, later = WITNESS.cosign(TEXT, 1_700_000_000), WITNESS.cosign(TEXT, 1_700_000_060)
        assert SIGNED.plus(line, line) == SIGNED.plus() == SIGNED
        assert SIGNED.plus(later).signatures == (SIGNED.signatures[0], later)
        assert Note(TEXT, SIGNED.signatures[:1]).plus(line) == SIGNED

    @pytest.mark.parametrize(
        "make",
        [
            lambda: Note("text", SIGNED.signatures),
            lambda: Note("te\0xt\n", SIGNED.signatures),
            lambda: Note("text\n", ()),
            lambda: Signature("", bytes(4), b"x"),
            lambda: Signature("name", bytes(3), b"x"),
            lambda: Signature("name", bytes(4), b""),
            lambda: Signature.parse("— name AAAAAAA="),
            lambda: Key("na me", KeyKind.ED25519, bytes(32)),
            lambda: Key("name", KeyKind.ED25519, bytes(31)),
            lambda: Signer("na+me", bytes(32)),
            lambda: Signer("name", bytes(33)),
        ],
    )
    def test_what_could_not_be_read_back_is_never_made(self, make: Callable[[], object]) -> None:
        """A value holds only what can be written."""
        with pytest.raises(ValueError, match=r"."):
            make()


class TestKeys:
    """A public key as text, and who may be called what."""

    @pytest.mark.parametrize(
        "text",
        [
            "",
            "name",
            "name+530d903a",
            "name+530d903a+",
            FOO.replace("530d903a", "530d903b"),
            FOO.replace("530d903a", "530D903A"),
            FOO.replace("530d903a", "530d903a "),
            FOO.replace("example", "exemple"),
            FOO + "=",
            FOO + "\n",
            " " + FOO,
            FOO.replace("+Aek", "+Bek"),
            FOO.replace("+Aek", "+Aug"),
            "+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k",
            "name+530d903a+" + b64encode(b"\x06" + bytes(32)).decode(),
            "name+530d903a+" + b64encode(b"\x01" + bytes(31)).decode(),
        ],
    )
    def test_what_is_no_key_is_refused(self, text: str) -> None:
        """Nor one whose id is another's, or of a kind we cannot check."""
        with pytest.raises(ValueError, match=r"."):
            Key.parse(text)

    def test_one_seed_has_a_key_of_each_kind(self) -> None:
        """With ids of their own, so that neither passes for the other."""
        assert (LOG.key.kind, LOG.cosigner.kind) == (KeyKind.ED25519, KeyKind.COSIGNATURE)
        assert LOG.key.public == LOG.cosigner.public
        assert LOG.key.id != LOG.cosigner.id
        for key in (LOG.key, LOG.cosigner):
            assert Key.parse(key.text) == key

    def test_a_name_has_no_blanks_and_no_plus(self) -> None:
        """Of any alphabet."""
        assert is_key_name("rrsync.example/hasselt")
        assert is_key_name("bibliothèque")
        for name in (
            "",
            "a b",
            "a\tb",
            "a\nb",
            "a\u00a0b",
            "a\u2028b",
            "a\u3000b",
            "a\x85b",
            "a+b",
            "a\x01b",
            "a\ud800",
        ):
            assert not is_key_name(name)

    def test_the_seed_is_never_printed(self) -> None:
        """Not even by mistake."""
        assert repr(LOG) == "Signer(***)"


class TestCosignatures:
    """What a witness signs, and when."""

    def test_a_witness_says_when(self) -> None:
        """The newest of its cosignatures; nothing if it gave none."""
        note = Note.parse(SIGNED.to_text())
        assert note.is_signed_by(WITNESS.cosigner)
        assert cosigned_at(note, WITNESS.cosigner) == 1_700_000_000
        assert cosigned_at(note, LOG.cosigner) is None
        older, newer = WITNESS.cosign(TEXT, 7), WITNESS.cosign(TEXT, 2_000_000_000)
        assert cosigned_at(Note(TEXT, (newer, older)), WITNESS.cosigner) == 2_000_000_000

    def test_a_moment_changed_is_found(self) -> None:
        """The seconds are signed too, and are those of this era."""
        line = SIGNED.signatures[1]
        for data in (bytes(8) + line.data[8:], b"\xff" * 8 + line.data[8:], line.data[:9], line.data[:4]):
            with pytest.raises(ValueError, match="is not its own"):
                cosigned_at(Note(TEXT, (Signature(line.name, line.key_id, data),)), WITNESS.cosigner)

    def test_a_time_past_2_63_is_none(self) -> None:
        """Even rightly signed."""
        at = (1 << 64) - 1
        plain = WITNESS._private.sign(f"cosignature/v1\ntime {at}\n{TEXT}".encode())
        line = Signature(WITNESS.cosigner.name, WITNESS.cosigner.id, at.to_bytes(8, "big") + plain)
        with pytest.raises(ValueError, match="bears no time"):
            cosigned_at(Note(TEXT, (line,)), WITNESS.cosigner)

    def test_a_logs_key_says_no_time(self) -> None:
        """Only a witness's does."""
        with pytest.raises(ValueError, match="only a witness"):
            cosigned_at(SIGNED, LOG.key)

    def test_a_witness_signs_checkpoints_alone(self) -> None:
        """At a moment that can be."""
        for text, at in (("hello\n", 1), (TEXT, -1), (TEXT, 1 << 63)):
            with pytest.raises(ValueError, match=r"."):
                WITNESS.cosign(text, at)

    def test_neither_kind_passes_for_the_other(self) -> None:
        """A log cannot be made to sign what reads as its cosignature."""
        with pytest.raises(ValueError, match="may not begin as a cosignature does"):
            LOG.sign("cosignature/v1\ntime 7\n" + TEXT)
        with pytest.raises(ValueError, match=r"."):
            Checkpoint.parse("cosignature/v1\ntime 7\n" + TEXT)


class TestCheckpoints:
    """Three lines, and what may follow."""

    @pytest.mark.parametrize(
        "text",
        [
            "",
            "\n",
            "log\n5\n",
            "log\n5\n\n",
            TEXT[:-1],
            TEXT + "\n",
            TEXT + "one\n\n",
            TEXT + "one\n\ntwo\n",
            TEXT + "one",
            "\n" + TEXT,
            TEXT.replace("\n5\n", "\n05\n"),
            TEXT.replace("\n5\n", "\n+5\n"),
            TEXT.replace("\n5\n", "\n-5\n"),
            TEXT.replace("\n5\n", "\n5 \n"),
            TEXT.replace("\n5\n", "\n5.0\n"),
            TEXT.replace("\n5\n", "\n0x5\n"),
            TEXT.replace("\n5\n", "\n\u0665\n"),
            TEXT.replace("\n5\n", "\n1_0\n"),
            TEXT.replace("\n5\n", "\n\n"),
            TEXT.replace("\n5\n", f"\n{1 << 63}\n"),
            TEXT.replace("\n5\n", "\n" + "9" * 5000 + "\n"),
            TEXT.replace("AA=", "AA"),
            TEXT.replace("AA=", "AB="),
            TEXT.replace("AAAA", "", 1),
            TEXT.replace("AAAA", "AAAAAAAA", 1),
            TEXT.replace("AAAA", "AA AA", 1),
            TEXT.replace("log", "l\tog"),
        ],
    )
    def test_what_is_no_checkpoint_is_refused(self, text: str) -> None:
        """To the letter."""
        with pytest.raises(ValueError, match=r"."):
            Checkpoint.parse(text)

    def test_extensions_are_kept(self) -> None:
        """As they stand, and signed with the rest."""
        checkpoint = Checkpoint.parse(TEXT + "one\ntwo more\n")
        assert checkpoint == Checkpoint("example.com/log", 5, bytes(32), ("one", "two more"))

    @pytest.mark.parametrize(
        "make",
        [
            lambda: Checkpoint("", 5, bytes(32)),
            lambda: Checkpoint("a\nb", 5, bytes(32)),
            lambda: Checkpoint("log", -1, bytes(32)),
            lambda: Checkpoint("log", 1 << 63, bytes(32)),
            lambda: Checkpoint("log", 5, bytes(31)),
            lambda: Checkpoint("log", 5, bytes(32), ("",)),
            lambda: Checkpoint("log", 5, bytes(32), ("a\nb",)),
        ],
    )
    def test_what_could_not_be_read_back_is_never_made(self, make: Callable[[], object]) -> None:
        """A value holds only what can be written."""
        with pytest.raises(ValueError, match=r"."):
            make()


CLEAN: Final = st.text(st.characters(exclude_categories=["Cs"], min_codepoint=32), min_size=1, max_size=12)
NAMES: Final = CLEAN.filter(is_key_name)
SIGNATURES: Final = st.builds(Signature, NAMES, st.binary(min_size=4, max_size=4), st.binary(min_size=1, max_size=80))
TEXTS: Final = st.lists(CLEAN | st.just(""), min_size=1, max_size=4).map(
    lambda lines: "".join(f"{one}\n" for one in lines)
)


@given(TEXTS, st.lists(SIGNATURES, min_size=1, max_size=4))
def test_a_note_reads_back(text: str, signatures: list[Signature]) -> None:
    """Whatever it holds."""
    note = Note(text, tuple(signatures))
    assert Note.parse(note.to_text()) == note


@given(CLEAN, st.integers(0, (1 << 63) - 1), st.binary(min_size=32, max_size=32), st.lists(CLEAN, max_size=3))
def test_a_checkpoint_reads_back(origin: str, size: int, root: bytes, extensions: list[str]) -> None:
    """Whatever it says."""
    checkpoint = Checkpoint(origin, size, root, tuple(extensions))
    assert Checkpoint.parse(checkpoint.to_text()) == checkpoint


@given(NAMES, st.sampled_from(KeyKind), st.binary(min_size=32, max_size=32))
def test_a_key_reads_back(name: str, kind: KeyKind, public: bytes) -> None:
    """Whatever its name."""
    key = Key(name, kind, public)
    assert Key.parse(key.text) == key


@given(st.integers(0, 10), st.randoms(use_true_random=False), st.text("+/=AQgw019\n —é", min_size=1, max_size=2))
def test_no_change_gives_a_note_another_meaning(kind: int, dice: random.Random, new: str) -> None:
    """A character put in, taken out or replaced: the note is refused, or it still says what was signed."""
    text = SIGNED.to_text()
    at = dice.randrange(len(text))
    changed = text[:at] + (new if kind else "") + text[at + dice.randrange(2) :]
    try:
        note = Note.parse(changed)
        signed, seen = note.is_signed_by(LOG.key), cosigned_at(note, WITNESS.cosigner)
    except ValueError:
        return
    if signed or seen is not None:
        assert note.text == SIGNED.text
        assert seen in {None, 1_700_000_000}


@given(st.text("+/=AQgw019 \n", max_size=8))
def test_base64_and_numbers_are_written_in_one_way(text: str) -> None:
    """What is read is what would be written."""
    for read, write in ((from_base64, lambda data: b64encode(data).decode()), (from_decimal, str)):
        try:
            assert write(read(text)) == text
        except ValueError:
            continue
