"""Ownership: whatever is asked of whichever session in whatever order, nothing crosses an owner."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from app.agents.model.conversation import Conversation
from app.agents.protocol import Process
from app.domain import commands as cmd
from app.domain.base import RunId, SessionId
from app.domain.errors import LongwatchError, NotFound, OwnershipError
from app.engine.supervisor import Supervisor
from tests.support.puppet import PuppetDriver, a_project
from tests.support.runs import start
from tests.support.story import ADA

RUNS = 3
FORGED = ("", "s-none", "../s-1", "*", "s-")
Step = tuple[str, int, int]
_STEPS = st.lists(
    st.tuples(
        st.sampled_from(["steer", "restart", "read", "forge", "spawn", "end", "workspaces"]),
        st.integers(0, RUNS - 1),
        st.integers(0, RUNS - 1),
    ),
    max_size=14,
)


class House:
    """Some runs with a session each, and what the test believes of them."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.driver = folder, PuppetDriver()
        self.runs: list[RunId] = []
        self.sessions: list[SessionId] = []
        self.said: list[list[str]] = [[] for _ in range(RUNS)]
        self.children: list[tuple[int, Process]] = []

    async def open(self) -> None:
        self.supervisor = await Supervisor.open(
            self.folder / "store", drivers={"scripted": self.driver}
        )
        project = a_project(self.folder / "project")
        for number in range(RUNS):
            run_id = await start(self.supervisor, project)
            puppet = await self.driver.session(number + 1)
            self.runs.append(run_id)
            self.sessions.append(SessionId(puppet.spec.session_id))

    async def play(self, steps: list[Step]) -> None:
        for step in steps:
            await self._do(step)
            await self._check()

    async def _do(self, step: Step) -> None:
        what, run, session = step
        match what:
            case "steer":
                await self._steer(run, session)
            case "restart":
                await self._restart(run, session)
            case "read":
                await self._read(run, session)
            case "forge":
                await self._forge(run, FORGED[session])
            case "spawn":
                await self._spawn(session)
            case "end":
                await self._end(session)
            case "workspaces":
                await self._workspaces(run)

    async def _steer(self, run: int, session: int) -> None:
        text = f"word {len(self.said[session])} for {session}"
        command = cmd.SteerSession(
            run_id=self.runs[run], session_id=self.sessions[session], text=text, by=ADA
        )
        if run == session:
            await self.supervisor.execute(command)
            self.said[session].append(text)
        else:
            with pytest.raises(OwnershipError):
                await self.supervisor.execute(command)

    async def _restart(self, run: int, session: int) -> None:
        command = cmd.RestartSession(
            run_id=self.runs[run], session_id=self.sessions[session], by=ADA
        )
        if run != session:
            with pytest.raises(OwnershipError):
                await self.supervisor.execute(command)
            return
        count = len(self.driver.sessions)
        await self.supervisor.execute(command)
        again = await self.driver.session(count + 1)
        assert again.spec.session_id == self.sessions[session]
        await self._gone(session)

    async def _gone(self, session: int) -> None:
        """Its children went with its agent; those of others did not."""
        mine = [child for owner, child in self.children if owner == session]
        for child in mine:
            await child.wait()
        self.children = [(owner, c) for owner, c in self.children if owner != session]

    async def _read(self, run: int, session: int) -> None:
        asked = self.supervisor.transcript(self.runs[run], self.sessions[session])
        if run == session:
            text = "".join(chunk.text for chunk in await asked)
            assert all(f"for {other}" not in text for other in range(RUNS) if other != session)
        else:
            with pytest.raises(OwnershipError):
                await asked

    async def _forge(self, run: int, session: str) -> None:
        before = (await self.supervisor.status()).seq
        forged: dict[str, Any] = {
            "run_id": self.runs[run],
            "session_id": SessionId(session),
            "by": ADA,
        }
        for command in (cmd.SteerSession(**forged, text="x"), cmd.RestartSession(**forged)):
            with pytest.raises((NotFound, OwnershipError)):
                await self.supervisor.execute(command)
        with pytest.raises(LongwatchError):
            await self.supervisor.transcript(self.runs[run], SessionId(session))
        events = await self.supervisor.events(after=before)
        assert all(event.payload.type.startswith("process") for event in events)

    async def _spawn(self, session: int) -> None:
        host = self._newest(session).spec.processes
        child = await host.spawn(["sleep", "60"], cwd="/", env={}, purpose="a child")
        self.children.append((session, child))

    async def _end(self, session: int) -> None:
        await self.supervisor._core.processes.kill_session(self.sessions[session], 0.1)
        await self._gone(session)

    async def _workspaces(self, run: int) -> None:
        found = await self.supervisor._core.workspaces.of_run(self.runs[run])
        own = Path((await self._session(run)).workspace)
        assert [workspace.path for workspace in found] == [own]

    async def _session(self, run: int):  # type: ignore[no-untyped-def]
        (session,) = (await self.supervisor.run(self.runs[run])).sessions.values()
        return session

    def _newest(self, session: int):  # type: ignore[no-untyped-def]
        wanted = self.sessions[session]
        return [p for p in self.driver.sessions if p.spec.session_id == wanted][-1]

    async def _check(self) -> None:
        for run, (run_id, session_id) in enumerate(zip(self.runs, self.sessions, strict=True)):
            state = await self.supervisor.run(run_id)
            assert list(state.sessions) == [session_id]
            mine = [p for p in self.driver.sessions if p.spec.session_id == session_id]
            assert [word for puppet in mine for word in puppet.steered] == self.said[run]
            assert [puppet.closed for puppet in mine] == [True] * (len(mine) - 1) + [False]
        assert all(psutil.pid_exists(child.pid) for _, child in self.children)


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[asyncio.Runner, House]]:
    made = House(tmp_path_factory.mktemp("house"))
    with asyncio.Runner() as runner:
        runner.run(made.open())
        yield runner, made
        runner.run(made.supervisor.close())


@settings(max_examples=12, deadline=None, suppress_health_check=list(HealthCheck))
@given(_STEPS)
def test_no_call_crosses_an_owner(house: tuple[asyncio.Runner, House], steps: list[Step]) -> None:
    runner, made = house
    runner.run(made.play(steps))


@settings(max_examples=15, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.lists(st.tuples(st.integers(0, 2), st.booleans()), max_size=25))
def test_conversations_that_are_compacted_side_by_side_keep_apart(
    tmp_path_factory: pytest.TempPathFactory, steps: list[tuple[int, bool]]
) -> None:
    folder = tmp_path_factory.mktemp("talks")
    talks = [Conversation(folder / str(n) / "conversation.jsonl", "") for n in range(3)]
    said: list[list[str]] = [[], [], []]

    async def one(number: int) -> None:
        for compact in [compact for which, compact in steps if which == number]:
            if compact:
                await talks[number].add_summary(f"summary of {number}", len(said[number]))
            else:
                said[number].append(f"{len(said[number])} in {number}")
                await talks[number].add_prompt(1, said[number][-1])

    async def play() -> None:
        await asyncio.gather(*(one(number) for number in range(3)))

    asyncio.run(play())
    for number in range(3):
        kept = Conversation.load(folder / str(number) / "conversation.jsonl", "")
        assert kept.summary in ("", f"summary of {number}")
        assert len(kept.messages) == len(said[number]), "nothing is dropped"
        assert all(f"in {other}" not in str(kept.messages) for other in range(3) if other != number)
