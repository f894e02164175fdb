"""`longwatch migrate`: moving in from OpenClaw and OpenFang, and taking it back."""

from __future__ import annotations

import asyncio
import os
import shlex
import sys
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from app.cli.options import asked_store, json_option, store_option
from app.cli.output import emit, note, say, table
from app.domain.errors import LongwatchError, Refused
from app.domain.migration import Installation

if TYPE_CHECKING:
    from app.domain.moving import MoveReport, Undone
    from app.link.client import Client
    from app.link.moving import LocalMover

T = TypeVar("T")
_TO = click.option(
    "--to",
    type=click.Path(path_type=Path, file_okay=False),
    metavar="DIR",
    help="The folder to make or to put it into (default: ~/longwatch).",
)
_DRY = click.option("--dry-run", is_flag=True, help="Say what would be done, and do nothing.")
_YES = click.option("--yes", is_flag=True, help="Do it without asking.")
_LISTED = 12  # lines of each kind on a terminal; the report has all


@click.group("migrate", invoke_without_command=True)
@store_option
@click.pass_context
def migrate_command(ctx: click.Context) -> int | None:
    """Move agents, models, routes, rights and history in from OpenClaw (also as Clawdbot or
    Moltbot) or OpenFang.

    Without a command: the screen, on which homes are found, looked at, and moved in by key.
    """
    if ctx.invoked_subcommand is not None:
        return None
    from app.cli.screen import watch

    if not (sys.stdin.isatty() and sys.stdout.isatty()):
        raise LongwatchError(
            "this opens a screen and needs a terminal; in scripts use `longwatch migrate detect`,"
            " and `longwatch migrate openclaw` with --dry-run or --yes"
        )
    return watch(screen="moving")


@migrate_command.command("detect", short_help="Find homes of other systems.")
@json_option
def detect_command(as_json: bool) -> None:
    """Say which homes of other systems are on this machine."""
    found = asyncio.run(_mover().found())
    if as_json:
        return emit(found)
    if not found:
        return say("no home of OpenClaw or OpenFang was found; name one: `migrate openclaw DIR`")
    return table(("system", "home", "what is there"), [(f.system, f.path, f.detail) for f in found])


def _system(name: str, title: str, where: str) -> None:
    """The command of one system."""

    @migrate_command.command(name, short_help=f"Move in from {title}.")
    @click.argument("source", required=False, type=click.Path(path_type=Path), metavar="[DIR]")
    @_TO
    @_DRY
    @_YES
    @click.option(
        "--report",
        type=click.Path(path_type=Path, dir_okay=False),
        metavar="FILE",
        help="Write the report there as well: Markdown, or JSON for *.json.",
    )
    @json_option
    @store_option
    def command(
        source: Path | None,
        to: Path | None,
        dry_run: bool,
        yes: bool,
        report: Path | None,
        as_json: bool,
    ) -> None:
        _migrate(name, source, to, dry_run=dry_run, yes=yes, report=report, as_json=as_json)

    command.help = (
        f"Move a home of {title} in (default: {where}).\n\nSays what would be made and asks; --yes"
        " does it at once, --dry-run only says it. A second time changes only what has changed in"
        " the source. `longwatch migrate undo` takes it back."
    )


_system("openclaw", "OpenClaw", "the one that is found, such as ~/.openclaw")
_system("openfang", "OpenFang", "~/.openfang")


def _migrate(
    system: str,
    source: Path | None,
    to: Path | None,
    *,
    dry_run: bool,
    yes: bool,
    report: Path | None,
    as_json: bool,
) -> None:
    if not (dry_run or yes or _asks()):
        raise LongwatchError("without a terminal nobody can be asked: give --yes, or --dry-run")
    if report is not None and not report.expanduser().absolute().parent.is_dir():
        raise Refused(f"{report}: the report cannot be written (there is no such folder)")
    mover = _mover()
    home = _home(system, source)
    target = str(to.expanduser().absolute()) if to is not None else mover.default_target
    found: MoveReport
    if dry_run or not yes:
        _, found = asyncio.run(mover.look(home, target))
    if not dry_run:
        if not yes:
            _show(found, file=note)
            if found.unchanged:
                return None
            click.confirm(f"Move in to {target}?", abort=True, err=True)
        found = _apply(mover, home, target)
    if report is not None:
        _write_report(found, report)
    if as_json:
        return emit(found)
    return _show(found)


def _apply(mover: LocalMover, home: Installation, target: str) -> MoveReport:
    from app.cli.progress_line import ProgressLine

    line = ProgressLine()
    try:
        return _with_client(lambda client: mover.apply(home, target, client=client, tell=line))
    finally:
        line.end()


