"""Every page with what it may show, of invented people: to look at, and to hold the templates against.

``python -m tests.web.gallery FOLDER`` writes them as files that a browser opens.
"""

from __future__ import annotations

import sys
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Final

from rrsync.core.break_glass import BreakGlassStage
from rrsync.core.exchange import Reason
from rrsync.core.person import Address, Name, PartialDate, Person
from rrsync.web import (
    admin,
    desk_pages,
    export,
    figures,
    log,
    log_pages,
    login,
    member_decisions,
    member_search,
    officer,
    operator,
    outside_query,
    person,
    render,
    run_pages,
    runs,
    sample,
)
from rrsync.web import holds as web_holds
from rrsync.web import member as web_member
from rrsync.web import person as web_person
from rrsync.web.paths import path
from rrsync.web.render import Choice, Filled, Flash, Frame, Page, Pages, Place, Visitor

NOW: Final = datetime(2026, 11, 3, 9, 42, tzinfo=UTC)
HOUR: Final = timedelta(hours=1)
DAY: Final = timedelta(days=1)
TOKEN: Final = "q3vXb1mVw0Zt8r2k"

DESK: Final = Frame(
    now=NOW,
    token=TOKEN,
    visitor=Visitor("Noor Aerts", ("desk",), "Bibliotheek Hasselt Limburg"),
    places=(Place.DESK, Place.HOLDS),
    waiting=12,
)
OPERATOR: Final = replace(
    DESK,
    visitor=Visitor("Bram Claes", ("operator",), None),
    places=(Place.OPERATOR, Place.RUNS, Place.REGISTER),
    waiting=0,
)
OFFICER: Final = replace(
    DESK,
    visitor=Visitor("Hilde Wouters", ("dpo",), None),
    places=(Place.OFFICER, Place.LOG, Place.PERSON, Place.DAYS, Place.SAMPLES, Place.FIGURES, Place.EXPORT),
    waiting=0,
)
NOBODY: Final = Frame(now=NOW, token=TOKEN)

HELD: Final = Address("Kanaalstraat", "12", "3", "3500", "Hasselt", "71022", "BEL")
WHO: Final = desk_pages.Heading("M004512", Name("Vandenbroucke", "Elise Maria"), PartialDate(1984, 7, 30))
OTHERS: Final = (
    desk_pages.Heading("M000871", Name("Vandenbroucke", "Jan"), PartialDate(1951, 3, 0)),
    desk_pages.Heading("M010044", Name("Vandenbossche-De Ridder", "Marie-Thérèse Josephine"), PartialDate(1939, 0, 0)),
    desk_pages.Heading("M007003", Name("El Amrani", "Yasmina"), PartialDate(2009, 12, 1)),
    desk_pages.Heading("M000012", Name("Öztürk", "Deniz"), None),
)
REASONS: Final = tuple(Reason)


def _on_trial(around: Frame) -> Frame:
    return replace(around, environment="simulator", is_trial=True)


def _moved() -> tuple[desk_pages.Differing, ...]:
    return (
        desk_pages.Differing("last", "Vandenbroucke", "Vandenbroucke", is_other=False),
        desk_pages.Differing("first", "Elise Maria", "Elise Maria", is_other=False),
        desk_pages.Differing("street", "Kanaalstraat", "Sint-Truidersteenweg"),
        desk_pages.Differing("house_number", "12", "214"),
        desk_pages.Differing("box", "3", ""),
        desk_pages.Differing("postal_code", "3500", "3500", is_other=False),
        desk_pages.Differing("municipality", "Hasselt", "Hasselt", is_other=False),
        desk_pages.Differing("address_since", "", "14 september 2026"),
    )


def _member() -> web_member.MemberPage:
    return web_member.MemberPage(
        who=WHO,
        address=HELD,
        source=web_member.Source.REGISTER,
        age=desk_pages.Age.STALE,
        purposes=("desk", "member-administration"),
        asked_at=NOW - 214 * DAY,
        changed_at=NOW - 400 * DAY,
        since=PartialDate(2019, 5, 0),
        membership_end=date(2027, 2, 28),
        open_items=2,
        looks=(
            web_member.PastQuery(NOW - 214 * DAY, "", "member-administration", "", "same"),
            web_member.PastQuery(NOW - 230 * DAY, "Noor Aerts", "desk", "brief-2026-118", "no_reply"),
            web_member.PastQuery(NOW - 400 * DAY, "Wim Peeters", "desk", "vraag-2025-77", "change"),
        ),
        case_example="brief-2026-118",
    )


