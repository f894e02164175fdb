"""What moves in, put into a longwatch.toml that is there already: what is yours stays as it is,
what an earlier migration made is replaced, and a name that is taken is never taken over."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from app.domain.errors import Refused
from app.domain.migration import Warned
from app.migrate.manifest import MadeEntry
from app.migrate.toml_tables import Piece, read_pieces, replaced

CONFIG = "longwatch.toml"
_SECRETS = "env_file"  # whose values go where the project keeps its own


@dataclass(slots=True)
class Merged:
    """A configuration with both in it, and what the next migration must know of it."""

    text: str
    entries: list[MadeEntry] = field(default_factory=list)
    notes: list[Warned] = field(default_factory=list)


def taken_names(existing: str, ours: str, before: Sequence[MadeEntry]) -> dict[str, set[str]]:
    """By table, the names in `ours` that somebody else's table has, with other content."""
    mine = {(entry.table, entry.name) for entry in before}
    theirs = {(piece.table, piece.name): piece.digest for piece in read_pieces(existing)}
    found: dict[str, set[str]] = {}
    for piece in read_pieces(ours):
        key = (piece.table, piece.name)
        if piece.name and theirs.get(key, piece.digest) != piece.digest and key not in mine:
            found.setdefault(piece.table, set()).add(piece.name)
    return found


def merge_config(existing: str, ours: str, before: Sequence[MadeEntry], title: str) -> Merged:
    """`ours` merged into `existing`; `before` is what an earlier migration wrote there.

    No name in `ours` may be taken (see `taken_names`). Raises Refused when the file is written in
    a way to which nothing can be added.
    """
    return _Merge(existing, ours, before, title).merged()


class _Merge:
    def __init__(self, existing: str, ours: str, before: Sequence[MadeEntry], title: str) -> None:
        self._existing, self._ours, self._title = existing, ours, title
        self._before = {(entry.table, entry.name): entry.digest for entry in before if entry.name}
        self._nameless = {(entry.table, entry.digest) for entry in before if not entry.name}
        self._there = read_pieces(existing)
        self._wanted = read_pieces(ours)
        self._changes: dict[int, str] = {}
        self._added = list[Piece]()
        self._result = Merged("")

    def merged(self) -> Merged:
        by_name = {(piece.table, piece.name): piece for piece in self._there if piece.name}
        alike = {(piece.table, piece.digest) for piece in self._there if not piece.name}
        for piece in self._wanted:
            if piece.name:
                self._place(piece, by_name.get((piece.table, piece.name)))
            elif (piece.table, piece.digest) not in alike:
                self._add(piece)
            elif (piece.table, piece.digest) in self._nameless:
                self._remember(piece)
        self._drop_old()
        text = self._with_top(replaced(self._existing, self._changes))
        self._result.text = self._with_added(text)
        self._check()
        return self._result

    def _place(self, piece: Piece, there: Piece | None) -> None:
        key = (piece.table, piece.name)
        if there is None:
            self._add(piece)
        elif there.digest == piece.digest:
            if key in self._before:
                self._remember(piece)
        elif self._before.get(key) == there.digest:
            self._changes[there.first] = _fitting(piece.bare, self._existing)
            self._remember(piece)
        else:  # taken_names has seen to it that this was ours once
            self._result.entries.append(
                MadeEntry(table=piece.table, name=piece.name, digest=self._before[key])
            )
            self._note(f'{piece.table} "{piece.name}" was changed here since; yours is kept')

    def _add(self, piece: Piece) -> None:
        self._added.append(piece)
        self._remember(piece)

    def _remember(self, piece: Piece) -> None:
        entry = MadeEntry(table=piece.table, name=piece.name, digest=piece.digest)
        self._result.entries.append(entry)

    def _drop_old(self) -> None:
        """What the earlier migration made and this one does not."""
        wanted = {(piece.table, piece.name) for piece in self._wanted if piece.name}
        alike = {(piece.table, piece.digest) for piece in self._wanted if not piece.name}
        for piece in self._there:
            key = (piece.table, piece.name)
            if piece.name and key in self._before and key not in wanted:
                if self._before[key] == piece.digest:
                    self._changes[piece.first] = ""
                else:
                    self._note(
                        f'{piece.table} "{piece.name}" is gone from the source, but was changed'
                        " here since: it stays"
                    )
            old = (piece.table, piece.digest)
            if not piece.name and old in self._nameless and old not in alike:
                self._changes[piece.first] = ""

    def _with_top(self, text: str) -> str:
        """The place of the secrets before the first table. Whatever else stands there concerns all
        of the project, and is a person's to say."""
        have, want = tomllib.loads(text), tomllib.loads(self._ours)
        lines = list[str]()
        for key, value in want.items():
            if isinstance(value, list) or key == "approval":
                continue
            if key == _SECRETS and key not in have:
                lines.append(_line(key, value))
            elif key != _SECRETS and have.get(key) != value:
                self._note(f"{key} = {value!r} was not taken over: set it yourself if you want it")
        own = want.get("approval", {}).items()
        for key, value in own:
            if key != "rule" and have.get("approval", {}).get(key) != value:
                self._note(f"approval.{key} = {value!r} was not taken over: set it yourself")
        newline = _newline(text)
        return "".join(line + newline for line in lines) + text

    def _with_added(self, text: str) -> str:
        if not self._added:
            return text
        newline = _newline(text)
        head = "" if not text or text.endswith("\n") else newline
        parts = [_fitting(piece.text, text).rstrip("\r\n") for piece in self._added]
        mark = f"# {self._title}"
        return text + head + newline + mark + newline + (newline * 2).join(parts) + newline

    def _check(self) -> None:
        """The text must say what was there, and what moves in, and no more."""
        try:
            found = read_pieces(self._result.text)
        except tomllib.TOMLDecodeError as error:
            raise Refused(
                f"{CONFIG} is written in a way to which no table can be added ({error}): write its"
                " agents, routes and rules as [[tables]], or choose another --to"
            ) from None
        kept = [p for p in self._there if p.first not in self._changes]
        expected = sorted((p.table, p.digest) for p in [*kept, *self._added, *self._replacing()])
        if sorted((p.table, p.digest) for p in found) != expected:
            raise Refused(f"{CONFIG} cannot be merged without changing what is yours in it")

    def _replacing(self) -> list[Piece]:
        names = {(p.table, p.name) for p in self._there if self._changes.get(p.first)}
        return [
            piece for piece in self._wanted if piece.name and (piece.table, piece.name) in names
        ]

    def _note(self, message: str) -> None:
        self._result.notes.append(Warned(where=CONFIG, message=message))


