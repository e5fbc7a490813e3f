"""Login sessions: their beginning, duration and end, and what the database reveals of them."""

from __future__ import annotations

from datetime import timedelta

import pytest
from sqlalchemy import text

from rrsync.core.roles import Role, Staff
from rrsync.store.encryption import FieldCipher, Keyring
from rrsync.store.sessions import SessionEnd, Sessions, form_token
from tests.support import Clock, Dice, Store

AN = Staff("an.peeters", "hasselt", frozenset({Role.DESK, Role.OPERATOR}), b"keyed")
PERSON = "https://op.example sub-of-an"


@pytest.fixture
def sessions(store: Store) -> Sessions:
    return Sessions(store.database, store.seal, store.clock, store.random)


def start(sessions: Sessions, clock: Clock, staff: Staff = AN, **others: str) -> str:
    return sessions.start(staff, **({"person": PERSON, "sid": "sid-1"} | others), proved_at=clock())


def test_a_session_is_found_by_its_token(sessions: Sessions, clock: Clock) -> None:
    token = start(sessions, clock)
    visit = sessions.find(token)
    assert visit is not None
    assert visit.staff == AN
    assert (visit.started_at, visit.proved_at) == (clock.now, clock.now)
    assert visit.person == sessions.person(PERSON)
    assert visit.token == form_token(token)
    assert len(token) == 43


def test_the_database_reveals_neither_token_nor_identity(sessions: Sessions, store: Store, clock: Clock) -> None:
    token = start(sessions, clock)
    with store.database.engine.connect() as connection:
        (row,) = connection.execute(text("SELECT * FROM session")).mappings().all()
    everything = b"|".join(str(value).encode() if not isinstance(value, bytes) else value for value in row.values())
    for secret in (token, form_token(token), AN.name, "hasselt", "operator", PERSON, "sub-of-an", "sid-1", "keyed"):
        assert secret.encode() not in everything
        assert secret not in everything.hex()


@pytest.mark.parametrize("shown", ["", "x", "A" * 43, "é" * 43, "A" * 4_000, "' OR 1=1 --" + "x" * 32])
def test_an_invalid_token_finds_nothing(sessions: Sessions, clock: Clock, shown: str) -> None:
    start(sessions, clock)
    assert sessions.find(shown) is None


def test_a_login_replaces_the_token_of_the_browser(sessions: Sessions, clock: Clock) -> None:
    before = start(sessions, clock)
    other = start(sessions, clock, instead_of=before)
    assert other != before
    assert sessions.find(before) is None
    assert sessions.find(other) is not None
    start(sessions, clock, instead_of="A" * 43)
    assert sessions.find("A" * 43) is None


def test_a_session_ends_fifteen_minutes_after_its_last_use(sessions: Sessions, clock: Clock) -> None:
    token = start(sessions, clock)
    for minutes in (14, 14.9, 10):
        clock.pass_by(minutes=minutes)
        assert sessions.find(token) is not None
    clock.pass_by(minutes=15)
    assert sessions.find(token) is None
    assert sessions.find(token) is None  # the first call did not extend it


def test_a_use_is_written_every_thirty_seconds_at_most(sessions: Sessions, store: Store, clock: Clock) -> None:
    token = start(sessions, clock)
    clock.pass_by(seconds=29)
    assert sessions.find(token) is not None
    (seen,) = store.scalars("SELECT seen_at FROM session")
    assert str(seen)[:19] == "2026-07-01 02:00:00"
    clock.pass_by(seconds=1)
    assert sessions.find(token) is not None
    (seen,) = store.scalars("SELECT seen_at FROM session")
    assert str(seen)[:19] == "2026-07-01 02:00:30"


def test_a_session_ends_eight_hours_after_it_began(sessions: Sessions, clock: Clock) -> None:
    token = start(sessions, clock)
    for _ in range(47):
        clock.pass_by(minutes=10)
        assert sessions.find(token) is not None
    clock.pass_by(minutes=10)
    assert sessions.find(token) is None


def test_a_clock_set_back_ends_a_session(sessions: Sessions, store: Store, clock: Clock) -> None:
    clock.pass_by(days=365)
    ahead = start(sessions, clock)
    clock.pass_by(days=-365)
    assert sessions.find(ahead) is None
    assert sessions.lapse(ahead) is SessionEnd.ENDED
    now = start(sessions, clock)
    assert store.scalars("SELECT count(*) FROM session") == [1]
    clock.pass_by(seconds=-60)
    assert sessions.find(now) is not None
    assert len(sessions.present()) == 1
    clock.pass_by(seconds=-1)
    assert sessions.find(now) is None
    assert sessions.present() == []


