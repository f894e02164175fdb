"""How steps hang together: what comes before and after, and what flows from one to the next."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence

from msgspec import Struct

from app.domain.remembered import remembered
from app.domain.run import Attempt, AttemptState, Run, RunState, StepBrief, StepState

SEPARATOR = "\n\n---\n\n"  # between joined outputs, as in OpenFang
# Steps whose own output is not what flows on: the artefact does.
_PASSES_THROUGH = ("review", "gate")


class Result(Struct, frozen=True):
    """What one branch, or one step, has come to. `name` is the branch's, else the step's."""

    name: str
    step: str
    output: str
    ok: bool
    attempt: Attempt | None


def owner(step: str) -> str:
    """The workflow's step behind the name of an attempt's step: a gate's judge has attempts of
    its own, under `step.gate`."""
    return step.partition(".")[0]


def dependents(run: Run, step: str) -> frozenset[str]:
    """Every step that comes after `step`, directly or not."""
    found = {step}
    needs = run.needs()
    moved = True
    while moved:
        moved = False
        for name, before in needs.items():
            if name not in found and found & set(before):
                found.add(name)
                moved = True
    return frozenset(found - {step})


def upstream(run: Run, step: str) -> Iterator[str]:
    """Every step that comes before `step`, directly or not; roughly the nearest first."""
    needs, found = run.needs(), set[str]()
    todo = list(needs.get(step, ()))
    while todo:
        name = todo.pop()
        if name not in found:
            found.add(name)
            yield name
            todo += needs.get(name, ())


def brief(run: Run, step: str) -> StepBrief:
    """Raises KeyError for a step that the run does not have."""
    return _briefs(run.steps)[step]


@remembered
def _briefs(steps: tuple[StepBrief, ...]) -> Mapping[str, StepBrief]:
    return {step.name: step for step in steps}


def standing(state: RunState, step: str, branch: str | None = None) -> Attempt | None:
    """The newest attempt of a step or branch that has an output worth reading."""
    newest = state.latest(step, branch)
    if newest is None or _worth_reading(newest):
        return newest
    for attempt in state.attempts.newest_first():
        if attempt.step != step or branch not in (None, attempt.branch):
            continue
        if _worth_reading(attempt):
            return attempt
    return None


def _worth_reading(attempt: Attempt) -> bool:
    return attempt.output is not None and attempt.state is not AttemptState.CANCELED


def results(state: RunState, step: str) -> list[Result]:
    """Those of a fan-out's branches, or of any other step its one, in declared order."""
    progress = state.steps.get(step)
    if brief(state.run, step).kind != "fan_out":
        return [_result(state, step, step, None)]
    branches = progress.branches if progress else ()
    return [_result(state, step, plan.name, plan.name) for plan in branches]


def _result(state: RunState, step: str, name: str, branch: str | None) -> Result:
    attempt = state.latest(step, branch)
    passed = attempt is not None and attempt.state is AttemptState.PASSED
    given = attempt is not None and attempt.state is AttemptState.SKIPPED and attempt.given
    output = attempt.output if attempt is not None and (passed or given) else None
    return Result(name, step, output or "", output is not None, attempt)


def output_of(state: RunState, step: str) -> str | None:
    """A step's own output, None where it has none: a branch's each joined for a fan-out."""
    kind = brief(state.run, step).kind
    if kind in _PASSES_THROUGH:
        return None
    if kind == "fan_out":
        found = [result.output for result in results(state, step) if result.ok]
        return SEPARATOR.join(found) if found else None
    progress = state.steps.get(step)
    if progress is not None and progress.state in (StepState.SKIPPED, StepState.CANCELED):
        return standing_value(state, step)
    attempt = standing(state, step)
    return attempt.output if attempt is not None else None


