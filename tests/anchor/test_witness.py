"""The anchor that is a witness: against our own, and against servers that are none."""

from __future__ import annotations

import socket
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from rrsync.anchor.witness import Submission, WitnessAnchor, WitnessConflict, WitnessUnavailable
from rrsync.anchor.witness_server import Witness
from rrsync.core.signed_note import Key, KeyKind, Receipt, Signature, Signer, cosigned_at
from rrsync.errors import AnchorConflict, AnchorUnavailable, BrokenChain, ConfigError, StoreError
from tests.anchor.scene import SOON, Log, Trust, bad_server, flood, hang, now, proofs, seed, signed
from tests.registry.scene import Door, door
from tests.support import NOW

SIGNER = Signer("example.org/witness", seed("witness"))
KEY = SIGNER.cosigner
LOG = Log().grow(300)
AT = int(NOW.timestamp())
NAME = "witness example.org/witness"


@pytest.fixture
def witness(tmp_path: Path) -> Iterator[Witness]:
    """Give a witness of two libraries' logs."""
    logs = [LOG.signer.key, Log("genk").signer.key]
    with Witness(signer=SIGNER, logs=logs, state=tmp_path, clock=now) as served:
        yield served


def anchor(url: str, key: Key = KEY, **options: Any) -> WitnessAnchor:
    """Give an anchor at an address."""
    return WitnessAnchor(url, key, clock=now, **options)


def keep(where: Witness | Door | str, *logs: Log, old: int = 0, **options: Any) -> list[Receipt]:
    """Have the logs cosigned as they are, by a witness that we believe to be at ``old``."""
    url = where if isinstance(where, str) else where.url
    return anchor(url, **options).keep([log.signed() for log in logs], old=lambda _: old, proof=proofs(*logs))


def up_to(size: int) -> Log:
    """Give our log as it was, or would be after an older backup was put back."""
    return LOG.fork(size, 0)


class TestProtocol:
    """A witness by the letter."""

    def test_a_log_that_grows_is_cosigned(self, witness: Witness) -> None:
        """From nothing, on, and again; the receipt holds a cosignature that anybody can check."""
        old = 0
        for size in (3, 8, 8, 300):
            (receipt,) = keep(witness, up_to(size), old=old)
            assert (receipt.anchor, receipt.library, receipt.size) == (NAME, "hasselt", size)
            note = up_to(size).signed().note.plus(Signature.parse(receipt.text))
            assert cosigned_at(note, KEY) == AT
            old = size
        assert witness.counts == {"200": 4}

    def test_every_log_is_asked_about(self, witness: Witness) -> None:
        """Over one connection, each with its own size."""
        assert [one.size for one in keep(witness, up_to(7), Log("genk").grow(4))] == [7, 4]

    def test_an_empty_log(self, witness: Witness) -> None:
        """There is nothing to prove."""
        assert keep(witness, up_to(0))[0].size == 0

    @pytest.mark.parametrize("old", [0, 5, 12, 20, 21, 400])
    def test_what_we_believe_may_be_out_of_date(self, witness: Witness, old: int) -> None:
        """It says where it is, and is asked once more with the proof from there."""
        keep(witness, up_to(9))
        assert keep(witness, up_to(20), old=old)[0].size == 20
        assert witness.counts == {"200": 2, "409": 1}

    def test_we_believe_that_it_saw_the_log_but_it_did_not(self, witness: Witness) -> None:
        """It begins with it now."""
        assert keep(witness, up_to(20), old=9)[0].size == 20
        assert witness.counts == {"200": 1, "409": 1}

    def test_it_has_this_very_checkpoint_already(self, witness: Witness) -> None:
        """As when its last answer was lost on the way."""
        keep(witness, up_to(20))
        assert keep(witness, up_to(20), old=9)[0].size == 20

    def test_over_tls(self, trust: Trust) -> None:
        """With the authority named, and not without."""
        server = trust.server
        with door(_honest, lambda line: server.wrap_socket(line, server_side=True)) as opened:
            assert keep(opened, up_to(3), ca=trust.ca)[0].size == 3
            with pytest.raises(WitnessUnavailable, match="certificate that is not to be trusted"):
                keep(opened, up_to(3))

    def test_the_address_is_a_prefix(self) -> None:
        """With a path, with a stroke at its end or without, and the request names host and port."""
        with door(_honest) as opened:
            for path in ("a/prefix", "a/prefix/"):
                keep(opened.url + path, up_to(3))
        for head in opened.heads:
            assert head.startswith(b"POST /a/prefix/add-checkpoint HTTP/1.1\r\n")
            assert f"Host: {opened.url.split('/')[2]}\r\n".encode() in head
            assert b"Accept-Encoding: identity\r\n" in head
        assert opened.bodies[0].decode() == up_to(3).submission(0).to_text()
        assert b"proxy" not in opened.heads[0].lower()

    def test_a_receipt_holds_what_the_witness_signed_and_nothing_else(self) -> None:
        """Lines of other keys, of its own other signatures, from another note and noise are passed over."""
        note = up_to(3).signed().note
        right = [SIGNER.cosign(note.text, AT), SIGNER.cosign(note.text, AT + 299)]
        wrong = [
            SIGNER.sign(note.text),
            SIGNER.cosign(up_to(4).signed().note.text, AT),
            SIGNER.cosign(note.text, AT + 301),
            SIGNER.cosign(note.text, 0),
            Signer("example.org/other", seed("witness")).cosign(note.text, AT),
            Signer(KEY.name, seed("other")).cosign(note.text, AT),
            Signature(KEY.name, KEY.id, bytes(72)),
        ]
        lines = ["noise\n", "\n", "— \n", right[1].line.replace("\n", "\r\n")]
        lines += [one.line for one in (wrong[0], right[0], *wrong[1:], right[1])]
        with door(lambda *_: _http(200, "".join(lines))) as opened:
            (receipt,) = keep(opened, up_to(3))
        assert receipt.text == "".join(one.line for one in right)

    @pytest.mark.parametrize("number", range(5))
    def test_without_a_cosignature_that_is_right_there_is_no_receipt(self, number: int) -> None:
        """Nothing, noise, another key's, one from the future, one of another checkpoint."""
        note = up_to(3).signed().note
        said = [
            "",
            "\xff\x00" * 50,
            Signer("example.org/other", seed("other")).cosign(note.text, AT).line,
            SIGNER.cosign(note.text, AT + 3600).line,
            SIGNER.cosign(up_to(4).signed().note.text, AT).line,
        ][number]
        with (
            door(lambda *_: _http(200, said)) as opened,
            pytest.raises(WitnessUnavailable, match="without a cosignature"),
        ):
            keep(opened, up_to(3))


