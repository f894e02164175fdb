"""`longwatch say | pause | resume | skip | restart | fork`: what a run in progress is told."""

from __future__ import annotations

from collections.abc import Callable

import click

from app.cli.given import stdin_text
from app.cli.options import attach_option, chosen_store, json_option, store_option
from app.cli.output import report
from app.cli.prefix import find_run, find_session
from app.cli.reach import AnyClient, ask
from app.domain.base import RunId, SessionId
from app.domain.commands import (
    Command,
    Done,
    ForkRun,
    PauseRun,
    RestartSession,
    ResumeRun,
    SkipStep,
    SteerSession,
)
from app.domain.errors import NotFound, Refused
from app.domain.run import RunState
from app.link.person import operator


@click.command("say")
@click.argument("run_id", metavar="RUN")
@click.argument("text")
@click.option("--session", "wanted", default="", help="Which session, if several are at work.")
@attach_option
@json_option
@store_option
def say_command(
    run_id: str, text: str, wanted: str, attach: tuple[str, ...], as_json: bool
) -> None:
    """Say TEXT to RUN's agent that is at work."""
    if not text.strip():
        raise click.BadParameter("there is nothing to say", param_hint="TEXT")

    async def work(client: AnyClient) -> Done:
        run = await find_run(client, run_id)
        session_id = _listener(run, wanted)
        command = SteerSession(
            run_id=run.run.run_id,
            session_id=session_id,
            text=text,
            attach=attach,
            by=operator(),
        )
        return await client.execute(command)

    report(ask(chosen_store(), work), as_json)


def _listener(state: RunState, wanted: str) -> SessionId:
    """The session that is meant. Raises Refused, NotFound."""
    every = [s for s in state.sessions.values() if s.session_id.startswith(wanted)]
    if wanted and not every:
        raise NotFound(f"run {state.run.run_id} has no session {wanted}")
    found = every if wanted else [s for s in every if s.turn_open]
    if not found:
        raise Refused("no agent of this run is at work: there is nobody to hear it")
    if len(found) > 1:
        names = ", ".join(f"{s.session_id} ({s.agent} on {s.step})" for s in found[:5])
        raise Refused(f"several sessions could be meant: {names}; name one with --session")
    return found[0].session_id


@click.command("pause")
@click.argument("run_id", metavar="RUN")
@click.option("--reason", default="", help="Why; shown on its page.")
@json_option
@store_option
def pause_command(run_id: str, reason: str, as_json: bool) -> None:
    """Stop RUN's agents until it is resumed. A turn that is cut off is taken up again then."""
    _tell(run_id, lambda run: PauseRun(run_id=run, reason=reason, by=operator()), as_json)


@click.command("resume")
@click.argument("run_id", metavar="RUN")
@json_option
@store_option
def resume_command(run_id: str, as_json: bool) -> None:
    """Let the paused RUN go on."""
    _tell(run_id, lambda run: ResumeRun(run_id=run, by=operator()), as_json)


@click.command("skip")
@click.argument("run_id", metavar="RUN")
@click.argument("step")
@click.option("--branch", default="", help="Only this branch of the step.")
@click.option("--value", default=None, help="What counts as its result ('-': read stdin).")
@click.option("--reason", default="", help="Why; kept in the journal.")
@json_option
@store_option
def skip_command(
    run_id: str, step: str, branch: str, value: str | None, reason: str, as_json: bool
) -> None:
    """Go on without the result of STEP, or with a value in its place."""
    given = stdin_text() if value == "-" else value
    _tell(
        run_id,
        lambda run: SkipStep(
            run_id=run, step=step, branch=branch, value=given, reason=reason, by=operator()
        ),
        as_json,
    )


@click.command("restart")
@click.argument("session_id", metavar="SESSION")
@click.option("--reason", default="", help="Why; kept in the journal.")
@json_option
@store_option
def restart_command(session_id: str, reason: str, as_json: bool) -> None:
    """End the agent of SESSION with all its processes, and start it anew where it stood.

    Nothing else of its run is disturbed. `longwatch show RUN` lists a run's sessions.
    """

    async def work(client: AnyClient) -> Done:
        session = await find_session(client, session_id)
        command = RestartSession(
            run_id=session.run_id, session_id=session.session_id, reason=reason, by=operator()
        )
        return await client.execute(command)

    report(ask(chosen_store(), work), as_json)


@click.command("fork")
@click.argument("run_id", metavar="RUN")
@click.argument("step")
@json_option
@store_option
def fork_command(run_id: str, step: str, as_json: bool) -> None:
    """Start a new run that takes over what RUN did before STEP, and makes the rest anew."""
    _tell(run_id, lambda run: ForkRun(run_id=run, step=step, by=operator()), as_json)


def _tell(given: str, command: Callable[[RunId], Command], as_json: bool) -> None:
    async def work(client: AnyClient) -> Done:
        run = (await find_run(client, given)).run
        return await client.execute(command(run.run_id))

    report(ask(chosen_store(), work), as_json)
