"""The log searched, one look, its proof, its messages: each noted, for who may see it alone."""

from __future__ import annotations

import hashlib
import subprocess
import sys
from pathlib import Path
from typing import Any

import httpx2 as httpx
import pytest

from rrsync.audit import verifier
from rrsync.core.insz import holds_insz
from rrsync.core.merkle import Proof, leaf_hash
from rrsync.core.review_sample import Finding
from rrsync.core.roles import Role
from rrsync.errors import NotAuthorised
from rrsync.text.log_terms import STATUSES
from tests.support import insz
from tests.web.watched import JAN, Open, Watch, read, words
from tests.web.watched import kept_town as kept_town  # noqa: PLC0414 — a fixture
from tests.web.watched import watch as watch  # noqa: PLC0414 — a fixture
from tests.web.watched import watching as watching  # noqa: PLC0414 — a fixture

NUMBER = insz(1).digits
ALL = '\n[log]\nevidence = "all"\n'


def found(response: httpx.Response) -> list[int]:
    """Give the entries a page lists, in its order."""
    return [int(a.rpartition("/")[2]) for a in read(response).xpath("//table//th/a/@href")]


class TestSearch:
    """By POST, narrowed by what is said."""

    def test_before_anything_was_searched(self, watch: Watch) -> None:
        """A form, and no look."""
        sizes = watch.sizes()
        page = read(watch.officer().get("/log"))
        assert [option.get("value") for option in page.xpath("//select[@name='purpose']/option")] == [
            "",
            "desk",
            "member-administration",
            "unknown",
        ]
        assert not page.xpath("//select[@name='library'] | //table")
        assert read(watch.officer(None).get("/log")).xpath("//select[@name='library']/option/@value") == [
            "hasselt",
            "genk",
        ]
        assert watch.sizes() == sizes

    def test_the_newest_and_then_older_ones(self, watch: Watch) -> None:
        """Fifty at a time, the newest first, to the end; each page is a look that says what was asked for."""
        seqs = [look.seq for look in reversed(watch.accesses())]
        browser = watch.officer()
        first = browser.post("/log", {"library": "hasselt"})
        assert found(first) == seqs[:50]
        assert "50 raadplegingen Dit zijn de 50 nieuwste." in words(first)
        assert watch.last()["view"] == {"what": "show", "filter": {"last": 50}, "count": 50}
        assert f"Deze opzoeking is zelf regel {watch.sizes()['hasselt'] - 1} van het logboek." in words(first)
        (before,) = read(first).xpath("//button[@name='before']/@value")
        assert before == str(seqs[49])
        older = browser.post("/log", {"library": "hasselt", "before": before})
        assert found(older) == seqs[50:]
        assert not read(older).xpath("//button[@name='before']")
        assert watch.last()["view"]["filter"] == {"last": 50, "before": seqs[49]}
        assert watch.last()["actor"] == {"t": "person", "id": "els.smets"}

    def test_the_form_keeps_what_was_asked_for(self, watch: Watch) -> None:
        """And so does the button for older ones."""
        said = {"library": "hasselt", "purpose": "member-administration", "since": "2026-06-11", "until": "2026-06-30"}
        browser = watch.officer()
        page = read(browser.post("/log", said))
        assert page.xpath("//select[@name='purpose']/option[@selected]/@value") == ["member-administration"]
        for day in ("since", "until"):
            assert page.xpath(f"//input[@id='{day}']/@value") == [said[day]]

    @pytest.mark.parametrize(
        ("said", "wanted"),
        [
            ({"staff": "an.peeters"}, {"actor": "an.peeters"}),
            ({"staff": " jan.baert "}, {"actor": "jan.baert"}),
            ({"purpose": "desk"}, {"purpose": "desk"}),
            ({"outcome": "ok", "staff": "an.peeters"}, {"status": "ok", "actor": "an.peeters"}),
            ({"outcome": "not_found"}, {"status": "not_found"}),
            ({"flagged": "yes"}, {"flagged": True}),
        ],
    )
    def test_what_it_is_narrowed_by(self, watch: Watch, said: dict[str, str], wanted: dict[str, Any]) -> None:
        """It finds what the command finds, and the log says by what."""
        watch.look(watch.number())
        expected = [look.seq for look in reversed(watch.accesses(**wanted))]
        answer = watch.officer().post("/log", {"library": "hasselt"} | said)
        assert found(answer) == expected
        noted = {"last": 50} | {name: text.strip() for name, text in said.items()}
        assert watch.last()["view"]["filter"] == noted | ({"flagged": True} if "flagged" in said else {})

    def test_only_what_stands_out(self, watch: Watch) -> None:
        """Of persons alone, each with its flags in words."""
        answer = watch.officer().post("/log", {"library": "hasselt", "flagged": "yes"})
        looks = {look.seq: look for look in watch.accesses()}
        assert found(answer)
        assert all(looks[seq].flags for seq in found(answer))
        assert len(found(answer)) == sum(bool(look.flags) for look in looks.values())
        assert "geen aanleiding" in words(answer)

    def test_days_are_belgian_and_the_last_is_meant_too(self, watch: Watch) -> None:
        """23:45 in Belgium is 21:45 in UTC."""
        browser = watch.officer()
        one = found(browser.post("/log", {"staff": "an.peeters", "since": "2026-06-11", "until": "2026-06-11"}))
        two = found(browser.post("/log", {"staff": "an.peeters", "since": "2026-06-12"}))
        assert (len(one), len(two)) == (14, 10)
        assert max(one) < min(two)

    def test_nothing_found(self, watch: Watch) -> None:
        """Is said, and noted as a look."""
        answer = watch.officer().post("/log", {"staff": "nobody.here"})
        assert "Niets gevonden" in words(answer)
        assert watch.last()["view"]["count"] == 0

    @pytest.mark.parametrize(
        ("said", "why"),
        [
            ({"since": "2026-13-01"}, "Kies een dag."),
            ({"since": "2026-06-12", "until": "2026-06-11"}, "Kies een dag die niet voor de eerste ligt."),
            ({"staff": "x" * 81}, "Vul de naam van een account in, geen nummer."),
            ({"staff": f"an {NUMBER[:6]} {NUMBER[6:]}"}, "Vul de naam van een account in, geen nummer."),
            ({"purpose": "curiosity"}, "Kies een doel uit de lijst."),
            ({"outcome": "lovely"}, "Kies een uitkomst uit de lijst."),
        ],
    )
    def test_what_cannot_be_searched_for(self, watch: Watch, said: dict[str, str], why: str) -> None:
        """Is said beside its field; nothing was looked at, and no number is given back."""
        sizes = watch.sizes()
        answer = watch.officer().post("/log", {"library": "hasselt"} | said)
        assert answer.status_code == 422
        assert why in words(answer)
        assert not holds_insz(answer.text)
        assert watch.sizes() == sizes

    def test_a_place_that_is_none(self, watch: Watch) -> None:
        """No form of ours sends it."""
        assert watch.officer().post("/log", {"library": "hasselt", "before": "x"}).status_code == 400

    def test_an_officer_of_all_says_which(self, watch: Watch) -> None:
        """One log is searched at a time."""
        browser = watch.officer(None)
        assert "Kies een bibliotheek." in words(browser.post("/log", {}))
        assert found(browser.post("/log", {"library": "genk"}))
        assert watch.last("genk")["view"]["what"] == "show"

    @pytest.mark.parametrize("library", ["genk", "nowhere"])
    def test_another_library_is_unknown(self, watch: Watch, library: str) -> None:
        """As one that is not there."""
        sizes = watch.sizes()
        assert watch.officer().post("/log", {"library": library}).status_code == 404
        assert watch.sizes() == sizes

    def test_every_outcome_can_be_chosen(self, watch: Watch) -> None:
        """And none of them is an error."""
        browser = watch.officer()
        for outcome in STATUSES:
            assert browser.post("/log", {"outcome": outcome}).status_code == 200


