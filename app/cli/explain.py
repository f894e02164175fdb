"""`longwatch route | policy`: why this workflow, why this answer."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from app.cli.options import chosen_store, json_option, project_option, store_option, user_name
from app.cli.output import emit, say, table
from app.cli.project import project_root
from app.cli.reach import AnyClient, ask
from app.domain.approval import Action, ApprovalRule, StoredRule
from app.domain.base import Model, SessionId
from app.domain.errors import NotFound
from app.domain.request import Request, Risk
from app.domain.routing import RouteChoice, RuleReport
from app.domain.toml_messages import not_among
from app.domain.tool_list import RULE, kind_of, refusal, tool_problem
from app.domain.toolcall import ToolCall, ToolKind
from app.store.paths import StorePaths

if TYPE_CHECKING:
    from app.domain.config import Config
    from app.domain.policy import PolicyAnswer
    from app.domain.risk import Assessment


class RouteExplained(Model):
    """Which workflow a request would get, and how every route fares with it."""

    choice: RouteChoice
    rollout: str = ""  # which decides on the path, if one of that name is declared
    routes: tuple[RuleReport, ...]


class PolicyExplained(Model):
    """What would become of a call that an agent asks for."""

    command: str  # the shell's, or the tool's name
    risk: Risk
    risk_reasons: tuple[str, ...]
    action: Action
    rule: str
    reason: str


@click.group("route", short_help="Explain routing.")
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
) -> None:
    """Say which workflow such a request gets, and how every route fares with it."""
    from app.engine.project import load_project

    found = load_project(project_root(project))
    request = Request(
        text="(any)",
        user=user or user_name(),
        channel=channel,
        task_type=task_type,
        risk=Risk(risk),
    )
    choice = found.route(request)
    entry = found.config.rollout_of(choice.workflow)
    explained = RouteExplained(
        choice=choice, rollout=entry.name if entry else "", routes=found.explain(request)
    )
    if as_json:
        return emit(explained)
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
    say(f"{explained.choice.workflow}: {explained.choice.why}")
    if explained.rollout:
        say(f"its path is chosen by a rollout: `longwatch rollout show {explained.rollout}`")
    return None


@click.group("policy", short_help="Explain approval rules.")
def policy_command() -> None:
    """What becomes of a tool call."""


@policy_command.command("explain")
@click.option("--shell", "command", metavar="CMD", help="A shell command.")
@click.option("--tool", metavar="NAME", help="Another tool: edit, fetch, mcp:SERVER/TOOL, …")
@click.option("--arguments", default="{}", metavar="JSON", help="What that tool is given.")
@click.option("--agent", "name", default="", help="The agent that asks: its tool list counts too.")
@project_option
@json_option
@store_option
def policy_explain_command(
    command: str | None,
    tool: str | None,
    arguments: str,
    name: str,
    project: Path | None,
    as_json: bool,
) -> None:
    """Say how risky a call is judged, which rule decides, and what it answers."""
    from app.domain.risk import assess
    from app.engine.project import load_project

    root = project_root(project)
    call = _call(command, tool, arguments, root)
    assessment = assess(call, str(root))
    answer = _answer(load_project(root).config, name, call, assessment, root)
    explained = PolicyExplained(
        command=call.title,
        risk=assessment.risk,
        risk_reasons=assessment.reasons,
        action=answer.action,
        rule=answer.rule,
        reason=answer.reason,
    )
    if as_json:
        return emit(explained)
    say(f"{explained.action}" + (f", by {explained.rule}" if explained.rule else ""))
    say(f"risk {explained.risk}" + "".join(f"\n  {why}" for why in explained.risk_reasons))
    return say(explained.reason) if explained.reason else None


def _call(command: str | None, tool: str | None, arguments: str, root: Path) -> ToolCall:
    """The call that is asked about. Raises UsageError."""
    if (command is None) == (tool is None):
        raise click.UsageError("give either --shell CMD or --tool NAME")
    if command is not None:
        kind, tool = ToolKind.SHELL, "shell"
    else:
        assert tool is not None
        if problem := tool_problem(tool):
            raise click.UsageError(problem)
        kind = kind_of(tool)
    return ToolCall(
        call_id="",
        tool=tool,
        kind=kind,
        title=command or tool,
        command=command,
        cwd=str(root),
        arguments=arguments if command is None else "",
    )


def _answer(
    config: Config, name: str, call: ToolCall, assessment: Assessment, root: Path
) -> PolicyAnswer:
    """By the agent's tool list first, where one is named, then by rules. Raises NotFound."""
    from app.domain.policy import PolicyAnswer, decide, in_order

    agent = next((agent for agent in config.agent if agent.name == name), None)
    if agent is None and name:
        raise NotFound(not_among(f'there is no agent "{name}"', name, config.agent_names))
    if agent is not None and (refused := refusal(agent, call)):
        return PolicyAnswer(action=Action.DENY, rule=RULE, reason=refused)
    rules = in_order(config.rules, _stored_rules(root))
    return decide(call, assessment, rules, agent=name, session=SessionId(""), workspace=str(root))


def _stored_rules(root: Path) -> list[ApprovalRule]:
    """Rules made by answers, for this project; none when there is no store yet."""
    if not StorePaths(chosen_store()).database.exists():
        return []

    async def read(client: AnyClient) -> list[StoredRule]:
        return list(await client.rules())

    return [stored.rule for stored in ask(chosen_store(), read) if stored.project == str(root)]
