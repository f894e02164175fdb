"""Names of steps, workflows and agents from OpenFang, made names that Longwatch takes."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence

from app.domain.openfang_fields import Findings
from app.domain.openfang_read import FangStep
from app.domain.step import OPERATOR
from app.domain.toml_messages import not_among

_LONGEST = 56  # of a name's 64 characters: room for a number behind it


def slug(text: str, otherwise: str) -> str:
    """The nearest name: plain letters, digits, _ and -, beginning with a letter."""
    plain = unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode()
    name = re.sub(r"[^A-Za-z0-9_]+", "-", plain).strip("-_")
    if name and not name[0].isalpha():
        name = f"{otherwise}-{name}"
    return name[:_LONGEST].rstrip("-_") or otherwise


class Names:
    """Hands out names that are each given once, upper and lower case being the same: they also
    name folders."""

    def __init__(self) -> None:
        self._taken: set[str] = set()

    def new(self, text: str, otherwise: str) -> str:
        name = wanted = slug(text, otherwise)
        number = 2
        while name.lower() in self._taken:
            name, number = f"{wanted}-{number}", number + 1
        self._taken.add(name.lower())
        return name


def agent_of(step: FangStep, agents: Sequence[str] | None, found: Findings) -> str:
    """The configured agent that a step means; what it names when agents are not checked."""
    at, name = (*step.at, "agent"), step.agent
    if not name:
        return name
    if agents is None and name != OPERATOR:
        return name
    known = [agent for agent in agents or () if agent == name]
    near = [agent for agent in agents or () if agent.lower() == slug(name, "agent").lower()]
    if known:
        return name
    if near:
        found.note(at, f'"{name}" is taken for the agent "{near[0]}" of longwatch.toml')
        return near[0]
    what = f'no agent "{name}" in longwatch.toml; add an [[agent]] of that name'
    found.wrong(at, not_among(what, name, agents or ()))
    return name
