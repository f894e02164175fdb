"""`longwatch verify`: prove that the journal is whole and that what is shown follows from it."""

from __future__ import annotations

import asyncio
from pathlib import Path

import click

from app.cli.options import chosen_store, json_option, store_option
from app.cli.output import complain, emit, say
from app.cli.reach import ask
from app.domain.errors import StoreDamaged
from app.domain.feed import VerifyReport
from app.store.paths import StorePaths


@click.command("verify")
@json_option
@store_option
def verify_command(as_json: bool) -> int:
    """Check the hash chain and compare a replay with the read models; exit 1 if they differ."""
    store = chosen_store()
    try:
        report = ask(store, lambda c: c.verify())
    except StoreDamaged as error:
        report = _read_only(store, error)
    if as_json:
        emit(report)
    else:
        for sentence in report.checked:
            say(f"checked: {sentence}")
        for sentence in report.problems:
            say(f"PROBLEM: {sentence}")
        found = "no problems" if report.ok else f"{len(report.problems)} problem(s)"
        say(f"{report.events} events, {report.runs} runs, {report.rows} rows: {found}")
        if report.mendable:
            say("`longwatch rebuild` makes the read models anew from the journal")
    return 0 if report.ok else 1


def _read_only(store: Path, refused: StoreDamaged) -> VerifyReport:
    """A damaged store is not opened for writing, and just then somebody wants to know what is
    left of it."""
    from app.store.verify import verify

    complain(str(refused))
    report = asyncio.run(verify(StorePaths(store)))
    problems = report.problems or ("the store cannot be opened",)
    return report.model_copy(update={"ok": False, "problems": problems})
