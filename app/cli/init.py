"""`longwatch init`: a first configuration and workflow in this repository."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import click

from app.cli.options import json_option
from app.cli.output import emit, say
from app.cli.project import project_root
from app.domain.base import Model


class Initialised(Model):
    """What was written, and what was chosen."""

    project: str
    files: tuple[str, ...]
    choices: tuple[str, ...]


@click.command("init", short_help="Write configuration into this repository.")
@click.option("--force", is_flag=True, help="Replace files that exist.")
@click.option("--project", type=click.Path(path_type=Path), help="The git repository.")
@json_option
def init_command(force: bool, project: Path | None, as_json: bool) -> None:
    """Write longwatch.toml and a workflow into this git repository, and say what was chosen."""
    from app.engine.initialise import initialise

    root = project_root(project)
    found = shutil.which(os.environ.get("LONGWATCH_CODEX") or "codex")
    made = initialise(root, codex=Path(found) if found else None, force=force)
    result = Initialised(
        project=str(root), files=tuple(str(f) for f in made.files), choices=made.choices
    )
    if as_json:
        return emit(result)
    for file in result.files:
        say(f"wrote {root / file}")
    for choice in result.choices:
        say(choice)
    return say('next: `longwatch run "what you want done"`')