def _hold(number: int, reason: Reason, who: desk_pages.Heading, *, proposes: bool = False) -> desk_pages.HoldLine:
    return desk_pages.HoldLine(number, who, reason, NOW - number % 30 * DAY - HOUR, proposes=proposes)


def _desk_pages() -> dict[str, tuple[Page, Frame]]:
    searching = replace(DESK, here=Place.DESK)
    working = replace(DESK, here=Place.HOLDS)
    member = _member()
    found = (
        member_search.MemberLine(WHO, HELD, desk_pages.Age.STALE, NOW - 214 * DAY),
        member_search.MemberLine(OTHERS[0], HELD, desk_pages.Age.FRESH, NOW - 20 * HOUR),
        member_search.MemberLine(
            OTHERS[1], Address("Rue de la Station", "7", "", "4000", "Liège", "", "BEL"), desk_pages.Age.NEVER, None
        ),
        member_search.MemberLine(OTHERS[3], Address(), desk_pages.Age.STALE, NOW - 60 * DAY, has_hold=True),
    )
    difference = member_decisions.DifferencePage(WHO, "change", NOW, _moved(), "t-81", NOW + timedelta(minutes=15))
    reasons = (Reason.NEW_NUMBER, Reason.DECEASED, Reason.PROTECTED, Reason.NAME_DIFFERS, Reason.MASS_CHANGE)
    people = (WHO, *OTHERS)
    holds = tuple(
        _hold(118 + at, reason, people[at], proposes=reason in {Reason.NAME_DIFFERS, Reason.MASS_CHANGE})
        for at, reason in enumerate(reasons)
    )
    correct = {
        "street": "Sint-Truidersteenweg",
        "house_number": "214",
        "box": "",
        "postal_code": "35",
        "municipality": "Hasselt",
        "country": "BEL",
        "reason": "verhuisd, toonde huurcontract",
    }
    return {
        "desk": (member_search.DeskPage(), replace(searching, flashes=(Flash("good", "declined"),))),
        "desk-found": (member_search.DeskPage(Filled({"words": "Vandenb"}), found, is_cut=True), searching),
        "desk-none": (member_search.DeskPage(Filled({"words": "Vandenbroek"}), ()), searching),
        "desk-wrong": (member_search.DeskPage(Filled({}, {"insz": "insz_wrong"})), _on_trial(searching)),
        "member": (member, searching),
        "member-wrong": (
            replace(
                member,
                hold=_hold(118, Reason.NAME_DIFFERS, WHO),
                again_from=NOW - timedelta(minutes=6),
                filled=Filled({}, {"purpose": "purpose_missing", "case": "case_insz"}),
            ),
            searching,
        ),
        "member-corrected": (
            replace(
                member,
                age=desk_pages.Age.FRESH,
                source=web_member.Source.STAFF,
                correction=web_member.CorrectionLine(
                    "verhuisd, toonde huurcontract", "Noor Aerts", NOW - HOUR, date(2027, 1, 31)
                ),
            ),
            replace(searching, flashes=(Flash("good", "corrected", {"until": "31 januari 2027"}),)),
        ),
        "member-new": (
            replace(
                member,
                who=OTHERS[3],
                address=Address(),
                source=web_member.Source.LIBRARY,
                age=desk_pages.Age.NEVER,
                asked_at=None,
                changed_at=None,
                since=None,
                number_kind="none",
                looks=(),
                barred="no_number",
            ),
            searching,
        ),
        "difference": (difference, searching),
        "difference-same": (replace(difference, verdict="same", rows=(), from_cache=True), searching),
        "difference-hold": (replace(difference, verdict="hold", reason=Reason.PROTECTED, rows=(), hold=118), searching),
        "difference-accepted": (replace(difference, state="accepted"), searching),
        "difference-declined": (replace(difference, state="declined", from_cache=True), searching),
        "correct": (
            member_decisions.CorrectPage(
                WHO,
                HELD,
                date(2027, 11, 3),
                Filled(correct, {"postal_code": "postal_form", "until": "until_missing"}),
            ),
            searching,
        ),
        "holds": (
            web_holds.HoldsPage(holds, tuple((reason, at * 3 + 1) for at, reason in enumerate(reasons))),
            working,
        ),
        "holds-later": (
            web_holds.HoldsPage(holds[:1], ((Reason.NEW_NUMBER, 214),), Reason.NEW_NUMBER, beyond=117, further=118),
            working,
        ),
        **_outside(working),
        "holds-none": (web_holds.HoldsPage(()), replace(working, waiting=0)),
        "holds-narrow": (web_holds.HoldsPage((), ((Reason.DECEASED, 4),), Reason.DECEASED), working),
        "hold": (
            web_holds.HoldPage(holds[3], HELD, _moved(), can_accept=True, place=3, total=12, before=117, after=122),
            working,
        ),
        "hold-twin": (
            web_holds.HoldPage(
                holds[0], HELD, has_new_number=True, twin="M010044", chosen=Reason.NEW_NUMBER, reference="r"
            ),
            working,
        ),
        **{
            f"hold-{reason}": (web_holds.HoldPage(_hold(140 + at, reason, WHO), HELD, can_accept=at % 2 == 1), working)
            for at, reason in enumerate(REASONS)
        },
    }


