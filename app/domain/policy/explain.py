"""Explaining a decision: what a shell text consists of, what each part risks, which rule speaks."""

from collections.abc import Sequence

from app.domain.approval import ApprovalRule
from app.domain.base import Model, SessionId
from app.domain.policy.decide import PolicyAnswer, decide, deciding_rules
from app.domain.policy.floor import NO_MORE, Floor
from app.domain.policy.match import Asking
from app.domain.request import Risk
from app.domain.risk import Assessment, assess, summarise
from app.domain.text import printable
from app.domain.toolcall import ToolCall, ToolKind


class ExplainedCommand(Model):
    """One simple command: normalised text, how it is reached, risk, and the rule about it."""

    text: str
    words: tuple[str, ...] = ()  # quotes resolved; what is only known when it runs as written
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
    floor: Floor = NO_MORE,
) -> Explanation:
    """What would be decided about the shell text if an agent asked for it in `workspace`."""
    call = ToolCall(
        call_id="", tool="shell", kind=ToolKind.SHELL, title=text, command=text, cwd=cwd
    )
    return explain_call(call, workspace, rules, agent=agent, session=session, floor=floor)


def explain_call(
    call: ToolCall,
    workspace: str,
    rules: Sequence[ApprovalRule],
    *,
    agent: str = "",
    session: SessionId = SessionId(""),  # noqa: B008 - a NewType of str, immutable
    floor: Floor = NO_MORE,
) -> Explanation:
    """What would be decided about any call; only shell text has parts."""
    assessment = assess(call, workspace, floor.own)
    answer = decide(
        call, assessment, rules, agent=agent, session=session, workspace=workspace, floor=floor
    )
    from app.domain.risk.places import Folders
    from app.domain.risk.shell_call import judge_command
    from app.domain.shell import Parsed

    asking = Asking.about(call, assessment, agent, session, workspace)
    parsed = asking.parsed or Parsed()
    folders = Folders.of(workspace, floor.own)
    start = folders.start(call.cwd)
    commands = list[ExplainedCommand]()
    for command, rule in deciding_rules(rules, asking):
        judged = summarise(judge_command(command, parsed, folders, start))
        commands.append(
            ExplainedCommand(
                text=printable(command.text),
                words=tuple(printable(word.text) for word in command.words),
                via=tuple(printable(label) for label in command.via),
                risk=judged.risk,
                reasons=judged.reasons,
                rule=rule.name if rule is not None else None,
                wrapper=command.transparent,
            )
        )
    return Explanation(
        command=printable(call.command or call.title),
        workspace=workspace,
        unparsable=parsed.unparsable,
        why_unparsable=parsed.why,
        commands=tuple(dict.fromkeys(commands)),  # a loop's words, for one, are read twice
        assessment=assessment,
        answer=answer,
    )
