"""What a register says instead of the right thing: exceptions at each level, words changed, and when."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Final, TypeAlias

from rrsync.config.load import load
from tests.faults.catalogue import Answer, Call, Trial
from tests.registry import scene

#: A code and its type.
Told: TypeAlias = tuple[str, str]

IN_FRONT: Final = re.compile(rb"<Referte>[^<]*</Referte>")


def remark(*told: Told, level: int = 3, content: bool = False) -> Answer:
    """Return who answers with these exceptions: of the answer (3) or of the whole (2), with the person or without."""

    def answer(call: Call) -> bytes:
        body = call.right.body
        listed = b"<Uitzonderingen>%s</Uitzonderingen>" % b"".join(_written(*one) for one in told)
        if not content:
            body = re.sub(rb"<Inhoud>.*</Inhoud>", b"", body, flags=re.DOTALL)
        if level == 2:
            body = body if content else re.sub(rb"<Antwoorden>.*</Antwoorden>", b"", body, flags=re.DOTALL)
            return scene.http(body.replace(b"</Repliek>", listed + b"</Repliek>"))
        return scene.http(body.replace(b"</Antwoord>", listed + b"</Antwoord>"))

    return reads(answer)


def fault(text: str, *, code: str = "Server", status: int = 500) -> Answer:
    """Return who answers with a SOAP Fault."""
    return reads(lambda _: scene.http(scene.fault(text, code), status))


def edited(*pairs: tuple[str, str]) -> Answer:
    """Return who answers rightly but for what each pattern finds, which becomes the other text."""

    def answer(call: Call) -> bytes:
        body = call.right.body.decode()
        for pattern, text in pairs:
            body, count = re.subn(pattern, text.replace("\\", r"\\"), body, count=1, flags=re.DOTALL)
            assert count, pattern
        return scene.http(body.encode())

    return reads(answer)


def reads(answer: Answer) -> Answer:
    """Return who answers so when a person is asked about, and rightly what else is asked."""
    return lambda call: answer(call) if is_read(call) else call.said()


def is_read(call: Call) -> bool:
    """Whether a call asks about a person; a subscription does not."""
    return b"GeefPersoon" in call.body


def at_first(times: int, answer: Answer) -> Answer:
    """Return who answers so the first times that somebody is asked about, and then rightly."""
    seen: dict[str, int] = {}

    def switched(call: Call) -> bytes | None:
        if is_read(call):
            seen[call.digits] = seen.get(call.digits, 0) + 1
        return answer(call) if is_read(call) and seen[call.digits] <= times else call.said()

    return switched


def served(answer: Answer, *, members: int = 1, tolerated: Sequence[str] = ()) -> Callable[[Trial], None]:
    """Return what puts this register before so many members; it may put anybody on hold for what is ``tolerated``."""

    def inject(trial: Trial) -> None:
        trial.build(members=members, tolerated=("mismatch", "unreadable", "refused", *tolerated))
        trial.serve(answer)

    return inject


def recovers(trial: Trial) -> None:
    """See that a run that was stopped is ended first, without the fault, and the next brings everybody up to date."""
    trial.monkeypatch.delenv("RRSYNC_REGISTRY__ENDPOINT", raising=False)
    trial.house.settings = load(trial.config)
    trial.house.reopen()
    assert trial.house.night().open == 0
    trial.heal()


def _written(code: str, kind: str) -> bytes:
    return (
        f"<Uitzondering><Identificatie>{code}</Identificatie><Oorsprong>MAGDA</Oorsprong><Type>{kind}</Type>"
        "<Tijdstip><Datum>2026-07-01</Datum><Tijd>02:00:00.000</Tijd></Tijdstip><Diagnose>x</Diagnose></Uitzondering>"
    ).encode()
