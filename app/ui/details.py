"""What there is to read about one row of a run: its output, its gates."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime

from app.domain.attention import attention
from app.domain.day_budget import DayBudget
from app.domain.helping import what_helps
from app.domain.run import Attempt, AttemptState, GateResult, QuestionState, RunState
from app.domain.text import one_line
from app.ui.artefacts import round_rows, text_rows
from app.ui.branches import branch_name, planned
from app.ui.page import BLANK, Row, fact, heading, lines, row
from app.ui.rows import explain
from app.ui.steps import WHOLE, attempt_of, review_of, seconds, step_of

_LEFT = {
    AttemptState.SKIPPED: "skipped: the run goes on without it",
    AttemptState.STALE: "stale: a step before it is made again, so it will be too",
    AttemptState.CANCELED: "canceled: nobody needed its result any more",
}


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
        return _without_attempt(state, item_id)
    asked = list(_asked(state, attempt))
    found = [
        *_standing(attempt),
        *_stuck(state, attempt),
        *asked,
        *_output(attempt, quiet=bool(asked)),
    ]
    return found[:-1] if found and found[-1] is BLANK else found


def _standing(attempt: Attempt) -> Iterator[Row]:
    """Why an attempt stands still or was left, and what can be done about it."""
    if attempt.failure is not None:
        yield row((attempt.failure.kind.replace("_", " "), "bad"))
        yield from lines(attempt.failure.message)
        if attempt.retry_in is not None:
            yield row((f"tried again in {attempt.retry_in:.0f} s; t tries it now", "need"))
        yield BLANK
    if attempt.blocked is not None:
        if attempt.failure is None:
            yield from lines(attempt.blocked.message, tone="bad")
        if helps := what_helps(attempt.blocked):
            yield row((helps, "need"))
        keys = "t tries again · T with another prompt · v gives a value instead · x cancels the run"
        yield row((keys, "need"))
        yield BLANK
    if attempt.state in _LEFT:
        value = "given by a person, in place of a result"
        yield row((value if attempt.given else _LEFT[attempt.state], "quiet"))
        yield BLANK
    if attempt.child is not None:
        yield row(("run  ", "label"), attempt.child, ("  Enter opens it", "quiet"))
        yield BLANK
    for reason in attempt.reasons:
        yield from lines(reason, first="sent back: ", rest="           ", tone="need")
    if attempt.reasons:
        yield BLANK


def _stuck(state: RunState, attempt: Attempt) -> Iterator[Row]:
    """That its session seems to get nowhere, and what helps."""
    session = state.sessions.get(attempt.session_id) if attempt.session_id else None
    if session is not None and session.stuck is not None and attempt.state is AttemptState.OPEN:
        yield from lines(f"seems stuck: {session.stuck.why}", tone="need")
        keys = "s says something to it · K starts its agent anew · x cancels the run"
        yield row((keys, "need"))
        yield BLANK


def _asked(state: RunState, attempt: Attempt) -> Iterator[Row]:
    """For a question's attempt: the question."""
    for question in state.questions.values():
        if (question.step, question.attempt) == (attempt.step, attempt.attempt):
            yield from text_rows(question.text)
            by = f", by {question.by}" if question.by else ""
            waits = question.state is QuestionState.OPEN
            yield row(("i answers it" if waits else f"{question.state}{by}", "quiet"))
            yield BLANK


def _output(attempt: Attempt, *, quiet: bool) -> list[Row]:
    """What came out; with `quiet` nothing is said while there is nothing."""
    if attempt.output is not None:
        return text_rows(attempt.output) if attempt.output else [row(("(empty)", "quiet"))]
    if quiet or attempt.failure is not None or attempt.child or attempt.state in _LEFT:
        return []
    return [row(("no output yet; l shows what the agent says", "quiet"))]


