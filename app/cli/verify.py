"""`longwatch verify`: prove that the journal is whole and that what is shown follows from it."""

from __future__ import annotations

import click

from app.cli.options import chosen_store, json_option, store_option
from app.cli.output import emit, say
from app.cli.reach import ask


@click.command("verify", short_help="Check the journal and its replay.")
@json_option
@store_option
def verify_command(as_json: bool) -> int:
    """Check the hash chain and compare a replay with the read models; exit 1 if they differ."""
    report = ask(chosen_store(), lambda c: c.verify())
    if as_json:
        emit(report)
    else:
        for sentence in report.checked:
            say(f"checked: {sentence}")
        for sentence in report.problems:
            say(f"PROBLEM: {sentence}")
        found = "no problems" if report.ok else f"{len(report.problems)} problem(s)"
        say(f"{report.events} events, {report.runs} runs, {report.rows} rows: {found}")
    return 0 if report.ok else 1