class TestConflicts:
    """A witness that has seen another log."""

    def test_an_older_backup_was_put_back(self, witness: Witness) -> None:
        """It says how much it has seen, whatever we believe, and signs nothing."""
        keep(witness, up_to(20))
        for old in (0, 9, 12, 20):
            with pytest.raises(WitnessConflict) as refused:
                keep(witness, up_to(12), old=old)
            assert refused.value.seen == 20
            assert str(refused.value).startswith(
                "The witness example.org/witness has seen 20 entries of the log of hasselt, here are only 12: an older "
                "backup was put back, or entries were cut. Nothing was changed. Ask nobody"
            )
            assert isinstance(refused.value, AnchorConflict | BrokenChain)
            assert refused.value.exit_code == 4
        assert witness.counts["200"] == 1

    @pytest.mark.parametrize("old", [0, 12, 20])
    def test_the_log_was_forked(self, witness: Witness, old: int) -> None:
        """Entries were changed, and others came: what we prove does not lead from what it saw."""
        keep(witness, up_to(20))
        with pytest.raises(WitnessConflict, match="hasselt does not follow on the 20 entries it has seen") as refused:
            keep(witness, LOG.fork(10, 20), old=old)
        assert refused.value.seen == 20

    @pytest.mark.parametrize("old", [0, 12, 20])
    def test_an_entry_was_changed_at_the_same_size(self, witness: Witness, old: int) -> None:
        """There are two logs of this size."""
        keep(witness, up_to(20))
        with pytest.raises(WitnessConflict, match="has seen another log of hasselt with these 20 entries"):
            keep(witness, LOG.fork(10, 10), old=old)

    @pytest.mark.parametrize("status", [409, 422])
    def test_another_root_needs_no_size_to_be_said(self, status: int) -> None:
        """C2SP wants a size with the other conflict only; and litewitness holds the roots as it holds a proof: 422."""
        with door(lambda *_: _http(status, "no")) as opened, pytest.raises(WitnessConflict, match="another log"):
            keep(opened, up_to(20), old=20)

    def test_the_other_logs_are_cosigned_all_the_same(self, witness: Witness) -> None:
        """The error bears their receipts."""
        keep(witness, up_to(20))
        with pytest.raises(WitnessConflict, match="log of hasselt") as refused:
            keep(witness, Log("alken").grow(2), up_to(12), Log("genk").grow(4))
        assert [(one.library, one.size) for one in refused.value.receipts] == [("genk", 4)]

    def test_a_log_that_cannot_be_proven_is_not_its_affair(self, witness: Witness) -> None:
        """What goes wrong in giving the proof goes up as it is."""

        def broken(library: str, old: int, new: int) -> Sequence[bytes]:
            raise StoreError("The database is away")

        with pytest.raises(StoreError, match="The database is away"):
            anchor(witness.url).keep([up_to(20).signed()], old=lambda _: 9, proof=broken)


