"""The rule that an operator writes by answering "for this session" or "always"."""

from __future__ import annotations

import posixpath

from app.domain.approval import Action, Approval, ApprovalRule, RuleMatch, Scope
from app.domain.policy.globs import literal
from app.domain.request import Risk
from app.domain.toolcall import ToolCall, ToolKind


def rule_for(approval: Approval, scope: Scope, name: str) -> ApprovalRule:
    """The narrowest rule that would have answered this approval.

    Shell: the exact text. Edits: the tool and exactly these files. Else: the tool. It never
    reaches beyond the risk that was seen (the same text can do more in another folder), and
    critical risk only within the session. Raises ValueError for the scope "once", which writes
    no rule.
    """
    if scope is Scope.ONCE:
        raise ValueError("an answer for once writes no rule")
    decision = approval.decision
    action = decision.action if decision is not None else Action.ALLOW
    call, session = approval.call, approval.session_id if scope is Scope.SESSION else None
    ceiling = approval.risk if action is Action.ALLOW else None
    if call.kind is ToolKind.SHELL:
        match = RuleMatch(command_exact=call.command or "", session=session, max_risk=ceiling)
    elif call.kind is ToolKind.EDIT and call.changes:
        tool = literal(call.tool)
        match = RuleMatch(tool=tool, path=_files(call), session=session, max_risk=ceiling)
    else:
        match = RuleMatch(tool=literal(call.tool), session=session, max_risk=ceiling)
    return ApprovalRule(
        name=name,
        match=match,
        action=action,
        reason=decision.reason if decision is not None else "",
        allow_critical=approval.risk is Risk.CRITICAL and scope is Scope.SESSION,
    )


def _files(call: ToolCall) -> str:
    """A glob for exactly these files, relative to the folder of the call where they lie in it."""
    paths = list[str]()
    for change in call.changes:
        path = posixpath.normpath(change.path)
        if call.cwd and path.startswith(call.cwd.rstrip("/") + "/"):
            path = path[len(call.cwd.rstrip("/")) + 1 :]
        paths.append(literal(path))
    unique = list(dict.fromkeys(paths))
    return unique[0] if len(unique) == 1 else "{" + ",".join(unique) + "}"