class Outputs(Mapping[str, str]):
    """The outputs of those steps before one that can have one, each found when it is asked for;
    "" for one that was skipped."""

    def __init__(self, state: RunState, step: str) -> None:
        self._state = state
        self._step = step

    def __getitem__(self, name: str) -> str:
        if name not in self._names():
            raise KeyError(name)
        return output_of(self._state, name) or ""

    def _names(self) -> Iterator[str]:
        run = self._state.run
        before = upstream(run, self._step)
        return (name for name in before if brief(run, name).kind not in _PASSES_THROUGH)

    def __iter__(self) -> Iterator[str]:
        found = set(self._names())
        return (name for name in self._state.run.needs() if name in found)

    def __len__(self) -> int:
        return sum(1 for _ in self)


def input_of(state: RunState, step: str) -> str:
    """What flows into a step: the outputs of the steps it needs, reviews, gates and skipped steps
    passing on what flowed into them; the request's text at the beginning."""
    found = dict(_sources(state, step))
    return SEPARATOR.join(found.values()) if found else state.run.request.text


def _sources(state: RunState, step: str) -> Iterator[tuple[str, str]]:
    """The steps whose outputs flow into it, with these."""
    needs, seen = state.run.needs(), set[str]()
    todo = list(reversed(needs.get(step, ())))
    while todo:
        name = todo.pop()
        if name in seen:
            continue
        seen.add(name)
        if brief(state.run, name).kind == "review":
            yield from _judged(state, name)
        elif (output := output_of(state, name)) is None:
            todo += reversed(needs.get(name, ()))
        else:
            yield name, output


def _judged(state: RunState, review: str) -> Iterator[tuple[str, str]]:
    for name in brief(state.run, review).of:
        yield name, output_of(state, name) or ""


def standing_value(state: RunState, step: str) -> str | None:
    """What an operator gave in place of a skipped step's result."""
    attempt = state.latest(step)
    if attempt is None or attempt.state is not AttemptState.SKIPPED or not attempt.given:
        return None
    return attempt.output


def final_output(state: RunState) -> str:
    """The run's result: what flows out of its last step."""
    needs = state.run.needs()
    needed = {name for before in needs.values() for name in before}
    found: dict[str, str] = {}
    for name in (name for name in needs if name not in needed):
        if brief(state.run, name).kind == "review":
            found |= _judged(state, name)
        elif (output := output_of(state, name)) is None:
            found |= _sources(state, name)
        else:
            found[name] = output
    return SEPARATOR.join(found.values())


def commits(state: RunState, steps: Sequence[str]) -> list[str]:
    """The commits that the work of these steps left, without repeats; a step that left none
    passes on what it came from."""
    found, seen = dict[str, None](), set[str]()
    needs, todo = state.run.needs(), list(reversed(steps))
    while todo:
        name = todo.pop()
        if name in seen:
            continue
        seen.add(name)
        progress = state.steps.get(name)
        if progress is not None and progress.commit is not None:
            found[progress.commit] = None
        else:
            todo += reversed(needs.get(name, ()))
    return list(found)


def iteration_of(state: RunState, step: str, branch: str = "") -> int:
    """The turn of a loop that is under way or has ended last; 1 before the first. When the loop
    begins again, all its earlier attempts are stale."""
    newest = state.latest(step, branch)
    if newest is None or newest.state is AttemptState.STALE:
        return 1
    return max(newest.iteration, 1)


def items_of(text: str) -> list[object] | None:
    """The JSON list in a step's output: all of it, or its last fenced block. None if none."""
    for source in (text, *reversed(_fenced(text))):
        try:
            found = json.loads(source)
        except (ValueError, RecursionError):
            continue
        return found if isinstance(found, list) else None
    return None


def _fenced(text: str) -> list[str]:
    blocks, inside, ticks = list[str](), list[str](), ""
    for line in text.splitlines():
        bare = line.strip()
        if not ticks and bare.startswith("```"):
            ticks, inside = bare[: len(bare) - len(bare.lstrip("`"))], []
        elif ticks and bare == ticks:
            blocks.append("\n".join(inside))
            ticks = ""
        elif ticks:
            inside.append(line)
    return blocks
