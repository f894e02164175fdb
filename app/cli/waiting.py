"""What of a run waits for a person, with the command that answers it."""

from __future__ import annotations

from datetime import UTC, datetime

from app.domain.attention import AttentionItem, AttentionKind, attention
from app.domain.flow import owner
from app.domain.helping import what_helps
from app.domain.run import Attempt, RunState

_HOW = {
    AttentionKind.APPROVAL: "longwatch approve {0} | longwatch deny {0} --reason …",
    AttentionKind.UNCERTAIN: "longwatch settle {0} run-again|treat-as-done|abort",
    AttentionKind.QUESTION: "longwatch answer {0} TEXT",
    AttentionKind.REVIEW: "longwatch accept {0} | longwatch reject {0} --reason …",
    AttentionKind.STUCK: "longwatch restart {0}  (starts its agent anew)",
    AttentionKind.BLOCKED: "longwatch retry {0} | longwatch cancel {0}",
    AttentionKind.ROLLOUT: "longwatch rollout",
}


def waiting(state: RunState) -> list[AttentionItem]:
    """What waits now, most urgent first."""
    return attention(state, datetime.now(UTC))


def answer(item: AttentionItem) -> str:
    """One item and how to answer it."""
    risk = f" ({item.risk} risk)" if item.risk else ""
    how = _HOW[item.kind].format(item.item_id, item.run_id)
    return f"{item.kind}{risk} {item.item_id}: {item.title}\n    {how}"


def answers(state: RunState) -> list[str]:
    """All that waits, as lines, and for each part that stands still how to go on with it."""
    found = [answer(item) for item in waiting(state)]
    found += [_go_on(state, attempt) for attempt in state.attempts.values() if attempt.blocked]
    return ["", *found] if found else []


def _go_on(state: RunState, attempt: Attempt) -> str:
    run, step = state.run.run_id, owner(attempt.step)
    branch = f" --branch {attempt.branch}" if attempt.branch else ""
    helps = what_helps(attempt.blocked) if attempt.blocked else ""
    return (
        f"{attempt.unit} stands still{f': {helps}' if helps else ''}:\n"
        f"    longwatch retry {run} --step {step}{branch} [--prompt TEXT]\n"
        f"    longwatch skip {run} {step}{branch} [--value TEXT]"
    )
