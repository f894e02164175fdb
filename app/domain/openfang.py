"""Workflows of OpenFang: read as they are, and told where they mean something else here.

What is kept to the letter, and what differs on purpose, follows the behaviour of OpenFang's
engine: a fan-out is its maximal run of consecutive steps, the step after it sees its last
branch's output, a collect joins the newest group, words are looked for without regard to case.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from app.domain.openfang_fields import Findings
from app.domain.openfang_names import slug
from app.domain.openfang_read import FangWorkflow, read_fang
from app.domain.openfang_steps import Conversion, convert, names_kept
from app.domain.workflow import Workflow
from app.domain.workflow_check import workflow_problems


@dataclass(frozen=True, slots=True)
class Imported:
    """A workflow, and what its reader should know about how it was taken: a sentence each."""

    workflow: Workflow
    notes: tuple[str, ...]


def import_openfang(text: str, source: str, agents: Sequence[str] | None = None) -> Imported:
    """Read a workflow of OpenFang's; `source` names the file in errors, `agents` the agents there
    are (None: agents are not checked). Raises ConfigError with all that is wrong, by key."""
    found = Findings(source)
    fang = read_fang(text, found)
    done = convert(fang, agents, found)
    if not done.made:
        found.wrong(("steps",), "no step has anything for an agent to do")
    found.settle()
    workflow = Workflow(
        name=slug(fang.name, "workflow"),
        description=_description(fang, done),
        steps=tuple(done.made),
    )
    _check(workflow, agents, done, found)
    return Imported(workflow, tuple(dict.fromkeys(found.notes)))


def _description(fang: FangWorkflow, done: Conversion) -> str:
    """What it was called there; every name that had to change among it."""
    made = f", made {fang.created_at}" if fang.created_at else ""
    origin = f'From OpenFang: "{fang.name}"' + (f" ({fang.id})" if fang.id else "") + made
    return "\n".join([*([fang.description] if fang.description else []), origin, *names_kept(done)])


def _check(
    workflow: Workflow, agents: Sequence[str] | None, done: Conversion, found: Findings
) -> None:
    """The checks of every workflow, told by the place in the JSON file."""
    for path, what in workflow_problems(workflow, agents):
        number = path[1] if len(path) > 1 else None
        at = done.places[number] if path[0] == "step" and isinstance(number, int) else ()
        found.wrong((*at, *path[2:]) if at else path, what)
    found.settle()
