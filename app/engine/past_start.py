"""Taking up a past session: which workflow does, and whether it can; what its agent is told."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TYPE_CHECKING

from app.domain.errors import Refused
from app.domain.recipes import first_work, workers
from app.domain.request import Request
from app.domain.run import Run
from app.domain.session import Session
from app.domain.workflow import Recipe
from app.engine.past_sessions import PastSessions

if TYPE_CHECKING:
    from app.domain.past import PastHistory
    from app.engine.project import Project

_ANOTHER = "name another workflow with --workflow"


async def pinned(
    past: PastSessions, project: Project, request: Request, workflow: str | None
) -> tuple[Request, str]:
    """The request with the session's content pinned, and its workflow: the one that was named,
    else the one that is called like the session's agent, else the route's.

    Raises NotFound and Refused, when there is no such session or the workflow cannot take it up.
    """
    assert request.past is not None
    ref, session = await past.pin(project.root, request.past.past_id)
    request = request.model_copy(update={"past": ref})
    if workflow is None and session.agent in project.workflows:
        workflow = session.agent
    workflow = workflow or project.route(request).workflow
    if project.config.rollout_of(workflow) is not None:
        raise Refused(
            f"workflow {workflow} has a rollout, and its candidate could not take the session up "
            f"in the same way: {_ANOTHER}"
        )
    _check(project.recipe(workflow))
    return request, workflow


def _check(recipe: Recipe) -> None:
    """Only the built-in agent can begin with what another has said."""
    step = first_work(recipe.workflow)
    if step is None:
        raise Refused(
            f"no agent works in workflow {recipe.workflow.name}, so that nobody could take the "
            f"session up: {_ANOTHER}"
        )
    for agent in map(recipe.agent, workers(step)):
        if agent.driver != "model":
            raise Refused(
                f"workflow {recipe.workflow.name} begins with agent {agent.name}, and its driver "
                f"({agent.driver}) cannot begin with a conversation that was held elsewhere; the "
                f'built-in agent can (driver = "model"): {_ANOTHER}'
            )


def history_of(
    past: PastSessions, run: Run, recipe: Recipe, session: Session
) -> Callable[[], Awaitable[PastHistory]] | None:
    """How the session's driver gets what came before its first turn; None when nothing did."""
    ref, step = run.request.past, first_work(recipe.workflow)
    if ref is None or step is None or session.step != step.name:
        return None

    async def read() -> PastHistory:
        return await past.history(Path(run.project), ref)

    return read
