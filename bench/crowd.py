"""Many people before the pages at once, each in a session of their own, over HTTP/1.1 on this machine.

Who is at the desk finds a member, opens it, asks the register, looks at the answer, and takes over what changed. Every
fourth time it is somebody whom others ask about too. A data-protection officer reads the log all the while. Everybody
thinks between two requests, for a time that is drawn by lot.
"""

from __future__ import annotations

import asyncio
import random
import re
import time
from collections.abc import Coroutine, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import count
from typing import Final
from urllib.parse import urlencode, urlsplit

_TICKET: Final = re.compile(r'name="ticket" value="([^"]+)"')
_ENTRY: Final = re.compile(r'href="(/log/entries/[^"/]+/\d+)"')
_DAY: Final = re.compile(r'href="(/log/days/[^"]+)"')
_SHARED_EVERY: Final = 4
_PATIENCE_S: Final = 60.0


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back: the status, where it leads, and the page."""

    status: int
    location: str
    text: str


@dataclass(slots=True)
class Record:
    """What a crowd saw: how long each kind of request took, what went wrong, and which cases were answered when."""

    left: int
    took: dict[str, list[float]] = field(default_factory=dict)
    wrong: list[str] = field(default_factory=list)
    asked: dict[str, float] = field(default_factory=dict)
    accepted: int = 0

    @property
    def total(self) -> int:
        """How many requests were answered."""
        return sum(map(len, self.took.values()))


@dataclass(slots=True)
class Person:
    """One browser, logged in: the cookie of its session and the token of its forms."""

    name: str
    cookie: str
    token: str
    dice: random.Random
    pause_s: float

    async def ask(
        self, record: Record, origin: str, kind: str, path: str, form: dict[str, str] | None = None
    ) -> Answer:
        """Send one request, note how long its answer took, and think."""
        started = time.perf_counter()
        try:
            answer = await asyncio.wait_for(self._send(origin, path, form), _PATIENCE_S)
        except (OSError, TimeoutError, ValueError) as error:
            record.wrong.append(f"{kind}: {type(error).__name__}")
            answer = Answer(0, "", "")
        record.took.setdefault(kind, []).append(time.perf_counter() - started)
        record.left -= 1
        if answer.status not in {200, 303} or answer.location == "/login":
            record.wrong.append(f"{kind}: {answer.status} {answer.location}")
        if self.pause_s:
            await asyncio.sleep(self.dice.expovariate(1 / self.pause_s))
        return answer

    async def _send(self, origin: str, path: str, form: dict[str, str] | None) -> Answer:
        place = urlsplit(origin)
        body = b"" if form is None else urlencode({"token": self.token} | form).encode()
        head = [
            f"{'GET' if form is None else 'POST'} {path} HTTP/1.1",
            f"Host: {place.netloc}",
            f"Cookie: rrs={self.cookie}",
            "Connection: close",
            "Sec-Fetch-Mode: navigate",
        ]
        if form is not None:
            head += ["Sec-Fetch-Site: same-origin", "Content-Type: application/x-www-form-urlencoded"]
            head += [f"Content-Length: {len(body)}"]
        reader, writer = await asyncio.open_connection(place.hostname, place.port)
        try:
            writer.write("\r\n".join([*head, "", ""]).encode() + body)
            await writer.drain()
            said = await reader.read(-1)
        finally:
            writer.close()
        first, _, text = said.partition(b"\r\n\r\n")
        lines = first.decode("latin-1").split("\r\n")
        fields = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines[1:])}
        return Answer(int(lines[0].split()[1]), fields.get("location", ""), text.decode())


@dataclass(slots=True)
class Crowd:
    """Everybody: who is at the desk, who reads the log; ``members`` are asked about once each, ``shared`` by many."""

    origin: str
    desk: Sequence[Person]
    officers: Sequence[Person]
    members: Iterator[str]
    shared: Sequence[str]
    library: str
    cases: Iterator[int] = field(default_factory=count)

    def run(self, requests: int) -> Record:
        """Let them all work until so many requests were sent, and give what they saw."""
        record = Record(requests)
        asyncio.run(self._work(record))
        return record

    async def _work(self, record: Record) -> None:
        await asyncio.gather(
            *(self._come(person, self._at_the_desk(person, record)) for person in self.desk),
            *(self._come(person, self._at_the_log(person, record)) for person in self.officers),
        )

    @staticmethod
    async def _come(person: Person, work: Coroutine[None, None, None]) -> None:
        """Begin when one begins: nobody opens a library's doors to two hundred desks at one moment."""
        await asyncio.sleep(person.dice.uniform(0, 4 * person.pause_s))
        await work

    async def _at_the_desk(self, person: Person, record: Record) -> None:
        async def ask(kind: str, path: str, form: dict[str, str] | None = None) -> Answer:
            return await person.ask(record, self.origin, kind, path, form)

        for turn in count():
            if record.left <= 0:
                return
            is_shared = turn % _SHARED_EVERY == _SHARED_EVERY - 1
            number = person.dice.choice(self.shared) if is_shared else next(self.members)
            await ask("search", "/desk", {"by": "words", "words": number})
            await ask("member", f"/members/{number}")
            case = f"bench-{next(self.cases)}"
            started = time.perf_counter()
            answer = await self._refresh(person, record, number, case)
            if not answer.location.endswith("/difference"):
                continue
            record.asked[case] = time.perf_counter() - started
            page = await ask("difference", f"/members/{number}/difference")
            ticket = _TICKET.search(page.text)
            if ticket is not None and not is_shared:
                await ask("accept", f"/members/{number}/difference", {"decision": "accept", "ticket": ticket[1]})
                record.accepted += 1

    async def _refresh(self, person: Person, record: Record, number: str, case: str) -> Answer:
        """Ask the register, without a thought after it: how long it took is held against the register's own time."""
        thinking, person.pause_s = person.pause_s, 0.0
        try:
            form = {"purpose": "desk", "case": case}
            return await person.ask(record, self.origin, "refresh", f"/members/{number}/refresh", form)
        finally:
            person.pause_s = thinking

    async def _at_the_log(self, person: Person, record: Record) -> None:
        async def ask(kind: str, path: str, form: dict[str, str] | None = None) -> Answer:
            return await person.ask(record, self.origin, kind, path, form)

        while record.left > 0:
            await ask("officer", "/officer")
            found = await ask("log", "/log", {"library": self.library})
            if entry := _ENTRY.search(found.text):
                await ask("entry", entry[1])
            days = await ask("days", "/log/days")
            if day := _DAY.search(days.text):
                await ask("day", day[1])
            await ask("figures", "/log/figures")
