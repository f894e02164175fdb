"""A schedule: lives of supervisors over one store, each ended by a cut or in order, then peace."""

from __future__ import annotations

import asyncio
import gc
import hashlib
import logging
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from random import Random
from typing import Any
from unittest.mock import patch

from app.domain.base import RunId
from app.domain.config import Config
from app.domain.errors import StoreError
from app.domain.feed import Committed, FeedItem, Snapshot
from app.domain.task_state import TaskState
from app.domain.workflow import AgentConfig, Recipe
from app.engine.machine import Machine
from app.engine.supervisor import Supervisor
from app.store.paths import StorePaths
from app.store.verify import _verify
from tests.simulation.agents import SimDriver
from tests.simulation.children import SimProcesses
from tests.simulation.disk import Disk
from tests.simulation.ledger import Ledger
from tests.simulation.loop import SimLoop
from tests.simulation.operators import Operator, a_start
from tests.simulation.sim_git import Repository, SimWorkspaces
from tests.simulation.workflows import random_recipe
from tests.simulation.world import Faults, SimClock, SimIds, World

_PEACE_SECONDS = 6 * 3600.0
_SHM = Path("/dev/shm")


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a schedule came to. `trace` is the same whenever the seed is."""

    seed: int
    lives: int
    events: int
    steps: int
    boundaries: int
    violations: tuple[str, ...]
    trace: str


class _Project:
    """In place of the project's files: one recipe, whatever is asked for."""

    def __init__(self, recipe: Recipe, root: Path) -> None:
        self._recipe = recipe
        self.root = root
        agent = AgentConfig(name="any", driver="codex")
        self.config = Config(agent=(agent,))  # without rollouts

    def recipe(self, workflow: str) -> Recipe:
        return self._recipe


