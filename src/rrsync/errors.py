"""The errors of rrsync: one tree; each error names the problem, the data that is safe, and what to do.

::

    RrsyncError                 1
    ├── ConfigError             2   settings, keys, arguments, files that cannot be used
    │   ├── InputError          2   a file of the user
    │   └── NotAnInsz           2   a text that is no INSZ
    ├── NotAuthorised           4   no authorisation covers the question: nothing is sent
    ├── RegistryError           4
    │   ├── RegistryUnavailable 3   the only error of a question that is retried
    │   ├── RegistryRefused     4   the register refuses us, not the person: the run stops
    │   └── RegistryUnreadable  4   an unusable reply: one member goes on hold
    ├── Stopped                 4   a run stopped itself on purpose
    ├── Interrupted             3   a signal stopped a run: the rest stays open
    ├── Busy                   75   another run holds the lease
    └── StoreError              4
        └── LedgerError         4   the access log cannot be written: nothing is sent
            ├── BrokenChain     4   the access log does not verify
            │   └── AnchorConflict 4   the log is not the anchored one: cut, rolled back or forked
            └── AnchorError     4   a checkpoint cannot be stored outside the database
                └── AnchorUnavailable 4   an anchor is unavailable: retried later

The number is the exit code of a command. No message contains personal data.
"""

from __future__ import annotations

from typing import ClassVar


class RrsyncError(Exception):
    """An error with up to three sentences: ``what`` is wrong, what is ``kept`` safe, and what ``todo``."""

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
    """A file of the user cannot be used as a whole."""


class NotAnInsz(ConfigError):
    """The text is no INSZ; the message names the rule that failed, not the text."""


class NotAuthorised(RrsyncError):
    """No authorisation in force covers the question; the denial is logged and nothing is sent."""

    exit_code = 4


class RegistryError(RrsyncError):
    """The register, or the connection to it, failed."""

    exit_code = 4


class RegistryUnavailable(RegistryError):
    """The register cannot answer now; a question is retried after this error alone."""

    exit_code = 3


class RegistryRefused(RegistryError):
    """The register refuses the library or our configuration; every question would fail."""


class RegistryUnreadable(RegistryError):
    """The reply is unreadable or not trustworthy; nothing of it is used."""


class Stopped(RrsyncError):
    """A run stopped itself on purpose; ``reason`` is its code in the report."""

    exit_code = 4

    def __init__(self, what: str, *, reason: str, kept: str = "", todo: str = "") -> None:
        super().__init__(what, kept=kept or "What was done is kept, the rest stays open", todo=todo)
        self.reason = reason


class Interrupted(RrsyncError):
    """A signal stopped a run; questions in flight are settled and the rest stays open."""

    exit_code = 3


class Busy(RrsyncError):
    """Another run holds the lease on this database."""

    exit_code = 75


class StoreError(RrsyncError):
    """The database cannot be read or written; uncommitted changes are lost."""

    exit_code = 4


class LedgerError(StoreError):
    """The access log cannot be written or read, so nothing is sent."""


class BrokenChain(LedgerError):
    """The access log does not verify; the message names the library, the entry and the cause."""


class AnchorConflict(BrokenChain):
    """The log is shorter than, or different from, the one that an anchor stores."""


class AnchorError(LedgerError):
    """A checkpoint cannot be stored outside the database."""


class AnchorUnavailable(AnchorError):
    """An anchor is unreachable or does not accept a checkpoint now; the log is intact."""
