"""Steps: the units of a workflow, one model for each kind.

Every step may name the steps it `needs` (without it: the step before it in the file) and a
condition `when`, without which it is skipped.
"""

import hashlib
from typing import Annotated, Any, Literal

from pydantic import AliasChoices, Discriminator, Field, Tag

from app.domain.base import Model, trusted
from app.domain.call import Call
from app.domain.gate import Gate, Name, Seconds, Text

OPERATOR = "operator"
# What a step does when it cannot get a result: ask the operator, end the run, go on without.
OnError = Literal["block", "fail", "skip"]
RetryOn = Literal["rate_limit", "overloaded", "broken_pipe", "timeout", "protocol"]


class Retry(Model):
    """When a step tries again by itself: after failures that pass, such as a rate limit.

    The wait doubles from try to try. Delays are in seconds.
    """

    max_retries: int = Field(default=5, ge=0, le=100)
    delay_seconds: float = Field(default=10, gt=0, le=3600)
    max_delay_seconds: float = Field(default=300, gt=0, le=24 * 3600)
    on: tuple[RetryOn, ...] = ("rate_limit", "overloaded")

    def wait(self, tries: int, salt: str) -> float:
        """Seconds to wait before automatic try number `tries` (from 1), 75 to 100 % of the
        doubled delay: spread by `salt`, so that runs do not come back in step."""
        doubled = min(self.delay_seconds * 2.0 ** (tries - 1), self.max_delay_seconds)
        part = int.from_bytes(hashlib.sha256(f"{salt}/{tries}".encode()).digest()[:4]) / 2**32
        return doubled * (0.75 + part / 4)


class Loop(Model):
    """Repeat a step until an expression over its `output` holds, or the count is used up."""

    until: Text
    max_iterations: int = Field(default=5, ge=1, le=1000)


class StepBase(Model):
    """What all steps have."""

    name: Name
    needs: tuple[Text, ...] | None = None  # None: the step before it; (): nothing
    when: str = ""  # an expression over the prompt's variables; empty: always


class _Gated(StepBase):
    gates: tuple[Gate, ...] = Field(
        default=(),
        validation_alias=AliasChoices("gates", "gate"),  # `[[step.gate]]` in TOML
    )


class _Working(_Gated):
    timeout_seconds: Seconds = 3600  # an attempt's; waiting for a person is free
    step_timeout_seconds: Seconds | None = None  # of all its attempts together
    retry: Retry = trusted(Retry)
    on_error: OnError = "block"


class AgentStep(_Working):
    """A step in which an agent produces a result, once or in a loop."""

    kind: Literal["agent"] = "agent"
    agent: Text
    prompt: Text
    loop: Loop | None = None


class Branch(Model):
    """One declared branch of a fan-out; what it leaves out is the step's."""

    name: Name
    agent: str = ""
    prompt: str = ""


class FanOutStep(_Working):
    """Parallel branches, each with a session and a worktree of its own: declared ones, or one
    for each item of the JSON list that the step `for_each` has produced."""

    kind: Literal["fan_out"]
    agent: str = ""
    prompt: str = ""
    branches: tuple[Branch, ...] = Field(
        default=(),
        validation_alias=AliasChoices("branches", "branch"),  # `[[step.branch]]` in TOML
    )
    for_each: str = ""
    max_branches: int = Field(default=50, ge=1, le=1000)
    max_parallel: int = Field(default=0, ge=0, le=1000)  # 0: as many as may run at all
    merge: bool = True  # whether its work is all branches' work merged; else they stay apart


class CollectStep(_Gated):
    """The results of several branches or steps made one."""

    kind: Literal["collect"]
    of: tuple[Text, ...] = Field(min_length=1)
    take: Literal["all", "quorum", "first", "best"] = "all"
    quorum: int = Field(default=1, ge=1, le=1000)  # with take = "quorum"
    best_by: str = ""  # with take = "best": the gate whose log ends with the number to compare
    late: Literal["cancel", "ignore"] = "cancel"  # results after the count is reached
    template: str = ""  # Jinja2 over `results`; empty: joined
    merge: bool = True  # whether the work of what it takes is merged
    on_error: OnError = "block"


class ReviewStep(StepBase):
    """A verdict on an artefact by agents and/or the operator, in the order named."""

    kind: Literal["review"]
    of: Text  # the step whose output is judged
    by: tuple[Text, ...] = Field(min_length=1)  # agent names, or "operator"
    require: Literal["all", "any"] = "all"  # how many of them must approve
    prompt: str = ""  # for reviewing agents
    reject_if_contains: str = ""  # a word instead of a structured verdict, case does not count
    return_to: Text
    max_rejects: int = Field(default=3, ge=0, le=100)
    timeout_seconds: Seconds = 3600
    step_timeout_seconds: Seconds | None = None
    retry: Retry = trusted(Retry)


class GateStep(_Gated):
    """Nothing but gates, over the result and the work so far."""

    kind: Literal["gate"]
    return_to: str = ""  # where a failure with on_failure = "return" goes back to
    on_error: OnError = "block"


class QuestionStep(StepBase):
    """A question to the operator; the answer is the step's result."""

    kind: Literal["question"]
    question: Text
    choices: tuple[Text, ...] = ()  # empty: any text


class WorkflowStep(StepBase):
    """Another workflow as a run of its own, whose result is the step's."""

    kind: Literal["workflow"]
    workflow: Name
    request: Text = "{{ input }}"
    on_error: OnError = "block"


class CallStep(_Gated):
    """A result that no agent makes: an HTTP endpoint's, a command's, or a recorded one."""

    kind: Literal["call"]
    call: Call
    input: Text = "{{ input }}"  # a template: what is asked
    timeout_seconds: Seconds = 60
    retry: Retry = trusted(Retry)
    on_error: OnError = "block"


Step = Annotated[
    Annotated[AgentStep, Tag("kind=agent")]
    | Annotated[FanOutStep, Tag("kind=fan_out")]
    | Annotated[CollectStep, Tag("kind=collect")]
    | Annotated[ReviewStep, Tag("kind=review")]
    | Annotated[GateStep, Tag("kind=gate")]
    | Annotated[QuestionStep, Tag("kind=question")]
    | Annotated[WorkflowStep, Tag("kind=workflow")]
    | Annotated[CallStep, Tag("kind=call")],
    Discriminator(lambda value: step_tag(value)),
]
AnyStep = (
    AgentStep
    | FanOutStep
    | CollectStep
    | ReviewStep
    | GateStep
    | QuestionStep
    | WorkflowStep
    | CallStep
)
WorkingStep = AgentStep | FanOutStep  # those whose attempts are an agent's


def step_tag(value: Any) -> str:
    """`kind` may be left out of an agent step. The "=" keeps a tag apart from a key's name."""
    if isinstance(value, dict):
        return f"kind={value.get('kind', 'agent')}"
    return f"kind={getattr(value, 'kind', 'agent')}"
