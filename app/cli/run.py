"""`longwatch run "…"`: start a run, and watch it on a screen or follow it without one."""

from __future__ import annotations

import asyncio
from pathlib import Path

import click

from app.cli.deciding import decide_options, read_answers
from app.cli.headless import Answers, follow, is_over
from app.cli.options import (
    attach_option,
    chosen_store,
    json_option,
    max_wait_option,
    project_option,
    store_option,
)
from app.cli.output import emit, note
from app.cli.project import isolation, project_root, unseen_changes
from app.cli.reach import AnyClient, client_of
from app.cli.show import print_result, print_run
from app.cli.signals import Stopped, until_signal
from app.cli.waiting import answers as answer_lines
from app.domain.base import RunId
from app.domain.commands import StartRun
from app.domain.errors import StoreError
from app.domain.request import Request, Risk
from app.domain.run import RunState
from app.domain.task_state import TaskState
from app.link.person import user_name

WAITS = 3  # the exit code that says that a person has to answer


@click.command("run")
@click.argument("text")
@click.option("-w", "--workflow", help="Skip routing and use this workflow.")
@click.option("--user", help="Who asks, for routing (default: you).")
@click.option("--channel", default="cli", show_default=True, help="Where from, for routing.")
@click.option("--task-type", default="change", show_default=True, help="What kind, for routing.")
@click.option(
    "--risk", type=click.Choice([r.value for r in Risk]), default="medium", show_default=True
)
@project_option
@click.option("--headless", is_flag=True, help="No screen: follow the run here until it is over.")
@attach_option
@decide_options
@max_wait_option
@json_option
@store_option
def run_command(
    text: str,
    workflow: str | None,
    user: str | None,
    channel: str,
    task_type: str,
    risk: str,
    project: Path | None,
    headless: bool,
    attach: tuple[str, ...],
    decide: str | None,
    decisions: Path | None,
    max_wait: float | None,
    as_json: bool,
) -> int:
    """Start a run for the request TEXT in this git repository.

    Opens the control room on it; with --headless, --json, --decide or --max-wait follows it here
    instead and exits 0 when it is done, 1 when it is blocked, failed or canceled, 3 when it still
    waits for a person after --max-wait.
    """
    if not text.strip():
        raise click.BadParameter("the request is empty", param_hint="TEXT")
    request = Request(
        text=text, user=user or user_name(), channel=channel, task_type=task_type, risk=Risk(risk)
    )
    root = project_root(project)
    command = StartRun(request=request, project=str(root), workflow=workflow, attach=attach)
    answers = read_answers(decide, decisions)
    store = chosen_store()
    unseen = isolation(root) or unseen_changes(root)
    if headless or as_json or answers is not None or max_wait is not None:
        if unseen:
            note(unseen)
        return run_headless(store, command, answers, as_json, max_wait)
    return run_on_screen(store, command, unseen)


def run_on_screen(store: Path, command: StartRun, notice: str) -> int:
    """Start a run and open the control room on it; the exit code."""
    from app.cli.screen import need_terminal, watch

    need_terminal()

    async def start() -> RunId:
        async with client_of(store, host=False, run=False) as client:
            return await begin(client, command)

    run_id = asyncio.run(start())
    return watch(screen="run", run_id=run_id, notice=notice)


async def begin(client: AnyClient, command: StartRun) -> RunId:
    """Start the run; its id. Raises Refused when it cannot be started."""
    done = await client.execute(command)
    if done.run_id is None:
        raise StoreError("the supervisor started a run without an id (a defect)")
    return done.run_id


def run_headless(
    store: Path,
    command: StartRun,
    answers: Answers | None,
    as_json: bool,
    max_wait: float | None,
) -> int:
    """Start a run and follow it to its end; the exit code."""

    async def started(client: AnyClient) -> RunId:
        run_id = await begin(client, command)
        note(f"run {run_id} in {store}")
        return run_id

    try:
        state = asyncio.run(until_signal(follow(store, started, answers, max_wait)))
    except Stopped as stopped:
        note(f"stopped by {stopped}; `longwatch` or `longwatch up` goes on with the run")
        return stopped.exit_code
    return report(state, as_json)


def report(state: RunState, as_json: bool) -> int:
    """Print a run; 0 only when it is done, and 3 when it still waits for a person."""
    if as_json:
        emit(state)
        for line in answer_lines(state):
            note(line)
    else:
        print_run(state)
        print_result(state)
    if not is_over(state):
        note("the run waits; `longwatch` or `longwatch up` goes on with it")
        return WAITS
    return 0 if state.run.state is TaskState.DONE else 1
