"""The accounts: what became of every leaf, what was made, what was left, and what to know."""

from __future__ import annotations

from typing import Any

from app.domain.migration import Fate, Imported, ItemKind, KeyRecord, Skipped, Warned
from app.migrate.openclaw.nodes import Node, count_leaves, tree
from app.migrate.openclaw.tables import UNUSED
from app.migrate.openclaw.vault import Vault

_RANK = {Fate.ARCHIVED: 0, Fate.REFUSED: 1, Fate.MAPPED: 2, Fate.SECRET: 3}
_PROSE = 4  # words: of so many, what is no secret is worth keeping
_UNUSED = "it has no counterpart"


class Ledger:
    """Everything a reader tells goes through here; what it never speaks of is archived."""

    def __init__(self, vault: Vault) -> None:
        self.vault = vault
        self.files: list[Node] = []
        self.key_count = 0
        self.imported: list[Imported] = []
        self.skipped: list[Skipped] = []
        self._warnings: list[Warned] = []

    def add(self, data: Any, file: str) -> Node:
        """Take a configuration file's data into the accounts; its tree."""
        self.key_count += count_leaves(data)
        root = tree(data, file)
        self.files.append(root)
        return root

    def mapped(self, node: Node | None, to: str) -> None:
        self._mark(node, Fate.MAPPED, to, "")

    def archived(self, node: Node | None, reason: str) -> None:
        self._mark(node, Fate.ARCHIVED, "", reason)

    def refused(self, node: Node | None, reason: str) -> None:
        self._mark(node, Fate.REFUSED, "", reason)

    def secret(self, node: Node, variable: str, *, hidden: bool = True) -> None:
        node.hidden, node.variable = hidden, variable
        self._mark(node, Fate.SECRET, variable, "")

    def _mark(self, node: Node | None, fate: Fate, to: str, reason: str) -> None:
        """Of two fates of one leaf the stronger stays: what one reader cannot use may be
        another's."""
        if node is None:
            return
        for leaf in node.leaves():
            if leaf.fate is None or _RANK[fate] > _RANK[leaf.fate]:
                leaf.fate, leaf.to, leaf.reason = fate, to, reason

    def warn(self, where: Node | str, message: str) -> None:
        place = where if isinstance(where, str) else where.where
        warning = Warned(where=place, message=message)
        if warning not in self._warnings:
            self._warnings.append(warning)

    def odd(self, node: Node, what: str) -> None:
        """A value that cannot be used: it costs that value, and is told."""
        self.refused(node, what)
        self.warn(node, what)

    def took(self, kind: ItemKind, name: str, destination: str, detail: str = "") -> None:
        self.imported.append(Imported(kind=kind, name=name, destination=destination, detail=detail))

    def left(self, kind: ItemKind, name: str, reason: str) -> None:
        entry = Skipped(kind=kind, name=name, reason=reason)
        if entry not in self.skipped:
            self.skipped.append(entry)

    # Values, as readers want them: the wrong kind of value is told and costs itself only.

    def text(self, node: Node | None, *, numbers: bool = False) -> str | None:
        """A text that is not blank and holds no secret, without blanks around it; with `numbers`
        a number or truth value is one too."""
        if node is None or node.null:
            return None
        value = node.value
        if node.hidden:
            return None
        if numbers and isinstance(value, (int, float, bool)):
            value = str(value).lower() if isinstance(value, bool) else _digits(value)
        if not isinstance(value, str):
            self.odd(node, "is not a text")
            return None
        if not value.strip():
            self.refused(node, "is blank")
            return None
        clean = self.vault.clean(value)
        if clean != value and len(value.split()) < _PROSE:
            self.odd(node, "holds a secret, so it was not taken")
            return None
        if clean != value:
            self.warn(node, "holds a secret, which was taken out of it")
        return clean.strip()

    def texts(self, node: Node | None, *, numbers: bool = False) -> list[tuple[Node, str]]:
        """The texts of a list; a text alone is a list of one."""
        if node is None:
            return []
        nodes = [node] if node.items is None else node.items
        if node.fields is not None:
            self.odd(node, "is not a list")
            return []
        found = [(one, self.text(one, numbers=numbers)) for one in nodes]
        return [(one, text) for one, text in found if text is not None]

    def flag(self, node: Node | None) -> bool | None:
        if node is None or node.null:
            return None
        if isinstance(node.value, bool):
            return node.value
        self.odd(node, "is neither true nor false")
        return None

    def fields(self, node: Node | None, *, of: str = "an object") -> list[tuple[str, Node]]:
        """The fields of an object; of anything else none, and it is told."""
        if node is None or node.null:
            return []
        if node.fields is None:
            self.odd(node, f"is not {of}")
            return []
        return node.entries()

    def warnings(self) -> tuple[Warned, ...]:
        clean = self.vault.clean
        return tuple(
            Warned(where=clean(one.where), message=clean(one.message)) for one in self._warnings
        )

    def records(self) -> tuple[KeyRecord, ...]:
        """One record for every leaf."""
        return tuple(self._record(leaf) for root in self.files for leaf in root.leaves())

    def _record(self, leaf: Node) -> KeyRecord:
        clean = self.vault.clean
        fate = leaf.fate or Fate.ARCHIVED
        return KeyRecord(
            file=clean(leaf.file),
            key=clean(leaf.key),
            fate=fate,
            to=clean(leaf.to),
            reason=clean(leaf.reason) if leaf.fate else _unused(leaf),
        )


def _unused(leaf: Node) -> str:
    return UNUSED.get(str(leaf.path[0]) if leaf.path else "", _UNUSED)


def _digits(number: int | float) -> str:
    """As JavaScript writes it: 19, not 19.0."""
    if isinstance(number, float) and number.is_integer() and abs(number) < 2**53:
        return str(int(number))
    return str(number)
