"""Explaining a decision: what a shell text consists of, what each part risks, which rule speaks."""

from __future__ import annotations

from collections.abc import Sequence

from app.domain.approval import ApprovalRule
from app.domain.base import Model, SessionId
from app.domain.policy.decide import PolicyAnswer, decide, deciding_rules
from app.domain.policy.match import Asking
from app.domain.request import Risk
from app.domain.risk import Assessment, assess, summarise
from app.domain.risk.places import Folders
from app.domain.risk.shell_call import judge_command
from app.domain.shell import parse
from app.domain.text import printable
from app.domain.toolcall import ToolCall, ToolKind


class ExplainedCommand(Model):
    """One simple command: normalised text, how it is reached, risk, and the rule about it."""

    text: str
    via: tuple[str, ...] = ()
    risk: Risk
    reasons: tuple[str, ...] = ()
    rule: str | None = None
    wrapper: bool = False  # judged by what it runs


class Explanation(Model):
    """A shell text in parts, the judgement, and the decision. All texts are printable."""

    command: str
    workspace: str
    unparsable: bool
    why_unparsable: str = ""
    commands: tuple[ExplainedCommand, ...] = ()
    assessment: Assessment
    answer: PolicyAnswer


def explain(
    text: str,
    workspace: str,
    rules: Sequence[ApprovalRule],
    *,
    agent: str = "",
    session: SessionId = SessionId(""),  # noqa: B008 - a NewType of str, immutable
    cwd: str | None = None,
) -> Explanation:
    """What would be decided about the shell text if an agent asked for it in `workspace`."""
    call = ToolCall(
        call_id="", tool="shell", kind=ToolKind.SHELL, title=text, command=text, cwd=cwd
    )
    assessment = assess(call, workspace)
    answer = decide(call, assessment, rules, agent=agent, session=session, workspace=workspace)
    parsed = parse(text)
    asking = Asking.about(call, assessment, agent, session, workspace)
    folders = Folders.of(workspace)
    start = folders.start(cwd)
    commands = list[ExplainedCommand]()
    for command, rule in deciding_rules(rules, asking):
        judged = summarise(judge_command(command, parsed, folders, start))
        commands.append(
            ExplainedCommand(
                text=printable(command.text),
                via=tuple(printable(label) for label in command.via),
                risk=judged.risk,
                reasons=judged.reasons,
                rule=rule.name if rule is not None else None,
                wrapper=command.transparent,
            )
        )
    return Explanation(
        command=printable(text),
        workspace=workspace,
        unparsable=parsed.unparsable,
        why_unparsable=parsed.why,
        commands=tuple(commands),
        assessment=assessment,
        answer=answer,
    )
