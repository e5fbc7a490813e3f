"""`rrsync`, and where its threads are a hundred times a second: written to a file when it ends.

python -m bench.profiled FILE serve --config rrsync.toml
"""

from __future__ import annotations

import sys
from collections import Counter
from pathlib import Path
from threading import Event, Thread, get_ident
from types import FrameType
from typing import Final

from rrsync.cli.app import run

_EVERY_S: Final = 0.01
_MOST: Final = 60
#: What a thread is in that waits for work, a lock or the network.
_IDLE: Final = frozenset({"wait", "select", "accept", "_recv_into", "poll", "get", "acquire", "readinto", "worker"})


def main() -> None:
    """Run a command, and look at its threads all the while."""
    path, *words = sys.argv[1:]
    own: Counter[str] = Counter()
    within: Counter[str] = Counter()
    ended = Event()

    def look() -> None:
        while not ended.wait(_EVERY_S):
            for thread, frame in sys._current_frames().items():
                if thread != get_ident() and frame.f_code.co_name not in _IDLE:
                    names = _names(frame)
                    own[names[0]] += 1
                    within.update(set(names))

    Thread(target=look, daemon=True).start()
    try:
        code = run(words)
    finally:
        ended.set()
        lines = ["own time", *_lines(own), "", "within", *_lines(within)]
        Path(path).write_text("\n".join(lines) + "\n", encoding="utf-8")
    sys.exit(code)


def _names(frame: FrameType | None) -> list[str]:
    names = []
    while frame is not None:
        code = frame.f_code
        names.append(f"{'/'.join(Path(code.co_filename).parts[-2:])}:{code.co_name}")
        frame = frame.f_back
    return names


def _lines(counts: Counter[str]) -> list[str]:
    return [f"{count:8} {name}" for name, count in counts.most_common(_MOST)]


if __name__ == "__main__":
    main()
