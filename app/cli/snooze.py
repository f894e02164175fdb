"""`longwatch snooze`: not now. An answer for the operator, never one for the agent."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Literal

import click

from app.cli.options import chosen_store, json_option, store_option
from app.cli.output import report
from app.cli.prefix import pick
from app.cli.reach import AnyClient, ask
from app.domain.commands import Done, Snooze
from app.link.person import operator

_DAY = 24 * 60  # minutes
Waiting = tuple[Literal["approval", "review", "question"], str]


@click.command("snooze")
@click.argument("item_id", metavar="ID")
@click.option(
    "--minutes",
    type=click.IntRange(1, 7 * _DAY),
    default=15,
    show_default=True,
    help="For how long it waits without calling.",
)
@click.option("--back", is_flag=True, help="Bring it back now.")
@json_option
@store_option
def snooze_command(item_id: str, minutes: int, back: bool, as_json: bool) -> None:
    """Put what waits under ID off for a while; its agent goes on waiting and is told nothing."""
    until = None if back else datetime.now(UTC) + timedelta(minutes=minutes)

    async def work(client: AnyClient) -> Done:
        item, found = pick(item_id, await _waiting(client), lambda one: one[1], "open item")
        return await client.execute(Snooze(item=item, item_id=found, until=until, by=operator()))

    report(ask(chosen_store(), work), as_json)


async def _waiting(client: AnyClient) -> list[Waiting]:
    found: list[Waiting] = []
    found += [("approval", one.approval_id) for one in await client.approvals()]
    found += [("review", one.review_id) for one in await client.reviews()]
    found += [("question", one.question_id) for one in await client.questions()]
    return found
