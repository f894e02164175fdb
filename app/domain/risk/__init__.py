"""How risky a tool call is: judged from tool and arguments, the worst part counts."""

from app.domain.risk.calls import assess, findings_of, touched
from app.domain.risk.model import Assessment, Finding, summarise
from app.domain.risk.places import NOTHING_OWN, Own

__all__ = [
    "NOTHING_OWN",
    "Assessment",
    "Finding",
    "Own",
    "assess",
    "findings_of",
    "summarise",
    "touched",
]
