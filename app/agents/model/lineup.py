"""The models of one agent, in the order in which they are tried."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass

from pydantic_ai import exceptions as errors
from pydantic_ai.models import Model

from app.agents.model.endpoint import endpoint_of, failure_of, make_model
from app.agents.protocol import Switched
from app.domain.errors import DriverError
from app.domain.providers import DEFAULT_MODEL
from app.domain.run import Failure, FailureKind
from app.domain.workflow import AgentConfig

_PASSES = (
    FailureKind.RATE_LIMIT,
    FailureKind.OVERLOADED,
    FailureKind.BROKEN_PIPE,
    FailureKind.TIMEOUT,
)
_AWAY = (
    errors.ModelRateLimitError,
    errors.ModelQuotaExceededError,
    errors.ModelUnavailableError,
    errors.ModelServerError,
    errors.ModelConnectionError,
    errors.ModelRequestTimeout,
    errors.ModelAuthenticationError,
    errors.ModelNotFoundError,
)


@dataclass(frozen=True, slots=True)
class Choice:
    """A model that can be asked."""

    name: str  # as it is configured
    model: Model
    window: int  # tokens that it can hold


class Lineup:
    """Which of an agent's models is in use. Each turn begins with the first; one that is not to
    be had hands the rest of the turn to the next. What the endpoint refuses as a bad request is
    no reason for another model: it would hide a mistake."""

    def __init__(self, agent: AgentConfig, variables: Mapping[str, str]) -> None:
        """Raises DriverError when no model can be used (blocking: clients are imported)."""
        self._choices: list[Choice] = []
        self._first = agent.model or DEFAULT_MODEL
        self._unusable = list[str]()  # why models before the first choice are left out
        self._at = 0
        self._failures: list[Failure] = []  # of this turn
        self._connections = AsyncExitStack()
        for name in (self._first, *agent.fallbacks):
            self._add(agent, name, variables)
        if not self._choices:
            raise DriverError("; ".join(self._unusable))

    def _add(self, agent: AgentConfig, name: str, variables: Mapping[str, str]) -> None:
        try:
            model = make_model(agent, name, variables)
        except DriverError as error:
            self._unusable.append(f"{name}: {error}" if agent.fallbacks else str(error))
            return
        window = agent.context_tokens
        if name != self._first:
            window = _known_window(agent, name) or window
        self._choices.append(Choice(name, model, window))

    async def connect(self) -> None:
        """Open the clients' connections; `close` ends them."""
        for choice in self._choices:
            await self._connections.enter_async_context(choice.model)

    async def close(self) -> None:
        await self._connections.aclose()

    @property
    def current(self) -> Choice:
        """The model in use."""
        return self._choices[self._at]

    @property
    def notes(self) -> list[str]:
        """For the operator: which of the models cannot be used at all."""
        return [f"model {why}" for why in self._unusable]

    def begin(self) -> Switched | None:
        """A turn begins: with the first model again, or with what there is instead."""
        self._at = 0
        self._failures.clear()
        if self.current.name == self._first:
            return None
        return Switched(self._first, self.current.name, f"model {self._unusable[0]}")

    def next(self, error: Exception) -> Switched | None:
        """Go on to the next model after an error of this one; None when that is no way out."""
        failure = failure_of(self.current.name, error)
        if not isinstance(error, _AWAY):
            self._failures.clear()
            return None
        self._failures.append(failure)
        if self._at + 1 == len(self._choices):
            return None
        before = self.current.name
        self._at += 1
        return Switched(before, self.current.name, failure.message)

    def failure(self, error: Exception) -> Failure:
        """What the end of the turn says: of the last error, or of all models if all are away.
        If waiting may help with one of them, it is that kind of failure."""
        if len(self._failures) < 2:
            return failure_of(self.current.name, error)
        kinds = [failure.kind for failure in self._failures]
        kind = next((kind for kind in kinds if kind in _PASSES), kinds[0])
        said = "; ".join(failure.message for failure in self._failures)
        return Failure(kind=kind, message=f"none of its models is to be had: {said}")


def _known_window(agent: AgentConfig, name: str) -> int | None:
    """What a model can hold, where the price list says so."""
    from genai_prices.data_snapshot import get_snapshot

    end = endpoint_of(agent, name)
    try:
        _, model = get_snapshot().find_provider_model(end.model, None, None, end.base_url)
    except LookupError:
        return None
    return model.context_window
