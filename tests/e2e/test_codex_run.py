"""A whole run with the real codex against a scripted model: answered, denied, killed, resumed."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import psutil
import pytest

from app.domain.approval import Action, Approval, ApprovalState, Settlement
from app.domain.base import RunId
from app.domain.commands import DecideApproval, SettleApproval, StartRun
from app.domain.request import Request
from app.domain.run import RunState
from app.domain.session import Continuity
from app.domain.task_state import TaskState
from app.link.connect import attach
from app.link.remote import SocketClient
from app.store.paths import StorePaths
from tests.support.codex_home import write_codex_home
from tests.support.model_replies import Reply, Rule, Script
from tests.support.model_server import ModelServer
from tests.support.programs import LONGWATCH
from tests.support.puppet import a_project
from tests.support.story import ADA

pytestmark = [pytest.mark.codex, pytest.mark.timeout(180)]

# The words of an effect are put together by the shell, so that only its output has them.
EFFECT = "printf 'PUSH%s\\n' ED >> effects.log; cat effects.log"
SLOW = f"sleep 3; {EFFECT}"

CONFIG = """
default_workflow = "change"

[[agent]]
name = "coder"
driver = "codex"
env = ["CODEX_HOME", "SCRIPTED_KEY"]
"""


def rules(command: str) -> Script:
    """A coder that makes one call, and knows from its output or refusal that it was answered."""
    return Script(
        [
            Rule(when="PUSHED", replies=(Reply(say="It is done."),)),
            Rule(when="rejected by user", replies=(Reply(say="Then I leave it."),)),
            Rule(when="Do this", replies=(Reply(run=command),)),
        ]
    )


class Place:
    """A project, a store and a CODEX_HOME, and the supervisors started on them."""

    def __init__(self, folder: Path, model: ModelServer) -> None:
        self.project = a_project(folder / "project", config=CONFIG)
        self.store = folder / "store"
        home = write_codex_home(folder / "codex-home", model.base_url)
        self._env = {**os.environ, **home, "LONGWATCH_STORE": str(self.store)}
        self.host: subprocess.Popen[bytes] | None = None

    def start_host(self) -> None:
        self.host = subprocess.Popen([*LONGWATCH, "up"], env=self._env, stdout=subprocess.DEVNULL)

    async def up(self) -> SocketClient:
        self.start_host()
        async with asyncio.timeout(30):
            while (client := await attach(self.store)) is None:  # noqa: ASYNC110
                await asyncio.sleep(0.05)
        return client

    def kill_host(self) -> None:
        assert self.host is not None
        self.host.kill()
        self.host.wait()

    def kill_codex(self) -> None:
        for process in self.children():
            process.send_signal(signal.SIGKILL)

    def children(self) -> list[psutil.Process]:
        """Everything that carries the store's mark."""
        return list(_marked(StorePaths(self.store).store_id))

    def down(self) -> None:
        if self.host is not None and self.host.poll() is None:
            self.host.terminate()
            self.host.wait(30)


def _marked(store_id: str) -> Iterator[psutil.Process]:
    for process in psutil.process_iter():
        try:
            if process.environ().get("LONGWATCH_STORE_ID") == store_id:
                yield process
        except psutil.Error:
            continue


@asynccontextmanager
async def place(folder: Path, command: str) -> AsyncIterator[Place]:
    with ModelServer(rules(command)) as model:
        found = Place(folder, model)
        try:
            yield found
        finally:
            found.down()
    assert found.children() == [], "a process was left"


async def begin(client: SocketClient, project: Path) -> RunId:
    request = Request(text="Do this", user="ada")
    done = await client.execute(StartRun(request=request, project=str(project)))
    assert done.run_id is not None
    return done.run_id


async def until(
    client: SocketClient, run_id: RunId, wanted: Callable[[RunState], bool]
) -> RunState:
    async with asyncio.timeout(60):
        while not wanted(state := await client.run(run_id)):  # noqa: ASYNC110
            await asyncio.sleep(0.05)
    return state


def only(state: RunState) -> Approval:
    (approval,) = state.approvals.values()
    return approval


def waits(state: RunState) -> bool:
    return any(a.state is ApprovalState.PENDING for a in state.approvals.values())


def decision(approval: Approval, action: Action, reason: str = "") -> DecideApproval:
    return DecideApproval(
        approval_id=approval.approval_id,
        revision=approval.revision,
        action=action,
        reason=reason,
        by=ADA,
    )


async def finished(client: SocketClient, run_id: RunId) -> RunState:
    state = await until(client, run_id, lambda s: s.run.state is not TaskState.IN_PROGRESS)
    assert state.run.state is TaskState.DONE, state.run.reason
    return state


@pytest.mark.parametrize("victim", ["nobody", "codex", "longwatch", "both"])
async def test_an_approval_outlives_whoever_is_killed(tmp_path: Path, victim: str) -> None:
    async with place(tmp_path, EFFECT) as here:
        client = await here.up()
        run_id = await begin(client, here.project)
        before = only(await until(client, run_id, waits))
        if victim in ("codex", "both"):
            here.kill_codex()
        if victim in ("longwatch", "both"):
            here.kill_host()
            await client.close()
            client = await here.up()
        if victim != "nobody":
            await until(client, run_id, lambda s: only(s).call.call_id != before.call.call_id)
        after = only(await client.run(run_id))
        assert (after.approval_id, after.revision) == (before.approval_id, before.revision)
        await client.execute(decision(before, Action.ALLOW))
        state = await finished(client, run_id)
        (session,) = state.sessions.values()
        assert session.continuity is (
            Continuity.FRESH if victim == "nobody" else Continuity.RESUMED
        )
        assert only(state).state is ApprovalState.EXECUTED
        assert (await client.diff(run_id)).count("+PUSHED") == 1
        assert (await client.verify()).ok
        await client.close()


async def test_a_denial_reaches_codex_with_its_reason(tmp_path: Path) -> None:
    async with place(tmp_path, EFFECT) as here:
        client = await here.up()
        run_id = await begin(client, here.project)
        approval = only(await until(client, run_id, waits))
        await client.execute(decision(approval, Action.DENY, "not on a Friday"))
        state = await finished(client, run_id)
        assert only(state).state is ApprovalState.DENIED
        assert "PUSHED" not in await client.diff(run_id)
        (attempt,) = state.attempts.values()
        assert attempt.output is not None and "Then I leave it." in attempt.output
        await client.close()


async def test_a_call_cut_off_while_it_ran_is_asked_about_and_not_repeated(tmp_path: Path) -> None:
    async with place(tmp_path, SLOW) as here:
        client = await here.up()
        run_id = await begin(client, here.project)
        await client.execute(decision(only(await until(client, run_id, waits)), Action.ALLOW))
        await asyncio.sleep(0.5)
        here.kill_host()
        await client.close()
        client = await here.up()
        state = await until(client, run_id, lambda s: only(s).state is ApprovalState.UNCERTAIN)
        await asyncio.sleep(0.5)
        assert (await client.run(run_id)).run.state is TaskState.IN_PROGRESS
        settle = SettleApproval(
            approval_id=only(state).approval_id,
            revision=only(state).revision,
            settlement=Settlement.RUN_AGAIN,
            by=ADA,
        )
        await client.execute(settle)
        state = await finished(client, run_id)
        assert only(state).state is ApprovalState.EXECUTED
        await client.close()
