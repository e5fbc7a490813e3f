"""Who somebody is at the pages, from what an identity provider claims."""

from __future__ import annotations

from itertools import combinations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rrsync.core.insz import Insz
from rrsync.core.roles import APART, Denial, Grants, Role, Staff, are_apart, is_name, number_of, staff_of
from tests.support import insz

CLAIM = "rrsync_rol_3d"
TEXTS = {f"RRSync-{role.name.title()}": role for role in Role}
GRANTS = Grants(TEXTS, {"OVO1": "hasselt", "OVO2": "genk"}, role_claim=CLAIM, house="OVO9")

texts = st.sampled_from([*TEXTS, "RRSync-Chef", "Other-Desk", ""])
codes = st.sampled_from(["OVO1", "OVO2", "OVO3", "OVO9", ""])
entries = st.lists(st.tuples(texts, codes).map(":".join), max_size=6)
junk = st.one_of(st.none(), st.text(), st.integers(), st.lists(st.integers()), st.dictionaries(st.text(), st.text()))


def claims(*roles: str, **others: object) -> dict[str, object]:
    return {"vo_id": "an.peeters", CLAIM: list(roles)} | others


def test_a_role_for_a_library_gives_its_staff() -> None:
    """The library comes from the organisation in the role's text."""
    assert staff_of(claims("RRSync-Desk:OVO1"), GRANTS) == Staff("an.peeters", "hasselt", frozenset({Role.DESK}))
    both = claims("RRSync-Desk:OVO2", "RRSync-Operator:OVO2")
    assert staff_of(both, GRANTS) == Staff("an.peeters", "genk", frozenset({Role.DESK, Role.OPERATOR}))


def test_who_runs_rrsync_is_of_no_library() -> None:
    """Its officer reaches every library; a library's own only that one."""
    house, own = staff_of(claims("RRSync-Dpo:OVO9"), GRANTS), staff_of(claims("RRSync-Dpo:OVO1"), GRANTS)
    assert isinstance(house, Staff)
    assert isinstance(own, Staff)
    assert [house.reaches(library) for library in ("hasselt", "genk")] == [True, True]
    assert [own.reaches(library) for library in ("hasselt", "genk")] == [True, False]


@pytest.mark.parametrize(
    ("said", "why"),
    [
        (claims(), Denial.NO_ROLE),
        (claims("RRSync-Chef:OVO1"), Denial.NO_ROLE),
        (claims("RRSync-Desk"), Denial.NO_ROLE),
        (claims("RRSync-Desk:"), Denial.NO_ROLE),
        (claims("rrsync-desk:OVO1"), Denial.NO_ROLE),
        ({"vo_id": "an.peeters"}, Denial.NO_ROLE),
        ({"vo_id": "an.peeters", CLAIM: "RRSync-Desk:OVO1"}, Denial.NO_ROLE),
        ({"vo_id": "an.peeters", CLAIM: [{"RRSync-Desk": "OVO1"}]}, Denial.NO_ROLE),
        (claims("RRSync-Desk:OVO1", vo_orgcode="OVO2"), Denial.NO_ROLE),
        (claims("RRSync-Desk:OVO1", vo_orgcode=["OVO1"]), Denial.NO_ROLE),
        (claims("RRSync-Desk:OVO1", "RRSync-Dpo:OVO1"), Denial.NOT_APART),
        (claims("RRSync-Desk:OVO1", "RRSync-Dpo:OVO2", vo_orgcode="OVO1"), Denial.NOT_APART),
        (claims("RRSync-Admin:OVO3", "RRSync-Dpo:OVO9", vo_orgcode="OVO9"), Denial.NOT_APART),
        (claims("RRSync-Desk:OVO1", "RRSync-Desk:OVO2"), Denial.SEVERAL_ORGANISATIONS),
        (claims("RRSync-Desk:OVO3"), Denial.UNKNOWN_ORGANISATION),
        (claims("RRSync-Desk:OVO9"), Denial.DESK_OF_NO_LIBRARY),
        ({CLAIM: ["RRSync-Desk:OVO1"]}, Denial.NO_NAME),
        (claims("RRSync-Desk:OVO1", vo_id=""), Denial.NO_NAME),
        (claims("RRSync-Desk:OVO1", vo_id=7), Denial.NO_NAME),
        (claims("RRSync-Desk:OVO1", vo_id="x" * 41), Denial.NO_NAME),
        (claims("RRSync-Desk:OVO1", vo_id=" an"), Denial.NO_NAME),
        (claims("RRSync-Desk:OVO1", vo_id="an\n"), Denial.NO_NAME),
        (claims("RRSync-Desk:OVO1", vo_id=insz(1).digits), Denial.NO_NAME),
    ],
)
def test_everything_else_is_refused_with_its_reason(said: dict[str, object], why: Denial) -> None:
    """Nobody comes in whom the settings do not name."""
    assert staff_of(said, GRANTS) is why


