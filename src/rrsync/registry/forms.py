"""Envelopes that zeep writes once for a sender and capacity, with blanks that are filled in for each question.

What differs from one question to the next is number, reference, date and time. Writing the rest anew each time would
be a seventh of what a member costs (``docs/figures.md``).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final
from xml.sax.saxutils import escape

from rrsync.errors import ConfigError
from rrsync.registry import messages

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from rrsync.core.authorisation import Authorisation
    from rrsync.core.exchange import Question
    from rrsync.registry.messages import Node

#: Each blank, and how often it stands in an envelope.
_BLANKS: Final = {b"@INSZ@": 1, b"@REFERENCE@": 2, b"@DATE@": 1, b"@TIME@": 1}


class Forms:
    """The envelopes to one source; ``build`` writes one out of a Verzoek. Threads may share it."""

    def __init__(self, build: Callable[[Node], bytes], *, source: str) -> None:
        self._build = build
        self._source = source
        self._written: dict[tuple[str, str], bytes] = {}

    def fill(self, question: Question, authorisation: Authorisation, *, now: datetime) -> bytes:
        """Give the envelope of a question; ``now`` is an aware moment, written as Brussels time.

        Raises:
            ConfigError: our own WSDL, or the library's sender or capacity, leaves no blank where one must be.
        """
        key = authorisation.sender, authorisation.capacity
        if key not in self._written:
            self._written[key] = self._write(authorisation)
        day, time = messages.moment(now)
        envelope = self._written[key].replace(b"@INSZ@", question.insz.digits.encode())
        envelope = envelope.replace(b"@REFERENCE@", escape(question.reference).encode())
        return envelope.replace(b"@DATE@", day.encode()).replace(b"@TIME@", time.encode())

    def _write(self, authorisation: Authorisation) -> bytes:
        blank = messages.verzoek(
            authorisation, source=self._source, digits="@INSZ@", reference="@REFERENCE@", moment=("@DATE@", "@TIME@")
        )
        form = self._build(blank)
        if any(form.count(name) != often for name, often in _BLANKS.items()):
            raise ConfigError("A request cannot be written for this sender and capacity", todo="Correct the settings")
        return form
