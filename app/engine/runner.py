"""The runner: carries a run from one committed state to the next until it ends or must wait."""

from __future__ import annotations

import asyncio

from msgspec import Struct

from app.domain import directives as do
from app.domain.base import RunId
from app.domain.errors import LongwatchError, StoreError
from app.domain.overtaken import Overtaken
from app.domain.run import AttemptState, Blocked, RunState, Unit
from app.domain.task_state import TaskState
from app.engine.carry import Carrier

_KEPT = (AttemptState.OPEN, AttemptState.PRODUCED, AttemptState.PASSED, AttemptState.FAILED)


class _Work(Struct, frozen=True):
    """A directive being carried out."""

    directive: do.OfUnit
    task: asyncio.Task[None]


class Runner:
    """One run's loop. The only thing that moves a run on, so no run is executed twice.

    Directives of different units are carried out side by side, those of one unit one after the
    other. A task that has carried one out goes on with what follows from it, as long as that is
    all there is to do: a run whose steps follow one another needs no new task for each, and this
    loop sleeps meanwhile.
    """

    def __init__(self, carrier: Carrier, run_id: RunId) -> None:
        self._carrier = carrier
        self._core = carrier.core
        self._run_id = run_id
        self._changed = self._core.changed(run_id)
        self._work: dict[Unit, _Work] = {}
        self._seen = 0  # the event up to which a task has looked for what is next

    async def run(self) -> None:
        """Until the run is over or cannot go on by itself."""
        changed = self._changed
        try:
            while True:
                changed.clear()
                self._reap()
                state = self._core.state(self._run_id)
                if state.run.state not in (TaskState.PENDING, TaskState.IN_PROGRESS):
                    return
                if not await self._begin(state):
                    await changed.wait()  # until the state has moved or a directive is done
        finally:
            await self._cancel(list(self._work))

    async def _begin(self, state: RunState) -> bool:
        """Start what can be started now; whether the state is to be looked at again at once."""
        directives = self._decide(state)
        await self._drop_obsolete(state, directives)
        again = False
        for directive in directives:
            if isinstance(directive, do.OfRun):
                if isinstance(directive, do.Complete) and self._work:
                    return False  # what is under way is brought to its end first
                await self._cancel(list(self._work))
                await self._of_run(directive)
                return True
            if isinstance(directive, do.IDLE) or directive.unit in self._work:
                continue
            if self._carrier.at_once(directive):
                again = True
            else:
                self._start(directive)
        if again:
            await asyncio.sleep(0)  # other runs are to have their turns too
        return again

    def _start(self, directive: do.OfUnit) -> None:
        name = f"{self._run_id} {directive.unit}"
        task = asyncio.create_task(self._carry_on(directive), name=name)
        task.add_done_callback(self._done)
        self._work[directive.unit] = _Work(directive, task)

    def _done(self, task: asyncio.Task[None]) -> None:
        self._changed.set()

    async def _carry_on(self, directive: do.OfUnit) -> None:
        """Carry a directive out, then what follows from it, until the loop has to look."""
        following: do.OfUnit | None = directive
        while following is not None:
            await self._carrier.carry_out(following)
            following = self._next(following)

    def _next(self, done: do.OfUnit) -> do.OfUnit | None:
        """What the task that has carried out `done`, the only one of the run, is to do next; None
        when it is not for this task to say."""
        work = self._work.get(done.unit)
        if work is None or work.directive is not done or len(self._work) > 1:
            return None
        following = self._only_one()
        while following is not None and self._carrier.at_once(following):
            following = self._only_one()
        if following is not None:
            del self._work[done.unit]
            self._work[following.unit] = _Work(following, work.task)
            self._changed.clear()  # what has moved the run until now has been seen here
        return following

    def _only_one(self) -> do.OfUnit | None:
        """What there is to do, if it is one directive of a unit that was not tried in vain."""
        state = self._core.state(self._run_id)
        if state.run.state is not TaskState.IN_PROGRESS or state.seq == self._seen:
            return None
        self._seen = state.seq
        found = [d for d in self._decide(state) if not isinstance(d, do.IDLE)]
        return found[0] if len(found) == 1 and not isinstance(found[0], do.OfRun) else None

    def _decide(self, state: RunState) -> tuple[do.Directive, ...]:
        try:
            return self._core.next_steps(self._run_id)
        except LongwatchError as error:
            blocked = Blocked(kind="input", message=str(error), step=state.run.current_step)
            return (do.Stop(TaskState.BLOCKED, blocked),)

    async def _of_run(self, directive: do.OfRun) -> None:
        try:
            await self._carrier.of_run(directive)
        except StoreError:
            raise
        except Overtaken:
            return  # somebody has decided otherwise meanwhile
        except LongwatchError as error:
            step = self._core.state(self._run_id).run.current_step
            blocked = Blocked(kind="workspace", message=str(error), step=step)
            await self._carrier.of_run(do.Stop(TaskState.BLOCKED, blocked))

    def _reap(self) -> None:
        """Forget what is done. Raises what a task has raised: a defect, or a store that is gone."""
        for unit, work in list(self._work.items()):
            if work.task.done():
                del self._work[unit]
                if not work.task.cancelled():
                    work.task.result()

    async def _drop_obsolete(self, state: RunState, directives: tuple[do.Directive, ...]) -> None:
        """End what works on an attempt that nobody needs any more, or waits for no reason."""
        for unit, work in list(self._work.items()):
            if isinstance(work.directive, do.StartAttempt) and work.directive not in directives:
                await self._cancel([unit])
            if not isinstance(work.directive, do.RunTurn | do.RunGate):
                continue
            attempt = state.newest(unit)
            if attempt is None:  # it begins with its turn
                wanted = work.directive in directives
            else:
                wanted = attempt.attempt == work.directive.attempt and attempt.state in _KEPT
            if not wanted:
                await self._cancel([unit])
                await self._carrier.abandon(unit)
        await self._carrier.drop_children()

    async def _cancel(self, units: list[Unit]) -> None:
        tasks = [self._work.pop(unit).task for unit in units]
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)
        for task in tasks:
            if not task.cancelled() and isinstance(task.exception(), StoreError):
                task.result()