class TestFailures:
    """A witness that does not cosign now: it is tried again, and nothing is lost."""

    def test_it_does_not_know_the_log(self, witness: Witness) -> None:
        """What to do is said; the other logs are cosigned."""
        with pytest.raises(WitnessUnavailable) as refused:
            keep(witness, Log("alken").grow(2), up_to(3))
        assert str(refused.value) == (
            "The witness example.org/witness does not know the log of alken. The access log itself is whole, and what "
            "other anchors hold stands. Give its keeper the public key (vkey) of this log, and check the address."
        )
        assert isinstance(refused.value, AnchorUnavailable)
        assert [one.library for one in refused.value.receipts] == ["hasselt"]

    def test_it_has_another_key_of_the_log(self, witness: Witness) -> None:
        """As when our key is not the one it was given."""
        one = signed("hasselt", Signer(LOG.signer.key.name, seed("another")), 3, LOG.root(3))
        with pytest.raises(WitnessUnavailable, match="has another key for the log"):
            anchor(witness.url).keep([one], old=lambda _: 0, proof=proofs(LOG))

    @pytest.mark.parametrize(
        ("status", "said"),
        [
            (400, "does not understand"),
            (301, "HTTP 301"),
            (307, "HTTP 307"),
            (401, "HTTP 401"),
            (422, "HTTP 422"),
            (429, "HTTP 429"),
            (500, "HTTP 500"),
            (503, "HTTP 503"),
        ],
    )
    def test_it_answers_with_another_status(self, status: int, said: str) -> None:
        """It is asked once, and nowhere else; a 422 to a first checkpoint means nothing."""
        with door(_honest) as elsewhere:
            answer = _http(status, "go away", f"Location: {elsewhere.url}")
            with door(lambda *_: answer) as opened, pytest.raises(WitnessUnavailable, match=said):
                keep(opened, up_to(20))
        assert (len(opened.bodies), elsewhere.bodies) == (1, [])

    @pytest.mark.parametrize("body", ["", "x", "-1\n", "012\n", "12\n\n", "\uff11\n", f"{1 << 63}\n", "12 entries\n"])
    def test_it_is_elsewhere_and_does_not_say_where(self, body: str) -> None:
        """A size that is none is not acted upon."""
        with door(lambda *_: _http(409, body)) as opened, pytest.raises(WitnessUnavailable, match="HTTP 409"):
            keep(opened, up_to(20), old=9)
        assert len(opened.bodies) == 1

    def test_a_size_of_another_type_is_none(self) -> None:
        """A page that happens to be a number is no answer of a witness."""
        page = _http(409, "12\n").replace(b"text/x.tlog.size", b"text/html")
        with door(lambda *_: page) as opened, pytest.raises(WitnessUnavailable):
            keep(opened, up_to(20), old=9)
        assert len(opened.bodies) == 1

    @pytest.mark.parametrize("sizes", [("12", "13"), ("12", "12"), ("12", "9"), ("0", "0"), ("9", "9")])
    def test_it_keeps_saying_that_it_is_elsewhere(self, sizes: tuple[str, str]) -> None:
        """It is asked twice and no more."""
        with (
            door(lambda number, *_: _http(409, sizes[number] + "\n")) as opened,
            pytest.raises(WitnessUnavailable, match="HTTP 409"),
        ):
            keep(opened, up_to(20), old=9)
        assert len(opened.bodies) == (1 if sizes[0] == "9" else 2)
        assert [Submission.parse(body.decode()).old for body in opened.bodies][1:] == [int(sizes[0])] * (
            len(opened.bodies) - 1
        )

    def test_it_is_slow(self) -> None:
        """The other logs are not tried, as they would fare no better."""
        with (
            bad_server(hang) as port,
            pytest.raises(WitnessUnavailable, match=f"longer than {SOON:g} seconds") as refused,
        ):
            keep(f"http://127.0.0.1:{port}", up_to(3), Log("genk").grow(2), deadline_s=SOON)
        assert refused.value.receipts == ()

    def test_it_makes_no_sense(self) -> None:
        """An answer that is cut off, though what came of it would do, is none."""
        whole = _http(200, SIGNER.cosign(up_to(3).signed().note.text, AT).line + "\n")

        def behave(_: int, __: bytes, line: socket.socket) -> None:
            line.sendall(whole[:-1])

        with door(behave) as opened, pytest.raises(WitnessUnavailable):
            keep(opened, up_to(3))

    def test_an_answer_as_large_as_may_be(self) -> None:
        """64 KiB are read, and one byte more is not."""
        line = SIGNER.cosign(up_to(3).signed().note.text, AT).line
        whole = line + "x" * ((1 << 16) - len(line.encode()))
        for body, works in ((whole, True), (whole + "x", False)):
            with door(lambda *_, body=body: _http(200, body)) as opened:
                if works:
                    assert keep(opened, up_to(3))[0].text == line
                else:
                    with pytest.raises(WitnessUnavailable, match="sends too much"):
                        keep(opened, up_to(3))

    def test_nobody_is_there(self) -> None:
        """A port where nothing listens, or that speaks no TLS."""
        with socket.create_server(("127.0.0.1", 0)) as server:
            port = server.getsockname()[1]
        with pytest.raises(WitnessUnavailable, match="cannot be reached"):
            keep(f"http://127.0.0.1:{port}", up_to(3))
        with (
            bad_server(flood(b"", b"HTTP/1.1 400 No TLS\r\n")) as port,
            pytest.raises(WitnessUnavailable, match="agree on TLS"),
        ):
            keep(f"https://127.0.0.1:{port}", up_to(3))


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("http://witness.example.org", "must be https://"),
        ("http://192.0.2.7:8081", "must be https://"),
        ("http://127.0.0.1.example.org", "must be https://"),
        ("witness.example.org", "is no URL"),
        ("ftp://127.0.0.1/", "is no URL"),
        ("https://", "is no URL"),
        ("https://user:secret@example.org", "is no URL"),
        ("https://example.org:port", "is no URL"),
        ("https://example.org:99999", "is no URL"),
        ("https://example.org/?a", "is no URL"),
        ("https://example.org/#a", "is no URL"),
        ("https://example.org/a b", "is no URL"),
        ("https://example.org/é", "is no URL"),
        ("https://example.org/a\r\nX: y", "is no URL"),
        ("https://[::1", "is no URL"),
        (f"https://{'a' * 70}.example.org", "is no URL"),
    ],
)
def test_addresses_that_cannot_be(url: str, said: str) -> None:
    """They are refused before anything is sent, and not repeated: one may hold a password."""
    with pytest.raises(ConfigError, match=said) as refused:
        anchor(url)
    assert "secret" not in str(refused.value)


