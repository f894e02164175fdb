"""Agents: who there is, and what each becomes."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from app.domain.migration import ItemKind
from app.domain.openfang_names import Names
from app.domain.step import OPERATOR
from app.migrate.openclaw.ledger import Ledger
from app.migrate.openclaw.models import Choice
from app.migrate.openclaw.nodes import Node
from app.migrate.openclaw.tools import ToolPolicy

_PROMPT_KEYS = (
    "systemPrompt",
    "system_prompt",
    "prompt",
    "persona",
    "instructions",
    "content",
    "text",
    "description",
    "role",
)
# Names that a folder must not have on some systems, and the one that means the person.
_RESERVED = frozenset(
    {OPERATOR, "con", "prn", "aux", "nul", *(f"{d}{n}" for d in ("com", "lpt") for n in range(10))}
)
_LIMIT = 5000  # agents
_PROMPT_LIMIT = 256 * 1024  # characters


@dataclass(slots=True)
class Entry:
    """An agent of the source, under the name it has here."""

    ident: str  # as the source has it
    name: str  # ours: of the agent, its workflow and its folders
    node: Node | None
    default: bool = False


@dataclass(slots=True)
class Agent:
    """What an agent becomes."""

    entry: Entry
    choice: Choice
    policy: ToolPolicy
    instructions: str = ""
    driver: str = "model"
    command: tuple[str, ...] = ()
    env: tuple[str, ...] = ()
    sandbox: str = ""
    servers: tuple[str, ...] = ()
    asks_shell: str = ""  # why every shell command is asked about; "" where it is not
    files: list[str] = field(default_factory=list)  # of its instructions, in the project

    @property
    def name(self) -> str:
        return self.entry.name


class Roster:
    """The agents of a configuration, by the ids that the rest of it uses."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self._names = Names()
        for name in _RESERVED:
            self._names.new(name, name)
        self._by_id: dict[str, Entry] = {}
        self.explicit = False  # no agent answers what no binding sends to it

    @property
    def entries(self) -> list[Entry]:
        return list(self._by_id.values())

    def find(self, ident: str) -> Entry | None:
        return self._by_id.get(ident.strip().lower())

    @property
    def default(self) -> Entry | None:
        """Who answers what no binding sends to anybody."""
        entries = self.entries
        if len(entries) == 1:
            return entries[0]
        if self.explicit or not entries:
            return None
        return next((entry for entry in entries if entry.default), entries[0])

    def add(self, ident: str, node: Node | None, *, where: Node | str) -> Entry | None:
        """Take an agent in under a name that is one here. None for an id that is there already,
        or of which nothing may be seen."""
        ident = ident.strip()
        if not ident:
            self._ledger.warn(where, "is an agent without an id, so it was left out")
            self._ledger.left(ItemKind.AGENT, "(no id)", "it has no id")
            return None
        if self._ledger.vault.shows(ident):
            ident = f"agent-{len(self._by_id) + 1}"
            self._ledger.warn(where, f"the agent's id is a secret's value; it is {ident} here")
        if self.find(ident) is not None:
            self._ledger.warn(where, f'there is an agent "{ident}" already; the first one counts')
            self._ledger.left(ItemKind.AGENT, ident, "an agent before it has the same id")
            return None
        if len(self._by_id) >= _LIMIT:
            self._ledger.left(ItemKind.AGENT, ident, f"more than {_LIMIT:,} agents")
            return None
        name = self._names.new(ident, "agent")
        if name != ident:
            self._ledger.warn(where, f'the agent "{ident}" is called {name} here')
        entry = Entry(ident, name, node)
        self._by_id[ident.lower()] = entry
        return entry

    def read(self, agents: Node | None) -> None:
        """The agents that a configuration's `agents` declares, in any of its forms."""
        if agents is None or agents.null:
            return
        if agents.fields is None:
            self._ledger.odd(agents, "is no section of agents")
            return
        ownership = agents.get("ownership")
        entries, listed = agents.get("entries"), agents.get("list")
        if entries is not None:
            self.explicit = True
        if ownership is not None:
            self._ledger.mapped(ownership, "route: nothing is answered without a match")
            self.explicit = True
        for ident, node in self._ledger.fields(entries):
            self._one(ident, node, None)
        for i, node in enumerate(_as_list(listed, self._ledger)):
            self._listed(i, node)

    def _listed(self, index: int, node: Node) -> None:
        if node.fields is None:
            self._ledger.odd(node, "is no agent")
            return
        ident = self._ledger.text(node.get("id"), numbers=True)
        if ident is None and node.get("id") is None:
            ident = self._ledger.text(node.get("name"), numbers=True)
        if ident is None:
            self._ledger.warn(node, "is an agent without an id, so it was left out")
            self._ledger.left(ItemKind.AGENT, f"number {index + 1}", "it has no id")
            self._ledger.refused(node, "it belongs to an agent without an id")
            return
        self._one(ident, node, node.get("id", "name"))

    def _one(self, ident: str, node: Node, ident_node: Node | None) -> None:
        entry = self.add(ident, node, where=node)
        if entry is None:
            self._ledger.refused(node, "it belongs to an agent that was left out")
            return
        self._ledger.mapped(ident_node, f"agent {entry.name}")
        flag = node.get("default")
        entry.default = flag is not None and self._ledger.flag(flag) is True
        if entry.default:
            self._ledger.mapped(flag, "default_workflow, where nobody gets more by it")


def _as_list(node: Node | None, ledger: Ledger) -> Iterator[Node]:
    if node is None:
        return
    if node.items is not None:
        yield from (child for child in node.items if not child.null)
    else:
        ledger.odd(node, "is not a list")


def prompt_of(node: Node | None, ledger: Ledger) -> str | None:
    """The prompt in an identity: a text, or an object with it under one of its usual keys."""
    if node is None:
        return None
    if node.fields is None:
        text = ledger.text(node)
        if text is not None and len(text) > _PROMPT_LIMIT:
            ledger.odd(node, "is too long for a prompt")
            return None
        if text is not None:
            ledger.mapped(node, "agent.instructions")
        return text
    for key in _PROMPT_KEYS:
        child = node.get(key)
        if child is None or child.items is not None:
            continue
        if child.fields is None and not isinstance(child.value, str):
            continue
        found = prompt_of(child, ledger)
        if found is not None:
            return found
    for _, child in node.entries():
        if child.fields is not None and (found := prompt_of(child, ledger)) is not None:
            return found
    return None


def introduced(entry: Entry, identity: Node | None, ledger: Ledger) -> str:
    """A sentence for an agent that has no prompt: its name, and what its identity says of it."""
    node = entry.node
    name = ledger.text(node.get("name")) if node is not None else None
    shown = ledger.text(identity.get("name")) if identity is not None else None
    theme = ledger.text(identity.get("theme")) if identity is not None else None
    for key in ("name", "theme"):
        ledger.mapped(identity.get(key) if identity is not None else None, "agent.instructions")
    ledger.mapped(node.get("name") if node is not None else None, "agent.instructions")
    sentence = f"You are {shown or name or entry.ident}."
    return f"{sentence} Your manner: {theme}." if theme else sentence
