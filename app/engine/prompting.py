"""What an agent is asked: the step's template over the run's committed state."""

from __future__ import annotations

from collections.abc import Sequence

from app.agents.protocol import SettledCall
from app.domain.contexts import AttemptContext, JudgeContext, ReviewContext, branch_prompt
from app.domain.flow import owner
from app.domain.prompts import (
    continue_prompt,
    render_agent_prompt,
    render_judge_prompt,
    render_review_prompt,
)
from app.domain.run import RunState, Unit
from app.domain.step import AgentStep, FanOutStep, ReviewStep
from app.domain.workflow import Recipe


def write_prompt(
    recipe: Recipe,
    state: RunState,
    unit: Unit,
    *,
    again: bool,
    settled: Sequence[SettledCall],
    diff: str = "",
) -> str:
    """The prompt of a unit's newest attempt; of a cut-off turn, what to go on with.

    `diff` is what a gate's judge is shown. The same state gives the same text. Raises
    ConfigError when the template fails.
    """
    text = _prompt(recipe, state, unit, diff)
    if not again:
        return text
    known = [(call.call.command or call.call.title, _fate(call)) for call in settled]
    return continue_prompt(text, known)


def _prompt(recipe: Recipe, state: RunState, unit: Unit, diff: str) -> str:
    step = recipe.workflow.step(owner(unit.step))
    if owner(unit.step) != unit.step:
        return _judge_prompt(recipe, state, unit, diff)
    if isinstance(step, ReviewStep):
        return render_review_prompt(step, ReviewContext(step, state))
    assert isinstance(step, AgentStep | FanOutStep)
    context = AttemptContext(step, state, unit)
    if state.prompts and (instead := state.prompts.get(str(unit))) is not None:
        return render_agent_prompt(step, context, prompt=instead, literal=True)
    own = branch_prompt(step, unit) if isinstance(step, FanOutStep) else ""
    return render_agent_prompt(step, context, prompt=own)


def _judge_prompt(recipe: Recipe, state: RunState, unit: Unit, diff: str) -> str:
    step = recipe.workflow.step(owner(unit.step))
    name = unit.step.partition(".")[2]
    gate = next(gate for gate in getattr(step, "gates", ()) if gate.name == name)
    review = [r for r in state.reviews.values() if r.unit == unit][-1]
    return render_judge_prompt(gate, JudgeContext(gate, review, state, diff), step.name)


def _fate(settled: SettledCall) -> str:
    if settled.fate == "run_again":
        return "its outcome is unknown; the operator wants it run again"
    words = "already done" if settled.fate == "done" else "denied by the operator"
    return f"{words}: {settled.summary}" if settled.summary else words
