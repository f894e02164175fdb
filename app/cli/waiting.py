"""What of a run waits for a person, with the command that answers it."""

from __future__ import annotations

from datetime import UTC, datetime

from app.domain.attention import AttentionItem, AttentionKind, attention
from app.domain.run import RunState

_HOW = {
    AttentionKind.APPROVAL: "longwatch approve {0} | longwatch deny {0} --reason …",
    AttentionKind.UNCERTAIN: "longwatch settle {0} run-again|treat-as-done|abort",
    AttentionKind.QUESTION: "longwatch answer {0} TEXT",
    AttentionKind.REVIEW: "longwatch accept {0} | longwatch reject {0} --reason …",
    AttentionKind.BLOCKED: "longwatch retry {0} | longwatch skip {0} STEP | longwatch cancel {0}",
}


def waiting(state: RunState) -> list[AttentionItem]:
    """What waits now, most urgent first."""
    return attention(state, datetime.now(UTC))


def answer(item: AttentionItem) -> str:
    """One item and how to answer it."""
    risk = f" ({item.risk} risk)" if item.risk else ""
    how = _HOW[item.kind].format(item.item_id)
    return f"{item.kind}{risk} {item.item_id}: {item.title}\n    {how}"


def answers(state: RunState) -> list[str]:
    """All that waits, as lines."""
    return ["", *(answer(item) for item in waiting(state))] if waiting(state) else []
