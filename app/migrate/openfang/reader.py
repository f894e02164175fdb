"""The way through an OpenFang home: secrets first, then the configuration, agents, everything
else, and the plan."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from app.domain.errors import ConfigError
from app.domain.migration import ItemKind, MigrationPlan
from app.migrate.openclaw.agents import Roster
from app.migrate.openclaw.home import Home
from app.migrate.openclaw.ledger import Ledger
from app.migrate.openclaw.loading import Variables
from app.migrate.openclaw.nodes import Node
from app.migrate.openclaw.plan import PlanMaker
from app.migrate.openclaw.routes import Routes
from app.migrate.openclaw.secrets import Secrets
from app.migrate.openclaw.source import Source
from app.migrate.openclaw.vault import Vault
from app.migrate.openfang.agents import Agents
from app.migrate.openfang.channels import Channels
from app.migrate.openfang.parts import Parts
from app.migrate.openfang.reading import read_secrets, read_toml

CONFIG = "config.toml"


def read(folder: Path, environment: Mapping[str, str]) -> MigrationPlan:
    """The plan for the home in a folder. Raises ConfigError."""
    source = Source(folder)
    if not {CONFIG, "agents", "workflows"} & set(source.named(".")):
        raise ConfigError("is no home of OpenFang: there is no config.toml", source=str(folder))
    ledger = Ledger(Vault())
    home = Home(ledger, Variables(environment), Roster(ledger))
    read_secrets(source, ledger)
    config = read_toml(source, ledger, CONFIG, ItemKind.CONFIG, CONFIG)
    if config is None:
        ledger.warn(CONFIG, "was not read: agents get the usual model")
    else:
        Secrets(ledger, home.variables).collect(config)
    agents = Agents(home, source, config)
    agents.read()
    routes = Routes(ledger)
    if config is not None:
        Channels(home, routes, agents.by_name).read(config)
        _archive(ledger, config)
    parts = Parts(home, source, agents.by_name)
    parts.read()
    home.config.routes = routes.rules("")
    return PlanMaker(home, source, parts, system="openfang").plan(f"OpenFang ({CONFIG})")


def _archive(ledger: Ledger, config: Node) -> None:
    """Sections that mean nothing here, each with why."""
    for key, why in (
        ("memory", "memory does not decay here"),
        ("network", "Longwatch listens on no network"),
        ("api_listen", "Longwatch listens on no network"),
    ):
        ledger.archived(config.get(key), why)
