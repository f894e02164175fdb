"""Tool policies: what an agent of OpenClaw's may call, in layers that only take away."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from app.migrate.openclaw.ledger import Ledger
from app.migrate.openclaw.nodes import Node
from app.migrate.openclaw.tool_names import (
    CAREFUL,
    EVERYTHING,
    GROUPS,
    KNOWN,
    LOOKING,
    OURS,
    PROFILES,
    SANDBOXED,
    aliases,
    any_matches,
    denied_by,
    names_of,
)

_LISTS = ("allow", "alsoAllow", "deny")


@dataclass(frozen=True, slots=True)
class Layer:
    """One filter: `allow` None lets everything through, `deny` always wins."""

    allow: tuple[str, ...] | None = None
    deny: tuple[str, ...] = ()

    def lets(self, tool: str) -> bool:
        if any_matches(self.deny, aliases(tool)):
            return False
        return self.allow is None or any_matches(self.allow, (tool,))


@dataclass(frozen=True, slots=True)
class ToolPolicy:
    """The tools an agent has here. `denied` are ours that a list takes away by name."""

    tools: tuple[str, ...]
    denied: tuple[str, ...] = ()


def decide(layers: Sequence[Layer], servers: Mapping[str, str]) -> ToolPolicy:
    """What is left after all layers, in our names; `servers` are the MCP servers there are, ours
    by the source's name."""
    left = [tool for tool in OURS if all(layer.lets(tool) for layer in layers)]
    if "read" in left and "exec" in left:
        # With a shell it lists and searches anyway; unless a list denies just that.
        left += [t for t in ("glob", "grep") if t not in left and not _denies(layers, t)]
    if _denies(layers, "read"):
        left = [tool for tool in left if tool not in LOOKING]  # searching shows what is in files
    left = [t for t in left if t != "process" or "exec" in left]  # ours also starts them
    if "edit" not in left and all(layer.lets("apply_patch") for layer in layers):
        left += [] if _denies(layers, "edit") else ["edit"]
    tools = [ours for theirs, ours in OURS.items() if theirs in left]
    tools += [
        f"mcp:{ours}"
        for theirs, ours in servers.items()
        if all(_server(layer, theirs) for layer in layers)
    ]
    denied = [ours for theirs, ours in OURS.items() if _denies(layers, theirs)]
    return ToolPolicy(tuple(tools), tuple(denied))


def _denies(layers: Sequence[Layer], tool: str) -> bool:
    return any(any_matches(layer.deny, aliases(tool)) for layer in layers)


def _server(layer: Layer, name: str) -> bool:
    """Whether all tools of an MCP server are let through: a list that names some of them lets
    none through, one that denies any denies all."""
    own = re.sub(r"[^a-z0-9_-]", "-", name.lower()) + "__"
    for word in layer.deny:
        if word == "bundle-mcp" or _reaches(word, own):
            return False
    return layer.allow is None or any(
        word in ("bundle-mcp", "*", f"{own}*") for word in layer.allow
    )


def _reaches(word: str, own: str) -> bool:
    """Whether a denied pattern can mean a tool of the server whose tools begin so."""
    head = word.split("*", 1)[0]
    return word.startswith(own) or ("*" in word and own.startswith(head[: len(own)]))