def _outside(working: Frame) -> dict[str, tuple[Page, Frame]]:
    """Give breaking the glass: the form, a wish at each stage for either side, and the answer."""
    answer_page = outside_query.OutsideRequestPage
    asked = outside_query.OutsideRequestLine(
        7, "noor.aerts", NOW, NOW + HOUR / 6, "desk", "inschrijving-7", BreakGlassStage.WAITING, "", True
    )
    decided = {stage: replace(asked, stage=stage, decided_by="bram.claes") for stage in BreakGlassStage}
    wishes = (asked, replace(decided[BreakGlassStage.READY], id=8, by="bram.claes", is_own=False))
    wrong = Filled({"purpose": "desk"}, {"insz": "number_wrong", "case": "case_wrong"})
    person = Person(WHO.name, WHO.birth_date, HELD, None)
    purposes = ("desk", "member-administration")
    return {
        "outside": (outside_query.OutsidePage(purposes, wishes, 5), working),
        "outside-wrong": (outside_query.OutsidePage(purposes, (), 5, filled=wrong), working),
        **{f"wish-{stage}": (answer_page(decided[stage]), working) for stage in BreakGlassStage},
        "wish-colleague": (answer_page(replace(asked, is_own=False)), working),
        "wish-answer": (
            answer_page(decided[BreakGlassStage.ASKED], True, person, (Reason.ABROAD,)),
            working,
        ),
        "wish-nobody": (answer_page(decided[BreakGlassStage.ASKED], True, None, (Reason.UNKNOWN,)), working),
    }


DUE: Final = 118_204


def _run(state: run_pages.RunLineState, *, stopped: str = "") -> run_pages.RunLine:
    started = NOW.replace(hour=1, minute=0, second=4) if state != "running" else NOW - 2 * HOUR
    ended = None if state == "running" else started + timedelta(hours=2, minutes=41)
    asked = {"running": 61_880, "stopped": 98_112, "left": DUE - 311, "done": DUE}[state]
    return run_pages.RunLine("n-20261103-7f31", started, ended, state, asked, 1_904, 37, DUE - asked, stopped)


def _run_page(run: run_pages.RunLine) -> runs.RunPage:
    return runs.RunPage(
        run,
        due=DUE,
        same=run.asked - run.change - run.held,
        holds=((Reason.DECEASED, 21), (Reason.NEW_NUMBER, 9), (Reason.NAME_DIFFERS, 7)),
    )


def _certificates() -> tuple[operator.CertificateLine, ...]:
    ends = datetime(2026, 11, 22, 22, 59, tzinfo=UTC)
    return (
        operator.CertificateLine("client", "bibliotheek.hasselt.example", ends, 19, "warn"),
        operator.CertificateLine("signing", "bibliotheek.hasselt.example", ends + 300 * DAY, 319, "good"),
    )


