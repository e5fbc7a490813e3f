"""``rrsync refresh`` and ``rrsync holds``: one member, on demand, and what a person decides."""

from __future__ import annotations

from contextlib import nullcontext
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
from rrsync.text.holds import advice, number_advice
from rrsync.text.log_terms import FIELDS
from tests.cli.conftest import WORLD, Place
from tests.registry.authority import issue

ABROAD, MOVED, RENUMBERED, REFERENCE, SETTLED = "M000007", "M000015", "M000018", "M000040", "M000001"


class TestRefresh:
    """Asks about one member, for a reason."""

    def test_a_change_is_written_and_shown(self, place: Place) -> None:
        """In Dutch, side by side, and the member has the register's address."""
        register = place.register()
        before = place.member(MOVED)
        said = place.refresh(MOVED)
        assert (said.code, said.err) == (0, "")
        assert "Het register zegt iets anders; het is overgenomen." in said.out
        assert "wij hebben" in said.out
        assert "straat" in said.out
        after = place.member(MOVED)
        assert after.held.address.street == WORLD.citizen(14).residence.street
        assert after.held != before.held
        assert len(register.asked) == 1

    def test_a_preview_writes_nothing_but_the_log(self, place: Place) -> None:
        """It shows the same difference, and is an access like any other."""
        place.register()
        before, size = place.member(MOVED), place.log_size()
        said = place.refresh(MOVED, "--preview")
        assert said.code == 0
        assert "Voorbeeld: er is niets overgenomen." in said.out
        assert "overgenomen." not in said.out.replace("er is niets overgenomen.", "")
        assert WORLD.citizen(14).residence.street in said.out
        assert place.member(MOVED) == before
        assert place.log_size() == size + 3  # the settings as they are, the question and its outcome
        with place.rooms() as app:
            assert not list(app.holds.open())

    def test_what_is_confirmed_is_said_so(self, place: Place) -> None:
        """Spelling apart, nothing changed."""
        place.register()
        said = place.refresh(SETTLED)
        assert said.code == 0
        assert "Het register bevestigt wat we hebben." in said.out
        english = _english(place).refresh(SETTLED, "--preview")
        assert "The register confirms what we have." in english.out
        assert "Preview: nothing was accepted." in english.out

    def test_a_hold_says_what_it_means_and_what_to_do(self, place: Place) -> None:
        """The member stays as it was, and stands in the list; after a preview it does not."""
        place.register()
        before = place.member(ABROAD)
        preview = place.refresh(ABROAD, "--preview")
        assert "holds list" not in preview.out
        assert "Er is niets te bekijken." in place.run("holds", "list").out
        said = place.refresh(ABROAD)
        assert said.code == 0
        assert f"Dit moet iemand bekijken (abroad): {advice('abroad', 'nl').means}" in said.out
        assert f"Wat te doen: {' '.join(advice('abroad', 'nl').steps)}" in said.out
        assert "rrsync holds list" in said.out
        assert place.member(ABROAD).held == before.held
        assert ABROAD in place.run("holds", "list").out

    def test_what_accepting_would_write_is_shown(self, place: Place) -> None:
        """Where the register's content may be believed once a person has looked."""
        place.register()
        document = place.refresh(REFERENCE, "--json").document
        assert (document["verdict"], document["hold_reason"]) == ("hold", "reference_address")
        assert {"field", "before", "after"} == set(document["difference"][0])

    def test_as_one_document(self, place: Place) -> None:
        """The difference by field, what was withheld by count, and the reference to find it back in the log."""
        register = place.register()
        said = place.refresh(MOVED, "--json")
        assert (said.code, said.err) == (0, "")
        document = said.document
        assert list(document) == [
            "library",
            "member_no",
            "verdict",
            "hold_reason",
            "applied",
            "reference",
            "difference",
            "withheld",
        ]
        assert (document["verdict"], document["applied"]) == ("change", True)
        assert document["reference"] == register.asked[0].reference
        assert {row["field"] for row in document["difference"]} <= set(FIELDS)
        assert document["withheld"]["Geslacht"] == 1
        assert place.refresh(ABROAD, "--preview", "--json").document["applied"] is False

    def test_an_answer_without_content_has_nothing_withheld(self, place: Place) -> None:
        """A number that was replaced comes with no person."""
        place.register()
        document = place.refresh(RENUMBERED, "--json").document
        assert (document["hold_reason"], document["difference"], document["withheld"]) == ("new_number", [], {})

    def test_english_by_setting(self, place: Place) -> None:
        """Staff read the language of the settings."""
        place.register()
        said = _english(place).refresh(MOVED)
        assert "The register says something else; it was accepted." in said.out
        assert "street" in said.out

    def test_an_answer_about_somebody_else_stops(self, place: Place) -> None:
        """4, the answer is dropped, and the member is on hold."""
        place.register("mixup:1")
        before = place.member(SETTLED)
        said = place.refresh(SETTLED)
        assert said.code == 4
        assert advice("mismatch", "nl").means in said.out
        assert place.member(SETTLED).held == before.held

    @pytest.mark.parametrize("preview", [False, True])
    def test_of_an_answer_about_somebody_else_the_officer_is_told(self, place: Place, preview: bool) -> None:
        """Once the log has it, and of nothing else."""
        place.register("mixup:1")
        told: list[tuple[str, str, int]] = []
        an = Actor(ActorKind.PERSON, "an")
        with place.rooms() as app:

            def alarm(word: str, library: str) -> None:
                told.append((word, library, len(app.access_log.pending())))

            desk = replace(app.desk(), alarm=alarm)
            desk.refresh("demo", SETTLED, actor=an, purpose="desk", case="1", preview=preview)
            assert told == [("mix_up", "demo", 0)]
            place.registers[-1].faults = ()
            desk.refresh("demo", SETTLED, actor=an, purpose="desk", case="1", preview=preview)
        assert len(told) == 1

    @pytest.mark.parametrize("preview", [False, True])
    @pytest.mark.parametrize("signer", ["nobody", "a stranger"])
    def test_so_the_officer_is_of_a_signature_that_is_not_right(self, place: Place, signer: str, preview: bool) -> None:
        """Once the log has it: a reply that nobody signed is a hold, one that a stranger signed stops everything."""
        told: list[tuple[str, str, int]] = []
        trust = place.folder / "trust.pem"
        trust.write_bytes(issue("magda", now=datetime.now(UTC)).pem)
        place.env(REGISTRY__VERIFY="required", REGISTRY__TRUST=str(trust))
        place.register()
        stranger = Signer(issue("stranger", now=datetime.now(UTC)).identity, new_id=lambda: "1")
        with place.rooms() as app:

            def alarm(word: str, library: str) -> None:
                told.append((word, library, len(app.access_log.pending())))

            desk = replace(app.desk(), alarm=alarm)
            if signer == "a stranger":
                verified = desk.gate._client.verified
                desk.gate._client.verified = lambda reply: verified(stranger.sign(reply))  # type: ignore[method-assign]
            with pytest.raises(RegistryRefused) if signer == "a stranger" else nullcontext():
                desk.refresh(
                    "demo", SETTLED, actor=Actor(ActorKind.PERSON, "an"), purpose="desk", case="1", preview=preview
                )
        assert told == [("signature", "demo", 0)]

    def test_a_register_that_refuses_us_is_one_sentence(self, place: Place) -> None:
        """4, with what to do."""
        place.register("refused:1")
        said = place.refresh(SETTLED, "--json")
        assert (said.code, said.out) == (4, "")
        assert said.err.startswith("rrsync: ")
        assert said.err.count("\n") == 1

    def test_a_register_that_is_away_is_one_sentence(self, place: Place) -> None:
        """3, after the tries a person at a desk waits for."""
        place.env(REGISTRY__ENDPOINT="http://127.0.0.1:9/")
        said = place.refresh(SETTLED)
        assert (said.code, said.out) == (3, "")
        assert "The register cannot be reached. No member was changed." in said.err

    def test_a_register_that_is_left_alone_is_not_asked(self, place: Place) -> None:
        """3: after so many failures nobody asks for a while, at the desk neither, and that is said at once."""
        register = place.register()
        with place.rooms() as app:
            pace = app.pace(desk=True)
            for _ in range(IN_A_ROW):
                assert pace.take()
                pace.give(CallResult.AWAY)
        before = place.member(MOVED)
        said = place.refresh(MOVED)
        assert (said.code, said.out) == (3, "")
        assert said.err.startswith("rrsync: The register ")
        assert said.err.count("\n") == 1
        assert not register.counts
        assert place.member(MOVED) == before
        *_, line = place.run("log", "show", "--library", "demo", "--raw", "--json").document
        assert (line["kind"], line["out"]["status"]) == ("access.outcome", "not_sent")

    def test_a_purpose_that_is_not_authorised_is_denied_and_logged(self, place: Place) -> None:
        """Nothing is sent."""
        register = place.register()
        said = place.refresh(SETTLED, purpose="curiosity")
        assert (said.code, said.out) == (4, "")
        assert "the denial is in the access log" in said.err
        assert not register.counts
        *_, line = place.run("log", "show", "--library", "demo", "--raw", "--json").document
        assert (line["kind"], line["why"]["code"], line["actor"]["id"]) == ("access.denied", "curiosity", "an.peeters")

    @pytest.mark.parametrize("number", ["M999999", "'; DROP TABLE member; --", ""])
    def test_an_unknown_member_is_not_asked_about(self, place: Place, number: str) -> None:
        """2, and what was typed is not repeated."""
        register = place.register()
        said = place.refresh(number)
        assert (said.code, said.out) == (2, "")
        assert "no member of this number" in said.err
        assert not register.counts

    def test_a_member_without_national_number_cannot_be_asked_about(self, place: Place) -> None:
        """2, and what to do."""
        register = place.register()
        (place.folder / "more.csv").write_text("member_no,last_name\nX1,Peeters\n", encoding="utf-8")
        assert place.run("members", "import", "more.csv", "--library", "demo").code == 0
        said = place.refresh("X1")
        assert said.code == 2
        assert "Import the member with its number first" in said.err
        assert not register.counts
        assert place.run("log", "show", "--library", "demo", "--member", "X1").code == 2

    @pytest.mark.parametrize("missing", ["--library", "--purpose", "--case", "--actor"])
    def test_who_why_and_for_which_case_are_required(self, place: Place, missing: str) -> None:
        """An error of usage, before anything else."""
        words = {"--library": "demo", "--purpose": "desk", "--case": "1", "--actor": "an"}
        del words[missing]
        said = place.run("refresh", SETTLED, *(word for pair in words.items() for word in pair))
        assert said.code == 2
        assert missing in said.err

    @pytest.mark.parametrize("option", ["--purpose", "--case", "--actor"])
    @pytest.mark.parametrize("text", ["", "  ", "x" * 41, "a\nb"])
    def test_words_for_the_log_are_short_and_printable(self, place: Place, option: str, text: str) -> None:
        """They stand in it for good."""
        register = place.register()
        words = {"--library": "demo", "--purpose": "desk", "--case": "1", "--actor": "an"} | {option: text}
        said = place.run("refresh", SETTLED, *(word for pair in words.items() for word in pair))
        assert said.code == 2
        assert f"{option} must be 1 to 40 printable characters" in said.err
        assert not register.counts

    @pytest.mark.parametrize("option", ["--purpose", "--case", "--actor"])
    @pytest.mark.parametrize("form", ["{0}", "brief {1}.{2}.{3}-{4}", "x{0}y"])
    def test_a_national_number_is_no_word_for_the_log(self, place: Place, option: str, form: str) -> None:
        """It would stand there in clear for good."""
        register = place.register()
        digits = WORLD.citizen(0).insz.digits
        text = form.format(digits, digits[:2], digits[2:4], digits[4:6], digits[6:])
        words = {"--library": "demo", "--purpose": "desk", "--case": "1", "--actor": "an"} | {option: text}
        said = place.run("refresh", SETTLED, *(word for pair in words.items() for word in pair))
        assert (said.code, said.out) == (2, "")
        assert f"{option} holds a national number" in said.err
        assert not register.counts
        assert place.log_size() == 0

    def test_brackets_and_colons_are_shown_as_they_are(self, place: Place) -> None:
        """No word of a person or a street is taken for markup."""
        place.register()
        (place.folder / "more.csv").write_text(
            f"member_no,insz,street\n[/b],{WORLD.citizen(2).new_insz.digits},[/red] :house: straat\n",
            encoding="utf-8",
        )
        assert place.run("members", "import", "more.csv", "--library", "demo").code == 0
        case = ("--library", "demo", "--purpose", "desk", "--case", "[/c] :house:", "--actor", "[red]an[/red]")
        assert place.run("refresh", "[/b]", *case).code == 0
        assert "[/b]" in place.run("holds", "list").out
        log = place.run("log", "show", "--library", "demo").out
        assert "[red]an[/red]" in log
        assert "[/c] :house:" in log
        assert place.run("holds", "show", str(place.hold("[/b]"))).code == 0


