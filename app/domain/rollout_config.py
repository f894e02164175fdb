"""`[[rollout]]` in `longwatch.toml`: the two paths of a route, and the rules between them."""

import itertools
from collections.abc import Iterator, Sequence

from pydantic import Field

from app.domain.base import trusted
from app.domain.call import Call, call_problems
from app.domain.compare import CompareRule
from app.domain.compare_check import rule_problems
from app.domain.gate import Name, Seconds
from app.domain.rollout_policy import (
    Policies,
    PromotionPolicy,
    WatchPolicy,
    check_timezone,
    parse_window,
)
from app.domain.step import CallStep, Retry
from app.domain.toml_lines import KeyPath
from app.domain.toml_messages import not_among
from app.domain.workflow import Workflow

Found = Iterator[tuple[KeyPath, str]]


class PathEntry(Call):
    """A path as it is declared: a workflow of the project, or a call."""

    workflow: Name | None = None
    timeout_seconds: Seconds = 60  # of one call
    retries: int = Field(default=2, ge=0, le=100)  # after failures that pass

    def as_workflow(self, name: str) -> Workflow:
        """A call as a workflow of one step: it is journaled, resumed and shown as any other."""
        call = Call.model_validate(
            self.model_dump(exclude={"workflow", "timeout_seconds", "retries"})
        )
        retry = Retry(
            max_retries=self.retries,
            delay_seconds=1,
            max_delay_seconds=30,
            on=("rate_limit", "overloaded", "broken_pipe", "timeout"),
        )
        step = CallStep(
            kind="call",
            name="answer",
            call=call,
            timeout_seconds=self.timeout_seconds,
            retry=retry,
            on_error="fail",
        )
        return Workflow(name=name, description=f"asks {call.title}", steps=(step,))


class RolloutEntry(Policies):
    """One rollout. Requests that routing sends to `name` are its."""

    name: Name
    stable: PathEntry | None = None  # None: the workflow of the rollout's name
    candidate: PathEntry | None = None
    compare: CompareRule = trusted(CompareRule)

    @property
    def policies(self) -> Policies:
        return Policies(promotion=self.promotion, watch=self.watch, rollback=self.rollback)

    @property
    def stable_path(self) -> PathEntry:
        return self.stable or PathEntry(workflow=self.name)

    @property
    def candidate_workflow(self) -> str | None:
        return self.candidate.workflow if self.candidate is not None else None


def rollout_problems(at: KeyPath, rollout: RolloutEntry, agents: Sequence[str]) -> Found:
    """What can be told of one rollout without knowing the workflows."""
    for key in ("stable", "candidate"):
        path = getattr(rollout, key)
        if path is not None:
            yield from _path((*at, key), path)
    if rollout.candidate is not None and rollout.candidate == rollout.stable_path:
        yield (*at, "candidate"), "the candidate is the stable path: nothing to compare"
    yield from rule_problems((*at, "compare"), rollout.compare)
    judge = rollout.compare.agent
    if judge and judge not in agents:
        yield (*at, "compare", "agent"), not_among(f'no agent "{judge}"', judge, agents)
    yield from _promotion((*at, "promotion"), rollout.promotion)
    yield from _watch((*at, "watch"), rollout.watch)
    for key, policy in (("promotion", rollout.promotion), ("rollback", rollout.rollback)):
        seen = set[str]()
        for i, item in enumerate(policy.checklist):
            if item in seen:
                yield (*at, key, "checklist", i), f"{item!r} stands twice"
            seen.add(item)


def _path(at: KeyPath, path: PathEntry) -> Found:
    if path.workflow is None:
        yield from call_problems(at, path)
        return
    for key in sorted(path.model_fields_set - {"workflow"}):
        yield (*at, key), "has no meaning beside `workflow`"


def _promotion(at: KeyPath, policy: PromotionPolicy) -> Found:
    steps = policy.steps
    rising = all(a < b for a, b in itertools.pairwise(steps))
    if not steps or steps[-1] != 100 or not rising or steps[0] < 1:
        yield (*at, "steps"), "must rise and end in 100, such as [5, 25, 100]"
    for i, text in enumerate(policy.frozen):
        try:
            parse_window(text)
        except ValueError as error:
            yield (*at, "frozen", i), str(error)
    if problem := check_timezone(policy.timezone):
        yield (*at, "timezone"), problem


def _watch(at: KeyPath, policy: WatchPolicy) -> Found:
    if policy.min_requests > policy.window:
        what = f"is more than window = {policy.window}: it would never be reached"
        yield (*at, "min_requests"), what


def path_problems(at: KeyPath, rollout: RolloutEntry, workflows: Sequence[str]) -> Found:
    """Names of workflows that do not exist."""
    for key in ("stable", "candidate"):
        path = rollout.stable_path if key == "stable" else rollout.candidate
        if path is None or path.workflow is None or path.workflow in workflows:
            continue
        what = f'no workflow "{path.workflow}"'
        if rollout.stable is None and key == "stable":
            yield (
                (*at, "name"),
                not_among(what, path.workflow, workflows)
                + ("; a rollout of another name needs [rollout.stable]"),
            )
        else:
            yield (*at, key, "workflow"), not_among(what, path.workflow, workflows)