def _operator_pages() -> dict[str, tuple[Page, Frame]]:
    morning = replace(OPERATOR, here=Place.OPERATOR)
    nights = replace(OPERATOR, here=Place.RUNS)
    line = replace(OPERATOR, here=Place.REGISTER)
    forecast = (
        operator.Forecast("Bibliotheek Hasselt Limburg", 1_204, 38_110, 26, timedelta(hours=1, minutes=22)),
        operator.Forecast("Bibliotheek Genk", 0, 8_902, 4, timedelta(minutes=19)),
    )
    done, stopped = _run("done"), _run("stopped", stopped="mass_change")
    page = _run_page(done)
    before = tuple(
        replace(
            done, id=f"n-{at}", started=done.started - at * DAY, finished=done.finished and done.finished - at * DAY
        )
        for at in range(1, 6)
    )
    return {
        "operator": (
            operator.OperatorPage(
                done,
                forecast,
                37,
                _certificates(),
                (("warn", "Het certificaat van de verbinding loopt af op 22 november 2026, over 19 dagen."),),
            ),
            morning,
        ),
        "operator-well": (operator.OperatorPage(done, forecast, 0, _certificates()[1:]), morning),
        "operator-new": (operator.OperatorPage(None, (), 0), _on_trial(morning)),
        "runs": (
            runs.RunsPage((_run("running"), stopped, *before[:2], replace(before[2], state="left", open=311))),
            nights,
        ),
        "runs-none": (runs.RunsPage(()), nights),
        "run": (page, nights),
        "run-live": (
            replace(_run_page(_run("running")), per_second=7.9, left_for=timedelta(hours=1, minutes=58), renewed=NOW),
            nights,
        ),
        "run-stopped": (
            replace(
                _run_page(stopped),
                can_resume=True,
                can_release=True,
                held_changes=412,
            ),
            nights,
        ),
        "run-releasing": (
            replace(
                _run_page(stopped),
                holds=((Reason.MASS_CHANGE, 412), (Reason.DECEASED, 21)),
                held_changes=150,
                releasing=True,
                renewed=NOW,
            ),
            nights,
        ),
        "run-failed": (
            replace(
                _run_page(_run("left")),
                can_resume=True,
                trouble=runs.JobFailure("Another night is running on this database", "Nothing was started", "Wait"),
            ),
            nights,
        ),
        "register": (
            operator.RegisterPage(
                "magdadomeinen.example",
                "RR",
                operator.RateLimitLine(8.0, 16, 2, 21_640, last=50, failed=3),
                _certificates(),
                (
                    operator.AuthorisationLine(
                        "Bibliotheek Hasselt Limburg",
                        "RR 28/2009",
                        ("member-administration", "desk"),
                        date(2099, 12, 31),
                        "good",
                    ),
                ),
                (operator.SubscriptionLine("Bibliotheek Hasselt Limburg", 118_190, 4, 1, 14),),
            ),
            line,
        ),
        "register-away": (
            operator.RegisterPage(
                "",
                "RR",
                operator.RateLimitLine(8.0, 16, 2, 21_640, share=0.5, last=50, failed=26, rests=timedelta(minutes=4)),
                (),
                (),
                (),
                ("The certificate or key rrsync.pem cannot be read",),
                subscribes=False,
            ),
            line,
        ),
        "register-new": (
            operator.RegisterPage("127.0.0.1", "KSZ", operator.RateLimitLine(8.0, 16, 2, 0), (), (), ()),
            _on_trial(line),
        ),
    }


ROOT: Final = "9f1c7e02b4a85d3360aa17c2e8f90b55d1047c3e6a2b98f4c0d3e7716b5a4f21"


def _look(
    seq: int, outcome: str, *flags: str, by: str = "noor.aerts", case: str = "brief-2026-118"
) -> log_pages.LookLine:
    at = NOW - timedelta(minutes=37 * (40_300 - seq) % 4_000, hours=26)
    return log_pages.LookLine("hasselt", seq, at, by, False, "desk", case, outcome, flags, ROOT[seq % 20 :])


def _looks() -> tuple[log_pages.LookLine, ...]:
    return (
        _look(40_231, "change"),
        _look(40_237, "same", "outside_hours", "no_ground"),
        _look(40_239, "denied", "refused", by="wim.peeters", case="x"),
        replace(_look(40_244, "hold", by="rrsync night", case=""), is_process=True, purpose="member-administration"),
        _look(40_261, "preview", "colleague", by="wim.peeters"),
        _look(40_277, "mismatch"),
    )


