"""Channels and bindings of OpenFang's configuration, made a file of channels, and routes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from app.domain.migration import ItemKind
from app.migrate.openclaw.agents import Agent, Entry
from app.migrate.openclaw.channels import CHANNELS_FILE
from app.migrate.openclaw.home import Home
from app.migrate.openclaw.nodes import Node
from app.migrate.openclaw.routes import ACCOUNT, FALLBACK, GUILD, PEER, ROLES, Routes, Wanted

_MATCHED = frozenset({"channel", "account_id", "peer_id", "guild_id", "roles"})


class Channels:
    """Reads `[channels]` and `[[bindings]]`."""

    def __init__(self, home: Home, routes: Routes, agents: Mapping[str, Agent]) -> None:
        self._home, self._routes, self._agents = home, routes, agents
        self._ledger = home.ledger

    def read(self, config: Node) -> None:
        for name, node in self._ledger.fields(config.get("channels")):
            if node.fields is None:
                self._ledger.odd(node, "is no channel")
            elif self._ledger.vault.shows(name):
                self._ledger.odd(node, "its name is a secret's value")
            else:
                self._channel(name, node)
        bindings = config.get("bindings")
        if bindings is not None and bindings.items is None:
            self._ledger.odd(bindings, "is no list of bindings")
        for number, node in enumerate(bindings.items or () if bindings is not None else (), 1):
            why = self._binding(node)
            if why:
                self._ledger.refused(node, why)
                self._ledger.warn(node, f"was not taken over: {why}")
                self._ledger.left(ItemKind.BINDING, f"number {number}", why)

    def _channel(self, name: str, node: Node) -> None:
        to = f"{CHANNELS_FILE}: channels.{name}"
        self._home.channels[name] = self._table(node, to)
        self._ledger.took(ItemKind.CHANNEL, name, to)
        self._default(name.lower(), node)

    def _table(self, node: Node, to: str) -> dict[str, Any]:
        table: dict[str, Any] = {}
        for key, value in node.entries():
            if value.fields is not None:
                table[key] = self._table(value, to)
            elif value.items is not None:
                table[key] = [text for _, text in self._ledger.texts(value, numbers=True)]
            elif value.hidden:
                table[f"{key}_env"] = value.variable
            else:
                table[key] = value.value
            for leaf in value.leaves() if value.fields is None else ():
                self._ledger.mapped(leaf, to)
        return table

    def _default(self, channel: str, node: Node) -> None:
        """The agent that answers whom nothing else does; with a list of people, only those."""
        default = node.get("default_agent")
        if default is None:
            return
        entry = self._entry(default)
        if entry is None:
            self._ledger.warn(default, "names no agent: nobody answers there by it")
            return
        overrides = node.get("overrides")
        lists = [one.get("allowed_users") for one in (node, overrides) if one is not None]
        users = [user for one in lists for user in self._ledger.texts(one, numbers=True)]
        policy = overrides.get("dm_policy") if overrides is not None else None
        closed = policy is not None and policy.value != "respond"
        for leaf, user in users:
            if user != "*":
                self._routes.want(Wanted(PEER, entry, channel, user, leaf, channel))
        if any(one is not None for one in lists) and "*" not in [user for _, user in users]:
            closed = True
        if closed:
            self._ledger.warn(
                default, f"{entry.ident} answers on {channel} only those who are named"
            )
        else:
            self._routes.want(Wanted(FALLBACK, entry, channel, None, default, channel))

    def _binding(self, node: Node) -> str:
        """Why a binding cannot be taken over; "" when it was."""
        if node.fields is None:
            return "it is no table"
        named = node.get("agent")
        entry = self._entry(named) if named is not None else None
        if named is None or entry is None:
            return "it names no agent that there is"
        rule = node.get("match_rule")
        if rule is None or rule.fields is None:
            return "it has no match_rule"
        odd = [key for key, _ in rule.entries() if key not in _MATCHED]
        if odd:
            return f"its condition {odd[0]} has no counterpart"
        texts = {
            key: self._ledger.text(rule.get(key), numbers=True) for key in _MATCHED - {"roles"}
        }
        if any(texts[key] is None and rule.get(key) is not None for key in texts):
            return "one of its conditions is odd"
        if texts["channel"] is None:
            return "it names no channel"
        place = account = texts["channel"].lower()
        if texts["account_id"] is not None:
            place = account = f"{place}/{texts['account_id'].lower()}"
        tier = ACCOUNT
        if texts["guild_id"] is not None:
            place, tier = f"{place}/guild:{texts['guild_id']}", GUILD
        roles = [role for _, role in self._ledger.texts(rule.get("roles"), numbers=True)]
        listed = rule.get("roles")
        said = [] if listed is None else [listed] if listed.items is None else listed.items
        if len(roles) < len(said):
            return "its roles are odd"
        places = [f"{place}/role:{role}" for role in roles] or [place]
        user = texts["peer_id"]
        for one in places:
            at = PEER if user is not None else (ROLES if roles else tier)
            self._routes.want(Wanted(at, entry, one, user, node, account))
        return ""

    def _entry(self, node: Node) -> Entry | None:
        ident = self._ledger.text(node, numbers=True)
        agent = self._agents.get(ident.lower()) if ident is not None else None
        return agent.entry if agent is not None else None
