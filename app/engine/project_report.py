"""Reading a project to look at it: each file by itself, so that one mistake hides nothing."""

from __future__ import annotations

from pathlib import Path

from app.domain.config import Config
from app.domain.errors import ConfigError
from app.domain.project_report import FileReport, ProjectReport
from app.domain.workflow_shown import show_workflow
from app.engine.project import (
    load_config,
    load_project,
    read_file,
    read_workflow,
)
from app.engine.project_names import WORKFLOW_FOLDER


def project_report(root: Path) -> ProjectReport:
    """Blocking. Never refuses a project: what is wrong with it is part of the answer."""
    try:
        config = load_config(root)
    except ConfigError as error:
        return ProjectReport(root=str(root), problem=str(error), files=_files(root, None))
    files = _files(root, config)
    problem = ""
    if not any(file.problem for file in files):
        try:
            load_project(root)  # what is wrong only between the files
        except ConfigError as error:
            problem = str(error)
    return ProjectReport(
        root=str(root),
        problem=problem,
        routes=config.route,
        default_workflow=config.default_workflow or "",
        files=files,
        targets=config.routable(
            [file.workflow.name for file in files if file.workflow and file.workflow.enabled]
        ),
    )


def _files(root: Path, config: Config | None) -> tuple[FileReport, ...]:
    folder = root / WORKFLOW_FOLDER
    paths = sorted([*folder.glob("*.toml"), *folder.glob("*.json")])
    return tuple(_file(path, f"{WORKFLOW_FOLDER}/{path.name}", config) for path in paths)


def _file(path: Path, source: str, config: Config | None) -> FileReport:
    agents = config.agent_names if config is not None else None
    try:
        read = read_workflow(read_file(path, source), source, agents)
    except ConfigError as error:
        return FileReport(source=source, problem=str(error))
    shown = show_workflow(read.workflow, config, source, read.notes)
    return FileReport(source=source, workflow=shown)
