"""Admission: the one place where runs are made, and the only door to a rollout's paths.

Nothing here waits: a rollout's state is read and the run that follows from it is handed to the
journal in one turn of the loop, and so in one transaction. What the journal then applies is
checked once more against the rollout's version (`app.domain.reduce_rollout.admitted`).
"""

from __future__ import annotations

from pathlib import Path

from msgspec import Struct

from app.domain import events as ev
from app.domain.admitting import is_shadowed, path_for
from app.domain.base import RunId
from app.domain.errors import Refused
from app.domain.fork import Prefix
from app.domain.path_name import PathName
from app.domain.remembered import remembered
from app.domain.request import Request
from app.domain.rollout import Rollout
from app.domain.rollout_events import ExpectedGiven
from app.domain.run import Run, StepBrief
from app.domain.step import CollectStep, ReviewStep
from app.domain.workflow import Recipe, Workflow
from app.engine.core import Core
from app.engine.plain_folder import is_plain
from app.store.journal import Draft


class Admitted(Struct, frozen=True):
    """What a request became: the run that answers it, the shadow beside it, and what has to be
    committed, as one, for both to exist."""

    run: Run
    shadow: Run | None
    drafts: list[Draft]


def admit(
    core: Core,
    recipe: Recipe,
    request: Request,
    project: str,
    *,
    parent: Run | None = None,
    parent_step: str = "",
    base_commit: str | None = None,
) -> tuple[Run, list[Draft]]:
    """A new run of a workflow without a rollout, or of a step's sub-workflow, and what has to be
    committed for it to exist; nothing is committed here.

    A sub-workflow's run belongs to its parent's trace and path, and starts from its parent's work.
    """
    run = _run(core, recipe, request, project, base_commit)
    if parent is not None:
        rollout = core.journal.projection.rollouts[parent.rollout] if parent.rollout else None
        run = run.model_copy(
            update={
                "trace_id": parent.trace_id,
                "parent": parent.run_id,
                "parent_step": parent_step,
                "path": parent.path,
                "shadow": parent.shadow,
                "rollout": parent.rollout,
                "rollout_version": rollout.version if rollout else 0,
            }
        )
    return run, [*_recorded(core, recipe), _created(run)]


def admit_request(
    core: Core, rollout: Rollout, request: Request, base_commit: str | None
) -> Admitted:
    """A new run of a rollout's path, as its state is at this moment, and with it, where the
    request is shadowed, one of the candidate that nobody is given the answer of."""
    path = path_for(rollout, request)
    run = _of_path(core, rollout, path, request, base_commit)
    drafts = [_created(run)]
    shadow = None
    if path is PathName.STABLE and is_shadowed(rollout, request):
        shadow = _of_path(core, rollout, PathName.CANDIDATE, request, base_commit)
        update = {"shadow": True, "shadow_of": run.run_id, "trace_id": run.trace_id}
        shadow = shadow.model_copy(update=update)
        drafts.append(_created(shadow))
    return Admitted(run, shadow, drafts)


def admit_replay(
    core: Core,
    rollout: Rollout,
    request: Request,
    base_commit: str | None,
    *,
    of: RunId | None = None,
    expected: ExpectedGiven | None = None,
) -> Admitted:
    """A shadow run for a request that was answered before: by the run `of`, or as `expected`."""
    if not rollout.has_open_candidate:
        raise Refused(f"rollout {rollout.name} has no open candidate to replay requests with")
    run = _of_path(core, rollout, PathName.CANDIDATE, request, base_commit)
    run = run.model_copy(update={"shadow": True, "shadow_of": of})
    drafts = [_created(run)]
    if expected is not None:
        drafts.append(Draft(expected, run_id=run.run_id, trace_id=run.trace_id))
    return Admitted(run, run, drafts)


def admit_judge(core: Core, rollout: Rollout, text: str) -> Admitted:
    """A run in which an agent compares two answers: it has no effect, and nobody waits for it."""
    recipe = core.journal.projection.recipes[rollout.judge]
    request = Request(text=text, user="longwatch", channel="rollout", task_type="judge")
    run = _run(core, recipe, request, rollout.project, None)
    run = run.model_copy(update={"shadow": True, "recipe": rollout.judge})
    return Admitted(run, run, [_created(run)])


