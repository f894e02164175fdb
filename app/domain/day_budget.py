"""Budgets per day: what agents may use between two midnights, and how much of it is left.

A day is the supervisor's calendar day. There is one account for the store, one for each project,
and one for each agent of a project; who lifts a budget grants as much again for the rest of the
day.
"""

from collections import Counter
from collections.abc import Iterable, Iterator
from datetime import date, datetime, time, timedelta
from typing import Literal, NamedTuple

from msgspec import Struct, field
from pydantic import Field

from app.domain.base import Model
from app.domain.session import Usage
from app.domain.usage import count, money


class Budget(Model):
    """`[budget]` of a project: for all its agents together."""

    max_tokens_per_day: int | None = Field(default=None, ge=1)
    max_cost_usd_per_day: float | None = Field(default=None, gt=0, allow_inf_nan=False)


class Account(NamedTuple):
    """Whose use is counted. Without a project: the whole store's."""

    project: str = ""
    agent: str = ""

    def __str__(self) -> str:
        if not self.project:
            return "of this store"
        return f"of agent {self.agent}" if self.agent else "of this project"


class Limit(NamedTuple):
    """How much an account may use in a day."""

    account: Account
    unit: Literal["tokens", "usd"]
    amount: float


def limits(account: Account, tokens: int | None, usd: float | None) -> Iterator[Limit]:
    """The limits that a pair of settings makes."""
    if tokens is not None:
        yield Limit(account, "tokens", tokens)
    if usd is not None:
        yield Limit(account, "usd", usd)


class DayBudget(Model):
    """One budget as it stands today."""

    day: date
    project: str = ""  # empty: the whole store's
    agent: str = ""
    unit: Literal["tokens", "usd"]
    limit: float  # of a day
    total: float  # with what persons have granted today
    used: float = 0

    @property
    def account(self) -> Account:
        return Account(self.project, self.agent)

    @property
    def granted(self) -> bool:
        return self.total > self.limit

    @property
    def left(self) -> float:
        return max(0.0, self.total - self.used)

    @property
    def spent(self) -> bool:
        return self.used >= self.total

    def amount(self, value: float) -> str:
        """In the budget's own unit."""
        return money(value) if self.unit == "usd" else f"{count(int(value))} tokens"

    def words(self) -> str:
        """How much is left, for a person."""
        return f"{self.amount(self.left)} left of {self.amount(self.total)} today"

    @property
    def why(self) -> str:
        """Why runs stand still once it is spent, and what helps."""
        key = "max_tokens_per_day" if self.unit == "tokens" else "max_cost_usd_per_day"
        limit = f"{int(self.limit):,}" if self.unit == "tokens" else f"{self.limit:g}"
        more = f", {self.amount(self.total)} with what was granted" if self.granted else ""
        return (
            f"agents have used {self.amount(self.used)} today ({key} {self.account}: {limit}"
            f"{more}); who retries grants as much again, at midnight it goes on by itself"
        )


class DayLedger(Struct):
    """What was used and granted in one day, by project and agent."""

    day: date
    tokens: Counter[Account] = field(default_factory=Counter)
    usd: dict[Account, float] = {}
    granted: dict[tuple[Account, str], float] = {}  # what it comes to

    def spend(self, project: str, agent: str, used: Usage) -> None:
        """Enter what a session's use has grown by."""
        for account in (Account(), Account(project), Account(project, agent)):
            self.tokens[account] += used.total_tokens
            self.usd[account] = self.usd.get(account, 0.0) + (used.cost_usd or 0.0)

    def standing(self, found: Iterable[Limit]) -> list[DayBudget]:
        """How each of these limits stands."""
        return [self._standing(limit) for limit in found]

    def _standing(self, limit: Limit) -> DayBudget:
        account, unit, amount = limit
        used = self.tokens[account] if unit == "tokens" else self.usd.get(account, 0.0)
        total = max(amount, self.granted.get((account, unit), 0.0))
        return DayBudget(
            day=self.day,
            project=account.project,
            agent=account.agent,
            unit=unit,
            limit=amount,
            total=total,
            used=used,
        )


def growth(before: Usage, after: Usage) -> Usage:
    """What a session's use has grown by. An agent that was started anew may begin again from
    nothing: then what it tells first is all new."""
    tokens, told = before.total_tokens, after.total_tokens
    cost, cost_told = before.cost_usd or 0.0, after.cost_usd or 0.0
    return Usage(
        total_tokens=told - (tokens if told >= tokens else 0),
        cost_usd=cost_told - (cost if cost_told >= cost else 0.0),
    )


def day_of(at: datetime) -> date:
    """The calendar day of a moment, where the supervisor is."""
    return at.astimezone().date()


def midnight(day: date) -> datetime:
    """The moment at which a day begins."""
    return datetime.combine(day, time()).astimezone()


def next_midnight(at: datetime) -> datetime:
    """The end of the day that a moment is in."""
    return midnight(day_of(at) + timedelta(days=1))


def of_project(budgets: Iterable[DayBudget], project: str) -> list[DayBudget]:
    """Those that a run of this project counts to."""
    return [budget for budget in budgets if budget.project in ("", project)]


def tightest(budgets: Iterable[DayBudget]) -> str:
    """How much is left of what is used up most, in a few words; "" without any budget."""
    shares = [budget.left / budget.total for budget in budgets]
    return f"{100 * min(shares):.0f} % of today's budget left" if shares else ""
