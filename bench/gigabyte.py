"""Imports a real member file of a gigabyte: rows a second, and the most memory held.

``python -m bench.gigabyte [--megabytes N] [--folder DIR]``; a gigabyte needs about 10 GB of disk while it runs.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Final

from rrsync.cli.setup import install
from rrsync.core.insz import check_digits

HEADER: Final = (
    "member_no;insz;last_name;first_names;birth_date;street;house_number;box;postal_code;municipality;country;"
    "membership_end;open_items;loans_last_year\n"
)
CODE: Final = (
    "import sys; from rrsync.cli.app import run; code = run(sys.argv[1:]);"
    "print(next(line for line in open('/proc/self/status') if line.startswith('VmHWM')).split()[1]); sys.exit(code)"
)


def row(number: int) -> str:
    """Return an ordinary row, of an invented person with a test number."""
    day, rest = number % 31 + 1, number // 31
    serial, rest = rest % 998 + 1, rest // 998
    nine = f"{rest // 12 % 100:02d}{61 + rest % 12}{day:02d}{serial:03d}"
    digits = nine + check_digits(nine, born_from_2000=False)
    return (
        f"{number:012d};{digits};Vandenbroucke-De Smedt;Maria Josephina Elisabeth;1950-01-02;"
        f"Burgemeester Vanderveldelaan;{number % 300};b{number % 20};3500;Hasselt;BEL;;0;{number % 90}\n"
    )


def write(path: Path, size: int) -> int:
    """Write a file of this many bytes; give its rows."""
    rows = 0
    with path.open("w", encoding="utf-8") as file:
        written = file.write(HEADER)
        while written < size:
            written += file.write("".join(row(rows + more) for more in range(1_000)))
            rows += 1_000
    return rows


def main() -> None:
    """Write the file, import it in a process of its own, print what it took."""
    arguments = argparse.ArgumentParser()
    arguments.add_argument("--megabytes", type=int, default=1_024)
    arguments.add_argument("--folder", default=None)
    chosen = arguments.parse_args()
    with tempfile.TemporaryDirectory(dir=chosen.folder) as name:
        folder = Path(name)
        settings, members = folder / "rrsync.toml", folder / "members.csv"
        install(settings)
        rows = write(members, chosen.megabytes * 2**20)
        print(f"{members.stat().st_size / 2**20:.0f} MiB, {rows} rows")
        begun = time.monotonic()
        command = ["members", "import", str(members), "--library", "demo", "--config", str(settings)]
        done = subprocess.run([sys.executable, "-c", CODE, *command], stdout=subprocess.PIPE, text=True, check=False)
        took = time.monotonic() - begun
        *said, peak = done.stdout.splitlines()  # nothing is said of an import that was stopped
        print(f"{' '.join(said)} (exit {done.returncode})")
        print(f"{rows / took:.0f} rows/s, {took:.0f} s, peak {int(peak) / 1024:.0f} MiB")


if __name__ == "__main__":
    main()
