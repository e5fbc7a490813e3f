"""``rrsync witness``: a witness of other organisations' access logs.

Its public key goes to each library; each library's public key goes to the witness. The key file and the state folder
are created together, and a key without its state is refused, because a witness without memory signs a rolled-back log.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Annotated, Final

import typer

from rrsync.anchor.durable_file import create
from rrsync.anchor.witness_server import Witness
from rrsync.app.log_keeping import SEED_BYTES, key_text, seed_of
from rrsync.app.runtime import system_runtime, until_stopped
from rrsync.cli.output import terminal_output
from rrsync.core.signed_note import Key, Signer, is_key_name
from rrsync.errors import ConfigError

_COMMENT: Final = (
    "# The key of an rrsync witness: anybody with this file can sign as the witness. Keep a copy in a safe place."
)
EPILOGS: Final = {
    "witness": "Example: rrsync witness --name example.org/witness --key witness.key --state witness --logs logs.txt"
}


def witness(
    name: Annotated[
        str,
        typer.Option("--name", help="The permanent name: your domain name, a slash and a word.", metavar="NAME"),
    ],
    key: Annotated[
        Path, typer.Option("--key", help="The key file; created (mode 0600) if it is missing.", metavar="FILE")
    ],
    state: Annotated[
        Path,
        typer.Option("--state", help="The folder of the signed checkpoints; created with the key.", metavar="DIR"),
    ],
    log: Annotated[
        list[str] | None,
        typer.Option("--log", help="The public key of a log to witness; can be repeated.", metavar="VKEY"),
    ] = None,
    logs: Annotated[
        Path | None, typer.Option("--logs", help="A file with public keys of logs, one per line.", metavar="FILE")
    ] = None,
    host: Annotated[str, typer.Option("--host", help="The address to listen on.", metavar="ADDRESS")] = "127.0.0.1",
    port: Annotated[
        int, typer.Option("--port", min=0, max=65_535, help="The port; 0 selects a free one.", metavar="N")
    ] = 8081,
) -> None:
    """Witness other organisations' access logs until Ctrl-C.

    A library logs every question that it sends to the National Registry. An administrator of that log could change it,
    or restore an old copy, without anybody noticing. A witness is a small program at another organisation that notices.
    The library regularly sends the size of its log and the hash of its entries. The witness signs and stores them if
    the log only grew since the last time, and refuses everything else. It never sees who asked, or about whom.

    The first start creates a key and prints the public key, one line: send that line and your address to the library.
    The library sends you a line too, the public key of its log: start the witness again with --log and that line.
    Protect the state folder like the key, because a witness without it signs any log. The witness uses plain HTTP on
    this machine only; put a web server with a certificate in front.
    """
    output = terminal_output()
    logs_known = [_key(text) for text in _key_texts(log or [], logs)]
    runtime = system_runtime()
    signer = _signer(name, key, state, runtime.random)
    output.result.print(signer.cosigner.text)
    if not logs_known:
        output.messages.print("Send this line to the library, and start again with --log and the library's line.")
        return
    with (
        Witness(signer=signer, logs=logs_known, state=state, clock=runtime.clock, host=host, port=port) as server,
        until_stopped() as stopped,
    ):
        output.messages.print(f"The witness answers at {server.url} ; stop it with Ctrl-C. Logs: {len(logs_known)}.")
        stopped.wait()
    signed = server.counts["200"]
    output.messages.print(f"Checkpoints signed: {signed}, refused: {server.counts.total() - signed}.")


def _key_texts(texts: list[str], file: Path | None) -> Iterator[str]:
    """Yield the public keys from the command line and from a file."""
    yield from texts
    if file is not None:
        try:
            lines = file.read_text(encoding="utf-8").splitlines()
        except (OSError, UnicodeDecodeError) as error:
            raise ConfigError(f"The file {file} cannot be read", todo="Name the file with the logs' keys") from error
        yield from (line.strip() for line in lines if line.strip() and not line.startswith("#"))


def _key(text: str) -> Key:
    try:
        return Key.parse(text)
    except ValueError as error:
        raise ConfigError(
            f"One of the logs' keys cannot be used: {error}", todo="Copy the whole line that the library sent you"
        ) from error


def _signer(name: str, file: Path, state: Path, random: Callable[[int], bytes]) -> Signer:
    """Return the signer with the key of the file; a missing file is created together with the folder."""
    if not is_key_name(name):
        raise ConfigError("The witness' name cannot be used", todo="Write it without spaces and without +")
    try:
        if file.exists():
            seed = _read(file, state)
        else:
            seed = random(SEED_BYTES)
            _create(file, state, seed)
    except OSError as error:
        raise ConfigError(
            f"The witness' key or its folder cannot be used: {error.strerror}", todo="Check both, and their permissions"
        ) from error
    return Signer(name, seed)


def _read(file: Path, state: Path) -> bytes:
    if file.stat().st_mode & 0o077:
        raise ConfigError("Other users can read the witness' key file", todo=f"Run `chmod 600 {file}`")
    if not state.is_dir():
        raise ConfigError(
            f"The witness has its key but not its state: there is no folder {state}",
            kept="Nothing was signed",
            todo="Restore the folder; create an empty one only if this witness never signed anything",
        )
    seed = seed_of(file.read_bytes().decode("ascii", errors="replace"))
    if seed is None:
        raise ConfigError(f"{file} is not a witness' key file", todo="Restore the right one")
    return seed


def _create(file: Path, state: Path, seed: bytes) -> None:
    """Create the folder, and then the key file, completely or not at all."""
    state.mkdir(mode=0o700, parents=True, exist_ok=True)
    create(file, key_text(_COMMENT, seed), mode=0o600)
