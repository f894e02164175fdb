"""A step of many parts, its branches or the turns of its loop, in as many rows as one can read."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime

from app.domain.run import Attempt, AttemptState, BranchPlan, RunState, StepProgress, StepState
from app.domain.text import one_line
from app.ui.marks import MORE, STEPS, TO_DO, Mark
from app.ui.widgets.queue import Pick

MOST = 12  # rows of one step; the others are counted, until they are asked for
_KEPT = 8  # rows that stay when it is folded
INDENT = "  "
# How urgent a part is to see: it needs somebody, is at work, is over or not begun. Beyond that
# stand the turns of a loop that are over, the newest first.
URGENT, LIVE, OVER = 0, 1, 2


@dataclass(frozen=True, slots=True)
class Part:
    """One branch or turn, as its newest attempt has it: how urgent it is to see, and its row,
    which is made only when it is seen: a loop may have a thousand turns."""

    urgency: int
    word: str
    item_id: str
    row: Callable[[], Pick]


def step_id(step: str) -> str:
    """The row of a step that has rows for its parts, or has not begun."""
    return f"step:{step}"


def more_id(step: str) -> str:
    """The row that stands for those that are folded away."""
    return f"more:{step}"


def branch_id(step: str, branch: str) -> str:
    """The row of a branch that has not begun."""
    return f"branch:{step}/{branch}"


def folded(step: str, parts: Sequence[Part], keep: str, *, opened: bool) -> list[Pick]:
    """The rows of a step's parts; of very many those that need eyes, and `keep`."""
    if opened or len(parts) <= MOST:
        last = [Pick(more_id(step), MORE, "fewer (Enter)", lead=INDENT, quiet=True)]
        return [part.row() for part in parts] + (last if len(parts) > MOST else [])
    ranked = sorted((n for n, part in enumerate(parts) if part.urgency < OVER), key=_of(parts))
    recent = sorted((n for n, part in enumerate(parts) if part.urgency > OVER), key=_of(parts))
    kept = [n for n, part in enumerate(parts) if part.item_id == keep]
    shown = {*[*ranked, *recent][:_KEPT], *kept}
    rest = Counter(part.word for n, part in enumerate(parts) if n not in shown)
    words = ", ".join(f"{count} {word}" for word, count in rest.most_common())
    text = f"{sum(rest.values())} more: {words}"
    more = Pick(more_id(step), MORE, text, lead=INDENT, quiet=True)
    return [*(parts[n].row() for n in sorted(shown)), more]


def _of(parts: Sequence[Part]) -> Callable[[int], tuple[int, int]]:
    return lambda n: (parts[n].urgency, n)


def planned(progress: StepProgress, state: RunState) -> list[tuple[BranchPlan, list[Attempt]]]:
    """Every branch with its attempts, oldest first."""
    attempts: dict[str, list[Attempt]] = {plan.name: [] for plan in progress.branches}
    for attempt in state.attempts.values():
        if attempt.step == progress.step and attempt.branch in attempts:
            attempts[attempt.branch].append(attempt)
    return [(plan, attempts[plan.name]) for plan in progress.branches]


def not_begun(step: str, plan: BranchPlan, *, canceled: bool) -> Part:
    """A branch without an attempt: it is to come, or nobody needs it any more."""
    mark = STEPS[StepState.CANCELED] if canceled else TO_DO
    pick = Pick(branch_id(step, plan.name), mark, branch_name(plan), lead=INDENT, quiet=True)
    return Part(OVER, mark.word, pick.item_id, lambda: pick)


def branch_name(plan: BranchPlan) -> str:
    """Its name and, if that says more, its title; printable, in one line."""
    title = f" · {plan.title}" if plan.title and plan.title != plan.name else ""
    return one_line(f"{plan.name}{title}", 120)


def summary(progress: StepProgress, state: RunState, now: datetime) -> tuple[Mark, str]:
    """A fan-out in one line: how many of its branches are done, and how many need somebody."""
    newest = [attempts[-1] for _, attempts in planned(progress, state) if attempts]
    over = sum(attempt.state.over for attempt in newest)
    held = sum(attempt.blocked is not None for attempt in newest)
    failed = sum(a.state is AttemptState.FAILED and a.blocked is None for a in newest)
    at_work = sum(attempt.state.live and attempt.blocked is None for attempt in newest)
    counts = [(at_work, "at work"), (failed, "failed"), (held, "held")]
    words = [f"{over} of {len(progress.branches)} done"]
    words += [f"{count} {word}" for count, word in counts if count]
    return STEPS[progress.state], " · ".join(words)
