"""Errors that a person reads: one sentence with the place and the fix."""

from __future__ import annotations


class LongwatchError(Exception):
    """Base of every error whose text is meant for the operator."""


class ConfigError(LongwatchError):
    """A configuration or workflow file is wrong; names file, line and key where known."""

    def __init__(
        self, message: str, *, source: str = "", line: int | None = None, key: str = ""
    ) -> None:
        self.source, self.line, self.key = source, line, key
        place = source + (f":{line}" if line is not None else "")
        text = f"{place}: " if place else ""
        super().__init__(text + (f"{key}: " if key else "") + message)


class Refused(LongwatchError):
    """A command that does not fit the state it was given in; nothing was changed."""


class NotFound(Refused):
    """The named run, session, approval or review does not exist; nothing was created."""


class OwnershipError(Refused):
    """A session was used by something that does not own it."""


class StoreError(LongwatchError):
    """The store cannot be used: locked, corrupt, newer than this program, read-only, full."""


class StoreDamaged(StoreError):
    """What is in the store cannot be all that was written; nothing was changed in it."""


class DriverError(LongwatchError):
    """An agent cannot be started or broke its protocol."""


class MissingCredentials(DriverError):
    """An agent or its model needs a key or a sign-in that is not there."""


class MissingProgram(DriverError):
    """An agent's program is not on this machine."""
