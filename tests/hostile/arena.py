"""A supervisor with hostile agents and one that behaves, whose answers are timed."""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import psutil
import tomlkit

from app.agents.protocol import Driver
from app.domain import commands as cmd
from app.domain.approval import Action, Approval, ApprovalState
from app.domain.base import RunId
from app.domain.request import Request
from app.domain.run import RunState
from app.domain.task_state import TaskState
from app.engine.drivers import Drivers
from app.engine.supervisor import Supervisor
from app.store.paths import StorePaths
from tests.support.model_server import ModelServer
from tests.support.puppet import Puppet, PuppetDriver, a_project
from tests.support.runs import until
from tests.support.story import ADA
from tests.support.waiting import PATIENCE

AGENT = Path(__file__).with_name("agent.py")
MIB = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Attack:
    """Who does what, how much of it."""

    driver: str  # acp, codex, model, gate
    what: str
    size: int

    @property
    def name(self) -> str:
        return f"{self.driver}-{self.what.replace('_', '-')}"

    @property
    def shell(self) -> str:
        """For those that are a command: the built-in agent's tools, and gates."""
        return {
            "bytes": f"head -c {self.size} /dev/zero | tr '\\0' y",
            "events": f"yes 'a line' | head -n {self.size}",
            "raw_line": f"head -c {self.size} /dev/zero | tr '\\0' x; sleep 0.1",
            "lies": "printf '\\033[2J\\033]52;c;aGk=\\007\\033[31m\\n%.0s' $(seq 200)",
            "crowd": f"for i in $(seq {self.size}); do setsid sleep 600 & done; wait",
            "stubborn": "trap '' TERM; while :; do sleep 1; done",
        }[self.what]

    def agent(self, base_url: str) -> dict[str, object]:
        found: dict[str, object] = {"name": self.name, "driver": self.driver}
        if self.driver == "model":
            return {**found, "model": "local/scripted", "base_url": base_url, "api": "chat"}
        return {
            **found,
            "start_seconds": PATIENCE,
            "command": [sys.executable, str(AGENT), self.driver, self.what, str(self.size)],
        }

    def workflow(self) -> str:
        """One step, or one gate."""
        step: dict[str, object] = {"name": "work"}
        if self.driver == "gate":
            seconds = 2 if self.what == "stubborn" else PATIENCE
            gate = {"name": "check", "shell": self.shell, "timeout_seconds": seconds}
            step |= {"kind": "gate", "gate": [gate]}
        else:
            words = f"RUN: {self.shell}" if self.driver == "model" else "go"
            step |= {"agent": self.name, "prompt": words, "timeout_seconds": 600}
        return tomlkit.dumps({"name": self.name, "step": [step]})


@dataclass
class Report:
    """What was measured while the attacks ran."""

    answers: list[float] = field(default_factory=list)  # seconds from a decision to its agent
    peak: int = 0  # bytes of memory more than before


