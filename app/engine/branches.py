"""Fan-out and collect: branches decided on, and their results made one."""

from __future__ import annotations

import json

from app.domain import directives as do
from app.domain import events as ev
from app.domain import flow
from app.domain.base import RunId
from app.domain.contexts import CollectContext
from app.domain.decide_collect import missing, taken
from app.domain.prompts import render
from app.domain.run import Blocked, BranchPlan, Failure, FailureKind, Unit, new_attempt
from app.domain.step import CollectStep, FanOutStep, GateStep
from app.domain.text import one_line, printable
from app.engine.core import Core
from app.engine.merging import Merging

_TITLE = 120  # characters of an item that stand for its branch


class Branches:
    """Carries out what fan-out, collect and gate-only steps of one run need."""

    def __init__(self, core: Core, merging: Merging, run_id: RunId) -> None:
        self._core = core
        self._merging = merging
        self._run_id = run_id

    async def _commit(self, *payloads: ev.Payload) -> None:
        await self._core.commit(self._run_id, *payloads)

    async def plan(self, unit: Unit) -> None:
        """Decide on a fan-out's branches; what it cannot read is put to the operator."""
        step = self._core.recipe(self._run_id).workflow.step(unit.step)
        assert isinstance(step, FanOutStep)
        branches = self._branches(step)
        if isinstance(branches, str):
            await self._unreadable(unit, branches)
            return
        planned = ev.BranchesPlanned(step=step.name, branches=branches)
        await self._commit(planned)

    def _branches(self, step: FanOutStep) -> tuple[BranchPlan, ...] | str:
        """The branches, or what is wrong with the list that they are to be made from."""
        if not step.for_each:
            return tuple(
                BranchPlan(name=b.name, agent=b.agent or step.agent) for b in step.branches
            )
        state = self._core.state(self._run_id)
        text = state.prompts.get(step.name) or flow.output_of(state, step.for_each) or ""
        items = flow.items_of(text)
        if items is None:
            return f"step {step.name}: the output of {step.for_each} is not a JSON list"
        if len(items) > step.max_branches:
            return (
                f"step {step.name}: {step.for_each} has listed {len(items)} items, more than"
                f" max_branches = {step.max_branches}"
            )
        return tuple(_branch(number, item, step) for number, item in enumerate(items, start=1))

    async def _unreadable(self, unit: Unit, message: str) -> None:
        newest = self._core.state(self._run_id).newest(unit)
        number = newest.attempt + 1 if newest else 1
        attempt = new_attempt(unit, number, self._core.clock.now())
        failed = ev.AttemptFailed(
            step=unit.step,
            attempt=number,
            failure=Failure(kind=FailureKind.BAD_REQUEST, message=message),
            blocked=Blocked(kind="input", message=message, step=unit.step),
        )
        await self._commit(ev.AttemptStarted(attempt=attempt), failed)

    async def collect(self, directive: do.Collect) -> None:
        """Make one result of those that are to be taken. Raises LongwatchError when their work
        cannot be merged."""
        step = self._core.recipe(self._run_id).workflow.step(directive.unit.step)
        assert isinstance(step, CollectStep)
        state = self._core.state(self._run_id)
        found = taken(step, state)
        lacking = missing(step, state, found)
        if lacking:
            await self._lacking(step, directive, lacking)
            return
        if step.template:
            context = CollectContext(step, state, found)
            text = render(step.template, "collect", context, step.name)
        else:
            text = flow.SEPARATOR.join(result.output for result in found)
        works = [r.attempt.commit for r in found if r.attempt and r.attempt.commit]
        commit = await self._merging.into_one(step.name, works) if step.merge else None
        produced = ev.OutputProduced(
            step=step.name, attempt=directive.attempt, output=printable(text), commit=commit
        )
        await self._commit(produced)

    async def _lacking(self, step: CollectStep, directive: do.Collect, message: str) -> None:
        skipped = step.on_error == "skip"
        blocked = None if skipped else Blocked(kind="input", message=message, step=step.name)
        failed = ev.AttemptFailed(
            step=step.name,
            attempt=directive.attempt,
            failure=Failure(kind=FailureKind.OTHER, message=message),
            blocked=blocked,
            fatal=step.on_error == "fail",
            skipped=skipped,
        )
        await self._commit(failed)

    async def take_input(self, directive: do.TakeInput) -> None:
        """Let a gate-only step check what flows into it."""
        step = self._core.recipe(self._run_id).workflow.step(directive.unit.step)
        assert isinstance(step, GateStep)
        state = self._core.state(self._run_id)
        produced = ev.OutputProduced(
            step=step.name,
            attempt=directive.attempt,
            output=flow.input_of(state, step.name),
            commit=await self._merging.base_of(step.name),
        )
        await self._commit(produced)


def _branch(number: int, item: object, step: FanOutStep) -> BranchPlan:
    text = item if isinstance(item, str) else json.dumps(item, ensure_ascii=False)
    return BranchPlan(
        name=str(number),
        agent=step.agent,
        title=one_line(printable(text), _TITLE),
        item=json.dumps(item),
    )
