"""The JSON value in an agent's output, read so that no two readers can disagree on it."""

from __future__ import annotations

import json
import re
from typing import Any

from app.domain.text import one_line

_WIDTH = 300
_FENCE = r"^ {0,3}(?P<ticks>`{3,}|~{3,})[ \t]*(?P<language>[^\s`]*)[^`]*$"


def read_json(output: str) -> object:
    """The JSON value that an output is, or that its last fenced `json` block holds.

    Raises ValueError with a sentence for the agent, also for what readers of JSON disagree on:
    a key that stands twice, NaN, infinity.
    """
    try:
        return _read(output)
    except ValueError as error:
        block = _last_block(output)
        if block is None:
            place, problem = "the output is not JSON and has no fenced ```json block", error
        else:
            try:
                return _read(block)
            except ValueError as inner:
                place, problem = "the output's last ```json block is not JSON", inner
    raise ValueError(f"{place}: {one_line(str(problem), _WIDTH)}")


def _read(text: str) -> object:
    try:
        return json.loads(text, object_pairs_hook=_no_repeats, parse_constant=_no_constant)
    except RecursionError:
        raise ValueError("it is nested too deeply") from None


def _no_repeats(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise ValueError(f"the key {json.dumps(twice)} stands twice in one object")
    return found


def _no_constant(name: str) -> object:
    raise ValueError(f"{name} is not JSON")


def _last_block(text: str) -> str | None:
    """What stands in the last fence marked `json`; one that is never closed reaches to the end."""
    last: list[str] | None = None
    inside: list[str] | None = None
    ticks = ""
    for line in text.replace("\r\n", "\n").split("\n"):
        fence = re.match(_FENCE, line)
        if inside is None and fence:
            ticks, inside = fence["ticks"], []
            if fence["language"].lower() == "json":
                last = inside
        elif inside is not None and _closes(line, ticks):
            inside = None
        elif inside is not None:
            inside.append(line)
    return None if last is None else "\n".join(last)


def _closes(line: str, ticks: str) -> bool:
    bare = line.strip()
    return bare.startswith(ticks) and not bare.strip(ticks[0])
