"""Brace expansion of a word: `{a,b}` and `{1..3}`, as a shell does it before anything else."""

from __future__ import annotations

import re

MAX_WORDS = 64
MAX_LENGTH = 1000

Char = tuple[str, bool]  # a character, and whether it was quoted

_RANGE = re.compile(r"(-?\d{1,4})\.\.(-?\d{1,4})")


def expand(chars: list[Char]) -> list[list[Char]] | None:
    """The words that the braces make of one word; None if that is too much work."""
    if ("{", False) not in chars or ("}", False) not in chars:
        return [chars]
    if len(chars) > MAX_LENGTH:
        return None
    done, todo = list[list[Char]](), [chars]
    while todo:
        word = todo.pop(0)
        span = _first_group(word)
        if span is None:
            done.append(word)
        else:
            start, end, parts = span
            todo[:0] = [word[:start] + part + word[end + 1 :] for part in parts]
        if len(done) + len(todo) > MAX_WORDS:
            return None
    return done


def _first_group(word: list[Char]) -> tuple[int, int, list[list[Char]]] | None:
    """The first expanding group: where it starts and ends, and what takes its place."""
    for start, char in enumerate(word):
        if char != ("{", False) or (start and word[start - 1] == ("$", False)):
            continue
        end = _closing(word, start)
        if end is None:
            continue
        parts = _parts(word[start + 1 : end])
        if parts is not None:
            return start, end, parts
    return None


def _closing(word: list[Char], start: int) -> int | None:
    depth = 0
    for index in range(start, len(word)):
        if word[index] == ("{", False):
            depth += 1
        elif word[index] == ("}", False):
            depth -= 1
            if depth == 0:
                return index
    return None


def _parts(inner: list[Char]) -> list[list[Char]] | None:
    parts, depth = [list[Char]()], 0
    for char in inner:
        depth += (char == ("{", False)) - (char == ("}", False))
        if char == (",", False) and depth == 0:
            parts.append([])
        else:
            parts[-1].append(char)
    if len(parts) > 1:
        return parts
    return _range("".join(char for char, _ in inner))


def _range(text: str) -> list[list[Char]] | None:
    if found := _RANGE.fullmatch(text):
        first, last = int(found[1]), int(found[2])
        step = 1 if last >= first else -1
        numbers = range(first, last + step, step)
        return [[(c, False) for c in str(n)] for n in numbers[: MAX_WORDS + 1]]
    if re.fullmatch(r"[A-Za-z]\.\.[A-Za-z]", text):
        codes = range(min(ord(text[0]), ord(text[3])), max(ord(text[0]), ord(text[3])) + 1)
        return [[(chr(code), False)] for code in codes]
    return None
