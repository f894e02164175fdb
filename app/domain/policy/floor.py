"""The deny floor: calls that no rule, no scope and no person can allow."""

from __future__ import annotations

from msgspec import Struct

from app.domain.approval import Action, ApprovalRule, RuleMatch
from app.domain.policy.match import Asking, is_shell, matches_call, matches_command, matches_text
from app.domain.risk import NOTHING_OWN, Own, findings_of
from app.domain.toolcall import ToolCall

FLOOR = "floor"


class Floor(Struct, frozen=True):
    """What stands on the floor besides what destroys the machine: the configuration's `never`,
    and what the supervisor keeps for itself."""

    never: tuple[RuleMatch, ...] = ()
    own: Own = NOTHING_OWN


NO_MORE = Floor()


def forbidden(call: ToolCall, asking: Asking, floor: Floor) -> str:
    """Why nobody can allow a call; empty if somebody can."""
    found = next((f for f in findings_of(call, asking.workspace, floor.own) if f.floor), None)
    if found is not None:
        return found.reason
    for match in floor.never:
        rule = ApprovalRule(name=FLOOR, match=match, action=Action.DENY)
        if _concerns(rule, asking):
            return f"`never` of the configuration names it ({said(match)})"
    return ""


def _concerns(rule: ApprovalRule, asking: Asking) -> bool:
    if not is_shell(asking.call):
        return matches_call(rule, asking)
    commands = asking.parsed.commands if asking.parsed is not None else ()
    if any(matches_command(rule, index, asking) for index in range(len(commands))):
        return True
    return matches_text(rule, asking)


def said(match: RuleMatch) -> str:
    """The conditions, as they stand in the file."""
    given = match.model_dump(mode="json", exclude_none=True)
    return ", ".join(f"{name} {value}" for name, value in given.items())
