"""Login by OpenID Connect: code flow with PKCE, and nothing of the identity provider's believed unchecked.

When the browser comes back, in order (OpenID Connect Core §3.1.2.7 and §3.1.3.7, RFC 9207, RFC 9700):

1. The state is the one this browser began with. An ``iss`` is the provider's, and is there if its metadata promises it.
2. The code is exchanged with the verifier and our secret, at the provider's own origin, for an ID token.
3. The token is signed by a key the provider publishes, with RSA or an elliptic curve. An unknown key is looked up once
   more, at most every half minute.
4. ``iss``, ``aud`` (and ``azp``), ``exp``, ``iat``, ``nonce`` and ``at_hash`` are what they must be.
5. The person authenticated at most eight hours ago, or just now if that was asked, and as strongly as the settings say.
6. A role claim that is not in the token is asked for with it. The answer must be about the same person.

The provider's metadata is kept for an hour. All its addresses must be at its issuer's own origin, so that no document
leads our secret elsewhere.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from threading import Lock
from typing import Final
from urllib.parse import urlencode, urlsplit

import orjson
from authlib.oauth2.auth import ClientAuth
from authlib.oauth2.rfc6749.parameters import prepare_grant_uri, prepare_token_request
from authlib.oauth2.rfc7636 import create_s256_code_challenge
from joserfc import jwt
from joserfc.errors import BadSignatureError, InvalidKeyIdError, JoseError
from joserfc.jwk import KeySet
from joserfc.jwt import JWTClaimsRegistry

from rrsync.config.settings import OidcSettings
from rrsync.net.bounded_socket import tls
from rrsync.net.http_client import HttpClient, HttpError
from rrsync.web.session_cookies import LoginStart


class LoginFailure(StrEnum):
    """Why a login fails, as the program's log says it."""

    BEGUN_ELSEWHERE = "begun_elsewhere"
    CANCELLED = "cancelled"
    CODE = "code"
    CLAIMS = "claims"
    NOT_PROVED = "not_proved"
    TOKEN = "token"  # noqa: S105 — no secret
    UNREACHABLE = "unreachable"
    UNREADABLE = "unreadable"


#: Failures that are no attack: the person or the provider can mend them.
HARMLESS: Final = frozenset({LoginFailure.BEGUN_ELSEWHERE, LoginFailure.CANCELLED, LoginFailure.UNREACHABLE})


class LoginRefused(Exception):
    """A login fails; the message is the reason alone."""

    def __init__(self, why: LoginFailure) -> None:
        self.why = why
        super().__init__(why.value)


_KNOWN: Final = timedelta(hours=1)
_KEYS_AGAIN: Final = timedelta(seconds=30)
_NAMES: Final = ("authorization_endpoint", "token_endpoint", "jwks_uri")
_MORE: Final = ("userinfo_endpoint", "end_session_endpoint")
#: What an ID token may be signed with: an asymmetric key in every case.
ALGORITHMS: Final = tuple(f"{kind}{size}" for kind in ("RS", "PS", "ES") for size in (256, 384, 512))
_MAX_BYTES: Final = 1 << 20
_FORM: Final = {"Accept": "application/json", "Content-Type": "application/x-www-form-urlencoded;charset=UTF-8"}


@dataclass(frozen=True, slots=True)
class Metadata:
    """The provider's metadata (OpenID Connect Discovery); an address it does not have is ``""``."""

    authorize: str
    token: str
    keys: str
    userinfo: str
    end_session: str
    sends_issuer: bool
    client_auth: str


@dataclass(frozen=True, slots=True, repr=False)
class Tokens:
    """The tokens that a code was exchanged for."""

    access: str
    id: str