def all_entries(ours: str) -> list[MadeEntry]:
    """What the next migration must know of a configuration that is all ours."""
    return [MadeEntry(table=p.table, name=p.name, digest=p.digest) for p in read_pieces(ours)]


def _line(key: str, value: object) -> str:
    import tomlkit

    document = tomlkit.document()
    document.add(key, value)
    return tomlkit.dumps(document).rstrip("\n")


def _newline(text: str) -> str:
    return "\r\n" if "\r\n" in text else "\n"


def _fitting(piece: str, text: str) -> str:
    """With the line ends of the file that it goes into. (In a multi-line string they are the
    same to TOML.)"""
    if _newline(text) == "\n":
        return piece
    return piece.replace("\r\n", "\n").replace("\n", "\r\n")


def renamed(text: str, names: Mapping[str, Mapping[str, str]]) -> str:
    """A TOML text of ours with other names: `names` has, by table ("agent", "workflow", "mcp",
    "approval.rule"), what each is called now. Every mention follows."""
    if not names:
        return text
    import tomlkit

    document = tomlkit.parse(text)
    _rename(document, names, ())
    return tomlkit.dumps(document)


_MENTIONS = {
    "agent": "agent",
    "judge": "agent",
    "by": "agent",
    "workflow": "workflow",
    "default_workflow": "workflow",
    "mcp": "mcp",
    "tool": "mcp-tool",
    "tools": "mcp-tool",
}


def _rename(node: object, names: Mapping[str, Mapping[str, str]], path: tuple[str, ...]) -> None:
    if isinstance(node, list):
        for inner in node:
            _rename(inner, names, path)
        return
    if not isinstance(node, dict):
        return
    for key, value in list(node.items()):
        table = _MENTIONS.get(key, "")
        if key == "name":
            table = ".".join(path) or "workflow"  # at the top of a workflow's file
        if isinstance(value, str):
            new = _new_name(names, table, value)
            if new != value:
                node[key] = new
        elif isinstance(value, list) and value and all(isinstance(one, str) for one in value):
            changed = [_new_name(names, table, one) for one in value]
            if changed != list(value):
                node[key] = changed
        else:
            _rename(value, names, (*path, key))


def _new_name(names: Mapping[str, Mapping[str, str]], table: str, value: str) -> str:
    if table == "mcp-tool":
        server, slash, tool = value.removeprefix("mcp:").partition("/")
        new = names.get("mcp", {}).get(server)
        return f"mcp:{new}{slash}{tool}" if value.startswith("mcp:") and new else value
    return names.get(table, {}).get(value, value)
