"""Which values must not reach journal, transcript, log or screen, and taking them out."""

from __future__ import annotations

import os
from collections.abc import Iterable

from app.domain.redact import Redactor
from app.domain.step import CallStep
from app.domain.workflow import Recipe

_TELLING = ("KEY", "TOKEN", "SECRET", "PASSWORD", "PASSPHRASE", "CREDENTIAL")
# Places, not secrets: an agent that is given them would only see its own paths blotted out.
_PLACES = ("HOME", "PATH", "DIR", "URL", "HOST", "PORT")


class Redaction:
    """Knows the secrets of the environment, and learns those that agents' configuration names."""

    def __init__(self, recipes: Iterable[Recipe]) -> None:
        self._names: set[str] = set()
        self._redactor = Redactor(_secrets(self._names))
        for recipe in recipes:
            self.learn(recipe)

    def learn(self, recipe: Recipe) -> None:
        """Take in the variables that a recipe's agents and calls are given."""
        named = {name for agent in recipe.agents for name in (*agent.env, agent.api_key_env)}
        for step in recipe.workflow.steps:
            if isinstance(step, CallStep):
                named |= {*step.call.env, *step.call.header_env.values()}
        if not named <= self._names:
            self._names |= named
            self._redactor = Redactor(_secrets(self._names))

    def clean(self, text: str) -> str:
        """The text without known secrets and well-known shapes of tokens."""
        return self._redactor.clean(text)


def _secrets(named: set[str]) -> list[str]:
    return [
        value
        for name, value in os.environ.items()
        if any(word in name.upper() for word in _TELLING)
        or (name in named and not name.upper().endswith(_PLACES))
    ]
