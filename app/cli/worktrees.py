"""`longwatch worktrees`: where sessions work or have worked, and tidying that up."""

from __future__ import annotations

import click

from app.cli.options import chosen_store, json_option, store_option
from app.cli.output import emit, say, table
from app.cli.prefix import find_run
from app.cli.reach import AnyClient, ask
from app.domain.base import RunId
from app.domain.worktree_report import CleanReport


@click.group("worktrees", invoke_without_command=True)
@json_option
@store_option
@click.pass_context
def worktrees_command(ctx: click.Context, as_json: bool) -> None:
    """List the worktrees of sessions, and why each is still there: one is removed when its run is
    over, unless that would lose something."""
    if ctx.invoked_subcommand is not None:
        return None
    found = ask(chosen_store(), lambda c: c.worktrees())
    if as_json:
        return emit(found)
    if not found:
        return say("no session has a worktree")
    heads = ("run", "state", "branch", "why it is there")
    return table(heads, [(w.run_id, w.state, w.git_branch, w.why) for w in found])


@worktrees_command.command("clean")
@click.argument("run_id", metavar="[RUN]", required=False)
@json_option
@store_option
def clean_command(run_id: str | None, as_json: bool) -> None:
    """Remove the worktrees of runs that are over, or of RUN alone. What is not committed in one is
    committed to its branch first: nothing is lost."""

    async def work(client: AnyClient) -> CleanReport:
        named: RunId | None = None
        if run_id is not None:
            named = (await find_run(client, run_id)).run.run_id
        return await client.clean_worktrees(named)

    report = ask(chosen_store(), work)
    if as_json:
        return emit(report)
    for branch in report.removed:
        stays = "; the branch stays, its work is on no other" if branch in report.branches else ""
        say(f"removed: the worktree of {branch}{stays}")
    for one in report.kept:
        say(f"kept: {one.git_branch}: {one.why}")
    if not report.removed and not report.kept:
        say("no session has a worktree")
    return None
