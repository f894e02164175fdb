"""What a variable may stand for: values that the text itself gives it.

A command with variables stays dynamic; this only adds the commands that it may turn out to be,
so that `X=/; rm -rf $X` is judged as what it is.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from itertools import product

from app.domain.shell.context import MAX_VALUES
from app.domain.shell.models import Word

_NAME = r"[A-Za-z_]\w*|[1-9@*]"
_VARIABLE = re.compile(rf"\$(?:\{{({_NAME})(?::?[-=](?P<default>[^${{}}`]*))?\}}|({_NAME}))")


def assigned(words: Sequence[Word]) -> Iterator[tuple[str, Word]]:
    """The assignments among the arguments of `export` and its like."""
    for word in words[1:]:
        name, equals, value = word.text.partition("=")
        if equals:
            yield name, word.model_copy(update={"text": value})


def filled(words: Sequence[Word], values: Mapping[str, list[Word]]) -> list[tuple[Word, ...]]:
    """The command with its variables replaced, once for each known value."""
    if not any(word.dynamic and _known(word, values) for word in words):
        return []
    found = list[tuple[Word, ...]]()
    # In quotes it stays one word, and without them it is split: a word does not say which it was.
    for turn, split in product(range(MAX_VALUES), (True, False)):
        candidate = tuple(part for word in words for part in _fill(word, values, turn, split))
        if candidate and candidate not in found and candidate != tuple(words):
            found.append(candidate)
    return found


def _known(word: Word, values: Mapping[str, list[Word]]) -> bool:
    return any(_choices(found, values) for found in _VARIABLE.finditer(word.text))


def _choices(found: re.Match[str], values: Mapping[str, list[Word]]) -> list[Word]:
    """What a variable may stand for; the default in `${x:-rm}` too."""
    default = found["default"]
    return values.get(found[1] or found[3], []) + ([Word(text=default)] if default else [])


def positional(words: Sequence[Word]) -> dict[str, list[Word]]:
    """The values of `$1`, `$2`, … `$@` for these arguments."""
    given = {str(number): [word] for number, word in enumerate(words[:9], start=1)}
    whole = [Word(text=" ".join(word.text for word in words))] if words else []
    return {**given, "@": whole, "*": whole}


def _fill(word: Word, values: Mapping[str, list[Word]], turn: int, split: bool) -> list[Word]:
    """The words that one word becomes with the variables' values of this turn."""
    if not word.dynamic or not _known(word, values):
        return [word]
    home = word.home
    whole = _VARIABLE.fullmatch(word.text)
    if whole is not None:
        choices = _choices(whole, values)
        chosen = choices[min(turn, len(choices) - 1)]
        if chosen.commands:  # what a substitution gave
            return [chosen]

    unknown = "`" in word.text or "$(" in word.text

    def value(found: re.Match[str]) -> str:
        nonlocal home, unknown
        choices = _choices(found, values)
        if not choices:
            unknown = True
            return found[0]
        chosen = choices[min(turn, len(choices) - 1)]
        home = home or (chosen.home and found.start() == 0)
        unknown = unknown or chosen.dynamic
        return chosen.text

    # What a value has in it of `$…` is text: the shell does not replace it once more.
    text = _VARIABLE.sub(value, word.text)
    parts = (text.split() if split and not unknown else [text]) or [""]
    return [
        Word(
            text=part,
            dynamic=unknown,
            glob=any(char in "*?[" for char in part),
            home=home and part.startswith("~"),
        )
        for part in parts
    ]
