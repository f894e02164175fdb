"""Workflows: a declared program of steps, read from TOML, pinned by content hash."""

from __future__ import annotations

import hashlib
from typing import Annotated, Any, Literal

from pydantic import AliasChoices, Discriminator, Field, Tag

from app.domain.approval import ApprovalRule
from app.domain.base import Model

Name = Annotated[str, Field(pattern=r"^[A-Za-z][A-Za-z0-9_-]{0,63}$")]
Text = Annotated[str, Field(min_length=1)]
Seconds = Annotated[float, Field(gt=0, allow_inf_nan=False)]
OPERATOR = "operator"


class Gate(Model):
    """A check that a step's result must pass: a command in the session's workspace, exit 0."""

    name: Name
    criteria: str = ""  # acceptance criterion, shown to agent and operator
    command: tuple[Text, ...] = ()  # argv; exactly one of command and shell
    shell: str = ""
    timeout_seconds: Seconds = 600
    on_failure: Literal["return", "block", "fail"] = "return"
    max_returns: int = Field(default=2, ge=0, le=100)


class Retry(Model):
    """When a step tries again by itself: after failures that pass, such as a rate limit.

    The wait doubles from try to try. Delays are in seconds.
    """

    max_retries: int = Field(default=5, ge=0, le=100)
    delay_seconds: float = Field(default=10, gt=0, le=3600)
    max_delay_seconds: float = Field(default=300, gt=0, le=24 * 3600)

    def wait(self, tries: int, salt: str) -> float:
        """Seconds to wait before automatic try number `tries` (from 1), 75 to 100 % of the
        doubled delay: spread by `salt`, so that runs do not come back in step."""
        doubled = min(self.delay_seconds * 2.0 ** (tries - 1), self.max_delay_seconds)
        part = int.from_bytes(hashlib.sha256(f"{salt}/{tries}".encode()).digest()[:4]) / 2**32
        return doubled * (0.75 + part / 4)


class AgentStep(Model):
    """A step in which an agent produces a result."""

    kind: Literal["agent"] = "agent"
    name: Name
    agent: Text
    prompt: Text
    gates: tuple[Gate, ...] = Field(
        default=(),
        validation_alias=AliasChoices("gates", "gate"),  # `[[step.gate]]` in TOML
    )
    timeout_seconds: Seconds = 3600  # a turn's; waiting for a person is free
    retry: Retry = Retry()


class ReviewStep(Model):
    """A verdict on an artefact by agents and/or the operator, in the order named."""

    kind: Literal["review"]
    name: Name
    of: Text  # the step whose output is judged
    by: tuple[Text, ...] = Field(min_length=1)  # agent names, or "operator"
    prompt: str = ""  # for reviewing agents
    return_to: Text
    max_rejects: int = Field(default=3, ge=0, le=100)
    timeout_seconds: Seconds = 3600
    retry: Retry = Retry()


def _step_tag(value: Any) -> str:
    """`kind` may be left out of an agent step. The "=" keeps a tag apart from a key's name."""
    if isinstance(value, dict):
        return f"kind={value.get('kind', 'agent')}"
    return f"kind={getattr(value, 'kind', 'agent')}"


Step = Annotated[
    Annotated[AgentStep, Tag("kind=agent")] | Annotated[ReviewStep, Tag("kind=review")],
    Discriminator(_step_tag),
]


class Workflow(Model):
    """An ordered program of steps."""

    name: Name
    description: str = ""
    steps: tuple[Step, ...] = Field(
        min_length=1,
        validation_alias=AliasChoices("steps", "step"),  # `[[step]]` in TOML
    )

    def step(self, name: str) -> AgentStep | ReviewStep:
        """The step of that name; KeyError if there is none (loading has checked all names)."""
        for step in self.steps:
            if step.name == name:
                return step
        raise KeyError(name)

    def index(self, name: str) -> int:
        return [step.name for step in self.steps].index(name)


class AgentConfig(Model):
    """A configured role: which driver, with what options, under which rights."""

    name: Name
    driver: Literal["codex", "scripted"]
    model: str = ""
    command: tuple[Text, ...] = ()  # how to start it; the driver's default when empty
    sandbox: Literal["read-only", "workspace-write", "danger-full-access"] = "workspace-write"
    approval: Literal["untrusted", "on-request", "never"] = "untrusted"
    script: str = ""  # scripted driver: path of its script file, absolute once loaded
    speed: float = Field(default=1.0, gt=0, allow_inf_nan=False)  # scripted driver: pacing factor
    start_seconds: Seconds = 30  # codex driver: each step of its start may take so long
    env: tuple[str, ...] = ()  # names of environment variables it may see
    instructions: str = ""  # standing instructions, put before each session's first prompt


class Recipe(Model):
    """Everything a run pins at its start, so that later edits cannot change its meaning."""

    workflow: Workflow
    agents: tuple[AgentConfig, ...]
    rules: tuple[ApprovalRule, ...] = ()

    @property
    def digest(self) -> str:
        """Content hash, hex SHA-256; also the workflow's version."""
        return hashlib.sha256(self.model_dump_json().encode()).hexdigest()

    def agent(self, name: str) -> AgentConfig:
        for agent in self.agents:
            if agent.name == name:
                return agent
        raise KeyError(name)
