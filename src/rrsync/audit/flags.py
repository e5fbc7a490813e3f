"""Marks what stands out, on the entry itself, before it is committed; the rules are in ``core.anomaly``.

What cannot be judged is not let through: when the facts cannot be read, neither can the log be, and nothing is asked
or denied unmarked. What a process asks is not looked at, and costs nothing. Two looks that are logged in the same
moment may miss each other; the next one sees both.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from rrsync.core.access import actor_of
from rrsync.core.anomaly import Limits, flags
from rrsync.core.entry import LOOKS, ActorKind, Kind

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from datetime import datetime

    from rrsync.core.anomaly import Attempt, Traces
    from rrsync.core.entry import JSON, Draft
    from rrsync.store.facts import Facts


class Flags:
    """Marks entries that are about to be logged; ``limits`` are each library's own, else the usual ones."""

    def __init__(self, facts: Facts, limits: Mapping[str, Limits], clock: Callable[[], datetime]) -> None:
        self._facts = facts
        self._limits = limits
        self._clock = clock

    def mark(self, drafts: Sequence[Draft]) -> list[Draft]:
        """Give the drafts, with ``flags`` on the looks of persons that stand out.

        Raises:
            LedgerError: it cannot be seen whether one stands out; none of them may be logged.
        """
        marked: list[Draft] = []
        before: list[Attempt] = []
        for draft in drafts:
            found = self._look(draft)
            if found is None:
                marked.append(draft)
                continue
            attempt, traces = found
            said = flags(attempt, _joined(traces, attempt, before), self._limits.get(draft.library, Limits()))
            words: list[JSON] = [*said]
            marked.append(replace(draft, body={**draft.body, "flags": words}) if words else draft)
            before.append(attempt)
        return marked

    def _look(self, draft: Draft) -> tuple[Attempt, Traces] | None:
        """Give a person's look, and what is known around it; ``None`` for anything else."""
        if draft.kind not in LOOKS or draft.subject is None:
            return None
        actor = actor_of(draft.body)
        if actor.kind is not ActorKind.PERSON:
            return None
        why = draft.body.get("why")
        case = str(why.get("case", "")) if isinstance(why, dict) else ""
        attempt, traces = self._facts.around(
            draft.library,
            draft.subject,
            name=actor.name,
            at=self._clock(),
            case=case,
            is_denied=draft.kind is Kind.DENIED,
        )
        return replace(attempt, is_again=draft.kind is Kind.REUSE), traces


def _joined(traces: Traces, attempt: Attempt, before: Sequence[Attempt]) -> Traces:
    """Give what is known around a look with those that are logged together with it."""
    looks = tuple(each for each in before if each.name == attempt.name)
    staff = {each.name for each in before if each.subject == attempt.subject}
    return replace(traces, looks=(*traces.looks, *looks), staff=traces.staff | staff)
