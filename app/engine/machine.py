"""What a supervisor is built on: the disk, the child processes, git."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from pathlib import Path

from msgspec import Struct

from app.domain.base import Clock
from app.engine.processes import ProcessRegistry
from app.engine.workspaces import Workspaces
from app.store.journal import Journal
from app.store.paths import StorePaths


class Machine(Struct, frozen=True):
    """How each part is made. The real ones by default; a simulation puts in its own."""

    journal: Callable[[StorePaths, Clock], Awaitable[Journal]] = Journal.open
    processes: Callable[..., ProcessRegistry] = ProcessRegistry
    workspaces: Callable[[Path, ProcessRegistry], Workspaces] = Workspaces


MACHINE = Machine()
