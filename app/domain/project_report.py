"""A project as a person looks at it: every workflow file, what is wrong with it, the routes."""

from app.domain.base import Model
from app.domain.request import Request
from app.domain.routing import RouteChoice, RouteRule, RuleReport, choose, explain
from app.domain.workflow_shown import WorkflowShown


class FileReport(Model):
    """One workflow file; either it is a workflow, or `problem` says in a sentence why not."""

    source: str  # relative to the project's root
    workflow: WorkflowShown | None = None
    problem: str = ""


class ProjectReport(Model):
    """What a project declares, read with patience: one broken file hides no other."""

    root: str
    problem: str = ""  # with the configuration, or between it and the workflows
    routes: tuple[RouteRule, ...] = ()
    default_workflow: str = ""
    files: tuple[FileReport, ...] = ()
    targets: tuple[str, ...] = ()  # what a request can get: workflows and rollouts

    def explain(self, request: Request) -> tuple[RuleReport, ...]:
        """How every route fares with a request, field by field."""
        return explain(request, self.routes, self.targets)

    def choose(self, request: Request) -> RouteChoice | None:
        """The workflow that a request would get, and why; None: it would be refused."""
        return choose(request, self.routes, self.targets, self.default_workflow or None)
