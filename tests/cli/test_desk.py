"""``rrsync refresh`` and ``rrsync holds``: one member on demand, and the decisions of a person."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import fields, replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from rrsync.cli.desk import difference
from rrsync.core.insz import Insz
from rrsync.core.log_entry import Actor, ActorKind
from rrsync.core.person import Address, Held, Name
from rrsync.core.rate_limit import IN_A_ROW, CallResult
from rrsync.errors import RegistryRefused
from rrsync.registry.signing import Signer
from rrsync.sync.refresh import MemberRefresh
from rrsync.text.catalogue import translations
from rrsync.text.holds import Advice, advice, number_advice
from rrsync.text.log_terms import FIELDS
from tests.cli.conftest import ABROAD, MOVED, REFERENCE, RENUMBERED, SETTLED, WORLD, Place, Said, digits, dotted
from tests.registry.authority import issue

LANGUAGES = pytest.mark.parametrize("language", ["nl", "en"])
NEW_NUMBER = WORLD.citizen(17).new_insz
AN = Actor(ActorKind.PERSON, "an")


def has_advice(said: Said, texts: Advice) -> bool:
    """Whether a command printed the meaning of a hold and every step of the advice."""
    return texts.means in said.out and all(step in said.out for step in texts.steps)


def text(message: str, language: str = "nl") -> str:
    """Return a text of the catalogue."""
    return translations(language).gettext(message)


def bar_register(place: Place) -> None:
    """Let every process stop asking the register, as after many failures."""
    with place.services() as services:
        pace = services.pace(desk=True)
        for _ in range(IN_A_ROW):
            assert pace.take()
            pace.give(CallResult.AWAY)


class TestRefresh:
    """Asks about one member, for a reason."""

    @LANGUAGES
    def test_a_change_is_written_and_shown(self, place: Place, language: str) -> None:
        """The table has both addresses, and the member has the register's."""
        register = place.env(LANGUAGE=language).register()
        before = place.member(MOVED)
        said = place.refresh(MOVED)
        assert (said.code, said.err) == (0, "")
        after = place.member(MOVED)
        assert after.held.address.street == WORLD.citizen(14).residence.street != before.held.address.street
        for word in (
            text("The register says something else; it was accepted.", language),
            text("we have", language),
            text(FIELDS["street"], language),
            before.held.address.street,
            after.held.address.street,
        ):
            assert word in said.out
        assert len(register.asked) == 1

    def test_a_preview_writes_nothing_but_the_log(self, place: Place) -> None:
        """It shows the same difference, and is an access like any other."""
        place.register()
        before = place.member(MOVED)
        said = place.refresh(MOVED, "--preview")
        assert said.code == 0
        assert text("Preview: nothing was accepted. The access is in the log.") in said.out
        assert WORLD.citizen(14).residence.street in said.out
        assert place.member(MOVED) == before
        assert [line["kind"] for line in place.log()] == ["settings.change", "access.intent", "access.outcome"]
        assert place.holds() == set()
        assert place.refresh(ABROAD, "--preview", "--json").document["applied"] is False
        assert place.holds() == set()

    @LANGUAGES
    def test_a_confirmation(self, place: Place, language: str) -> None:
        """Apart from spelling, nothing changed."""
        place.env(LANGUAGE=language).register()
        said = place.refresh(SETTLED)
        assert (said.code, said.err) == (0, "")
        assert text("The register confirms what we have.", language) in said.out

    def test_a_hold_comes_with_advice(self, place: Place) -> None:
        """The member is unchanged and on the list; after a preview it is not on the list."""
        place.register()
        before = place.member(ABROAD)
        listed = text("It is in the list: see `rrsync holds list`.")
        assert listed not in place.refresh(ABROAD, "--preview").out
        assert text("There is nothing to review.") in place.run("holds", "list").out
        said = place.refresh(ABROAD)
        assert said.code == 0
        assert has_advice(said, advice("abroad", "nl"))
        assert listed in said.out
        assert place.member(ABROAD).held == before.held
        assert place.holds() == {ABROAD}

    def test_as_one_document(self, place: Place) -> None:
        """The difference by field, the number of withheld fields, and the reference in the log."""
        register = place.register()
        said = place.refresh(MOVED, "--json")
        assert (said.code, said.err) == (0, "")
        document = said.document
        keys = ["library", "member_no", "verdict", "hold_reason", "applied", "reference", "difference", "withheld"]
        assert list(document) == keys
        assert (document["verdict"], document["applied"]) == ("change", True)
        assert document["reference"] == register.asked[0].reference
        assert {row["field"] for row in document["difference"]} <= set(FIELDS)
        assert document["withheld"]["Geslacht"] == 1
        document = place.refresh(REFERENCE, "--json").document
        assert (document["verdict"], document["hold_reason"]) == ("hold", "reference_address")
        assert set(document["difference"][0]) == {"field", "before", "after"}
        document = place.refresh(RENUMBERED, "--json").document  # a reply without a person
        assert (document["hold_reason"], document["difference"], document["withheld"]) == ("new_number", [], {})

    def test_a_reply_about_another_person_stops(self, place: Place) -> None:
        """4; the reply is dropped, and the member is on hold."""
        place.register("mixup:1")
        before = place.member(SETTLED)
        said = place.refresh(SETTLED)
        assert said.code == 4
        assert has_advice(said, advice("mismatch", "nl"))
        assert place.member(SETTLED).held == before.held
        assert place.holds() == {SETTLED}

    @pytest.mark.parametrize("preview", [False, True])
    def test_a_reply_about_another_person_alarms_the_officer(self, place: Place, preview: bool) -> None:
        """After the outcome is logged; a good reply does not."""
        register = place.register("mixup:1")
        with self._desk(place) as (desk, alarms):
            desk.refresh("demo", SETTLED, actor=AN, purpose="desk", case="1", preview=preview)
            assert alarms == [("mix_up", "demo", 0)]
            register.faults = ()
            desk.refresh("demo", SETTLED, actor=AN, purpose="desk", case="1", preview=preview)
        assert len(alarms) == 1

    @pytest.mark.parametrize("preview", [False, True])
    @pytest.mark.parametrize("signer", ["nobody", "a stranger"])
    def test_a_wrong_signature_alarms_the_officer(self, place: Place, signer: str, preview: bool) -> None:
        """After the outcome is logged. A reply without signature is a hold; one of a stranger stops everything."""
        trust = place.folder / "trust.pem"
        trust.write_bytes(issue("magda", now=datetime.now(UTC)).pem)
        place.env(REGISTRY__VERIFY="required", REGISTRY__TRUST=str(trust)).register()
        stranger = Signer(issue("stranger", now=datetime.now(UTC)).identity, new_id=lambda: "1")
        with self._desk(place) as (desk, alarms):
            if signer == "a stranger":
                verified = desk.gate._client.verified
                desk.gate._client.verified = lambda reply: verified(stranger.sign(reply))  # type: ignore[method-assign]
            with pytest.raises(RegistryRefused) if signer == "a stranger" else nullcontext():
                desk.refresh("demo", SETTLED, actor=AN, purpose="desk", case="1", preview=preview)
        assert alarms == [("signature", "demo", 0)]

    @staticmethod
    @contextmanager
    def _desk(place: Place) -> Iterator[tuple[MemberRefresh, list[tuple[str, str, int]]]]:
        """Yield a desk, and its alarms with the number of accesses that had no outcome then."""
        alarms: list[tuple[str, str, int]] = []
        with place.services() as services:

            def alarm(word: str, library: str) -> None:
                alarms.append((word, library, len(services.access_log.pending())))

            yield replace(services.desk(), alarm=alarm), alarms

    def test_a_refusal_by_the_register(self, place: Place) -> None:
        """4, and one sentence."""
        place.register("refused:1")
        said = place.refresh(SETTLED, "--json")
        assert (said.code, said.out, said.err.count("\n")) == (4, "", 1)

    def test_an_unavailable_register_is_not_asked(self, place: Place) -> None:
        """3 and one sentence, at once: after many failures nobody asks for a while, at the desk neither."""
        register = place.register()
        bar_register(place)
        before = place.member(MOVED)
        said = place.refresh(MOVED)
        assert (said.code, said.out, said.err.count("\n")) == (3, "", 1)
        assert not register.counts
        assert place.member(MOVED) == before
        assert place.log()[-1]["out"]["status"] == "not_sent"

    def test_a_purpose_without_authorisation_is_denied_and_logged(self, place: Place) -> None:
        """4; nothing is sent."""
        register = place.register()
        said = place.refresh(SETTLED, purpose="curiosity")
        assert (said.code, said.out) == (4, "")
        assert not register.counts
        last = place.log()[-1]
        assert (last["kind"], last["why"]["code"], last["actor"]["id"]) == ("access.denied", "curiosity", "an.peeters")

    @pytest.mark.parametrize("number", ["M999999", "'; DROP TABLE member; --", "", "X1"])
    def test_a_member_who_cannot_be_asked_about(self, place: Place, number: str) -> None:
        """2: an unknown number, which is not repeated, or a member without a national number."""
        register = place.register()
        place.add_members("member_no,last_name\nX1,Peeters\n")
        said = place.refresh(number)
        assert (said.code, said.out) == (2, "")
        assert not number or number not in said.err
        assert not register.counts
        assert place.run("log", "show", "--library", "demo", "--member", number).code == 2

    @pytest.mark.parametrize("option", ["--library", "--purpose", "--case", "--actor"])
    @pytest.mark.parametrize("value", [None, "", "  ", "x" * 41, "a\nb", "{0}", "brief {1}", "x{0}y"])
    def test_what_the_log_stores_is_required_and_checked(self, place: Place, option: str, value: str | None) -> None:
        """2 for a missing, empty, long or unprintable value, or one with a national number; nothing is asked."""
        register = place.register()
        words = {"--library": "demo", "--purpose": "desk", "--case": "1", "--actor": "an"}
        if value is None:
            del words[option]
        else:
            words[option] = value.format(digits(SETTLED), dotted(digits(SETTLED)))
        said = place.run("refresh", SETTLED, *(word for pair in words.items() for word in pair))
        assert (said.code, said.out) == (2, "")
        assert (option if option != "--library" or value is None else "library") in said.err
        assert not register.counts
        assert place.log_size() == 0

    def test_brackets_and_colons_are_printed_as_they_are(self, place: Place) -> None:
        """No name or street is read as markup."""
        place.register()
        number = WORLD.citizen(2).new_insz.digits
        place.add_members(f"member_no,insz,street\n[/b],{number},[/red] :house: straat\n")
        case = ("--library", "demo", "--purpose", "desk", "--case", "[/c] :house:", "--actor", "[red]an[/red]")
        assert place.run("refresh", "[/b]", *case).code == 0
        assert "[/b]" in place.run("holds", "list").out
        log = place.run("log", "show", "--library", "demo").out
        assert "[red]an[/red]" in log
        assert "[/c] :house:" in log
        assert place.run("holds", "show", str(place.hold("[/b]"))).code == 0

    def test_without_settings(self, place: Place, tmp_path: Path) -> None:
        """2; parent folders are not searched."""
        place.monkeypatch.chdir(tmp_path)
        assert place.refresh(SETTLED).code == 2


