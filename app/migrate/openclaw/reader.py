"""The way through an installation: load, put secrets away, read each part, write the plan."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from app.domain.errors import ConfigError
from app.domain.migration import MigrationPlan
from app.migrate.detect import config_in
from app.migrate.openclaw.agents import Roster
from app.migrate.openclaw.json_home import AgentReader, Home
from app.migrate.openclaw.ledger import Ledger
from app.migrate.openclaw.loading import Loader, Variables
from app.migrate.openclaw.plan import PlanMaker
from app.migrate.openclaw.secrets import Secrets
from app.migrate.openclaw.source import Source
from app.migrate.openclaw.vault import Vault


def read(folder: Path, environment: Mapping[str, str]) -> MigrationPlan:
    """The plan for the installation in a folder. Raises ConfigError."""
    source = Source(folder)
    ledger = Ledger(Vault())
    name = config_in(source.root)
    path = source.file(name) if name else None
    home = Home(ledger, Variables(environment), Roster(ledger))
    if path is not None and name.endswith(".json"):
        _read_json(home, source, path)
    if path is None and not source.named("."):
        raise ConfigError("there is nothing there to migrate", source=str(folder))
    return PlanMaker(home, source).plan(_generation(home, source, name))


def _read_json(home: Home, source: Source, path: Path) -> None:
    home.root = Loader(source, home.ledger).load(path)
    if home.root is None:
        return
    secrets = Secrets(home.ledger, home.variables)
    secrets.declare(home.root.get("env"))
    secrets.collect(home.root)
    home.roster.read(home.root.get("agents"))
    reader = AgentReader(home, {})
    home.config.agents = [reader.read(entry) for entry in home.roster.entries]


def _generation(home: Home, source: Source, name: str) -> str:
    """Which of the layouts this is, for a person."""
    if home.present:
        return f"present ({name})"
    if home.root is not None and home.root.dig("agents", "list") is not None:
        return f"list ({name})"
    return f"oldest ({name or 'no configuration'})"
