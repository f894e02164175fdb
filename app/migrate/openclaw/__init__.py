"""OpenClaw, in every layout that is met in the field, and under its older names."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from app.domain.migration import MigrationPlan

__all__ = ["read_openclaw"]


def read_openclaw(source: Path, *, environment: Mapping[str, str]) -> MigrationPlan:
    """What migrating the installation in `source` would do (blocking; nothing is written).

    `environment` is where `${NAME}` is looked up. Raises ConfigError only when there is nothing
    to read at all: what is odd costs itself, and is told in the plan.
    """
    from app.migrate.openclaw.reader import read  # past sessions need none of it

    return read(source, environment)
