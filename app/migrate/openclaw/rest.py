"""Everything of an installation beside its configuration: sessions, memory, jobs, skills."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from pathlib import Path

from app.domain.migration import ItemKind, PlannedText
from app.domain.openfang_names import Names, slug
from app.migrate.openclaw.cron import Jobs
from app.migrate.openclaw.databases import Database
from app.migrate.openclaw.files import Files
from app.migrate.openclaw.home import Home
from app.migrate.openclaw.nodes import Node
from app.migrate.openclaw.output import IMPORTED
from app.migrate.openclaw.reading import Unreadable, read_json5
from app.migrate.openclaw.source import Source

_PLAIN = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,150}")  # what a session's file can be called
_STATE = "state/openclaw.sqlite"
_CRON_FILES = ("cron/jobs.json", "cron/cron-store.json")
# What is in a home besides, and why it is not taken.
_LEFT: dict[str, tuple[ItemKind, str]] = {
    "memory-search": (ItemKind.MEMORY, "an index of embeddings; it is made again where it is used"),
    "logs": (ItemKind.CONFIG, "logs of the other system"),
    "identity": (ItemKind.CREDENTIAL, "keys of that machine"),
    "devices": (ItemKind.CREDENTIAL, "devices that were paired with the other system"),
    "nodes": (ItemKind.CREDENTIAL, "devices that were paired with the other system"),
    "media": (ItemKind.ATTACHMENT, "files of messages; copy what you need by hand"),
    "browser": (ItemKind.CONFIG, "a browser's profile, with its sign-ins"),
    "sandbox": (ItemKind.CONFIG, "sandboxes are made again"),
    "sandboxes": (ItemKind.CONFIG, "sandboxes are made again"),
    "extensions": (ItemKind.CONFIG, "plug-ins of the other system"),
    "plugins": (ItemKind.CONFIG, "plug-ins of the other system"),
    "exec-approvals.json": (ItemKind.CONFIG, "commands that were allowed there; here they ask"),
    "auth-profiles.json": (ItemKind.CREDENTIAL, "sign-ins are not read: sign in again"),
}
# The same in an agent's own folder.
_OF_AGENTS = {
    "auth-profiles.json": "sign-ins are not read: sign in again",
    "auth.json": "sign-ins are not read: sign in again",
    "models.json": "OpenClaw made it of its configuration",
}
_TAKEN = frozenset(
    {"agents", "sessions", "memory", "workspaces", "workspace", "credentials", "cron", "state",
     "messaging", "hooks", "skills", ".env"}
)  # fmt: skip


class Rest:
    """Reads what is in the folders of a home."""

    def __init__(self, home: Home, source: Source) -> None:
        self._home = home
        self._ledger = home.ledger
        self._source = source
        self.files = Files(source, home.ledger, home.roster)
        self.texts: list[PlannedText] = []
        self._cron: list[Node] = []
        self._databases: set[Path] = set()

    def load(self) -> None:
        """Read the files that have settings, and so secrets, in them."""
        for place in _CRON_FILES:
            path = self._source.file(place)
            if path is None:
                continue
            try:
                self._cron.append(self._ledger.add(read_json5(self._source, path), place))
            except Unreadable as why:
                self._ledger.warn(place, f"{why}; nothing of it was taken")
                self._ledger.left(ItemKind.CRON, place, str(why))
        state = self._source.file(_STATE)
        found = Database(self._source, self._ledger, state).jobs() if state is not None else []
        if found:
            self._cron.append(self._ledger.add({"jobs": found}, f"{_STATE}#cron_jobs"))

    def read(self) -> None:
        """Plan what becomes of everything here."""
        self._agents()
        self._sessions()
        self._agent_folders()
        self._jobs()
        self._noted()
        self.files.credentials(self._home.credentials)
        self.files.folder(ItemKind.HOOK, "hooks", "hooks", f"{IMPORTED}/hooks")
        self._skills()
        self._others()

    def _agents(self) -> None:
        agents = self._home.config.agents
        sections = {agent.name: self._workspaces(agent.entry.node) for agent in agents}
        places = {
            agent.name: self.files.workspace_of(agent, sections[agent.name]) for agent in agents
        }
        used = frozenset(place for place in places.values() if place is not None)
        for agent in agents:
            self.files.agent(agent, sections[agent.name], used)
        known = {agent.entry.ident for agent in agents}
        for name in self._source.named("memory"):
            if name not in known and self._source.folder(f"memory/{name}") is not None:
                to = f"{IMPORTED}/{slug(name, 'agent')}/memory"
                self.files.folder(ItemKind.MEMORY, f"memory/{name}", name, to)

    def _workspaces(self, node: Node | None) -> list[Node]:
        found = [one.get("workspace") for one in (node, self._home.defaults) if one is not None]
        return [one for one in found if one is not None]

    def _sessions(self) -> None:
        default = self._home.roster.default
        names = Names()
        for agent in self._home.roster.entries:
            names.new(agent.name, "agent")
        owner = default.name if default is not None else "main"
        self.files.sessions("sessions", owner, default.ident if default is not None else "main")
        for folder in self._source.named("agents"):
            entry = self._home.roster.find(folder)
            name = entry.name if entry is not None else names.new(folder, "agent")
            self.files.sessions(f"agents/{folder}/sessions", name, folder)
            self._stored((f"agents/{folder}/agent", f"agents/{folder}"), folder, name)
            for name, why in _OF_AGENTS.items():
                if self._source.file(place := f"agents/{folder}/agent/{name}") is not None:
                    self._ledger.left(ItemKind.CREDENTIAL, place, why)

    def _stored(self, places: Sequence[str], ident: str, name: str) -> None:
        """The sessions in the databases of an agent."""
        for place in places:
            for file in self._source.named(place):
                path = self._source.file(f"{place}/{file}") if file.endswith(".sqlite") else None
                if path is not None and path not in self._databases:
                    self._databases.add(path)
                    self._transcripts(path, ident, name)

    def _agent_folders(self) -> None:
        """The folders that agents have by `agentDir`, where those are not the usual ones."""
        for entry in self._home.roster.entries:
            node = entry.node.get("agentDir") if entry.node is not None else None
            path = self._ledger.text(node)
            folder = self._source.moved(path) if path is not None else None
            if folder is not None:
                self._stored((self._source.relative(folder),), entry.ident, entry.name)
                self._ledger.mapped(node, f"{IMPORTED}/{entry.name}/sessions")

    def _transcripts(self, path: Path, folder: str, name: str) -> None:
        database, count = Database(self._source, self._ledger, path), 0
        to = f"{IMPORTED}/{name}/sessions"
        clean = self._ledger.vault.clean
        for found in database.transcripts():
            name = found.session if _PLAIN.fullmatch(found.session) else slug(found.session, "s")
            file = self.files.free(f"{to}/{name}.jsonl")
            self.texts.append(PlannedText(path=file, text=clean(found.text), private=True))
            count += 1
        keys = {clean(key): {"sessionId": session} for key, session in database.sessions()}
        if count and keys:
            index, text = self.files.free(f"{to}/sessions.json"), json.dumps(keys, indent=1)
            self.texts.append(PlannedText(path=index, text=f"{text}\n", private=True))
        if count:
            what = f"{count:,} session" + ("" if count == 1 else "s") + " out of a database"
            self._ledger.took(ItemKind.SESSION, f"{folder} ({database.name})", to, what)

    def _jobs(self) -> None:
        names = Names()
        for entry in self._home.roster.entries:
            names.new(entry.name, "agent")
        jobs = Jobs(self._ledger, self._home.roster, names)
        for root in self._cron:
            self._home.jobs += jobs.read(root)

    def _config(self, key: str) -> Node | None:
        return self._home.root.get(key) if self._home.root is not None else None

    def _noted(self) -> None:
        """Sections of the configuration that are nothing here, each with a line of its own."""
        profiles = self._home.root.dig("auth", "profiles") if self._home.root is not None else None
        if profiles is not None:
            count = len(profiles.fields or ())
            self._ledger.left(
                ItemKind.CREDENTIAL,
                "auth-profiles",
                f"{count} sign-ins are not read: sign in again",
            )
        skills = self._home.root.dig("skills", "entries") if self._home.root is not None else None
        if skills is not None and skills.fields:
            self._ledger.left(
                ItemKind.SKILL, f"{len(skills.fields)} skill entries", "skills are installed again"
            )
        for key, kind, why in (
            ("cron", ItemKind.CRON, "its settings have no counterpart; its jobs are workflows"),
            ("hooks", ItemKind.HOOK, "Longwatch has no hooks of that kind; see gates and notices"),
            ("session", ItemKind.CONFIG, "sessions are a run's own here"),
            ("memory", ItemKind.CONFIG, "there is no memory search here"),
        ):
            if self._config(key) is not None:
                self._ledger.left(kind, key, why)

    def _skills(self) -> None:
        """Skills of folders: Node programs are told, texts kept."""
        told = False
        for group in ("community", "custom"):
            for name in self._source.named(f"skills/{group}"):
                place = f"skills/{group}/{name}"
                if self._source.folder(place) is None:
                    continue
                told = True
                inside = self._source.named(place)
                node = "package.json" in inside and {"index.ts", "index.js"} & set(inside)
                why = "a Node.js skill: install it again" if node else "its format is not known"
                self._ledger.left(ItemKind.SKILL, name, why)
        if not told:
            self.files.folder(ItemKind.SKILL, "skills", "skills", f"{IMPORTED}/skills")

    def _others(self) -> None:
        """Whatever else stands in the folder, by name."""
        read = {root.file.split("/")[0] for root in self._ledger.files}
        places = {Path(copy.source) for copy in self.files.copies}
        for name in self._source.named("."):
            if name in _LEFT:
                kind, why = _LEFT[name]
                self._ledger.left(kind, name, why)
            elif name in read or name in _TAKEN or name.startswith("workspace"):
                continue
            elif not any(self._source.root / name in (p, *p.parents) for p in places):
                self._ledger.left(ItemKind.CONFIG, name, "nothing here is made of it")
