"""An identity provider to log in with: OpenID Connect over HTTP on this machine, with PKCE, and tricks it can be told.

It keeps to the specifications where no trick is set: a code is good once and for a minute, for the client, redirect and
verifier it was made for; an ID token is signed with a key it publishes. Who logs in is chosen on its page, or is
``auto`` at once.
"""

from __future__ import annotations

import atexit
import base64
import hashlib
import hmac
import json
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from html import escape
from typing import Annotated, Any, Final
from urllib.parse import urlencode

from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.hashes import SHA256
from fastapi import FastAPI, Header, Request
from fastapi.responses import HTMLResponse, JSONResponse, PlainTextResponse, RedirectResponse, Response
from joserfc import jwt
from joserfc.jwk import ECKey, Key, RSAKey
from starlette.types import ASGIApp, Receive, Scope, Send

from rrsync.web.server import PageServer
from tests.support import insz

CLIENT: Final = "rrsync"
SECRET: Final = "a secret & between / us two"
ROLES: Final = "rrsync_rol_3d"
ENDS: Final = "http://schemas.openid.net/event/backchannel-logout"
#: Keys are slow to make, so that the process makes them once.
KEYS: Final = {name: RSAKey.generate_key(2048, {"kid": name, "use": "sig"}) for name in ("first", "second", "stolen")}
CURVE: Final = ECKey.generate_key("P-256", {"kid": "curve", "use": "sig"})

Claims = dict[str, Any]


def person(sub: str, *roles: str, **more: object) -> Claims:
    """Give what ACM/IDM claims of somebody."""
    return {"sub": sub, "vo_id": sub, "vo_doelgroepcode": "GID", ROLES: list(roles)} | more


PEOPLE: Final = {
    "an.peeters": person("an.peeters", "RRSync-Balie:OVO000001", rrn=insz(1).digits),
    "bo.claes": person("bo.claes", "RRSync-Beheer:OVO000001"),
    "dpo.genk": person("dpo.genk", "RRSync-DPO:OVO000002"),
    "els.smets": person("els.smets", "RRSync-DPO:OVO000009"),
    "two.hats": person("two.hats", "RRSync-Balie:OVO000001", "RRSync-DPO:OVO000001"),
    "no.role": person("no.role", "Andere-Rol:OVO000001"),
    "stranger": person("stranger", "RRSync-Balie:OVO000077"),
}


@dataclass
class Grant:
    """A code that was given out."""

    person: str
    redirect_uri: str
    challenge: str
    nonce: str
    at: datetime
    auth_time: int


@dataclass
class Told:
    """What a provider was told to do wrong: change claims or header, sign with another key, answer otherwise."""

    claims: Callable[[Claims], Claims] = dict
    header: Claims = field(default_factory=dict)
    key: Key | None = None
    token: Callable[[str], str] = str
    reply: Response | None = None
    back: Claims = field(default_factory=dict)
    discovery: Claims = field(default_factory=dict)
    userinfo: Claims = field(default_factory=dict)
    pages: dict[str, Response] = field(default_factory=dict)


