"""`longwatch screenshot`: a screen as SVG, without a terminal."""

from __future__ import annotations

from pathlib import Path

import click

from app.cli.options import chosen_store, store_option
from app.cli.output import write
from app.cli.prefix import find_run
from app.cli.reach import AnyClient, ask
from app.domain.errors import LongwatchError, NotFound


def _columns_and_rows(text: str) -> tuple[int, int]:
    columns, _, rows = text.lower().partition("x")
    if not (columns.isdecimal() and rows.isdecimal()):
        raise click.BadParameter("columns x rows, such as 160x48", param_hint="--size")
    size = int(columns), int(rows)
    if not (10 <= size[0] <= 1000 and 3 <= size[1] <= 500):
        raise click.BadParameter("from 10x3 to 1000x500", param_hint="--size")
    return size


@click.command("screenshot")
@click.argument(
    "screen",
    type=click.Choice(
        ["watch", "approvals", "reviews", "questions", "workflows", "rollouts", "past", "run"]
    ),
)
@click.option("--size", default="160x48", show_default=True, help="Columns x rows.")
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path, dir_okay=False),
    required=True,
    help="The SVG file to write; - is stdout.",
)
@click.option("--run", "run_id", help="The run to show (screen run; default: the newest).")
@store_option
def screenshot_command(screen: str, size: str, output: Path, run_id: str | None) -> None:
    """Draw SCREEN of the store as it is now."""
    cells = _columns_and_rows(size)
    svg = ask(chosen_store(), lambda client: _draw(client, screen, cells, run_id))
    if str(output) == "-":
        write(svg)
        return
    try:
        output.write_text(svg, encoding="utf-8")
    except OSError as error:
        raise LongwatchError(f"{output}: cannot be written ({error.strerror})") from error


async def _draw(client: AnyClient, screen: str, size: tuple[int, int], given: str | None) -> str:
    from app.ui.screenshot import render_svg

    run_id: str | None = None
    if given is not None:
        run_id = (await find_run(client, given)).run.run_id
    elif screen == "run":
        newest = await client.runs(1)
        if not newest:
            raise NotFound("there is no run to show")
        run_id = newest[0].run_id
    return await render_svg(client, screen, size, run_id=run_id)
