"""What judging a tool call gives: a level, and the reasons in words."""

from collections.abc import Iterable

from msgspec import Struct

from app.domain.base import Model
from app.domain.request import Risk
from app.domain.text import one_line

MAX_REASONS = 6


class Assessment(Model):
    """How risky a tool call is, and why: short sentences for the operator, worst first."""

    risk: Risk
    reasons: tuple[str, ...] = ()


class Finding(Struct, frozen=True):
    """One thing that a command does. `floor`: no rule may ever allow it."""

    risk: Risk
    reason: str
    floor: bool = False


def low(reason: str) -> Finding:
    """For what only looks, or has no effect: where no rule speaks of it, it is allowed."""
    return Finding(Risk.LOW, reason)


def medium(reason: str) -> Finding:
    """For what stays inside the project: its files are changed, its own code runs."""
    return Finding(Risk.MEDIUM, reason)


def high(reason: str) -> Finding:
    """For what reaches beyond the project, or does what is only known when it runs."""
    return Finding(Risk.HIGH, reason)


def critical(reason: str, *, floor: bool = False) -> Finding:
    """For what may be beyond repair: no rule allows it without `allow_critical`. With `floor`
    nobody can allow it, no person either."""
    return Finding(Risk.CRITICAL, reason, floor)


def shown(text: str) -> str:
    """A piece of a command as part of a reason: printable, short."""
    return one_line(text, 60)


def summarise(findings: Iterable[Finding]) -> Assessment:
    """The worst finding counts; reasons are those of the worst level, then the lesser ones."""
    ordered = sorted(findings, key=lambda finding: -finding.risk.rank)
    if not ordered:
        return Assessment(risk=Risk.LOW, reasons=("does nothing",))
    worst = ordered[0].risk
    told = [f.reason for f in ordered if f.risk is not Risk.LOW or worst is Risk.LOW]
    return Assessment(risk=worst, reasons=tuple(dict.fromkeys(told))[:MAX_REASONS])


def names(text: str) -> frozenset[str]:
    """A set of program or option names, written as one text."""
    return frozenset(text.split())
