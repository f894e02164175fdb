"""The real engine and store with an agent that does nothing: one no-op step after the other.

Only git is left out: a worktree of its own for each step is what a coding agent needs, and has
no counterpart in the engines beside which this is measured. Everything else is what runs in
production: supervisor, loops, decisions, sessions, transcripts, slots, journal.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from pathlib import Path

from msgspec import Struct

from app.agents.protocol import AgentEvent, Answer, AttachedFile, Prompt, SessionSpec, TurnDone
from app.domain.base import Clock, RunId
from app.domain.request import Request
from app.domain.session import Continuity
from app.domain.step import AgentStep, Loop
from app.domain.task_state import TaskState
from app.domain.workflow import AgentConfig, Recipe, Workflow
from app.engine.admission import admit
from app.engine.machine import Machine
from app.engine.processes import ProcessRegistry
from app.engine.supervisor import Supervisor
from app.engine.workspaces import Released, Workspace, Workspaces
from app.store.journal import Journal
from app.store.paths import StorePaths

_LETTERS = b"eeeeeeeeeettttttttaaaaaaooooooiiiiiinnnnnssssshhhhhrrrrrddddlllcccuuummwwffggyyppbbvk"
_SPACES = 18 * b" "
# A character for each byte that there is.
_OF_BYTES = bytes((_LETTERS + _SPACES)[n * len(_LETTERS + _SPACES) // 256] for n in range(256))


def _prose(count: int) -> tuple[str, ...]:
    """Of 1,000 characters, as frequent as in prose and without its repetitions; no two alike."""
    chance = random.Random(1)
    return tuple(chance.randbytes(1000).translate(_OF_BYTES).decode() for _ in range(count))


RESULTS = _prose(64)
_COMMIT = "0" * 40


class NoWorkspaces(Workspaces):
    """There is a folder's name and always the same commit, but no git."""

    async def head(self, project: Path) -> str:
        return _COMMIT

    async def shown(self, project: Path, worktree: Path) -> tuple[str, ...]:
        return ()

    async def create(
        self, project: Path, run_id: RunId, step: str, base_commit: str, name: str
    ) -> Workspace:
        return Workspace(project / run_id / name, f"longwatch/{run_id}/{name}")

    async def snapshot(self, path: Path, message: str) -> str | None:
        return _COMMIT

    async def advance(self, path: Path, commit: str) -> bool:
        return True

    async def of_run(self, run_id: RunId) -> list[Workspace]:
        return []

    async def release(self, project: Path, workspace: Workspace) -> Released:
        return Released(removed=True, branch_kept=False)


class NoopAgent(Struct):
    """Answers every prompt at once with 1 KB; `effects` notes that a step was executed."""

    driver: NoopDriver
    spec: SessionSpec
    native_id: str
    continuity: Continuity

    async def prompt(self, prompt: Prompt) -> AsyncIterator[AgentEvent]:
        self.driver.prompts += 1
        self.driver.effect(self.spec.session_id, prompt.turn)
        yield TurnDone("completed", text=RESULTS[self.driver.prompts % len(RESULTS)])

    async def answer(self, call_id: str, answer: Answer) -> None:
        raise AssertionError("it asks nothing")

    async def steer(self, text: str, attachments: Sequence[AttachedFile] = ()) -> None:
        raise AssertionError("it listens to nobody")

    async def interrupt(self) -> None:
        return

    async def close(self) -> None:
        return


class NoopDriver:
    """Opens agents that do nothing."""

    name = "scripted"

    def __init__(self) -> None:
        self.prompts = 0

    def effect(self, session_id: str, turn: int) -> None:
        """A step's effect on the world; a benchmark of crashes notes it."""

    async def open(self, spec: SessionSpec) -> NoopAgent:
        return NoopAgent(self, spec, spec.session_id, Continuity.FRESH)

    async def resume(self, spec: SessionSpec, native_id: str) -> NoopAgent:
        return NoopAgent(self, spec, native_id, Continuity.RESUMED)


def looping(steps: int) -> Recipe:
    """One step that is repeated, its agent kept."""
    loop = Loop(until="false", max_iterations=steps)
    step = AgentStep(name="step", agent="noop", prompt="Go on.", loop=loop)
    return _recipe("loop", (step,))


def chained(steps: int) -> Recipe:
    """Steps in a row, each with a session of its own."""
    made = tuple(AgentStep(name=f"s{n}", agent="noop", prompt="Go on.") for n in range(steps))
    return _recipe("chain", made)


def _recipe(name: str, steps: tuple[AgentStep, ...]) -> Recipe:
    agent = AgentConfig(name="noop", driver="scripted")
    return Recipe(workflow=Workflow(name=name, steps=steps), agents=(agent,))


async def opened(
    store: Path,
    driver: NoopDriver,
    journal: Callable[[StorePaths, Clock], Awaitable[Journal]] = Journal.open,
) -> Supervisor:
    """A supervisor without git and with the no-op agent; no limit on agents at work."""
    machine = Machine(journal=journal, processes=ProcessRegistry, workspaces=NoWorkspaces)
    return await Supervisor.open(
        store, max_parallel=0, drivers={"scripted": driver}, machine=machine
    )


async def start(supervisor: Supervisor, recipe: Recipe, runs: int) -> list[RunId]:
    """Commit `runs` new runs of a recipe, asked for at once, and let them begin."""
    core = supervisor._core

    async def one() -> RunId:
        request = Request(text="no-op", user="bench")
        run, drafts = admit(core, recipe, request, str(core.paths.root))
        await core.journal.append(drafts)
        supervisor._runs.wake(run.run_id)
        return run.run_id

    return await asyncio.gather(*(one() for _ in range(runs)))


async def finished(supervisor: Supervisor, runs: list[RunId]) -> None:
    """Wait until all of these runs are done."""
    for run_id in runs:
        while True:
            state = supervisor._journal.state(run_id)
            if state is None or state.run.state is TaskState.DONE:
                break
            if state.run.state not in (TaskState.PENDING, TaskState.IN_PROGRESS):
                raise AssertionError(f"run {run_id} is {state.run.state}: {state.run.reason}")
            await asyncio.sleep(0.005)
