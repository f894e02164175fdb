"""Globs of approval rules: for command texts, and for paths."""

from __future__ import annotations

import re
from functools import lru_cache

_WILD = re.compile(r"[*?\[]")


def literal_head(glob: str) -> str:
    """The part of a glob before its first wildcard."""
    found = _WILD.search(glob)
    return glob if found is None else glob[: found.start()]


def literal(text: str) -> str:
    """A glob that matches exactly this text."""
    return re.sub(r"([*?\[{},])", r"[\1]", text)


@lru_cache(maxsize=512)
def path_pattern(glob: str, *, strict: bool) -> re.Pattern[str]:
    """A path glob as a regular expression for whole paths.

    `*` and `?` stay within a folder, `**` crosses folders, `{a,b}` are alternatives. Strict: as
    in a shell, a wildcard does not stand for a leading dot. Not strict: `*` crosses folders.
    """
    parts, index = ["(?s:"], 0
    depth = 0
    while index < len(glob):
        char = glob[index]
        start = index == 0 or glob[index - 1] in "/{,"
        dot = r"(?!\.)" if strict and start else ""
        if glob.startswith("**/", index) and start:
            parts.append(r"(?:(?!\.)[^/]+/)*" if strict else r"(?:.*/)?")
            index += 2
        elif glob.startswith("**", index):
            parts.append(r"(?:(?!\.)[^/]+(?:/(?!\.)[^/]+)*)?" if strict and start else ".*")
            index += 1
        elif char == "*":
            parts.append(f"{dot}[^/]*" if strict else ".*")
        elif char == "?":
            parts.append(f"{dot}[^/]")
        elif char == "[" and (end := glob.find("]", index + 2)) > 0:
            body = glob[index + 1 : end]
            negated = body[:1] in "!^"
            inner = re.sub(r"([\\\[\]^&~|])", r"\\\1", body[1:] if negated else body)
            parts.append(f"(?!/)[{'^' if negated else ''}{inner}]")
            index = end
        elif char == "{" and "}" in glob[index:]:
            parts.append("(?:")
            depth += 1
        elif char == "}" and depth:
            parts.append(")")
            depth -= 1
        elif char == "," and depth:
            parts.append("|")
        else:
            parts.append(re.escape(char))
        index += 1
    return _compiled("".join(parts) + ")" * (depth + 1))


def _compiled(pattern: str) -> re.Pattern[str]:
    try:
        return re.compile(pattern)
    except re.error:  # a class such as [z-a]: matches nothing, so the rule never allows
        return re.compile(r"(?!)")
