"""The systems that one can move in from, by name."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from app.domain.errors import NotFound
from app.domain.migration import Installation, MigrationPlan
from app.migrate.detect import detect

_HOMES = {"openclaw": "~/.openclaw", "openfang": "~/.openfang"}


def read_home(system: str, source: Path, environment: Mapping[str, str]) -> MigrationPlan:
    """What migrating that home would do (blocking; nothing is written). Raises ConfigError when
    there is nothing to read at all."""
    if system == "openfang":
        from app.migrate.openfang import read_openfang

        return read_openfang(source, environment=environment)
    from app.migrate.openclaw import read_openclaw

    return read_openclaw(source, environment=environment)


def find_home(system: str, environment: Mapping[str, str], home: Path) -> Installation:
    """The likeliest home of a system on this machine (blocking). Raises NotFound."""
    for found in detect(environment, home):
        if found.system == system:
            return found
    raise NotFound(
        f"no home of {system} was found (looked in {_HOMES[system]} and its other names): say where"
        f" it is, `longwatch migrate {system} DIR`"
    )
