"""How risky a tool call is: judged from tool and arguments, the worst part counts.

The grammar of shells and the tables of programs are loaded with the first call that is judged: a
start after a crash needs neither.
"""

from __future__ import annotations

from app.domain.risk.kept import NOTHING_OWN, Own
from app.domain.risk.model import Assessment, Finding, summarise
from app.domain.toolcall import ToolCall

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


def assess(call: ToolCall, workspace: str, own: Own = NOTHING_OWN) -> Assessment:
    """How risky a call is that is made in `workspace` (absolute). Pure: no file is looked at."""
    return summarise(findings_of(call, workspace, own))


def findings_of(call: ToolCall, workspace: str, own: Own = NOTHING_OWN) -> list[Finding]:
    """Everything that speaks about a call's risk."""
    from app.domain.risk import calls

    return calls.findings_of(call, workspace, own)


def touched(call: ToolCall, workspace: str) -> tuple[tuple[str, ...], bool]:
    """The paths that a call which is no shell text touches, relative to the workspace where they
    lie in it, and whether these are all."""
    from app.domain.risk import calls

    return calls.touched(call, workspace)
