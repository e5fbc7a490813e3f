"""One access in the formats of others: a spreadsheet row, a processing record, a call to the Auditregister. Pure.

A processing record is an OTLP span (opentelemetry.io/docs/specs/otlp, JSON encoding: ids in hex, 64-bit numbers as
text), one ``TracesData`` a line, with the content of the Dutch government's standard (Logius, Logboek
Dataverwerkingen, "Interface"): one record for each data subject, by pseudonym, without a user. The trace is the run of
a night, or the reference of a desk query.

A call to MAGDA's Auditregister is ``POST /audit/v1/registraties``:

1. ``headers`` and ``body`` hold the fields that Digitaal Vlaanderen's page names, as far as it is known here: the
   references of the call, ``meta.onderwerpInOnderzoek``, and the three references of the registration.
2. The rest is known by its headings alone ("Wat bevat het Auditregister?"), so it is kept beside the body, under
   ``gegevens``; no field name is invented.
3. It never holds the content of a question or answer: the Auditregister may not hold it.

Sources: vlaamseoverheid.atlassian.net/wiki/spaces/MG/pages/6322815371 and 6321865524; vlaanderen.be, "Wat bevat het
Auditregister?". ``docs/access-log.md`` says where the first was cut off.
"""

from __future__ import annotations

from datetime import UTC, datetime
from hashlib import sha256
from typing import Final
from urllib.parse import quote
from uuid import NAMESPACE_URL, UUID, uuid5

from rrsync.core.insz import Insz
from rrsync.core.log_entry import DENIED, JSON, REUSED, Access, Status, stamp

PATH: Final = "/audit/v1/registraties"


def is_registered(access: Access) -> bool:
    """Whether an access belongs in the Auditregister; one that was denied, not sent or shown again asked nobody."""
    return access.status not in {DENIED, REUSED, Status.NOT_SENT.value}


def registration(access: Access, person: Insz | None, *, origin: str) -> dict[str, JSON]:
    """Return the call that registers an access; ``person`` is ``None`` once the key of its year was destroyed.

    The same access always gives the same call. The correlation is the run, else the question. A sender adds its own
    ``x-request-id`` to each repetition.
    """
    correlation = str(uuid_of(access.run or access.reference, origin))
    tracing = str(uuid_of(access.reference, origin))
    registered: dict[str, JSON] = {"correlatieId": correlation, "tracingId": tracing, "requestId": tracing}
    return {
        "method": "POST",
        "path": PATH,
        "headers": {
            "x-correlation-id": correlation,
            "x-tracing-id": tracing,
            "x-request-id": str(uuid5(NAMESPACE_URL, uri(origin, f"{PATH}/{access.seq}"))),
        },
        "body": {"meta": {"onderwerpInOnderzoek": False}, "registratie": registered},
        "gegevens": _headings(access, person, origin),
    }


def _headings(access: Access, person: Insz | None, origin: str) -> dict[str, JSON]:
    """Return the Auditregister's known headings of an access; unknown values are left out."""
    told = {
        "referentie": access.reference,
        "wat": access.operation,
        "wie": origin,
        "gebruiker": access.actor.name,
        "waarom": access.capacity,
        "wanneer": stamp(access.at),
        "overWie": "" if person is None else person.digits,
    }
    return {heading: value for heading, value in told.items() if value}


COLUMNS: Final = (
    *("library", "seq", "at", "status", "actor", "actor_kind", "capacity", "purpose", "case", "basis"),
    *("operation", "scope", "subject", "subject_year", "reference", "run", "ended_at", "outcome_seq", "codes"),
    *("got", "withheld", "verdict", "hold", "changed", "preview", "offered", "of", "denial", "flags", "ms"),
    *("request", "reply"),
)

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_CLIENT: Final = 3
_UNSET: Final = 0
_OK: Final = 1
_ERROR: Final = 2
#: What went wrong on the way, and not what the register said about the person.
_FAILED: Final = frozenset(
    status.value
    for status in (
        Status.NOT_SENT,
        Status.NO_REPLY,
        Status.TRANSIENT,
        Status.INVALID_REPLY,
        Status.MISMATCH,
        Status.SIG_BAD,
        Status.INDETERMINATE,
    )
)