class TestEntry:
    """One look, with everything its entries say."""

    def test_what_the_entries_say(self, watch: Watch) -> None:
        """Who, what, whose, when, how, why, and how it ended; and the entries themselves."""
        watch.look(watch.number(), case="brief-118")
        look = watch.accesses(actor="jan.baert")[-1]
        browser = watch.officer()
        answer = browser.get(f"/log/entries/hasselt/{look.seq}")
        said = words(answer)
        for part in ("jan.baert", "dossier brief-118", "RR 28/2009", "in de hoedanigheid 1300", look.reference):
            assert part in said
        assert look.request in said
        assert look.reply in said
        for seq in (look.seq, look.outcome_seq):
            ((_, data),) = watch.app.access_log.entries("hasselt", since=seq or 0, most=1)
            assert data.decode() in read(answer).text_content()
        assert watch.app.notary.key("hasselt").text in said
        assert watch.last()["view"] == {"what": "show", "filter": {"entry": look.seq}, "count": 1}
        assert words(browser.get(f"/log/entries/hasselt/{look.outcome_seq}")) == said

    def test_nobody_is_named(self, watch: Watch) -> None:
        """But by a pseudonym: no number, no name, no street."""
        citizen = watch.town.world.citizen(int(watch.number()[1:]) - 1)
        watch.look(watch.number())
        answer = watch.officer().get(f"/log/entries/hasselt/{watch.accesses(actor='jan.baert')[-1].seq}")
        for word in (citizen.insz.digits, citizen.name.last, citizen.known.street):
            assert word not in answer.text

    def test_a_denial(self, watch: Watch) -> None:
        """It was never asked: no outcome, no data, and why."""
        with pytest.raises(NotAuthorised):
            watch.look(watch.number(), purpose="curiosity")
        look = watch.accesses(status="denied")[-1]
        said = words(watch.officer().get(f"/log/entries/hasselt/{look.seq}"))
        assert "niet toegelaten, niet gevraagd" in said
        assert f"niet toegelaten: {look.denial}" in said
        assert "Geweigerd. De vraag was niet toegelaten" in said

    def test_what_reviewers_decided(self, watch: Watch) -> None:
        """All decisions, in their order."""
        samples = watch.app.samples
        pick = samples.of("hasselt", samples.last()).picks[0]
        for finding, name in ((Finding.UNCLEAR, "els.smets"), (Finding.JUSTIFIED, "dpo.all")):
            actor = type(JAN)(JAN.kind, name)
            samples.decide("hasselt", samples.last(), {pick.access.seq: finding}, actor)
        said = words(watch.officer().get(f"/log/entries/hasselt/{pick.access.seq}"))
        assert "onduidelijk, door els.smets" in said
        assert said.index("onduidelijk, door els.smets") < said.index("verantwoord, door dpo.all")

    @pytest.mark.parametrize("entry", ["0", "1000000", "x", "-1", "9" * 16])
    def test_what_is_no_look_is_not_there(self, watch: Watch, entry: str) -> None:
        """And is no look either."""
        sizes = watch.sizes()
        assert watch.officer().get(f"/log/entries/hasselt/{entry}").status_code == 404
        assert watch.sizes() == sizes

    def test_another_library_s_is_unknown(self, watch: Watch) -> None:
        """For its page, its proof and its messages; an officer of all sees them."""
        sizes, browser = watch.sizes(), watch.officer()
        assert browser.get("/log/entries/genk/3").status_code == 404
        assert browser.post("/log/entries/genk/3/proof").status_code == 404
        assert browser.post("/log/entries/genk/3/evidence", {"reason": "klacht"}).status_code == 404
        assert watch.sizes() == sizes
        assert watch.officer(None).get("/log/entries/genk/3").status_code == 200

    @pytest.mark.parametrize("role", [Role.DESK, Role.OPERATOR, Role.ADMIN])
    def test_nobody_else_sees_it(self, watch: Watch, role: Role) -> None:
        """Nor searches."""
        browser, sizes = watch.officer(role=role), watch.sizes()
        assert browser.get("/log/entries/hasselt/3").status_code == 403
        assert browser.post("/log", {"library": "hasselt"}).status_code == 403
        assert watch.sizes() == sizes


