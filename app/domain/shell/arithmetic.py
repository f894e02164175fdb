"""What a shell evaluates as arithmetic: there, the value of a variable is code.

`x=$(cat f); echo $((x))` runs `cmd` when the file says `a[$(cmd)]`: a value is an expression like
any other. So it matters whether what a text computes with can be anything but a number.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tree_sitter import Node

_COMPARES = frozenset({"-eq", "-ne", "-lt", "-le", "-gt", "-ge"})
_COUNTING = re.compile(  # prints numbers, and no name of a file that could be more
    r"wc(?:\s+-\w+)*|nproc|seq(?:\s+(?:\d+|\$\w+))+|date\s+(?:-u\s+)?\+%s"
    r"|grep\s+-[a-qs-zA-Q]*c[a-qs-z]*(?:(?!\s-)[^|*?\[{$])*|git\s+rev-list\s[^\[]*--count[^\[]*"
)
_COUNTERS = frozenset({"wc", "nproc", "seq", "date", "grep", "git"})
_FILLS = frozenset({"read", "mapfile", "readarray", "getopts", "printf"})
_VARIABLES = ("special_variable_name", "variable_name")
_SUBSTITUTIONS = frozenset({"command_substitution", "process_substitution"})
_NAME = re.compile(r"[A-Za-z_]\w*")
_NUMBER = re.compile(r"[-+]?\d*")
_ALIAS = re.compile(  # `$x`, `${x:-0}`, `${x%.*}`: x, or a piece of it
    r"\$\{?(\w+|[@*])(?:(?:\[\d+\])?(?::?[-=]\d*|[%#]{1,2}[^{}$`'\"\[]*)?\})?"
)
_SET_BY_SHELL = re.compile(r"\$\{#[^{}]*\}|\$[#?$!]")
_GIVEN = "@"  # stands for all that a function or script is called with


class Sums:
    """What the texts walked so far compute with, and where the values come from."""

    def __init__(self) -> None:
        self._used = set[str]()
        self._open = set[str]()  # names whose value can be any text
        self._from = dict[str, set[str]]()  # names whose value is another's
        self._direct = ""
        self._anywhere = False  # a name that is not known here is given a value

    def look(self, root: Node) -> None:
        """Take in one text."""
        for node in _all(root):
            if node.type == "variable_assignment":
                name, value = node.child_by_field_name("name"), node.child_by_field_name("value")
                if name is not None:
                    self._give(_first_name(name), value)
            elif node.type == "for_statement":
                self._loop(node)
            elif node.type == "function_definition":
                self._open.add(_GIVEN)
                name = node.child_by_field_name("name")
                if name is not None and _text(name) in _COUNTERS:
                    self._direct = _text(name)
            elif node.type == "command":
                self._command(node)
            elif node.type == "declaration_command":
                self._declaration(node)
            for part in _computed(node):
                self._use(part)

    def unsure(self) -> str:
        """What is computed with and can be any text; empty if there is nothing such."""
        if self._direct:
            return self._direct
        if self._anywhere and self._used:
            return min(self._used)
        todo, seen = sorted(self._used), set[str]()
        while todo:
            name = todo.pop()
            if name in self._open:
                return name if name != _GIVEN else "$1"
            if name not in seen:
                seen.add(name)
                todo += self._from.get(name, ())
        return ""

    def _use(self, node: Node) -> None:
        for leaf in _all(node, but=_SUBSTITUTIONS):
            if leaf.type in _SUBSTITUTIONS:
                if not _counts(leaf):
                    self._direct = self._direct or _text(leaf)
            elif not leaf.child_count:
                text = _text(leaf)
                if leaf.type in _VARIABLES and _is_given(text):
                    self._used.add(_GIVEN)
                elif "$(" in text or "`" in text:
                    self._direct = self._direct or text
                elif leaf.is_named:
                    self._used.update(_NAME.findall(text))

    def _give(self, name: str, value: Node | None) -> None:
        """A variable's value: a number, another variable's, or any text."""
        if value is None or value.type == "arithmetic_expansion":
            return
        if value.type == "string" and len(value.named_children) == 1:
            inner = value.named_children[0]
            if len(_text(inner)) + 2 == len(_text(value)):
                value = inner
        text = _text(value)
        if value.type == "array":
            for child in value.named_children:
                self._give(name, child)
        elif (
            _counts(value) or _NUMBER.fullmatch(text.strip("'\"")) or _SET_BY_SHELL.fullmatch(text)
        ):
            return
        elif found := _ALIAS.fullmatch(text):
            other = _GIVEN if _is_given(found[1]) else found[1]
            self._from.setdefault(name, set()).add(other)
        elif _NAME.fullmatch(text):
            self._from.setdefault(name, set()).add(text)
        else:
            self._open.add(name)

    def _loop(self, node: Node) -> None:
        name = node.child_by_field_name("variable")
        values = node.children_by_field_name("value")
        for value in values:
            if name is not None and not re.fullmatch(r"\{\d+\.\.\d+(\.\.\d+)?\}", _text(value)):
                self._give(_text(name), value)
        if name is not None and not values:
            self._from.setdefault(_text(name), set()).add(_GIVEN)

    def _declaration(self, node: Node) -> None:
        integer = any(
            re.fullmatch(r"-[A-Za-z]*i[A-Za-z]*", _text(child)) for child in node.children
        )
        for child in node.named_children:
            if child.type in ("string", "concatenation", "raw_string", "ansi_c_string"):
                self._anywhere = True
            if integer:
                self._use(child)

    def _command(self, node: Node) -> None:
        name = node.child_by_field_name("name")
        arguments = node.children_by_field_name("argument")
        words = [_text(name) if name is not None else "", *map(_text, arguments)]
        while words[0] in ("builtin", "command") and len(words) > 1:
            words.pop(0)
        if words[0] == "set":
            self._open.add(_GIVEN)
        elif words[0] == "let":
            for argument in arguments:
                self._use(argument)
        elif words[0] in _FILLS and (words[0] != "printf" or "-v" in words):
            self._anywhere |= any("$" in word for word in words)
            self._open.update(("REPLY", "MAPFILE"), *(_NAME.findall(word) for word in words[1:]))


def _computed(node: Node) -> Iterator[Node]:
    """The parts of a node that are evaluated as arithmetic, if there are any."""
    opens = node.children[0].type if node.children else ""
    if node.type == "arithmetic_expansion" or opens == "((":
        yield from node.named_children
    elif node.type == "c_style_for_statement":
        yield from (child for child in node.named_children if child.type != "do_group")
    elif node.type == "subscript":
        yield from node.named_children[1:]
    elif node.type == "expansion":
        kinds = [child.type for child in node.children]
        if ":" in kinds:
            yield from node.children[kinds.index(":") + 1 :]
    elif node.type == "test_command" and opens == "[[":
        for part in _all(node, but=_SUBSTITUTIONS):
            operator = part.child_by_field_name("operator")
            if operator is not None and _text(operator) in _COMPARES:
                yield from part.named_children


def _counts(substitution: Node) -> bool:
    """Whether it is a command substitution that gives numbers and nothing else."""
    if substitution.type != "command_substitution" or len(substitution.named_children) != 1:
        return False
    last = substitution.named_children[0]
    while last.type in ("pipeline", "redirected_statement"):
        last = last.named_children[-1 if last.type == "pipeline" else 0]
    return last.type == "command" and _COUNTING.fullmatch(_text(last)) is not None


def _is_given(name: str) -> bool:
    """Whether it is `$1`, `$@`, …"""
    return name in ("@", "*") or (name.isdigit() and name != "0")


def _first_name(node: Node) -> str:
    found = _NAME.match(_text(node))
    return found[0] if found is not None else ""


def _all(root: Node, but: frozenset[str] = frozenset()) -> Iterator[Node]:
    """A node and all below it; what is below nodes of the kinds `but` is left out."""
    todo = [root]
    while todo:
        node = todo.pop()
        yield node
        if node.type not in but:
            todo.extend(node.children)


def _text(node: Node) -> str:
    return (node.text or b"").decode("utf-8", "replace")