def row_of(access: Access) -> tuple[str, ...]:
    """Return an access as the cells of ``COLUMNS``; the parts of a list are separated by blanks."""
    return (
        access.library,
        str(access.seq),
        stamp(access.at),
        access.status,
        access.actor.name,
        access.actor.kind.value,
        access.capacity,
        access.purpose,
        access.case,
        access.basis,
        access.operation,
        access.scope,
        access.subject,
        access.year,
        access.reference,
        access.run,
        "" if access.ended_at is None else stamp(access.ended_at),
        "" if access.outcome_seq is None else str(access.outcome_seq),
        " ".join(access.codes),
        " ".join(access.got),
        str(access.withheld),
        access.verdict,
        access.hold,
        " ".join(access.changed),
        "yes" if access.is_preview else "",
        "yes" if access.is_offered else "",
        access.of,
        access.denial,
        " ".join(access.flags),
        str(access.ms),
        access.request,
        access.reply,
    )


def span(access: Access, *, origin: str) -> dict[str, JSON]:
    """Return an access as a processing record; ``origin`` is the name of its log."""
    said: dict[str, JSON] = {
        "traceId": uuid_of(access.run or access.reference, origin).hex,
        "spanId": _span_id(access.reference or str(access.seq), origin),
        "name": f"{access.operation} ({access.purpose})",
        "kind": _CLIENT,
        "startTimeUnixNano": _nanoseconds(access.at),
        "endTimeUnixNano": _nanoseconds(access.ended_at or access.at),
        "attributes": [*_activity(access.purpose, origin), *_subject(access), *_failure(access)],
        "status": {"code": _OK if access.status == Status.OK else _ERROR if access.status in _FAILED else _UNSET},
    }
    if access.run:
        said["parentSpanId"] = _span_id(access.run, origin)
    return _traces(said, origin)


def run_span(run: str, purpose: str, *, opened: datetime, closed: datetime, origin: str) -> dict[str, JSON]:
    """Return the record that is the parent of a run's records; it has no data subject."""
    return _traces(
        {
            "traceId": uuid_of(run, origin).hex,
            "spanId": _span_id(run, origin),
            "name": "night",
            "kind": 1,
            "startTimeUnixNano": _nanoseconds(opened),
            "endTimeUnixNano": _nanoseconds(closed),
            "attributes": [*_activity(purpose, origin)],
            "status": {"code": _UNSET},
        },
        origin,
    )


def uuid_of(text: str, origin: str) -> UUID:
    """Return a reference that is a UUID as it is; else a UUID that is always the same in this log."""
    try:
        return UUID(text)
    except ValueError:
        return uuid5(NAMESPACE_URL, uri(origin, text))


def uri(origin: str, part: str) -> str:
    """Return the URI of a part of a log, below the address in the log's name."""
    return f"{origin if '://' in origin else f'https://{origin}'}#{quote(part)}"


def _traces(said: dict[str, JSON], origin: str) -> dict[str, JSON]:
    resource = [_attribute("service.name", "rrsync"), _attribute("service.namespace", origin)]
    spans: JSON = [{"scope": {"name": "rrsync"}, "spans": [said]}]
    return {"resourceSpans": [{"resource": {"attributes": resource}, "scopeSpans": spans}]}


def _activity(purpose: str, origin: str) -> list[JSON]:
    return [_attribute("dpl.core.processing_activity_id", uri(origin, purpose))]


def _subject(access: Access) -> list[JSON]:
    if not access.subject:
        return []
    return [
        _attribute("dpl.core.data_subject_id", access.subject),
        _attribute("dpl.core.data_subject_id_type", "INSZ-pseudonym"),
    ]


def _failure(access: Access) -> list[JSON]:
    return [_attribute("exception.type", access.status)] if access.status in _FAILED else []


def _attribute(key: str, value: str) -> JSON:
    return {"key": key, "value": {"stringValue": value}}


def _span_id(text: str, origin: str) -> str:
    """Return eight bytes in hex that are always the same for a reference of this log."""
    return sha256(f"{origin}#{text}".encode()).hexdigest()[:16]


def _nanoseconds(at: datetime) -> str:
    passed = at - _EPOCH
    return str(((passed.days * 86_400 + passed.seconds) * 1_000_000 + passed.microseconds) * 1_000)
