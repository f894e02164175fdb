"""From the key press to the agent receiving the approval; beside one bare commit to the disk.

    .venv/bin/python -m tests.benchmarks.bench_approvals

The way of an answer: the client's `execute`, the check against the state, one commit (the only
I/O), the driver's `answer`. Measured in process and over the socket, alone and while other
sessions stream text into the same store.
"""

from __future__ import annotations

import asyncio
import sqlite3
import statistics
import tempfile
import time
from pathlib import Path

from app.agents.protocol import Answer, TextDelta
from app.domain.approval import Action, Approval, ApprovalState
from app.domain.base import RunId
from app.domain.commands import DecideApproval, StartRun
from app.domain.request import Request
from app.domain.session import ChunkKind
from app.engine.supervisor import Supervisor
from app.link.client import Client
from app.link.local import LocalClient
from app.link.remote import SocketClient
from tests.support.puppet import Puppet, PuppetDriver, a_project
from tests.support.story import ADA

ANSWERS = 200
BUSY_SESSIONS = 20


def bare_commits(folder: Path) -> list[float]:
    """Seconds of one-row transactions with synchronous=FULL: what the disk itself costs."""
    connection = sqlite3.connect(folder / "bare.db", isolation_level=None)
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute("PRAGMA synchronous=FULL")
    connection.execute("CREATE TABLE t (body TEXT)")
    found = []
    for _ in range(ANSWERS):
        start = time.perf_counter()
        connection.execute("INSERT INTO t VALUES (?)", ("x" * 600,))
        found.append(time.perf_counter() - start)
    connection.close()
    return found


async def begin(client: Client, project: Path) -> RunId:
    request = Request(text="measure", user="ada")
    done = await client.execute(StartRun(request=request, project=str(project)))
    assert done.run_id is not None
    return done.run_id


async def pending(client: Client, run_id: RunId) -> Approval:
    while True:
        state = await client.run(run_id)
        for approval in state.approvals.values():
            if approval.state is ApprovalState.PENDING:
                return approval
        await asyncio.sleep(0.001)


class Stopwatch:
    """Notes when the agent has its answer."""

    def __init__(self, puppet: Puppet) -> None:
        self.at = 0.0
        self._answer = puppet.answer
        puppet.answer = self.answer  # type: ignore[method-assign]

    async def answer(self, call_id: str, answer: Answer) -> None:
        self.at = time.perf_counter()
        await self._answer(call_id, answer)


async def answers(client: Client, run_id: RunId, puppet: Puppet) -> list[float]:
    """Seconds from pressing to receiving, one at a time."""
    watch, found = Stopwatch(puppet), []
    for number in range(ANSWERS):
        puppet.ask(f"git push origin v{number}", f"c{number}")
        approval = await pending(client, run_id)
        start = time.perf_counter()
        await client.execute(
            DecideApproval(
                approval_id=approval.approval_id,
                revision=approval.revision,
                action=Action.ALLOW,
                by=ADA,
            )
        )
        found.append(watch.at - start)
        puppet.finish_call(f"c{number}")
    return found


async def stream(puppet: Puppet) -> None:
    """A talkative agent: fifty pieces of text a second."""
    while True:
        puppet.events.put_nowait(TextDelta("m", ChunkKind.MESSAGE, "some words of progress "))
        await asyncio.sleep(0.02)


async def measure(folder: Path, busy: int, over_socket: bool) -> list[float]:
    driver = PuppetDriver()
    project = await asyncio.to_thread(a_project, folder / "project")
    supervisor = await Supervisor.open(folder / "store", drivers={"scripted": driver})
    host = LocalClient(supervisor)
    await host.share(folder / "s.sock")
    client: Client = await SocketClient.dial(folder / "s.sock") if over_socket else host
    run_id = await begin(client, project)
    puppet = await driver.session(1)
    streams = []
    for number in range(busy):
        await begin(client, project)
        streams.append(asyncio.create_task(stream(await driver.session(number + 2))))
    found = await answers(client, run_id, puppet)
    for task in streams:
        task.cancel()
    if over_socket:
        await client.close()
    await host.close()
    return found


def line(name: str, seconds: list[float], floor: float) -> None:
    ordered = sorted(seconds)
    median, p99 = statistics.median(ordered), ordered[int(len(ordered) * 0.99)]
    ratio = median / floor
    print(f"{name:<34}{median * 1e3:>10.2f}{p99 * 1e3:>10.2f}{ratio:>10.1f}")


def main() -> None:
    print(f"{'press to received, ms':<34}{'median':>10}{'p99':>10}{'x floor':>10}")
    with tempfile.TemporaryDirectory() as name:
        bare = bare_commits(Path(name))
    floor = statistics.median(bare)
    line("floor: one bare commit", bare, floor)
    cases: list[tuple[str, int, bool]] = [
        ("in process", 0, False),
        ("over the socket", 0, True),
        (f"in process, {BUSY_SESSIONS} busy sessions", BUSY_SESSIONS, False),
    ]
    for label, busy, over_socket in cases:
        with tempfile.TemporaryDirectory() as name:
            line(label, asyncio.run(measure(Path(name), busy, over_socket)), floor)


if __name__ == "__main__":
    main()
