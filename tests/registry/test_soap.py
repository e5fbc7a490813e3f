"""The envelope that leaves us. What comes back: test_http_replies; a connection that fails: tests/net."""

from __future__ import annotations

import logging
from concurrent.futures import ThreadPoolExecutor
from importlib.resources import files
from pathlib import Path

import pytest
from lxml import etree

from rrsync.errors import ConfigError
from rrsync.registry import request, wsdl
from rrsync.registry.request import PERSON, RequestNode
from rrsync.registry.soap import SoapClient
from tests.registry import scene
from tests.registry.scene import door, http

NOWHERE = "http://127.0.0.1:9/"
REPLY = scene.answer(scene.person())


def _request(ref: str = "ref-0", digits: str = scene.DIGITS) -> RequestNode:
    return request.request_content(scene.asked(digits, ref), scene.AUTHORISATION, source="RR", now=scene.NOW)


class TestBuild:
    """The envelope that zeep writes."""

    def test_it_is_valid_and_has_the_form_that_magda_asks_for(self) -> None:
        """UTF-8 with a declaration, a prefixed root, no namespace reset, valid against our schema."""
        built = SoapClient(NOWHERE).build(PERSON, _request())
        assert built.startswith(b"<?xml version='1.0' encoding='UTF-8'?>")
        assert b'xmlns=""' not in built
        body = etree.fromstring(built)[0]
        assert etree.QName(body[0]).localname == "GeefPersoon"
        assert body[0].prefix
        schema = etree.XMLSchema(etree.parse(str(files("rrsync") / "wsdl" / PERSON.operation / "GeefPersoon.xsd")))
        schema.assertValid(etree.fromstring(etree.tostring(body[0])))

    def test_threads_may_build_at_once(self) -> None:
        """Eight threads, four hundred questions, each with its own reference and number."""
        client = SoapClient(NOWHERE)

        def build(number: int) -> bool:
            digits = f"{number:011d}"
            built = client.build(PERSON, _request(f"ref-{number}", digits)).decode()
            return built.count(f">ref-{number}<") == 2 and f">{digits}<" in built

        with ThreadPoolExecutor(8) as pool:
            assert all(pool.map(build, range(400)))

    def test_zeep_reads_our_folder_and_nothing_else(self, tmp_path: Path) -> None:
        """A schema elsewhere, on disk or on the net, is refused."""
        shelf = wsdl._Folder(tmp_path)
        (tmp_path / "a.xsd").write_bytes(b"<a/>")
        assert shelf.load(str(tmp_path / "a.xsd")) == b"<a/>"
        for url in ("http://www.w3.org/2001/xml.xsd", "/etc/hostname", str(tmp_path / ".." / "b.xsd")):
            with pytest.raises(ConfigError):
                shelf.load(url)


class TestPost:
    """One exchange that goes well."""

    def test_headers_and_bytes_are_as_magda_asks(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """The bytes arrive as built; no proxy or netrc of the environment is used."""
        monkeypatch.setenv("HTTP_PROXY", NOWHERE)
        with door(lambda *_: http(REPLY)) as opened:
            client = SoapClient(opened.url)
            envelope = client.build(PERSON, _request())
            assert client.post(PERSON, envelope) == REPLY
            client.close()
        head = opened.heads[0].decode().lower()
        for wanted in ("content-type: text/xml; charset=utf-8", 'soapaction: ""', "accept-encoding: identity"):
            assert wanted in head
        assert opened.bodies == [envelope]


@pytest.mark.parametrize("endpoint", ["", "nowhere", "ftp://127.0.0.1/", "http://", "https://[::1"])
def test_an_endpoint_must_be_a_url(endpoint: str) -> None:
    """A wrong endpoint is found at the start, not at the first member."""
    with pytest.raises(ConfigError):
        SoapClient(endpoint)


def test_the_libraries_that_see_messages_are_silent(caplog: pytest.LogCaptureFixture) -> None:
    """With the root at DEBUG, and their own loggers too, neither zeep nor urllib3 nor requests prints a word."""
    heard: list[logging.LogRecord] = []
    ear = logging.Handler()
    ear.emit = heard.append  # type: ignore[method-assign,assignment]  # caplog hears even what goes nowhere
    caplog.set_level(logging.DEBUG)
    logging.getLogger().addHandler(ear)
    try:
        with door(lambda *_: http(REPLY)) as opened:
            client = SoapClient(opened.url)
            for name in ("zeep.transports", "urllib3.connectionpool", "requests", "charset_normalizer"):
                caplog.set_level(logging.DEBUG, logger=name)
                logging.getLogger(name).error("a message")
            client.post(PERSON, client.build(PERSON, _request()))
            client.close()
    finally:
        logging.getLogger().removeHandler(ear)
    assert not heard
