"""Which values must not reach journal, transcript, log or screen, and taking them out."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterable
from typing import TypeVar
from weakref import WeakSet

from app.domain.base import Model
from app.domain.errors import ConfigError
from app.domain.redact import Redactor
from app.domain.request import Request
from app.domain.step import CallStep
from app.domain.text import printable
from app.domain.workflow import Recipe
from app.engine.environment import Variables

_log = logging.getLogger(__name__)
M = TypeVar("M", bound=Model)
# What persons write, of all commands; everything else is a name, a number or an id.
_TEXTS = frozenset(
    ["text", "reason", "answer", "prompt", "value", "why", "note", "override", "replace_stable"],
)
_TELLING = ("KEY", "TOKEN", "SECRET", "PASSWORD", "PASSPHRASE", "CREDENTIAL")
_TELLING_ENDS = ("_PASS", "_PWD", "PASSWD", "_PAT")
# Places, not secrets: an agent that is given them would only see its own paths blotted out.
_PLACES = ("HOME", "PATH", "DIR", "URL", "HOST", "PORT")


class CleanFormatter(logging.Formatter):
    """Of a log: what any supervisor of this process knows as a secret is taken out."""

    def format(self, record: logging.LogRecord) -> str:
        text = printable(super().format(record))
        for redaction in [*_known] or [Redaction((), Variables())]:
            text = redaction.clean(text)
        return text


class Redaction:
    """Knows the secrets of the environment and of private files that were read, and learns those
    that agents' configuration names."""

    def __init__(self, recipes: Iterable[Recipe], variables: Variables) -> None:
        _known.add(self)
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
        self.learn_names(named)
        try:
            self._variables.of(recipe.env_file)
        except ConfigError as error:
            # Nobody can be given what is in it: whoever needs it is told so.
            _log.warning("%s", error)

    def learn_names(self, names: Iterable[str]) -> None:
        """Take in variables whose values are secrets."""
        self._names |= {*names}

    def clean(self, text: str) -> str:
        """The text without known secrets and well-known shapes of tokens."""
        if self._made != len(self._names) or self._count != self._variables.count:
            self._redactor = self._make()
        return self._redactor.clean(text)

    def _make(self) -> Redactor:
        self._made, self._count = len(self._names), self._variables.count
        return Redactor([*_secrets(self._names), *self._variables.secrets])

    def safe(self, model: M) -> M:
        """A command or request, what a person wrote in it cleaned; the same one where there is
        nothing to clean."""
        found: dict[str, object] = {}
        for name, value in model:
            if isinstance(value, Request):
                if (safe := self.safe(value)) is not value:
                    found[name] = safe
            elif name in _TEXTS and isinstance(value, str) and (text := self.clean(value)) != value:
                found[name] = text
        return model.model_copy(update=found) if found else model


_known: WeakSet[Redaction] = WeakSet()  # of this process, for its log


def _secrets(named: set[str]) -> list[str]:
    return [
        value
        for name, value in os.environ.items()
        if any(word in name.upper() for word in _TELLING)
        or name.upper().endswith(_TELLING_ENDS)
        or (name in named and not name.upper().endswith(_PLACES))
    ]
