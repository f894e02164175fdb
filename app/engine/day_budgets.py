"""Budgets per day: what was used today, whose runs stand still for it, and who lets them go on."""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from datetime import date

from app.domain import directives as do
from app.domain import events as ev
from app.domain.approval import Actor
from app.domain.base import RunId
from app.domain.day_budget import (
    Account,
    DayBudget,
    DayLedger,
    Limit,
    day_of,
    growth,
    limits,
    midnight,
    next_midnight,
)
from app.domain.errors import ConfigError, Refused, StoreError
from app.domain.overtaken import Overtaken
from app.domain.run import Blocked, RunState
from app.domain.task_state import TaskState
from app.domain.workflow import Recipe
from app.engine.carry import ENGINE
from app.engine.core import Core
from app.store.day import day_so_far
from app.store.journal import Draft

_log = logging.getLogger(__name__)
TOKENS_VARIABLE = "LONGWATCH_MAX_TOKENS_PER_DAY"
COST_VARIABLE = "LONGWATCH_MAX_COST_USD_PER_DAY"
_TELL_SECONDS = 5.0  # between two tellings of how they stand


def limits_of_the_store() -> tuple[Limit, ...]:
    """What the environment says for all projects together. Raises ConfigError."""
    tokens = _number(TOKENS_VARIABLE)
    if tokens is not None and tokens != int(tokens):
        raise ConfigError(f"{TOKENS_VARIABLE} must be a whole number of tokens")
    return tuple(limits(Account(), None if tokens is None else int(tokens), _number(COST_VARIABLE)))


def _number(variable: str) -> float | None:
    named = os.environ.get(variable, "").strip().replace("_", "")
    if not named:
        return None
    with suppress(ValueError):
        if 0 < float(named) < float("inf"):
            return float(named)
    raise ConfigError(f"{variable} = {named!r}: a budget is a number above 0")


def limits_of(recipe: Recipe, project: str) -> list[Limit]:
    """What a run's recipe says: of its project, and of each of its agents."""
    budget = recipe.budget
    account = Account(project)
    found = [*limits(account, budget.max_tokens_per_day, budget.max_cost_usd_per_day)]
    for agent in recipe.agents:
        own = account._replace(agent=agent.name)
        found += limits(own, agent.max_tokens_per_day, agent.max_cost_usd_per_day)
    return found


