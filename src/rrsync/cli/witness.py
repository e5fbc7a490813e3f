"""The door for another organisation: a witness for the access logs of libraries that are not its own."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Annotated, Final

import typer

from rrsync.anchor.durable_file import create
from rrsync.anchor.witness_server import Witness
from rrsync.app.log_keeping import SEED_BYTES, key_text, seed_of
from rrsync.app.runtime import system_runtime, until_stopped
from rrsync.cli.context import voices
from rrsync.core.signed_note import Key, Signer, is_key_name
from rrsync.errors import ConfigError

_COMMENT: Final = "# The key of an rrsync witness: who has it can sign as the witness. Keep a copy in a safe place."


def witness(
    name: Annotated[
        str,
        typer.Option(
            "--name", help="What the witness is called, for good: a web name of yours and a word.", metavar="NAME"
        ),
    ],
    key: Annotated[
        Path, typer.Option("--key", help="Its key file; made (mode 0600) if it is not there.", metavar="FILE")
    ],
    state: Annotated[
        Path,
        typer.Option("--state", help="The folder where it keeps what it saw; made with the key.", metavar="DIR"),
    ],
    log: Annotated[
        list[str] | None,
        typer.Option("--log", help="The public key of a log to watch; may be given again.", metavar="VKEY"),
    ] = None,
    logs: Annotated[
        Path | None, typer.Option("--logs", help="A file with such keys, one a line.", metavar="FILE")
    ] = None,
    host: Annotated[str, typer.Option("--host", help="The address to listen on.", metavar="ADDRESS")] = "127.0.0.1",
    port: Annotated[
        int, typer.Option("--port", min=0, max=65_535, help="The port; 0 takes a free one.", metavar="N")
    ] = 8081,
) -> None:
    """Witness the access logs of others, until Ctrl-C.

    A library writes down every question it asks the National Registry about a person. Whoever keeps that log could
    change it, or put an old copy back, and nobody would see. A witness is a small program at another organisation that
    sees it: now and then the library sends the size of its log and a fingerprint of all that is in it. The witness
    signs them if the log only grew since the last time, remembers them, and refuses everything else. It never sees who
    asked, nor about whom.

    The first time it makes a key and prints one line, its public key: give that line to the library, with your address.
    The library gives you a line too, the public key of its log: start the witness again with --log and that line. Keep
    the folder it remembers in as you keep the key: a witness that forgets can be told anything. It speaks plain HTTP
    on this machine only; put a web server with a certificate before it.

    Example: rrsync witness --name example.org/witness --key witness.key --state witness --logs logs.txt
    """
    speak = voices()
    named = [_key(text) for text in _named(log or [], logs)]
    runtime = system_runtime()
    signer = _signer(name, key, state, runtime.random)
    speak.out.print(signer.cosigner.text)
    if not named:
        speak.err.print("Give this line to the library, and start again with --log and the line it gives you.")
        return
    with (
        Witness(signer=signer, logs=named, state=state, clock=runtime.clock, host=host, port=port) as server,
        until_stopped() as stopped,
    ):
        speak.err.print(f"The witness answers at {server.url} ; stop it with Ctrl-C. Logs it knows: {len(named)}.")
        stopped.wait()
    signed = server.counts["200"]
    speak.err.print(f"Checkpoints signed: {signed}, not signed: {server.counts.total() - signed}.")


def _named(texts: list[str], file: Path | None) -> Iterator[str]:
    """Yield the keys that are named, on the command line and in a file."""
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
            f"One of the logs' keys cannot be used: {error}", todo="Copy the whole line that the library gave you"
        ) from error


def _signer(name: str, file: Path, state: Path, random: Callable[[int], bytes]) -> Signer:
    """Return who signs: with the key of the file, which is made, with the folder, if it is not there."""
    if not is_key_name(name):
        raise ConfigError("The witness' name cannot be used", todo="Write it without blanks and without +")
    try:
        if file.exists():
            seed = _read(file, state)
        else:
            seed = random(SEED_BYTES)
            _make(file, state, seed)
    except OSError as error:
        raise ConfigError(
            f"The witness' key or its folder cannot be used: {error.strerror}", todo="Check both, and their rights"
        ) from error
    return Signer(name, seed)


def _read(file: Path, state: Path) -> bytes:
    if file.stat().st_mode & 0o077:
        raise ConfigError("Others can read the witness' key file", todo=f"Run `chmod 600 {file}`")
    if not state.is_dir():
        raise ConfigError(
            f"The witness has its key but not its memory: there is no folder {state}",
            kept="Nothing was signed",
            todo="Put the folder back; only if this witness never signed anything, make an empty one",
        )
    seed = seed_of(file.read_bytes().decode("ascii", errors="replace"))
    if seed is None:
        raise ConfigError(f"{file} is no witness' key file", todo="Put the right one back")
    return seed


def _make(file: Path, state: Path, seed: bytes) -> None:
    """Make the folder, and then the key file, whole and on disk or not at all."""
    state.mkdir(mode=0o700, parents=True, exist_ok=True)
    create(file, key_text(_COMMENT, seed), mode=0o600)
