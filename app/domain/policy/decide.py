"""The decision: floor, rules in order, default."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from app.domain.approval import Action, ApprovalRule
from app.domain.base import Model, SessionId
from app.domain.policy.floor import FLOOR, NO_MORE, Floor, forbidden
from app.domain.policy.match import (
    Asking,
    is_shell,
    matches_call,
    matches_command,
    matches_computed,
    matches_text,
    names_inner,
)
from app.domain.request import Risk
from app.domain.risk import Assessment
from app.domain.toolcall import ToolCall

if TYPE_CHECKING:
    from app.domain.shell import SimpleCommand

DEFAULT_ASK = "default: ask"
DEFAULT_LOW = "default: low risk"


class PolicyAnswer(Model):
    """What policy says: the action, the rule that decided, and the reason in words."""

    action: Action
    rule: str
    reason: str = ""


def decide(
    call: ToolCall,
    assessment: Assessment,
    rules: Sequence[ApprovalRule],
    *,
    agent: str,
    session: SessionId,
    workspace: str,
    floor: Floor = NO_MORE,
) -> PolicyAnswer:
    """Which rule decides about a call; the first that matches wins.

    A shell text is decided command by command: one denied command denies it, and it is allowed
    only if each command is allowed. Whatever the rules say, what stands on the floor is denied,
    and critical risk is allowed only by a rule with `allow_critical`.
    Without a rule, low risk is allowed and everything else is put to a person.
    """
    asking = Asking.about(call, assessment, agent, session, workspace)
    if why := forbidden(call, asking, floor):
        reason = f"never allowed, by any rule or person: {why}"
        return PolicyAnswer(action=Action.DENY, rule=FLOOR, reason=reason)
    deciding = _shell(rules, asking) if is_shell(call) else [_first_for_call(rules, asking)]
    return _combine(deciding, assessment)


def deciding_rules(
    rules: Sequence[ApprovalRule], asking: Asking
) -> "list[tuple[SimpleCommand, ApprovalRule | None]]":
    """For each simple command of a shell text the rule that decides about it, if any."""
    if asking.parsed is None:
        return []
    commands = asking.parsed.commands
    own = [_first(rules, index, asking) for index in range(len(commands))]
    found: list[tuple[SimpleCommand, ApprovalRule | None]] = []
    for command, rule in zip(commands, own, strict=True):
        covering, outer = rule, command
        while covering is None and outer.inside is not None:
            outer_rule = own[outer.inside]
            outer = commands[outer.inside]
            if outer_rule is None or outer_rule.action is not Action.ALLOW:
                continue
            if names_inner(outer_rule, outer, command):
                covering = outer_rule
        found.append((command, covering))
    return found


def _shell(rules: Sequence[ApprovalRule], asking: Asking) -> list[ApprovalRule | None]:
    """The deciding rules of all commands that count; None where no rule speaks."""
    found = list[ApprovalRule | None]()
    for command, rule in deciding_rules(rules, asking):
        if not command.transparent or (rule is not None and rule.action is not Action.ALLOW):
            found.append(rule)
    if not found or asking.parsed is None or asking.parsed.unparsable:
        found.append(next((rule for rule in rules if matches_text(rule, asking)), None))
    if asking.parsed is not None and asking.parsed.computes:
        found.append(next((rule for rule in rules if matches_computed(rule, asking)), None))
    return found


def _first(rules: Sequence[ApprovalRule], index: int, asking: Asking) -> ApprovalRule | None:
    return next((rule for rule in rules if matches_command(rule, index, asking)), None)


def _first_for_call(rules: Sequence[ApprovalRule], asking: Asking) -> ApprovalRule | None:
    return next((rule for rule in rules if matches_call(rule, asking)), None)


def _combine(deciding: list[ApprovalRule | None], assessment: Assessment) -> PolicyAnswer:
    """Deny beats ask, ask beats the default, and all must allow for the whole to be allowed."""
    for action in (Action.DENY, Action.ASK):
        for rule in deciding:
            if rule is not None and rule.action is action:
                reason = rule.reason or f"the rule `{rule.name}` says {action}"
                return PolicyAnswer(action=action, rule=rule.name, reason=reason)
    allowing = [rule for rule in deciding if rule is not None]
    if len(allowing) == len(deciding):
        name = ", ".join(dict.fromkeys(rule.name for rule in allowing))
        reason = allowing[0].reason or f"the rule `{name}` allows it"
        return PolicyAnswer(action=Action.ALLOW, rule=name, reason=reason)
    if assessment.risk is Risk.LOW:
        return PolicyAnswer(
            action=Action.ALLOW, rule=DEFAULT_LOW, reason="no rule speaks of it, and it only looks"
        )
    return PolicyAnswer(
        action=Action.ASK, rule=DEFAULT_ASK, reason=_why(allowing, deciding, assessment)
    )


def _why(
    allowing: list[ApprovalRule], deciding: list[ApprovalRule | None], assessment: Assessment
) -> str:
    if allowing:
        return f"rules allow {len(allowing)} of its {len(deciding)} commands, not the rest"
    return f"no rule speaks of it, and its risk is {assessment.risk}"
