"""The flow for JSON5 configurations: the whole of one, made into what Longwatch has for it."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from app.migrate.openclaw.agents import Agent, Entry, introduced, prompt_of
from app.migrate.openclaw.home import Home
from app.migrate.openclaw.mcp import Servers
from app.migrate.openclaw.models import Models
from app.migrate.openclaw.nodes import Node
from app.migrate.openclaw.runtime import Runtime, runtime_of
from app.migrate.openclaw.sandbox import confine
from app.migrate.openclaw.tools import NOTHING_SAID, Layer, Policies, decide

if TYPE_CHECKING:
    from app.migrate.openclaw.models import Choice
    from app.migrate.openclaw.tools import ToolPolicy


class AgentReader:
    """Makes an agent of each entry; what an entry leaves out is the defaults'."""

    def __init__(self, home: Home, servers: Servers) -> None:
        self._home = home
        self._ledger = home.ledger
        self._servers = servers
        self._defaults = home.defaults
        self._tools = home.root.get("tools") if home.root is not None else None
        self._models = Models(home.ledger, home.root, self._defaults)
        self._policies = Policies(home.ledger)

    def read(self, entry: Entry) -> Agent:
        """The agent of an entry."""
        node, defaults = entry.node, self._defaults
        choice = self._models.choose(node, defaults)
        policy = self._policy(entry, choice)
        agent = Agent(entry, choice, policy, self._instructions(entry))
        agent.servers = tuple(t[4:] for t in policy.tools if t.startswith("mcp:"))
        tools = [one for tool in policy.tools for one in self._servers.filtered(tool)]
        agent.policy = replace(policy, tools=tuple(tools))
        runtime_of(agent, node, Runtime(self._ledger))
        confine(agent, self.sections(node, "sandbox"), self._ledger)
        self._shell(agent)
        return agent

    def sections(self, node: Node | None, name: str) -> list[Node]:
        """An agent's own section and the defaults', the agent's first."""
        found = (one.get(name) for one in (node, self._defaults) if one is not None)
        return [one for one in found if one is not None]

    def _instructions(self, entry: Entry) -> str:
        for section in self.sections(entry.node, "identity"):
            prompt = prompt_of(section, self._ledger)
            if prompt is not None:
                return prompt
        objects = [one for one in self.sections(entry.node, "identity") if one.fields]
        return introduced(entry, objects[0] if objects else None, self._ledger)

    def _policy(self, entry: Entry, choice: Choice) -> ToolPolicy:
        own = entry.node.get("tools") if entry.node is not None else None
        base = self._defaults.get("tools") if self._defaults is not None else None
        layers = [*self._layers(own, base)]
        runs = entry.node is not None and entry.node.dig("runtime", "acp") is not None
        used = () if runs else choice.all  # a program has models of its own
        raw = [ref.raw for ref in used] + [ref.name for ref in used]
        for section in (self._tools, base, own):
            if section is not None and section.fields is not None:
                layers += self._policies.by_provider(section.get("byProvider"), raw)
                layers += self._policies.by_sender(section.get("toolsBySender"))
        if not layers and not self._home.present:
            layers.append(NOTHING_SAID)
            self._ledger.warn(
                entry.node or "agents",
                f"no tool policy: {entry.name} may read, list, search and fetch; give it `tools`",
            )
        if self._sandboxed(entry.node):
            section = self._tools.dig("sandbox", "tools") if self._tools is not None else None
            layers += self._policies.sandboxed(section)
            if own is not None:
                layers += self._policies.lists(own.dig("sandbox", "tools"))
        policy = decide(layers, self._servers.names)
        if not policy.tools:
            self._ledger.warn(entry.node or "agents", f"{entry.name} is left without any tool")
        return policy

    def _layers(self, own: Node | None, base: Node | None) -> list[Layer]:
        """The profile, then what the whole installation says, then the agent's own lists; those
        of the defaults count where the agent has none."""
        policies = self._policies
        profile = policies.profile(own, base, self._tools)
        found = [profile] if profile is not None else []
        found += policies.lists(self._tools)
        own_says = own is not None and (
            own.fields is None or own.get("allow", "alsoAllow", "profile") is not None
        )
        for layer in policies.lists(base):
            found.append(Layer(None, layer.deny) if own_says else layer)
        found += policies.lists(own)
        return found

    def _sandboxed(self, node: Node | None) -> bool:
        for section in self.sections(node, "sandbox"):
            mode = section.get("mode")
            if mode is not None:
                return mode.value != "off"
        return False

    def _shell(self, agent: Agent) -> None:
        """What `tools.exec` says of commands: refused ones go, others are asked about."""
        own = agent.entry.node.dig("tools", "exec") if agent.entry.node is not None else None
        top = self._tools.get("exec") if self._tools is not None else None
        for section in (own, top):
            for key in ("security", "ask") if section is not None else ():
                node = section.get(key) if section is not None else None
                value = self._ledger.text(node)
                if node is None:
                    continue
                if key == "security" and value == "deny":
                    without(agent, "shell", "process")
                    self._ledger.mapped(node, "agent.tools")
                elif value not in ("full", "off"):
                    agent.asks_shell = "OpenClaw asked before commands that were not on a list"
                    self._ledger.mapped(node, "approval.rule")
                else:
                    self._ledger.archived(node, "what is not allowed by a rule is asked about here")


def without(agent: Agent, *tools: str) -> None:
    """Take tools away."""
    policy = agent.policy
    kept = tuple(tool for tool in policy.tools if tool not in tools)
    denied = tuple(dict.fromkeys([*policy.denied, *tools]))
    agent.policy = replace(policy, tools=kept, denied=denied)
