"""`longwatch runs | show`: what runs there are, and all about one."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence

import click

from app.cli.options import chosen_store, json_option, store_option
from app.cli.output import ago, emit, say, table
from app.cli.prefix import find_run
from app.cli.reach import AnyClient, ask
from app.cli.seen import looked_at
from app.cli.waiting import answers
from app.domain.flow import final_output
from app.domain.run import Attempt, Review, Run, RunState, StepState
from app.domain.session import Session, SessionState
from app.domain.task_state import TaskState
from app.domain.text import clip, one_line
from app.domain.usage import total, words

_RESULT_ROOM = 16 * 1024  # bytes of a result that are printed


@click.command("runs")
@click.option("-n", "--limit", default=50, show_default=True, type=click.IntRange(1, 10_000))
@json_option
@store_option
def runs_command(limit: int, as_json: bool) -> None:
    """List runs, newest first."""

    async def work(client: AnyClient) -> tuple[Sequence[Run], Counter[str]]:
        found = await client.runs(limit)
        unseen = [] if client.hosts or as_json else await client.waiting()
        # Their number is no look at them: they stay unseen.
        return found, Counter(one.item.run_id for one in unseen if not one.seen)

    found, unseen = ask(chosen_store(), work)
    if as_json:
        return emit(found)
    if not found:
        return say('no runs yet; `longwatch run "…"` starts one')
    heads = ("run", "state", "step", "workflow", "created", "request")
    return table(heads, [_row(r, unseen[r.run_id]) for r in found])


def _row(run: Run, unseen: int) -> tuple[str, ...]:
    step = run.current_step or "-"
    state = f"{run.state}, {unseen} unseen" if unseen else run.state
    return (run.run_id, state, step, run.workflow, ago(run.created_at), run.request.title)


@click.command("show")
@click.argument("run_id", metavar="RUN")
@json_option
@store_option
def show_command(run_id: str, as_json: bool) -> None:
    """Show RUN: its steps, attempts and gates, and what waits for you."""

    async def work(client: AnyClient) -> RunState:
        state = await find_run(client, run_id)
        of_run = state.run.run_id
        await looked_at(client, lambda item: item.run_id == of_run, as_json=as_json)
        return state

    state = ask(chosen_store(), work)
    if as_json:
        return emit(state)
    return print_run(state)


def print_run(state: RunState) -> None:
    """A run for a person's eyes."""
    run = state.run
    say(f"{run.run_id}  {run.state}" + (f": {one_line(run.reason, 300)}" if run.reason else ""))
    say(f"request   {one_line(run.request.title, 300)}")
    say(f"workflow  {run.workflow}, version {run.recipe[:12]}")
    say(f"project   {run.project}")
    say(f"created   {ago(run.created_at)} by {run.request.user}")
    for attached in run.request.attachments:
        say(f"attached  {attached}")
    if run.request.past:
        say(f"takes up  past session {run.request.past.past_id}")
    if run.parent:
        say(f"part of   run {run.parent}")
    if run.rollout:
        beside = f", in shadow of {run.shadow_of or 'a recorded answer'}" if run.shadow else ""
        say(f"path      {run.path}, rollout version {run.rollout_version}{beside}")
    if run.forked_from:
        say(f"forked    from {run.forked_from} at step {run.forked_at}")
    if used := words(total(s.usage for s in state.sessions.values())):
        say(f"used      {', '.join(used)}")
    if run.blocked:
        say(f"blocked   {one_line(run.blocked.message, 300)}")
    if state.taken is not None:
        say(f"its work  {one_line(str(state.taken), 300)}, {ago(state.taken.begun_at)}")
    elif run.copied and state.take_over:
        say(f"its work  is on a copy: `{state.take_over}` brings it into the project")
    elif run.state is TaskState.DONE and state.result_branch:
        say(f"its work  is on branch {state.result_branch}: `git merge` it in the project")
    say()
    table(("step", "try", "state", "because", "found"), list(_steps(state)))
    if _sessions(state):
        say()
        table(
            ("session", "step", "agent", "state", "used"), [_session(s) for s in _sessions(state)]
        )
    for line in answers(state):
        say(line)


def _sessions(state: RunState) -> list[Session]:
    return [s for s in state.sessions.values() if s.state is not SessionState.CLOSED]


def _session(session: Session) -> tuple[str, ...]:
    where = f"{session.step}/{session.branch}" if session.branch else session.step
    standing = "seems stuck" if session.stuck else str(session.state)
    used = ", ".join(words(session.usage))
    return (session.session_id, where, session.agent, standing, used)


def print_result(state: RunState) -> None:
    """What a finished run has answered, for a person."""
    if state.run.state is TaskState.DONE and (text := final_output(state).strip()):
        say()
        say(clip(text, _RESULT_ROOM))


def _steps(state: RunState) -> Iterator[tuple[str, ...]]:
    """A row for each attempt and review round, in the order of the steps."""
    for step in state.run.steps:
        rows = [_review(r) for r in state.reviews.values() if r.step == step.name and not r.gate]
        rows = rows or [_attempt(a) for a in _units(state, step.name)]
        yield from rows or [_without_attempt(state, step.name)]


def _units(state: RunState, step: str) -> list[Attempt]:
    """A step's attempts: branch by branch, turn by turn of its loop."""
    progress = state.steps.get(step)
    planned = [plan.name for plan in progress.branches] if progress else []
    order = {name: number for number, name in enumerate(planned)}
    found = [a for a in state.attempts.values() if a.step == step]
    return sorted(found, key=lambda a: (order.get(a.branch, -1), a.iteration, a.attempt))


def _without_attempt(state: RunState, step: str) -> tuple[str, ...]:
    progress = state.steps.get(step)
    if progress is None:
        return (step, "-", "not reached", "", "")
    if progress.state is not StepState.OPEN:
        return (step, "-", progress.state, "", progress.reason)
    return (step, "-", progress.state, "", f"{len(progress.branches)} branches")


def _review(review: Review) -> tuple[str, ...]:
    said = ", ".join(f"{v.by} {v.decision}" for v in review.verdicts)
    about = f"{review.of}, version {review.of_attempt}"
    return (review.step, str(review.round), review.state, about, said)


def _attempt(attempt: Attempt) -> tuple[str, ...]:
    return (
        str(attempt.unit),
        str(attempt.attempt),
        "needs you" if attempt.blocked else attempt.state,
        attempt.cause,
        _note(attempt),
    )


def _note(attempt: Attempt) -> str:
    """What tells most about an attempt: why it stands still, its gates, the run that it waits
    for."""
    if attempt.blocked:
        return attempt.blocked.message
    if attempt.failure:
        again = "" if attempt.retry_in is None else f"; again in {attempt.retry_in:.0f} s"
        return attempt.failure.message + again
    gates = ", ".join(f"{g.gate} {'passed' if g.passed else 'FAILED'}" for g in attempt.gates)
    return gates or (f"run {attempt.child}" if attempt.child else "")