def _logs() -> tuple[officer.LogState, ...]:
    anchors = (
        officer.AnchorLine("/mnt/elders", "file", "good", 1_204_311, NOW - timedelta(minutes=4)),
        officer.AnchorLine("dpo@hasselt.example", "mail", "late", 1_180_002, NOW - 31 * HOUR),
        officer.AnchorLine("getuige.genk.example", "witness", "failing", 1_204_000, NOW - 5 * HOUR, NOW - HOUR),
    )
    whole = officer.LogState(
        "hasselt",
        "Bibliotheek Hasselt Limburg",
        1_204_377,
        ROOT,
        True,
        NOW - 2 * HOUR,
        "Hilde Wouters",
        1_204_310,
        NOW - timedelta(seconds=50),
        1_204_377,
        anchors,
    )
    return (
        whole,
        replace(
            whole,
            library="genk",
            title="Bibliotheek Genk",
            size=81_004,
            is_whole=False,
            verified_size=81_004,
            signed_size=81_004,
            anchors=(),
            fault=officer.LogFault(
                "The access log of genk does not verify at entry 4118: the bytes were altered",
                "Nothing was asked",
                "Stop the nightly job, keep the database as it is, and call the data-protection officer",
                NOW - DAY,
                "Hilde Wouters",
            ),
        ),
        replace(
            whole,
            library="tongeren",
            title="Bibliotheek Tongeren",
            size=0,
            is_whole=None,
            verified_at=None,
            verified_size=0,
            signed_at=None,
            signed_size=0,
            anchors=(officer.AnchorLine("/mnt/elders", "file", "never"),),
            trouble=officer.LogFault(
                "The database stayed locked by another program", "Nothing was changed", "Close it"
            ),
        ),
    )


def _officer_pages() -> dict[str, tuple[Page, Frame]]:
    at = {place: replace(OFFICER, here=place) for place in OFFICER.places}
    libraries = (Choice("hasselt", "Bibliotheek Hasselt Limburg"), Choice("genk", "Bibliotheek Genk"))
    purposes = ("member-administration", "desk")
    filled = Filled({"library": "hasselt", "since": "2026-10-01", "until": "2026-10-31", "flagged": "yes"})
    searched = log.LogPage(libraries, purposes, filled, _looks(), most=6, older=40_231, shown_as=40_402)
    entry = log.EntryPage(
        look=replace(_looks()[1], outcome="change"),
        reference="7c1f8a52-5a1d-4c66-9f3b-0d7f1f6a2b19",
        run="",
        basis="RR 28/2009",
        capacity="1300",
        operation="RegistreerPersoon.GeefPersoon-02.02",
        got=("name", "birth_date", "address", "since"),
        withheld=2,
        changed=("street", "house_number"),
        denial="",
        codes=("99991/RR",),
        ms=412,
        ended_at=NOW - 26 * HOUR,
        ended_seq=40_238,
        request=ROOT,
        reply=ROOT[::-1],
        via="bibliotheeksysteem",
        of="2b1f8a52-5a1d-4c66-9f3b-0d7f1f6a2b19",
        lines=((40_237, '{"actor":{"id":"noor.aerts","t":"person"},"kind":"access.intent"}'),),
        key="hasselt.example/bibliotheek/hasselt+5f0c9a52+AQpvbG9uZw",
        decisions=(log_pages.DecisionLine(NOW - DAY, "hilde.wouters", "justified"),),
        has_evidence=True,
    )
    person = web_person.PersonPage(
        looks=_looks()[:3],
        deeds=(
            web_person.Deed(
                "hasselt", 40_300, NOW - HOUR, "hilde.wouters", "zocht op wat het logboek over deze persoon zegt"
            ),
        ),
        ticket="p-31",
        forgotten=(web_person.ForgottenYears("hasselt", (2014, 2015)),),
        noted=(web_person.SearchEntry("hasselt", 40_403), web_person.SearchEntry("genk", 1_207)),
        many=True,
    )
    state = officer.OfficerPage(
        _logs(),
        (
            officer.Task("mixups", 1, "days", "bad"),
            officer.Task("flagged", 3, "days", "warn"),
            officer.Task("overdue", 1, "samples", "warn"),
            officer.Task("sample", 14, "samples", "info"),
        ),
    )
    return {
        "officer": (
            state,
            replace(
                at[Place.OFFICER], flashes=(Flash("good", "verified", {"library": "Hasselt", "size": "1.204.377"}),)
            ),
        ),
        "officer-quiet": (officer.OfficerPage(_logs()[:1], ()), at[Place.OFFICER]),
        "officer-running": (officer.OfficerPage((replace(_logs()[0], is_running=True),), ()), at[Place.OFFICER]),
        "log": (replace(searched, found=None, older=None, shown_as=None), at[Place.LOG]),
        "log-found": (searched, at[Place.LOG]),
        "log-none": (
            replace(searched, found=(), older=None, filled=Filled({"library": "hasselt"}, {"until": "until_wrong"})),
            at[Place.LOG],
        ),
        "entry": (entry, at[Place.LOG]),
        "entry-denied": (
            replace(
                entry,
                look=_looks()[2],
                denial="de machtiging noemt dit doel niet",
                got=(),
                changed=(),
                withheld=0,
                decisions=(),
                ended_at=None,
                has_evidence=False,
            ),
            at[Place.LOG],
        ),
        "person": (web_person.PersonPage(), at[Place.PERSON]),
        "person-found": (person, at[Place.PERSON]),
        "person-none": (
            web_person.PersonPage(looks=(), ticket="p-32", noted=(web_person.SearchEntry("hasselt", 40_404),)),
            at[Place.PERSON],
        ),
        "letter": (_letter(), at[Place.PERSON]),
        "day": (_day(), at[Place.DAYS]),
        "samples": (_samples(), at[Place.SAMPLES]),
        "sample": (_sample(), at[Place.SAMPLES]),
        "sample-none": (replace(_sample(), picks=(), left=0, looks=0, overdue=()), at[Place.SAMPLES]),
        "sample-barred": (replace(_sample(), barred="in_it", overdue=()), at[Place.SAMPLES]),
        "figures": (_figures(), at[Place.FIGURES]),
        "figures-none": (replace(_figures(), total=0), at[Place.FIGURES]),
        "export": (
            export.ExportPage(
                libraries,
                Filled({"library": "hasselt"}, {"format": "format_missing", "reason": "reason_missing"}),
                (export.ExportLine("hasselt", NOW - 9 * DAY, "hilde.wouters", "tiles", 1_180_000, "audit 2026"),),
            ),
            at[Place.EXPORT],
        ),
        "export-new": (export.ExportPage(libraries[:1]), at[Place.EXPORT]),
    }


