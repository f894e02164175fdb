"""Feishu's own routes: four containers under ten names, each an object or a list."""

from __future__ import annotations

from app.migrate.openclaw.agents import Entry, Roster
from app.migrate.openclaw.ledger import Ledger
from app.migrate.openclaw.nodes import Node
from app.migrate.openclaw.routes import FALLBACK, PEER, Routes, Wanted
from app.migrate.openclaw.tables import DM_POLICIES

_CONTAINERS = (
    "userToAgent",
    "userAgentMap",
    "userRoutes",
    "routes",
    "routeMap",
    "bindings",
    "userBindings",
    "agentBindings",
    "routeBindings",
)
_AGENT_KEYS = (
    "agent",
    "agentId",
    "agent_id",
    "target",
    "targetAgent",
    "target_agent",
    "defaultAgent",
    "default_agent",
)
_PEER_KEYS = (
    "peerId",
    "peer_id",
    "user",
    "userId",
    "user_id",
    "openId",
    "open_id",
    "senderId",
    "sender_id",
    "chatId",
    "chat_id",
)


class Feishu:
    """Reads a channel that names agents itself."""

    def __init__(self, ledger: Ledger, roster: Roster, routes: Routes, name: str) -> None:
        self._ledger = ledger
        self._roster = roster
        self._routes = routes
        self._name = name

    def read(self, channel: Node) -> str:
        """Take over the channel's routes; the agent that answers everybody else there, or ""."""
        for key in _CONTAINERS:
            node = channel.get(key)
            if node is not None:
                self._container(node)
        default = channel.get("defaultAgent", "default_agent")
        allowed = channel.get("allowFrom", "allowed_users")
        return self.answer(default, allowed, channel.get("dmPolicy", "dm_policy"))

    def answer(self, default: Node | None, allowed: Node | None, policy: Node | None) -> str:
        """Those who are allowed, to the channel's default agent. Without such a list it answers
        anybody; with one it must not: that would let more people in."""
        users = self._ledger.texts(allowed, numbers=True)
        named = [(leaf, user) for leaf, user in users if user != "*"]
        wildcard = len(named) < len(users)
        if default is None:
            if users:
                self._ledger.warn(
                    allowed or self._name,
                    f"lets users in on {self._name}, but no default agent answers them: no routes",
                )
            return ""
        entry = self._agent(default)
        if entry is None:
            return ""
        for leaf, user in named:
            self._routes.want(Wanted(PEER, entry, self._name, user, leaf, self._name))
        listed = allowed is not None and (bool(users) or not _empty(allowed))
        if (listed and not wildcard) or self._closed(policy):
            self._ledger.refused(default, "it would answer more people than are allowed")
            self._ledger.warn(
                default,
                f"{entry.ident} answers on {self._name} only those who are named: as the agent for"
                " everybody it would let more people in",
            )
            return ""
        self._ledger.mapped(default, f"route: anybody on {self._name}")
        self._routes.want(Wanted(FALLBACK, entry, self._name, None, default, self._name))
        return entry.ident

    def _closed(self, policy: Node | None) -> bool:
        """Whether a channel lets nobody in who is not named; so does a policy that is unknown."""
        if policy is None:
            return False
        return DM_POLICIES.get((self._ledger.text(policy) or "").lower()) != "respond"

    def _container(self, node: Node) -> None:
        found = 0
        if node.fields is not None:
            for peer, value in node.entries():
                found += self._one(value, peer)
        elif node.items is not None:
            for value in node.items:
                found += self._one(value, None) if value.fields is not None else self._not(value)
        else:
            self._ledger.odd(node, "must be an object or an array")
            return
        if not found and not node.leaf:
            self._ledger.warn(node, "has no valid route in it")

    def _not(self, value: Node) -> int:
        if not value.null:
            self._ledger.refused(value, "is no object")
        return 0

    def _one(self, value: Node, key: str | None) -> int:
        """A route; how many it is: 1, or 0 if it is none."""
        agent = value if value.fields is None else value.get(*_AGENT_KEYS)
        peer_node = value.get(*_PEER_KEYS) if value.fields is not None else None
        peer = self._ledger.text(peer_node, numbers=True) if peer_node is not None else key
        if agent is None or peer is None or not peer.strip() or value.items is not None:
            self._ledger.refused(value, "has no agent, or nobody whom it would answer")
            return 0
        if peer_node is None and self._ledger.vault.shows(peer):
            self._ledger.odd(value, "holds a secret, so it was not taken")
            return 0
        entry = self._agent(agent)
        if entry is None:
            return 0
        if value.fields is None and not isinstance(value.value, str):
            self._ledger.refused(value, "is no agent")
            return 0
        self._routes.want(Wanted(PEER, entry, self._name, peer.strip(), value, self._name))
        return 1

    def _agent(self, node: Node) -> Entry | None:
        ident = self._ledger.text(node, numbers=True)
        entry = self._roster.find(ident) if ident is not None else None
        if ident is not None and entry is None:
            self._ledger.odd(node, "names an agent that does not exist")
        return entry


def _empty(node: Node) -> bool:
    return node.items == [] or node.null
