"""Workflows: a declared program of steps, read from TOML, pinned by content hash."""

import hashlib
from collections.abc import Mapping
from typing import Literal, Self

from pydantic import AliasChoices, Field

from app.domain.approval import ApprovalRule, RuleMatch
from app.domain.base import Model, trusted
from app.domain.day_budget import Budget
from app.domain.gate import Name, Seconds, Text
from app.domain.mcp import McpServer
from app.domain.providers import Api
from app.domain.remembered import remembered
from app.domain.step import AnyStep, CollectStep, Step


class Workflow(Model):
    """A program of steps: in the order of the file, or as a graph by what each `needs`."""

    name: Name
    description: str = ""
    enabled: bool = True  # false: refused until a person switches it on
    enforce: bool = False  # every producing step must have a gate
    max_parallel: int = Field(default=0, ge=0, le=1000)  # agents at work for it; 0: no limit
    timeout_seconds: Seconds | None = None  # working time of a run's agents together
    max_tokens: int | None = Field(default=None, ge=1)  # of a run's agents together; then it asks
    max_cost_usd: float | None = Field(default=None, gt=0, allow_inf_nan=False)  # where it is told
    steps: tuple[Step, ...] = Field(
        min_length=1,
        validation_alias=AliasChoices("steps", "step"),  # `[[step]]` in TOML
    )

    def step(self, name: str) -> AnyStep:
        """The step of that name; KeyError if there is none (loading has checked all names)."""
        for step in self.steps:
            if step.name == name:
                return step
        raise KeyError(name)

    def needs(self) -> Mapping[str, tuple[str, ...]]:
        """What each step waits for: as declared, else what a collect joins, else the step before
        it in the file."""
        return _needs(self.steps)


@remembered
def _needs(steps: tuple[Step, ...]) -> Mapping[str, tuple[str, ...]]:
    found: dict[str, tuple[str, ...]] = {}
    before: tuple[str, ...] = ()
    for step in steps:
        implied = step.of if isinstance(step, CollectStep) else before
        found[step.name] = implied if step.needs is None else step.needs
        before = (step.name,)
    return found


@remembered
def _digest(recipe: "Recipe") -> str:
    return hashlib.sha256(recipe.model_dump_json().encode()).hexdigest()


class AgentConfig(Model):
    """A configured role: which driver, with what options, under which rights."""

    name: Name
    driver: Literal["acp", "codex", "model", "scripted"]
    model: str = ""  # model driver: "provider/name"
    fallbacks: tuple[Text, ...] = ()  # model driver: further models, while those before are away
    base_url: str = ""  # model driver: an endpoint of your own
    api: Api | None = None  # model driver: what the endpoint speaks; None: as its provider
    api_key_env: str = ""  # model driver: the variable with the key; only the driver sees it
    # model driver: what the model can hold; at how much of it, or after how many messages, the
    # older ones become a summary
    context_tokens: int = Field(default=200_000, ge=2_000, le=100_000_000)
    compact_percent: int = Field(default=70, ge=10, le=95)
    compact_messages: int = Field(default=400, ge=10, le=100_000)
    mode: str = ""  # acp driver: one of the agent's own modes
    auth: str = ""  # acp driver: the agent's way to sign in that is to be used
    # What it may call at all, before any rule is asked (`app.domain.tool_list`); None: no limit
    tools: tuple[Text, ...] | None = None
    mcp: tuple[Name, ...] = ()  # acp, model: the MCP servers that it has
    command: tuple[Text, ...] = ()  # how to start it; the driver's default when empty
    sandbox: Literal["read-only", "workspace-write", "danger-full-access", "bubblewrap"] = (
        "workspace-write"
    )
    approval: Literal["untrusted", "on-request", "never"] = "untrusted"
    script: str = ""  # scripted driver: path of its script file, absolute once loaded
    speed: float = Field(default=1.0, gt=0, allow_inf_nan=False)  # scripted driver: pacing factor
    start_seconds: Seconds = 30  # acp, codex: each step of its start may take so long
    env: tuple[str, ...] = ()  # names of environment variables it may see
    max_parallel: int = Field(default=0, ge=0, le=1000)  # sessions at work; 0: no limit
    quiet_seconds: Seconds = 900  # without a word from it at work, a person is told
    prompt_seconds: Seconds = 60  # the same when the last words look like a program's question
    repeat_limit: int = Field(default=10, ge=2, le=10_000)  # the same for equal calls in a row
    max_tokens_per_day: int | None = Field(default=None, ge=1)  # of its sessions together
    max_cost_usd_per_day: float | None = Field(default=None, gt=0, allow_inf_nan=False)
    instructions: str = ""  # standing instructions, put before each session's first prompt
    # Text files of the project whose content is put after `instructions` when it is loaded.
    instructions_files: tuple[Text, ...] = ()


class Recipe(Model):
    """Everything a run pins at its start, so that later edits cannot change its meaning."""

    workflow: Workflow
    agents: tuple[AgentConfig, ...]
    rules: tuple[ApprovalRule, ...] = ()
    critical_deciders: int = 1  # different persons who must allow a call of critical risk
    never: tuple[RuleMatch, ...] = ()  # calls that nobody can allow
    deadline_seconds: float | None = None  # after which an unanswered approval times out
    mcp: tuple[McpServer, ...] = ()  # those that its agents have
    budget: Budget = trusted(Budget)  # per day, of all agents of the project together
    parts: tuple[Workflow, ...] = ()  # the workflows that its steps start, and theirs
    env_file: str = ""  # absolute; the private file with variables that agents and calls name

    @property
    def digest(self) -> str:
        """Content hash, hex SHA-256; also the workflow's version."""
        return _digest(self)

    def agent(self, name: str) -> AgentConfig:
        for agent in self.agents:
            if agent.name == name:
                return agent
        raise KeyError(name)

    def part(self, name: str) -> Self:
        """The recipe of a sub-workflow's run: the same agents and rules. Raises KeyError."""
        for workflow in self.parts:
            if workflow.name == name:
                return self.model_copy(update={"workflow": workflow})
        raise KeyError(name)