def _day() -> officer.DayPage:
    looks = _looks()
    return officer.DayPage(
        date(2026, 11, 2),
        (
            officer.DayPart(
                "hasselt", "Bibliotheek Hasselt Limburg", 41, 6, looks[1:2] + looks[4:5], looks[2:3], looks[5:]
            ),
            officer.DayPart("genk", "Bibliotheek Genk", 12, 1),
            officer.DayPart("tongeren", "Bibliotheek Tongeren", 0, 0),
        ),
        (log_pages.OverdueMonth("hasselt", "2026-08", 3, 20),),
        date(2026, 11, 1),
        date(2026, 11, 3),
    )


def _samples() -> sample.SamplesPage:
    months = (
        sample.MonthLine("2026-10", 411, 20, 14, is_late=False),
        sample.MonthLine("2026-09", 2_388, 24, 0, is_late=False),
        sample.MonthLine("2026-08", 377, 20, 3, is_late=True),
    )
    return sample.SamplesPage(
        (
            sample.MonthsPart("hasselt", "Bibliotheek Hasselt Limburg", months),
            sample.MonthsPart("genk", "Bibliotheek Genk", (sample.MonthLine("2026-10", 0, 0, 0, is_late=False),)),
            sample.MonthsPart("tongeren", "Bibliotheek Tongeren", ()),
        )
    )


def _sample() -> sample.SamplePage:
    looks = _looks()
    decided = (log_pages.DecisionLine(NOW - DAY, "hilde.wouters", "justified"),)
    return sample.SamplePage(
        "hasselt",
        "Bibliotheek Hasselt Limburg",
        "2026-10",
        (
            sample.PickLine(looks[0], False),
            sample.PickLine(looks[1], True),
            sample.PickLine(looks[2], True, decided, can_decide=False),
            sample.PickLine(looks[4], False, (log_pages.DecisionLine(NOW - DAY, "els.maes", "unclear"),)),
        ),
        411,
        3,
        ROOT,
        1_180_002,
        "2026-09",
        None,
        "",
        (log_pages.OverdueMonth("hasselt", "2026-08", 3, 20),),
    )


