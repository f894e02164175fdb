"""Which drivers there are, and which secrets their agents may see."""

from __future__ import annotations

import os
from collections.abc import Mapping

from app.agents.protocol import Driver
from app.store.projection import Projection

_TELLING = ("KEY", "TOKEN", "SECRET", "PASSWORD")


def default_drivers() -> Mapping[str, Driver]:
    """Every driver this program has, by the name agents use in the configuration."""
    from app.agents.codex import CodexDriver
    from app.agents.scripted import ScriptedDriver

    return {"codex": CodexDriver(), "scripted": ScriptedDriver()}


def known_secrets(projection: Projection) -> list[str]:
    """Values that must not reach journal, transcript, log or screen: what the environment
    holds under a telling name, or under a name that an agent's configuration lists."""
    named = {
        name
        for recipe in projection.recipes.values()
        for agent in recipe.agents
        for name in agent.env
    }
    return [
        value
        for name, value in os.environ.items()
        if name in named or any(word in name.upper() for word in _TELLING)
    ]
