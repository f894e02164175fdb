"""Which approval rule decides about a tool call, and what an operator's answer writes down.

Why it does, `app.domain.policy.explain` tells.
"""

from app.domain.policy.decide import PolicyAnswer, decide
from app.domain.policy.floor import NO_MORE, Floor, forbidden
from app.domain.policy.match import Asking
from app.domain.policy.order import in_order
from app.domain.policy.remember import rule_for

__all__ = [
    "NO_MORE",
    "Asking",
    "Floor",
    "PolicyAnswer",
    "decide",
    "forbidden",
    "in_order",
    "rule_for",
]