def _without_attempt(state: RunState, item_id: str) -> list[Row]:
    """A step as a whole: its branches one by one, or why it was passed over."""
    progress = state.steps.get(step_of(state, item_id))
    if progress is None or item_id.startswith("branch:"):
        return [row(("not begun yet", "quiet"))]
    found = [row((progress.reason, "quiet"))] if progress.reason else []
    for plan, attempts in planned(progress, state):
        newest = attempts[-1] if attempts else None
        said = str(newest.state) if newest else "to do"
        tone = "bad" if newest and newest.blocked else "quiet"
        said = "stands still" if newest and newest.blocked else said
        found.append(row((f"{branch_name(plan)}  ", "strong"), (f"{plan.agent} · {said}", tone)))
        if newest is not None and newest.blocked is not None:
            found += lines(newest.blocked.message, first="  ", rest="  ", tone="bad")
        elif newest is not None and newest.output:
            found.append(row(("  " + one_line(newest.output, 200), "quiet")))
    return found or [row((f"{progress.state}", "quiet"))]


def _whole(state: RunState, now: datetime) -> list[Row]:
    run = state.run
    found = [heading("Request"), *lines(run.request.text), BLANK]
    found += fact("stands", explain(state, attention(state, now), now) or str(run.state))
    found += fact("project", run.project)
    found += fact("workflow", f"{run.workflow}, version {run.recipe[:12]}")
    if run.rollout:
        how = ", in shadow: nobody is given its answer" if run.shadow else ""
        found += fact("path", f"{run.path} of its rollout, version {run.rollout_version}{how}")
        if run.shadow_of:
            found += fact("beside", f"run {run.shadow_of}, whose answer counts")
    asked = f"{run.request.user} by {run.request.channel}, {run.request.task_type}, "
    found += fact("asked by", f"{asked}{run.request.risk} risk")
    for attached in run.request.attachments:
        found += fact("attached", f"{attached}, {attached.sha256[:12]}")
    if run.request.past:
        past = run.request.past
        found += fact("takes up", f"past session {past.past_id}, as of {past.sha256[:12]}")
    found += fact("trace", run.trace_id)
    if run.base_commit:
        found += fact("base", run.base_commit[:12])
    if run.head_commit:
        found += fact("head", run.head_commit[:12])
    if state.take_over:
        found += fact("take over", state.take_over)
    if state.taken:
        when = (state.taken.ended_at or state.taken.begun_at).astimezone()
        found += fact("taken over", f"{when:%b %d %H:%M}: {state.taken}")
    if run.parent:
        found += fact("part of", f"run {run.parent}, step {run.parent_step}; b goes there")
    if run.forked_from:
        found += fact("forked from", f"{run.forked_from} at step {run.forked_at}")
    for session in state.sessions.values():
        words = f"{session.agent} · {session.state} · {session.continuity}"
        branch = f" · branch {session.git_branch}" if session.git_branch else ""
        where = f"{session.step}/{session.branch}" if session.branch else session.step
        found += fact(where[:11], f"{words}{branch}")
        for attached in session.attachments:
            found += fact("", f"was given {attached}, {attached.sha256[:12]}")
    return found


def budget_rows(budgets: Sequence[DayBudget]) -> list[Row]:
    """What is left of budgets per day."""
    return [
        line for budget in budgets for line in fact("budget", f"{budget.words()}, {budget.account}")
    ]


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
        end = "did not end by itself" if not gate.passed else "checked"
    took = seconds(gate.ended_at - gate.started_at)
    about = f"{attempt.unit} {attempt.attempt} · {end} · {took} · {gate.log_bytes:,} bytes of log"
    head = row((f"{mark} {gate.gate} {word}", tone), (f"  {about}", "quiet"), tone="file")
    head = Row(head.spans, tone="file", hang="  ", anchor=gate.gate)
    log = (
        lines(gate.log, first="  ", rest="  ")
        if gate.log.strip()
        else [row(("  (no output)", "quiet"))]
    )
    return [head, *log]
