"""The configuration as OpenClaw sees it: files included, variables known, secrets put away."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path

from app.domain.errors import ConfigError
from app.domain.migration import ItemKind
from app.migrate.openclaw.ledger import Ledger
from app.migrate.openclaw.nodes import Node
from app.migrate.openclaw.reading import Unreadable, read_json5
from app.migrate.openclaw.source import Source

_MAX_INCLUDES = 10  # levels
_INCLUDE = "$include"
_VARIABLE = re.compile(r"\$?\$\{([A-Z_][A-Z0-9_]*)\}")


class Loader:
    """Reads a configuration file and what it includes."""

    def __init__(self, source: Source, ledger: Ledger) -> None:
        self._source = source
        self._ledger = ledger
        self._read: dict[Path, Node | None] = {}
        self._broken: dict[Path, str] = {}  # why a file could not be read

    def load(self, path: Path) -> Node:
        """The whole configuration. Raises ConfigError if the file cannot be read: without it
        nobody knows which secrets must be taken out of what is copied."""
        root = self._file(path)
        if root is None:
            why = self._broken[path]
            raise ConfigError(f"{why}; put it right and run this again", source=str(path))
        return self._expand(root, path, (path,))

    def _file(self, path: Path) -> Node | None:
        if path not in self._read:
            name = self._source.relative(path)
            try:
                self._read[path] = self._ledger.add(read_json5(self._source, path), name)
            except Unreadable as why:
                self._ledger.warn(name, f"{why}; nothing of it was taken")
                self._ledger.left(ItemKind.CONFIG, name, str(why))
                self._read[path] = None
                self._broken[path] = str(why)
        return self._read[path]

    def _expand(self, node: Node, path: Path, stack: tuple[Path, ...]) -> Node:
        """The node with what it includes in place; leaves stay those of their own files."""
        if node.items is not None:
            items = [self._expand(child, path, stack) for child in node.items]
            return Node(node.file, node.path, items=items) if items else node
        if not node.fields:
            return node
        own = {
            key: self._expand(child, path, stack)
            for key, child in node.fields.items()
            if key != _INCLUDE
        }
        whole: Node | None = None
        for included in self._included(node.fields.get(_INCLUDE), path, stack):
            whole = included if whole is None else self._merge(whole, included)
        mine = Node(node.file, node.path, fields=own)
        if whole is None:
            return mine
        return self._merge(whole, mine) if own else whole

    def _included(self, node: Node | None, path: Path, stack: tuple[Path, ...]) -> Iterator[Node]:
        for leaf, wanted in self._ledger.texts(node):
            target = self._target(leaf, wanted, path, stack)
            root = self._file(target) if target is not None else None
            if target is not None and root is not None:
                self._ledger.mapped(leaf, self._source.relative(target))
                yield self._expand(root, target, (*stack, target))
            elif target is not None:
                self._ledger.refused(leaf, "the file it names cannot be read")

    def _target(self, leaf: Node, wanted: str, path: Path, stack: tuple[Path, ...]) -> Path | None:
        if "\0" in wanted or len(wanted) > 4096:
            self._ledger.odd(leaf, "is no path of a file")
            return None
        target = self._source.file(path.parent / wanted)
        if target is None and Path(wanted).is_absolute():
            moved = self._source.moved(wanted)
            target = self._source.file(moved) if moved is not None else None
        if target is None:
            self._ledger.odd(leaf, "names no file inside the source")
        elif target in stack:
            self._ledger.odd(leaf, "includes a file that includes it")
        elif len(stack) > _MAX_INCLUDES:
            self._ledger.odd(leaf, f"is more than {_MAX_INCLUDES} includes deep")
        else:
            return target
        return None

    def _merge(self, under: Node, over: Node) -> Node:
        """Two values as one: objects key by key, of anything else the later."""
        if under.fields is None or over.fields is None:
            self._ledger.archived(under, "a later value replaces it")
            return over
        fields = dict(under.fields)
        for key, child in over.fields.items():
            below = fields.get(key)
            fields[key] = child if below is None else self._merge(below, child)
        return Node(over.file, over.path, fields=fields)


class Variables:
    """What `${NAME}` stands for: the process's environment first, then the configuration's own
    `env`, then the source's `.env`."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        self._environment = environment
        self._own: dict[str, str] = {}

    def declare(self, name: str, value: str) -> None:
        self._own.setdefault(name, value)

    def value(self, name: str) -> str | None:
        return self._environment.get(name) or self._own.get(name) or None

    def names(self, text: str) -> list[str]:
        """The variables that a text refers to; `$${NAME}` is none."""
        return [m[1] for m in _VARIABLE.finditer(text) if not m[0].startswith("$$")]

    def alone(self, text: str) -> str | None:
        """The variable that is all of the text."""
        found = _VARIABLE.fullmatch(text.strip())
        return found[1] if found is not None and not found[0].startswith("$$") else None

    def expand(self, text: str) -> str:
        """The text with every known variable's value; an unknown one stays as it is written."""

        def put(match: re.Match[str]) -> str:
            if match[0].startswith("$$"):
                return match[0][1:]
            return self.value(match[1]) or match[0]

        return _VARIABLE.sub(put, text)