class Provider:
    """The provider that the settings name; ``secret`` is the one it knows us by.

    Raises:
        ConfigError: the CA file cannot be used.
    """

    def __init__(self, settings: OidcSettings, secret: str, redirect_uri: str, clock: Callable[[], datetime]) -> None:
        self._settings = settings
        self._secret = secret
        self._redirect_uri = redirect_uri
        self._clock = clock
        self._lock = Lock()
        self._metadata: Metadata | None = None
        self._metadata_at = clock()
        self._keys: KeySet | None = None
        self._keys_at = clock()
        context = tls(ca=settings.ca or "") if settings.issuer.startswith("https:") else None
        self._client = HttpClient(deadline_s=settings.deadline_s, max_bytes=_MAX_BYTES, context=context)

    @property
    def metadata(self) -> Metadata:
        """The provider's metadata, at most an hour old.

        Raises:
            Refused: it cannot be fetched, or is not valid.
        """
        with self._lock:
            now = self._clock()
            if self._metadata is None or now - self._metadata_at >= _KNOWN:
                issuer = self._settings.issuer
                said = self._get(f"{issuer.rstrip('/')}/.well-known/openid-configuration")
                self._metadata = _metadata(said, issuer)
                self._metadata_at = now
            return self._metadata

    def address(self, *, code_verifier: str, **more: str) -> str:
        """Return where a browser goes to log in."""
        return str(
            prepare_grant_uri(
                self.metadata.authorize,
                self._settings.client_id,
                "code",
                redirect_uri=self._redirect_uri,
                scope=" ".join(self._settings.scopes),
                code_challenge=create_s256_code_challenge(code_verifier),  # type: ignore[no-untyped-call]
                code_challenge_method="S256",
                **more,
            )
        )

    def turn_in(self, code: str, verifier: str) -> Tokens:
        """Exchange a code for tokens.

        Raises:
            Refused: the provider returns none that can be used.
        """
        metadata = self.metadata
        form = prepare_token_request(
            "authorization_code", redirect_uri=self._redirect_uri, code=code, code_verifier=verifier
        )
        auth = ClientAuth(self._settings.client_id, self._secret, metadata.client_auth)
        try:
            _, headers, body = auth.prepare("POST", metadata.token, dict(_FORM), form)  # type: ignore[no-untyped-call]
            response = self._client.exchange("POST", metadata.token, headers=headers, body=body.encode())
            given = orjson.loads(response.body)
        except (HttpError, ValueError) as error:
            raise LoginRefused(LoginFailure.UNREACHABLE) from error
        if response.status >= 500 or not isinstance(given, dict):
            raise LoginRefused(LoginFailure.UNREACHABLE)
        access, token = given.get("access_token"), given.get("id_token")
        if "error" in given or not isinstance(access, str) or not isinstance(token, str):
            raise LoginRefused(LoginFailure.CODE)
        return Tokens(access, token)

    def about(self, access: str) -> Mapping[str, object]:
        """Return the userinfo of the person whose access token this is; nothing when the provider has none.

        Raises:
            Refused: it cannot be fetched.
        """
        address = self.metadata.userinfo
        return self._get(address, headers={"Authorization": f"Bearer {access}"}) if address else {}

    def read(self, token: str) -> tuple[Mapping[str, object], Mapping[str, object]]:
        """Return header and claims of a token that the provider signed; the claims are not checked.

        Raises:
            Refused: the provider did not sign it, or not in a way that proves it.
        """
        try:
            try:
                read = jwt.decode(token, self._known(anew=False), algorithms=ALGORITHMS)
            except (InvalidKeyIdError, BadSignatureError):
                read = jwt.decode(token, self._known(anew=True), algorithms=ALGORITHMS)
        except (JoseError, ValueError) as error:
            raise LoginRefused(LoginFailure.TOKEN) from error
        return read.header, read.claims

    def _known(self, *, anew: bool) -> KeySet:
        address = self.metadata.keys
        with self._lock:
            now, keys = self._clock(), self._keys
            age = now - self._keys_at
            if keys is None or age >= _KNOWN or (anew and age >= _KEYS_AGAIN):
                said = self._get(address).get("keys")
                if not isinstance(said, list):
                    raise LoginRefused(LoginFailure.UNREADABLE)
                try:
                    keys = KeySet.import_key_set({"keys": said})
                except (JoseError, ValueError, TypeError, KeyError) as error:
                    raise LoginRefused(LoginFailure.UNREADABLE) from error
                self._keys, self._keys_at = keys, now
            return keys

    def _get(self, url: str, headers: Mapping[str, str] | None = None) -> dict[str, object]:
        """Return the JSON object at an address.

        Raises:
            Refused: there is none, or the provider cannot be reached.
        """
        try:
            response = self._client.exchange("GET", url, headers=headers)
            said = orjson.loads(response.body) if response.status == 200 else None
        except (HttpError, ValueError) as error:
            raise LoginRefused(LoginFailure.UNREACHABLE) from error
        if response.status >= 400:
            raise LoginRefused(LoginFailure.UNREACHABLE)
        if not isinstance(said, dict):
            raise LoginRefused(LoginFailure.UNREADABLE)
        return said