class Arena:
    """One supervisor, its victim, and the hostile runs."""

    def __init__(self, supervisor: Supervisor, folder: Path, puppets: PuppetDriver) -> None:
        self.supervisor, self._puppets = supervisor, puppets
        self.project, self.store = folder / "project", folder / "store"
        self.report = Report()

    async def start(self, workflow: str) -> RunId:
        request = Request(text="go", user="ada")
        command = cmd.StartRun(request=request, project=str(self.project), workflow=workflow)
        done = await self.supervisor.execute(command)
        assert done.run_id is not None
        return done.run_id

    async def victim(self, over: asyncio.Event) -> None:
        """An agent that behaves: asks, is answered, goes on; to its end after the attacks."""
        run_id = await self.start("change")
        puppet = await self._puppets.session(1)
        number = 0
        while not over.is_set() or number < 3:
            number += 1
            await self._asked(run_id, puppet, f"call-{number}")
            await asyncio.sleep(0.02)
        puppet.done()
        await until(self.supervisor, run_id, lambda s: s.run.state is TaskState.DONE)

    async def _asked(self, run_id: RunId, puppet: Puppet, name: str) -> None:
        puppet.answered.clear()
        puppet.ask(f"git push {name}", name)
        state = await until(self.supervisor, run_id, lambda s: bool(_pending(s)))
        (approval,) = _pending(state)
        begun = time.monotonic()
        await self.supervisor.execute(
            cmd.DecideApproval(
                approval_id=approval.approval_id,
                revision=approval.revision,
                action=Action.ALLOW,
                by=ADA,
            )
        )
        await puppet.answered.wait()
        self.report.answers.append(time.monotonic() - begun)
        puppet.finish_call(name)
        await until(self.supervisor, run_id, lambda s: not _open(s))

    async def attacked(self, attacks: list[Attack], seconds: float) -> dict[str, RunState]:
        """All of these at once, while the victim works; how each run ended."""
        over, memory = asyncio.Event(), psutil.Process().memory_info().rss
        victim = asyncio.create_task(self.victim(over))
        watching = asyncio.create_task(self._watch(memory))
        try:
            runs = {attack.name: await self.start(attack.name) for attack in attacks}
            for attack in attacks:
                if attack.what == "stubborn" and attack.driver != "gate":
                    await self._cancel(runs[attack.name])
            found = {
                name: await until(self.supervisor, run_id, _ended, seconds=seconds)
                for name, run_id in runs.items()
            }
            over.set()
            await victim
            return found
        finally:
            for task in (victim, watching):
                task.cancel()
            await asyncio.wait([victim, watching])

    async def _cancel(self, run_id: RunId) -> None:
        """A turn that never ends is ended by a person."""
        await until(self.supervisor, run_id, _at_work)
        await asyncio.sleep(0.3)
        await self.supervisor.execute(cmd.CancelRun(run_id=run_id, by=ADA))

    async def _watch(self, before: int) -> None:
        while True:
            grown = psutil.Process().memory_info().rss - before
            self.report.peak = max(self.report.peak, grown)
            await asyncio.sleep(0.05)

    def agents(self) -> list[int]:
        """Of what is left, the agents: git runs now and then too."""
        found = []
        for pid in self.left():
            try:
                if str(AGENT) in psutil.Process(pid).cmdline():
                    found.append(pid)
            except psutil.Error:
                continue
        return found

    def left(self) -> list[int]:
        """Processes that carry the store's mark."""
        mark, found = StorePaths(self.store).store_id, []
        for process in psutil.process_iter():
            try:
                if process.environ().get("LONGWATCH_STORE_ID") == mark:
                    found.append(process.pid)
            except psutil.Error:
                continue
        return found


def _pending(state: RunState) -> list[Approval]:
    return [a for a in state.approvals.values() if a.state is ApprovalState.PENDING]


def _open(state: RunState) -> bool:
    closed = (ApprovalState.EXECUTED, ApprovalState.FAILED)
    return any(a.state not in closed for a in state.approvals.values())


def _at_work(state: RunState) -> bool:
    return any(session.turn for session in state.sessions.values())


def _ended(state: RunState) -> bool:
    return state.run.state not in (TaskState.PENDING, TaskState.IN_PROGRESS)


@asynccontextmanager
async def arena(folder: Path, attacks: list[Attack]) -> AsyncIterator[Arena]:
    """A place for these attacks; everything of them is gone afterwards."""
    with ModelServer() as model:
        agents = [{"name": "coder", "driver": "scripted", "script": "script.toml"}]
        own = [a.agent(model.base_url) for a in attacks if a.driver != "gate"]
        rule = {"name": "let them", "command": "*", "action": "allow", "allow_critical": True}
        rules = [{**rule, "name": str(a["name"]), "agent": a["name"]} for a in own]
        config = {
            "default_workflow": "change",
            "agent": [*agents, *own],
            "approval": {"rule": rules},
        }
        project = a_project(folder / "project", config=tomlkit.dumps(config))
        for attack in attacks:
            path = project / f".longwatch/workflows/{attack.name}.toml"
            path.write_text(attack.workflow())
        puppets, real = PuppetDriver(), Drivers()
        drivers: Mapping[str, Driver] = {
            "scripted": puppets,
            **{name: real[name] for name in ("acp", "codex", "model")},
        }
        supervisor = await Supervisor.open(folder / "store", drivers=drivers)
        made = Arena(supervisor, folder, puppets)
        try:
            yield made
        finally:
            await supervisor.close()
