"""A foreign configuration as a tree that knows, of every leaf, where it stands and what became of
it. Readers look at the tree; none of them can lose a leaf."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from app.domain.migration import Fate

Scalar = str | int | float | bool | None
_PLAIN_KEY = re.compile(r"[A-Za-z_$*-][A-Za-z0-9_$*-]*")
_LONGEST_INT = 1024  # bits; longer ones cannot even be printed


@dataclass(eq=False, slots=True)
class Node:
    """A value of a configuration file: a leaf, an object or a list.

    A leaf is a scalar or an empty container: what `KeyRecord` speaks of.
    """

    file: str
    path: tuple[str | int, ...]
    value: Scalar = None
    fields: dict[str, Node] | None = None  # of an object
    items: list[Node] | None = None  # of a list
    fate: Fate | None = None
    to: str = ""
    reason: str = ""
    hidden: bool = field(default=False)  # a secret: its value must not be used in the open
    variable: str = ""  # the variable that holds the secret

    @property
    def leaf(self) -> bool:
        return not self.fields and not self.items

    @property
    def key(self) -> str:
        return key_text(self.path)

    @property
    def where(self) -> str:
        """For a warning: file and key."""
        return f"{self.file}: {self.key}" if self.path else self.file

    @property
    def name(self) -> str:
        """The key under which it stands; "" in a list."""
        last = self.path[-1] if self.path else ""
        return last if isinstance(last, str) else ""

    def get(self, *names: str) -> Node | None:
        """The first of these keys that is there and not null."""
        for name in names:
            found = self.fields.get(name) if self.fields else None
            if found is not None and not found.null:
                return found
        return None

    def dig(self, *names: str) -> Node | None:
        """The value at the end of a path of keys."""
        node: Node | None = self
        for name in names:
            node = node.get(name) if node is not None else None
        return node

    @property
    def null(self) -> bool:
        return self.value is None and self.fields is None and self.items is None

    def entries(self) -> list[tuple[str, Node]]:
        """An object's fields, null ones left out; of anything else none."""
        return [(key, node) for key, node in (self.fields or {}).items() if not node.null]

    def children(self) -> Iterator[Node]:
        if self.fields is not None:
            yield from self.fields.values()
        elif self.items is not None:
            yield from self.items

    def leaves(self) -> Iterator[Node]:
        """Every leaf below, itself if it is one."""
        if self.leaf:
            yield self
        for child in self.children():
            yield from child.leaves()


def key_text(path: tuple[str | int, ...]) -> str:
    """A path as people write it: `agents.list[0].tools.deny[1]`."""
    parts = list[str]()
    for part in path:
        if isinstance(part, int):
            parts.append(f"[{part}]")
        elif _PLAIN_KEY.fullmatch(part):
            parts.append(f".{part}" if parts else part)
        else:
            parts.append('["' + part.replace("\\", "\\\\").replace('"', '\\"') + '"]')
    return "".join(parts)


def tree(data: Any, file: str, path: tuple[str | int, ...] = ()) -> Node:
    """Parsed data as a tree. What no file of ours could hold (half a surrogate pair, a number of
    a thousand digits) is made a text that can be shown."""
    if isinstance(data, dict):
        fields = dict[str, Node]()
        for key, value in data.items():
            name = _text(key if isinstance(key, str) else str(key))
            while name in fields:
                name += "_"
            fields[name] = tree(value, file, (*path, name))
        return Node(file, path, fields=fields)
    if isinstance(data, list):
        items = [tree(value, file, (*path, i)) for i, value in enumerate(data)]
        return Node(file, path, items=items)
    return Node(file, path, _scalar(data))


def count_leaves(data: Any) -> int:
    """The leaves of parsed data, counted without the tree: what its records must add up to."""
    pending, count = [data], 0
    while pending:
        value = pending.pop()
        inner = list(value.values()) if isinstance(value, dict) else value
        if isinstance(inner, list) and inner:
            pending.extend(inner)
        else:
            count += 1
    return count


def plain(node: Node) -> Any:
    """The tree as data again."""
    if node.fields is not None:
        return {key: plain(child) for key, child in node.fields.items()}
    if node.items is not None:
        return [plain(child) for child in node.items]
    return node.value


def _scalar(value: Any) -> Scalar:
    if isinstance(value, str):
        return _text(value)
    if isinstance(value, int) and value.bit_length() > _LONGEST_INT:
        return f"a number of {value.bit_length()} bits"
    if value is None or isinstance(value, (bool, int, float)):
        return value
    return _text(str(value))  # a date of YAML's, bytes


def _text(text: str) -> str:
    if text.isascii():
        return text
    return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
