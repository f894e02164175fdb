"""Which values must not reach journal, transcript, log or screen, and taking them out."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterable

from app.domain.errors import ConfigError
from app.domain.redact import Redactor
from app.domain.step import CallStep
from app.domain.workflow import Recipe
from app.engine.environment import Variables

_log = logging.getLogger(__name__)
_TELLING = ("KEY", "TOKEN", "SECRET", "PASSWORD", "PASSPHRASE", "CREDENTIAL")
# Places, not secrets: an agent that is given them would only see its own paths blotted out.
_PLACES = ("HOME", "PATH", "DIR", "URL", "HOST", "PORT")


class Redaction:
    """Knows the secrets of the environment and of private files that were read, and learns those
    that agents' configuration names."""

    def __init__(self, recipes: Iterable[Recipe], variables: Variables) -> None:
        self._variables = variables
        self._names: set[str] = set()
        self._made = self._count = 0
        for recipe in recipes:
            self.learn(recipe)
        self._redactor = self._make()

    def learn(self, recipe: Recipe) -> None:
        """Take in the variables that a recipe's agents and calls are given."""
        named = {name for agent in recipe.agents for name in (*agent.env, agent.api_key_env)}
        named |= {name for server in recipe.mcp for name in server.variables}
        for step in recipe.workflow.steps:
            if isinstance(step, CallStep):
                named |= {*step.call.env, *step.call.header_env.values()}
        self._names |= named
        try:
            self._variables.of(recipe.env_file)
        except ConfigError as error:
            # Nobody can be given what is in it: whoever needs it is told so.
            _log.warning("%s", error)

    def clean(self, text: str) -> str:
        """The text without known secrets and well-known shapes of tokens."""
        if (len(self._names), self._variables.count) != (self._made, self._count):
            self._redactor = self._make()
        return self._redactor.clean(text)

    def _make(self) -> Redactor:
        self._made, self._count = len(self._names), self._variables.count
        return Redactor([*_secrets(self._names), *self._variables.secrets])


def _secrets(named: set[str]) -> list[str]:
    return [
        value
        for name, value in os.environ.items()
        if any(word in name.upper() for word in _TELLING)
        or (name in named and not name.upper().endswith(_PLACES))
    ]
