"""The month's sample: the same for whoever draws it, signed off by somebody who is not in it, or else overdue."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from hashlib import sha256
from typing import Any
from zoneinfo import ZoneInfo

import orjson
import pytest
from sqlalchemy import text

from rrsync.audit.sample import Overdue, Sample
from rrsync.core.belgian_time import Month
from rrsync.core.log_entry import Actor, ActorKind, Draft, Kind, decode
from rrsync.core.review_sample import WEIGHTS, Finding
from rrsync.errors import BrokenChain, ConfigError, LedgerError
from tests.audit.watched import DPO, Watched, there, watch
from tests.support import Store, insz

JUNE = Month(2026, 6)
DPO2 = Actor(ActorKind.PERSON, "dpo.2")


@pytest.fixture
def watched(store: Store) -> Watched:
    """Return a library on the first of June."""
    store.clock.now = there("2026-06-01T00:00")
    return watch(store)


def busy(watched: Watched, looks: int, *, flagged: int = 0) -> list[int]:
    """Log so many looks by persons, every hour one, with a night's between them; the first ones stand out."""
    places = []
    for number in range(looks):
        flags = ("own_record", "outside_hours") if number < flagged else ()
        places.append(watched.look(number % 900 + 1, by=f"staff-{number % 5}", flags=flags, is_denied=number % 10 == 9))
        watched.look(1, actor="process", by="rrsync night")
        watched.store.clock.pass_by(hours=1)
    return places


def june(watched: Watched) -> Sample:
    """Return June's sample, in July."""
    watched.store.clock.now = max(watched.store.clock.now, there("2026-07-01T00:00"))
    return watched.oversight.samples.of("hasselt", JUNE)


def places(sample: Sample) -> list[int]:
    """Return where the sampled accesses stand."""
    return [pick.access.seq for pick in sample.picks]


def root(leaves: list[bytes]) -> bytes:
    """Return the root of a tree, as RFC 6962 §2.1 says it."""
    if len(leaves) < 2:
        return sha256(b"\0" + leaves[0] if leaves else b"").digest()
    split = 1 << (len(leaves) - 1).bit_length() - 1
    return sha256(b"\1" + root(leaves[:split]) + root(leaves[split:])).digest()


