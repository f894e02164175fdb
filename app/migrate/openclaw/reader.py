"""The way through an installation: load, put secrets away, read each part, write the plan."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from app.domain.errors import ConfigError
from app.domain.migration import MigrationPlan
from app.migrate.detect import config_in
from app.migrate.openclaw.access import access, enabled
from app.migrate.openclaw.agents import Roster
from app.migrate.openclaw.bindings import Bindings
from app.migrate.openclaw.channels import Channels
from app.migrate.openclaw.environment_file import read_env_file
from app.migrate.openclaw.feishu import Feishu
from app.migrate.openclaw.home import Home
from app.migrate.openclaw.json_home import AgentReader
from app.migrate.openclaw.ledger import Ledger
from app.migrate.openclaw.legacy import Legacy
from app.migrate.openclaw.loading import Loader, Variables
from app.migrate.openclaw.mcp import Servers
from app.migrate.openclaw.nodes import Node
from app.migrate.openclaw.oldest import is_oldest, modern
from app.migrate.openclaw.plan import PlanMaker
from app.migrate.openclaw.rest import Rest
from app.migrate.openclaw.routes import Routes
from app.migrate.openclaw.secrets import Secrets
from app.migrate.openclaw.source import Source
from app.migrate.openclaw.vault import Vault

# Of which a home without a configuration has one.
_FOLDERS = ("agents", "sessions", "memory", "workspaces", "workspace", "messaging", "skills")


def read(folder: Path, environment: Mapping[str, str]) -> MigrationPlan:
    """The plan for the installation in a folder. Raises ConfigError."""
    source = Source(folder)
    if not source.named("."):
        raise ConfigError("there is nothing there to migrate", source=str(folder))
    if not config_in(source.root) and not any(map(source.folder, _FOLDERS)):
        what = "is no home of OpenClaw: it has neither its configuration nor its folders"
        raise ConfigError(what, source=str(folder))
    ledger = Ledger(Vault())
    home = Home(ledger, Variables(environment), Roster(ledger))
    routes = Routes(ledger)
    name = config_in(source.root)
    path = source.file(name) if name else None
    env = read_env_file(source, ledger, home.variables)
    secrets, rest = Secrets(ledger, home.variables), Rest(home, source)
    legacy = None if name.endswith(".json") else Legacy(home, source, routes)
    if legacy is not None:
        legacy.load()
    elif path is not None:
        _load_json(home, source, path, secrets)
    else:
        ledger.warn(name, "is a link out of the source, so it was not read")
    # Every secret is known before anything is made of what was read.
    if env is not None:
        secrets.collect(env, ("env",))
    rest.load()
    secrets.collect_rest()
    if legacy is not None:
        legacy.read()
    elif home.root is not None:
        _read_json(home, source, home.root, routes)
    rest.read()
    home.config.default_workflow = _default_workflow(home)
    home.config.routes = routes.rules(home.config.default_workflow)
    return PlanMaker(home, source, rest).plan(_generation(home, name))


def _load_json(home: Home, source: Source, path: Path, secrets: Secrets) -> None:
    loaded = Loader(source, home.ledger).load(path)
    if loaded.fields is None:
        home.ledger.odd(loaded, "is no configuration")
        return
    home.oldest = is_oldest(loaded)
    home.root = modern(loaded)
    home.ledger.mapped(loaded.dig("routing", "defaultAgentId"), "default_workflow")
    secrets.declare(home.root.get("env"))
    secrets.collect(home.root)


def _read_json(home: Home, source: Source, root: Node, routes: Routes) -> None:
    ledger = home.ledger
    home.roster.read(root.get("agents"))
    if not home.roster.entries and _one_agent(root, source):
        home.roster.add("main", None, where="agents")
    servers = Servers(ledger)
    servers.read(root.dig("mcp", "servers"))
    home.config.servers = servers.tables
    reader = AgentReader(home, servers)
    home.config.agents = [reader.read(entry) for entry in home.roster.entries]
    channels = ledger.fields(root.get("channels"), of="an object with channels")
    Bindings(ledger, home.roster, routes, dict(channels), source).read(root.get("bindings"))
    _channels(home, source, channels, routes)


def _one_agent(root: Node, source: Source) -> bool:
    """Whether a configuration without any agent in it was used with the one that is built in."""
    agents = root.get("agents")
    if agents is None:
        at_work = any(source.folder(place) is not None for place in ("workspace", "agents/main"))
        return at_work or root.get("channels") is not None
    declared = [agents.get(key) for key in ("list", "entries")]
    return agents.fields is not None and not any(node is not None for node in declared)


def _channels(home: Home, source: Source, channels: list[tuple[str, Node]], routes: Routes) -> None:
    reader = Channels(home.ledger, source)
    for name, node in channels:
        if home.ledger.vault.shows(name):
            home.ledger.odd(node, "its name is a secret's value")
            continue
        reader.read(name, node)
        if node.fields is None or not enabled(node, home.ledger):
            continue
        if name == "feishu":
            default = Feishu(home.ledger, home.roster, routes, name).read(node)
            if default and name in reader.tables:
                reader.tables[name]["default_agent"] = default
    home.channels, home.credentials = reader.tables, reader.credentials


def _default_workflow(home: Home) -> str:
    """The workflow for what no route matches: the default agent's, if there is one, and if no
    channel keeps anybody out who would get in by it."""
    default = home.roster.default
    if default is None or not any(agent.entry is default for agent in home.config.agents):
        return ""
    channels = home.root.get("channels") if home.root is not None else None
    for name, node in channels.entries() if channels is not None else []:
        sections = [node, *_accounts(node)]
        if not enabled(node, home.ledger):
            continue
        if any(not access([one], home.ledger).anybody for one in sections if one.fields):
            home.ledger.warn(
                node,
                f"not everybody may write on {name}, so no default_workflow was set: give"
                f" --workflow {default.name}, or set it in longwatch.toml",
            )
            return ""
    if any("allowed_users" in table for table in home.channels.values()):
        return ""
    return default.name


def _accounts(channel: Node) -> list[Node]:
    accounts = channel.get("accounts")
    return [node for _, node in accounts.entries()] if accounts is not None else []


def _generation(home: Home, name: str) -> str:
    """Which of the layouts this is, for a person."""
    shown = name or "no configuration"
    if home.present:
        return f"present ({shown})"
    listed = home.root.dig("agents", "list") if home.root is not None else None
    return f"oldest ({shown})" if home.oldest or listed is None else f"list ({shown})"
