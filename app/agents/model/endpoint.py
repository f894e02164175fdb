"""A configured model as one that pydantic-ai can talk to, and its errors as failures."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from pydantic_ai import exceptions as errors
from pydantic_ai.models import Model

from app.domain.errors import DriverError, MissingCredentials
from app.domain.providers import (
    DEFAULT_MODEL,
    Api,
    find_provider,
    key_env,
    shares_endpoint,
    split_model,
)
from app.domain.run import Failure, FailureKind
from app.domain.text import one_line
from app.domain.workflow import AgentConfig

_NO_KEY = "not-needed"  # the clients refuse an empty one
_CAP = 600  # characters of the provider's own words


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where a model is, and what opens it."""

    model: str
    api: Api
    base_url: str
    key_env: str  # empty: none is wanted
    wants_key: bool  # it is of no use without one


def endpoint_of(agent: AgentConfig, name: str) -> Endpoint:
    """Where a model of the agent's is. Raises DriverError for what loading would have refused."""
    ref = split_model(name)
    provider = find_provider(ref.provider)
    own = shares_endpoint(agent.model or DEFAULT_MODEL, name)
    base_url = (agent.base_url if own else "") or (provider.base_url if provider else None)
    if base_url is None:
        raise DriverError(f"model {name}: no address is known of provider {ref.provider!r}")
    api = (agent.api if own else None) or (provider.api if provider else "chat")
    if own and agent.base_url and agent.api is None and api == "responses":
        api = "chat"  # what servers that stand in for OpenAI all speak
    key = (agent.api_key_env if own else "") or key_env(ref.provider)
    return Endpoint(ref.model, api, base_url, key, wants_key=not (own and agent.base_url))


def make_model(agent: AgentConfig, name: str, variables: Mapping[str, str]) -> Model:
    """A model of the agent's; its key out of `variables`. Raises DriverError without one."""
    end = endpoint_of(agent, name)
    key = variables.get(end.key_env, "") if end.key_env else ""
    if end.key_env and not key and end.wants_key:
        raise MissingCredentials(
            f"{end.key_env} is not set where the supervisor runs; set it there, put it into the "
            "file that `env_file` names, or name another variable with `api_key_env`"
        )
    if end.api == "messages":
        from pydantic_ai.models.anthropic import AnthropicModel
        from pydantic_ai.providers.anthropic import AnthropicProvider

        anthropic = AnthropicProvider(
            api_key=key or _NO_KEY, base_url=end.base_url.rstrip("/").removesuffix("/v1")
        )
        return AnthropicModel(end.model, provider=anthropic)
    from pydantic_ai.models.openai import OpenAIChatModel, OpenAIResponsesModel
    from pydantic_ai.providers.openai import OpenAIProvider

    openai = OpenAIProvider(api_key=key or _NO_KEY, base_url=end.base_url)
    if end.api == "responses":
        return OpenAIResponsesModel(end.model, provider=openai)
    return OpenAIChatModel(end.model, provider=openai)


def failure_of(name: str, error: Exception) -> Failure:
    """What an error of a model request means, with its class."""
    said = one_line(str(error) or type(error).__name__, _CAP)
    return Failure(kind=_kind(error), message=f"model {name}: {said}")


def _kind(error: Exception) -> FailureKind:
    match error:
        case errors.ModelRateLimitError() | errors.ModelQuotaExceededError():
            return FailureKind.RATE_LIMIT
        case errors.ModelUnavailableError() | errors.ModelServerError():
            return FailureKind.OVERLOADED
        case errors.ModelAuthenticationError():
            return FailureKind.UNAUTHORIZED
        case errors.ModelTimeoutError() | errors.ModelRequestTimeout():
            return FailureKind.TIMEOUT
        case errors.ModelConnectionError():
            return FailureKind.BROKEN_PIPE
        case errors.ModelRequestRejectedError() | errors.UserError():
            return FailureKind.BAD_REQUEST
        case errors.UnexpectedModelBehavior():
            return FailureKind.PROTOCOL
    return FailureKind.OTHER
