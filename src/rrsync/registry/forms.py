"""Envelopes that zeep writes once for a deed, sender and capacity, with blanks that are filled in for each question.

What differs from one question to the next is number, reference, date and time. Writing the rest anew each time would
be a seventh of what a member costs (``docs/figures.md``).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final
from xml.sax.saxutils import escape

from rrsync.core.exchange import Deed
from rrsync.errors import ConfigError
from rrsync.registry import messages
from rrsync.registry.services import service

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from rrsync.core.authorisation import Authorisation
    from rrsync.core.exchange import Question
    from rrsync.registry.messages import Node
    from rrsync.registry.services import Service

#: Each blank, and how often it stands in an envelope; a subscription says the day a second time, as its begin or end.
_BLANKS: Final = {b"@INSZ@": 1, b"@REFERENCE@": 2, b"@DATE@": 1, b"@TIME@": 1}


class Forms:
    """The envelopes to one source and one version of the repertory; ``build`` writes one. Threads may share it."""

    def __init__(self, build: Callable[[Service, Node], bytes], *, source: str, repertory: str | None = None) -> None:
        self._build = build
        self._source = source
        self._repertory = repertory
        self._written: dict[tuple[Deed, str, str], bytes] = {}

    def fill(self, question: Question, authorisation: Authorisation, *, now: datetime) -> bytes:
        """Give the envelope of a question; ``now`` is an aware moment, written as Brussels time.

        Raises:
            ConfigError: our own WSDL, or the library's sender or capacity, leaves no blank where one must be; or the
                settings want no subscriptions.
        """
        key = question.deed, authorisation.sender, authorisation.capacity
        if key not in self._written:
            self._written[key] = self._write(question.deed, authorisation)
        day, time = messages.moment(now)
        envelope = self._written[key].replace(b"@INSZ@", question.insz.digits.encode())
        envelope = envelope.replace(b"@REFERENCE@", escape(question.reference).encode())
        return envelope.replace(b"@DATE@", day.encode()).replace(b"@TIME@", time.encode())

    def _write(self, deed: Deed, authorisation: Authorisation) -> bytes:
        asked = service(deed, self._repertory)
        inhoud = messages.content(
            deed, self._repertory, authorisation, source=self._source, digits="@INSZ@", day="@DATE@"
        )
        blank = messages.verzoek(
            asked, authorisation, inhoud=inhoud, reference="@REFERENCE@", moment=("@DATE@", "@TIME@")
        )
        form = self._build(asked, blank)
        often = _BLANKS | ({} if deed is Deed.READ else {b"@DATE@": 2})
        if any(form.count(name) != times for name, times in often.items()):
            raise ConfigError("A request cannot be written for this sender and capacity", todo="Correct the settings")
        return form