def drawn_by_hand(store: Store) -> tuple[list[int], list[int]]:
    """Draw June's sample from the database's rows and the rules as they are written down, with none of our code."""
    with store.database.engine.connect() as connection:
        rows = connection.execute(text("SELECT data FROM entry WHERE library = 'hasselt' ORDER BY seq")).scalars()
        lines: list[dict[str, Any]] = [orjson.loads(bytes(row)) for row in rows]
        data = [orjson.dumps(line, option=orjson.OPT_SORT_KEYS) for line in lines]
    times = [datetime.fromisoformat(line["ts"]).astimezone(ZoneInfo("Europe/Brussels")) for line in lines]
    begin = next((seq for seq, at in enumerate(times) if (at.year, at.month) >= (2026, 6)), len(times))
    end = next((seq for seq, at in enumerate(times) if (at.year, at.month) >= (2026, 7)), len(times))
    seed = sha256(root(data[:end])).digest()
    weights = {
        seq: 1 + sum(WEIGHTS[flag] for flag in lines[seq].get("flags", []))
        for seq in range(begin, end)
        if lines[seq]["kind"] in {"access.intent", "access.denied"} and lines[seq]["actor"]["t"] == "person"
    }

    def ticket(number: int, seq: int) -> str:
        return sha256(seed + bytes.fromhex(f"{number:016x}{seq:016x}")).hexdigest()

    size = min(len(weights), max(20, -(-len(weights) // 100)))
    by_chance = sorted(weights, key=lambda seq: ticket(0, seq))[: size - size // 2]
    left = set(weights) - set(by_chance)
    by_risk = sorted(left, key=lambda seq: min(ticket(n, seq) for n in range(1, weights[seq] + 1)))[: size // 2]
    return sorted(by_chance), sorted(by_risk)


class TestDrawing:
    """Nobody chooses it."""

    def test_it_can_be_drawn_with_other_tools(self, watched: Watched) -> None:
        """From the rows of the database and the rules, by somebody who has none of our code."""
        busy(watched, 60, flagged=12)
        sample = june(watched)
        by_chance, by_risk = drawn_by_hand(watched.store)
        assert [pick.access.seq for pick in sample.picks if not pick.by_risk] == by_chance
        assert [pick.access.seq for pick in sample.picks if pick.by_risk] == by_risk
        assert (len(by_chance), len(by_risk), sample.looks) == (10, 10, 60)

    def test_it_is_of_the_accesses_by_persons_in_that_month(self, watched: Watched) -> None:
        """By the calendar of Belgium; tries and denials too, and with what came of them."""
        watched.store.clock.now = there("2026-05-31T23:59:59")
        watched.look(1)
        watched.store.clock.now = there("2026-06-01T00:00")
        first = watched.look(2, is_denied=True)
        watched.look(2, actor="process")
        watched.store.clock.now = there("2026-06-30T23:59:59")
        last = watched.look(3, status="refused")
        watched.store.clock.now = there("2026-07-01T00:00")
        watched.look(4)
        sample = june(watched)
        assert places(sample) == [first, last]
        assert [pick.access.status for pick in sample.picks] == ["denied", "refused"]
        assert (sample.looks, sample.left) == (2, 2)
        assert sample.size == watched.store.ledger.head("hasselt").size - 2

    def test_it_stays_the_same_for_good(self, watched: Watched) -> None:
        """Whatever is logged after the month, and whoever opens the log."""
        busy(watched, 50)
        sample = june(watched)
        watched.store.clock.now = there("2026-07-01T00:00")
        busy(watched, 30)
        again = watch(watched.store.again()).oversight.samples.of("hasselt", JUNE)
        assert (again, len(again.picks)) == (sample, 20)

    def test_one_entry_more_draws_another(self, watched: Watched) -> None:
        """The last entry of the month makes the lot."""
        busy(watched, 50)
        watched.store.clock.now = there("2026-06-30T23:00")
        before = _as_if_in_july(watched)
        watched.look(1, actor="process")
        after = _as_if_in_july(watched)
        assert before.seed != after.seed
        assert places(before) != places(after)

    def test_an_entry_that_a_slow_clock_wrote_is_in_one_month(self, watched: Watched) -> None:
        """A clock that is set back over the end of a month loses no access, and doubles none."""
        watched.store.clock.now = there("2026-07-01T00:00")
        first = watched.look(1)
        watched.store.clock.now = there("2026-06-30T23:58")
        second = watched.look(2)
        assert places(june(watched)) == []
        watched.store.clock.now = there("2026-08-01T00:00")
        assert places(watched.oversight.samples.of("hasselt", Month(2026, 7))) == [first, second]

    def test_what_stands_out_is_likelier(self, watched: Watched) -> None:
        """In the half that is drawn by risk; the other half is blind to it."""
        flagged = set(busy(watched, 100, flagged=10)[:10])
        sample = june(watched)
        by_risk = [pick.access.seq in flagged for pick in sample.picks if pick.by_risk]
        blind = [pick.access.seq in flagged for pick in sample.picks if not pick.by_risk]
        assert sum(by_risk) >= 4
        assert sum(blind) <= 5

    def test_a_month_that_has_not_ended(self, watched: Watched) -> None:
        """Is not drawn: looks could still be made or left."""
        watched.look(1)
        watched.store.clock.now = there("2026-06-30T23:59:59")
        with pytest.raises(ConfigError, match="2026-06 has not ended"):
            watched.oversight.samples.of("hasselt", JUNE)
        assert watched.oversight.samples.last() == Month(2026, 5)

    def test_a_month_without_accesses(self, watched: Watched) -> None:
        """Has an empty sample; so has a log that was not begun."""
        watched.look(1, actor="process")
        assert (june(watched).picks, june(watched).left) == ((), 0)
        assert watched.oversight.samples.of("genk", JUNE).picks == ()


class TestSigning:
    """Somebody who is not in it decides, and every decision is an entry."""

    def test_a_decision_is_an_entry(self, watched: Watched) -> None:
        """Of which month, about which entry, what and by whom; the sample then shows it."""
        first, second = busy(watched, 2)
        watched.oversight.samples.sign("hasselt", _july(watched), [second, first, second], Finding.JUSTIFIED, DPO)
        lines = [decode(data) for _, data in watched.store.ledger.entries("hasselt")][-2:]
        assert [(line["kind"], line["actor"]) for line in lines] == [
            ("sample.review", {"t": "person", "id": "dpo"}),
            ("sample.review", {"t": "person", "id": "dpo"}),
        ]
        assert [line["review"] for line in lines] == [
            {"month": "2026-06", "of": second, "decision": "justified"},
            {"month": "2026-06", "of": first, "decision": "justified"},
        ]
        sample = june(watched)
        assert sample.left == 0
        (decision,) = sample.picks[0].decisions
        assert (decision.by, decision.finding, decision.at) == ("dpo", Finding.JUSTIFIED, watched.store.clock())
        assert sample.picks[1].decisions[0].seq == decision.seq - 1

    def test_another_reviewer_may_decide_otherwise(self, watched: Watched) -> None:
        """Both decisions stay, in their order; the same reviewer decides once."""
        (place,) = busy(watched, 1)
        samples, month = watched.oversight.samples, _july(watched)
        samples.sign("hasselt", month, [place], Finding.UNCLEAR, DPO)
        with pytest.raises(ConfigError, match="This reviewer decided about one of them before"):
            samples.sign("hasselt", month, [place], Finding.JUSTIFIED, Actor(ActorKind.PERSON, "Dpo"))
        samples.sign("hasselt", month, [place], Finding.UNJUSTIFIED, DPO2)
        (pick,) = june(watched).picks
        assert [(each.by, each.finding.value) for each in pick.decisions] == [
            ("dpo", "unclear"),
            ("dpo.2", "unjustified"),
        ]

    @pytest.mark.parametrize("name", ["staff-0", "Staff-0"])
    def test_who_is_in_the_sample_does_not_review_it(self, watched: Watched, name: str) -> None:
        """Not even what others did."""
        busy(watched, 5)
        sample = june(watched)
        other = next(pick.access.seq for pick in sample.picks if pick.access.actor.name == "staff-1")
        with pytest.raises(ConfigError, match="may not be in it"):
            watched.oversight.samples.sign("hasselt", JUNE, [other], Finding.JUSTIFIED, Actor(ActorKind.PERSON, name))
        assert june(watched).left == 5

    def test_what_is_not_in_the_sample_is_not_signed(self, watched: Watched) -> None:
        """It is named, and nothing else is signed either."""
        seqs = busy(watched, 40)
        drawn = places(june(watched))
        others = [seq for seq in seqs if seq not in drawn][:2]
        with pytest.raises(ConfigError, match=f"does not have: {others[0]}, {others[1]}"):
            watched.oversight.samples.sign("hasselt", JUNE, [drawn[0], *others], Finding.JUSTIFIED, DPO)
        assert june(watched).left == 20

    def test_a_decision_that_cannot_be_logged_is_not_taken(self, watched: Watched) -> None:
        """None of them."""
        seqs = busy(watched, 3)
        month = _july(watched)
        block = "CREATE TRIGGER full BEFORE INSERT ON entry BEGIN SELECT RAISE(ABORT, 'the disk is full'); END"
        if not watched.store.database.is_sqlite:
            block = "ALTER TABLE entry ADD CONSTRAINT full CHECK (kind <> 'sample.review')".replace(
                " full ", ' "full" '
            )
        watched.store.execute(block)
        with pytest.raises(LedgerError):
            watched.oversight.samples.sign("hasselt", month, seqs, Finding.JUSTIFIED, DPO)
        assert june(watched).left == 3

    @pytest.mark.parametrize(
        "review",
        ["x", {"month": "2026-06"}, {"month": "2026-06", "of": "0"}, {"month": "2026-06", "of": 0, "decision": "fine"}],
    )
    def test_a_decision_that_cannot_be_read(self, watched: Watched, review: Any) -> None:
        """Is named: what cannot be read does not count as decided, nor as not."""
        busy(watched, 1)
        watched.store.ledger.append([Draft("hasselt", Kind.REVIEW, "", body={"review": review})])
        with pytest.raises(BrokenChain, match="Entry 4 of the access log of hasselt cannot be read"):
            june(watched)


class TestOverdue:
    """A sample may wait thirty days."""

    def test_what_has_waited_too_long(self, watched: Watched) -> None:
        """Month by month, from the log's first; how many of how many."""
        watched.store.clock.now = there("2026-04-15T12:00")
        april = busy(watched, 30)
        watched.store.clock.now = there("2026-06-15T12:00")
        busy(watched, 3)
        samples = watched.oversight.samples
        watched.store.clock.now = Month(2026, 4).end + timedelta(days=30)
        assert samples.overdue("hasselt") == []
        watched.store.clock.now += timedelta(seconds=1)
        assert samples.overdue("hasselt") == [Overdue(Month(2026, 4), 20, 20)]
        drawn = places(samples.of("hasselt", Month(2026, 4)))
        assert set(drawn) < set(april)
        samples.sign("hasselt", Month(2026, 4), drawn[:19], Finding.JUSTIFIED, DPO)
        samples.sign("hasselt", Month(2026, 4), drawn[:1], Finding.UNCLEAR, DPO2)
        assert samples.overdue("hasselt") == [Overdue(Month(2026, 4), 1, 20)]
        watched.store.clock.now = datetime(2026, 12, 1, tzinfo=UTC)
        assert samples.overdue("hasselt") == [Overdue(Month(2026, 4), 1, 20), Overdue(JUNE, 3, 3)]
        samples.sign("hasselt", Month(2026, 4), drawn[19:], Finding.JUSTIFIED, DPO)
        assert samples.overdue("hasselt") == [Overdue(JUNE, 3, 3)]

    def test_without_a_log_nothing_is_overdue(self, watched: Watched) -> None:
        """Nobody looked."""
        assert watched.oversight.samples.overdue("hasselt") == []


def test_an_access_that_is_gone_is_named(watched: Watched) -> None:
    """A sample of a log that was cut is no sample."""
    busy(watched, 4)
    month = _july(watched)
    sqlite = watched.store.database.is_sqlite
    watched.store.execute("DROP TRIGGER entry_no_delete" if sqlite else "DROP TRIGGER entry_append_only ON entry")
    watched.store.execute("DELETE FROM entry WHERE seq = 3")
    with pytest.raises(BrokenChain, match="3"):
        watched.oversight.samples.of("hasselt", month)


def test_who_looks_is_in_the_log_first(watched: Watched) -> None:
    """At which month, and how many were shown; about nobody."""
    busy(watched, 25)
    month = _july(watched)
    shown = watched.oversight.sample("hasselt", month, DPO)
    assert shown == june(watched)
    line = decode(list(watched.store.ledger.entries("hasselt"))[-1][1])
    assert (line["kind"], line["actor"]) == ("log.view", {"t": "person", "id": "dpo"})
    assert line["view"] == {"what": "sample", "filter": {"month": "2026-06"}, "count": 20}
    assert "subj" not in line


def test_a_look_that_cannot_be_logged_shows_nothing(watched: Watched) -> None:
    """It fails closed."""
    busy(watched, 1)
    month = _july(watched)
    watched.store.execute("ALTER TABLE log RENAME COLUMN edge TO away")
    with pytest.raises(LedgerError):
        watched.oversight.sample("hasselt", month, DPO)
    assert insz(1).digits not in str(watched.oversight.samples)


def _july(watched: Watched) -> Month:
    """Let June end; give it."""
    watched.store.clock.now = max(watched.store.clock.now, there("2026-07-02T12:00"))
    return JUNE


def _as_if_in_july(watched: Watched) -> Sample:
    now = watched.store.clock.now
    watched.store.clock.now = there("2026-07-01T00:00")
    sample = watched.oversight.samples.of("hasselt", JUNE)
    watched.store.clock.now = now
    return sample
