"""Questions about syntax nodes."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tree_sitter import Node

MOVERS = ("cd", "pushd", "popd")
_OWN_FOLDER = ("subshell", "command_substitution", "process_substitution")


def operands(node: Node) -> list[tuple[str, Node]]:
    """The operands of `a && b || c` from left to right, each with the operator before it."""
    found: list[tuple[str, Node]] = []
    operator, todo = "", [node]
    while todo[-1].children and todo[-1].children[0].type == "list":
        todo.append(todo[-1].children[0])
    for current in reversed(todo):
        for child in current.children:
            if child.type == "list" and child in todo:
                continue
            if child.is_named:
                found.append((operator, child))
            else:
                operator = child.type
    return found


def last_part(node: Node) -> Node:
    """What a redirection after `a && b | c` belongs to: the grammar hangs it on the whole."""
    while node.type in ("list", "pipeline", "negated_command") and node.named_children:
        node = node.named_children[-1]
    return node


def is_move(node: Node) -> bool:
    """Whether a node is a command that changes the shell's folder."""
    name = node.child_by_field_name("name") if node.type == "command" else None
    return name is not None and (name.text or b"").decode("utf-8", "replace") in MOVERS


def moves(node: Node) -> bool:
    """Whether a node changes the shell's folder, other than within a subshell."""
    todo = [node]
    while todo:
        current = todo.pop()
        if current.type in _OWN_FOLDER:
            continue
        if is_move(current):
            return True
        todo.extend(current.children)
    return False


def leaves(node: Node) -> list[Node]:
    """The nodes without children."""
    found: list[Node] = []
    todo = [node]
    while todo:
        current = todo.pop()
        if current.child_count:
            todo.extend(current.children)
        else:
            found.append(current)
    return found