def _figures() -> figures.FiguresPage:
    first = date(2026, 10, 5)
    length = 30

    def counts(most: int, step: int) -> tuple[int, ...]:
        weekdays = ((first + at * DAY).weekday() for at in range(length))
        return tuple(0 if weekday == 6 else (at * step) % most + 1 for at, weekday in enumerate(weekdays))

    desks = counts(41, 17)
    nights = tuple(0 if at % 9 else 18 for at in range(length))
    staff = [
        ("noor.aerts", counts(12, 7)),
        ("wim.peeters", counts(19, 5)),
        ("els.maes", (0,) * 24 + counts(30, 11)[24:]),
    ]
    return figures.FiguresPage(
        first,
        first + (length - 1) * DAY,
        length,
        (7, 30, 90),
        sum(desks) + sum(nights),
        figures.rows([("vraag aan de balie", desks), ("ledenadministratie", nights)], first=first),
        figures.rows([("Bibliotheek Hasselt Limburg", desks), ("Bibliotheek Genk", nights)], first=first),
        figures.rows(staff, first=first),
    )


def _letter() -> person.LetterPage:
    look = (
        ("Wanneer", "14 oktober 2026, 10:22:07"),
        ("Bibliotheek", "Bibliotheek Hasselt Limburg"),
        ("Wie", "een personeelslid, onder de naam noor.aerts, in de hoedanigheid van bibliotheek (1300)"),
        ("Waarom", "een vraag aan de balie, dossier brief-2026-118"),
        ("Grond", "machtiging RR 28/2009"),
        ("Gegevens", "naam, geboortedatum, adres, begindatum van het adres"),
        ("Gevolg", "het register zei iets anders, en de bibliotheek nam het over (straat, huisnummer)"),
        ("Logboek", "regels 40231 en 40232 van hasselt"),
    )
    return person.LetterPage(
        "nl",
        "Wie heeft uw gegevens opgevraagd?",
        "Bibliotheek Hasselt Limburg",
        ("Martelarenlaan 17", "3500 Hasselt"),
        (("Datum", "3 november 2026"), ("Bibliotheken", "Bibliotheek Hasselt Limburg")),
        (
            (
                "U vroeg wie uw gegevens heeft opgevraagd in het Rijksregister of in de registers van de Kruispuntbank "
                "(Algemene Verordening Gegevensbescherming, artikel 15). Hieronder staat alles wat het logboek over u "
                "zegt, ook wat mislukte of geweigerd werd. Alle tijden zijn Belgische tijd."
            ),
            "Raadplegingen: 2. Pogingen die mislukten of geweigerd werden: 1. Andere regels over u: 0.",
        ),
        (
            person.LetterSection("Raadplegingen", (look, look)),
            person.LetterSection("Pogingen die mislukten of geweigerd werden", (look[:5] + look[7:],)),
        ),
        (
            (
                "Van elke regel van het logboek die hierboven staat, kunt u een bewijs vragen, dat u zelf kunt laten "
                "nakijken."
            ),
            (
                "Hebt u vragen, of bent u niet akkoord? Richt u tot de functionaris voor gegevensbescherming van de "
                "bibliotheek. U kunt ook een klacht indienen bij de toezichthouder."
            ),
        ),
        "p-31",
        is_download=True,
    )


def _lone_pages() -> dict[str, tuple[Page, Frame]]:
    people = (
        login.TrialPerson("desk", "Noor Aerts", ("desk",), "Bibliotheek Demo"),
        login.TrialPerson("operator", "Bram Claes", ("operator",), "alle bibliotheken"),
        login.TrialPerson("dpo", "Hilde Wouters", ("dpo",), "alle bibliotheken"),
    )
    came = replace(DESK, places=(), waiting=0)
    here = login.SessionLine("ab" * 32, NOW - HOUR, NOW, is_this=True)
    others = (
        login.SessionLine("cd" * 32, NOW - 3 * HOUR, NOW - HOUR / 6, is_this=False),
        login.SessionLine("ef" * 32, NOW - 7 * HOUR, NOW - HOUR / 12, is_this=False),
    )
    waiting = render.ErrorPage(429, "many", wait_s=240, reference="01JD3Q7M", again="desk")
    return {
        "login": (login.LoginPage("ACM/IDM", message="idle"), NOBODY),
        "login-trial": (login.LoginPage(trial=people), _on_trial(NOBODY)),
        "login-refused": (login.LoginPage("ACM/IDM", (), "refused", "je account heeft geen rol in rrsync"), NOBODY),
        "welcome": (login.WelcomePage(), came),
        "home": (login.HomePage(), DESK),
        "home-empty": (login.HomePage(), came),
        "sessions": (login.SessionsPage((here, *others)), came),
        "sessions-alone": (login.SessionsPage((here,)), came),
        "login-unset": (login.LoginPage(), replace(NOBODY, environment="acceptance")),
        "error-many": (waiting, DESK),
        **{
            f"error-{kind}": (render.ErrorPage(status, kind, reference="01JD3Q7M"), DESK)
            for kind, status in (
                ("missing", 404),
                ("forbidden", 403),
                ("stale", 403),
                ("unproved", 403),
                ("outside", 401),
                ("wrong", 400),
                ("register", 503),
                ("rejected", 502),
                ("ground", 403),
                ("busy", 409),
                ("crowd", 429),
                ("fault", 500),
            )
        },
        "error-log": (
            render.ErrorPage(
                503,
                "log",
                "No anchor took the access log in for a day",
                "Nothing was asked",
                "Tell whoever runs rrsync",
                "01JD3Q7M",
            ),
            NOBODY,
        ),
    }


