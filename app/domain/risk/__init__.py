"""How risky a tool call is: judged from tool and arguments, the worst part counts."""

from app.domain.risk.calls import assess, findings_of, touched
from app.domain.risk.model import Assessment, Finding, summarise

__all__ = ["Assessment", "Finding", "assess", "findings_of", "summarise", "touched"]
