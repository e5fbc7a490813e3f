"""The keys of library systems, on both databases: found, ended, and made by nobody but us."""

from __future__ import annotations

import re
from datetime import timedelta
from hashlib import sha256
from typing import Final

import pytest

from rrsync.core.api_key import Scope, admits, key_id
from rrsync.core.log_entry import Actor, ActorKind, decode
from rrsync.errors import ConfigError
from rrsync.store.api_keys import ApiKeyRequest, ApiKeys
from rrsync.store.encryption import FieldCipher, Keyring
from tests.support import Clock, Dice, Store

DORA: Final = Actor(ActorKind.PERSON, "dora.wouters")
BOTH: Final = frozenset({Scope.READ, Scope.REFRESH})


@pytest.fixture
def apikeys(store: Store, clock: Clock) -> ApiKeys:
    """Give the keys of a database."""
    return ApiKeys(store.database, store.seal, store.ledger, clock, Dice("keys"))


def order(clock: Clock, **other: object) -> ApiKeyRequest:
    """Give what a key is made of, with some of it other."""
    said: dict[str, object] = {
        "library": "hasselt",
        "name": "Wise",
        "scopes": BOTH,
        "networks": ("192.0.2.0/24",),
        "expires_at": clock() + timedelta(days=90),
    }
    return ApiKeyRequest(**(said | other))  # type: ignore[arg-type] # a test may ask for anything


class TestMaking:
    """A key is made, found and used."""

    def test_it_is_found_by_what_was_shown_once(self, apikeys: ApiKeys, store: Store, clock: Clock) -> None:
        """The database has its hash alone; a use is noted once a minute."""
        key, text = apikeys.make(order(clock), actor=DORA)
        assert re.fullmatch(r"rrs_[0-9a-f]{12}_[A-Za-z0-9_-]{43}", text)
        assert key_id(text) == key.id
        assert apikeys.find(text) == key
        assert store.scalars("SELECT digest FROM api_key") == [sha256(text.encode()).digest()]
        dumped = str(store.scalars("SELECT id || name || scopes || networks || made_by FROM api_key"))
        assert text.rpartition("_")[2] not in dumped
        first = clock()
        clock.pass_by(seconds=59)
        found = apikeys.find(text)
        assert found is not None
        assert found.used_at == first
        clock.pass_by(seconds=1)
        apikeys.find(text)
        assert apikeys.of(["hasselt"])[0].used_at == clock()

    def test_both_deeds_stand_in_the_access_log(self, apikeys: ApiKeys, store: Store, clock: Clock) -> None:
        """Who, which key, for what, until when; and never the key."""
        key, text = apikeys.make(order(clock), actor=DORA)
        apikeys.revoke(key.id, libraries=["hasselt"], actor=Actor(ActorKind.PERSON, "els.smets"))
        lines = [decode(data) for _, data in store.ledger.entries("hasselt")]
        assert [(line["kind"], line["actor"], line["api_key"]["deed"]) for line in lines] == [  # type: ignore[index,call-overload] # a JSON object
            ("settings.change", {"t": "person", "id": "dora.wouters"}, "made"),
            ("settings.change", {"t": "person", "id": "els.smets"}, "revoked"),
        ]
        assert lines[0]["api_key"] == {
            "id": key.id,
            "name": "Wise",
            "deed": "made",
            "scopes": ["members:read", "members:refresh"],
            "until": key.expires_at.date().isoformat(),
        }
        assert all(text.encode() not in data for _, data in store.ledger.entries("hasselt"))

    @pytest.mark.parametrize(
        "other",
        [
            {"name": ""},
            {"name": " Wise"},
            {"name": "x" * 41},
            {"name": "60.61.22-216.35"},
            {"name": "a\nb"},
            {"scopes": frozenset()},
            {"networks": ("192.0.2.7/24",)},
            {"networks": ("here",)},
        ],
        ids=str,
    )
    def test_what_no_key_can_be(self, clock: Clock, other: dict[str, object]) -> None:
        """Whoever asks for it."""
        with pytest.raises(ConfigError):
            order(clock, **other)

    @pytest.mark.parametrize("days", [-1, 0, 366])
    def test_it_ends_within_a_year(self, apikeys: ApiKeys, clock: Clock, days: int) -> None:
        """And after it begins."""
        with pytest.raises(ConfigError, match="within a year"):
            apikeys.make(order(clock, expires_at=clock() + timedelta(days=days)), actor=DORA)
        assert apikeys.of(["hasselt"]) == []