def test_the_organisation_somebody_came_in_for_decides() -> None:
    """Of roles for two organisations only those for this one count."""
    said = claims("RRSync-Desk:OVO1", "RRSync-Operator:OVO2", vo_orgcode="OVO2")
    assert staff_of(said, GRANTS) == Staff("an.peeters", "genk", frozenset({Role.OPERATOR}))


def test_without_a_house_nobody_is_of_no_library() -> None:
    """An organisation that is not named is unknown."""
    bare = Grants(TEXTS, {"OVO1": "hasselt"}, role_claim=CLAIM)
    assert staff_of(claims("RRSync-Dpo:OVO9"), bare) is Denial.UNKNOWN_ORGANISATION


@given(entries, st.one_of(st.none(), codes))
def test_no_claims_make_one_who_must_be_two(roles: list[str], code: str | None) -> None:
    """Whatever is claimed: staff have roles that may be together, a library of theirs, and only what was granted."""
    found = staff_of(claims(*roles, **({} if code is None else {"vo_orgcode": code})), GRANTS)
    said = {TEXTS[text.rpartition(":")[0]] for text in roles if text.rpartition(":")[0] in TEXTS and text[-1] != ":"}
    if any(pair <= said for pair in APART):
        assert found is Denial.NOT_APART
    elif isinstance(found, Staff):
        library = {"OVO1": "hasselt", "OVO2": "genk", "OVO9": None}
        assert found.roles <= said
        assert are_apart(found.roles)
        assert found.library is not None or Role.DESK not in found.roles
        for role in found.roles:
            assert any(TEXTS.get(text[:-5]) is role and library.get(text[-4:], "") == found.library for text in roles)


@given(junk, junk, junk)
def test_whatever_is_claimed_is_judged(name: object, roles: object, code: object) -> None:
    """Claims of no known shape let nobody in, and break nothing."""
    assert isinstance(staff_of({"vo_id": name, CLAIM: roles, "vo_orgcode": code}, GRANTS), Denial)


@pytest.mark.parametrize("roles", [[], *(list(pair) for pair in APART), list(Role)])
def test_no_staff_can_be_made_past_the_rule(roles: list[Role]) -> None:
    """Wherever roles come from: a session, a trial, a test."""
    with pytest.raises(ValueError, match="cannot be one person's"):
        Staff("an", "hasselt", frozenset(roles))


def test_only_those_two_pairs_are_apart() -> None:
    """The other four may be one person's."""
    assert sum(are_apart(set(pair)) for pair in combinations(Role, 2)) == 4


def test_their_own_number_is_read_if_it_is_one() -> None:
    """A claim that is no number is none."""
    assert number_of({"rrn": insz(1).digits}, GRANTS, production=False) == insz(1)
    assert number_of({"rrn": "85.07.30-033.29"}, GRANTS, production=False) is None
    assert number_of({"rrn": 85073003328}, GRANTS, production=False) is None
    assert number_of({}, GRANTS, production=True) is None
    assert isinstance(number_of({"rrn": insz(1).digits}, GRANTS, production=True), Insz)


def test_a_name_is_short_and_names_nobody_by_number() -> None:
    """As the access log keeps it in clear."""
    assert is_name("an.peeters")
    assert is_name("x" * 40)
    assert not is_name("")
