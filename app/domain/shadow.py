"""What a shadow run may do: look, and work in its own worktree. All else is shown, not done."""

from __future__ import annotations

from app.domain.approval import Action
from app.domain.policy import PolicyAnswer
from app.domain.request import Risk
from app.domain.risk import Assessment
from app.domain.toolcall import ToolCall, ToolKind
from app.domain.workflow import AgentConfig

RULE = "in shadow"
_WHY = (
    "This is a rehearsal: the call was noted as what you would do, and not carried out. Do not "
    "try it in another way; go on as if it had been done, and say so in your answer."
)


def in_shadow(call: ToolCall, assessment: Assessment, answer: PolicyAnswer) -> PolicyAnswer:
    """The answer to a call in shadow, whatever rules would allow or ask: a shadow run touches
    nothing but its worktree, which is its own, and nobody is asked for it."""
    if answer.action is Action.DENY:
        return answer
    edits_own = call.kind is ToolKind.EDIT and assessment.risk.rank <= Risk.MEDIUM.rank
    if assessment.risk is Risk.LOW or edits_own:
        return PolicyAnswer(action=Action.ALLOW, rule=RULE, reason="")
    return PolicyAnswer(action=Action.DENY, rule=RULE, reason=_WHY)


def agent_in_shadow(agent: AgentConfig) -> AgentConfig:
    """An agent that asks before it does anything, however it is configured."""
    update: dict[str, object] = {}
    if agent.sandbox == "danger-full-access":
        update["sandbox"] = "workspace-write"
    if agent.approval != "untrusted":
        update["approval"] = "untrusted"
    return agent.model_copy(update=update)
