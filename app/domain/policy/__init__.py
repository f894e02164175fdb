"""Which approval rule decides about a tool call, and what an operator's answer writes down."""

from app.domain.policy.decide import PolicyAnswer, decide
from app.domain.policy.explain import ExplainedCommand, Explanation, explain, explain_call
from app.domain.policy.floor import NO_MORE, Floor, forbidden
from app.domain.policy.match import Asking
from app.domain.policy.order import in_order
from app.domain.policy.remember import rule_for

__all__ = [
    "NO_MORE",
    "Asking",
    "ExplainedCommand",
    "Explanation",
    "Floor",
    "PolicyAnswer",
    "decide",
    "explain",
    "explain_call",
    "forbidden",
    "in_order",
    "rule_for",
]
