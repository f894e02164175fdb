"""What a variable may stand for: values that the text itself gives it.

A command with variables stays dynamic; this only adds the commands that it may turn out to be,
so that `X=/; rm -rf $X` is judged as what it is.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence

from app.domain.shell.context import MAX_VALUES
from app.domain.shell.models import Word

_VARIABLE = re.compile(r"\$(?:\{([A-Za-z_]\w*)\}|([A-Za-z_]\w*))")


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
    for turn in range(MAX_VALUES):
        candidate = tuple(part for word in words for part in _fill(word, values, turn))
        if candidate and candidate not in found and candidate != tuple(words):
            found.append(candidate)
    return found


def _known(word: Word, values: Mapping[str, list[Word]]) -> bool:
    return any(values.get(m[1] or m[2]) for m in _VARIABLE.finditer(word.text))


def _fill(word: Word, values: Mapping[str, list[Word]], turn: int) -> list[Word]:
    """The words that one word becomes with the variables' values of this turn."""
    if not word.dynamic or not _known(word, values):
        return [word]
    home = word.home

    def value(found: re.Match[str]) -> str:
        nonlocal home
        choices = values.get(found[1] or found[2])
        if not choices:
            return found[0]
        chosen = choices[min(turn, len(choices) - 1)]
        home = home or (chosen.home and found.start() == 0)
        return chosen.text

    text = _VARIABLE.sub(value, word.text)
    rest = _VARIABLE.search(text) is not None or "`" in text or "$(" in text
    parts = text.split() or [""]
    return [
        Word(
            text=part,
            dynamic=rest,
            glob=any(char in "*?[" for char in part),
            home=home and part.startswith("~"),
        )
        for part in parts
    ]
