"""A place where a real agent works for a scripted model, under supervisors that may be killed."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import psutil
import tomlkit

from app.domain.approval import Action, Approval, ApprovalState
from app.domain.base import RunId
from app.domain.commands import DecideApproval
from app.domain.mcp import McpServer
from app.domain.run import RunState
from app.domain.task_state import TaskState
from app.domain.workflow import AgentConfig
from app.link.connect import attach
from app.link.remote import SocketClient
from app.store.paths import StorePaths
from tests.support import runs
from tests.support.acp_agents import configured
from tests.support.codex_home import write_codex_home
from tests.support.model_replies import Reply, Rule, Script
from tests.support.model_server import ModelServer
from tests.support.programs import LONGWATCH
from tests.support.puppet import a_project
from tests.support.runs import Wanted, start
from tests.support.story import ADA
from tests.support.waiting import PATIENCE

# The words of an effect are put together by the shell, so that only its output has them.
EFFECT = "printf 'PUSH%s\\n' ED >> effects.log; cat effects.log"
_REFUSED = (
    'rejected by user|rejected permission|run_shell_command" was canceled|The operator denied'
)
# Takes for ever the first time and nothing after that. Not `sleep`: Qwen Code refuses to wait for
# it, before it asks anybody.
SLOW = f"test -e begun.log || {{ touch begun.log; timeout 600 tail -f /dev/null; }}; {EFFECT}"


def rules(command: str) -> Script:
    """A coder that makes one call, and knows from its output or refusal that it was answered."""
    return Script(
        [
            Rule(when="PUSHED", replies=(Reply(say="It is done."),)),
            Rule(when=_REFUSED, replies=(Reply(say="Then I leave it."),)),
            Rule(when="Do this", replies=(Reply(run=command),)),
        ]
    )


def coder(agent: str, home: Path, base_url: str) -> tuple[AgentConfig, dict[str, str]]:
    """A real agent's configuration and environment, for the scripted model."""
    if agent == "model":
        return AgentConfig(
            name="coder", driver="model", model="local/scripted", base_url=base_url, api="chat"
        ), {}
    if agent == "codex":
        coding = AgentConfig(name="coder", driver="codex", start_seconds=PATIENCE)
        return coding, write_codex_home(home, base_url)
    return configured(agent, home, base_url)


class Place:
    """A project, a store and an agent's home, and the supervisors started on them."""

    def __init__(
        self, folder: Path, model: ModelServer, agent: str, servers: Sequence[McpServer] = ()
    ) -> None:
        found, home = coder(agent, folder / "agent-home", model.base_url)
        names = sorted(home.keys() - {"HOME", "PATH"})
        coding = {**found.model_dump(exclude_defaults=True), "name": "coder", "env": names}
        config = tomlkit.dumps(
            {
                "default_workflow": "change",
                "agent": [{**coding, "mcp": [server.name for server in servers]}],
                "mcp": [server.model_dump(exclude_defaults=True) for server in servers],
            }
            if servers
            else {"default_workflow": "change", "agent": [coding]}
        )
        self.project = a_project(folder / "project", config=config)
        self.store = folder / "store"
        self._env = {**os.environ, **home, "LONGWATCH_STORE": str(self.store)}
        self.host: subprocess.Popen[bytes] | None = None

    def start_host(self) -> None:
        self.host = subprocess.Popen([*LONGWATCH, "up"], env=self._env, stdout=subprocess.DEVNULL)

    async def up(self) -> SocketClient:
        self.start_host()
        async with asyncio.timeout(PATIENCE):
            while (client := await attach(self.store)) is None:  # noqa: ASYNC110
                await asyncio.sleep(0.05)
        return client

    def kill_host(self) -> None:
        assert self.host is not None
        self.host.kill()
        self.host.wait()

    def kill_agent(self) -> None:
        """Every process that the host has started."""
        for process in self.children():
            with suppress(psutil.NoSuchProcess):  # it went with one killed before it
                process.send_signal(signal.SIGKILL)

    def children(self) -> list[psutil.Process]:
        """Everything that carries the store's mark."""
        return list(_marked(StorePaths(self.store).store_id))

    def down(self) -> None:
        if self.host is not None and self.host.poll() is None:
            self.host.terminate()
            self.host.wait(PATIENCE)


def _marked(store_id: str) -> Iterator[psutil.Process]:
    for process in psutil.process_iter():
        try:
            if process.environ().get("LONGWATCH_STORE_ID") == store_id:
                yield process
        except psutil.Error:
            continue


@asynccontextmanager
async def place(
    folder: Path, script: str | Script, agent: str, servers: Sequence[McpServer] = ()
) -> AsyncIterator[Place]:
    """`script` is what the model does, or the one command that it runs."""
    with ModelServer(rules(script) if isinstance(script, str) else script) as model:
        found = Place(folder, model, agent, servers)
        try:
            yield found
        finally:
            found.down()
    assert found.children() == [], "a process was left"


async def begin(client: SocketClient, project: Path) -> RunId:
    return await start(client, project, "Do this")


async def until(client: SocketClient, run_id: RunId, wanted: Wanted) -> RunState:
    """As `tests.support.runs.until`, for agents that take their time."""
    return await runs.until(client, run_id, wanted)


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