class TestList:
    """``holds list`` and ``holds show``."""

    def test_the_list_as_a_document(self, settled: Place) -> None:
        """The oldest first."""
        document = settled.run("holds", "list", "--json").document
        assert [each["hold"] for each in document] == sorted(each["hold"] for each in document)
        assert {each["member_no"]: (each["reason"], each["proposes"]) for each in document} == {
            ABROAD: ("abroad", False),
            RENUMBERED: ("new_number", True),
            REFERENCE: ("reference_address", True),
        }

    @LANGUAGES
    @pytest.mark.parametrize("width", [80, 240])
    def test_the_list_as_a_table(self, settled: Place, language: str, width: int) -> None:
        """One line per hold, in 80 columns too, in the language of the settings."""
        settled.env(LANGUAGE=language)
        settled.monkeypatch.setenv("TTY_COMPATIBLE", "1")
        settled.monkeypatch.setenv("COLUMNS", str(width))
        said = settled.run("holds", "list", "--library", "demo")
        assert (said.code, said.err) == (0, "")
        assert text("reason", language) in said.out
        for member, reason in ((ABROAD, "abroad"), (RENUMBERED, "new_number"), (REFERENCE, "reference_address")):
            (line,) = [line for line in said.out.splitlines() if member in line]
            assert advice(reason, language).short in line
            assert len(line.rstrip()) <= 80

    def test_one_hold(self, settled: Place) -> None:
        """Its meaning, the advice, and the proposal."""
        number = str(settled.hold(REFERENCE))
        said = settled.run("holds", "show", number)
        assert said.code == 0
        assert has_advice(said, advice("reference_address", "nl"))
        assert text("the register says") in said.out
        document = settled.run("holds", "show", number, "--json").document
        assert document["reason"] == "reference_address"
        assert set(document["difference"][0]) == {"field", "before", "after"}

    def test_a_new_number_is_announced_and_not_shown(self, settled: Place) -> None:
        """No national number is printed."""
        number = str(settled.hold(RENUMBERED))
        announced = text("There is a new national number. It is not shown here.")
        assert announced in settled.run("holds", "show", number).out
        document = settled.run("holds", "show", number, "--json").document
        assert (document["proposes"], document["difference"], document["merge_with"]) == (True, [], None)

    @LANGUAGES
    def test_a_new_number_of_another_member(self, settled: Place, language: str) -> None:
        """Both are one person: the hold names the other member, and there is nothing to accept."""
        number = str(settled.env(LANGUAGE=language).hold(RENUMBERED))
        settled.add_members(f"member_no,insz\nTWIN,{NEW_NUMBER.digits}\n")
        texts = number_advice("TWIN", language)
        assert has_advice(settled.run("holds", "show", number), texts)
        document = settled.run("holds", "show", number, "--json").document
        assert (document["merge_with"], document["proposes"]) == ("TWIN", False)
        by = {each["member_no"]: each["merge_with"] for each in settled.run("holds", "list", "--json").document}
        assert by == {ABROAD: None, RENUMBERED: "TWIN", REFERENCE: None}
        before, size = settled.member(RENUMBERED), settled.log_size()
        said = settled.run("holds", "accept", number, "--actor", "an")
        assert said.code == 4
        assert "TWIN" in said.err
        assert settled.member(RENUMBERED) == before
        assert settled.log_size() == size

    @LANGUAGES
    def test_a_new_number_that_is_missing(self, settled: Place, language: str) -> None:
        """The register announces a new number without a usable one: there is nothing to accept."""
        settled.tamper("UPDATE hold SET new_insz = NULL WHERE number = ? AND closed_at IS NULL", RENUMBERED)
        number = str(settled.env(LANGUAGE=language).hold(RENUMBERED))
        assert has_advice(settled.run("holds", "show", number), number_advice(None, language))
        assert settled.run("holds", "accept", number, "--actor", "an").code == 4

    def test_a_deleted_member_has_no_difference(self, settled: Place) -> None:
        """The hold itself can still be read."""
        settled.tamper("DELETE FROM member WHERE number = ?", REFERENCE)
        number = str(settled.hold(REFERENCE))
        assert settled.run("holds", "show", number, "--json").document["difference"] == []

    def test_an_unknown_library(self, settled: Place) -> None:
        """2, and the message names the known ones."""
        said = settled.run("holds", "list", "--library", "nowhere")
        assert said.code == 2
        assert "only demo" in said.err

    def test_every_field_has_a_name(self) -> None:
        """The fields of a name and an address, and the dates."""
        ours = {"birth_date", "address_since"} | {part.name for of in (Name, Address) for part in fields(of)}
        assert ours <= set(FIELDS)
        assert difference(Held(), Held()) == []


