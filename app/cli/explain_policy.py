"""`longwatch policy`: what a shell text consists of, what it risks, and which rule answers it."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import click

from app.cli.options import chosen_store, json_option, project_option, store_option
from app.cli.output import emit, say
from app.cli.project import project_root
from app.cli.reach import AnyClient, ask
from app.domain.approval import Action, ApprovalRule, StoredRule
from app.domain.base import Model
from app.domain.errors import NotFound
from app.domain.request import Risk
from app.domain.toml_messages import not_among
from app.domain.tool_list import RULE, kind_of, refusal, tool_problem
from app.domain.toolcall import ToolCall, ToolKind
from app.store.paths import StorePaths

if TYPE_CHECKING:
    from app.domain.config import Config
    from app.domain.policy import Floor
    from app.domain.policy.explain import ExplainedCommand, Explanation

_WIDTH = 80


class CommandExplained(Model):
    """One simple command of the text."""

    text: str
    words: tuple[str, ...]
    via: tuple[str, ...]  # what stands around it, outermost first
    risk: Risk
    risk_reasons: tuple[str, ...]
    rule: str | None  # that speaks of it; None: none does
    wrapper: bool  # it only runs another one, which is judged by itself


class PolicyExplained(Model):
    """What would become of a call that an agent asks for."""

    command: str  # the shell's, or the tool's name
    shell: bool
    parsed: bool
    why_not_parsed: str = ""
    commands: tuple[CommandExplained, ...] = ()
    risk: Risk
    risk_reasons: tuple[str, ...]
    action: Action
    rule: str
    reason: str
    deciders: int = 1  # different persons who must allow it, if it is asked
    deadline_seconds: float | None = None  # after which the question times out


@click.group("policy")
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
    """Say what a call consists of, how risky it is, which rule decides, and what it answers."""
    from app.engine.project import load_project

    root = project_root(project)
    call = _call(command, tool, arguments, root)
    explained = _explained(call, name, load_project(root).config, root)
    if as_json:
        return emit(explained)
    return say("\n".join(_lines(explained)))


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


def _explained(call: ToolCall, name: str, config: Config, root: Path) -> PolicyExplained:
    """By the agent's tool list first, where one is named, then by rules. Raises NotFound."""
    from app.domain.policy import in_order
    from app.domain.policy.explain import explain_call

    agent = next((agent for agent in config.agent if agent.name == name), None)
    if agent is None and name:
        raise NotFound(not_among(f'there is no agent "{name}"', name, config.agent_names))
    rules = in_order(config.rules, _stored_rules(root))
    found = explain_call(call, str(root), rules, agent=name, floor=_floor(config))
    refused = refusal(agent, call) if agent is not None else None
    return PolicyExplained(
        command=found.command,
        shell=call.command is not None,
        parsed=not found.unparsable,
        why_not_parsed=found.why_unparsable,
        commands=tuple(_command(part) for part in found.commands),
        risk=found.assessment.risk,
        risk_reasons=found.assessment.reasons,
        action=Action.DENY if refused else found.answer.action,
        rule=RULE if refused else found.answer.rule,
        reason=refused or found.answer.reason,
        deciders=_deciders(found, config),
        deadline_seconds=config.approval.deadline_seconds,
    )


def _floor(config: Config) -> Floor:
    from app.domain.policy import Floor
    from app.domain.risk import Own

    paths = StorePaths(chosen_store())
    own = Own(store=str(paths.root.absolute()), socket=str(paths.socket.absolute()))
    return Floor(never=tuple(entry.match for entry in config.approval.never), own=own)


def _deciders(found: Explanation, config: Config) -> int:
    critical = found.assessment.risk is Risk.CRITICAL
    return config.approval.critical_deciders if critical else 1


def _command(part: ExplainedCommand) -> CommandExplained:
    return CommandExplained(
        text=part.text,
        words=part.words,
        via=part.via,
        risk=part.risk,
        risk_reasons=part.reasons,
        rule=part.rule,
        wrapper=part.wrapper,
    )


# -- for a person, at 80 columns


def _lines(found: PolicyExplained) -> Iterator[str]:
    yield from _wrapped(_answer(found), "", "  ")
    yield from _wrapped(found.reason, "  ", "  ")
    if found.deciders > 1 and found.action is not Action.DENY:
        yield f"  {found.deciders} different persons must allow it, whatever a rule says"
    if found.deadline_seconds and found.action is Action.ASK:
        yield f"  unanswered after {found.deadline_seconds:g} s it times out"
    yield ""
    yield f"risk {found.risk}"
    for why in found.risk_reasons:
        yield from _wrapped(why, "  · ", "    ")
    if not found.shell:
        return
    yield ""
    if not found.parsed:
        yield from _wrapped(f"cannot be parsed as a whole: {found.why_not_parsed}", "", "  ")
    count = len(found.commands)
    runs = f"it runs {count} command{'s' * (count != 1)}:"
    yield runs if count else "no command in it could be made out"
    for number, part in enumerate(found.commands, start=1):
        yield from _part(number, part)


def _answer(found: PolicyExplained) -> str:
    return f"{found.action}, by {found.rule}" if found.rule else str(found.action)


def _part(number: int, part: CommandExplained) -> Iterator[str]:
    lead = f"{number:>3}  "
    under = " " * len(lead)
    yield from _wrapped(part.text or "(only assignments or redirections)", lead, under + "  ")
    if part.via:
        yield from _wrapped(f"inside {' › '.join(part.via)}", under, under + "  ")
    if part.wrapper:
        yield f"{under}only runs what follows, which is judged by itself"
        return
    yield from _wrapped(f"risk {part.risk}: {'; '.join(part.risk_reasons)}", under, under + "  ")
    yield from _wrapped(f"rule: {part.rule}" if part.rule else "no rule speaks of it", under, under)


def _wrapped(text: str, first: str, rest: str) -> Iterator[str]:
    """A text in lines of 80 columns; its own line ends are kept."""
    lead = first
    for line in text.split("\n"):
        yield from textwrap.wrap(
            line,
            _WIDTH,
            initial_indent=lead,
            subsequent_indent=rest,
            break_on_hyphens=False,
            replace_whitespace=False,
        ) or [lead.rstrip()]
        lead = rest


def _stored_rules(root: Path) -> list[ApprovalRule]:
    """Rules made by answers, for this project; none when there is no store yet."""
    if not StorePaths(chosen_store()).database.exists():
        return []

    async def read(client: AnyClient) -> list[StoredRule]:
        return list(await client.rules())

    return [stored.rule for stored in ask(chosen_store(), read) if stored.project == str(root)]