class Op:
    """The provider's state, which a test reads and sets; ``redirects`` are the addresses it leads back to."""

    def __init__(self, clock: Callable[[], datetime]) -> None:
        self.clock = clock
        self.url = ""
        self.people: dict[str, Claims] = dict(PEOPLE)
        self.redirects: list[str] = []
        self.leaves: list[str] = []
        self.auto = ""
        self.key: Key = KEYS["first"]
        self.published: list[Key] = [KEYS["first"], CURVE]
        self.told = Told()
        self.asked: list[tuple[str, Claims]] = []
        self.issued: list[str] = []
        self._codes: dict[str, Grant] = {}
        self._access: dict[str, str] = {}

    def trick(self, **told: Any) -> None:
        """Tell it to do wrong from now on."""
        self.told = Told(**told)

    def signed(self, claims: Claims, **header: object) -> str:
        """Sign a token as this provider, with what it is told."""
        key = self.told.key or self.key
        usual = {"alg": {"RSA": "RS256", "EC": "ES256"}[key.key_type], "kid": key.kid or "x"}
        head = {name: value for name, value in (usual | header | self.told.header).items() if value is not None}
        return self.told.token(jwt.encode(head, claims, key, algorithms=[str(head["alg"])]))

    def logout_token(self, **claims: object) -> str:
        """Give a logout token, with claims changed; one that is ``None`` is left out."""
        now = int(self.clock().timestamp())
        usual = {
            "iss": self.url,
            "aud": CLIENT,
            "iat": now,
            "exp": now + 120,
            "jti": f"jti-{len(self.issued)}",
            "events": {ENDS: {}},
        }
        said = {name: value for name, value in (usual | claims).items() if value is not None}
        return self.signed(said, typ="logout+jwt")

    def discovery(self) -> Claims:
        """Give what it says about itself."""
        return {
            "issuer": self.url,
            "authorization_endpoint": f"{self.url}/authorize",
            "token_endpoint": f"{self.url}/token",
            "userinfo_endpoint": f"{self.url}/userinfo",
            "end_session_endpoint": f"{self.url}/logout",
            "jwks_uri": f"{self.url}/keys",
            "token_endpoint_auth_methods_supported": ["client_secret_basic"],
            "code_challenge_methods_supported": ["S256"],
            "authorization_response_iss_parameter_supported": True,
        } | self.told.discovery

    def back(self, name: str, query: Claims) -> str:
        """Give where a browser goes after somebody logged in."""
        now = self.clock()
        old = int(now.timestamp()) - (0 if query.get("max_age") == "0" else 600)
        code = hashlib.sha256(f"{len(self._codes)}|{query['state']}".encode()).hexdigest()
        self._codes[code] = Grant(name, query["redirect_uri"], query["code_challenge"], query["nonce"], now, old)
        said = {"code": code, "state": query["state"], "iss": self.url} | self.told.back
        return f"{query['redirect_uri']}?{urlencode({k: v for k, v in said.items() if v is not None})}"

    def redeem(self, said: Claims, authorization: str) -> Claims | str:
        """Give tokens for a code, or the name of an error."""
        basic = base64.b64encode(f"{_quoted(CLIENT)}:{_quoted(SECRET)}".encode()).decode()
        plain = base64.b64encode(f"{CLIENT}:{SECRET}".encode()).decode()
        by_post = said.get("client_id") == CLIENT and said.get("client_secret") == SECRET
        if authorization not in {f"Basic {basic}", f"Basic {plain}"} and not by_post:
            return "invalid_client"
        grant = self._codes.pop(said.get("code", ""), None)
        verifier = said.get("code_verifier", "")
        challenge = base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).rstrip(b"=").decode()
        is_right = (
            grant is not None
            and said.get("grant_type") == "authorization_code"
            and said.get("redirect_uri") == grant.redirect_uri
            and challenge == grant.challenge
            and self.clock() - grant.at <= timedelta(minutes=1)
        )
        if grant is None or not is_right:
            return "invalid_grant"
        access = hashlib.sha256(f"access {len(self._access)}".encode()).hexdigest()
        self._access[access] = grant.person
        claims = self.told.claims(self._claims(grant, access))
        given = self.signed(claims)
        self.issued.append(given)
        return {"access_token": access, "token_type": "Bearer", "expires_in": 300, "id_token": given}

    def about(self, access: str) -> Claims | None:
        """Give what it says of who an access token is of."""
        name = self._access.get(access)
        return None if name is None else self.people[name] | self.told.userinfo

    def _claims(self, grant: Grant, access: str) -> Claims:
        now = int(self.clock().timestamp())
        half = hashlib.sha256(access.encode()).digest()[:16]
        return self.people[grant.person] | {
            "iss": self.url,
            "aud": CLIENT,
            "iat": now,
            "exp": now + 300,
            "nonce": grant.nonce,
            "auth_time": grant.auth_time,
            "acr": "urn:be:vlaanderen:authmech:eid",
            "sid": f"sid of {grant.person}",
            "at_hash": base64.urlsafe_b64encode(half).rstrip(b"=").decode(),
        }


def _quoted(text: str) -> str:
    return urlencode({"x": text})[2:]


def application(op: Op) -> FastAPI:
    """Give its pages."""
    app = FastAPI(docs_url=None, redoc_url=None, openapi_url=None)
    _papers(app, op)
    _door(app, op)
    _counter(app, op)
    return app


def _papers(app: FastAPI, op: Op) -> None:
    """Add what it says about itself."""

    def said(name: str, usual: Claims) -> Response:
        op.asked.append((name, {}))
        return op.told.pages.get(name) or JSONResponse(usual)

    @app.get("/.well-known/openid-configuration")
    def discovery() -> Response:
        return said("discovery", op.discovery())

    @app.get("/keys")
    def keys() -> Response:
        return said("keys", {"keys": [key.as_dict(private=False) for key in op.published]})