def _metadata(said: Mapping[str, object], issuer: str) -> Metadata:
    """Read the metadata of a provider.

    Raises:
        Refused: it is another provider's, lacks an address, or leads elsewhere.
    """
    if said.get("issuer") != issuer:
        raise LoginRefused(LoginFailure.UNREADABLE)
    found = {name: said.get(name) for name in _NAMES} | {name: said.get(name, "") for name in _MORE}
    texts = {name: value for name, value in found.items() if isinstance(value, str)}
    if len(texts) < len(found) or any(value and not is_same_origin(value, issuer) for value in texts.values()):
        raise LoginRefused(LoginFailure.UNREADABLE)
    methods = said.get("token_endpoint_auth_methods_supported")
    only_post = isinstance(methods, list) and "client_secret_basic" not in methods and "client_secret_post" in methods
    return Metadata(
        authorize=texts["authorization_endpoint"],
        token=texts["token_endpoint"],
        keys=texts["jwks_uri"],
        userinfo=texts["userinfo_endpoint"],
        end_session=texts["end_session_endpoint"],
        sends_issuer=said.get("authorization_response_iss_parameter_supported") is True,
        client_auth="client_secret_post" if only_post else "client_secret_basic",
    )


def is_same_origin(one: str, other: str) -> bool:
    """Whether two addresses are at one scheme, host and port."""
    left, right = urlsplit(one), urlsplit(other)
    return (left.scheme, left.netloc.lower()) == (right.scheme, right.netloc.lower())


#: How far the provider's clock may be from ours.
LEEWAY: Final = timedelta(seconds=30)
#: How long ago a person may have authenticated: as long as a session lasts.
PROVED: Final = timedelta(hours=8)
#: How old a logout token may be.
_MESSAGE: Final = timedelta(minutes=5)
_ENDS: Final = "http://schemas.openid.net/event/backchannel-logout"
_LONGEST: Final = 4_096


@dataclass(frozen=True, slots=True, repr=False)
class LoginIdentity:
    """Who logged in: all claims, the provider's name of this login (``sid``), and when the person authenticated."""

    claims: Mapping[str, object]
    person: str
    sid: str
    proved_at: datetime


@dataclass(frozen=True, slots=True, repr=False)
class LogoutNotice:
    """The person or the login whose sessions the provider ended, and when."""

    person: str
    sid: str
    at: datetime