class Schedule:
    """One seed, played to its end."""

    def __init__(self, seed: int, root: Path) -> None:
        self.world = World(seed)
        self.chance = Random(f"{seed}/schedule")
        self.disk = Disk(self.world, StorePaths(root))
        self.ledger = Ledger(self.world)
        self.disk.on_commit = self.ledger.take
        self.repository = Repository()
        self.driver = SimDriver(self.world, self.ledger, self.repository)
        self.recipe = random_recipe(Random(f"{seed}/workflow"))
        self.steps = 0
        self.seen = 0  # the newest event that the feed has shown
        self.supervisor: Supervisor | None = None
        self.processes: SimProcesses | None = None

    def play(self) -> Outcome:
        lives = self.chance.choice((0, 1, 1, 2, 3, 5))
        for _ in range(lives):
            if not self.world.violations:
                self._life(self._trouble())
        if not self.world.violations:
            self._life(None)
        if not self.world.violations:
            self._at_the_end()
        world = self.world
        text = "\n".join(repr(event) for event in self.disk.submitted)
        text = text.replace(str(self.disk.paths.root), "store")
        return Outcome(
            seed=world.seed,
            lives=lives + 1,
            events=len(self.disk.submitted),
            steps=self.steps,
            boundaries=world.boundaries,
            violations=tuple(world.violations),
            trace=hashlib.sha256(text.encode()).hexdigest()[:16],
        )

    def _trouble(self) -> Faults:
        chance = self.chance
        return Faults(
            store=chance.choice((0, 0, 0.005, 0.05)),
            agent=chance.choice((0, 0.1, 0.5)),
            slow=chance.choice((0, 0.01, 0.1)),
            git=chance.choice((0, 0, 0.02)),
            gate=chance.choice((0, 0.2, 0.5)),
            operator=chance.choice((0.1, 0.5)),
            clock=chance.choice((0, 0.01)),
        )

    def _life(self, trouble: Faults | None) -> None:
        """One supervisor, from its start until it is cut off or stopped."""
        world, chance = self.world, self.chance
        world.life += 1
        world.alive, world.faults = True, trouble or Faults()
        cut_off = trouble is not None and chance.random() < 0.85
        world.fuse = int(chance.expovariate(1 / 400)) + 1 if cut_off else None
        loop = SimLoop(world.chance("loop"), chance.choice((0.0, 0.2, 1.0)), world.now)
        loop.before_step = self._before_step
        loop.set_exception_handler(self._unhandled)
        world.stop = loop.stop
        self.supervisor = None
        asyncio.set_event_loop(loop)
        try:
            self._run(loop, self._peace() if trouble is None else self._troubled())
        finally:
            asyncio.set_event_loop(None)
        world.now = loop.time() + 1

    def _run(self, loop: SimLoop, main: Any) -> None:
        world = self.world
        try:
            task = loop.drive(main)
        except AssertionError as error:
            world.violate(f"{type(error).__name__}: {error}")
            task = None
        if task is not None and task.done() and world.alive:
            raised = None if task.cancelled() else task.exception()
            if raised is not None:
                world.violate(f"the supervisor ends with {type(raised).__name__}: {raised}")
            self._nothing_left(loop)
        self.steps += loop.steps
        image = self.disk.torn_image or self.disk.image()
        self.disk.torn_image = None
        world.alive = False
        for name in loop.abandon():
            world.violate(f"task {name} cannot be ended")
        if self.supervisor is not None:
            self.supervisor._lock.release()
        self.driver.orphan()
        self.disk.after_power_loss(image)
        self.disk.load(self.disk.rows)

    def _nothing_left(self, loop: SimLoop) -> None:
        """After an orderly end: no task, no agent, no child."""
        names = [task.get_name() for task in asyncio.all_tasks(loop) if not task.done()]
        if names:
            self.world.violate(f"tasks are left after the end: {sorted(names)}")
        if self.driver.open_agents:
            self.world.violate(f"{len(self.driver.open_agents)} agents are left after the end")
        if self.processes is not None and self.processes.running:
            self.world.violate(f"{self.processes.running} children are left after the end")

    def _before_step(self) -> None:
        """Power may also go between two effects."""
        world = self.world
        if world.fuse is not None and self._cut_between.random() < 0.00005:
            world.cut()

    @property
    def _cut_between(self) -> Random:
        return self.world.chance("between")

    def _unhandled(self, loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        if self.world.alive:
            self.world.violate(f"{context.get('message')}: {context.get('exception')!r}")

    async def _open(self) -> Supervisor:
        loop = asyncio.get_running_loop()
        machine = Machine(
            journal=self.disk.journal,
            processes=self._make_processes,
            workspaces=partial(SimWorkspaces, self.world, self.repository),
        )
        supervisor = await Supervisor.open(
            self.disk.paths.root,
            max_parallel=self.world.chance("slots").choice((0, 1, 2, 32)),
            clock=SimClock(self.world, loop),
            ids=SimIds(self.world),
            drivers={"scripted": self.driver},
            machine=machine,
        )
        self.supervisor = supervisor
        return supervisor

    def _make_processes(self, *args: Any, **options: Any) -> SimProcesses:
        self.processes = SimProcesses(self.world, *args, **options)
        return self.processes

    async def _troubled(self) -> None:
        supervisor = await self._open()
        watch = asyncio.create_task(self._watch(supervisor), name="feed")
        operator = Operator(self.world, supervisor)
        seconds = self.chance.choice((20.0, 120.0, 600.0))
        meddling = asyncio.create_task(operator.meddle(seconds), name="operator")
        await asyncio.wait([meddling])
        await self._stop(supervisor, watch)

    async def _peace(self) -> None:
        """No more faults, and an operator who helps: everything has to come to its end."""
        supervisor = await self._open()
        watch = asyncio.create_task(self._watch(supervisor), name="feed")
        operator = Operator(self.world, supervisor)
        if not operator.view.states:
            await operator.tell(a_start(self.world.chance("operator")))
        if not await operator.finish(_PEACE_SECONDS):
            for state in operator.view.open:
                self.world.violate(f"run {state.run.run_id} does not end: {_stuck(state)}")
        await self._stop(supervisor, watch)

    async def _stop(self, supervisor: Supervisor, watch: asyncio.Task[None]) -> None:
        await self._owned(supervisor)
        try:
            await supervisor.close()
        except StoreError:
            if not self.world.faults.store:
                raise
        await asyncio.wait([watch])

    async def _owned(self, supervisor: Supervisor) -> None:
        """A run that is in progress has a loop that moves it on."""
        if not _nobodys(supervisor):
            return
        # One that was made just now is woken once it is on the disk.
        await supervisor._journal.on_disk()
        await asyncio.sleep(1)
        for run_id in _nobodys(supervisor):
            self.world.violate(f"run {run_id} is nobody's")

    async def _watch(self, supervisor: Supervisor) -> None:
        """A screen: a snapshot, then every event after it, none before it is on the disk."""
        try:
            async for item in supervisor.feed():
                self._see(item)
        except StoreError as error:
            if not (self.world.faults.store or supervisor._closed):
                self.world.violate(f"the feed breaks: {error}")

    def _see(self, item: FeedItem) -> None:
        if isinstance(item, Snapshot):
            self.seen = item.seq
        elif isinstance(item, Committed):
            for event in item.events:
                if event.seq != self.seen + 1:
                    self.world.violate(f"the feed has event {event.seq} after {self.seen}")
                self.seen = event.seq
        if self.seen > self.disk.committed:
            on_disk = self.disk.committed
            self.world.violate(f"the feed shows event {self.seen}, {on_disk} is on disk")

    def _at_the_end(self) -> None:
        world = self.world
        report = _verify(self.disk.paths)
        if not report.ok:
            world.violate(f"verify: {report.problems}")
        for run in self.ledger.runs.values():
            if run.state not in (TaskState.DONE, TaskState.CANCELED):
                world.violate(f"run {run.run.run_id} is {run.state} in the end")
        self._counters()

    def _counters(self) -> None:
        """Reject counters stand where the committed events say."""
        assert self.supervisor is not None
        for state in self.supervisor._journal.projection.states.values():
            known = self.ledger.runs[state.run.run_id]
            if state.rejects != dict(known.rejects):
                self.world.violate(f"{state.run.run_id}: {state.rejects} is not {known.rejects}")
            if sum(state.returns.values()) != sum(known.returns.values()):
                self.world.violate(f"{state.run.run_id}: {state.returns} is not {known.returns}")


def _nobodys(supervisor: Supervisor) -> list[RunId]:
    """Runs that should go on, and have no loop."""
    tasks = supervisor._runs._tasks
    states = supervisor._journal.projection.states.values()
    going = [
        s.run.run_id for s in states if s.run.state in (TaskState.PENDING, TaskState.IN_PROGRESS)
    ]
    return [run_id for run_id in going if run_id not in tasks or tasks[run_id].done()]


def _stuck(state: Any) -> str:
    attempts = [f"{a.key} {a.state}" for a in state.attempts.values() if a.state.live or a.blocked]
    return f"{state.run.state} ({state.run.reason}), {attempts}, steps {list(state.steps)}"


@contextmanager
def _quiet(recipe: Recipe) -> Iterator[None]:
    """No log of faults that are meant, no collector at its own time, no project on disk."""
    gc.disable()
    logging.disable(logging.CRITICAL)
    try:
        with (
            patch("app.engine.run_control.load_project", lambda root: _Project(recipe, root)),
            patch("app.engine.supervisor.os.getpid", lambda: 1),
        ):
            yield
    finally:
        logging.disable(logging.NOTSET)
        gc.enable()


def simulate(seed: int) -> Outcome:
    """Play one schedule from its seed."""
    base = _SHM if _SHM.is_dir() else None
    root = Path(tempfile.mkdtemp(prefix="longwatch-sim-", dir=base))
    try:
        schedule = Schedule(seed, root / "store")
        with _quiet(schedule.recipe):
            return schedule.play()
    finally:
        shutil.rmtree(root, ignore_errors=True)
