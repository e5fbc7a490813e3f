"""One access as it is registered in MAGDA's Auditregister: ``POST /audit/v1/registraties``. Pure.

1. ``headers`` and ``body`` hold the fields that Digitaal Vlaanderen's page of the operation names as far as it is known
   here: the references of the call, ``meta.onderwerpInOnderzoek``, and the three references of what is registered.
2. What else the Auditregister holds is known by its headings alone ("Wat bevat het Auditregister?"), not by the names
   of the body's fields; so it stands beside the body, under ``gegevens``, and no field's name is made up.
3. The content of a question or an answer is never in it: the Auditregister may not hold it.

Sources: vlaamseoverheid.atlassian.net/wiki/spaces/MG/pages/6322815371 and 6321865524; vlaanderen.be, "Wat bevat het
Auditregister?". ``docs/access-log.md`` says where the first was cut off.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final
from uuid import NAMESPACE_URL, uuid5

from rrsync.audit.formats import uri, uuid_of
from rrsync.core.access import DENIED, REUSED
from rrsync.core.entry import JSON, Status, stamp

if TYPE_CHECKING:
    from rrsync.core.access import Access
    from rrsync.core.insz import Insz

PATH: Final = "/audit/v1/registraties"


def is_registered(access: Access) -> bool:
    """Whether an access is one for the Auditregister: what was denied, not sent or shown again asked nobody."""
    return access.status not in {DENIED, REUSED, Status.NOT_SENT.value}


def registration(access: Access, person: Insz | None, *, origin: str) -> dict[str, JSON]:
    """Give the call that registers an access; ``person`` is ``None`` once the key of its year was destroyed.

    The same access gives the same call each time. In the call's own references a correlation is the run, else the
    question; whoever sends a call again gives it an ``x-request-id`` of its own.
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
    """Give what the Auditregister holds of an access, each under its heading; what is not known is not there."""
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
