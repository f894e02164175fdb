"""`longwatch take`: a finished run's work, into a project that is no git repository."""

from __future__ import annotations

import asyncio

import click

from app.cli.options import chosen_store, json_option, store_option
from app.cli.output import emit, note, say
from app.cli.prefix import find_run
from app.cli.reach import AnyClient, ask
from app.domain.commands import Done, TakeWork
from app.link.person import operator


@click.command("take")
@click.argument("run_id", metavar="RUN")
@click.option("--yes", is_flag=True, help="Do not show the changes and ask.")
@json_option
@store_option
def take_command(run_id: str, yes: bool, as_json: bool) -> None:
    """Bring the work of RUN into its project's folder, where that is no git repository.

    Shows the changes and asks first. What you have changed in the folder meanwhile stays; where
    both have changed the same lines nothing is done, and the files are named.
    """

    async def work(client: AnyClient) -> Done:
        state = await find_run(client, run_id)
        command = TakeWork(run_id=state.run.run_id, by=operator())
        if not yes and state.run.copied and state.take_over:
            note((await client.diff(state.run.run_id)).rstrip("\n"))
            where = f"Change these files in {state.run.project}?"
            await asyncio.to_thread(click.confirm, where, abort=True, err=True)
        return await client.execute(command)

    done = ask(chosen_store(), work)
    return emit(done) if as_json else say(done.message)
