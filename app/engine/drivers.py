"""Which drivers there are."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from importlib import import_module
from typing import cast

from app.agents.protocol import Driver

# name in the configuration -> module under app.agents, and the class in it
_DRIVERS = {
    "acp": ("acp", "AcpDriver"),
    "codex": ("codex", "CodexDriver"),
    "model": ("model", "ModelDriver"),
    "scripted": ("scripted", "ScriptedDriver"),
}


class Drivers(Mapping[str, Driver]):
    """Every driver this program has, each imported when it is first asked for (blocking): most
    commands, and a start after a crash, need none."""

    def __init__(self) -> None:
        self._made: dict[str, Driver] = {}

    def __getitem__(self, name: str) -> Driver:
        if name not in self._made:
            module, made_by = _DRIVERS[name]
            found = getattr(import_module(f"app.agents.{module}"), made_by)
            self._made[name] = cast(Driver, found())
        return self._made[name]

    def __iter__(self) -> Iterator[str]:
        return iter(_DRIVERS)

    def __len__(self) -> int:
        return len(_DRIVERS)
