"""`longwatch up | down`: the supervisor without a screen."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
from pathlib import Path

import click

from app.cli.background import start_in_background
from app.cli.options import chosen_store, json_option, store_option
from app.cli.output import emit, flush, say
from app.cli.reach import client_of
from app.cli.signals import Stopped, until_signal
from app.domain.base import Model
from app.domain.errors import Refused
from app.domain.feed import Status
from app.link.connect import attach, deaf_holder, wait_released
from app.link.local import LocalClient
from app.store.paths import StorePaths


class Hosting(Model):
    """Whether a supervisor runs on a store, and what it says of itself."""

    store: str
    socket: str
    hosted: bool
    status: Status | None = None


@click.command("up")
@click.option("--detach", is_flag=True, help="In the background; returns once it listens.")
@click.option(
    "--max-parallel",
    type=click.IntRange(1, 10_000),
    metavar="N",
    help="How many agents may be at work at once (default: LONGWATCH_MAX_PARALLEL, or 32).",
)
@json_option
@store_option
def up_command(detach: bool, max_parallel: int | None, as_json: bool) -> None:
    """Host the supervisor, so that runs outlive the terminal; Ctrl-C or `down` stops it."""
    store = chosen_store()
    if max_parallel is not None:
        from app.engine.slots import LIMIT_VARIABLE

        os.environ[LIMIT_VARIABLE] = str(max_parallel)  # a background process inherits it
    if detach:
        asyncio.run(_up_in_background(store, as_json))
        return
    _log_to_stderr()
    with contextlib.suppress(Stopped):  # being told to stop is how this command ends
        asyncio.run(_serve(store, as_json))


def _log_to_stderr() -> None:
    from app.engine.redaction import CleanFormatter

    handler = logging.StreamHandler()
    handler.setFormatter(CleanFormatter("%(asctime)s %(name)s: %(message)s"))
    logging.basicConfig(level=logging.WARNING, handlers=[handler])


async def _serve(store: Path, as_json: bool) -> None:
    async def work() -> None:
        async with client_of(store, host=True, run=True) as client:
            status = await client.status()
            if not isinstance(client, LocalClient):
                raise Refused(f"{store}: process {status.pid} hosts this store already")
            _listening(store, status, as_json)
            await client.wait_stopped()

    await until_signal(work())


async def _up_in_background(store: Path, as_json: bool) -> None:
    running = await attach(store)
    if running is None:
        running = await start_in_background(store)
    try:
        _listening(store, await running.status(), as_json)
    finally:
        await running.close()


def _listening(store: Path, status: Status, as_json: bool) -> None:
    socket = StorePaths(store).socket
    if as_json:
        emit(Hosting(store=str(store), socket=str(socket), hosted=True, status=status))
    else:
        say(f"process {status.pid} hosts {store}, listening at {socket}; `longwatch down` stops it")
    flush()


@click.command("down")
@json_option
@store_option
def down_command(as_json: bool) -> None:
    """Stop the supervisor of this store in order; its runs go on at the next start."""
    store = chosen_store()
    pid = asyncio.run(_down(store))
    if as_json:
        emit(Hosting(store=str(store), socket=str(StorePaths(store).socket), hosted=False))
    elif pid is None:
        say(f"no supervisor runs on {store}")
    else:
        say(f"process {pid} has stopped; runs go on when `longwatch` or `longwatch up` is started")


async def _down(store: Path) -> int | None:
    client = await attach(store)
    if client is None:
        if (deaf := deaf_holder(store)) is not None:
            raise deaf
        return None
    try:
        await client.shutdown()
    finally:
        await client.close()
    await wait_released(store)
    return client.hello.pid
