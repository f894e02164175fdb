"""`longwatch route`: why this workflow."""

from __future__ import annotations

from pathlib import Path

import click

from app.cli.options import json_option, project_option
from app.cli.output import emit, say, table
from app.cli.project import project_root
from app.domain.base import Model
from app.domain.request import Request, Risk
from app.domain.routing import NOTHING, RouteChoice, RuleReport
from app.link.person import user_name


class RouteExplained(Model):
    """Which workflow a request would get, and how every route fares with it."""

    choice: RouteChoice | None  # None: it would be refused
    why: str
    rollout: str = ""  # which decides on the path, if one of that name is declared
    routes: tuple[RuleReport, ...]


@click.group("route")
def route_command() -> None:
    """Which workflow answers a request."""


@route_command.command("explain")
@click.option("--user", help="Who asks (default: you).")
@click.option("--channel", default="cli", show_default=True)
@click.option("--task-type", default="change", show_default=True)
@click.option(
    "--risk", type=click.Choice([r.value for r in Risk]), default="medium", show_default=True
)
@project_option
@json_option
def route_explain_command(
    user: str | None, channel: str, task_type: str, risk: str, project: Path | None, as_json: bool
) -> int:
    """Say which workflow such a request gets, and how every route fares with it; exit 1
    when it would be refused."""
    from app.engine.project import load_project

    found = load_project(project_root(project))
    request = Request(
        text="(any)",
        user=user or user_name(),
        channel=channel,
        task_type=task_type,
        risk=Risk(risk),
    )
    choice = found.choice(request)
    entry = found.config.rollout_of(choice.workflow) if choice else None
    explained = RouteExplained(
        choice=choice,
        why=choice.why if choice else NOTHING,
        rollout=entry.name if entry else "",
        routes=found.explain(request),
    )
    if as_json:
        emit(explained)
    else:
        _say(explained)
    return 0 if choice else 1


def _say(explained: RouteExplained) -> None:
    rows = [
        (
            str(r.index + 1),
            r.workflow,
            "yes" if r.matches else "no",
            str(r.score),
            ", ".join(f"{f.field} {f.wanted} ({'ok' if f.matches else f.got})" for f in r.fields),
        )
        for r in explained.routes
    ]
    if rows:
        table(("route", "workflow", "matches", "score", "conditions"), rows)
    choice = explained.choice
    say(f"{choice.workflow}: {choice.why}" if choice else explained.why)
    if explained.rollout:
        say(f"its path is chosen by a rollout: `longwatch rollout show {explained.rollout}`")