def test_settings_that_can_and_cannot_be() -> None:
    """This machine in clear, others over TLS; a log's key is no witness', and a CA file must be there."""
    for url in (
        "http://localhost:1/a",
        "http://[::1]:1",
        "http://127.1.2.3",
        "https://example.org/a/b-c",
        "https://[2001:db8::1]",
    ):
        assert anchor(url).url == url
    with pytest.raises(ConfigError, match="is not one that a witness cosigns with"):
        anchor("https://example.org", Key(KEY.name, KeyKind.ED25519, KEY.public))
    with pytest.raises(ConfigError, match="CA file"):
        anchor("https://example.org", ca="/nowhere/ca.pem")


#: The request that c2sp.org/tlog-witness shows.
EXAMPLE = """\
old 20852014
PlRNCrwHpqhGrupue0L7gxbjbMiKA9temvuZZDDpkaw=
jrJZDmY8Y7SyJE0MWLpLozkIVMSMZcD5kvuKxPC3swk=
5+pKlUdi2LeF/BcMHBn+Ku6yhPGNCswZZD1X/6QgPd8=
/6WVhPs2CwSsb5rYBH5cjHV/wSmA79abXAwhXw3Kj/0=

example.com/behind-the-sofa
20852163
CsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=

— example.com/behind-the-sofa \
Az3grlgtzPICa5OS8npVmf1Myq/5IZniMp+ZJurmRDeOoRDe4URYN7u5/Zhcyv2q1gGzGku9nTo+zyWE+xeMcTOAYQ8=
— example.com/behind-the-sofa \
opLqBQsREYCgu6xQkYQwJr9fo45a62DN9EdmHXnZdXNqlcVGlCum2Wks+49/V6267UEjw6QUXTS5Rovnzv++qbSzm9Q=
"""


def test_the_example_of_the_specification() -> None:
    """It is read, and written again letter for letter."""
    submission = Submission.parse(EXAMPLE)
    assert (submission.old, len(submission.proof), len(submission.note.signatures)) == (20852014, 4, 2)
    assert submission.to_text() == EXAMPLE


def _http(status: int, body: str, *headers: str) -> bytes:
    """Give an answer, with the type that goes with its status."""
    data = body.encode()
    kind = "text/x.tlog.size" if status == 409 else "text/plain"
    lines = (f"HTTP/1.1 {status} So", f"Content-Type: {kind}", f"Content-Length: {len(data)}", *headers)
    return "\r\n".join((*lines, "\r\n")).encode() + data


def _honest(_: int, body: bytes, __: socket.socket) -> bytes:
    """Cosign whatever comes."""
    return _http(200, SIGNER.cosign(Submission.parse(body.decode()).note.text, AT).line)