def _admin_pages() -> dict[str, tuple[Page, Frame]]:
    """Give the pages of who sets rrsync up, of a house with two libraries and of one library."""
    places = (Place.ADMIN, Place.HOOKS, Place.PEOPLE)
    keys, hooks, people = (
        replace(DESK, visitor=Visitor("Dora Wouters", ("operator", "admin"), None), places=places, here=here, waiting=0)
        for here in places
    )
    libraries = (Choice("hasselt", "Bibliotheek Hasselt Limburg"), Choice("genk", "Bibliotheek Genk"))
    good = admin.KeyLine(
        id="0123456789ab",
        name="Wise",
        library="Bibliotheek Hasselt Limburg",
        scopes=("read", "refresh", "changes"),
        networks=("192.0.2.0/24", "2001:db8::/32"),
        made_by="dora.wouters",
        made_at=NOW - 40 * DAY,
        ends=NOW + 325 * DAY,
        used_at=NOW - HOUR,
        state="state_good",
    )
    others = (
        replace(good, id="0123456789ac", networks=(), ends=NOW + 12 * DAY, state="state_soon"),
        replace(good, id="0123456789ad", scopes=("changes",), used_at=None, ends=NOW - DAY, state="state_over"),
        replace(good, id="0123456789ae", name="Proef", state="state_revoked", revoked_by="els.smets"),
    )
    wrong = Filled(
        {"library": "hasselt", "name": "", "days": "", "networks": "192.0.2.7/24"},
        {"name": "name_wrong", "scopes": "scopes_missing", "days": "days_wrong", "networks": "networks_wrong"},
    )
    well = admin.HookLine("hasselt", "Bibliotheek Hasselt", "https://wise.example", 1042, 0, NOW - HOUR, 0, "", NOW)
    person = admin.PersonLine("ab" * 32, "noor.aerts", "Bibliotheek Hasselt", ("desk",), 2, NOW - HOUR, NOW, False)
    text = "rrs_0123456789ab_" + "Ab9_-" * 8 + "Ab9"
    return {
        "admin": (admin.KeysPage((good, *others), libraries), keys),
        "admin-none": (admin.KeysPage((), libraries[:1]), keys),
        "admin-wrong": (admin.KeysPage((good,), libraries, wrong, frozenset({"read"})), keys),
        "key": (admin.KeyPage(text, good, "https://rrsync.example/api/libraries/hasselt"), keys),
        "hooks": (
            admin.HooksPage(
                (
                    well,
                    replace(well, library="genk", label="Bibliotheek Genk", failures=7, waiting=31, why="status 503"),
                    replace(well, library="diest", label="Bibliotheek Diest", told_at=None, next_at=None),
                )
            ),
            hooks,
        ),
        "hooks-none": (admin.HooksPage(()), hooks),
        "people": (
            admin.PeoplePage((replace(person, name="dora.wouters", library=None, count=1, is_self=True), person)),
            people,
        ),
    }


def gallery() -> dict[str, tuple[Page, Frame]]:
    """Give every page by a name, with the frame it is shown in."""
    return _lone_pages() | _desk_pages() | _operator_pages() | _officer_pages() | _admin_pages()


def main(folder: Path) -> None:
    """Write the pages and their files, with addresses that work from the folder."""
    pages = Pages()
    files = Path(__file__).parents[2] / "src" / "rrsync" / "web" / "static"
    for name, (view, around) in gallery().items():
        html = pages.page(view, around).replace(path("static", file=""), f"{files.as_posix()}/")
        (folder / f"{name}.html").write_text(html, encoding="utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
