"""`longwatch workflow`: the declared programs of steps, checked, shown, and taken over."""

from __future__ import annotations

from pathlib import Path

import click

from app.cli.options import json_option, project_option
from app.cli.output import complain, emit, say, table
from app.cli.project import project_root
from app.domain.base import Model
from app.domain.errors import ConfigError, NotFound
from app.domain.toml_messages import not_among
from app.domain.workflow_shown import StepShown, WorkflowShown, show_workflow


class FileChecked(Model):
    """One file that was read. `problems` is empty when it is right; `notes` tell how a workflow
    of OpenFang's was taken."""

    file: str
    problems: tuple[str, ...]
    notes: tuple[str, ...] = ()


class FileImported(Model):
    """A workflow file that was made, or would be."""

    workflow: str
    file: str
    written: bool
    notes: tuple[str, ...]
    text: str


@click.group("workflow")
def workflow_command() -> None:
    """Declared programs of steps."""


@workflow_command.command("list")
@project_option
@json_option
def workflow_list_command(project: Path | None, as_json: bool) -> None:
    """List the project's workflows, and what leads to each."""
    found = _shown(project)
    if as_json:
        return emit(found)
    rows = [
        (
            one.name,
            "on" if one.enabled else "off",
            str(len(one.steps)),
            one.file,
            "; ".join(one.routes) or "only by its name",
        )
        for one in found
    ]
    return table(("workflow", "", "steps", "file", "chosen"), rows)


@workflow_command.command("check")
@click.argument("files", nargs=-1, type=click.Path(path_type=Path))
@project_option
@json_option
def workflow_check_command(files: tuple[Path, ...], project: Path | None, as_json: bool) -> int:
    """Read FILES, or all of the project's configuration; exit 1 when anything is wrong.

    Workflow files are TOML, or the JSON of OpenFang's workflows.
    """
    checked = [_checked_file(f) for f in files] if files else [_checked_project(project)]
    if as_json:
        emit(checked)
    for one in checked:
        for problem in one.problems:
            complain(problem)
        if not one.problems and not as_json:
            say(f"{one.file}: right")
            _notes(one.notes)
    return 1 if any(one.problems for one in checked) else 0


@workflow_command.command("show")
@click.argument("name")
@project_option
@json_option
def workflow_show_command(name: str, project: Path | None, as_json: bool) -> None:
    """Show the workflow NAME: its steps, what each waits for, and the routes that lead to it."""
    known = {one.name: one for one in _shown(project)}
    if name not in known:
        raise NotFound(not_among(f'no workflow "{name}"', name, known))
    found = known[name]
    if as_json:
        return emit(found)
    say(f"{found.name}  {found.file}" + ("" if found.enabled else "  (switched off)"))
    if found.description:
        say(found.description.strip())
    say()
    for line in ("chosen by " + route for route in found.routes or ("its name only",)):
        say(line)
    for step in found.steps:
        say()
        _say_step(step)
    if found.notes:
        say()
        _notes(found.notes)
    return None


@workflow_command.command("import")
@click.argument("file", type=click.Path(path_type=Path))
@click.option(
    "--to",
    "folder",
    type=click.Path(path_type=Path),
    help="The folder to write into (default: the project's workflows).",
)
@click.option("--dry-run", is_flag=True, help="Print the file; write nothing.")
@click.option("--force", is_flag=True, help="Replace a file that exists.")
@project_option
@json_option
def workflow_import_command(
    file: Path,
    folder: Path | None,
    dry_run: bool,
    force: bool,
    project: Path | None,
    as_json: bool,
) -> None:
    """Write the OpenFang workflow in FILE (JSON) as a workflow of this project (TOML)."""
    from app.engine.importing import plan_import

    plan = plan_import(project_root(project), file, folder)
    if not dry_run:
        plan.write(force=force)
    if as_json:
        return emit(
            FileImported(
                workflow=plan.workflow.name,
                file=str(plan.path),
                written=not dry_run,
                notes=plan.notes,
                text=plan.text,
            )
        )
    if dry_run:
        say(plan.text.rstrip())
        return say(f"# would be written to {plan.path}")  # its notes stand in it
    say(f"wrote {plan.path}: workflow {plan.workflow.name}, {len(plan.workflow.steps)} steps")
    return _notes(plan.notes)


def _shown(project: Path | None) -> list[WorkflowShown]:
    from app.engine.project import load_project, workflow_files

    root = project_root(project)
    config = load_project(root).config
    return [
        show_workflow(file.workflow, config, file.source, file.notes)
        for file in workflow_files(root, config.agent_names)
    ]


def _say_step(step: StepShown) -> None:
    say(f"{step.name}  {step.kind}" + (f"  {', '.join(step.agents)}" if step.agents else ""))
    rows = [("after", ", ".join(step.needs)), ("when", step.when), *(("", d) for d in step.details)]
    rows += [("gate", gate) for gate in step.gates]
    for what, text in rows:
        if text:
            say(f"  {what} {text}" if what else f"  {text}")


def _notes(notes: tuple[str, ...]) -> None:
    for one in notes:
        say(f"  note: {one}")


def _checked_project(project: Path | None) -> FileChecked:
    from app.engine.project import load_project, workflow_files

    root = project_root(project)
    try:
        config = load_project(root).config
        files = list(workflow_files(root, config.agent_names))
    except ConfigError as error:
        return FileChecked(file=str(root), problems=_problems(error))
    notes = tuple(f"{file.source}: {note}" for file in files for note in file.notes)
    return FileChecked(file=str(root), problems=(), notes=notes)


def _checked_file(file: Path) -> FileChecked:
    """A workflow by itself: whether its agents exist is the project's to say."""
    from app.engine.project import read_file, read_workflow

    try:
        found = read_workflow(read_file(file, str(file)), str(file), None)
    except ConfigError as error:
        return FileChecked(file=str(file), problems=_problems(error))
    return FileChecked(file=str(file), problems=(), notes=found.notes)


def _problems(error: ConfigError) -> tuple[str, ...]:
    """All that is wrong with a file, a sentence each."""
    from app.domain.toml_source import FileErrors

    if not isinstance(error, FileErrors):
        return (str(error),)
    return tuple(
        str(ConfigError(p.message, source=error.source, line=p.line, key=p.key))
        for p in error.problems
    )
