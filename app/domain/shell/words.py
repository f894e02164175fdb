"""Words out of syntax nodes: quotes and escapes resolved, what is unknown marked as such."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from app.domain.shell.braces import Char, expand
from app.domain.shell.models import Word

if TYPE_CHECKING:
    from tree_sitter import Node

Visit = Callable[["Node"], tuple[int, ...]]  # walks a substitution, gives its commands' indices

_LITERAL = {"word", "number", "extglob_pattern", "regex", "brace_expression", "variable_name"}
_LITERAL |= {"test_operator", "special_variable_name", "file_descriptor"}
_SUBSTITUTIONS = {"command_substitution", "process_substitution"}
_HOME = {"$HOME": "~", "${HOME}": "~", "$PWD": ".", "${PWD}": "."}
_HOME |= dict.fromkeys(("$(pwd)", "`pwd`", "$(pwd -P)"), ".")
_CHECKED = re.compile(r"\$\{(HOME|PWD):?[?-][^}]*\}")  # `${HOME:?}` is HOME, or nothing happens
_ESCAPES = dict(zip("abeEfnrtv", "\a\b\x1b\x1b\f\n\r\t\v", strict=True))
_ANSI = re.compile(
    r"\\(?:([abeEfnrtv])|x([0-9a-fA-F]{1,2})|u([0-9a-fA-F]{1,4})|U([0-9a-fA-F]{1,8})"
    r"|([0-7]{1,3})|c(.)|(.))",
    re.DOTALL,
)
_IN_DOUBLE = re.compile(r'\\([$`"\\])|\\\n')


@dataclass(slots=True)
class _Draft:
    chars: list[Char] = field(default_factory=list)
    dynamic: bool = False
    commands: tuple[int, ...] = ()
    home: bool = False

    def add(self, text: str, *, quoted: bool) -> None:
        self.chars.extend((char, quoted) for char in text)


@dataclass(frozen=True, slots=True)
class WordReader:
    """Reads words from nodes of one source text.

    `visit` is called for each substitution found in a word; `own_home` says that the text sets
    HOME or PWD itself, so that nothing can be assumed about them.
    """

    source: bytes
    visit: Visit
    own_home: bool = False

    def words(self, node: Node) -> tuple[Word, ...]:
        """The words that a node stands for: one, or more when it has braces."""
        draft = _Draft()
        self._read(node, draft)
        groups = expand(draft.chars)
        if groups is None:
            return (_finish(draft.chars, draft, force_dynamic=True),)
        return tuple(_finish(chars, draft) for chars in groups)

    def word(self, node: Node) -> Word:
        """The one word that a node stands for; dynamic if braces make it several."""
        words = self.words(node)
        if len(words) == 1:
            return words[0]
        return Word(text=self.text(node), dynamic=True)

    def text(self, node: Node) -> str:
        return self.source[node.start_byte : node.end_byte].decode("utf-8", "replace")

    def _read(self, node: Node, draft: _Draft) -> None:
        kind, text = node.type, self.text(node)
        if kind in ("concatenation", "command_name"):
            for child in node.children:
                self._read(child, draft)
        elif kind == "raw_string":
            draft.add(text[1:-1], quoted=True)
        elif kind == "ansi_c_string":
            draft.add(_ansi(text[2:-1]), quoted=True)
        elif kind in ("string", "translated_string"):
            self._string(node, draft)
        elif kind in _LITERAL or not node.is_named:
            _unquoted(text, draft)
        else:
            self._unknown(node, text, draft)

    def _string(self, node: Node, draft: _Draft) -> None:
        """A double-quoted string: what no child covers is literal text, blanks included."""
        draft.add("", quoted=True)
        if node.type == "translated_string":
            node = node.children[-1]
        position = node.start_byte + 1
        for child in node.named_children:
            if child.type == "string_content":
                continue
            self._in_double(position, child.start_byte, draft)
            self._unknown(child, self.text(child), draft)
            position = child.end_byte
        self._in_double(position, node.end_byte - 1, draft)

    def _in_double(self, start: int, end: int, draft: _Draft) -> None:
        raw = self.source[start:end].decode("utf-8", "replace")
        draft.add(_IN_DOUBLE.sub(lambda found: found[1] or "", raw), quoted=True)

    def _unknown(self, node: Node, text: str, draft: _Draft) -> None:
        known = _HOME.get(_CHECKED.sub(r"${\1}", text))
        if known and not draft.chars and not self.own_home:
            draft.home = known == "~"
            draft.add(known, quoted=True)
            return
        draft.dynamic = True
        draft.add(text, quoted=True)
        for found in substitutions(node):
            draft.commands += self.visit(found)


def substitutions(node: Node) -> list[Node]:
    """The outermost command and process substitutions in a node, itself included."""
    if node.type in _SUBSTITUTIONS:
        return [node]
    found: list[Node] = []
    todo = list(reversed(node.children))
    while todo:
        child = todo.pop()
        if child.type in _SUBSTITUTIONS:
            found.append(child)
        else:
            todo.extend(reversed(child.children))
    return found


def _finish(chars: list[Char], draft: _Draft, *, force_dynamic: bool = False) -> Word:
    text = "".join(char for char, _ in chars)
    home, dynamic = draft.home, draft.dynamic or force_dynamic
    if chars and chars[0] == ("~", False):
        if len(text) == 1 or text[1] == "/":
            home = True
        else:
            dynamic = True  # another user's home, or a folder of the shell's stack
    glob = any(not quoted and char in "*?[" for char, quoted in chars)
    return Word(text=text, dynamic=dynamic, glob=glob, home=home, commands=draft.commands)


def _unquoted(text: str, draft: _Draft) -> None:
    escaped = False
    for char in text:
        if escaped:
            if char != "\n":
                draft.chars.append((char, True))
            escaped = False
        elif char == "\\":
            escaped = True
        else:
            draft.chars.append((char, False))


def _ansi(text: str) -> str:
    def one(found: re.Match[str]) -> str:
        simple, two, four, eight, octal, control, other = found.groups()
        if simple:
            return _ESCAPES[simple]
        if two or four or eight:
            code = int(two or four or eight, 16)
            return chr(code) if code < 0x110000 and not 0xD800 <= code < 0xE000 else "\ufffd"
        if octal:
            return chr(int(octal, 8) & 0xFF)
        return chr(ord(control) & 0x1F) if control else other

    return _ANSI.sub(one, text)
