"""The rule that "always" would write, word for word, and what it would have covered. No Textual."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping

from app.domain.approval import Action, Approval, ApprovalRule, Scope
from app.domain.base import RunId
from app.domain.policy import decide, rule_for
from app.domain.risk import Assessment
from app.domain.run import RunState
from app.domain.text import one_line
from app.ui.page import BLANK, Row, lines, row

_NAME = "(named when it is written)"
_SHOWN = 4  # past calls that are named; the rest is counted


def rule_rows(approval: Approval, scope: Scope, runs: Mapping[RunId, RunState]) -> Iterator[Row]:
    """The rule as it would stand in a file, and past calls of the project that it matches."""
    rule = rule_for(approval, scope, _NAME)
    yield from lines(rule_text(rule), tone="code", first="  ", rest="  ")
    yield BLANK
    past = list(covered(rule, approval, runs))
    if not past:
        yield row("Of the calls that are known it covers this one only.")
        return
    calls = "1 earlier call" if len(past) == 1 else f"{len(past)} earlier calls"
    yield row(f"It would have covered {calls} of this project:")
    for other in past[-_SHOWN:]:
        yield row(f"· {one_line(other.call.title, 200)} ({other.state})", hang="  ")


def rule_text(rule: ApprovalRule) -> str:
    """The rule in the words of `longwatch.toml`; conditions that are not set are left out."""
    found = rule.match.model_dump(mode="json", exclude_none=True)
    found["action"] = str(rule.action)
    if rule.allow_critical:
        found["allow_critical"] = True
    values = (f"{name} = {json.dumps(value, ensure_ascii=False)}" for name, value in found.items())
    return "\n".join(("[[approval.rule]]", *values))


def covered(
    rule: ApprovalRule, approval: Approval, runs: Mapping[RunId, RunState]
) -> Iterator[Approval]:
    """Other calls of the same project that the rule would have allowed."""
    project = runs[approval.run_id].run.project if approval.run_id in runs else None
    for state in runs.values():
        if state.run.project != project:
            continue
        for other in state.approvals.values():
            session = state.sessions.get(other.session_id)
            if other.approval_id == approval.approval_id or session is None:
                continue
            answer = decide(
                other.call,
                Assessment(risk=other.risk, reasons=other.risk_reasons),
                [rule],
                agent=other.agent,
                session=other.session_id,
                workspace=session.workspace,
            )
            # Low risk is allowed without any rule: only what this rule decides counts.
            if answer.action is Action.ALLOW and answer.rule == rule.name:
                yield other
