"""The flow for YAML configurations, the oldest: a file for each agent and each channel."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from app.domain.errors import ConfigError
from app.domain.migration import ItemKind
from app.domain.providers import DEFAULT_MODEL, canonical, find_provider, key_env
from app.migrate.openclaw.agents import Agent, Entry
from app.migrate.openclaw.channels import CHANNELS_FILE
from app.migrate.openclaw.feishu import Feishu
from app.migrate.openclaw.home import Home
from app.migrate.openclaw.models import Choice, Endpoint, Reference, nowhere
from app.migrate.openclaw.nodes import Node
from app.migrate.openclaw.reading import Unreadable, read_yaml
from app.migrate.openclaw.routes import Routes
from app.migrate.openclaw.source import Source
from app.migrate.openclaw.tables import KNOWN_CHANNELS, NO_CHANNEL, channel_key
from app.migrate.openclaw.tool_names import LEGACY_PROFILES
from app.migrate.openclaw.tools import NOTHING_SAID, Layer, Policies, ToolPolicy, decide

CONFIG = "config.yaml"
_SIGNAL = "http://localhost:8080"
_CHANNEL_FIELDS = (
    "bot_token_env",
    "app_token_env",
    "access_token_env",
    "app_password_env",
    "app_secret_env",
    "password_env",
    "app_id",
    "tenant_id",
    "domain",
    "homeserver_url",
    "user_id",
    "server",
    "server_url",
    "nickname",
    "phone_number",
)


class Legacy:
    """Reads a YAML home."""

    def __init__(self, home: Home, source: Source, routes: Routes) -> None:
        self._home = home
        self._ledger = home.ledger
        self._source = source
        self._routes = routes
        self._policies = Policies(home.ledger, LEGACY_PROFILES)
        self._config: Node | None = None
        self._agents: list[tuple[str, Node]] = []
        self._channels: list[tuple[str, Node]] = []

    def load(self) -> None:
        """Read the files. Raises ConfigError for a `config.yaml` that is no YAML."""
        self._config = self._load_config()
        for name in self._source.named("agents"):
            node = self._file(ItemKind.AGENT, name, f"agents/{name}/agent.yaml")
            if node is not None:
                self._agents.append((name, node))
        for name in self._source.named("messaging"):
            stem, dot, suffix = name.rpartition(".")
            if dot and suffix in ("yaml", "yml") and stem:
                node = self._file(ItemKind.CHANNEL, stem, f"messaging/{name}")
                if node is not None:
                    self._channels.append((stem, node))

    def read(self) -> None:
        """Make agents and channels of what was read."""
        for name, node in self._agents:
            self._agent(name, node)
        for name, node in self._channels:
            self._channel(name, node)

    def _load_config(self) -> Node | None:
        path = self._source.file(CONFIG)
        if path is None:
            self._ledger.warn(CONFIG, "is not there: agents get the usual model")
            return None
        try:
            root = self._ledger.add(read_yaml(self._source, path), CONFIG)
        except Unreadable as why:
            raise ConfigError(str(why), source=str(path)) from None
        if root.fields is None and not root.null:
            self._ledger.odd(root, "is no configuration")
        self._ledger.archived(root.dig("memory", "decay_rate"), "memory does not decay here")
        return root

    def _file(self, kind: ItemKind, name: str, place: str) -> Node | None:
        """A YAML file with an object in it; None for any other, which is told."""
        path = self._source.file(place)
        if path is None:
            return None
        try:
            root = self._ledger.add(read_yaml(self._source, path), place)
        except Unreadable as why:
            self._ledger.warn(place, f"{why}; nothing of it was taken")
            self._ledger.left(kind, name, str(why))
            return None
        if root.fields is None:
            self._ledger.odd(root, "has no settings in it")
            self._ledger.left(kind, name, "its file has no settings in it")
            return None
        return root

    def _agent(self, folder: str, node: Node) -> None:
        entry = self._home.roster.add(folder, node, where=node)
        if entry is None:
            return
        agent = Agent(entry, self._choice(node), self._tools(node, entry))
        prompt = node.get("system_prompt")
        text = self._ledger.text(prompt)
        self._ledger.mapped(prompt if text else None, "agent.instructions")
        name = self._ledger.text(node.get("name"), numbers=True) or folder
        about = self._ledger.text(node.get("description"))
        for key in ("name", "description"):
            self._ledger.mapped(node.get(key), "agent")
        agent.instructions = text or " ".join(filter(None, (f"You are {name}.", about)))
        self._home.config.agents.append(agent)

    def _tools(self, node: Node, entry: Entry) -> ToolPolicy:
        layers: list[Layer] = []
        named = node.get("tools")
        if named is not None:
            layers += self._policies.lists(_as_policy(named))
        elif node.get("tool_profile") is not None:
            profile = Node(node.file, node.path, fields={"profile": _field(node, "tool_profile")})
            layers += [found for found in (self._policies.profile(profile),) if found is not None]
        else:
            layers.append(NOTHING_SAID)
        policy = decide(layers, {})
        if not policy.tools:
            self._ledger.warn(node, f"{entry.name} is left without any tool")
        return policy

    def _choice(self, node: Node) -> Choice:
        """The agent's model and where it is; what it leaves out is the configuration's."""

        def said(key: str, *sections: Node | None) -> str | None:
            for section in sections or (node, self._config):
                leaf = section.get(key) if section is not None and section.fields else None
                text = self._ledger.text(leaf)
                if text is not None:
                    self._ledger.mapped(leaf, f"agent.{key}")
                    return text
            return None

        usual_provider, _, usual_model = DEFAULT_MODEL.partition("/")
        provider = canonical(said("provider") or usual_provider)
        if "/" in provider:
            self._ledger.warn(node, f"{provider} is no provider, so {usual_provider} is taken")
            provider = usual_provider
        ref = Reference(provider, f"{provider}/{said('model') or usual_model}")
        known = find_provider(provider)
        # An address and the key for it are the configuration's provider's: of nobody else.
        shared = provider == canonical(said("provider", self._config) or usual_provider)
        places = (node, self._config) if shared else (node,)
        key = said("api_key_env", *places) or ""
        key = key if key.isidentifier() and key != key_env(provider) else ""
        base_url = said("base_url", *places) or ""
        if base_url.lower().startswith(("http://", "https://")) and len(base_url) > 8:
            return Choice(ref, endpoint=Endpoint(base_url, None, key))
        if known is None or known.base_url is None:
            why = known.instead if known is not None else "the source has no address for it"
            return Choice(ref, endpoint=nowhere(ref, why, key))
        return Choice(ref, endpoint=Endpoint("", None, key))

    def _channel(self, stem: str, node: Node) -> None:
        kind = node.get("type")
        named = self._ledger.text(kind) if kind is not None else stem
        name = channel_key(named or stem)
        if name in NO_CHANNEL or name not in KNOWN_CHANNELS:
            why = NO_CHANNEL.get(name, "no channel of that name is known")
            self._ledger.archived(node, why)
            self._ledger.left(ItemKind.CHANNEL, stem, why)
            return
        self._ledger.mapped(kind, f"{CHANNELS_FILE}: channels.{name}")
        table = dict(self._fields(node, name))
        feishu = Feishu(self._ledger, self._home.roster, self._routes, name)
        default = feishu.answer(
            node.get("default_agent"), node.get("allowed_users"), node.get("dm_policy")
        )
        if default:
            table["default_agent"] = default
        self._home.channels[name] = table
        self._ledger.took(ItemKind.CHANNEL, name, f"{CHANNELS_FILE}: channels.{name}")

    def _fields(self, node: Node, name: str) -> Iterator[tuple[str, Any]]:
        if name == "signal":
            yield "api_url", _SIGNAL
        for key in _CHANNEL_FIELDS:
            leaf = node.get(key)
            text = self._ledger.text(leaf)
            if text is not None:
                self._ledger.mapped(leaf, f"{CHANNELS_FILE}: channels.{name}.{key}")
                yield key, text
        users = self._ledger.texts(node.get("allowed_users"), numbers=True)
        if users:
            yield "allowed_users", [user for _, user in users]


def _as_policy(named: Node) -> Node:
    """`tools: [a, b]` as the list of a policy."""
    return Node(named.file, named.path, fields={"allow": named})


def _field(node: Node, key: str) -> Node:
    found = node.get(key)
    return found if found is not None else Node(node.file, (*node.path, key))
