"""The oldest JSON5 layout, seen as the one that came after it.

There was one agent under `agent`, its `identity` beside it, more of them under `routing.agents`,
and channels stood at the top. Nothing is copied: the same leaves stand under their later keys.
"""

from __future__ import annotations

from app.migrate.openclaw.nodes import Node

_TOP_CHANNELS = ("telegram", "discord", "slack", "whatsapp", "signal", "imessage", "msteams")


def modern(root: Node) -> Node:
    """The configuration with its older keys in their later places; itself if it has none."""
    if root.fields is None:
        return root
    fields = dict(root.fields)
    agent, identity, routing = (root.get(key) for key in ("agent", "identity", "routing"))
    if agent is not None or identity is not None or routing is not None:
        _agents(root, fields, agent, identity, routing)
        fields.pop("agent", None)
        fields.pop("identity", None)
    channels = _channels(root)
    if channels is not None:
        fields["channels"] = channels
        fields = {key: node for key, node in fields.items() if key not in _TOP_CHANNELS}
    return root if fields == root.fields else Node(root.file, root.path, fields=fields)


def is_oldest(root: Node) -> bool:
    """Whether a configuration has keys that were there only at first."""
    return root.get("agent", "identity", "routing") is not None


def _agents(
    root: Node,
    fields: dict[str, Node],
    agent: Node | None,
    identity: Node | None,
    routing: Node | None,
) -> None:
    agents = root.get("agents")
    own = dict(agents.fields or {}) if agents is not None else {}
    defaults = own.get("defaults")
    merged = dict(defaults.fields or {}) if defaults is not None else {}
    for key, child in (agent.fields or {}).items() if agent is not None else ():
        merged.setdefault(key, child)
    if identity is not None:
        merged.setdefault("identity", identity)
    if merged:
        place = agent or identity or root
        own["defaults"] = Node(place.file, place.path, fields=merged)
    if routing is not None:
        listed = routing.get("agents")
        if listed is not None and listed.fields and "list" not in own and "entries" not in own:
            own["list"] = _as_list(listed, routing.get("defaultAgentId"))
        bindings = routing.get("bindings")
        if bindings is not None and "bindings" not in fields:
            fields["bindings"] = bindings
    fields["agents"] = Node(root.file, root.path, fields=own)


def _as_list(agents: Node, default: Node | None) -> Node:
    """Agents by id as entries of a list, the default one marked."""
    items = list[Node]()
    for ident, node in agents.entries():
        inner = dict(node.fields or {})
        inner.setdefault("id", Node(node.file, node.path, ident))
        if default is not None and default.value == ident:
            inner["default"] = Node(default.file, default.path, True)
        items.append(Node(node.file, node.path, fields=inner))
    return Node(agents.file, agents.path, items=items)


def _channels(root: Node) -> Node | None:
    """`channels` with those that stand at the top; None if there are none."""
    top = {key: node for key in _TOP_CHANNELS if (node := root.get(key)) is not None}
    if not top:
        return None
    channels = root.get("channels")
    own = dict(channels.fields or {}) if channels is not None else {}
    return Node(root.file, root.path, fields={**top, **own})