def admit_fork(
    core: Core, recipe: Recipe, source: Run, step: str, taken: Prefix
) -> tuple[Run, list[Draft]]:
    """A run that takes over what `source` did before `step`. Raises Refused when the path that
    made it is not open any more."""
    run = _run(core, recipe, source.request, source.project, source.base_commit)
    update: dict[str, object] = {
        "recipe": source.recipe,
        "forked_from": source.run_id,
        "forked_at": step,
        "head_commit": taken.head or source.base_commit,
        # What was done before costs this run neither money nor time.
        "worked_before": sum(attempt.worked_seconds for attempt in taken.attempts),
    }
    if source.rollout:
        rollout = core.journal.projection.rollouts[source.rollout]
        _check_fork(rollout, source)
        update |= {
            "path": source.path,
            "rollout": rollout.rollout_id,
            "rollout_version": rollout.version,
        }
    run = run.model_copy(update=update)
    took = ev.PrefixTaken(source=source.run_id, attempts=taken.attempts, steps=taken.steps)
    follow = Draft(took, run_id=run.run_id, trace_id=run.trace_id)
    return run, [*_recorded(core, recipe, source.recipe), _created(run), follow]


def _check_fork(rollout: Rollout, source: Run) -> None:
    path = rollout.path(source.path)
    if source.shadow:
        raise Refused(f"run {source.run_id} is a shadow: `longwatch shadow replay` makes it again")
    if source.parent is not None:
        raise Refused(f"run {source.run_id} belongs to {source.parent}: fork that one")
    closed = source.path is PathName.CANDIDATE and (rollout.closed or not rollout.share)
    if closed or path is None or path.recipe != source.recipe:
        raise Refused(
            f"the path that made run {source.run_id} does not answer requests of rollout "
            f"{rollout.name} any more: start its request anew"
        )


def _of_path(
    core: Core, rollout: Rollout, name: PathName, request: Request, base_commit: str | None
) -> Run:
    path = rollout.path(name)
    assert path is not None
    recipe = core.journal.projection.recipes[path.recipe]
    return _run(core, recipe, request, rollout.project, base_commit).model_copy(
        update={
            "path": name,
            # As it was pinned: a later version of ours may hash the same content otherwise.
            "recipe": path.recipe,
            "rollout": rollout.rollout_id,
            "rollout_version": rollout.version,
        }
    )


def _run(
    core: Core, recipe: Recipe, request: Request, project: str, base_commit: str | None
) -> Run:
    now = core.clock.now()
    return Run(
        run_id=RunId(core.ids.new("r")),
        trace_id=core.ids.new("tr"),
        request=request,
        project=project,
        copied=is_plain(Path(project)),
        workflow=recipe.workflow.name,
        recipe=recipe.digest,
        steps=briefs(recipe.workflow),
        current_step=recipe.workflow.steps[0].name,
        base_commit=base_commit,
        head_commit=base_commit,
        created_at=now,
        updated_at=now,
    )


def _created(run: Run) -> Draft:
    return Draft(ev.RunCreated(run=run), run_id=run.run_id, trace_id=run.trace_id)


def _recorded(core: Core, recipe: Recipe, digest: str = "") -> list[Draft]:
    """What the journal needs for a run of `recipe`, which is kept under `digest` if given."""
    digest = digest or recipe.digest
    if digest in core.journal.projection.recipes:
        return []
    return [Draft(ev.RecipeRecorded(digest=digest, recipe=recipe))]


@remembered
def briefs(workflow: Workflow) -> tuple[StepBrief, ...]:
    """A workflow's steps as a run's head has them."""
    needs = workflow.needs()
    found = []
    for step in workflow.steps:
        of: tuple[str, ...] = ()
        if isinstance(step, ReviewStep):
            of = (step.of,)
        elif isinstance(step, CollectStep):
            of = step.of
        found.append(StepBrief(name=step.name, kind=step.kind, needs=needs[step.name], of=of))
    return tuple(found)
