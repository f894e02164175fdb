"""Moving in from OpenFang: its home, read into a plan.

`config.toml`, an `agent.toml` for each agent, workflows as JSON, `secrets.env`, and what agents
remember and have worked on. The accounts are kept as for OpenClaw: every key is mapped, archived or
refused, and nobody may do more here than there.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from app.domain.migration import MigrationPlan


def read_openfang(source: Path, *, environment: Mapping[str, str]) -> MigrationPlan:
    """What migrating the home in `source` would do (blocking; nothing is written).

    Raises ConfigError only when there is nothing to read at all: what is odd costs itself, and is
    told in the plan.
    """
    from app.migrate.openfang.reader import read

    return read(source, environment)