class Policies:
    """Reads policies; every policy is read the same way, wherever it stands."""

    def __init__(self, ledger: Ledger, profiles: Mapping[str, tuple[str, ...]] = PROFILES) -> None:
        self._ledger = ledger
        self._profiles = profiles

    def lists(self, node: Node | None) -> Iterator[Layer]:
        """The filter of a policy's `allow` and `deny`."""
        if node is None or node.null:
            return
        if node.fields is None:
            yield Layer(allow=self._whole(node))
            return
        allow = self._allowed(node.get("allow"))
        if allow is not None:
            allow = (*allow, *(self._allowed(node.get("alsoAllow")) or ()))
        deny = self._denied(node.get("deny"))
        if allow is not None or deny:
            yield Layer(allow, deny)

    def _whole(self, node: Node) -> tuple[str, ...]:
        """A list where a policy is expected: what is allowed. Anything else allows nothing."""
        if node.items is not None:
            return self._allowed(node) or ()
        self._ledger.odd(node, "is no tool policy, so it allows nothing")
        return ()

    def profile(self, *nodes: Node | None) -> Layer | None:
        """The base: the first profile that is set, with what `alsoAllow` adds to it."""
        sections = [node for node in nodes if node is not None and node.fields is not None]
        named = next((found for one in sections if (found := one.get("profile"))), None)
        if named is None:
            return None
        text = self._ledger.text(named)
        allow = self._profiles.get(text.lower()) if text is not None else None
        if allow is None:
            self._ledger.refused(named, "is no known profile, so it allows nothing")
            self._ledger.warn(named, "is no known tool profile, so it allows no tool")
            return Layer(allow=())
        self._ledger.mapped(named, "agent.tools")
        extra = next((found for one in sections if (found := one.get("alsoAllow"))), None)
        return Layer(allow=(*allow, *(self._allowed(extra) or ())))

    def _allowed(self, node: Node | None) -> tuple[str, ...] | None:
        """The tools that a list allows; None where there is no list."""
        if node is None:
            return None
        if node.items == []:
            self._ledger.warn(
                node, "is empty: taken as allowing no tool (OpenClaw takes it for no list)"
            )
        found = list[str]()
        for leaf, word in self._ledger.texts(node):
            names = names_of(word)
            if self._known(names):
                self._ledger.mapped(leaf, "agent.tools")
                found += names
            else:
                self._ledger.refused(leaf, "is no tool that is known, so it was left out")
                self._ledger.warn(leaf, "is no tool that is known, so it was left out")
        self._no_counterpart(node, found)
        return tuple(found)

    def _no_counterpart(self, node: Node, found: Sequence[str]) -> None:
        names = [*dict.fromkeys(n for n in found if n in KNOWN and n not in _HAVE)]
        if names:
            what = ", ".join(names[:6]) + ("…" if len(names) > 6 else "")
            self._ledger.warn(node, f"Longwatch has no tool for {what}")

    @staticmethod
    def _known(names: Iterable[str]) -> bool:
        return any(name in KNOWN or "*" in name or "__" in name or name in GROUPS for name in names)

    def _denied(self, node: Node | None) -> tuple[str, ...]:
        """The tools that a list denies; one that cannot be read denies everything."""
        if node is None:
            return ()
        unreadable = any(child.value is None and not child.null for child in node.items or ())
        alone = node.items is None and not isinstance(node.value, str)
        if node.fields is not None or alone or unreadable:
            self._ledger.odd(node, "is no list of tools, so everything is denied")
            return EVERYTHING
        found = list[str]()
        for leaf, word in self._ledger.texts(node):
            names = denied_by(word)
            found += names
            if self._known(names):
                self._ledger.mapped(leaf, "agent.tools")
            else:
                self._ledger.archived(leaf, "denies a tool that does not exist here")
                self._ledger.warn(leaf, "is no tool that is known, so nothing is denied by it")
        return tuple(found)

    def by_provider(self, node: Node | None, models: Sequence[str]) -> Iterator[Layer]:
        """What `byProvider` takes away from an agent with these models, each "provider/model" as
        the source has it."""
        wanted = {m.lower() for m in models} | {m.split("/", 1)[0].lower() for m in models}
        for key, policy in self._ledger.fields(node):
            if key.strip().lower() not in wanted:
                continue
            base = self.profile(policy)
            if base is not None:
                yield base
            yield from self.lists(policy)

    def by_sender(self, node: Node | None) -> Iterator[Layer]:
        """A list here is an agent's, whoever asks: all that any sender may not, nobody may."""
        for _, policy in self._ledger.fields(node):
            layers = [*self.lists(policy)]
            if layers:
                self._ledger.warn(policy, "is taken from everybody: tools are not given by sender")
            yield from layers

    def sandboxed(self, node: Node | None) -> Iterator[Layer]:
        """What a sandboxed session may call."""
        allow = self._allowed(node.get("allow")) if node is not None and node.fields else None
        extra = self._allowed(node.get("alsoAllow")) if node is not None and node.fields else None
        yield Layer((*(SANDBOXED if allow is None else allow), *(extra or ())))
        yield from (Layer(None, layer.deny) for layer in self.lists(node))


_HAVE = frozenset({*OURS, "apply_patch", "bundle-mcp"})
NOTHING_SAID = Layer(allow=CAREFUL)
