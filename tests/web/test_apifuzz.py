"""The API asked what nobody would ask: cases that schemathesis makes of our own document, good ones and bad ones.

``RRSYNC_API_FUZZ`` is how many cases are asked, ``RRSYNC_SEED`` which; a short run is the default. Of every answer: it
is no failure of ours, it is as the document says, and no canary is in it. At the end the access log has one access for
every question that reached the register. With ``-s`` the figures are printed.
"""

from __future__ import annotations

import os
import shutil
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import pytest
import requests
import schemathesis
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st
from schemathesis import Case, GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)
from structlog.testing import capture_logs

from rrsync.core.api_key import Scope
from rrsync.store.members import ImportRow
from tests.support import LAST, STREET, Clock, amount, member
from tests.web.serving import ADMIN, LETTERS, Serving, serving

SEED: Final = amount("SEED", short=0, whole=0)
COUNT: Final = amount("API_FUZZ", short=120, whole=20_000)
#: Hypothesis remembers what it tried; a round forgets the one before.
ROUND: Final = 500
#: How many members of Genk alone there are: nobody else may hear of them.
OTHERS: Final = 5
CHECKS: Final = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
]
PATHS: Final = {
    "member": ("/api/libraries/{library}/members/{member}", "GET"),
    "refresh": ("/api/libraries/{library}/members/{member}/refresh", "POST"),
    "changes": ("/api/libraries/{library}/changes", "GET"),
    "holds": ("/api/libraries/{library}/holds", "GET"),
}


@dataclass
class Asking:
    """The keys one may show, and what came of it so far."""

    served: Serving
    session: requests.Session
    keys: dict[str, str]
    canaries: frozenset[str]
    statuses: Counter[int] = field(default_factory=Counter)

    def ask(self, case: Case[Any], bent: Bent) -> None:
        """Ask one case, bent so that it goes deeper than chance would lead it, and look at the answer."""
        self.served.clock.pass_by(seconds=20)
        if bent.library:
            case.path_parameters["library"] = bent.library
        if bent.member and "member" in case.path_parameters:
            case.path_parameters["member"] = bent.member
        if bent.call and case.operation.method.upper() == "POST":
            case.headers["Idempotency-Key"] = bent.call.format(sum(self.statuses.values()))
        if bent.body is not None and isinstance(case.body, dict):
            case.body = case.body | bent.body
        for name in [name for name in case.headers if name.lower() == "authorization"]:
            del case.headers[name]
        if bent.key:
            case.headers["Authorization"] = f"Bearer {self.keys[bent.key]}"
        response = case.call(base_url=self.served.app.settings.web.origin, session=self.session)
        self.statuses[response.status_code] += 1
        case.validate_response(response, checks=CHECKS)
        self.look(response.text, bent.key)
        if sum(self.statuses.values()) % 100 == 0:
            self.served.app.sign_off()

    def look(self, text: str, key: str) -> None:
        """See that no canary is in an answer."""
        assert not any(canary in text for canary in self.canaries)
        assert key == "genk" or (LAST not in text and STREET not in text)


@dataclass(frozen=True)
class Bent:
    """What of a case is not left to chance; what is empty is."""

    key: str
    library: str
    member: str
    call: str
    body: dict[str, Any] | None


