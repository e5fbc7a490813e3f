"""How far a long work is: a bar on a terminal, else a line now and then."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

from rich.progress import BarColumn, TaskProgressColumn, TextColumn, TimeRemainingColumn
from rich.progress import Progress as Bar

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from rrsync.cli.context import Voices

_LINE_EVERY: Final = 100_000


@contextmanager
def progress(speak: Voices, title: str, total: int, *, lines: str = "") -> Iterator[Callable[[int], None]]:
    """Give what shows how far it is: a bar on a terminal, else a line every 100 000 if ``lines`` names them."""
    if not speak.err.is_terminal:

        def line(done: int) -> None:
            if lines and done % _LINE_EVERY == 0:
                speak.err.print(f"{done} of {total} {lines}")

        yield line
        return
    columns = TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(), TimeRemainingColumn()
    with Bar(*columns, console=speak.err, transient=True) as bar:
        task = bar.add_task(title, total=total)
        yield lambda done: bar.update(task, completed=done)