class TestProof:
    """The proof that an entry is in the log, for anybody."""

    def test_it_proves(self, watch: Watch, tmp_path: Path) -> None:
        """With the verifier that auditors get, and the key that stands on the page; asking for it is an entry."""
        browser = watch.officer()
        answer = browser.post("/log/entries/hasselt/7/proof")
        assert answer.status_code == 200
        assert answer.headers["content-disposition"] == 'attachment; filename="hasselt-7.tlog-proof"'
        assert answer.headers["cache-control"] == "no-store"
        assert watch.last()["view"] == {"what": "prove", "filter": {"entry": 7}, "count": 1}
        file, key = tmp_path / "7.tlog-proof", watch.app.notary.key("hasselt")
        file.write_bytes(answer.content)
        checked = subprocess.run(
            [sys.executable, verifier.__file__, "proof", str(file), "--key", key.text],
            capture_output=True,
            text=True,
            check=False,
        )
        assert checked.returncode == 0, checked.stderr
        ((_, data),) = watch.app.access_log.entries("hasselt", since=7, most=1)
        Proof.parse(answer.text).check(leaf_hash(data), key)

    @pytest.mark.parametrize("entry", ["1000000", "x"])
    def test_what_is_not_there(self, watch: Watch, entry: str) -> None:
        """Has none, and nothing is noted."""
        sizes = watch.sizes()
        assert watch.officer().post(f"/log/entries/hasselt/{entry}/proof").status_code == 404
        assert watch.sizes() == sizes


