"""Who somebody is, by OpenID Connect: code flow with PKCE, and no word of the provider's believed unchecked.

When the browser comes back, in order (OpenID Connect Core §3.1.2.7 and §3.1.3.7, RFC 9207, RFC 9700):

1. The state is the one this browser began with; an ``iss`` is the provider's, and is there if it says it sends it.
2. The code is turned in with the verifier and our secret, at the provider's own origin, and gives an ID token.
3. The token is signed by a key the provider publishes, with RSA or an elliptic curve; a key we do not know is looked
   for once more, but not over and over.
4. ``iss``, ``aud`` (and ``azp``), ``exp``, ``iat``, ``nonce`` and ``at_hash`` are what they must be.
5. They proved who they are at most eight hours ago, or just now if that was asked, and as strongly as the settings say.
6. A role claim that is not in the token is asked for with it; that answer must be about the same person.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final
from urllib.parse import urlencode

from joserfc.errors import JoseError
from joserfc.jwt import JWTClaimsRegistry

from rrsync.web.trouble import Refused, Trouble

if TYPE_CHECKING:
    from collections.abc import Callable

    from rrsync.config.web import OidcSettings
    from rrsync.web.provider import Provider
    from rrsync.web.session import Start

#: How far the provider's clock may be from ours.
LEEWAY: Final = timedelta(seconds=30)
#: How long ago they may have proved who they are: as long as a session lasts.
PROVED: Final = timedelta(hours=8)
#: How old a message may be that ends sessions.
_MESSAGE: Final = timedelta(minutes=5)
_ENDS: Final = "http://schemas.openid.net/event/backchannel-logout"
_LONGEST: Final = 4_096


@dataclass(frozen=True, slots=True, repr=False)
class Identity:
    """Who came back: all that is claimed of them, the provider's name of this login, and when they proved it."""

    claims: Mapping[str, object]
    person: str
    sid: str
    proved_at: datetime


@dataclass(frozen=True, slots=True, repr=False)
class Ended:
    """Whose sessions the provider ended, or of which login, and when it said so."""

    person: str
    sid: str
    at: datetime


