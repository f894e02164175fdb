"""`longwatch shadow …`: requests asked of the candidate too, and what came of it."""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from pathlib import Path

import click

from app.cli.options import chosen_store, json_option, project_option, store_option
from app.cli.output import ago, emit, report, say, table
from app.cli.prefix import RUN_KIND
from app.cli.reach import AnyClient, ask
from app.cli.rollout import find_rollout
from app.domain.commands import Done, ReplayShadow
from app.domain.errors import NotFound
from app.domain.rollout import ShadowResult
from app.domain.text import one_line
from app.link.person import operator

_WORDS = {True: "agrees", False: "DIFFERS", None: "unknown"}


@click.group("shadow")
@store_option
def shadow_command() -> None:
    """What a rollout's candidate answers beside the stable path, without effect."""


@shadow_command.command("replay")
@click.argument("name")
@click.option("--last", type=click.IntRange(1, 1_000), help="The newest answered requests.")
@click.option(
    "--file",
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    help='Lines such as {"input": "…", "answer": "…"}.',
)
@project_option
@json_option
def replay_command(
    name: str, last: int | None, file: Path | None, project: Path | None, as_json: bool
) -> None:
    """Ask the candidate of NAME, without effect, what was answered before."""
    if (last is None) is (file is None):
        raise click.UsageError("give --last N or --file FILE")
    place = str(file.absolute()) if file else ""

    async def work(client: AnyClient) -> Done:
        rollout = await find_rollout(client, name, project)
        return await client.execute(
            ReplayShadow(
                rollout_id=rollout.rollout_id,
                last=last or 0,
                file=place,
                by=operator(),
            )
        )

    report(ask(chosen_store(), work), as_json)


@shadow_command.command("list")
@click.argument("name")
@click.option("--mismatches", is_flag=True, help="Only what does not agree.")
@click.option("--all", "every", is_flag=True, help="Also those of earlier candidates.")
@click.option("--limit", type=click.IntRange(1, 10_000), default=50, show_default=True)
@project_option
@json_option
def list_command(
    name: str, mismatches: bool, every: bool, limit: int, project: Path | None, as_json: bool
) -> None:
    """List the comparisons of NAME, newest first."""

    async def work(client: AnyClient) -> Sequence[ShadowResult]:
        rollout = await find_rollout(client, name, project)
        found = await client.comparisons(rollout.rollout_id, limit, mismatches=mismatches)
        return [result for result in found if every or result.at >= rollout.since]

    found = ask(chosen_store(), work)
    if as_json:
        return emit(found)
    if not found:
        return say(f"no {'mismatches' if mismatches else 'comparisons'} of rollout {name}")
    rows = [
        (
            result.shadow,
            ago(result.at),
            _WORDS[result.comparison.agrees],
            result.comparison.outcome,
            _seconds(result.stable_seconds),
            _seconds(result.candidate_seconds),
            result.comparison.why or one_line(result.candidate_text, 80),
        )
        for result in found
    ]
    return table(("shadow run", "when", "", "texts", "stable", "candidate", "why"), rows)


@shadow_command.command("show")
@click.argument("name")
@click.argument("run_id", metavar="SHADOW_RUN")
@project_option
@json_option
def show_command(name: str, run_id: str, project: Path | None, as_json: bool) -> None:
    """Show one comparison of NAME with the difference of both texts."""
    found = ask(chosen_store(), lambda c: _comparisons(c, name, project))
    given = run_id if run_id.startswith(RUN_KIND) else f"{RUN_KIND}{run_id}"
    fit = [result for result in found if result.shadow.startswith(given)]
    if len(fit) != 1:
        how = "several comparisons fit" if fit else "there is no comparison of"
        raise NotFound(f"{how} {run_id}; `longwatch shadow list {name}` lists them")
    return emit(fit[0]) if as_json else _print(fit[0])


async def _comparisons(
    client: AnyClient, name: str, project: Path | None
) -> Sequence[ShadowResult]:
    rollout = await find_rollout(client, name, project)
    return await client.comparisons(rollout.rollout_id, 10_000)


def _print(result: ShadowResult) -> None:
    comparison = result.comparison
    why = f": {comparison.why}" if comparison.why else ""
    say(f"{_WORDS[comparison.agrees]} ({comparison.by}){why}")
    say(f"stable     run {result.of or '(recorded)'}, {_seconds(result.stable_seconds)}")
    say(f"candidate  run {result.shadow}, {_seconds(result.candidate_seconds)}")
    for difference in comparison.differences:
        say(f"  {difference.path}: {difference.kind} {difference.stable} -> {difference.candidate}")
    say()
    lines = difflib.unified_diff(
        result.stable_text.splitlines(),
        result.candidate_text.splitlines(),
        "stable",
        "candidate",
        lineterm="",
    )
    for line in lines:
        say(line)


def _seconds(seconds: float | None) -> str:
    return "-" if seconds is None else f"{seconds:.1f} s"
