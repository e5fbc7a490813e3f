"""The identity provider, over HTTP: where its pages are, which keys it signs with, what it gives for a code.

What it says about itself is kept for an hour. All its addresses must be at its issuer's own origin, so that nobody's
document leads our secret elsewhere. Nothing is followed, and no proxy of the environment's is used.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from threading import Lock
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

from authlib.common.errors import AuthlibBaseError
from authlib.integrations.requests_client import OAuth2Session
from joserfc import jwt
from joserfc.errors import BadSignatureError, InvalidKeyIdError, JoseError
from joserfc.jwk import KeySet

from rrsync.web.trouble import Refused, Trouble

if TYPE_CHECKING:
    from collections.abc import Callable

    from rrsync.config.web import OidcSettings

_KNOWN: Final = timedelta(hours=1)
_KEYS_AGAIN: Final = timedelta(seconds=30)
_NAMES: Final = ("authorization_endpoint", "token_endpoint", "jwks_uri")
_MORE: Final = ("userinfo_endpoint", "end_session_endpoint")
#: What an ID token may be signed with: always a key of which we have the public half alone.
ALGORITHMS: Final = tuple(f"{kind}{size}" for kind in ("RS", "PS", "ES") for size in (256, 384, 512))
#: Whatever can go wrong between us and the provider: ``requests``' errors are OSErrors.
_FAILURES: Final = (OSError, ValueError, AuthlibBaseError)


@dataclass(frozen=True, slots=True)
class Metadata:
    """What the provider says about itself (OpenID Connect Discovery); an address it does not have is ``""``."""

    authorize: str
    token: str
    keys: str
    userinfo: str
    end_session: str
    sends_issuer: bool
    client_auth: str


@dataclass(frozen=True, slots=True, repr=False)
class Tokens:
    """What a code was turned in for."""

    access: str
    id: str


class Provider:
    """The provider that the settings name; ``secret`` is the one it knows us by."""

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

    @property
    def metadata(self) -> Metadata:
        """What the provider says about itself, at most an hour ago.

        Raises:
            Refused: it cannot be had, or cannot be.
        """
        with self._lock:
            now = self._clock()
            if self._metadata is None or now - self._metadata_at >= _KNOWN:
                issuer = self._settings.issuer
                said = self._get(f"{issuer.rstrip('/')}/.well-known/openid-configuration")
                self._metadata = _metadata(said, issuer)
                self._metadata_at = now
            return self._metadata

    def address(self, **more: str) -> str:
        """Give where a browser goes to log in."""
        with self._session(self.metadata) as session:
            url, _ = session.create_authorization_url(self.metadata.authorize, **more)
        return str(url)

    def turn_in(self, code: str, verifier: str) -> Tokens:
        """Give what the provider gives for a code.

        Raises:
            Refused: it gives nothing that can be used.
        """
        metadata = self.metadata
        try:
            with self._session(metadata) as session:
                given = session.fetch_token(
                    metadata.token,
                    grant_type="authorization_code",
                    code=code,
                    code_verifier=verifier,
                    redirect_uri=self._redirect_uri,
                    allow_redirects=False,
                )
        except _FAILURES as error:
            raise Refused(Trouble.CODE if isinstance(error, AuthlibBaseError) else Trouble.UNREACHABLE) from error
        access, token = given.get("access_token"), given.get("id_token")
        if not isinstance(access, str) or not isinstance(token, str):
            raise Refused(Trouble.CODE)
        return Tokens(access, token)

    def about(self, access: str) -> Mapping[str, object]:
        """Give what the provider says of the person whose access token this is; nothing when it says none there.

        Raises:
            Refused: it cannot be had.
        """
        address = self.metadata.userinfo
        return self._get(address, headers={"Authorization": f"Bearer {access}"}) if address else {}

    def read(self, token: str) -> tuple[Mapping[str, object], Mapping[str, object]]:
        """Give header and claims of a token that the provider signed; whether they are right is not looked at.

        Raises:
            Refused: it did not sign it, or not in a way that proves it.
        """
        try:
            try:
                read = jwt.decode(token, self._known(anew=False), algorithms=ALGORITHMS)
            except (InvalidKeyIdError, BadSignatureError):
                read = jwt.decode(token, self._known(anew=True), algorithms=ALGORITHMS)
        except (JoseError, ValueError) as error:
            raise Refused(Trouble.TOKEN) from error
        return read.header, read.claims

    def _known(self, *, anew: bool) -> KeySet:
        address = self.metadata.keys
        with self._lock:
            now, keys = self._clock(), self._keys
            age = now - self._keys_at
            if keys is None or age >= _KNOWN or (anew and age >= _KEYS_AGAIN):
                said = self._get(address).get("keys")
                if not isinstance(said, list):
                    raise Refused(Trouble.UNREADABLE)
                try:
                    keys = KeySet.import_key_set({"keys": said})
                except (JoseError, ValueError, TypeError, KeyError) as error:
                    raise Refused(Trouble.UNREADABLE) from error
                self._keys, self._keys_at = keys, now
            return keys

    def _get(self, url: str, headers: Mapping[str, str] | None = None) -> dict[str, object]:
        """Give the JSON object at an address.

        Raises:
            Refused: there is none, or it cannot be reached.
        """
        try:
            with self._session(None) as session:
                reply = session.request("GET", url, withhold_token=True, headers=headers, allow_redirects=False)
                reply.raise_for_status()
                said = reply.json() if reply.status_code == 200 else None
        except _FAILURES as error:
            raise Refused(Trouble.UNREACHABLE) from error
        if not isinstance(said, dict):
            raise Refused(Trouble.UNREADABLE)
        return said

    def _session(self, metadata: Metadata | None) -> OAuth2Session:
        said = self._settings
        session = OAuth2Session(
            client_id=said.client_id,
            client_secret=self._secret,
            token_endpoint_auth_method=metadata.client_auth if metadata else None,
            scope=" ".join(said.scopes),
            redirect_uri=self._redirect_uri,
            code_challenge_method="S256",
            default_timeout=said.deadline_s,
        )
        session.trust_env = False
        session.verify = str(said.ca) if said.ca else True
        return session


def _metadata(said: Mapping[str, object], issuer: str) -> Metadata:
    """Read what a provider says about itself.

    Raises:
        Refused: it is another's, lacks an address, or leads elsewhere.
    """
    if said.get("issuer") != issuer:
        raise Refused(Trouble.UNREADABLE)
    found = {name: said.get(name) for name in _NAMES} | {name: said.get(name, "") for name in _MORE}
    texts = {name: value for name, value in found.items() if isinstance(value, str)}
    if len(texts) < len(found) or any(value and not is_same_origin(value, issuer) for value in texts.values()):
        raise Refused(Trouble.UNREADABLE)
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
