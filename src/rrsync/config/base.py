"""What every table of the settings has in common."""

from __future__ import annotations

import re
from typing import Final

from pydantic import BaseModel, ConfigDict

_HERE: Final = re.compile(
    r"https?://(localhost|127(\.(25[0-5]|2[0-4][0-9]|1?[0-9]?[0-9])){3}|\[::1\])(:[0-9]+)?(/.*)?", re.IGNORECASE
)


class Table(BaseModel):
    """A table of ``rrsync.toml``: no key it does not know, and no value in an error."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)


def is_here(address: str) -> bool:
    """Whether a URL is one of this machine."""
    return _HERE.fullmatch(address) is not None