class TestHolds:
    """What a person must look at."""

    def test_the_list(self, settled: Place) -> None:
        """In the language of the settings, the oldest first, and as a document."""
        said = settled.run("holds", "list")
        assert (said.code, said.err) == (0, "")
        for head in ("nr.", "bibliotheek", "lid", "sinds", "reden", "wat het betekent"):
            assert head in said.out
        assert advice("abroad", "nl").short in said.out
        assert advice("abroad", "en").short in _english(settled).run("holds", "list", "--library", "demo").out
        document = settled.run("holds", "list", "--json").document
        assert [each["member_no"] for each in sorted(document, key=lambda each: int(each["hold"]))] == [
            each["member_no"] for each in document
        ]
        by = {each["member_no"]: (each["reason"], each["proposes"]) for each in document}
        assert by == {
            ABROAD: ("abroad", False),
            RENUMBERED: ("new_number", True),
            REFERENCE: ("reference_address", True),
        }

    def test_one_of_them(self, settled: Place) -> None:
        """Why, what to do, and what accepting would write."""
        said = settled.run("holds", "show", str(settled.hold(REFERENCE)))
        assert said.code == 0
        told = advice("reference_address", "nl")
        assert f"demo {REFERENCE} (reference_address): {told.means}" in said.out
        assert f"Wat te doen: {told.steps[0]}" in said.out
        assert "het register zegt" in said.out
        document = settled.run("holds", "show", str(settled.hold(REFERENCE)), "--json").document
        assert document["reason"] == "reference_address"
        assert document["difference"]

    def test_a_new_number_is_announced_and_not_shown(self, settled: Place) -> None:
        """Nowhere does a number stand in clear."""
        said = settled.run("holds", "show", str(settled.hold(RENUMBERED)))
        assert "Er is een nieuw rijksregisternummer. Het wordt hier niet getoond." in said.out
        document = settled.run("holds", "show", str(settled.hold(RENUMBERED)), "--json").document
        assert (document["proposes"], document["difference"]) == (True, [])

    def test_accepting_takes_over_what_the_register_says(self, settled: Place) -> None:
        """The decision and who took it are in the log, and the hold is gone."""
        before = settled.member(REFERENCE)
        said = settled.run("holds", "accept", str(settled.hold(REFERENCE)), "--actor", "an.peeters")
        assert (said.code, said.out) == (0, "Overgenomen.\n")
        assert settled.member(REFERENCE).held != before.held
        (last,) = settled.run("log", "show", "--library", "demo", "--last", "1", "--raw", "--json").document
        assert (last["kind"], last["actor"]["id"], last["decision"]) == ("hold.decision", "an.peeters", "accepted")
        assert REFERENCE not in settled.run("holds", "list").out

    def test_accepting_a_new_number_asks_under_it(self, settled: Place) -> None:
        """The old number's subscription is ended, the new one's made, and the member is not due tonight."""
        register, old = settled.register(), settled.member(RENUMBERED).insz
        said = settled.run("holds", "accept", str(settled.hold(RENUMBERED)), "--actor", "an.peeters")
        assert (said.code, said.err) == (0, "")
        assert said.out.startswith(f"Het register is gevraagd naar het nieuwe nummer van {RENUMBERED}.\n")
        assert "Het register bevestigt wat we hebben.\n" in said.out
        assert said.out.endswith("Overgenomen.\n")
        new = settled.member(RENUMBERED).insz
        assert old is not None
        assert new == WORLD.citizen(17).new_insz
        assert [one.digits for one in register.asked] == [old.digits, new.digits, new.digits]
        assert self._subscriptions(settled, old, new) == ["ended", "open"]
        assert settled.run("night", "--json").document["asked"] == 0

    def test_who_accepted_a_new_number_stands_with_every_access(self, settled: Place) -> None:
        """With the hold as the case."""
        register, number = settled.register(), settled.hold(RENUMBERED)
        settled.run("holds", "accept", str(number), "--actor", "an.peeters")
        lines = settled.run("log", "show", "--library", "demo", "--raw", "--json").document
        asked = [line for line in lines if line.get("ref") in {one.reference for one in register.asked}]
        intents = [line for line in asked if line["kind"] == "access.intent"]
        assert len(intents) * 2 == len(asked) == 6
        for line in intents:
            assert line["actor"] == {"t": "person", "id": "an.peeters"}
            assert (line["why"]["code"], line["why"]["case"]) == ("member-administration", f"hold-{number}")

    def test_where_subscriptions_are_anothers_only_the_question_is_asked(self, settled: Place) -> None:
        """And the old number is noted all the same."""
        settled.env(REGISTRY__SUBSCRIBE="false")
        register, old = settled.register(), settled.member(RENUMBERED).insz
        assert settled.run("holds", "accept", str(settled.hold(RENUMBERED)), "--actor", "an").code == 0
        assert old is not None
        assert [one.digits for one in register.asked] == [WORLD.citizen(17).new_insz.digits]
        assert self._subscriptions(settled, old) == ["ending"]

    def test_a_new_number_is_taken_over_while_the_register_is_away(self, settled: Place) -> None:
        """3: what the register has to do is put off, and the next night does it."""
        settled.env(REGISTRY__ENDPOINT="http://127.0.0.1:9/")
        old = settled.member(RENUMBERED).insz
        said = settled.run("holds", "accept", str(settled.hold(RENUMBERED)), "--actor", "an")
        assert (said.code, said.out) == (3, "Overgenomen.\n")
        assert said.err.startswith(f"rrsync: Het nieuwe nummer van {RENUMBERED} is overgenomen; ")
        assert "is uitgesteld. The register cannot be reached." in said.err
        assert said.err.count("\n") == 1
        assert "No member was changed" not in said.err
        new = settled.member(RENUMBERED).insz
        assert old is not None
        assert new == WORLD.citizen(17).new_insz
        assert self._subscriptions(settled, old) == ["ending"]
        register = settled.register()
        document = settled.run("night", "--json").document
        assert (document["asked"], document["same"]) == (1, 1)
        assert new.digits in [one.digits for one in register.asked]

    def test_an_answer_about_somebody_else_after_a_new_number_stops(self, settled: Place) -> None:
        """4; the member has its number, and what was not done is said."""
        settled.register("mixup:1")
        said = settled.run("holds", "accept", str(settled.hold(RENUMBERED)), "--actor", "an")
        assert said.code == 4
        assert said.out.endswith("Overgenomen.\n")
        assert settled.member(RENUMBERED).insz == WORLD.citizen(17).new_insz

    @staticmethod
    def _subscriptions(place: Place, *numbers: Insz) -> list[str]:
        with place.rooms() as app:
            found = [app.subscriptions.find("demo", number) for number in numbers]
        return [one.state.value if one else "" for one in found]

    def test_a_new_number_that_another_member_has_is_refused(self, settled: Place) -> None:
        """They are one person: somebody must join them, and nothing is changed."""
        (settled.folder / "more.csv").write_text(
            f"member_no,insz\nTWIN,{WORLD.citizen(17).new_insz.digits}\n", encoding="utf-8"
        )
        assert settled.run("members", "import", "more.csv", "--library", "demo").code == 0
        before, size = settled.member(RENUMBERED), settled.log_size()
        said = settled.run("holds", "accept", str(settled.hold(RENUMBERED)), "--actor", "an")
        assert said.code == 4
        assert "The new number is that of member TWIN already" in said.err
        assert settled.member(RENUMBERED) == before
        assert settled.log_size() == size

    def test_a_hold_says_with_whom_to_merge(self, settled: Place) -> None:
        """In the list, alone and as a document, in both languages; there is nothing to accept."""
        number = str(settled.hold(RENUMBERED))
        assert settled.run("holds", "show", number, "--json").document["merge_with"] is None
        (settled.folder / "more.csv").write_text(
            f"member_no,insz\nTWIN,{WORLD.citizen(17).new_insz.digits}\n", encoding="utf-8"
        )
        assert settled.run("members", "import", "more.csv", "--library", "demo").code == 0
        said = settled.run("holds", "show", number)
        told = number_advice("TWIN", "nl")
        assert f"(new_number): {told.means}" in said.out
        assert told.steps[0] in said.out
        document = settled.run("holds", "show", number, "--json").document
        assert (document["merge_with"], document["proposes"]) == ("TWIN", False)
        by = {each["member_no"]: each["merge_with"] for each in settled.run("holds", "list", "--json").document}
        assert by == {ABROAD: None, RENUMBERED: "TWIN", REFERENCE: None}
        assert number_advice("TWIN", "en").means in _english(settled).run("holds", "show", number).out

    def test_a_new_number_that_is_none_says_so(self, settled: Place) -> None:
        """The register speaks of a new number and gives none that can be used: there is nothing to accept."""
        settled.tamper("UPDATE hold SET new_insz = NULL WHERE number = ? AND closed_at IS NULL", RENUMBERED)
        number = str(settled.hold(RENUMBERED))
        assert "maar geeft er geen, of een dat dit lid al heeft of had" in settled.run("holds", "show", number).out
        assert "gives none, or one that this member has" in _english(settled).run("holds", "show", number).out
        assert settled.run("holds", "accept", number, "--actor", "an").code == 4

    def test_where_there_is_nothing_to_take_over(self, settled: Place) -> None:
        """Accepting says so and changes nothing."""
        number, size = settled.hold(ABROAD), settled.log_size()
        said = settled.run("holds", "accept", str(number), "--actor", "an")
        assert said.code == 4
        assert "A hold for abroad has nothing to take over" in said.err
        assert settled.hold(ABROAD) == number
        assert settled.log_size() == size

    def test_dismissing_keeps_what_we_hold(self, settled: Place) -> None:
        """It is logged, and the hold stays away while the register repeats itself."""
        before = settled.member(REFERENCE)
        said = settled.run("holds", "dismiss", str(settled.hold(REFERENCE)), "--actor", "an.peeters")
        assert (said.code, said.out) == (0, "Afgewezen: wat we hebben blijft staan.\n")
        assert settled.member(REFERENCE).held == before.held
        (last,) = settled.run("log", "show", "--library", "demo", "--last", "1", "--raw", "--json").document
        assert (last["kind"], last["decision"]) == ("hold.decision", "dismissed")
        settled.register()
        settled.refresh(REFERENCE)
        assert REFERENCE not in settled.run("holds", "list").out

    @pytest.mark.parametrize("command", [("show",), ("accept", "--actor", "an"), ("dismiss", "--actor", "an")])
    @pytest.mark.parametrize("number", ["999", "0", "99999999999999999999", "x", "00010100137", "0061.01 001-37", "٣"])
    def test_an_unknown_hold(self, settled: Place, command: tuple[str, ...], number: str) -> None:
        """2, whatever was typed for a number; it is not repeated, as it may be a national number."""
        said = settled.run("holds", *command, number)
        assert (said.code, said.out) == (2, "")
        assert (
            said.err == "rrsync: There is no open hold of that number. Nothing was changed. See `rrsync holds list`.\n"
        )

    @pytest.mark.parametrize(("command", "said"), [("accept", "Overgenomen"), ("dismiss", "Afgewezen")])
    def test_several_at_once(self, settled: Place, command: str, said: str) -> None:
        """Each is a decision of its own, in the log; one that is named twice is decided once."""
        settled.register()
        numbers = [str(settled.hold(each)) for each in (REFERENCE, RENUMBERED)]
        done = settled.run("holds", command, *numbers, numbers[0], "--actor", "an")
        assert (done.code, done.err) == (0, "")
        assert done.out.splitlines()[-1].startswith(said)
        lines = settled.run("log", "show", "--library", "demo", "--raw", "--json").document
        assert [line["kind"] for line in lines].count("hold.decision") == 2
        assert [each["member_no"] for each in settled.run("holds", "list", "--json").document] == [ABROAD]

    @pytest.mark.parametrize("wrong", ["999", ABROAD])
    def test_the_first_that_cannot_be_decided_stops(self, settled: Place, wrong: str) -> None:
        """With which were decided; those after it stay open."""
        first, third = (str(settled.hold(each)) for each in (REFERENCE, RENUMBERED))
        second = wrong if wrong == "999" else str(settled.hold(wrong))
        done = settled.run("holds", "accept", first, second, third, "--actor", "an")
        assert (done.code, done.out) == (2 if wrong == "999" else 4, "")
        assert f"Decided before it, and kept: {first}." in done.err
        left = [each["member_no"] for each in settled.run("holds", "list", "--json").document]
        assert sorted(left) == sorted([ABROAD, RENUMBERED])

    @pytest.mark.parametrize("command", ["accept", "dismiss"])
    @pytest.mark.parametrize("actor", [None, "", " ", "x" * 5000])
    def test_a_decision_has_a_name(self, settled: Place, command: str, actor: str | None) -> None:
        """Who decides stands in the log, so it must be a name."""
        number = settled.hold(ABROAD)
        said = settled.run("holds", command, str(number), *([] if actor is None else ["--actor", actor]))
        assert said.code == 2
        assert "--actor" in said.err
        assert settled.hold(ABROAD) == number

    def test_a_member_that_is_gone_has_no_difference_to_show(self, settled: Place) -> None:
        """The hold itself can still be read."""
        number = settled.hold(REFERENCE)
        settled.tamper("DELETE FROM member WHERE number = ?", REFERENCE)
        assert settled.run("holds", "show", str(number), "--json").document["difference"] == []

    def test_a_library_that_is_not_there(self, settled: Place) -> None:
        """Is named, with those that are."""
        said = settled.run("holds", "list", "--library", "nowhere")
        assert said.code == 2
        assert "only demo" in said.err


def test_every_field_has_a_name() -> None:
    """Of a name, of an address, and the dates."""
    ours = {"birth_date", "address_since"} | {part.name for of in (Name, Address) for part in fields(of)}
    assert ours <= set(FIELDS)
    assert difference(Held(), Held()) == []


def _english(place: Place) -> Place:
    place.env(LANGUAGE="en")
    return place


def test_the_folder_is_not_searched(place: Place, tmp_path: Path) -> None:
    """Without settings nothing is asked, and the sentence says how to name them."""
    place.monkeypatch.chdir(tmp_path)
    said = place.refresh(SETTLED)
    assert said.code == 2
    assert "Name the right one with --config, or run `rrsync init`" in said.err