class LoginFlow:
    """A login at a provider and back; ``home`` is where its pages lead to after a logout."""

    def __init__(self, provider: Provider, settings: OidcSettings, home: str, clock: Callable[[], datetime]) -> None:
        self._provider = provider
        self._settings = settings
        self._home = home
        self._clock = clock

    def begin(self, start: LoginStart) -> str:
        """Return where the browser goes to log in.

        Raises:
            Refused: the provider cannot be reached.
        """
        more = {"max_age": "0", "prompt": "login"} if start.again else {"max_age": str(int(PROVED.total_seconds()))}
        if self._settings.acr:
            more["acr_values"] = " ".join(self._settings.acr)
        return self._provider.address(state=start.state, nonce=start.nonce, code_verifier=start.verifier, **more)

    def finish(self, start: LoginStart | None, said: Mapping[str, str]) -> LoginIdentity:
        """Return who logged in, from the parameters of the redirect back.

        Raises:
            Refused: nobody, as far as can be proved.
        """
        state = said.get("state", "")
        if start is None or not hmac.compare_digest(state.encode(), start.state.encode()):
            raise LoginRefused(LoginFailure.BEGUN_ELSEWHERE)
        tokens = self._provider.turn_in(self._code(said), start.verifier)
        header, claims = self._provider.read(tokens.id)
        self._check(claims, nonce=start.nonce)
        _check_hash(header, claims, tokens.access)
        proved_at = self._proved(claims, start)
        person = str(claims["sub"])
        if self._settings.role_claim not in claims:
            more = self._provider.about(tokens.access)
            if more and more.get("sub") != person:
                raise LoginRefused(LoginFailure.CLAIMS)
            claims = {**more, **claims}
        sid = claims.get("sid", "")
        return LoginIdentity(claims, self._person(person), sid if isinstance(sid, str) else "", proved_at)

    def ended(self, token: str) -> LogoutNotice:
        """Return whose sessions a logout token ends (OpenID Connect Back-Channel Logout §2.6).

        Raises:
            Refused: it is not one, not the provider's, or too old.
        """
        header, claims = self._provider.read(token)
        self._check(claims)
        at, events = _moment(claims.get("iat")), claims.get("events")
        person, sid = claims.get("sub", ""), claims.get("sid", "")
        is_one = isinstance(events, dict) and isinstance(events.get(_ENDS), dict) and "nonce" not in claims
        is_typed = str(header.get("typ", "JWT")).lower() in {"jwt", "logout+jwt"}
        if not (is_one and is_typed and isinstance(person, str) and isinstance(sid, str) and (person or sid)):
            raise LoginRefused(LoginFailure.CLAIMS)
        if self._clock() - at > _MESSAGE:
            raise LoginRefused(LoginFailure.CLAIMS)
        return LogoutNotice(self._person(person) if person else "", sid, at)

    def goodbye(self) -> str:
        """Return where a browser goes to log out at the provider too, ``""`` when it has no such page.

        The ID token, which would tell the provider at once who it is, is no part of the address: it holds a person's
        data, so that we keep none.

        Raises:
            Refused: the provider cannot be reached.
        """
        address = self._provider.metadata.end_session
        more = urlencode({"client_id": self._settings.client_id, "post_logout_redirect_uri": self._home})
        return f"{address}{'&' if '?' in address else '?'}{more}" if address else ""

    def _code(self, said: Mapping[str, str]) -> str:
        """Step 1: return the code that the provider itself sent back."""
        issuer = said.get("iss")
        if issuer != self._settings.issuer and (issuer is not None or self._provider.metadata.sends_issuer):
            raise LoginRefused(LoginFailure.CLAIMS)
        if "error" in said:
            raise LoginRefused(LoginFailure.CANCELLED if said["error"] == "access_denied" else LoginFailure.CODE)
        code = said.get("code", "")
        if not code or len(code) > _LONGEST:
            raise LoginRefused(LoginFailure.CODE)
        return code

    def _check(self, claims: Mapping[str, object], nonce: str = "") -> None:
        """Step 4: check that a token is the provider's, for us, in force, and of this login."""
        said, one = self._settings, {"essential": True}
        options = {
            "iss": {**one, "value": said.issuer},
            "aud": {**one, "value": said.client_id},
            "exp": one,
            "iat": one,
        }
        if nonce:
            options |= {"nonce": {**one, "value": nonce}, "sub": one}
        now = int(self._clock().timestamp())
        registry = JWTClaimsRegistry(now=now, leeway=int(LEEWAY.total_seconds()), **options)  # type: ignore[arg-type] # its TypedDicts are ours, built up
        try:
            registry.validate(dict(claims))
        except JoseError as error:
            raise LoginRefused(LoginFailure.CLAIMS) from error
        audience, party = claims.get("aud"), claims.get("azp")
        is_shared = isinstance(audience, list) and len(audience) > 1
        if (is_shared or party is not None) and party != said.client_id:
            raise LoginRefused(LoginFailure.CLAIMS)

    def _proved(self, claims: Mapping[str, object], start: LoginStart) -> datetime:
        """Step 5: return when the person authenticated."""
        at, now = _moment(claims.get("auth_time"), LoginFailure.NOT_PROVED), self._clock()
        earliest = start.at if start.again else now - PROVED
        if not earliest - LEEWAY <= at <= now + LEEWAY:
            raise LoginRefused(LoginFailure.NOT_PROVED)
        if self._settings.acr and claims.get("acr") not in self._settings.acr:
            raise LoginRefused(LoginFailure.NOT_PROVED)
        return min(at, now)

    def _person(self, sub: str) -> str:
        """Return the name under which a person's sessions are kept: a ``sub`` is one of its issuer's alone."""
        return f"{self._settings.issuer} {sub}"


def _check_hash(header: Mapping[str, object], claims: Mapping[str, object], access: str) -> None:
    """Check that an access token came with this ID token, if the ID token has a hash (§3.1.3.6)."""
    said = claims.get("at_hash")
    if said is None:
        return
    digest = hashlib.new(f"sha{str(header['alg'])[2:]}", access.encode()).digest()
    half = base64.urlsafe_b64encode(digest[: len(digest) // 2]).rstrip(b"=").decode()
    if not isinstance(said, str) or not hmac.compare_digest(said.encode(), half.encode()):
        raise LoginRefused(LoginFailure.CLAIMS)


def _moment(said: object, why: LoginFailure = LoginFailure.CLAIMS) -> datetime:
    """Return the moment of a claim in seconds since 1970."""
    if isinstance(said, bool) or not isinstance(said, int | float):
        raise LoginRefused(why)
    try:
        return datetime.fromtimestamp(said, UTC)
    except (OverflowError, ValueError, OSError) as error:
        raise LoginRefused(why) from error
