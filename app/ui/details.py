"""What there is to read about one row of a run: its output, its gates."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from app.domain.attention import attention
from app.domain.run import Attempt, GateResult, RunState
from app.ui.artefacts import round_rows, text_rows
from app.ui.page import BLANK, Row, fact, heading, lines, row
from app.ui.rows import explain
from app.ui.steps import WHOLE, attempt_of, review_of, seconds


def output_rows(state: RunState, item_id: str, now: datetime) -> list[Row]:
    """The text that an attempt produced, what was said of it, or why there is none."""
    if item_id == WHOLE:
        return _whole(state, now)
    review = review_of(state, item_id)
    if review is not None:
        escalated = list(lines(f"escalated: {review.escalated}", tone="need"))
        rows = [*(escalated if review.escalated else ()), *round_rows(state, review)]
        return rows or [row(("no verdict yet", "quiet"))]
    attempt = attempt_of(state, item_id)
    if attempt is None:
        return [row(("not begun yet", "quiet"))]
    if attempt.failure is not None:
        words = attempt.failure.kind.replace("_", " ")
        return [row((words, "bad")), *lines(attempt.failure.message)]
    if attempt.output is None:
        return [row(("no output yet; l shows what the agent says", "quiet"))]
    return text_rows(attempt.output) if attempt.output else [row(("(empty)", "quiet"))]


def _whole(state: RunState, now: datetime) -> list[Row]:
    run = state.run
    found = [heading("Request"), *lines(run.request.text), BLANK]
    found += fact("stands", explain(state, attention(state, now)) or str(run.state))
    found += fact("project", run.project)
    found += fact("workflow", f"{run.workflow}, version {run.recipe[:12]}")
    asked = f"{run.request.user} by {run.request.channel}, {run.request.task_type}, "
    found += fact("asked by", f"{asked}{run.request.risk} risk")
    found += fact("trace", run.trace_id)
    if run.base_commit:
        found += fact("base", run.base_commit[:12])
    if run.head_commit:
        found += fact("head", run.head_commit[:12])
    if state.result_branch:
        found += fact("take over", f"git merge {state.result_branch}")
    for session in state.sessions.values():
        words = f"{session.agent} · {session.state} · {session.continuity}"
        branch = f" · branch {session.git_branch}" if session.git_branch else ""
        found += fact(session.step[:11], f"{words}{branch}")
    return found


def gate_rows(state: RunState, item_id: str) -> list[Row]:
    """Every gate of an attempt with its log; of the whole run, every attempt's."""
    if item_id == WHOLE:
        attempts: Iterable[Attempt] = state.attempts.values()
    else:
        one = attempt_of(state, item_id)
        attempts = [one] if one is not None else []
    found: list[Row] = []
    for attempt in attempts:
        for gate in attempt.gates:
            found += [*_gate(attempt, gate), BLANK]
    return found[:-1] or [row(("no gate was evaluated", "quiet"))]


def _gate(attempt: Attempt, gate: GateResult) -> list[Row]:
    mark, tone, word = ("✓", "good", "passed") if gate.passed else ("✗", "bad", "failed")
    end = "timed out" if gate.timed_out else f"exit {gate.exit_code}"
    if gate.exit_code is None and not gate.timed_out:
        end = "did not end by itself"
    took = seconds(gate.ended_at - gate.started_at)
    about = f"{attempt.step} {attempt.attempt} · {end} · {took} · {gate.log_bytes:,} bytes of log"
    head = row((f"{mark} {gate.gate} {word}", tone), (f"  {about}", "quiet"), tone="file")
    head = Row(head.spans, tone="file", hang="  ", anchor=gate.gate)
    log = (
        lines(gate.log, first="  ", rest="  ")
        if gate.log.strip()
        else [row(("  (no output)", "quiet"))]
    )
    return [head, *log]
