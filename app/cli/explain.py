"""`longwatch route | policy | workflow`: why this workflow, why this answer, is this right."""

from __future__ import annotations

from pathlib import Path

import click

from app.cli.options import chosen_store, json_option, store_option, user_name
from app.cli.output import complain, emit, say, table
from app.cli.project import project_root
from app.cli.reach import AnyClient, ask
from app.domain.approval import Action, ApprovalRule, StoredRule
from app.domain.base import Model, SessionId
from app.domain.errors import ConfigError
from app.domain.request import Request, Risk
from app.domain.routing import RouteChoice, RuleReport
from app.domain.toolcall import ToolCall, ToolKind
from app.store.paths import StorePaths

project_option = click.option(
    "--project", type=click.Path(path_type=Path), help="The git repository."
)


class RouteExplained(Model):
    """Which workflow a request would get, and how every route fares with it."""

    choice: RouteChoice
    routes: tuple[RuleReport, ...]


class PolicyExplained(Model):
    """What would become of a shell command that an agent asks for."""

    command: str
    risk: Risk
    risk_reasons: tuple[str, ...]
    action: Action
    rule: str
    reason: str


class FileChecked(Model):
    """One file that was read. `problems` is empty when it is right."""

    file: str
    problems: tuple[str, ...]


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
    explained = RouteExplained(choice=found.route(request), routes=found.explain(request))
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
    return say(f"{explained.choice.workflow}: {explained.choice.why}")


@click.group("policy", short_help="Explain approval rules.")
def policy_command() -> None:
    """What becomes of a tool call."""


@policy_command.command("explain")
@click.option("--shell", "command", required=True, metavar="CMD", help="The shell command.")
@click.option("--agent", default="", help="The configured agent that asks.")
@project_option
@json_option
@store_option
def policy_explain_command(command: str, agent: str, project: Path | None, as_json: bool) -> None:
    """Say how risky CMD is judged, which rule decides, and what it answers."""
    from app.domain.policy import decide, in_order
    from app.domain.risk import assess
    from app.engine.project import load_project

    root = project_root(project)
    call = ToolCall(
        call_id="", tool="shell", kind=ToolKind.SHELL, title=command, command=command, cwd=str(root)
    )
    assessment = assess(call, str(root))
    rules = in_order(load_project(root).config.rules, _stored_rules(root))
    answer = decide(
        call, assessment, rules, agent=agent, session=SessionId(""), workspace=str(root)
    )
    explained = PolicyExplained(
        command=command,
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


def _stored_rules(root: Path) -> list[ApprovalRule]:
    """Rules made by answers, for this project; none when there is no store yet."""
    if not StorePaths(chosen_store()).database.exists():
        return []

    async def read(client: AnyClient) -> list[StoredRule]:
        return list(await client.rules())

    return [stored.rule for stored in ask(chosen_store(), read) if stored.project == str(root)]


@click.group("workflow", short_help="Check workflow files.")
def workflow_command() -> None:
    """Declared programs of steps."""


@workflow_command.command("check")
@click.argument("files", nargs=-1, type=click.Path(path_type=Path))
@project_option
@json_option
def workflow_check_command(files: tuple[Path, ...], project: Path | None, as_json: bool) -> int:
    """Read FILES, or all of the project's configuration; exit 1 when anything is wrong."""
    checked = [_checked_file(f) for f in files] if files else [_checked_project(project)]
    if as_json:
        emit(checked)
    for one in checked:
        for problem in one.problems:
            complain(problem)
        if not one.problems and not as_json:
            say(f"{one.file}: right")
    return 1 if any(one.problems for one in checked) else 0


def _checked_project(project: Path | None) -> FileChecked:
    from app.engine.project import load_project

    root = project_root(project)
    try:
        load_project(root)
    except ConfigError as error:
        return FileChecked(file=str(root), problems=_problems(error))
    return FileChecked(file=str(root), problems=())


def _checked_file(file: Path) -> FileChecked:
    """A workflow by itself: whether its agents exist is the project's to say."""
    from app.domain.workflow_check import parse_workflow

    try:
        parse_workflow(file.read_text("utf-8-sig"), str(file))
    except ConfigError as error:
        return FileChecked(file=str(file), problems=_problems(error))
    except OSError as error:
        return FileChecked(file=str(file), problems=(f"{file}: cannot be read: {error.strerror}",))
    except UnicodeDecodeError:
        return FileChecked(file=str(file), problems=(f"{file}: is not UTF-8 text",))
    return FileChecked(file=str(file), problems=())


def _problems(error: ConfigError) -> tuple[str, ...]:
    """All that is wrong with a file, a sentence each."""
    from app.domain.toml_source import FileErrors

    if not isinstance(error, FileErrors):
        return (str(error),)
    return tuple(
        str(ConfigError(p.message, source=error.source, line=p.line, key=p.key))
        for p in error.problems
    )
