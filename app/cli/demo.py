"""`longwatch demo`: the whole of the main job on a small repository, without key or network."""

from __future__ import annotations

import asyncio
import shutil
from dataclasses import dataclass
from pathlib import Path

import click

from app.cli.deciding import decide_options, read_answers
from app.cli.headless import Answers, follow
from app.cli.options import environment_store, json_option, named_store, store_option
from app.cli.output import note
from app.cli.reach import AnyClient, client_of
from app.cli.run import begin, report
from app.cli.screen import need_terminal, watch
from app.cli.signals import Stopped, until_signal
from app.demo import DemoProject, make_demo
from app.demo.place import temporary_place
from app.domain.base import RunId
from app.domain.commands import StartRun
from app.domain.run import Run

_NOTICE = "A demonstration with scripted agents: answer what they ask, see what happens."


@dataclass(frozen=True, slots=True)
class _Place:
    """Where a demonstration lives; a temporary one goes away when it is over."""

    folder: Path
    store: Path
    temporary: bool

    @property
    def again(self) -> str:
        """How to go on with it."""
        if self.temporary:
            return "longwatch demo"
        inside = self.store == self.folder / "store"
        return f"longwatch demo --keep {self.folder}" if inside else f"... --store {self.store}"


@click.command("demo")
@click.option("--speed", default=1.0, type=click.FloatRange(0, 1000, min_open=True), metavar="N")
@click.option("--headless", is_flag=True, help="No screen: follow the run here until it is over.")
@decide_options
@click.option(
    "--keep",
    type=click.Path(path_type=Path, file_okay=False),
    metavar="DIR",
    help="Make it in this folder, or go on with the one that is there.",
)
@json_option
@store_option
def demo_command(
    speed: float,
    headless: bool,
    decide: str | None,
    decisions: Path | None,
    keep: Path | None,
    as_json: bool,
) -> int:
    """A small real repository, scripted agents, and every kind of question put to you.

    It has a store of its own, in a temporary folder unless --keep or --store names another. The
    same command goes on with a demonstration that was interrupted, however it was.
    """
    answers = read_answers(decide, decisions)
    on_screen = not (headless or as_json or answers is not None)
    if on_screen:
        need_terminal()
    place = _place(keep)
    demo = make_demo(place.folder, speed=speed)
    if on_screen:
        return _show(place, demo)
    return _follow(place, demo, answers, as_json)


def _place(keep: Path | None) -> _Place:
    store = named_store() or environment_store()
    if keep is not None:
        folder = keep.expanduser().absolute()
        return _Place(folder, named_store() or folder / "store", temporary=False)
    if store is not None:
        return _Place(store / "demo", store, temporary=False)
    folder = temporary_place().folder
    if (folder / "store").is_dir():
        note("going on with the demonstration that was interrupted")
    return _Place(folder, folder / "store", temporary=True)


def _follow(place: _Place, demo: DemoProject, answers: Answers | None, as_json: bool) -> int:
    async def begun(client: AnyClient) -> RunId:
        run_id = await _run_of(client, demo)
        note(f"run {run_id} in {demo.root}")
        return run_id

    try:
        state = asyncio.run(until_signal(follow(place.store, begun, answers)))
    except Stopped as stopped:
        note(f"stopped by {stopped}; go on with `{place.again}`")
        return stopped.exit_code
    code = report(state, as_json)
    _clear(place, over=state.run.state.terminal)
    return code


def _show(place: _Place, demo: DemoProject) -> int:
    async def start() -> RunId:
        async with client_of(place.store, host=False, run=False) as client:
            return await _run_of(client, demo)

    run_id = asyncio.run(start())
    code = watch(store=place.store, notice=_NOTICE, project=demo.root)

    async def over() -> bool:
        async with client_of(place.store, host=False, run=False) as client:
            return (await client.run(run_id)).run.state.terminal

    _clear(place, over=asyncio.run(over()))
    return code


async def _run_of(client: AnyClient, demo: DemoProject) -> RunId:
    """The demonstration's run: the one that is there, or a new one."""
    known = [run for run in await client.runs(1000) if _belongs(run, demo)]
    if known:
        return known[0].run_id
    command = StartRun(request=demo.request, project=str(demo.root), workflow=demo.workflow)
    return await begin(client, command)


def _belongs(run: Run, demo: DemoProject) -> bool:
    return Path(run.project) == demo.root


def _clear(place: _Place, *, over: bool) -> None:
    """A temporary demonstration that is over leaves nothing; one that is not can go on."""
    if not place.temporary:
        return
    if over:
        shutil.rmtree(place.folder, ignore_errors=True)
    else:
        note(f"not over yet; go on with `{place.again}`")