def decide(place: Place, command: str, *holds: str, actor: str = "an.peeters") -> Said:
    """Accept or dismiss the holds of these members."""
    numbers = [str(place.hold(each)) if each.startswith("M") else each for each in holds]
    return place.run("holds", command, *numbers, "--actor", actor)


class TestDecide:
    """``holds accept`` and ``holds dismiss``."""

    @pytest.mark.parametrize(("command", "decision"), [("accept", "accepted"), ("dismiss", "dismissed")])
    def test_a_decision(self, settled: Place, command: str, decision: str) -> None:
        """It is logged with the actor, closes the hold, and changes the member only when it accepts."""
        before = settled.member(REFERENCE)
        said = decide(settled, command, REFERENCE)
        assert (said.code, said.err, said.out.count("\n")) == (0, "", 1)
        assert (settled.member(REFERENCE).held != before.held) is (command == "accept")
        last = settled.log()[-1]
        assert (last["kind"], last["actor"]["id"], last["decision"]) == ("hold.decision", "an.peeters", decision)
        assert settled.holds() == {ABROAD, RENUMBERED}
        if command == "dismiss":  # the hold does not return while the register's data is the same
            settled.register()
            settled.refresh(REFERENCE)
            assert REFERENCE not in settled.holds()

    def test_accepting_a_new_number_asks_under_it(self, settled: Place) -> None:
        """The subscription moves to the new number, each access has the hold as its case, and nobody is due tonight."""
        register, old = settled.register(), settled.member(RENUMBERED).insz
        number = settled.hold(RENUMBERED)
        said = decide(settled, "accept", RENUMBERED)
        assert (said.code, said.err) == (0, "")
        assert text("The register confirms what we have.") in said.out
        new = settled.member(RENUMBERED).insz
        assert old is not None
        assert new == NEW_NUMBER
        assert [one.digits for one in register.asked] == [old.digits, new.digits, new.digits]
        assert self._subscriptions(settled, old, new) == ["ended", "open"]
        asked = [line for line in settled.log() if line.get("ref") in {one.reference for one in register.asked}]
        intents = [line for line in asked if line["kind"] == "access.intent"]
        assert len(intents) * 2 == len(asked) == 6
        for line in intents:
            assert line["actor"] == {"t": "person", "id": "an.peeters"}
            assert (line["why"]["code"], line["why"]["case"]) == ("member-administration", f"hold-{number}")
        assert settled.run("night", "--json").document["asked"] == 0

    def test_without_subscriptions_of_our_own_only_the_question_is_asked(self, settled: Place) -> None:
        """The old number is noted all the same."""
        register, old = settled.env(REGISTRY__SUBSCRIBE="false").register(), settled.member(RENUMBERED).insz
        assert decide(settled, "accept", RENUMBERED).code == 0
        assert old is not None
        assert [one.digits for one in register.asked] == [NEW_NUMBER.digits]
        assert self._subscriptions(settled, old) == ["ending"]

    def test_a_new_number_is_accepted_while_the_register_is_unavailable(self, settled: Place) -> None:
        """3: the next night asks about it."""
        old, register = settled.member(RENUMBERED).insz, settled.register()
        bar_register(settled)
        said = decide(settled, "accept", RENUMBERED)
        assert (said.code, said.out) == (3, text("Accepted.") + "\n")
        assert RENUMBERED in said.err
        assert said.err.count("\n") == 1
        assert old is not None
        assert settled.member(RENUMBERED).insz == NEW_NUMBER
        assert self._subscriptions(settled, old) == ["ending"]
        assert not register.counts
        settled.sql("DELETE FROM traffic")
        document = settled.run("night", "--json").document
        assert (document["asked"], document["same"]) == (1, 1)
        assert NEW_NUMBER.digits in [one.digits for one in register.asked]

    def test_a_reply_about_another_person_after_a_new_number_stops(self, settled: Place) -> None:
        """4; the member has the new number."""
        settled.register("mixup:1")
        said = decide(settled, "accept", RENUMBERED)
        assert said.code == 4
        assert said.out.endswith(text("Accepted.") + "\n")
        assert settled.member(RENUMBERED).insz == NEW_NUMBER

    @staticmethod
    def _subscriptions(place: Place, *numbers: Insz) -> list[str]:
        with place.services() as services:
            found = [services.subscriptions.find("demo", number) for number in numbers]
        return [one.state.value if one else "" for one in found]

    def test_a_hold_without_proposal_cannot_be_accepted(self, settled: Place) -> None:
        """4; nothing changes."""
        size = settled.log_size()
        assert decide(settled, "accept", ABROAD).code == 4
        assert ABROAD in settled.holds()
        assert settled.log_size() == size

    @pytest.mark.parametrize("command", [("show",), ("accept", "--actor", "an"), ("dismiss", "--actor", "an")])
    def test_an_unknown_hold(self, settled: Place, command: tuple[str, ...]) -> None:
        """2, with a message that does not repeat the text, because it may be a national number."""
        for number in ("999", "0", "99999999999999999999", "x", "00010100137", "0061.01 001-37", "٣"):
            said = settled.run("holds", *command, number)
            assert (said.code, said.out) == (2, "")
            assert number == "0" or number not in said.err

    @pytest.mark.parametrize("command", ["accept", "dismiss"])
    def test_several_at_once(self, settled: Place, command: str) -> None:
        """Each is a decision of its own in the log; a hold that is named twice is decided once."""
        settled.register()
        said = decide(settled, command, REFERENCE, RENUMBERED, REFERENCE)
        assert (said.code, said.err) == (0, "")
        assert [line["kind"] for line in settled.log()].count("hold.decision") == 2
        assert settled.holds() == {ABROAD}

    @pytest.mark.parametrize(("wrong", "code"), [("999", 2), (ABROAD, 4)])
    def test_the_first_error_stops(self, settled: Place, wrong: str, code: int) -> None:
        """The message names the decided holds; the later ones stay open."""
        first = settled.hold(REFERENCE)
        said = decide(settled, "accept", REFERENCE, wrong, RENUMBERED)
        assert (said.code, said.out) == (code, "")
        assert f": {first}." in said.err
        assert settled.holds() == {ABROAD, RENUMBERED}

    @pytest.mark.parametrize("command", ["accept", "dismiss"])
    @pytest.mark.parametrize("actor", [None, "", " ", "x" * 5000])
    def test_a_decision_needs_an_actor(self, settled: Place, command: str, actor: str | None) -> None:
        """The log stores the name."""
        number = str(settled.hold(ABROAD))
        said = settled.run("holds", command, number, *([] if actor is None else ["--actor", actor]))
        assert said.code == 2
        assert "--actor" in said.err
        assert ABROAD in settled.holds()
