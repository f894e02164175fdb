"""The order in which rules are tried."""

from __future__ import annotations

from collections.abc import Sequence

from app.domain.approval import Action, ApprovalRule


def in_order(
    configured: Sequence[ApprovalRule], stored: Sequence[ApprovalRule]
) -> list[ApprovalRule]:
    """The configuration's denials, what operators answered for good, then the rest.

    So an answer outweighs a configured "ask", but never a configured denial.
    """
    denials = [rule for rule in configured if rule.action is Action.DENY]
    return [*denials, *stored, *(r for r in configured if r.action is not Action.DENY)]
