"""`longwatch rebuild`: make damaged read models anew from the journal."""

from __future__ import annotations

import click

from app.cli.options import chosen_store, json_option, store_option
from app.cli.output import complain, emit, say
from app.domain.rebuild_report import RebuildReport
from app.store.paths import StorePaths

_NAMED = 5  # texts that cannot be given back: more would not be read


@click.command("rebuild")
@click.option("--dry-run", is_flag=True, help="Say what differs; write nothing.")
@json_option
@store_option
def rebuild_command(dry_run: bool, as_json: bool) -> int:
    """Make what is shown anew from the journal, where it does not follow from it.

    The journal's hash chain is checked first: a journal that is damaged itself is left alone. No
    supervisor may run on the store. Exit 1 if something is left that the journal cannot give back.
    """
    report = _rebuilt(StorePaths(chosen_store()), dry_run)
    if as_json:
        emit(report)
    else:
        say(_sentence(report))
    if report.beyond:
        named = "; ".join(report.beyond[:_NAMED])
        more = len(report.beyond) - _NAMED
        complain(
            "of other texts than results the journal has only hashes, so these stay damaged: "
            f"{named}{f'; and {more} more' if more > 0 else ''}"
        )
    return 1 if report.beyond else 0


def _rebuilt(paths: StorePaths, dry_run: bool) -> RebuildReport:
    from app.cli.progress_line import ProgressLine
    from app.domain.moving import Progress
    from app.store.mending import mend

    line = ProgressLine(lambda count: f"{count:,}")
    try:
        return mend(
            paths,
            dry_run=dry_run,
            tell=lambda done, total: line(Progress("replaying events", done, total)),
        )
    finally:
        line.end()


def _sentence(report: RebuildReport) -> str:
    follow = f"{report.rows} rows follow from {report.events} events"
    if not report.differs:
        return f"nothing differed: {follow}"
    parts = [str(found) for found in report.differences]
    if report.texts:
        parts.append(f"transcripts ({report.texts} results missing)")
    if report.indexes:
        parts.append("what SQLite found wrong with the file")
    kept = f"; the file was written anew, and the damaged one is {report.kept}" * bool(report.kept)
    how = "would be mended" if report.dry_run else "mended"
    return f"{how}: {', '.join(parts)}; {follow}{kept}"
