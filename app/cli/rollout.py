"""`longwatch rollout …`: the paths of a route, and moving between them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path

import click

from app.cli.options import chosen_store, json_option, project_option, store_option
from app.cli.output import ago, emit, note, report, say, table
from app.cli.project import project_root
from app.cli.reach import AnyClient, ask, client_of
from app.cli.rollout_shown import Shown, print_rollout
from app.domain import commands as cmd
from app.domain.commands import Command, Done
from app.domain.errors import NotFound, Refused
from app.domain.rollout import Rollout
from app.link.person import operator


async def find_rollout(client: AnyClient, name: str, project: Path | None) -> Rollout:
    """The rollout of that name; in this repository, if several have one. Raises NotFound."""
    every = await client.rollouts()
    found = [r for r in every if r.name == name]
    if not found:
        known = ", ".join(sorted({r.name for r in every})) or "none yet"
        raise NotFound(
            f'there is no rollout "{name}" in this store ({known}); '
            f"`longwatch rollout open {name}` puts it in place"
        )
    if len(found) == 1 and project is None:
        return found[0]
    root = str(project_root(project))
    here = [r for r in found if r.project == root]
    if not here:
        places = ", ".join(r.project for r in found)
        raise Refused(f'rollout "{name}" is not of {root} but of {places}: name it by --project')
    return here[0]


@click.group("rollout", invoke_without_command=True)
@json_option
@store_option
@click.pass_context
def rollout_command(ctx: click.Context, as_json: bool) -> None:
    """List the rollouts: which path answers, and how the candidate stands beside it."""
    if ctx.invoked_subcommand is not None:
        return None
    found: Sequence[Rollout] = ask(chosen_store(), lambda c: c.rollouts())
    if as_json:
        return emit(found)
    if not found:
        return say("no rollouts yet: declare [[rollout]] in longwatch.toml, then start a run")
    now = datetime.now(UTC)
    shown = [(r, Shown(r, now)) for r in found]
    rows = [
        (r.name, s.phase, f"{r.share} %", f"{r.shadow} %", s.agreement, s.verdict, str(r.stable))
        for r, s in shown
    ]
    return table(
        ("rollout", "phase", "candidate", "shadow", "agreement", "promotion", "stable path"), rows
    )


@rollout_command.command("show")
@click.argument("name")
@project_option
@json_option
def show_command(name: str, project: Path | None, as_json: bool) -> None:
    """Show a rollout whole: paths, evidence, what is missing, checklists, rollbacks."""
    found = ask(chosen_store(), lambda c: find_rollout(c, name, project))
    return emit(found) if as_json else print_rollout(found, datetime.now(UTC))


def _tell(
    name: str, project: Path | None, command: Callable[[Rollout], Command], as_json: bool
) -> None:
    async def work(client: AnyClient) -> Done:
        return await client.execute(command(await find_rollout(client, name, project)))

    report(ask(chosen_store(), work), as_json)


@rollout_command.command("open")
@click.argument("name")
@click.option(
    "--replace-stable",
    default="",
    metavar="REASON",
    help="Make the stable path what is declared now, without evidence.",
)
@project_option
@json_option
def open_command(name: str, replace_stable: str, project: Path | None, as_json: bool) -> None:
    """Read the paths and rules of NAME from the project's files.

    An edited workflow of the stable path becomes the candidate.
    """
    root = str(project_root(project))
    command = cmd.OpenRollout(project=root, name=name, replace_stable=replace_stable, by=operator())

    # Not `ask`: it may be what makes the store.
    async def within() -> Done:
        async with client_of(chosen_store(), host=False, run=False) as client:
            return await client.execute(command)

    report(asyncio.run(within()), as_json)


@rollout_command.command("shadow")
@click.argument("name")
@click.argument("percent", type=click.IntRange(0, 100))
@project_option
@json_option
def shadow_command(name: str, percent: int, project: Path | None, as_json: bool) -> None:
    """Let the candidate answer PERCENT of the requests too, without effect."""
    _tell(
        name,
        project,
        lambda r: cmd.SetShadow(rollout_id=r.rollout_id, percent=percent, by=operator()),
        as_json,
    )


@rollout_command.command("promote")
@click.argument("name")
@click.option("--override", default="", metavar="REASON", help="Although something is missing.")
@project_option
@json_option
def promote_command(name: str, override: str, project: Path | None, as_json: bool) -> None:
    """Take the next promotion step. Refused with the list of what is missing."""
    _tell(
        name,
        project,
        lambda r: cmd.PromoteRollout(
            rollout_id=r.rollout_id, version=r.version, override=override, by=operator()
        ),
        as_json,
    )


@rollout_command.command("hold")
@click.argument("name")
@click.option("--reason", default="held by the operator", show_default=True)
@project_option
@json_option
def hold_command(name: str, reason: str, project: Path | None, as_json: bool) -> None:
    """Let no promotion step be taken by itself."""
    _tell(
        name,
        project,
        lambda r: cmd.HoldRollout(rollout_id=r.rollout_id, why=reason, by=operator()),
        as_json,
    )


@rollout_command.command("resume")
@click.argument("name")
@project_option
@json_option
def resume_command(name: str, project: Path | None, as_json: bool) -> None:
    """Let promotion steps be taken again as the policy says."""
    _tell(
        name,
        project,
        lambda r: cmd.HoldRollout(rollout_id=r.rollout_id, by=operator()),
        as_json,
    )


@rollout_command.command("back")
@click.argument("name")
@click.option("--reason", default="", help="Why; kept in the record.")
@project_option
@json_option
def back_command(name: str, reason: str, project: Path | None, as_json: bool) -> None:
    """Everything back to the stable path, at once and without a question."""
    _tell(
        name,
        project,
        lambda r: cmd.RollBack(rollout_id=r.rollout_id, why=reason, by=operator()),
        as_json,
    )


@rollout_command.command("tick")
@click.argument("name")
@click.argument("item")
@click.option("--note", "said", default="", help="What was found; kept with the tick.")
@click.option("--undo", is_flag=True, help="It is not done after all.")
@click.option(
    "--list",
    "checklist",
    type=click.Choice(["promotion", "rollback"]),
    help="Which checklist (default: the open rollback's, else the promotion's).",
)
@project_option
@json_option
def tick_command(
    name: str,
    item: str,
    said: str,
    undo: bool,
    checklist: str | None,
    project: Path | None,
    as_json: bool,
) -> None:
    """Tick ITEM, a line of a checklist or its first word."""

    def command(r: Rollout) -> Command:
        which = checklist or ("rollback" if r.rollback else "promotion")
        return cmd.TickItem.model_validate(
            {
                "rollout_id": r.rollout_id,
                "checklist": which,
                "item": item,
                "note": said,
                "done": not undo,
                "by": operator(),
            }
        )

    _tell(name, project, command, as_json)


@rollout_command.command("reopen")
@click.argument("name")
@project_option
@json_option
def reopen_command(name: str, project: Path | None, as_json: bool) -> None:
    """Let a candidate that was rolled back be tried again, from nothing."""
    _tell(
        name,
        project,
        lambda r: cmd.ReopenCandidate(rollout_id=r.rollout_id, version=r.version, by=operator()),
        as_json,
    )


@rollout_command.command("adopt")
@click.argument("name")
@project_option
@json_option
def adopt_command(name: str, project: Path | None, as_json: bool) -> None:
    """Make the candidate, which answers all requests, the stable path."""
    _tell(
        name,
        project,
        lambda r: cmd.AdoptCandidate(rollout_id=r.rollout_id, version=r.version, by=operator()),
        as_json,
    )


@rollout_command.command("finish")
@click.argument("run_id", metavar="RUN")
@json_option
def finish_command(run_id: str, as_json: bool) -> None:
    """Let RUN, which a rollback has frozen, go on in shadow. `longwatch cancel` ends it instead."""
    from app.cli.prefix import find_run

    async def work(client: AnyClient) -> Done:
        run = (await find_run(client, run_id)).run
        return await client.execute(cmd.FinishInShadow(run_id=run.run_id, by=operator()))

    report(ask(chosen_store(), work), as_json)


@rollout_command.command("history")
@click.argument("name")
@project_option
@json_option
def history_command(name: str, project: Path | None, as_json: bool) -> None:
    """List the rollbacks of NAME: when, who, why, how fast, and what is left to tick."""
    found = ask(chosen_store(), lambda c: find_rollout(c, name, project))
    if as_json:
        return emit(found.rollbacks)
    if not found.rollbacks:
        return say(f"rollout {name} was never rolled back")
    rows = [
        (
            str(b.number),
            ago(b.at),
            str(b.by),
            f"{b.share_before} %",
            "…" if b.seconds is None else f"{b.seconds:.2f} s",
            {True: "yes", False: "NO", None: "…"}[b.within_window],
            str(len(b.frozen)),
            f"{len(b.ticks)}/{len(b.checklist)}",
            b.why,
        )
        for b in found.rollbacks
    ]
    return table(("no", "when", "by", "from", "took", "in time", "frozen", "ticked", "why"), rows)


@rollout_command.command("drill")
@click.argument("name")
@project_option
@json_option
def drill_command(name: str, project: Path | None, as_json: bool) -> int:
    """Rehearse the rollback of NAME on a copy of the store, and say how long it took."""

    async def work(client: AnyClient) -> int:
        rollout = await find_rollout(client, name, project)
        note(f"rehearsing on a copy of {chosen_store()}")
        found = await client.drill(rollout.rollout_id, operator())
        if as_json:
            emit(found)
        else:
            say(f"{found.committed_ms:.1f} ms until the stable path answers")
            say(f"{found.first_request_ms:.1f} ms until the first request was admitted to it")
            say(f"{found.on_stable} of {found.requests} requests afterwards on the stable path")
            say(f"{found.frozen} runs of the candidate would be frozen")
        return int(found.on_stable != found.requests)

    return ask(chosen_store(), work)