class TestEvidence:
    """The whole messages, for a reason, by somebody who proved just now who they are."""

    def test_the_file(self, watching: Open) -> None:
        """What was sent and received, each with its hash as the log has it; who took it and why is about the person."""
        watch = watching(ALL)
        watch.look(watch.number())
        look = watch.accesses(actor="jan.baert")[-1]
        browser = watch.officer()
        assert "De vraag en het antwoord zoals ze over de lijn gingen." in words(
            browser.get(f"/log/entries/hasselt/{look.seq}")
        )
        answer = browser.post(f"/log/entries/hasselt/{look.outcome_seq}/evidence", {"reason": "klacht 2026-4"})
        assert answer.status_code == 200
        assert answer.headers["content-disposition"] == f'attachment; filename="hasselt-{look.seq}.txt"'
        assert answer.headers["cache-control"] == "no-store"
        head, rest = answer.content.split(b"\n", 1)
        assert head.decode() == f"Access log of hasselt, entry {look.seq}, reference {look.reference}"
        assert look.request.encode() in rest
        request = rest.split(b"\n", 1)[1].split(b"\nreply, ", 1)[0]
        assert hashlib.sha256(request).hexdigest() == look.request
        last = watch.last()
        assert last["view"] == {"what": "evidence", "filter": {"of": look.seq}, "count": 1}
        assert last["why"] == {"note": "klacht 2026-4"}
        assert last["subj"]["ref"] == look.subject

    @pytest.mark.parametrize(
        ("reason", "why"),
        [
            ("", "Vul een reden in."),
            ("  ", "Vul een reden in."),
            ("x" * 201, "Schrijf de reden korter"),
            (f"over {NUMBER}", "Schrijf de reden korter"),
        ],
    )
    def test_no_reason_no_messages(self, watching: Open, reason: str, why: str) -> None:
        """The page asks for it again; what was typed is given back, but for a number."""
        watch = watching(ALL)
        watch.look(watch.number())
        seq = watch.accesses(actor="jan.baert")[-1].seq
        answer = watch.officer().post(f"/log/entries/hasselt/{seq}/evidence", {"reason": reason})
        assert answer.status_code == 422
        assert why in words(answer)
        assert NUMBER not in answer.text
        assert watch.last()["view"]["what"] == "show"

    def test_it_asks_for_fresh_proof(self, watching: Open) -> None:
        """Who came in too long ago proves again who they are."""
        watch = watching(ALL)
        watch.look(watch.number())
        seq = watch.accesses(actor="jan.baert")[-1].seq
        browser = watch.officer()
        watch.scene.clock.pass_by(minutes=11)
        sizes = watch.sizes()
        answer = browser.post(f"/log/entries/hasselt/{seq}/evidence", {"reason": "klacht"})
        assert answer.status_code == 403
        assert "Bewijs nog eens wie je bent" in words(answer)
        assert watch.sizes() == sizes

    def test_what_was_never_kept(self, watch: Watch) -> None:
        """The page has no form for it; who sends one all the same is told, and noted."""
        browser = watch.officer()
        assert "alleen hun hash" in words(browser.get("/log/entries/hasselt/3"))
        answer = browser.post("/log/entries/hasselt/3/evidence", {"reason": "klacht"})
        assert answer.status_code == 400
        assert "No messages were kept of entry 3" in words(answer)
        assert watch.last()["view"]["count"] == 0

    def test_what_is_not_there(self, watch: Watch) -> None:
        """Is not noted."""
        sizes = watch.sizes()
        assert watch.officer().post("/log/entries/hasselt/0/evidence", {"reason": "klacht"}).status_code == 404
        assert watch.sizes() == sizes

    def test_messages_that_were_altered(self, watching: Open) -> None:
        """Are not given."""
        watch = watching(ALL)
        watch.look(watch.number())
        look = watch.accesses(actor="jan.baert")[-1]
        watch.tamper(f"UPDATE evidence SET data = zeroblob(64) WHERE seq IN ({look.seq}, {look.outcome_seq})")
        answer = watch.officer().post(f"/log/entries/hasselt/{look.seq}/evidence", {"reason": "klacht"})
        assert answer.status_code == 503
        assert "Content-Disposition" not in answer.headers
