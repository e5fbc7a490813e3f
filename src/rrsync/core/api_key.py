"""API keys of library systems: the key's text, its scopes, and the networks it may be used from.

A key is ``rrs_<id>_<secret>``: a public id of 12 hex digits and a secret of 256 random bits. The prefix lets a secret
scanner recognise a leaked key.

>>> key_id(text := key_text("0123456789ab", bytes(32)))
'0123456789ab'
>>> text
'rrs_0123456789ab_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA'
>>> key_id("rrs_0123456789ab") is None
True
>>> admits((), "192.0.2.7"), admits(("192.0.2.0/24",), "192.0.2.7"), admits(("192.0.2.0/24",), "somewhere")
(True, True, False)
"""

from __future__ import annotations

import base64
import re
from collections.abc import Sequence
from datetime import timedelta
from enum import StrEnum
from ipaddress import IPv6Address, ip_address, ip_network
from typing import Final

#: How long a key may be good for.
LONGEST: Final = timedelta(days=365)
ID_BYTES: Final = 6
SECRET_BYTES: Final = 32
_KEY: Final = re.compile(r"rrs_([0-9a-f]{12})_[A-Za-z0-9_-]{43}")


class Scope(StrEnum):
    """A permission of a key: read members, refresh one, follow changes."""

    READ = "members:read"
    REFRESH = "members:refresh"
    CHANGES = "changes:read"


def key_text(identity: str, secret: bytes) -> str:
    """Return the text of a key."""
    return f"rrs_{identity}_{base64.urlsafe_b64encode(secret).rstrip(b'=').decode()}"


def key_id(text: str) -> str | None:
    """Return the public id of a key; ``None`` when the text is no key."""
    match = _KEY.fullmatch(text)
    return match[1] if match else None


def network(text: str) -> str:
    """Return a network in its normal form; a single address is a network of one.

    Raises:
        ValueError: the text is no network, or its address has bits outside the prefix.

    >>> network(" 192.0.2.7 "), network("2001:db8::/32")
    ('192.0.2.7/32', '2001:db8::/32')
    """
    return str(ip_network(text.strip()))


def admits(networks: Sequence[str], host: str) -> bool:
    """Whether a host may call; any host may when no networks are named.

    >>> admits(["192.0.2.0/24"], "::ffff:192.0.2.7"), admits(["192.0.2.0/24"], "192.0.3.7")
    (True, False)
    """
    if not networks:
        return True
    try:
        address = ip_address(host)
    except ValueError:
        return False
    if isinstance(address, IPv6Address) and address.ipv4_mapped is not None:
        address = address.ipv4_mapped
    return any(address in ip_network(each) for each in networks)
