"""The plan: everything that was read, as files to be made and words to be said."""

from __future__ import annotations

import json
import math
from typing import Any, Protocol

from app.domain.env_text import write_env
from app.domain.errors import ConfigError
from app.domain.migration import (
    Imported,
    ItemKind,
    MigrationPlan,
    PlannedCopy,
    PlannedText,
    Skipped,
)
from app.domain.openfang_names import Names
from app.migrate.openclaw.agents import Agent
from app.migrate.openclaw.channels import CHANNELS_FILE, channels_text
from app.migrate.openclaw.cron import Job
from app.migrate.openclaw.files import Files
from app.migrate.openclaw.home import Home
from app.migrate.openclaw.nodes import Node
from app.migrate.openclaw.output import (
    CONFIG_FILE,
    IMPORTED,
    JOB_COMMENTS,
    SECRETS_FILE,
    WORKFLOWS,
    config_text,
    literal,
    our_words,
    workflow_text,
)
from app.migrate.openclaw.source import Source


class Gathered(Protocol):
    """What was found beside the configuration."""

    texts: list[PlannedText]
    files: Files


class PlanMaker:
    """Writes the plan of a home that has been read; also of other systems' homes."""

    def __init__(
        self, home: Home, source: Source, rest: Gathered, *, system: str = "openclaw"
    ) -> None:
        self._system = system
        self._home = home
        self._ledger = home.ledger
        self._source = source
        self._texts: list[PlannedText] = [*rest.texts, *rest.files.texts]
        self._copies: list[PlannedCopy] = rest.files.copies

    def plan(self, generation: str) -> MigrationPlan:
        """All of it. Raises ConfigError if the configuration that was made would not load."""
        self._secrets()
        self._configuration()
        self._channels()
        self._archive()
        vault, ledger = self._ledger.vault, self._ledger
        return MigrationPlan(
            system=self._system,
            generation=generation,
            source=str(self._source.root),
            texts=tuple(sorted(map(self._checked, self._texts), key=lambda text: text.path)),
            copies=tuple(sorted(self._copies, key=lambda copy: copy.path)),
            imported=tuple(self._imported(one) for one in ledger.imported),
            skipped=tuple(self._skipped(one) for one in ledger.skipped),
            warnings=ledger.warnings(),
            keys=ledger.records(),
            next_steps=self._next_steps(),
            secrets=vault.names,
            key_count=ledger.key_count,
        )

    def _secrets(self) -> None:
        values = self._ledger.vault.values
        if not values:
            return
        self._home.config.has_secrets = True
        text = write_env(values)
        self._texts.append(PlannedText(path=SECRETS_FILE, text=text, private=True, secret=True))
        for name in values:
            self._ledger.took(ItemKind.SECRET, name, SECRETS_FILE)

    def _configuration(self) -> None:
        config = self._home.config
        if not config.agents:
            self._ledger.warn("", "No agents: there is nothing to configure")
            return
        for agent in config.agents:
            self._workflow(agent)
        for job in self._home.jobs:
            self._job(job)
        self._texts.append(PlannedText(path=CONFIG_FILE, text=config_text(config, self._system)))
        self._ledger.took(ItemKind.CONFIG, CONFIG_FILE, CONFIG_FILE)

    def _workflow(self, agent: Agent) -> None:
        description = f"A request that {agent.entry.ident} answers"
        text = workflow_text(agent.name, agent.name, description, ())
        self._texts.append(PlannedText(path=f"{WORKFLOWS}/{agent.name}.toml", text=text))
        models = ", ".join(ref.name for ref in agent.choice.all)
        detail = models if agent.driver == "model" else f"driver {agent.driver}"
        self._ledger.took(
            ItemKind.AGENT, agent.entry.ident, f"{CONFIG_FILE}: agent {agent.name}", detail
        )

    def _job(self, job: Job) -> None:
        text = workflow_text(
            job.name,
            job.agent,
            job.description,
            JOB_COMMENTS,
            prompt=literal(job.prompt),
            enabled=False,
        )
        self._texts.append(PlannedText(path=f"{WORKFLOWS}/{job.name}.toml", text=text))

    def _channels(self) -> None:
        if self._home.channels:
            text = channels_text(self._home.channels)
            self._texts.append(PlannedText(path=CHANNELS_FILE, text=text))

    def _archive(self) -> None:
        """Every configuration file as it was, without its secrets."""
        names = Names()
        for root in self._ledger.files:
            stem = root.file.removesuffix(".json").strip("./").replace("/", ".").replace("#", ".")
            name = names.new(stem.replace(".", "_dot_"), "file").replace("_dot_", ".")
            data = self._cleaned(root)
            text = json.dumps(data, ensure_ascii=False, indent=2) + "\n"
            self._texts.append(PlannedText(path=f"{IMPORTED}/archive/{name}.json", text=text))

    def _cleaned(self, node: Node) -> Any:
        clean = self._ledger.vault.clean
        if node.fields is not None:
            return {clean(key): self._cleaned(child) for key, child in node.fields.items()}
        if node.items is not None:
            return [self._cleaned(child) for child in node.items]
        if node.hidden:
            return f"[secret: {node.variable}]"
        value = node.value
        if isinstance(value, str):
            return clean(value)
        if isinstance(value, float) and not math.isfinite(value):
            return str(value)
        if value is not None and clean(str(value)) != str(value):
            return clean(str(value))
        return value

    def _checked(self, text: PlannedText) -> PlannedText:
        """A text in which no secret is, whatever was overlooked before it. Raises ConfigError if
        it would not be read any more without it."""
        if text.secret:
            return text
        loaded = text.path == CONFIG_FILE or text.path.startswith(WORKFLOWS)
        clean = self._ledger.vault.scrubbed(text.text, our_words() if loaded else "")
        if clean == text.text:
            return text
        if loaded:
            what = "a secret of the source would stand in the open; nothing was planned"
            raise ConfigError(what, source=f"{self._source.root}: {text.path}")
        return text.model_copy(update={"text": clean})

    def _imported(self, one: Imported) -> Imported:
        clean = self._ledger.vault.clean
        return Imported(
            kind=one.kind,
            name=clean(one.name),
            destination=clean(one.destination),
            detail=clean(one.detail),
        )

    def _skipped(self, one: Skipped) -> Skipped:
        clean = self._ledger.vault.clean
        return Skipped(kind=one.kind, name=clean(one.name), reason=clean(one.reason))

    def _next_steps(self) -> tuple[str, ...]:
        config = self._home.config
        if not config.agents:
            return ("Nothing was found that could answer: `longwatch init` makes a configuration",)
        steps = ["Check it: longwatch workflow check, longwatch doctor"]
        nowhere = [agent.name for agent in config.agents if agent.choice.endpoint.missing]
        if nowhere:
            steps.append(f"Set base_url in {CONFIG_FILE} for: {', '.join(nowhere[:20])}")
        if config.has_secrets:
            steps.append(f"Look through {SECRETS_FILE}: take out what nothing here uses any more")
        if not config.default_workflow:
            steps.append("Requests that no route matches are refused: name one with --workflow")
        if self._home.jobs:
            steps.append("Recurring jobs are off: set enabled = true and start them from cron")
        if any(agent.driver != "model" for agent in config.agents):
            steps.append("Install and sign in the programs of agents that are not models")
        if self._home.channels:
            steps.append(f"Bring messages here with `longwatch run`: {CHANNELS_FILE} has the rest")
        return self._ledger.vault.cleaned(steps)