class TestEnding:
    """A key that is over opens nothing."""

    def test_it_expires(self, apikeys: ApiKeys, clock: Clock) -> None:
        """To the second."""
        _, text = apikeys.make(order(clock), actor=DORA)
        clock.pass_by(days=90, seconds=-1)
        assert apikeys.find(text) is not None
        clock.pass_by(seconds=1)
        assert apikeys.find(text) is None

    def test_it_is_revoked_for_good(self, apikeys: ApiKeys, store: Store, clock: Clock) -> None:
        """By who reaches its library, once; its hash goes."""
        key, text = apikeys.make(order(clock), actor=DORA)
        assert apikeys.revoke(key.id, libraries=["genk"], actor=DORA) is None
        assert apikeys.revoke("nothing", libraries=["hasselt"], actor=DORA) is None
        assert apikeys.find(text) is not None
        gone = apikeys.revoke(key.id, libraries=["hasselt"], actor=DORA)
        assert gone is not None
        assert (gone.revoked_by, gone.revoked_at) == ("dora.wouters", clock())
        assert apikeys.find(text) is None
        assert apikeys.revoke(key.id, libraries=["hasselt"], actor=DORA) is None
        assert store.scalars("SELECT digest FROM api_key") == [b""]
        assert len(apikeys.of(["hasselt"])) == 1
        assert apikeys.of(["genk"]) == []


class TestForging:
    """Who owns the database, but not our keys, makes no key and widens none."""

    @pytest.mark.parametrize(
        "statement",
        [
            "UPDATE api_key SET scopes = 'changes:read members:read members:refresh'",
            "UPDATE api_key SET networks = ''",
            "UPDATE api_key SET library = 'genk'",
            "UPDATE api_key SET expires_at = '2036-01-01 00:00:00'",
            "UPDATE api_key SET name = 'another'",
            "UPDATE api_key SET made_by = 'another'",
            "UPDATE api_key SET id = 'ffffffffffff'",
        ],
    )
    def test_a_row_that_was_altered_is_no_key(
        self, apikeys: ApiKeys, store: Store, clock: Clock, statement: str
    ) -> None:
        """It opens nothing, is not shown, and cannot be revoked, which would make it ours."""
        key, text = apikeys.make(order(clock), actor=DORA)
        store.execute(statement)
        for shown in (text, text.replace(key.id, "ffffffffffff")):
            assert apikeys.find(shown) is None
        assert apikeys.of(["hasselt", "genk"]) == []
        assert apikeys.revoke(key.id, libraries=["hasselt", "genk"], actor=DORA) is None

    def test_a_key_with_another_digest_is_none(self, apikeys: ApiKeys, store: Store, clock: Clock) -> None:
        """Though it is the hash of a key that one has."""
        mine, text = apikeys.make(order(clock), actor=DORA)
        theirs, _ = apikeys.make(order(clock, library="genk"), actor=DORA)
        store.execute(
            "UPDATE api_key SET digest = :digest WHERE id = :id",
            digest=sha256(text.replace(mine.id, theirs.id).encode()).digest(),
            id=theirs.id,
        )
        assert apikeys.find(text.replace(mine.id, theirs.id)) is None

    def test_another_installations_row_is_none(self, store: Store, apikeys: ApiKeys, clock: Clock) -> None:
        """Its tag is under other keys."""
        _, text = apikeys.make(order(clock), actor=DORA)
        other = ApiKeys(
            store.database, FieldCipher(Keyring.fresh(Dice("other")), Dice("x")), store.ledger, clock, Dice("other")
        )
        assert other.find(text) is None

    @pytest.mark.parametrize(
        "text", ["", "rrs_", "rrs_0123456789ab_", "x" * 60, "rrs_0123456789AB_" + "A" * 43, "é" * 60]
    )
    def test_what_is_no_key_is_not_looked_up(self, apikeys: ApiKeys, text: str) -> None:
        """Whatever it is."""
        assert apikeys.find(text) is None


@pytest.mark.parametrize(
    ("networks", "host", "may"),
    [
        ((), "anything", True),
        (("192.0.2.0/24",), "192.0.2.255", True),
        (("192.0.2.0/24",), "192.0.3.0", False),
        (("192.0.2.0/24",), "::ffff:192.0.2.1", True),
        (("2001:db8::/32",), "2001:db8::1", True),
        (("2001:db8::/32",), "192.0.2.1", False),
        (("192.0.2.0/24",), "", False),
    ],
)
def test_from_where_a_key_is_good(networks: tuple[str, ...], host: str, may: bool) -> None:
    """By IPv4 or IPv6, and by IPv4 as IPv6 writes it."""
    assert admits(networks, host) is may
