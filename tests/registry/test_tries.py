"""One try: what is signed, what is verified, what is kept, how the pace is told, and what is said of codes unknown."""

from __future__ import annotations

import socket
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import replace
from hashlib import sha256
from itertools import count
from pathlib import Path
from types import SimpleNamespace

import pytest
from structlog.testing import capture_logs

from rrsync.core.exchange import Deed, Found, Notice, Reason, Refused
from rrsync.core.log_entry import Draft, Evidence, Status
from rrsync.core.rate_limit import CallResult
from rrsync.errors import Interrupted, RegistryRefused, RegistryUnavailable, RegistryUnreadable, StoreError
from rrsync.registry.codes import UnknownCodes
from rrsync.registry.outcome import Keep
from rrsync.registry.pace import RateLimiter, RegistryResting, not_interrupted
from rrsync.registry.signing import Signer
from rrsync.registry.verification import BadSignature, Distrusted, Verifier
from tests.registry import authority, forge, scene
from tests.registry.scene import Handler, answer, fault, notice, person, saying, standing


def _found(ref: str) -> bytes:
    return answer(person(), ref=ref)


def _out(draft: Draft) -> dict[str, object]:
    out = draft.body["out"]
    assert isinstance(out, dict)
    return dict(out)


class Heard(RateLimiter):
    """A pace that lets all through, and notes each turn that was taken and given back."""

    def __init__(self, first: BaseException | None = None) -> None:
        super().__init__(None, sleep=lambda _: None)
        self.notes: list[object] = []
        self._first = first

    def take(self, interrupted: Callable[[], bool] = not_interrupted) -> bool:
        """Note a turn, or raise."""
        if self._first is not None:
            raise self._first
        taken = super().take(interrupted)
        self.notes += ["take"] if taken else []
        return taken

    def give(self, went: CallResult, retry_after_s: float | None = None) -> None:
        """Note how it went."""
        self.notes.append((went.value, retry_after_s))


def _resting() -> RegistryResting:
    return RegistryResting("The register has been away for a minute")