def test_the_reason_of_an_automatic_end_is_known(sessions: Sessions, clock: Clock) -> None:
    token, other = start(sessions, clock), start(sessions, clock)
    sessions.end(other)
    assert [sessions.lapse(each) for each in (token, other, "", "A" * 43)] == [None] * 4
    clock.pass_by(minutes=15)
    assert sessions.lapse(token) is SessionEnd.IDLE
    clock.pass_by(hours=8)
    assert sessions.lapse(token) is SessionEnd.ENDED


def test_a_logout_ends_one_session(sessions: Sessions, clock: Clock) -> None:
    token, other = start(sessions, clock), start(sessions, clock)
    sessions.end(token)
    sessions.end("A" * 43)
    assert sessions.find(token) is None
    assert sessions.find(other) is not None


@pytest.mark.parametrize(
    ("whom", "left"),
    [
        ({"person": PERSON}, "c"),
        ({"sid": "sid-1"}, "bcd"),
        ({"person": PERSON, "sid": "sid-1"}, "bc"),
        ({"person": PERSON, "sid": "sid-9"}, "abc"),
        ({"person": "nobody"}, "abcd"),
        ({"sid": "sid-9"}, "abcd"),
        ({}, "abcd"),
    ],
)
def test_the_provider_ends_the_sessions_of_a_person_or_a_login(
    sessions: Sessions, clock: Clock, whom: dict[str, str], left: str
) -> None:
    tokens = {
        "a": start(sessions, clock),
        "b": start(sessions, clock, sid="sid-2"),
        "c": start(sessions, clock, person="other", sid="sid-3"),
        "d": start(sessions, clock, sid=""),
    }
    ended = sessions.end_all(**whom, until=clock())
    assert "".join(name for name, token in tokens.items() if sessions.find(token)) == left
    assert ended == 4 - len(left)


def test_a_replayed_logout_ends_no_later_session(sessions: Sessions, clock: Clock) -> None:
    at = clock()
    clock.pass_by(seconds=1)
    token = start(sessions, clock)
    assert sessions.end_all(person=PERSON, until=at) == 0
    assert sessions.find(token) is not None


def test_ended_sessions_are_deleted_at_the_next_login(sessions: Sessions, store: Store, clock: Clock) -> None:
    start(sessions, clock)
    clock.pass_by(minutes=15)
    start(sessions, clock)
    assert store.scalars("SELECT count(*) FROM session") == [1]


def test_a_forged_row_is_no_session(sessions: Sessions, store: Store, clock: Clock) -> None:
    mine, officer = start(sessions, clock), start(sessions, clock, Staff("dpo", None, frozenset({Role.DPO})))
    rows = store.scalars("SELECT staff FROM session WHERE staff <> ''")
    assert len(rows) == 2
    dpo = sessions.find(officer)
    own = sessions.find(mine)
    assert dpo is not None
    assert own is not None
    store.execute(
        "UPDATE session SET staff = (SELECT staff FROM session WHERE id = :officer) WHERE id = :mine",
        officer=dpo.id,
        mine=own.id,
    )
    assert sessions.find(mine) is None
    elsewhere = Sessions(store.database, FieldCipher(Keyring.fresh(Dice("x")), Dice("y")), store.clock, Dice("z"))
    assert elsewhere.find(officer) is None
    store.execute("UPDATE session SET staff = :junk WHERE id = :officer", junk=b"\x01junk", officer=dpo.id)
    assert sessions.find(officer) is None


def test_altered_times_do_not_extend_a_session(sessions: Sessions, store: Store, clock: Clock) -> None:
    token = start(sessions, clock)
    clock.pass_by(hours=8)
    store.execute("UPDATE session SET started_at = :now, seen_at = :now", now=str(clock.now)[:19])
    assert sessions.find(token) is None


def test_a_message_is_shown_once(sessions: Sessions, clock: Clock) -> None:
    visit, other = (sessions.find(start(sessions, clock)) for _ in range(2))
    assert visit is not None
    assert other is not None
    assert sessions.said(visit) == ""
    sessions.say(visit, "refreshed")
    assert sessions.said(other) == ""
    assert sessions.said(visit) == "refreshed"
    assert sessions.said(visit) == ""


def test_the_time_of_the_proof_of_identity_is_kept(sessions: Sessions, clock: Clock) -> None:
    at = clock()
    clock.pass_by(hours=1)
    visit = sessions.find(sessions.start(AN, person=PERSON, proved_at=at))
    assert visit is not None
    assert clock() - visit.proved_at == timedelta(hours=1)
