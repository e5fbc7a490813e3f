"""A form filled in is the envelope that would have been written for the question alone."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from rrsync.core.insz import Insz
from rrsync.errors import ConfigError
from rrsync.registry import request
from rrsync.registry.request import PERSON, Envelopes
from rrsync.registry.soap import SoapClient
from tests.registry import scene

NOW = datetime(2026, 12, 31, 23, 30, 5, tzinfo=UTC)


@pytest.fixture(scope="module")
def client() -> SoapClient:
    """A client that sends nothing."""
    return SoapClient("http://127.0.0.1:9/")


@pytest.mark.parametrize("source", ["RR", "KSZ"])
def test_a_form_filled_in_is_what_zeep_would_write(client: SoapClient, source: str) -> None:
    """To the byte, for other numbers, references, moments, senders and capacities, escaped where XML must be."""
    forms = Envelopes(client.build, source=source)
    for step, sender in enumerate(("hasselt.be/a", 'genk.be/<&">', "hasselt.be/a")):
        authorisation = replace(scene.AUTHORISATION, sender=sender, capacity=f"13{step % 2}0")
        question = replace(scene.QUESTION, insz=Insz(f"0061010013{step}"), reference=f"ref-<&{step}>")
        now = NOW + timedelta(hours=step)
        whole = client.build(PERSON, request.request_content(question, authorisation, source=source, now=now))
        assert forms.fill(question, authorisation, now=now) == whole


def test_a_sender_that_looks_like_a_blank_is_refused(client: SoapClient) -> None:
    """Else a number would be written where the sender stands."""
    forms = Envelopes(client.build, source="RR")
    with pytest.raises(ConfigError, match="cannot be written for this sender"):
        forms.fill(scene.QUESTION, replace(scene.AUTHORISATION, sender="a@INSZ@"), now=NOW)
