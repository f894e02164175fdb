"""What sessions have used, added up and in words."""

from collections.abc import Iterable
from datetime import date

from app.domain.base import Model
from app.domain.session import Usage

MAX_DAYS = 3660
_TELLING_PERCENT = 50  # below it nobody needs to know how full a context is


class UsageOfDay(Model):
    """What the sessions of one agent used in one day, by the supervisor's calendar."""

    day: date
    agent: str
    runs: int
    usage: Usage  # its cost is that of the sessions that told one


def count(tokens: int) -> str:
    """A count in at most five characters: `950`, `9.7k`, `1.2M`."""
    if tokens < 1_000:
        return str(tokens)
    if tokens < 999_500:
        return f"{tokens / 1_000:.1f}k" if tokens < 99_950 else f"{tokens / 1_000:.0f}k"
    return f"{tokens / 1_000_000:.1f}M"


def money(dollars: float) -> str:
    """A cost in US dollars; a small one is not told as nothing."""
    return "<$0.01" if 0 < dollars < 0.01 else f"${dollars:,.2f}"


def total(usages: Iterable[Usage]) -> Usage:
    """Tokens and known costs of several sessions together; a context is nobody's but theirs."""
    found = list(usages)
    costs = [usage.cost_usd for usage in found if usage.cost_usd is not None]
    return Usage(
        input_tokens=sum(usage.input_tokens for usage in found),
        output_tokens=sum(usage.output_tokens for usage in found),
        cached_tokens=sum(usage.cached_tokens for usage in found),
        total_tokens=sum(usage.total_tokens for usage in found),
        cost_usd=sum(costs) if costs else None,
    )


def words(usage: Usage) -> list[str]:
    """Tokens, how full the context is once that tells something, and the cost where it is known."""
    found = [f"{count(usage.total_tokens)} tokens"] if usage.total_tokens else []
    if usage.context_window and usage.context_tokens:
        percent = 100 * usage.context_tokens // usage.context_window
        if percent >= _TELLING_PERCENT:
            found.append(f"{percent} % full")
    if usage.cost_usd:
        found.append(money(usage.cost_usd))
    return found