def _door(app: FastAPI, op: Op) -> None:
    """Add where somebody logs in and out."""

    @app.get("/authorize")
    def authorize(request: Request) -> Response:
        query = dict(request.query_params)
        op.asked.append(("authorize", query))
        if not _is_request(query, op.redirects):
            return PlainTextResponse("invalid_request", 400)
        if op.auto:
            return RedirectResponse(op.back(op.auto, query), 303)
        hidden = "".join(f'<input type="hidden" name="{escape(k)}" value="{escape(v)}">' for k, v in query.items())
        who = "".join(f'<button name="who" value="{escape(name)}">{escape(name)}</button>' for name in op.people)
        form = f'<form method="post" action="/authorize">{hidden}{who}</form>'
        return HTMLResponse(f'<!doctype html><html lang="en"><title>Log in</title><h1>Log in</h1>{form}</html>')

    @app.post("/authorize")
    async def chosen(request: Request) -> Response:
        said = {name: str(value) for name, value in (await request.form()).items()}
        if not _is_request(said, op.redirects) or said.get("who") not in op.people:
            return PlainTextResponse("invalid_request", 400)
        return RedirectResponse(op.back(said["who"], said), 303)

    @app.get("/logout")
    def logout(request: Request) -> Response:
        query = dict(request.query_params)
        op.asked.append(("logout", query))
        back = query.get("post_logout_redirect_uri", "")
        is_right = query.get("client_id") == CLIENT and back in op.leaves
        return RedirectResponse(back, 303) if is_right else PlainTextResponse("logged out")


def _counter(app: FastAPI, op: Op) -> None:
    """Add what a client asks behind the browser's back."""

    @app.post("/token")
    async def token(request: Request, authorization: Annotated[str, Header()] = "") -> Response:
        said = {name: str(value) for name, value in (await request.form()).items()}
        op.asked.append(("token", said))
        if op.told.reply is not None:
            return op.told.reply
        given = op.redeem(said, authorization)
        if isinstance(given, str):
            return JSONResponse({"error": given}, 401 if given == "invalid_client" else 400)
        return JSONResponse(given, headers={"Cache-Control": "no-store"})

    @app.get("/userinfo")
    def userinfo(authorization: Annotated[str, Header()] = "") -> Response:
        op.asked.append(("userinfo", {}))
        said = op.about(authorization.removeprefix("Bearer "))
        return JSONResponse(said) if said is not None else Response(status_code=401)


def _is_request(query: Claims, redirects: list[str]) -> bool:
    """Whether this is how a login is asked for."""
    usual = {"client_id": CLIENT, "response_type": "code", "code_challenge_method": "S256"}
    return (
        usual.items() <= query.items()
        and query.get("redirect_uri") in redirects
        and {"state", "nonce", "code_challenge"} <= query.keys()
    )


def unsigned(token: str) -> str:
    """Give a token with its claims, but signed by nobody."""
    _, claims, _ = token.split(".")
    head = base64.urlsafe_b64encode(json.dumps({"alg": "none", "typ": "JWT"}).encode()).rstrip(b"=").decode()
    return f"{head}.{claims}."


def altered(token: str) -> str:
    """Give a token whose claims were changed after it was signed."""
    head, claims, signature = token.split(".")
    said = json.loads(base64.urlsafe_b64decode(claims + "=="))
    said[ROLES] = ["RRSync-DPO:OVO000009"]
    more = base64.urlsafe_b64encode(json.dumps(said).encode()).rstrip(b"=").decode()
    return f"{head}.{more}.{signature}"


def by_secret(secret: bytes) -> Callable[[str], str]:
    """Give what signs a token's claims with a shared secret (HS256), whatever the secret is."""

    def sign(token: str) -> str:
        head = base64.urlsafe_b64encode(b'{"alg":"HS256","kid":"first","typ":"JWT"}').rstrip(b"=").decode()
        said = f"{head}.{token.split('.')[1]}"
        signature = hmac.digest(secret, said.encode(), "sha256")
        return f"{said}.{base64.urlsafe_b64encode(signature).rstrip(b'=').decode()}"

    return sign


def critical(token: str) -> str:
    """Give a token's claims, signed as they should be, under a header that demands what nobody knows."""
    header = {"alg": "RS256", "kid": "first", "crit": ["exp2"], "exp2": 1}
    head = base64.urlsafe_b64encode(json.dumps(header).encode()).rstrip(b"=").decode()
    said = f"{head}.{token.split('.')[1]}"
    private = KEYS["first"].private_key
    assert private is not None
    signature = private.sign(said.encode(), PKCS1v15(), SHA256())
    return f"{said}.{base64.urlsafe_b64encode(signature).rstrip(b'=').decode()}"


_SERVERS: Final = ExitStack()
atexit.register(_SERVERS.close)


class Port:
    """A server for one provider after another, for it takes a moment to begin and to end; it goes with the process."""

    def __init__(self) -> None:
        self.app: ASGIApp = Response(status_code=503)
        server = _SERVERS.enter_context(PageServer(self, "127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{server.port}"

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Hand on what is asked (called by the server)."""
        await self.app(scope, receive, send)


_FREE: Final[list[Port]] = []


@contextmanager
def running(clock: Callable[[], datetime]) -> Iterator[Op]:
    """Give a provider that listens."""
    port, op = _FREE.pop() if _FREE else Port(), Op(clock)
    port.app, op.url = application(op), port.url
    try:
        yield op
    finally:
        _FREE.append(port)