_MEMBERS: Final = tuple(f"M{at:06d}" for at in range(1, 41))
#: Half of the calls are new ones, half are named as one before.
_CALLS: Final = (*("a-call-that-is-new-{}",) * 10, *(f"a-call-that-has-a-name-{at}" for at in range(10)))
_BODY: Final = st.builds(
    lambda staff, apply, case: {"purpose": "desk", "case": case, "staff": staff, "apply": apply},
    st.sampled_from(("an.peeters", "bo.claes", "cis.maes")),
    st.booleans(),
    st.sampled_from(("letter-118", "letter-119")),
)
#: As a library system asks, but for what the case has bad; and every other way.
BENT: Final = st.one_of(
    st.builds(
        Bent,
        key=st.just("hasselt"),
        library=st.just("hasselt"),
        member=st.sampled_from(_MEMBERS[:16]),
        call=st.sampled_from(_CALLS),
        body=_BODY,
    ),
    st.builds(
        Bent,
        key=st.sampled_from(("hasselt", "genk", "read", "dead", "")),
        library=st.sampled_from(("hasselt", "genk", "nowhere", "")),
        member=st.sampled_from((*_MEMBERS[:3], "G000001", "M0001", "M999999", "")),
        call=st.sampled_from(("", *_CALLS[:3])),
        body=st.none() | _BODY,
    ),
)


def _keys(served: Serving) -> dict[str, str]:
    """Give the keys one may show: good ones, one that may only read, one that is revoked."""
    keys = {library: served.key(library) for library in LETTERS}
    keys |= {"read": served.key(scopes=frozenset({Scope.READ})), "dead": served.key()}
    found = served.app.api_keys
    found.revoke(served.made[-1].id, libraries=["hasselt"], actor=ADMIN)
    return keys


@pytest.mark.timeout(7200)
@pytest.mark.proof
def test_no_case_finds_a_fault(tmp_path: Path, migrated_file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """None of ours, none in the document, nobody's data; and the log is whole."""
    for name in [name for name in os.environ if name.startswith("RRSYNC_")]:
        monkeypatch.delenv(name)
    shutil.copy(migrated_file, tmp_path / "rrsync.db")
    with serving(tmp_path, clock=Clock(), most=max(30, COUNT // 20)) as served, requests.Session() as session:
        others = [member(at, library="genk") for at in range(1, OTHERS + 1)]
        lines = [ImportRow(line, each) for line, each in enumerate(others, start=2)]
        served.app.members.take(lines, import_id="others", at=served.clock())
        numbers = {citizen.insz.digits for citizen in map(served.world.citizen, range(len(served.world)))}
        numbers |= {each.insz.digits for each in others if each.insz}
        asking = Asking(served, session, _keys(served), frozenset(numbers))
        with capture_logs() as logged:
            _search(asking, served.get("/openapi.json").json())
        asking.look(str(logged), "")
        _end(asking)


def _search(asking: Asking, document: dict[str, Any]) -> None:
    """Ask so many cases of every operation, half of them good and half of them bad."""
    schema = schemathesis.openapi.from_dict(document)
    each = -(-COUNT // (2 * len(PATHS)))
    for at, (path, method) in enumerate(PATHS.values()):
        for mode in GenerationMode:
            cases = schema[path][method].as_strategy(generation_mode=mode)
            for start in range(0, each, ROUND):

                @seed(SEED * 1_000_003 + at * 10_007 + start)
                @settings(
                    max_examples=min(ROUND, each - start),
                    deadline=None,
                    database=None,
                    phases=[Phase.generate],
                    suppress_health_check=list(HealthCheck),
                )
                @given(cases, BENT)
                def asked(case: Case[Any], bent: Bent) -> None:
                    asking.ask(case, bent)

                asked()


def _end(asking: Asking) -> None:
    """See that the log has one access for each question, and that answers of every kind were given."""
    served = asking.served
    lines = [line for library in LETTERS for line in served.lines(library)]
    kinds = Counter(line["kind"] for line in lines)
    references = {line["ref"] for line in lines if line["kind"] == "access.intent"}
    asked = [each.reference for each in served.register.asked]
    assert sorted(asked) == sorted(references)
    assert kinds["access.intent"] == kinds["access.outcome"] == len(asked)
    total = sum(asking.statuses.values())
    print(f"\n{total} cases, seed {SEED}: {dict(sorted(asking.statuses.items()))}; the log: {dict(kinds)}")
    assert {200, 401, 403, 404, 422} <= asking.statuses.keys()
    assert asked
