"""From a shell text to its simple commands: through pipes, substitutions, wrappers, scripts."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import TYPE_CHECKING

from app.domain.shell.grammar import MAX_BYTES, distrust, tree
from app.domain.shell.models import Parsed, Redirect, SimpleCommand, Word
from app.domain.shell.words import WordReader, substitutions
from app.domain.shell.wrappers import SHELLS, Inner, shell_script_index, unwrap

if TYPE_CHECKING:
    from tree_sitter import Node

MAX_COMMANDS = 400
MAX_NODE_DEPTH = 60
MAX_SCRIPT_DEPTH = 6
MAX_FOLDERS = 6

Chain = tuple[Word, ...]
_UNKNOWN_FOLDER: Chain = (Word(text="$OLDPWD", dynamic=True),)
_MOVERS = ("cd", "pushd", "popd")
_OWN_HOME = re.compile(r"\b(?:HOME|PWD)\b(?:=|\s|$)")
_EVALUATES = re.compile(r"\$\(|`")
_LOOPS = ("for_statement", "while_statement", "c_style_for_statement")


class _TooMuch(Exception):
    """A bound was reached; what was found so far is kept."""


@dataclass(frozen=True, slots=True)
class _Context:
    via: tuple[str, ...] = ()
    stdin: tuple[int, ...] = ()
    function: str = ""
    depth: int = 0  # of syntax nodes
    scripts: int = 0  # of scripts within scripts
    inside: int | None = None

    def into(self, label: str) -> _Context:
        return replace(self, via=(*self.via, label))


@lru_cache(maxsize=256)
def parse(text: str) -> Parsed:
    """Take shell text apart. Never raises; what cannot be trusted is marked `unparsable`."""
    walker = _Walker()
    try:
        walker.script(text, _Context())
    except _TooMuch as error:
        walker.why = walker.why or str(error)
    return Parsed(
        commands=tuple(walker.commands),
        functions=tuple(dict.fromkeys(walker.functions)),
        unparsable=bool(walker.why),
        why=walker.why,
    )


class _Walker:
    """Collects the simple commands of one text and of the scripts inside it."""

    def __init__(self) -> None:
        self.commands = list[SimpleCommand]()
        self.functions = list[str]()
        self.why = ""
        self.cwds: tuple[Chain, ...] = ((),)
        self._reader = WordReader(b"", self._substitution)
        self._here = _Context()
        self._arrived: tuple[Chain, ...] = ((),)
        self._moves = False

    def script(self, text: str, here: _Context) -> None:
        """Parse and walk a text: the whole one, or the argument of `bash -c`."""
        if here.scripts > MAX_SCRIPT_DEPTH:
            raise _TooMuch("scripts are nested too deep")
        self.why = self.why or distrust(text)
        data = text.encode("utf-8", "replace")
        if len(data) > MAX_BYTES:
            raise _TooMuch(self.why)
        root = tree(data)
        if root.has_error:
            self.why = self.why or "the shell grammar does not know this form"
        outer, moves = self._reader, self._moves
        own_home = _OWN_HOME.search(text) is not None
        self._reader = WordReader(data, self._substitution, own_home)
        self._moves = _moves(root)
        self.visit(root, here)
        self._reader, self._moves = outer, moves

    def visit(self, node: Node, here: _Context) -> None:
        if here.depth > MAX_NODE_DEPTH:
            raise _TooMuch("the command is nested too deep")
        self._here = here
        here = replace(here, depth=here.depth + 1)
        handler = _HANDLERS.get(node.type)
        if handler is not None:
            handler(self, node, here)
        else:
            self._children(node, here)

    def _children(self, node: Node, here: _Context) -> None:
        for child in node.children:
            if child.child_count:
                self.visit(child, here)

    # --- structure -------------------------------------------------------------------------

    def _list(self, node: Node, here: _Context) -> None:
        """`a && b || c`: after a successful `cd` the next command is there and nowhere else."""
        parts = _flatten(node)
        seen = self.cwds
        for index, (operator, part) in enumerate(parts):
            if operator == "&&" and _is_move(parts[index - 1][1], self._reader):
                self.cwds = self._arrived
            elif operator == "||":
                self.cwds = seen
            self.visit(part, here)
            seen = _union(seen, self.cwds)
        self.cwds = seen

    def _pipeline(self, node: Node, here: _Context) -> None:
        upstream = here.stdin
        for child in node.children:
            if not child.is_named:
                continue
            kept, first = self.cwds, len(self.commands)
            self.visit(child, replace(here.into("|"), stdin=upstream))
            upstream += tuple(range(first, len(self.commands)))
            self.cwds = kept

    def _subshell(self, node: Node, here: _Context) -> None:
        kept = self.cwds
        self._children(node, here.into("(…)"))
        self.cwds = kept

    def _substitution(self, node: Node) -> tuple[int, ...]:
        kept, first, here = self.cwds, len(self.commands), self._here
        label = "$(…)" if node.type == "command_substitution" else "<(…)"
        self._children(node, replace(here.into(label), depth=here.depth + 1, stdin=()))
        # `$(< file)` has no command of its own, only a redirection.
        for child in node.children:
            if child.type == "file_redirect":
                self._add(SimpleCommand(redirects=self._redirect(child)[0], cwds=self.cwds), here)
        self.cwds, self._here = kept, here
        return tuple(range(first, len(self.commands)))

    def _loop(self, node: Node, here: _Context) -> None:
        if _moves(node):
            self.cwds = _union(self.cwds, (_UNKNOWN_FOLDER,))
        self._values(node, here)

    def _values(self, node: Node, here: _Context) -> None:
        """A compound command: its words are looked through for substitutions too."""
        for child in node.children:
            if child.type in _STATEMENTS:
                self.visit(child, here)
            else:
                self._loose(child, here)

    def _loose(self, node: Node, here: _Context) -> None:
        """A node outside any command (a loop's value, a test's operand)."""
        if node.type in ("raw_string", "ansi_c_string") and _EVALUATES.search(
            self._reader.text(node)
        ):
            self.why = self.why or "a quoted text with a substitution is evaluated"
        self._here = here
        for found in substitutions(node):
            self._substitution(found)
            self._here = here

    def _function(self, node: Node, here: _Context) -> None:
        name_node, body = node.child_by_field_name("name"), node.child_by_field_name("body")
        name = self._reader.word(name_node).text if name_node is not None else ""
        self.functions.append(name)
        kept = self.cwds
        if self._moves:
            self.cwds = (_UNKNOWN_FOLDER,)
        for child in node.children:
            if child != name_node:
                self.visit(child, replace(here.into(f"{name}()"), function=name))
        moved = body is not None and _moves(body)
        self.cwds = _union(kept, (_UNKNOWN_FOLDER,)) if moved else kept

    # --- commands --------------------------------------------------------------------------

    def _redirected(self, node: Node, here: _Context) -> None:
        body = node.child_by_field_name("body")
        redirects, extra = self._redirects(node, here)
        if body is not None and body.type == "command":
            self._command(body, here, redirects, extra)
        elif body is not None and body.type in ("declaration_command", "unset_command"):
            self._declaration(body, here, redirects)
        else:
            if any(not redirect.harmless for redirect in redirects):
                self._add(SimpleCommand(redirects=redirects, cwds=self.cwds), here)
            if body is not None:
                feeds = tuple(i for r in redirects for i in r.target.commands)
                self.visit(body, replace(here, stdin=here.stdin + feeds))
        self._heredoc_tails(node, here)

    def _heredoc_tails(self, node: Node, here: _Context) -> None:
        """`cat <<X | sh`: the grammar hangs what follows on the here-document."""
        last = len(self.commands) - 1
        for child in node.children:
            if child.type != "heredoc_redirect":
                continue
            for tail in child.children:
                piped = tail.type == "pipeline" and last >= 0
                if tail.type in _STATEMENTS:
                    context = replace(here.into("|"), stdin=(*here.stdin, last)) if piped else here
                    self.visit(tail, context)

    def _redirects(self, node: Node, here: _Context) -> tuple[tuple[Redirect, ...], Chain]:
        redirects, extra = tuple[Redirect, ...](), tuple[Word, ...]()
        for child in node.children:
            if child.type.endswith("_redirect"):
                self._here = here
                found, words = self._redirect(child)
                redirects, extra = redirects + found, extra + words
        return redirects, extra

    def _redirect(self, node: Node) -> tuple[tuple[Redirect, ...], tuple[Word, ...]]:
        """A redirection, and the arguments that the grammar takes for further targets."""
        operator, fd = "", ""
        targets = list[Word]()
        others, extra = tuple[Redirect, ...](), tuple[Word, ...]()
        for child in node.children:
            if child.type == "file_descriptor":
                fd = self._reader.text(child)
            elif child.type == "heredoc_body":
                targets.append(self._heredoc(child))
            elif child.type.endswith("_redirect"):
                found, words = self._redirect(child)
                others, extra = others + found, extra + words
            elif child.type in _STATEMENTS or child.type in ("heredoc_start", "heredoc_end"):
                continue
            elif child.is_named and node.type == "heredoc_redirect":
                extra += self._reader.words(child)
            elif child.is_named:
                targets.extend(self._reader.words(child))
            elif not operator:
                operator = child.type
        target = targets[0] if targets else Word(text="")
        redirect = Redirect(op=operator, target=target, fd=fd)
        return (redirect, *others), extra + tuple(targets[1:])

    def _heredoc(self, node: Node) -> Word:
        commands = tuple[int, ...]()
        for found in substitutions(node):
            commands += self._substitution(found)
        dynamic = any(c.type not in ("heredoc_content",) for c in node.named_children)
        return Word(text=self._reader.text(node), dynamic=dynamic, commands=commands)

    def _command(
        self,
        node: Node,
        here: _Context,
        redirects: tuple[Redirect, ...] = (),
        extra: Chain = (),
    ) -> None:
        words, assignments = list[Word](), list[tuple[str, Word]]()
        for child in node.children:
            self._here = here
            if child.type == "variable_assignment":
                assignments.append(self._assignment(child))
            elif child.type.endswith("_redirect"):
                found, more = self._redirect(child)
                redirects += found
                extra += more
            elif child.is_named and child.type != "comment":
                words.extend(self._reader.words(child))
        words.extend(extra)
        self._emit(tuple(words), tuple(assignments), redirects, here)

    def _assignments(self, node: Node, here: _Context) -> None:
        nodes = [node] if node.type == "variable_assignment" else node.named_children
        self._here = here
        found = tuple(self._assignment(n) for n in nodes if n.type == "variable_assignment")
        self._emit((), found, (), here)

    def _assignment(self, node: Node) -> tuple[str, Word]:
        name, value = node.child_by_field_name("name"), node.child_by_field_name("value")
        here = self._here
        if name is not None:
            for found in substitutions(name):
                self._substitution(found)
                self._here = here
        label = self._reader.text(name) if name is not None else ""
        return label, self._reader.word(value) if value is not None else Word(text="")

    def _declaration(
        self, node: Node, here: _Context, redirects: tuple[Redirect, ...] = ()
    ) -> None:
        """`export`, `declare`, `local`, `readonly`, `unset`: a builtin with assignments."""
        words, assignments = list[Word](), list[tuple[str, Word]]()
        for child in node.children:
            self._here = here
            if child.type == "variable_assignment":
                assignments.append(self._assignment(child))
            else:
                words.extend(self._reader.words(child))
        shown = [Word(text=f"{n}={v.text}", dynamic=v.dynamic) for n, v in assignments]
        self._emit((*words, *shown), (), redirects, here)

    def _test(self, node: Node, here: _Context) -> None:
        first = len(self.commands)
        self._values(node, here)
        for child in _leaves(node):
            self._loose(child, here) if child.type in ("raw_string", "ansi_c_string") else None
        text = self._reader.text(node)
        inner = Word(text=text[2:-2].strip() if text.startswith("[[") else text[1:-1].strip())
        dynamic = len(self.commands) > first
        words = (Word(text="test"), inner.model_copy(update={"dynamic": dynamic}))
        self._emit(words, (), (), here)

    def _emit(
        self,
        words: Chain,
        assignments: tuple[tuple[str, Word], ...],
        redirects: tuple[Redirect, ...],
        here: _Context,
        *,
        more: bool = False,
    ) -> None:
        """Add a simple command, and the commands that it wraps."""
        feeds = tuple(i for r in redirects for i in r.target.commands)
        command = SimpleCommand(
            words=words,
            assignments=assignments,
            redirects=redirects,
            via=here.via,
            stdin_from=here.stdin + feeds,
            cwds=self.cwds,
            inside=here.inside,
            function=here.function,
            dynamic_arguments=more,
        )
        if any(_EVALUATES.search(value.text) for _, value in assignments if not value.dynamic):
            self.why = self.why or "a variable is given a text with a substitution"
        unwrapped = unwrap(command.name, words) if words and not words[0].dynamic else None
        bare = not command.effective_redirects and not assignments and not feeds
        if unwrapped is not None and unwrapped.transparent and bare:
            command = command.model_copy(update={"transparent": True})
        index = self._add(command, here)
        for inner in unwrapped.inner if unwrapped is not None else self._fed(command):
            self._inner(inner, command.name, index, replace(here, stdin=here.stdin + feeds))
        self._move(command)

    def _add(self, command: SimpleCommand, here: _Context) -> int:
        if len(self.commands) >= MAX_COMMANDS:
            raise _TooMuch(f"there are more than {MAX_COMMANDS} commands in it")
        if command.via != here.via:
            command = command.model_copy(update={"via": here.via, "function": here.function})
        self.commands.append(command)
        return len(self.commands) - 1

    def _inner(self, inner: Inner, name: str, index: int, here: _Context) -> None:
        kept = self.cwds
        if inner.cwd is not None:
            self.cwds = tuple((*chain, inner.cwd) for chain in self.cwds)
        label = f"{name} -c" if name in SHELLS else name
        here = replace(here.into(label), scripts=here.scripts + 1, depth=here.depth + 1)
        if here.scripts > MAX_SCRIPT_DEPTH:
            raise _TooMuch("commands are wrapped too deep")
        if inner.script is not None:
            self.script(inner.script, replace(here, inside=None))
        else:
            inside = replace(here, inside=index)
            self._emit(inner.words, inner.assignments, (), inside, more=inner.more)
        if not inner.same_shell:
            self.cwds = kept

    def _fed(self, command: SimpleCommand) -> list[Inner]:
        """Scripts that a shell reads from its input: here-documents, and what `echo` says."""
        if command.name not in SHELLS or shell_script_index(command.words)[0] is not None:
            return []
        scripts = [Inner(script=r.target.text) for r in command.redirects if r.is_text]
        for index in command.stdin_from:
            source = self.commands[index]
            if source.name in ("echo", "printf"):
                text = " ".join(word.text for word in source.words[1:] if word.text != "-e")
                scripts.append(Inner(script=text.replace("\\n", "\n")))
            scripts += [Inner(script=r.target.text) for r in source.redirects if r.is_text]
        return scripts

    # --- folders ---------------------------------------------------------------------------

    def _move(self, command: SimpleCommand) -> None:
        if command.name not in _MOVERS:
            return
        args = [w for w in command.words[1:] if w.text == "-" or not w.text.startswith("-")]
        if command.name == "popd" or (args and args[0].text == "-"):
            target = _UNKNOWN_FOLDER[0]
        elif args:
            target = args[0]
        else:
            target = Word(text="~", home=True)
        self._arrived = tuple((*chain, target) for chain in self.cwds)
        self.cwds = _union(self._arrived, self.cwds)


def _union(first: tuple[Chain, ...], second: tuple[Chain, ...]) -> tuple[Chain, ...]:
    """Both sets of folders; too many of them, and it is unknown."""
    both = tuple(dict.fromkeys((*first, *second)))
    return both if len(both) <= MAX_FOLDERS else (_UNKNOWN_FOLDER,)


def _flatten(node: Node) -> list[tuple[str, Node]]:
    """The operands of `a && b || c` from left to right, each with the operator before it."""
    operands: list[tuple[str, Node]] = []
    operator = ""
    todo = [node]
    while todo[-1].children and todo[-1].children[0].type == "list":
        todo.append(todo[-1].children[0])
    for current in reversed(todo):
        for child in current.children:
            if child.type == "list" and child in todo:
                continue
            if child.is_named:
                operands.append((operator, child))
            else:
                operator = child.type
    return operands


def _is_move(node: Node, reader: WordReader) -> bool:
    name = node.child_by_field_name("name") if node.type == "command" else None
    return name is not None and reader.text(name) in _MOVERS


def _moves(node: Node) -> bool:
    """Whether a node changes the shell's folder, other than within a subshell."""
    todo = [node]
    while todo:
        current = todo.pop()
        if current.type in ("subshell", "command_substitution", "process_substitution"):
            continue
        name = current.child_by_field_name("name") if current.type == "command" else None
        if name is not None and (name.text or b"").decode("utf-8", "replace") in _MOVERS:
            return True
        todo.extend(current.children)
    return False


def _leaves(node: Node) -> list[Node]:
    found: list[Node] = []
    todo = [node]
    while todo:
        current = todo.pop()
        if current.child_count:
            todo.extend(current.children)
        else:
            found.append(current)
    return found


_HANDLERS = {
    "list": _Walker._list,
    "pipeline": _Walker._pipeline,
    "subshell": _Walker._subshell,
    "redirected_statement": _Walker._redirected,
    "command": _Walker._command,
    "variable_assignment": _Walker._assignments,
    "variable_assignments": _Walker._assignments,
    "declaration_command": _Walker._declaration,
    "unset_command": _Walker._declaration,
    "test_command": _Walker._test,
    "function_definition": _Walker._function,
    "case_statement": _Walker._values,
    "case_item": _Walker._values,
    **dict.fromkeys(_LOOPS, _Walker._loop),
}
_STATEMENTS = frozenset(_HANDLERS) | {
    "compound_statement",
    "if_statement",
    "elif_clause",
    "else_clause",
    "do_group",
    "negated_command",
    "heredoc_redirect",
    "ERROR",
}
