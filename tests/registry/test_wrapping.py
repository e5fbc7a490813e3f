"""More than a thousand replies that nobody should believe, in twenty-two families, and every one refused."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest
import xmlsec
from lxml import etree
from zeep.wsse import signature as others

from rrsync.core.exchange import Reason, Refused
from rrsync.core.log_entry import Status
from rrsync.errors import RegistryUnreadable
from rrsync.registry import xml
from rrsync.registry.verification import BadSignature, Distrusted, Verifier
from tests.registry import authority, forge, scene, wrapping
from tests.registry.forge import BODY, Shape
from tests.registry.scene import NOW
from tests.registry.wrapping import BASES, FAMILIES, Family, Forgery

#: The families in which every forgery hides the genuine Body from who reads, and shows it to who verifies.
WRAPPED = (wrapping.body_in_header, wrapping.body_in_security)


@pytest.fixture(scope="module")
def trust(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a trust store with the authority that issues MAGDA's certificates."""
    path = tmp_path_factory.mktemp("trust") / "trust.pem"
    path.write_bytes(authority.middle().pem)
    return path


def _fooled(verifier: Verifier, forgery: Forgery, genuine: bytes) -> bool:
    """Whether a forgery was believed; if it does no harm, whether anything but the genuine was handed on."""
    try:
        handed_on = verifier.verified(forgery.reply)
    except (BadSignature, Distrusted, RegistryUnreadable) as error:  # the last is no XML that may be read at all
        refused = error
    else:
        return not forgery.is_harmless or handed_on != genuine
    assert getattr(refused, "status", Status.SIG_BAD) is Status.SIG_BAD
    assert not any(each in str(refused) for each in (scene.STREET, scene.DIGITS, scene.OTHER, "Rovers"))
    return False


@pytest.mark.parametrize("base", BASES)
@pytest.mark.parametrize("family", FAMILIES, ids=lambda family: family.__name__)
def test_a_family_of_forgeries_is_refused(trust: Path, family: Family, base: str) -> None:
    """Whether signatures are required, or only verified if there are any."""
    shape = BASES[base]()
    genuine = forge.reply(shape)
    for policy in ("required", "if_present"):
        verifier = Verifier(policy, trust, lambda: NOW)
        wanted = forge.handed_on(genuine)
        assert verifier.verified(genuine) == wanted
        forgeries = list(family(shape))
        is_bare = policy == "if_present" and family is wrapping.stripped
        believed = [each.name for each in forgeries if _fooled(verifier, each, wanted)]
        assert believed == (["never signed"] if is_bare else [])


def test_there_are_enough_of_them() -> None:
    """At least five hundred, in at least twelve families, each at least a handful; no two of a family are one."""
    shape = BASES["path and timestamp"]()
    count = Counter({family.__name__: len({each.reply for each in family(shape)}) for family in FAMILIES})
    assert len(count) >= 12
    assert min(count.values()) >= 5
    assert count.total() * len(BASES) >= 500


@pytest.mark.parametrize("base", BASES)
@pytest.mark.parametrize("family", FAMILIES, ids=lambda family: family.__name__)
def test_they_can_be_read(family: Family, base: str) -> None:
    """But for those with a document type they are XML, so that it is not for its form that one is refused."""
    for forgery in family(BASES[base]()):
        if b"<!DOCTYPE" not in forgery.reply:
            xml.parse(forgery.reply)


@pytest.mark.parametrize("base", ["token", "path and timestamp"])
@pytest.mark.parametrize("family", WRAPPED, ids=lambda family: family.__name__)
def test_zeep_would_believe_them(family: Family, base: str) -> None:
    """The forgeries are good ones: zeep's own verification takes every one, and would read another person."""
    shape = BASES[base]()
    key = xmlsec.Key.from_memory(shape.paper.pem, xmlsec.constants.KeyDataFormatCertPem)
    for forgery in family(shape):
        root = etree.fromstring(forgery.reply)
        others._verify_envelope_with_key(root, key)  # type: ignore[no-untyped-call]  # zeep leaves it untyped
        read = root.find(BODY)
        assert read is not None
        assert scene.OTHER in etree.tostring(read).decode()


@pytest.mark.parametrize(
    ("ref", "digits", "reference", "asked"),
    [
        ("ref-0", scene.DIGITS, "ref-1", scene.DIGITS),
        ("ref-0", scene.DIGITS, "ref-0", scene.OTHER),
        ("ref-0", scene.OTHER, "ref-1", scene.DIGITS),
    ],
    ids=["another question about the same person", "another person", "another question about another person"],
)
def test_a_reply_that_is_sent_again_is_no_answer(
    trust: Path, ref: str, digits: str, reference: str, asked: str
) -> None:
    """It is signed as well as ever; its reference or its number gives it away, and nothing of it is used."""
    replayed = forge.reply(content=forge.content(digits, ref))
    handed_on = Verifier("required", trust, lambda: NOW).verified(replayed)
    reading = scene.read(handed_on, scene.asked(asked, reference))
    assert reading.status is Status.MISMATCH
    assert reading.answer == Refused(reference, Reason.MISMATCH)


@pytest.mark.parametrize("change", [str.upper, str.swapcase], ids=["upper", "swap"])
def test_an_id_that_differs_in_case_alone_is_no_other_id(trust: Path, change: Callable[[str], str]) -> None:
    """Some software does not tell them apart, so two of them may be one."""
    opened = wrapping.Open(Shape())
    etree.SubElement(opened.header, "Extra").set("Id", change(opened.id))
    with pytest.raises(BadSignature, match="alike"):
        Verifier("required", trust, lambda: NOW).verified(opened.bytes())
