"""What a rule would have covered: past calls of a project, and how each was decided."""

import json
from collections import Counter
from collections.abc import Callable, Iterable
from datetime import datetime

from app.domain.approval import Action, Approval, ApprovalRule, ApprovalState
from app.domain.base import ApprovalId, Model, RunId
from app.domain.policy.match import Asking, is_shell, matches_call
from app.domain.request import Risk
from app.domain.risk import Assessment
from app.domain.text import one_line

SHOWN = 5  # past calls that are named; the rest is counted
_UNDECIDED = {
    ApprovalState.PENDING: "waits for an answer",
    ApprovalState.WITHDRAWN: "withdrawn before it was answered",
}


class PastCall(Model):
    """One call that was asked for before."""

    approval_id: ApprovalId
    run_id: RunId
    title: str
    risk: Risk
    how: str  # how it was decided, in words: "allowed by ada"
    at: datetime  # when it was asked


class Covered(Model):
    """The rule that an answer would write, and the past calls that it matches."""

    rule: ApprovalRule
    total: int = 0
    decided: tuple[tuple[str, int], ...] = ()  # how many were allowed, denied, …
    recent: tuple[PastCall, ...] = ()  # newest first, at most SHOWN


def covers(rule: ApprovalRule, approval: Approval, workspace: str) -> bool:
    """Whether a rule that an answer has written matches a call that was asked for."""
    asking = Asking(
        approval.call,
        Assessment(risk=approval.risk, reasons=approval.risk_reasons),
        approval.agent,
        approval.session_id,
        workspace,
    )
    if is_shell(approval.call):
        tame = approval.risk is not Risk.CRITICAL or rule.allow_critical
        return rule.match.command_exact is not None and tame and asking.applies(rule)
    return matches_call(rule, asking)


def covered(rule: ApprovalRule, past: Iterable[Approval]) -> Covered:
    """Sum up the calls among `past`, newest first, that the rule matches.

    A call's own folder stands for its session's workspace, which may be gone.
    """
    found = [call for call in past if covers(rule, call, call.call.cwd or "/")]
    counted = Counter(_sort(call) for call in found)
    recent = tuple(
        PastCall(
            approval_id=call.approval_id,
            run_id=call.run_id,
            title=call.call.command or call.call.title,
            risk=call.risk,
            how=how(call),
            at=call.requested_at,
        )
        for call in found[:SHOWN]
    )
    return Covered(rule=rule, total=len(found), decided=tuple(counted.items()), recent=recent)


def how(approval: Approval) -> str:
    """How an approval was decided, in words."""
    decision = approval.decision
    if approval.state is ApprovalState.TIMED_OUT:
        return "timed out: nobody answered"
    if decision is None:
        return _UNDECIDED.get(approval.state, str(approval.state))
    verb = "allowed" if decision.action is Action.ALLOW else "denied"
    return f"{verb} by {decision.by}"


def _sort(approval: Approval) -> str:
    if approval.state is ApprovalState.TIMED_OUT:
        return "timed out"
    if approval.decision is None:
        return "not answered"
    return "allowed" if approval.decision.action is Action.ALLOW else "denied"


def covered_lines(covered: Covered, when: Callable[[datetime], str]) -> list[str]:
    """How many past calls a rule matches, how they were decided, and the newest of them."""
    if not covered.total:
        return ["No other call of this project's past would have been covered."]
    calls = "1 earlier call" if covered.total == 1 else f"{covered.total} earlier calls"
    counted = ", ".join(f"{count} {word}" for word, count in covered.decided)
    found = [f"It would have covered {calls} of this project ({counted}):"]
    for call in covered.recent:
        found.append(f"· {when(call.at)}  {one_line(call.title, 120)}  ({call.how})")
    if covered.total > len(covered.recent):
        found.append(f"  and {covered.total - len(covered.recent)} before these")
    return found


def rule_text(rule: ApprovalRule) -> str:
    """The rule in the words of `longwatch.toml`; conditions that are not set are left out."""
    found = rule.match.model_dump(mode="json", exclude_none=True)
    found["action"] = str(rule.action)
    if rule.allow_critical:
        found["allow_critical"] = True
    values = (f"{name} = {json.dumps(value, ensure_ascii=False)}" for name, value in found.items())
    return "\n".join(("[[approval.rule]]", *values))
