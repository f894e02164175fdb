"""The plan: everything that was read, as files to be made and words to be said."""

from __future__ import annotations

import json
from typing import Any

from app.domain.env_text import write_env
from app.domain.errors import ConfigError
from app.domain.migration import ItemKind, MigrationPlan, PlannedCopy, PlannedText
from app.migrate.openclaw.agents import Agent
from app.migrate.openclaw.json_home import Home
from app.migrate.openclaw.nodes import Node
from app.migrate.openclaw.output import (
    CONFIG_FILE,
    IMPORTED,
    SECRETS_FILE,
    WORKFLOWS,
    config_text,
    workflow_text,
)
from app.migrate.openclaw.source import Source


class PlanMaker:
    """Writes the plan of a home that has been read."""

    def __init__(self, home: Home, source: Source) -> None:
        self._home = home
        self._ledger = home.ledger
        self._source = source
        self.texts: list[PlannedText] = []
        self.copies: list[PlannedCopy] = []

    def plan(self, generation: str) -> MigrationPlan:
        """All of it. Raises ConfigError if the configuration that was made would not load."""
        self._secrets()
        self._configuration()
        self._archive()
        vault, ledger = self._ledger.vault, self._ledger
        return MigrationPlan(
            system="openclaw",
            generation=generation,
            source=str(self._source.root),
            texts=tuple(self.texts),
            copies=tuple(self.copies),
            imported=tuple(ledger.imported),
            skipped=tuple(ledger.skipped),
            warnings=ledger.warnings(),
            keys=ledger.records(),
            next_steps=(),
            secrets=vault.names,
            key_count=ledger.key_count,
        )

    def _secrets(self) -> None:
        values = self._ledger.vault.values
        if not values:
            return
        self._home.config.has_secrets = True
        text = write_env(values)
        self.texts.append(PlannedText(path=SECRETS_FILE, text=text, private=True, secret=True))
        for name in values:
            self._ledger.took(ItemKind.SECRET, name, SECRETS_FILE)

    def _configuration(self) -> None:
        config = self._home.config
        if not config.agents:
            self._ledger.warn("", "No agents: there is nothing to configure")
            return
        for agent in config.agents:
            self._workflow(agent)
        self.texts.append(PlannedText(path=CONFIG_FILE, text=config_text(config)))
        self._ledger.took(ItemKind.CONFIG, CONFIG_FILE, CONFIG_FILE)

    def _workflow(self, agent: Agent) -> None:
        description = f"A request that {agent.entry.ident} answers"
        text = workflow_text(agent.name, agent.name, description, ())
        self.texts.append(PlannedText(path=f"{WORKFLOWS}/{agent.name}.toml", text=text))
        models = ", ".join(ref.name for ref in agent.choice.all) if agent.driver == "model" else ""
        self._ledger.took(
            ItemKind.AGENT, agent.entry.ident, f"{CONFIG_FILE}: agent {agent.name}", models
        )

    def _archive(self) -> None:
        """Every configuration file as it was, without its secrets."""
        for root in self._ledger.files:
            data = self._cleaned(root)
            text = json.dumps(data, ensure_ascii=False, indent=2, allow_nan=True) + "\n"
            path = f"{IMPORTED}/archive/{root.file.replace('/', '.')}"
            path = path if path.endswith(".json") else f"{path}.json"
            self.texts.append(PlannedText(path=path, text=text))

    def _cleaned(self, node: Node) -> Any:
        clean = self._ledger.vault.clean
        if node.fields is not None:
            return {clean(key): self._cleaned(child) for key, child in node.fields.items()}
        if node.items is not None:
            return [self._cleaned(child) for child in node.items]
        if node.hidden:
            return f"[secret: {node.variable}]"
        if isinstance(node.value, str):
            return clean(node.value)
        if node.value is not None and clean(str(node.value)) != str(node.value):
            return clean(str(node.value))
        return node.value


__all__ = ["ConfigError", "PlanMaker"]
