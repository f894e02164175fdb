"""From a shell text to its simple commands: through pipes, substitutions, wrappers, scripts."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from functools import lru_cache
from typing import TYPE_CHECKING

from app.domain.shell.arithmetic import Sums
from app.domain.shell.commands import STATEMENTS, CommandReader
from app.domain.shell.context import (
    MAX_SCRIPT_DEPTH,
    MAX_VALUES,
    UNKNOWN_FOLDER,
    Context,
    TooMuch,
    union,
)
from app.domain.shell.grammar import distrust, too_large, tree
from app.domain.shell.models import Parsed
from app.domain.shell.nodes import is_move, moves, operands
from app.domain.shell.words import WordReader

if TYPE_CHECKING:
    from tree_sitter import Node

MAX_GUESSES = 40
_BETWEEN = re.compile(r"\$\(|[;&|()`{}\n\r]")
_BRACES = re.compile(r"\{([^\s{},]+(?:,[^\s{},]*)+)\}")
_OWN_HOME = re.compile(r"(?<![${\w])(?:HOME|PWD)(?=[\s=+;]|$)")


@lru_cache(maxsize=256)
def parse(text: str) -> Parsed:
    """Take shell text apart. Never raises; what cannot be trusted is marked `unparsable`."""
    walker = _Walker()
    try:
        walker.script(text, Context())
    except TooMuch as error:
        walker.cut_off(str(error))
    return Parsed(
        commands=tuple(walker.commands),
        functions=tuple(dict.fromkeys(walker.functions)),
        computes=walker.sums.unsure(),
        unparsable=bool(walker.cut or walker.why),
        why=walker.cut or walker.why,
    )


class _Walker(CommandReader):
    """Walks the tree of one text and of the scripts inside it."""

    def __init__(self) -> None:
        super().__init__()
        self.sums = Sums()
        self._moves = False  # whether the text changes folders at all

    def script(self, text: str, here: Context) -> None:
        if here.scripts > MAX_SCRIPT_DEPTH:
            raise TooMuch("scripts are nested too deep")
        if why := too_large(text):
            raise TooMuch(why)
        if why := distrust(text):
            self.doubt(why)
        data = text.encode("utf-8", "replace")
        root = tree(data)
        self._walk(root, data, here)
        if root.has_error:
            self.doubt("the shell grammar does not know this form")
        if self.why:
            self._guess(text, here)

    def _walk(self, root: Node, data: bytes, here: Context) -> None:
        outer, outer_moves = self.reader, self._moves
        own_home = _OWN_HOME.search(data.decode("utf-8", "replace")) is not None
        self.reader = WordReader(data, self.substitution, own_home)
        self._moves = moves(root)
        self.sums.look(root)
        self.visit(root, here)
        self.reader, self._moves = outer, outer_moves

    def _guess(self, text: str, here: Context) -> None:
        """For a text that is not understood: also judge its pieces, as if each were a command.

        A shell may understand what the grammar does not; the worst must not get lost in it.
        """
        kept = self.cwds
        # `$((a); b)` is a substitution to a shell, and arithmetic to the grammar.
        whole = text.replace("$((", "$( (").encode("utf-8", "replace")
        if b"$( (" in whole and not (root := tree(whole)).has_error:
            self._walk(root, whole, here.into("?"))
        text = _BRACES.sub(lambda found: found[1].replace(",", " "), text)  # `{rm,-rf,/}`
        pieces = _BETWEEN.split(text.replace("\\\n", ""))
        for piece in [p for p in pieces if p.strip()][:MAX_GUESSES]:
            for guess in (piece, re.sub(r"[\"'\\]", "", piece)):
                data = guess.encode("utf-8", "replace")
                root = tree(data)
                if not root.has_error:
                    self._walk(root, data, here.into("?"))
                    break
        self.cwds = kept

    def visit(self, node: Node, here: Context) -> None:
        here = here.deeper()
        if self.owed(node, here):
            return
        handler = _HANDLERS.get(node.type)
        if handler is not None:
            handler(self, node, here)
        else:
            self._children(node, here)

    def substitution(self, node: Node) -> tuple[int, ...]:
        first, here = len(self.commands), self.here
        label = "$(…)" if node.type == "command_substitution" else "<(…)"
        with self.apart():
            self._children(node, replace(here.into(label).deeper(), stdin=()))
            self.from_file(node, here)
        self.here = here
        return tuple(range(first, len(self.commands)))

    def _children(self, node: Node, here: Context) -> None:
        for child in node.children:
            if child.child_count:
                self.visit(child, here)

    def _list(self, node: Node, here: Context) -> None:
        """`a && b || c`: after a successful `cd` the next command is there and nowhere else."""
        parts = operands(node)
        seen = self.cwds
        for index, (operator, part) in enumerate(parts):
            if operator == "&&" and is_move(parts[index - 1][1]):
                self.cwds = self.arrived
            elif operator == "||":
                self.cwds = seen
            self.visit(part, here)
            seen = union(seen, self.cwds)
        self.cwds = seen

    def _pipeline(self, node: Node, here: Context) -> None:
        upstream = here.stdin
        for child in node.named_children:
            first = len(self.commands)
            with self.apart():
                self.visit(child, replace(here.into("|"), stdin=upstream))
            upstream += tuple(range(first, len(self.commands)))

    def _subshell(self, node: Node, here: Context) -> None:
        with self.apart():
            self._children(node, here.into("(…)"))

    def _loop(self, node: Node, here: Context) -> None:
        """A loop that changes folders is somewhere else each time round."""
        if moves(node):
            self.cwds = union(self.cwds, (UNKNOWN_FOLDER,))
        name = node.child_by_field_name("variable")
        if name is not None:
            self.here = here
            words = [w for n in node.children_by_field_name("value") for w in self.reader.words(n)]
            first = reversed(words[:MAX_VALUES])  # the latest that is remembered comes first
            self.remember((self.reader.text(name), word) for word in first)
        self._parts(node, here)

    def _parts(self, node: Node, here: Context) -> None:
        """A compound command: its words are looked through for substitutions too."""
        for child in node.children:
            if child.type in STATEMENTS:
                self.visit(child, here)
            else:
                self.loose(child, here)

    def _function(self, node: Node, here: Context) -> None:
        """A function's body runs when it is called, in whatever folder that is."""
        name_node, body = node.child_by_field_name("name"), node.child_by_field_name("body")
        name = self.reader.word(name_node).text if name_node is not None else ""
        self.functions.append(name)
        kept = self.cwds
        if self._moves:
            self.cwds = (UNKNOWN_FOLDER,)
        for child in node.children:
            if name_node is None or child.id != name_node.id:
                self.visit(child, replace(here.into(f"{name}()"), function=name))
        moved = body is not None and moves(body)
        self.cwds = union(kept, (UNKNOWN_FOLDER,)) if moved else kept


_HANDLERS: dict[str, Callable[[_Walker, Node, Context], None]] = {
    "list": _Walker._list,
    "pipeline": _Walker._pipeline,
    "subshell": _Walker._subshell,
    "redirected_statement": _Walker.redirected,
    "command": _Walker.command,
    "variable_assignment": _Walker.assignments,
    "variable_assignments": _Walker.assignments,
    "declaration_command": _Walker.declaration,
    "unset_command": _Walker.declaration,
    "test_command": _Walker.test,
    "function_definition": _Walker._function,
    "case_statement": _Walker._parts,
    "case_item": _Walker._parts,
    "for_statement": _Walker._loop,
    "while_statement": _Walker._loop,
    "c_style_for_statement": _Walker._loop,
}
