"""Who calls under /api: a library system, by its key. No cookie is looked at there, and no session."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import structlog
from fastapi import Request

from rrsync.core.apikey import Scope, admits
from rrsync.store.apikeys import ApiKey
from rrsync.web.house import house
from rrsync.web.problem import Problem

if TYPE_CHECKING:
    from collections.abc import Mapping

_REALM: Final = 'Bearer realm="rrsync"'
_JSON: Final = "application/json"

log = structlog.get_logger()


def require_key(request: Request, scope: Scope) -> None:
    """Hold a call against its key, and keep whose it is for the handler; in this order.

    1. The key is one of ours, not expired and not revoked.
    2. It is good for this, and from there.
    3. Its library is the one in the address; another is as unknown as one that does not exist.
    4. What is sent is JSON.

    Raises:
        Problem: it may not go there.
        StoreError: it cannot be looked up.
    """
    here = house(request)
    key = here.entrance.served.keys.find(_shown(request))
    if key is None:
        shown = "authorization" in request.headers
        raise _refused("key", {"WWW-Authenticate": f'{_REALM}, error="invalid_token"' if shown else _REALM})
    if scope not in key.scopes:
        raise _refused("scope", {"WWW-Authenticate": f'{_REALM}, error="insufficient_scope", scope="{scope}"'}, key)
    if not admits(key.networks, request.client.host if request.client else ""):
        raise _refused("network", {}, key)
    library = request.path_params.get("library")
    if library is not None and (library != key.library or library not in here.libraries):
        raise _refused("missing", {}, key)
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if request.method != "GET" and kind != _JSON:
        raise Problem("type")
    request.state.key = key


def caller(request: Request) -> ApiKey:
    """Give the key that the guard saw.

    Raises:
        Problem: it saw none: the route's row is another's.
    """
    key = getattr(request.state, "key", None)
    if not isinstance(key, ApiKey):
        raise _refused("key", {"WWW-Authenticate": _REALM})
    return key


def _shown(request: Request) -> str:
    """Give the key in the one Authorization header; ``""`` when there is none, or more."""
    shown = request.headers.getlist("authorization")
    scheme, _, text = shown[0].partition(" ") if len(shown) == 1 else ("", "", "")
    return text.strip() if scheme.lower() == "bearer" else ""


def _refused(kind: str, headers: Mapping[str, str], key: ApiKey | None = None) -> Problem:
    log.info("api.refused", reason=kind, library=key.library if key else "")
    return Problem(kind, headers=headers)
