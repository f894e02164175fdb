"""The shell grammar: a tree for a text, and the texts for which the tree cannot be trusted."""

from __future__ import annotations

import re
from functools import cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tree_sitter import Node, Parser

MAX_BYTES = 64 * 1024
# Where it meets errors the parser's time grows with the square of the number of tokens: half a
# second at this many signs, a minute at MAX_BYTES of them.
MAX_SIGNS = 4000
_SIGNS = re.compile(r"[^\w\s.,:/-]")

# The grammar takes any white space of Unicode as a separator, a shell only blank, tab, newline.
# Other controls do nothing good in a command.
_STRANGE = re.compile(r"[^\S \t\n]|[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff\ufeff\u200b-\u200f]")

# The grammar takes a continued line as a separator where a shell joins the two halves of a word.
_JOINED = re.compile(r"[^\s\\;&|(](?:\\\\)*\\\n[^\s;&|)]")

# `${x@P}` runs the substitutions inside the value of x.
_PROMPT = re.compile(r"\$\{[^}]{0,200}@[PEAa]\}")

# The grammar's scanner reads outside its tables, and can crash, at characters beyond ASCII
# (tree-sitter-bash issue 337). To a shell they are plain parts of a word, so the tree is made
# of a text where each of their bytes is a sign that is just that, and no part of a name.
_MASK = bytes(range(0x80)) + b"%" * 0x80
_FOREIGN_END = re.compile(r"<<-?[ \t]*[^\s;&|]{0,200}?[^\x00-\x7f]")


@cache
def _parser() -> Parser:
    import tree_sitter_bash
    from tree_sitter import Language, Parser

    return Parser(Language(tree_sitter_bash.language()))


def too_large(text: str) -> str:
    """Why this text is not even parsed; empty if it is."""
    if len(text.encode("utf-8", "replace")) > MAX_BYTES:
        return f"the command is longer than {MAX_BYTES // 1024} KiB"
    if len(text) > MAX_SIGNS and len(_SIGNS.findall(text)) > MAX_SIGNS:
        return f"the command has over {MAX_SIGNS} signs in it"
    return ""


def distrust(text: str) -> str:
    """Why the tree of this text could differ from what a shell makes of it; empty if it cannot."""
    if found := _STRANGE.search(text):
        return f"it contains the character U+{ord(found.group()):04X}"
    if _PROMPT.search(text):
        return "it expands a variable as a prompt"
    if _FOREIGN_END.search(text):
        return "the end of a here-document is not plain ASCII"
    if _JOINED.search(text):
        return "a word goes on over the end of a line"
    return ""


def tree(data: bytes) -> Node:
    """The root of the text's syntax tree; it has `has_error` set where the grammar gave up.

    Positions are those of `data`, but the nodes' own `text` is masked: read from `data`.
    """
    return _parser().parse(data.translate(_MASK)).root_node
