"""`longwatch init`: a first configuration and workflow in this repository."""

from __future__ import annotations

from pathlib import Path

import click

from app.agents.known import KNOWN, known
from app.cli.options import json_option, project_option
from app.cli.output import emit, say
from app.cli.project import isolation, new_root
from app.domain.base import Model


class Initialised(Model):
    """What was written, and what was chosen."""

    project: str
    files: tuple[str, ...]
    choices: tuple[str, ...]


@click.command("init")
@click.option(
    "--agent",
    type=click.Choice([a.name for a in KNOWN]),
    help="The agent of all roles; the first of these that is found, if not given.",
)
@click.option("--force", is_flag=True, help="Replace files that exist.")
@project_option
@json_option
def init_command(agent: str | None, force: bool, project: Path | None, as_json: bool) -> None:
    """Write longwatch.toml and a workflow into this git repository, or plain folder, and say what
    was chosen."""
    from app.engine.initialise import initialise

    root = new_root(project)
    chosen = known(agent) if agent else next((a for a in KNOWN if a.find()), KNOWN[0])
    made = initialise(root, agent=chosen, found=chosen.find(), force=force)
    result = Initialised(
        project=str(root), files=tuple(str(f) for f in made.files), choices=made.choices
    )
    if as_json:
        return emit(result)
    for file in result.files:
        say(f"wrote {root / file}")
    for choice in result.choices:
        say(choice)
    if told := isolation(root):
        say(told)
    return say('next: `longwatch run "what you want done"`')