@migrate_command.command("undo", short_help="Take the newest migration back.")
@_TO
@_DRY
@_YES
@click.option("--force", is_flag=True, help="Also when files were changed since: these are kept.")
@json_option
@store_option
def undo_command(to: Path | None, dry_run: bool, yes: bool, force: bool, as_json: bool) -> None:
    """Put a folder back to what it was before the newest migration into it: the one that is named,
    the one here, or ~/longwatch."""
    if not (dry_run or yes or _asks()):
        raise LongwatchError("without a terminal nobody can be asked: give --yes, or --dry-run")
    mover = _mover()
    target = str(to.expanduser().absolute()) if to is not None else _undo_target(mover)
    if dry_run or not yes:
        found = asyncio.run(mover.look_back(target))
        if not as_json or not dry_run:
            _show_undo(found, say if dry_run else note)
        if not dry_run:
            click.confirm("Take it back?", abort=True, err=True)
    if not dry_run:
        found = _with_client(lambda client: mover.undo(target, client=client, force=force))
    if as_json:
        emit(found)
    elif not dry_run:
        _show_undo(found, say)


def _undo_target(mover: LocalMover) -> str:
    from app.migrate.undo import newest_target

    here = Path.cwd()
    places = iter((here, *here.parents, Path(mover.default_target)))
    return str(newest_target(places) or mover.default_target)


def _asks() -> bool:
    return sys.stdin.isatty() and sys.stderr.isatty()


def _mover() -> LocalMover:
    from app.link.moving import LocalMover

    return LocalMover()


def _home(system: str, source: Path | None) -> Installation:
    from app.migrate.systems import find_home

    if source is not None:
        return Installation(system=system, path=str(source.expanduser().absolute()))
    return find_home(system, os.environ, Path.home())


def _with_client(work: Callable[[Client | None], Coroutine[Any, Any, T]]) -> T:
    """With the supervisor that runs on the store, if one does."""

    async def reach() -> T:
        from app.link.connect import attach, deaf_holder

        client = await attach(asked_store())
        if client is None:
            if (deaf := deaf_holder(asked_store())) is not None:
                raise deaf
            return await work(None)
        try:
            return await work(client)
        finally:
            await client.close()

    return asyncio.run(reach())


def _write_report(report: MoveReport, path: Path) -> None:
    from app.migrate.report import markdown

    text = report.model_dump_json(indent=1) if path.suffix == ".json" else markdown(report)
    try:
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise Refused(f"{path}: the report cannot be written ({error.strerror})") from error


def _show(report: MoveReport, file: Callable[[str], None] = say) -> None:
    """The report in short; warnings first."""
    if report.unchanged:
        file(f"{report.target}: nothing was changed, for everything is as it would be made")
        return
    for warning in report.warnings[:_LISTED]:
        file(f"warning: {warning.where + ': ' if warning.where else ''}{warning.message}")
    _more(len(report.warnings), "warnings", file)
    would = "would be " if report.dry_run else ""
    for item in report.imported[:_LISTED]:
        detail = f" ({item.detail})" if item.detail else ""
        file(f"{item.kind} {item.name} -> {item.destination}{detail}")
    _more(len(report.imported), "things", file)
    for left in report.skipped[:_LISTED]:
        file(f"left: {left.kind} {left.name}: {left.reason}")
    _more(len(report.skipped), "things that are left", file)
    keys = report.keys
    file(
        f"{keys.total} keys of its configuration: {keys.mapped} have a counterpart, {keys.secret}"
        f" are secrets, {keys.archived} are archived, {keys.refused} are refused"
    )
    file(f"{report.touched:,} files {would}made or changed in {report.target}")
    if report.dry_run:
        return
    file(f"report: {Path(report.target, report.report_file)}")
    for number, step in enumerate(
        (f"cd {shlex.quote(report.target)} && longwatch", *report.next_steps), 1
    ):
        file(f"{number}. {step}")


def _more(count: int, what: str, file: Callable[[str], None]) -> None:
    if count > _LISTED:
        file(f"… {count - _LISTED} more {what}: the report has them (--report FILE, --json)")


def _show_undo(found: Undone, file: Callable[[str], None]) -> None:
    would = "would be " if found.dry_run else ""
    if found.whole_folder and not found.kept_in:
        file(f"{found.target}: {would}removed, as it was made by the migration from {found.source}")
    for path in found.removed:
        if path:
            file(f"{would}removed: {path}")
    for path in found.restored:
        file(f"{would}restored: {path}")
    for path in found.changed:
        file(f"changed since: {path}")
    if found.kept_in:
        file(f"what was changed since is kept in {found.kept_in}")
    elif found.changed and found.dry_run:
        file("files were changed since: only --force takes it back, and keeps these aside")
