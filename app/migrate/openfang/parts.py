"""What an OpenFang home has beside its configuration: memory, work, sessions, workflows."""

from __future__ import annotations

from collections.abc import Mapping

from app.domain.errors import ConfigError
from app.domain.migration import ItemKind, PlannedCopy, PlannedText
from app.domain.openfang import Imported, import_openfang
from app.domain.workflow_toml import workflow_toml
from app.migrate.openclaw.agents import Agent
from app.migrate.openclaw.files import Files
from app.migrate.openclaw.home import Home
from app.migrate.openclaw.output import AGENTS, WORKFLOWS
from app.migrate.openclaw.source import MAX_TEXT, Source

_MEMORY = "imported_memory.md"
_LEFT: Mapping[str, tuple[ItemKind, str]] = {
    "data": (ItemKind.SESSION, "its database is OpenFang's own: what was said in it stays there"),
    "openfang.db": (ItemKind.SESSION, "its database is OpenFang's own"),
    "migration_report.md": (ItemKind.CONFIG, "a report of an earlier migration"),
    "hands": (ItemKind.SKILL, "hands are programs of OpenFang's"),
    "skills": (ItemKind.SKILL, "skills are installed again"),
    "cron_jobs.json": (ItemKind.CRON, "Longwatch has no scheduler: start workflows from cron"),
}
_TAKEN = ("agents", "config.toml", "secrets.env", "workflows", "imported_sessions", "credentials")


class Parts:
    """As `Rest` is for OpenClaw: the texts and copies that a plan takes over."""

    def __init__(self, home: Home, source: Source, agents: Mapping[str, Agent]) -> None:
        self._home, self._source, self._agents = home, source, agents
        self._ledger = home.ledger
        self.files = Files(source, home.ledger, home.roster)
        self.texts: list[PlannedText] = []

    def read(self) -> None:
        for agent in self._home.config.agents:
            self._agent(agent)
        self._sessions()
        self.files.credentials([])
        self._workflows()
        for name in self._source.named("."):
            if name in _LEFT:
                self._ledger.left(_LEFT[name][0], name, _LEFT[name][1])
            elif name not in _TAKEN:
                self._ledger.left(ItemKind.CONFIG, name, "nothing here is made of it")

    def _agent(self, agent: Agent) -> None:
        ident, name = agent.entry.ident, agent.name
        path = self._source.file(f"agents/{ident}/{_MEMORY}")
        if path is not None and path.stat().st_size <= MAX_TEXT:
            to = self.files.free(f"{AGENTS}/{name}/MEMORY.md")
            size = path.stat().st_size
            self.files.copies.append(PlannedCopy(path=to, source=str(path), size=size))
            self._ledger.took(ItemKind.MEMORY, ident, to)
            if path.read_bytes().strip():
                agent.files.append(to)
        place = f"agents/{ident}/workspace"
        self.files.folder(ItemKind.WORKSPACE, place, ident, f"{AGENTS}/{name}/workspace")

    def _sessions(self) -> None:
        """Those that OpenFang itself had taken over: it kept no agent with them."""
        agents = self._home.config.agents
        if self._source.folder("imported_sessions") is None:
            return
        name = agents[0].name if agents else "main"
        self.files.sessions("imported_sessions", name, "imported_sessions")
        self._ledger.warn(
            "imported_sessions", f"it is not known whose these are: they are among {name}'s"
        )

    def _workflows(self) -> None:
        taken = {agent.name.lower() for agent in self._home.config.agents}
        for name in self._source.named("workflows"):
            place = f"workflows/{name}"
            path = self._source.file(place)
            if path is None or not name.endswith(".json"):
                continue
            try:
                text = self._source.text(path)
                names = [agent.name for agent in self._home.config.agents]
                imported = import_openfang(text, place, names)
            except (OSError, ValueError) as error:
                self._ledger.left(ItemKind.WORKFLOW, name, f"it cannot be read: {error}")
                continue
            except ConfigError as error:
                self._ledger.left(ItemKind.WORKFLOW, name, str(error))
                self._ledger.warn(place, "was not taken over: see what is skipped")
                continue
            self._workflow(place, imported, taken)

    def _workflow(self, place: str, imported: Imported, taken: set[str]) -> None:
        """Under a name that no agent's own workflow has."""
        wanted = name = imported.workflow.name
        number = 2
        while name.lower() in taken:
            name = f"{wanted}-workflow" if number == 2 else f"{wanted}-workflow-{number}"
            number += 1
        taken.add(name.lower())
        workflow = imported.workflow.model_copy(update={"name": name})
        for note in imported.notes:
            self._ledger.warn(place, note)
        head = [f"From {place}, a workflow of OpenFang's."]
        text = workflow_toml(workflow, [*head, *(f"- {note}" for note in imported.notes)])
        self.texts.append(PlannedText(path=f"{WORKFLOWS}/{name}.toml", text=text))
        self._ledger.took(ItemKind.WORKFLOW, wanted, f"{WORKFLOWS}/{name}.toml")
