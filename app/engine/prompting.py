"""What an agent is asked: the step's template over the run's committed state."""

from __future__ import annotations

import difflib
from collections.abc import Sequence

from app.agents.protocol import SettledCall
from app.domain.prompts import (
    FailedGate,
    PromptContext,
    continue_prompt,
    render_agent_prompt,
    render_review_prompt,
)
from app.domain.run import Attempt, AttemptState, Cause, RunState
from app.domain.step import AgentStep, ReviewStep


def write_prompt(
    step: AgentStep | ReviewStep, state: RunState, *, again: bool, settled: Sequence[SettledCall]
) -> str:
    """The prompt of a step's newest attempt; of a cut-off turn, what to go on with.

    The same state gives the same text. Raises ConfigError when the template fails.
    """
    if isinstance(step, AgentStep):
        text = render_agent_prompt(step, _agent_context(step, state))
    else:
        text = render_review_prompt(step, _review_context(step, state))
    if not again:
        return text
    known = [(call.call.command or call.call.title, _fate(call)) for call in settled]
    return continue_prompt(text, known)


def _fate(settled: SettledCall) -> str:
    if settled.fate == "run_again":
        return "its outcome is unknown; the operator wants it run again"
    words = "already done" if settled.fate == "done" else "denied by the operator"
    return f"{words}: {settled.summary}" if settled.summary else words


def _agent_context(step: AgentStep, state: RunState) -> PromptContext:
    current = state.latest(step.name)
    previous = _before(state, step.name, current.attempt if current else 1)
    cause = current.cause if current else Cause.FIRST
    gate = None
    if cause is Cause.GATE and previous is not None and previous.gates:
        failed, spec = previous.gates[-1], {g.name: g for g in step.gates}
        gate = FailedGate(
            name=failed.gate,
            criteria=spec[failed.gate].criteria if failed.gate in spec else "",
            exit_code=failed.exit_code,
            log=failed.log,
        )
    return PromptContext(
        request=state.run.request,
        outputs=_outputs(state),
        previous=previous.output if previous else None,
        reasons=_reasons(state) if cause in (Cause.REJECTED, Cause.RETRY) else (),
        gate=gate,
        attempt=current.attempt if current else 1,
    )


def _review_context(step: ReviewStep, state: RunState) -> PromptContext:
    reviews = [r for r in state.reviews.values() if r.step == step.name]
    artefact = state.latest(step.of)
    before = _before(state, step.of, artefact.attempt) if artefact else None
    return PromptContext(
        request=state.run.request,
        outputs=_outputs(state),
        reasons=_reasons(state),
        artefact=artefact.output or "" if artefact else "",
        diff=_difference(before, artefact),
        attempt=len(reviews) or 1,
    )


def _outputs(state: RunState) -> dict[str, str]:
    """Each step's newest output that stands."""
    standing = (AttemptState.PASSED, AttemptState.PRODUCED, AttemptState.REJECTED)
    return {
        a.step: a.output
        for a in state.attempts.values()
        if a.state in standing and a.output is not None
    }


def _before(state: RunState, step: str, attempt: int) -> Attempt | None:
    """The newest earlier attempt of a step that produced something."""
    earlier = [
        a
        for a in state.attempts.values()
        if a.step == step and a.attempt < attempt and a.output is not None
    ]
    return earlier[-1] if earlier else None


def _reasons(state: RunState) -> tuple[str, ...]:
    """Why the newest review rejected; reviews that approved have nothing to say."""
    for review in reversed(state.reviews.values()):
        for verdict in reversed(review.verdicts):
            if verdict.decision == "reject":
                return verdict.reasons
    return ()


def _difference(before: Attempt | None, after: Attempt | None) -> str:
    if before is None or after is None:
        return ""
    old, new = (before.output or "").splitlines(), (after.output or "").splitlines()
    names = (f"attempt {before.attempt}", f"attempt {after.attempt}")
    return "\n".join(difflib.unified_diff(old, new, *names, lineterm=""))
