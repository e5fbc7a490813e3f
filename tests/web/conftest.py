"""Installations with pages: one behind an identity provider, one for a trial on this machine."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser

from rrsync.cli.setup import install
from rrsync.config.load import load
from rrsync.config.settings import Settings
from tests.support import Clock
from tests.web import clerk
from tests.web.browser import browser, chromium
from tests.web.provider import SECRET, Op, running
from tests.web.scene import PUBLIC, Scene, opened

_LIBRARIES = """\
[[library]]
id = "hasselt"
name = "Bibliotheek Hasselt"
sender = "hasselt.example/bibliotheek"
capacity = "1300"
organisation = "OVO000001"

[library.authorisation]
decision = "RR 28/2009"
scope = "scopes/libraries.txt"
purposes = ["member-administration", "desk"]
valid_from = 2009-05-18
valid_until = 2099-12-31

[[library]]
id = "genk"
name = "Bibliotheek Genk"
sender = "genk.example/bibliotheek"
capacity = "1300"
organisation = "OVO000002"
"""
OIDC = """\
[web]
public_url = "{public}"
organisation = "OVO000009"

[web.oidc]
issuer = "{issuer}"
client_id = "rrsync"
scopes = ["openid", "vo", "profile", "rrn"]
role_claim = "rrsync_rol_3d"

[web.oidc.roles]
RRSync-Balie = "desk"
RRSync-Beheer = "operator"
RRSync-DPO = "dpo"
"""

Make = Callable[[str], Settings]


@pytest.fixture
def make(tmp_path: Path, migrated_file: Path, monkeypatch: pytest.MonkeyPatch) -> Make:
    """Give what makes an installation with these settings besides its libraries."""
    for name in [name for name in os.environ if name.startswith("RRSYNC_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("RRSYNC_OIDC_SECRET", SECRET)

    def make(text: str) -> Settings:
        path = tmp_path / "rrsync.toml"
        path.write_text(f"{text}\n{_LIBRARIES}", encoding="utf-8")
        shutil.copy(migrated_file, tmp_path / "rrsync.db")
        install(path)
        return load(path)

    return make


@pytest.fixture(scope="module")
def chrome() -> Iterator[Browser]:
    """Give the system's browser: a module's, for while it runs no other event loop can."""
    if chromium() is None:
        pytest.skip("there is no Chromium on this machine: apt-get install chromium")
    with browser() as found:
        yield found


@pytest.fixture
def op(clock: Clock) -> Iterator[Op]:
    """Give an identity provider."""
    with running(clock) as started:
        yield started


@pytest.fixture
def guarded(make: Make, op: Op) -> Settings:
    """Give the settings of an installation behind the provider."""
    return make(OIDC.format(public=PUBLIC, issuer=op.url))


@pytest.fixture
def scene(guarded: Settings, clock: Clock, op: Op) -> Iterator[Scene]:
    """Give the pages behind the provider."""
    with opened(guarded, clock, op) as made:
        yield made


@pytest.fixture
def trial(make: Make, clock: Clock) -> Iterator[Scene]:
    """Give the pages of a trial on this machine."""
    with opened(make(""), clock) as made:
        yield made


@pytest.fixture
def desk(make: Make, clock: Clock, op: Op) -> Iterator[clerk.Place]:
    """Give a desk at work."""
    with clerk.place(make, clock, op, OIDC.format(public=PUBLIC, issuer=op.url)) as made:
        yield made
