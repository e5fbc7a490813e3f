"""What the simulator's tests start from: the government's files, our own schema, invented people, a server."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from lxml import etree

from rrsync.simulator.citizens import World
from rrsync.simulator.server import Simulator
from tests.simulator.talk import NOW, WSDL, Start


@pytest.fixture(scope="session")
def government_request(magda_data: Path) -> etree.XMLSchema:
    """Return the government's schema of a question."""
    return etree.XMLSchema(etree.parse(_service(magda_data, "GeefPersoon.xsd")))


@pytest.fixture(scope="session")
def government_reply(magda_data: Path) -> etree.XMLSchema:
    """Return the government's schema of a reply."""
    return etree.XMLSchema(etree.parse(_service(magda_data, "GeefPersoonResponse.xsd")))


@pytest.fixture(scope="session")
def ours() -> etree.XMLSchema:
    """Return our own schema."""
    return etree.XMLSchema(etree.parse(str(WSDL / "GeefPersoon.xsd")))


@pytest.fixture(scope="session")
def world() -> World:
    """Return three hundred invented people."""
    return World(seed=7, people=300)


@pytest.fixture
def start(world: World) -> Iterator[Start]:
    """Start simulators that stop when the test ends."""
    numbers = itertools.count(1)
    with ExitStack() as stack:

        def begin(**options: Any) -> Simulator:
            options.setdefault("world", world)
            options.setdefault("now", lambda: NOW)
            options.setdefault("new_reference", lambda: f"magda-{next(numbers)}")
            return stack.enter_context(Simulator(**options))

        yield begin


@pytest.fixture(scope="session")
def government(magda_data: Path) -> Callable[[str, str], etree.XMLSchema]:
    """Return the government's schema of an operation's question, or with ``Response`` that of its reply."""

    @cache
    def schema(operation: str, ending: str) -> etree.XMLSchema:
        name, _, version = operation.partition("-")
        place = magda_data / "xsd" / f"Repertorium.{name}Dienst-{version}" / "WebService"
        return etree.XMLSchema(etree.parse(str(place / f"{name}{ending}.xsd")))

    return schema


def _service(place: Path, name: str) -> str:
    return str(place / "xsd" / "Persoon.GeefPersoonDienst-02.02" / "WebService" / name)