class Flow:
    """The way through a provider and back; ``home`` is where its pages lead to after a logout."""

    def __init__(self, provider: Provider, settings: OidcSettings, home: str, clock: Callable[[], datetime]) -> None:
        self._provider = provider
        self._settings = settings
        self._home = home
        self._clock = clock

    def begin(self, start: Start) -> str:
        """Give where the browser goes.

        Raises:
            Refused: the provider cannot be reached.
        """
        more = {"max_age": "0", "prompt": "login"} if start.again else {"max_age": str(int(PROVED.total_seconds()))}
        if self._settings.acr:
            more["acr_values"] = " ".join(self._settings.acr)
        return self._provider.address(state=start.state, nonce=start.nonce, code_verifier=start.verifier, **more)

    def finish(self, start: Start | None, said: Mapping[str, str]) -> Identity:
        """Give who came back with these parameters.

        Raises:
            Refused: nobody, as far as can be believed.
        """
        state = said.get("state", "")
        if start is None or not hmac.compare_digest(state.encode(), start.state.encode()):
            raise Refused(Trouble.BEGUN_ELSEWHERE)
        tokens = self._provider.turn_in(self._code(said), start.verifier)
        header, claims = self._provider.read(tokens.id)
        self._check(claims, nonce=start.nonce)
        _check_hash(header, claims, tokens.access)
        proved_at = self._proved(claims, start)
        person = str(claims["sub"])
        if self._settings.role_claim not in claims:
            more = self._provider.about(tokens.access)
            if more and more.get("sub") != person:
                raise Refused(Trouble.CLAIMS)
            claims = {**more, **claims}
        sid = claims.get("sid", "")
        return Identity(claims, self._person(person), sid if isinstance(sid, str) else "", proved_at)

    def ended(self, token: str) -> Ended:
        """Give whose sessions a logout token ends (OpenID Connect Back-Channel Logout §2.6).

        Raises:
            Refused: it is none, or not the provider's, or not of now.
        """
        header, claims = self._provider.read(token)
        self._check(claims)
        at, events = _moment(claims.get("iat")), claims.get("events")
        person, sid = claims.get("sub", ""), claims.get("sid", "")
        is_one = isinstance(events, dict) and isinstance(events.get(_ENDS), dict) and "nonce" not in claims
        is_typed = str(header.get("typ", "JWT")).lower() in {"jwt", "logout+jwt"}
        if not (is_one and is_typed and isinstance(person, str) and isinstance(sid, str) and (person or sid)):
            raise Refused(Trouble.CLAIMS)
        if self._clock() - at > _MESSAGE:
            raise Refused(Trouble.CLAIMS)
        return Ended(self._person(person) if person else "", sid, at)

    def goodbye(self) -> str:
        """Give where a browser goes to log out at the provider too, ``""`` when it has no such page.

        The ID token, which would tell the provider at once who it is, is no part of the address: it holds a person's
        data, so that we keep none.

        Raises:
            Refused: the provider cannot be reached.
        """
        address = self._provider.metadata.end_session
        more = urlencode({"client_id": self._settings.client_id, "post_logout_redirect_uri": self._home})
        return f"{address}{'&' if '?' in address else '?'}{more}" if address else ""

    def _code(self, said: Mapping[str, str]) -> str:
        """Step 1: give the code that the provider itself sent back."""
        issuer = said.get("iss")
        if issuer != self._settings.issuer and (issuer is not None or self._provider.metadata.sends_issuer):
            raise Refused(Trouble.CLAIMS)
        if "error" in said:
            raise Refused(Trouble.CANCELLED if said["error"] == "access_denied" else Trouble.CODE)
        code = said.get("code", "")
        if not code or len(code) > _LONGEST:
            raise Refused(Trouble.CODE)
        return code

    def _check(self, claims: Mapping[str, object], nonce: str = "") -> None:
        """Step 4: see that a token is the provider's, for us, of now, and of this login."""
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
            raise Refused(Trouble.CLAIMS) from error
        audience, party = claims.get("aud"), claims.get("azp")
        is_shared = isinstance(audience, list) and len(audience) > 1
        if (is_shared or party is not None) and party != said.client_id:
            raise Refused(Trouble.CLAIMS)

    def _proved(self, claims: Mapping[str, object], start: Start) -> datetime:
        """Step 5: give when they proved who they are."""
        at, now = _moment(claims.get("auth_time"), Trouble.NOT_PROVED), self._clock()
        earliest = start.at if start.again else now - PROVED
        if not earliest - LEEWAY <= at <= now + LEEWAY:
            raise Refused(Trouble.NOT_PROVED)
        if self._settings.acr and claims.get("acr") not in self._settings.acr:
            raise Refused(Trouble.NOT_PROVED)
        return min(at, now)

    def _person(self, sub: str) -> str:
        """Give the name under which a person's sessions are kept: a ``sub`` is one of its issuer's alone."""
        return f"{self._settings.issuer} {sub}"


def _check_hash(header: Mapping[str, object], claims: Mapping[str, object], access: str) -> None:
    """See that an access token came with this ID token, if the latter says with which (§3.1.3.6)."""
    said = claims.get("at_hash")
    if said is None:
        return
    digest = hashlib.new(f"sha{str(header['alg'])[2:]}", access.encode()).digest()
    half = base64.urlsafe_b64encode(digest[: len(digest) // 2]).rstrip(b"=").decode()
    if not isinstance(said, str) or not hmac.compare_digest(said.encode(), half.encode()):
        raise Refused(Trouble.CLAIMS)


def _moment(said: object, why: Trouble = Trouble.CLAIMS) -> datetime:
    """Give the moment that a claim says, in seconds since 1970."""
    if isinstance(said, bool) or not isinstance(said, int | float):
        raise Refused(why)
    try:
        return datetime.fromtimestamp(said, UTC)
    except (OverflowError, ValueError, OSError) as error:
        raise Refused(why) from error
