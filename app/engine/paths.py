"""A rollout's paths as the project declares them now, each with the recipe that pins it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from msgspec import Struct

from app.domain.path_name import PathName
from app.domain.rollout import PathKind, PinnedPath
from app.domain.workflow import Recipe
from app.engine.call_recorded import file_hash, read_answers

if TYPE_CHECKING:
    from app.domain.rollout_config import PathEntry, RolloutEntry
    from app.engine.project import Project


class Declared(Struct, frozen=True):
    """One path: what it is called, and what a run of it pins."""

    path: PinnedPath
    recipe: Recipe


def declared(project: Project, entry: RolloutEntry, name: PathName) -> Declared | None:
    """A path of a rollout (blocking: it may be a file of records); None for no candidate.

    Raises ConfigError or NotFound for what cannot be used.
    """
    path = entry.stable_path if name is PathName.STABLE else entry.candidate
    if path is None:
        return None
    recipe = _recipe(project, entry.name, path)
    kind = _kind(path)
    title = path.workflow or path.title
    return Declared(PinnedPath(kind=kind, title=title, recipe=recipe.digest), recipe)


def _kind(path: PathEntry) -> PathKind:
    if path.workflow is not None:
        return PathKind.WORKFLOW
    if path.url:
        return PathKind.HTTP
    return PathKind.COMMAND if path.command else PathKind.RECORDED


def _recipe(project: Project, name: str, path: PathEntry) -> Recipe:
    if path.workflow is not None:
        return project.recipe(path.workflow)
    if path.recorded:
        path = _loaded(project.root, path)
    config = project.config
    return Recipe(
        workflow=path.as_workflow(name), agents=(), rules=config.rules, env_file=config.env_file
    )


def _loaded(root: Path, path: PathEntry) -> PathEntry:
    """With the file's place and content: every line of it is read once, so that a broken one is
    told now and not when its answer is wanted."""
    file = root / path.recorded
    for _ in read_answers(file):
        pass
    return path.model_copy(update={"recorded": str(file), "recorded_sha256": file_hash(file)})