class DayBudgets:
    """Counts from the journal's events; after a restart from the same journal the same."""

    def __init__(self, core: Core, of_the_store: Sequence[Limit]) -> None:
        self._core = core
        self._of_the_store = tuple(of_the_store)
        self._ledger = DayLedger(day_of(core.clock.now()))
        self._counting = False  # nothing is counted until somebody has a budget
        self._loading: asyncio.Task[None] | None = None
        self._told = 0.0
        self._waking: asyncio.Task[None] | None = None  # sleeps until midnight
        self.wake: Callable[[RunId], None] = lambda run_id: None
        self.changed: Callable[[], None] = lambda: None  # how they stand is to be told
        core.on_usage, core.limit = self._used, self.stop

    # ---- counting

    async def ready(self, run_id: RunId | None = None) -> None:
        """Read what today has used so far, if it matters to this run, or to any. Raises
        StoreError."""
        states = self._states() if run_id is None else [self._core.state(run_id)]
        if self._loading is None and any(map(self._limits, states)):
            self._load(day_of(self._core.clock.now()))
        if self._loading is not None:
            try:
                await asyncio.shield(self._loading)
            except StoreError:
                self._loading = None  # the next who asks reads again
                raise

    def _load(self, day: date) -> None:
        """Begin with what the journal has of a day; what comes after that is counted meanwhile."""
        self._ledger = DayLedger(day)
        self._counting = True
        reading = self._read(self._ledger, self._core.journal.seq)
        self._loading = asyncio.create_task(reading, name="today's budgets")

    async def _read(self, ledger: DayLedger, until: int) -> None:
        await self._core.settle()
        spent, grants = await day_so_far(self._core.paths, midnight(ledger.day), until)
        if ledger is not self._ledger:
            return  # it is another day meanwhile
        for one in spent:
            ledger.spend(one.project, one.agent, one.usage)
        for grant in grants:
            self._granted(grant)

    def _used(self, state: RunState, told: ev.UsageUpdated) -> None:
        """A session tells more; called before it is applied."""
        if not self._counting:
            return
        self._turn_the_page()
        session = state.sessions[told.session_id]
        self._ledger.spend(state.run.project, session.agent, growth(session.usage, told.usage))
        if any(budget.spent for budget in self._standing(state)):
            for other in self._states():
                if other.run.state is TaskState.IN_PROGRESS:
                    self._core.changed(other.run.run_id).set()
        self._tell()

    def _granted(self, grant: ev.BudgetGranted) -> None:
        if grant.day == self._ledger.day:
            account = Account(grant.project, grant.agent)
            self._ledger.granted[account, grant.unit] = grant.total

    def _turn_the_page(self) -> None:
        today = day_of(self._core.clock.now())
        if self._counting and today < self._ledger.day:
            self._load(today)  # the clock was set back: some of this day may be used already
        elif today != self._ledger.day:
            self._ledger = DayLedger(today)

    def _tell(self) -> None:
        now = self._core.clock.monotonic()
        if now - self._told >= _TELL_SECONDS:
            self._told = now
            self.changed()

    # ---- how they stand

    def _states(self) -> list[RunState]:
        return list(self._core.journal.projection.states.values())

    def _limits(self, state: RunState) -> list[Limit]:
        recipe = self._core.journal.projection.recipes.get(state.run.recipe)
        own = limits_of(recipe, state.run.project) if recipe is not None else []
        return [*self._of_the_store, *own]

    def _standing(self, state: RunState) -> list[DayBudget]:
        return self._ledger.standing(self._limits(state))

    def standing(self) -> tuple[DayBudget, ...]:
        """Every budget of a run that is known, as it stands today."""
        self._turn_the_page()
        recipes = {(s.run.project, s.run.recipe): s for s in self._states()}
        found = dict.fromkeys(self._of_the_store)
        for state in recipes.values():
            found.update(dict.fromkeys(self._limits(state)))
        return tuple(self._ledger.standing(found)) if self._counting or not found else ()

    # ---- standing still

    def stop(self, state: RunState, found: tuple[do.Directive, ...]) -> tuple[do.Directive, ...]:
        """`found`, unless an agent would be paid beyond a budget of today."""
        if not self._counting:
            return found
        agents = {turn.agent for turn in found if isinstance(turn, do.RunTurn)}
        if not agents:
            return found
        self._turn_the_page()
        for budget in self._standing(state):
            if budget.spent and (not budget.agent or budget.agent in agents):
                self._tell_at_midnight()
                return (do.Stop(TaskState.BLOCKED, self._blocked(budget, state)),)
        return found

    def _blocked(self, budget: DayBudget, state: RunState) -> Blocked:
        until = next_midnight(self._core.clock.now())
        return Blocked(
            kind="day_budget",
            message=budget.why,
            step=state.run.current_step,
            until=until,
            budget="|".join((budget.unit, *budget.account)),
        )

    def _grants(self, state: RunState, by: Actor) -> list[ev.BudgetGranted]:
        """What is granted by taking a run up again that stands still for today's budgets."""
        self._turn_the_page()
        return [
            ev.BudgetGranted(
                day=budget.day,
                project=budget.project,
                agent=budget.agent,
                unit=budget.unit,
                total=budget.used + budget.limit,
                by=by,
            )
            for budget in self._standing(state)
            if budget.spent
        ]

    async def lift(self, state: RunState, by: Actor) -> int:
        """Grant as much again of what `state` stands still for, and let all go on that it held.

        Returns how many runs go on. Raises Refused when it does not stand still for it.
        """
        if not held_for_today(state):
            raise Refused(f"run {state.run.run_id} does not stand still for a budget of the day")
        await self.ready()
        grants = self._grants(state, by)
        for grant in grants:
            self._granted(grant)
        free = [s for s in self._held() if not any(b.spent for b in self._standing(s))]
        if not any(s.run.run_id == state.run.run_id for s in free):
            free.append(state)  # it will say which other budget it waits for
        again = "today's budget was granted anew" if grants else "a new day's budget"
        goes_on = ev.RunStateChanged(state=TaskState.IN_PROGRESS, reason=again, by=by)
        drafts = [Draft(grant) for grant in grants]
        drafts += [Draft(goes_on, run=one) for one in free]
        await self._core.journal.append(drafts)
        self._wake(free)
        self.changed()
        return len(free)

    def _held(self) -> list[RunState]:
        return [state for state in self._states() if held_for_today(state)]

    def _wake(self, states: Iterable[RunState]) -> None:
        for state in states:
            self.wake(state.run.run_id)

    # ---- the next day

    async def start(self) -> None:
        """After a restart: what waited for a day that has come goes on."""
        await self.ready()
        if self._held():
            await self._go_on()
            self._tell_at_midnight()

    def _tell_at_midnight(self) -> None:
        if self._waking is None or self._waking.done():
            self._waking = asyncio.create_task(self._sleep(), name="until midnight")

    async def _sleep(self) -> None:
        while True:
            now = self._core.clock.now()
            left = (next_midnight(now) - now).total_seconds()
            await self._core.clock.sleep(min(left + 0.1, 3600.0))  # a clock may be set meanwhile
            await self._go_on()
            if not self._held():
                return

    async def _go_on(self) -> None:
        """Take up what waited for a day that is over."""
        now = self._core.clock.now()
        for state in self._held():
            until = state.run.blocked.until if state.run.blocked else None
            # A later midnight is that of a day on which the clock was wrong.
            if until is None or now < until <= next_midnight(now):
                continue
            goes_on = ev.RunStateChanged(
                state=TaskState.IN_PROGRESS, reason="a new day's budget", by=ENGINE
            )
            with suppress(Overtaken):
                await self._core.commit(state.run.run_id, goes_on)
                self._wake([state])
        self.changed()

    async def close(self) -> None:
        """Nothing sleeps any more."""
        if self._waking is not None:
            self._waking.cancel()
            await asyncio.wait([self._waking])


def held_for_today(state: RunState) -> bool:
    """Whether a run stands still for a budget of the day."""
    blocked = state.run.blocked
    return (
        state.run.state is TaskState.BLOCKED
        and blocked is not None
        and blocked.kind == "day_budget"
    )
