"""One tree of errors; each says what was wrong, what was kept safe and what to do.

::

    RrsyncError                 1
    ├── ConfigError             2   settings, keys, arguments, files that cannot be used
    │   ├── InputError          2   a file somebody gave us
    │   └── NotAnInsz           2   eleven digits that are no number
    ├── NotAuthorised           4   no authorisation covers the question: nothing was sent
    ├── RegistryError           4
    │   ├── RegistryUnavailable 3   the only error that is ever tried again
    │   ├── RegistryRefused     4   the register refuses us, not the person: stops the run
    │   └── RegistryUnreadable  4   a reply nobody can use: one member goes on hold
    ├── Stopped                 4   a run stopped on purpose
    ├── Interrupted             3   a run was asked to stop, what was left stays open
    ├── Busy                   75   another run holds the lease
    └── StoreError              4
        └── LedgerError         4   evidence cannot be kept: no call
            ├── BrokenChain     4   the access log is not whole
            │   └── AnchorConflict 4   it is not the log that was anchored: cut, put back or forked
            └── AnchorError     4   a checkpoint cannot be kept elsewhere
                └── AnchorUnavailable 4   not now; it is tried again

The number is the exit code a door gives. No message ever holds a person's data.
"""

from __future__ import annotations

from typing import ClassVar


class RrsyncError(Exception):
    """What was wrong, what was kept safe, and what to do: three short sentences, no person's data."""

    exit_code: ClassVar[int] = 1

    def __init__(self, what: str, *, kept: str = "Nothing was changed", todo: str = "") -> None:
        self.what = what.rstrip(".")
        self.kept = kept.rstrip(".")
        self.todo = todo.rstrip(".")
        super().__init__(". ".join(part for part in (self.what, self.kept, self.todo) if part) + ".")


class ConfigError(RrsyncError):
    """The settings, the keys or the arguments cannot be used."""

    exit_code = 2


class InputError(ConfigError):
    """A file somebody gave us cannot be used as a whole."""


class NotAnInsz(ConfigError):
    """The text is no INSZ; the message names the rule that failed, never the text."""


class NotAuthorised(RrsyncError):
    """No authorisation in force covers the question; the denial is logged and nothing was sent."""

    exit_code = 4


class RegistryError(RrsyncError):
    """The register, or the way to it, failed."""

    exit_code = 4


class RegistryUnavailable(RegistryError):
    """The register cannot answer now; the only error that is ever tried again."""

    exit_code = 3


class RegistryRefused(RegistryError):
    """The register refuses the library or our configuration, so every member would fail alike."""


class RegistryUnreadable(RegistryError):
    """The reply cannot be read or trusted; nothing of it is used."""


class Stopped(RrsyncError):
    """A run stopped itself on purpose; ``reason`` is its one word in the report."""

    exit_code = 4

    def __init__(self, what: str, *, reason: str, kept: str = "", todo: str = "") -> None:
        super().__init__(what, kept=kept or "What was done is kept, the rest stays open", todo=todo)
        self.reason = reason


class Interrupted(RrsyncError):
    """A run was asked to stop; what was under way is settled and the rest stays open."""

    exit_code = 3


class Busy(RrsyncError):
    """Another run holds the lease on this database."""

    exit_code = 75


class StoreError(RrsyncError):
    """The database cannot be read or written; what was not committed did not happen."""

    exit_code = 4


class LedgerError(StoreError):
    """The access log cannot be written or read, so nothing may be asked."""


class BrokenChain(LedgerError):
    """The access log does not verify; the message names library, sequence and cause."""


class AnchorConflict(BrokenChain):
    """The log is shorter than, or another than, the one that was anchored outside the database."""


class AnchorError(LedgerError):
    """A checkpoint cannot be kept outside the database."""


class AnchorUnavailable(AnchorError):
    """An anchor cannot be reached, or does not take a checkpoint now; nothing of the log is lost."""