class TestPace:
    """Every turn that is taken is given back, once, with how the call went."""

    @pytest.mark.parametrize(
        ("reply", "went"),
        [
            (_found("ref-0"), "fine"),
            (answer(person(digits=scene.OTHER)), "fine"),
            (answer(notices=notice("30001")), "fine"),
            (answer(notices=notice("20002")), "fine"),
            (answer(notices=notice("13001")), "fine"),
            (answer(notices=notice("77777")), "fine"),
            (answer(notices=notice("40003")), "fine"),
            (answer(notices=notice("99994")), "away"),
            (answer(notices=notice("60013")), "away"),
            (answer(notices=notice("60018")), "away"),
            (answer(notices=notice("99995")), "busy"),
            (scene.repliek(general=notice("99996")), "busy"),
            (fault("99995 - Te veel gelijktijdige bevragingen"), "busy"),
            (fault("Internal error"), "away"),
            (fault("No", "Client"), "fine"),
            (fault("ERR_025: no"), "fine"),
            (scene.repliek(), "away"),
            (b"<a/>", "away"),
        ],
        ids=str,
    )
    def test_by_what_was_said(self, reply: bytes, went: str) -> None:
        """Fine is what could be read and is no passing failure, whatever it says of the member or of us."""
        pace = Heard()
        with standing(saying(reply), pace=pace) as stand, suppress(RegistryRefused, RegistryUnavailable):
            stand.gate.ask(scene.QUESTION)
        assert pace.notes[:2] == ["take", (went, None)]
        assert Counter(one == "take" for one in pace.notes) in [Counter({True: n, False: n}) for n in (1, 2, 4)]

    def test_a_turn_that_never_came_is_not_given_back(self) -> None:
        """Nor one of a run that stops."""
        pace = Heard()
        with standing(saying(_found), pace=pace, interrupted=lambda: True) as stand, pytest.raises(Interrupted):
            stand.gate.ask(scene.QUESTION)
        assert pace.notes == []

    def test_a_bug_gives_its_turn_back(self) -> None:
        """As away: nobody knows what became of it."""

        class Bug(BaseException):
            pass

        def broken(_: bytes) -> bytes:
            raise Bug

        pace = Heard()
        with standing(saying(_found), pace=pace, verify=broken) as stand:
            with pytest.raises(Bug):
                stand.gate.ask(scene.QUESTION)
            assert stand.kinds == ["intent", "outcome:invalid_reply"]
        assert pace.notes == ["take", ("away", None)]

    def test_the_outcome_has_how_long_the_register_took(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Neither the wait for a turn is in it, nor what is done with the turn afterwards."""
        seconds = [0.0]

        class Slow(Heard):
            def take(self, interrupted: Callable[[], bool] = not_interrupted) -> bool:
                seconds[0] += 5
                return super().take(interrupted)

            def give(self, went: CallResult, retry_after_s: float | None = None) -> None:
                seconds[0] += 7
                super().give(went, retry_after_s)

        def handler(*_: object) -> bytes:
            seconds[0] += 0.25
            return scene.http(fault("99995"))

        monkeypatch.setattr("rrsync.registry.gate.time", SimpleNamespace(monotonic=lambda: seconds[0]))
        with standing(handler, pace=Slow()) as stand, pytest.raises(RegistryUnavailable):
            stand.gate.ask(scene.QUESTION)
        spent = [_out(draft)["ms"] for draft in stand.log if "out" in draft.body]
        assert spent == [250] * len(stand.door.bodies)

    def test_what_was_not_sent_took_no_time(self) -> None:
        """Not that of the try before it either."""
        answers = iter([False, False, True])
        with standing(saying(fault("99995")), interrupted=lambda: next(answers)) as stand, pytest.raises(Interrupted):
            stand.gate.ask(scene.QUESTION)
        assert [_out(draft)["status"] for draft in stand.log if "out" in draft.body] == ["transient", "not_sent"]
        assert _out(stand.log[-1])["ms"] == 0

    def test_while_nobody_asks_there_is_one_try(self) -> None:
        """It was not sent, and it is not tried again within the same question."""
        with standing(saying(_found), pace=Heard(_resting())) as stand:
            with pytest.raises(RegistryResting):
                stand.gate.ask(scene.QUESTION)
            assert stand.kinds == ["intent", "outcome:not_sent"]
            assert not stand.waits
            assert not stand.door.bodies

    def test_a_traffic_that_cannot_be_shared_ends_the_question(self) -> None:
        """The intent says that it was not sent."""
        with standing(saying(_found), pace=Heard(StoreError("The database is gone"))) as stand:
            with pytest.raises(StoreError):
                stand.gate.ask(scene.QUESTION)
            assert stand.kinds == ["intent", "outcome:not_sent"]

    def test_a_breaker_that_opens_between_two_tries(self) -> None:
        """The second try has its intent, and its outcome says that it was not sent."""
        pace = Heard()

        def handler(_: int, __: bytes, ___: socket.socket) -> bytes:
            pace._first = _resting()
            return scene.http(fault("99995"))

        with standing(handler, pace=pace) as stand:
            with pytest.raises(RegistryResting):
                stand.gate.ask(scene.QUESTION)
            assert stand.kinds == ["intent", "outcome:transient", "intent", "outcome:not_sent"]
            assert len(stand.door.bodies) == 1


class TestSigned:
    """What leaves is signed before it is recorded, and never touched again."""

    @pytest.mark.parametrize("deed", list(Deed))
    def test_the_hash_is_of_the_signed_bytes(self, deed: Deed) -> None:
        """The intent, the wire and the evidence have the same."""
        numbers = count(1)
        signer = Signer(authority.ours().identity, new_id=lambda: f"n{next(numbers)}")
        with standing(saying(b"<a/>"), sign=signer.sign, repertory="02.00", keep=Keep.ALL) as stand:
            question = replace(scene.QUESTION, deed=deed)
            exchange = stand.gate.ask(question) if deed is Deed.READ else stand.gate.register(question)
            (sent,) = stand.door.bodies
            assert stand.log[0].body["req"] == sha256(sent).hexdigest()
        assert b"Signature" in sent
        assert exchange.outcome.evidence == Evidence(sent, b"<a/>")

    def test_what_cannot_be_signed_is_not_recorded(self) -> None:
        """Nothing is logged, and nothing sent."""

        def broken(_: bytes) -> bytes:
            raise ZeroDivisionError

        with standing(saying(_found), sign=broken) as stand:
            with pytest.raises(ZeroDivisionError):
                stand.gate.ask(scene.QUESTION)
            assert not stand.log
            assert not stand.door.bodies


class TestVerified:
    """Of a reply only what was verified is read."""

    @pytest.fixture
    def verifier(self, tmp_path: Path) -> Verifier:
        """Return who wants every reply signed by MAGDA."""
        trust = tmp_path / "trust.pem"
        trust.write_bytes(authority.magda().pem)
        return Verifier("required", trust, lambda: scene.NOW)

    def test_what_was_signed_is_read(self, verifier: Verifier) -> None:
        """The hash in the outcome is of the bytes that came."""
        reply = forge.reply()
        with standing(saying(reply), verify=verifier.verified) as stand:
            exchange = stand.gate.ask(scene.QUESTION)
        assert isinstance(exchange.answer, Found)
        assert _out(exchange.outcome)["rsp"] == sha256(reply).hexdigest()

    def test_only_what_the_verifier_hands_on_is_read(self) -> None:
        """Whatever else stood in the reply."""
        theirs = answer(person(digits=scene.OTHER))
        with standing(saying(theirs), verify=lambda _: _found("ref-0")) as stand:
            exchange = stand.gate.ask(scene.QUESTION)
        assert isinstance(exchange.answer, Found)
        assert _out(exchange.outcome)["rsp"] == sha256(theirs).hexdigest()

    def test_an_unsigned_reply_puts_one_member_on_hold(self, verifier: Verifier) -> None:
        """Once, with its bytes as evidence."""
        with standing(saying(_found), verify=verifier.verified) as stand:
            exchange = stand.gate.ask(scene.QUESTION)
            (sent,) = stand.door.bodies
        assert (exchange.answer, exchange.calls) == (Refused("ref-0", Reason.UNREADABLE), 1)
        assert _out(exchange.outcome)["status"] == "sig_bad"
        assert exchange.outcome.evidence == Evidence(sent, _found("ref-0"))

    def test_a_signer_nobody_trusts_stops(self, verifier: Verifier) -> None:
        """Its reply is kept as evidence, and the outcome says what was wrong."""
        reply = forge.reply(paper=authority.issue("stranger"))
        pace = Heard()
        with standing(saying(reply), verify=verifier.verified, pace=pace) as stand:
            with pytest.raises(Distrusted):
                stand.gate.ask(scene.QUESTION)
            assert stand.kinds == ["intent", "outcome:sig_bad"]
            said = stand.log[1].evidence
            assert said is not None
            assert said.reply == reply
            assert _out(stand.log[1])["rsp"] == sha256(reply).hexdigest()
        assert pace.notes == ["take", ("away", None)]

    @pytest.mark.parametrize(
        ("error", "status"),
        [(BadSignature("no"), "sig_bad"), (RegistryUnreadable("no"), "invalid_reply")],
        ids=["signature", "markup"],
    )
    def test_what_is_wrong_is_in_the_outcome(self, error: Exception, status: str) -> None:
        """A signature, or the whole of it."""

        def bad(_: bytes) -> bytes:
            raise error

        with standing(saying(_found), verify=bad) as stand:
            exchange = stand.gate.ask(scene.QUESTION)
        assert _out(exchange.outcome)["status"] == status


FINE: Handler = saying(_found)
MIXED: Handler = saying(answer(person(digits=scene.OTHER)))
REFUSED: Handler = saying(answer(notices=notice("20002")))
STOPPING: Handler = saying(answer(notices=notice("13001")))


@pytest.mark.parametrize(
    ("keep", "kept"),
    [
        (Keep.HASH, {"mismatch"}),
        (Keep.ERRORS, {"mismatch", "refused"}),
        (Keep.ALL, {"mismatch", "refused", "ok"}),
    ],
)
def test_a_mix_up_is_always_kept(keep: Keep, kept: set[str]) -> None:
    """Whatever the settings keep of the rest."""
    found = set()
    for handler in (FINE, MIXED, REFUSED):
        with standing(handler, keep=keep) as stand:
            outcome = stand.gate.ask(scene.QUESTION).outcome
        if outcome.evidence is not None:
            assert outcome.evidence.request
            assert outcome.evidence.reply
            found.add(_out(outcome)["status"])
    assert found == kept


@pytest.mark.parametrize(("keep", "is_kept"), [(Keep.HASH, False), (Keep.ERRORS, True), (Keep.ALL, True)])
def test_what_came_before_an_error_is_kept_as_the_settings_say(keep: Keep, is_kept: bool) -> None:
    """A reply that ended in an error of ours is evidence like any other; where none came there is none."""

    def broken(_: bytes) -> bytes:
        raise Distrusted("nobody")

    with standing(FINE, keep=keep, verify=broken) as stand, pytest.raises(Distrusted):
        stand.gate.ask(scene.QUESTION)
    assert (stand.log[-1].evidence is not None) is is_kept
    with standing(lambda *_: None, keep=keep) as stand, pytest.raises(RegistryUnavailable):
        stand.gate.ask(scene.QUESTION)
    assert all(line.evidence is None and "rsp" not in str(line.body) for line in stand.log)


def test_evidence_of_one_try_is_not_the_nexts() -> None:
    """A second try that gets no reply has none of the first's."""

    def handler(number: int, _: bytes, __: socket.socket) -> bytes | None:
        return None if number else scene.http(fault("99995"))

    with standing(handler) as stand, pytest.raises(RegistryUnavailable):
        stand.gate.ask(scene.QUESTION)
    outcomes = stand.log[1::2]
    assert [line.evidence is not None for line in outcomes] == [True, False, False, False]
    assert [_out(line)["status"] for line in outcomes] == ["transient", *["no_reply"] * 3]


class TestUnknownCodes:
    """Codes that are not in our table."""

    @pytest.mark.parametrize("severity", ["FOUT", "WAARSCHUWING", "INFORMATIE", "Ramp"])
    def test_one_is_said_once(self, severity: str) -> None:
        """In the operational log, by code and origin, with nothing else of the reply."""
        told = notice("77777", severity, "RR", [("INSZ", scene.DIGITS)])
        reply = saying(lambda ref: answer(person(), told, ref=ref))
        with capture_logs() as lines, standing(reply) as stand:
            for number in range(3):
                exchange = stand.gate.ask(scene.asked(ref=f"q-{number}"))
        assert lines == [
            {"event": "register.unknown_code", "log_level": "warning", "code": "77777", "origin": "RR"},
        ]
        assert isinstance(exchange.answer, Found) is (severity == "INFORMATIE")

    def test_each_code_and_origin_is_another(self) -> None:
        """Known codes are not said, wherever they stand; a Fault's unknown code is."""
        told: list[Notice] = []
        replies: Sequence[bytes] = (
            answer(notices=notice("77777") + notice("30042", "INFORMATIE")),
            answer(notices=notice("77777", origin="KSZ") + notice("88888"), ref="q-1"),
            fault("66666 whatever", "Client"),
        )
        with standing(saying(*replies), unknown=told.append) as stand:
            for number in range(3):
                stand.gate.ask(scene.asked(ref=f"q-{number}" if number else "ref-0"))
        found = [(one.code, one.origin) for one in told]
        assert found == [("77777", "MAGDA"), ("77777", "KSZ"), ("88888", "MAGDA"), ("66666", "SOAP")]

    def test_threads_say_it_once(self) -> None:
        """Whoever sees it first."""
        told: list[Notice] = []
        unknown = UnknownCodes(told.append)
        for _ in range(5):
            unknown.report([Notice("77777", "RR", "FOUT")] * 3)
        assert len(told) == 1


def test_an_error_of_ours_has_its_status() -> None:
    """The wire's own word on how far a question came counts before ours."""
    with standing(lambda *_: scene.http(b"", 404)) as stand, pytest.raises(RegistryRefused):
        stand.gate.ask(scene.QUESTION)
    assert _out(stand.log[1])["status"] == Status.REFUSED.value
