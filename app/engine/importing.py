"""Taking a workflow of OpenFang's over as a file of one's own."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from app.domain.errors import ConfigError, Refused
from app.domain.openfang import import_openfang
from app.domain.workflow import Workflow
from app.domain.workflow_check import parse_workflow
from app.domain.workflow_toml import workflow_toml
from app.engine.project import load_config, read_file, read_workflow
from app.engine.project_names import WORKFLOW_FOLDER


@dataclass(frozen=True, slots=True)
class Planned:
    """What an import would write, and where."""

    workflow: Workflow
    notes: tuple[str, ...]
    path: Path
    text: str
    source: Path

    def write(self, *, force: bool = False) -> None:
        """Write the file (blocking); an existing one is replaced only by `force`. Raises
        Refused."""
        self._only_one()
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            with self.path.open("w" if force else "x", encoding="utf-8", newline="\n") as file:
                file.write(self.text)
        except FileExistsError:
            raise Refused(f"{self.path} exists already; --force replaces it") from None
        except OSError as error:
            raise Refused(f"{self.path} cannot be written: {error.strerror}") from error

    def _only_one(self) -> None:
        """Two files of one folder must not declare the same workflow."""
        for other in _others(self.path):
            if _name(other) == self.workflow.name:
                raise Refused(
                    f'{other} declares a workflow "{self.workflow.name}" already; move that file'
                    " out of the folder, or choose another folder with --to"
                )


def plan_import(root: Path, file: Path, folder: Path | None = None) -> Planned:
    """What importing `file` into `folder` (default: the project's workflows) would write
    (blocking). Its agents must be in the project's configuration. Raises ConfigError."""
    agents = load_config(root).agent_names
    imported = import_openfang(read_file(file, str(file)), str(file), agents)
    head = [f"From {file.name}, a workflow of OpenFang's."]
    text = workflow_toml(imported.workflow, [*head, *(f"- {note}" for note in imported.notes)])
    path = (folder or root / WORKFLOW_FOLDER) / f"{imported.workflow.name}.toml"
    _same(text, path, agents, imported.workflow)
    return Planned(imported.workflow, imported.notes, path, text, file)


def _same(text: str, path: Path, agents: Sequence[str], workflow: Workflow) -> None:
    """Nothing is written that would not be read as exactly what was imported."""
    if parse_workflow(text, str(path), agents) != workflow:
        raise ConfigError("reads as another workflow than was imported", source=str(path))


def _others(path: Path) -> list[Path]:
    folder = path.parent
    return [p for p in sorted([*folder.glob("*.toml"), *folder.glob("*.json")]) if p != path]


def _name(path: Path) -> str:
    """The name that a workflow file declares; "" where it cannot be read: not ours to tell."""
    try:
        return read_workflow(read_file(path, str(path)), str(path), None).workflow.name
    except ConfigError:
        return ""
