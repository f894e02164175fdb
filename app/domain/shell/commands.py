"""Simple commands out of syntax nodes: words, assignments, redirections, here-documents."""

from __future__ import annotations

import re
from abc import abstractmethod
from dataclasses import replace
from typing import TYPE_CHECKING

from app.domain.shell.collect import Collector
from app.domain.shell.context import Chain, Context
from app.domain.shell.models import Redirect, SimpleCommand, Word
from app.domain.shell.nodes import last_part, leaves
from app.domain.shell.words import WordReader, substitutions

if TYPE_CHECKING:
    from tree_sitter import Node

_EVALUATES = re.compile(r"\$\(|`")
STATEMENTS = frozenset(
    (
        *("list", "pipeline", "subshell", "redirected_statement", "command", "test_command"),
        *("variable_assignment", "variable_assignments", "declaration_command", "unset_command"),
        *("function_definition", "case_statement", "case_item", "compound_statement"),
        *("for_statement", "while_statement", "c_style_for_statement", "do_group"),
        *("if_statement", "elif_clause", "else_clause", "negated_command", "ERROR"),
    )
)


class CommandReader(Collector):
    """Reads the nodes of simple commands."""

    def __init__(self) -> None:
        super().__init__()
        self.reader = WordReader(b"", self.substitution)
        self.here = Context()
        # Redirections that belong to a later node than the one the grammar hangs them on.
        self._owed: dict[int, Node] = {}

    @abstractmethod
    def visit(self, node: Node, here: Context) -> None:
        """Walk any node."""

    @abstractmethod
    def substitution(self, node: Node) -> tuple[int, ...]:
        """Walk a substitution; the indices of its commands."""

    def redirected(self, node: Node, here: Context) -> None:
        """A statement with redirections; those of a list belong to its last command."""
        body = node.child_by_field_name("body")
        target = last_part(body) if body is not None else None
        if body is not None and target is not None and target.id != body.id:
            self._owed[target.id] = node
            self.visit(body, here)
        else:
            self._apply(node, body, here)
        self._tails(node, here)

    def owed(self, node: Node, here: Context) -> bool:
        """Read the node with the redirections it is owed; False if there are none."""
        holder = self._owed.pop(node.id, None)
        if holder is None:
            return False
        self._apply(holder, node, here)
        return True

    def _apply(self, holder: Node, body: Node | None, here: Context) -> None:
        redirects, extra = self._redirects(holder, here)
        if body is not None and body.type == "command":
            self.command(body, here, redirects, extra)
        elif body is not None and body.type in ("declaration_command", "unset_command"):
            self.declaration(body, here, redirects)
        else:
            if any(not redirect.harmless for redirect in redirects):
                self.emit((), (), redirects, here)
            if body is not None:
                feeds = tuple(i for r in redirects for i in r.target.commands)
                self.visit(body, replace(here, stdin=here.stdin + feeds))

    def _tails(self, node: Node, here: Context) -> None:
        """`cat <<X | sh`: the grammar hangs what follows on the here-document."""
        last = len(self.commands) - 1
        for child in node.children:
            if child.type != "heredoc_redirect":
                continue
            for tail in child.children:
                if tail.type not in STATEMENTS:
                    continue
                piped = tail.type == "pipeline" and last >= 0
                self.visit(tail, replace(here, stdin=(*here.stdin, last)) if piped else here)

    def _redirects(self, node: Node, here: Context) -> tuple[tuple[Redirect, ...], Chain]:
        redirects, extra = tuple[Redirect, ...](), tuple[Word, ...]()
        for child in node.children:
            if child.type.endswith("_redirect"):
                self.here = here
                found, words = self.redirect(child)
                redirects, extra = redirects + found, extra + words
        return redirects, extra

    def redirect(self, node: Node) -> tuple[tuple[Redirect, ...], Chain]:
        """A redirection, and the arguments that the grammar takes for further targets."""
        operator, fd = "", ""
        targets = list[Word]()
        others, extra = tuple[Redirect, ...](), tuple[Word, ...]()
        for child in node.children:
            if child.type == "file_descriptor":
                fd = self.reader.text(child)
            elif child.type == "heredoc_body":
                targets.append(self._heredoc(child))
            elif child.type.endswith("_redirect"):
                found, words = self.redirect(child)
                others, extra = others + found, extra + words
            elif child.type in STATEMENTS or child.type in ("heredoc_start", "heredoc_end"):
                continue
            elif child.is_named and node.type == "heredoc_redirect":
                extra += self.reader.words(child)
            elif child.is_named:
                targets.extend(self.reader.words(child))
            elif not operator:
                operator = child.type
        target = targets[0] if targets else Word(text="")
        redirect = Redirect(op=operator, target=target, fd=fd)
        return (redirect, *others), extra + tuple(targets[1:])

    def _heredoc(self, node: Node) -> Word:
        commands = tuple[int, ...]()
        for found in substitutions(node):
            commands += self.substitution(found)
        dynamic = any(child.type != "heredoc_content" for child in node.named_children)
        return Word(text=self.reader.text(node), dynamic=dynamic, commands=commands)

    def command(
        self,
        node: Node,
        here: Context,
        redirects: tuple[Redirect, ...] = (),
        extra: Chain = (),
    ) -> None:
        """A simple command: assignments, words, redirections in any order."""
        words, assignments = list[Word](), list[tuple[str, Word]]()
        for child in node.children:
            self.here = here
            if child.type == "variable_assignment":
                assignments.append(self._assignment(child))
            elif child.type.endswith("_redirect"):
                found, more = self.redirect(child)
                redirects += found
                extra += more
            elif child.is_named and child.type != "comment":
                words.extend(self.reader.words(child))
        words.extend(extra)
        self.emit(tuple(words), tuple(assignments), redirects, here)

    def assignments(self, node: Node, here: Context) -> None:
        """Assignments that stand alone."""
        nodes = [node] if node.type == "variable_assignment" else node.named_children
        self.here = here
        found = tuple(self._assignment(n) for n in nodes if n.type == "variable_assignment")
        self.emit((), found, (), here)

    def _assignment(self, node: Node) -> tuple[str, Word]:
        name, value = node.child_by_field_name("name"), node.child_by_field_name("value")
        here = self.here
        if name is not None:
            for found in substitutions(name):
                self.substitution(found)
                self.here = here
        label = self.reader.text(name) if name is not None else ""
        return label, self.reader.word(value) if value is not None else Word(text="")

    def declaration(self, node: Node, here: Context, redirects: tuple[Redirect, ...] = ()) -> None:
        """`export`, `declare`, `local`, `readonly`, `unset`: a builtin with assignments."""
        words = list[Word]()
        for child in node.children:
            self.here = here
            if child.type == "variable_assignment":
                name, value = self._assignment(child)
                words.append(value.model_copy(update={"text": f"{name}={value.text}"}))
            else:
                words.extend(self.reader.words(child))
        self.emit(tuple(words), (), redirects, here)

    def test(self, node: Node, here: Context) -> None:
        """`[ … ]` and `[[ … ]]`: shown as `test …`, looked through for substitutions."""
        first = len(self.commands)
        for child in node.children:
            self.loose(child, here)
        for leaf in leaves(node):
            if leaf.type in ("raw_string", "ansi_c_string"):
                self.loose(leaf, here)
        text = self.reader.text(node)
        inner = text[2:-2].strip() if text.startswith("[[") else text[1:-1].strip()
        word = Word(text=inner, dynamic=len(self.commands) > first)
        self.emit((Word(text="test"), word), (), (), here)

    def loose(self, node: Node, here: Context) -> None:
        """A node outside any command (a loop's value, a test's operand)."""
        quoted = node.type in ("raw_string", "ansi_c_string")
        if quoted and _EVALUATES.search(self.reader.text(node)):
            self.doubt("a quoted text with a substitution is evaluated")
        for found in substitutions(node):
            self.here = here
            self.substitution(found)

    def from_file(self, node: Node, here: Context) -> None:
        """`$(< file)`: a substitution that has only a redirection."""
        for child in node.children:
            if child.type == "file_redirect":
                self.here = here
                self.add(SimpleCommand(redirects=self.redirect(child)[0], cwds=self.cwds))
