"""Admission: the one place where runs are made."""

from __future__ import annotations

from app.domain import events as ev
from app.domain.base import RunId
from app.domain.request import Request
from app.domain.run import Run, StepBrief
from app.domain.step import CollectStep, ReviewStep
from app.domain.workflow import Recipe, Workflow
from app.engine.core import Core
from app.store.journal import Draft


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
    """A new run and what has to be committed for it to exist; nothing is committed here.

    A sub-workflow's run belongs to its parent's trace, and starts from its parent's work.
    """
    now = core.clock.now()
    run = Run(
        run_id=RunId(core.ids.new("r")),
        trace_id=parent.trace_id if parent else core.ids.new("tr"),
        request=request,
        project=project,
        workflow=recipe.workflow.name,
        recipe=recipe.digest,
        steps=briefs(recipe.workflow),
        current_step=recipe.workflow.steps[0].name,
        parent=parent.run_id if parent else None,
        parent_step=parent_step,
        base_commit=base_commit,
        head_commit=base_commit,
        created_at=now,
        updated_at=now,
    )
    drafts = []
    if recipe.digest not in core.journal.projection.recipes:
        drafts.append(Draft(ev.RecipeRecorded(digest=recipe.digest, recipe=recipe)))
    drafts.append(Draft(ev.RunCreated(run=run), run_id=run.run_id, trace_id=run.trace_id))
    return run, drafts


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
