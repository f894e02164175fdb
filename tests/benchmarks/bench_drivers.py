"""Each driver against a peer at full speed: events a second from the pipe to the journal, beside a
bare reader of the same pipe; and from the key press to the agent having its answer.

    .venv/bin/python -m tests.benchmarks.bench_drivers
"""

from __future__ import annotations

import asyncio
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx2

from app.agents.model.session import ModelSession
from app.agents.protocol import Answer
from app.domain import events as ev
from app.domain.approval import Action, ApprovalState
from app.domain.commands import DecideApproval, StartRun
from app.domain.request import Request
from app.engine.supervisor import Supervisor
from tests.benchmarks.bench_approvals import bare_commits
from tests.support.puppet import a_project
from tests.support.story import ADA

PIECES = 20_000
QUESTIONS = 50
ROUNDS = 3
PEER = str(Path(__file__).with_name("driver_peer.py"))
CONFIG = 'default_workflow = "change"\n\n[[agent]]\nname = "coder"\n'
RULE = '\n[[approval.rule]]\nname = "ask"\ncommand = "*"\naction = "ask"\n'


def peer(mode: str) -> list[str]:
    return [sys.executable, PEER, mode, str(PIECES)]


@contextmanager
def configured(driver: str) -> Iterator[tuple[str, str]]:
    """The agent's configuration, and the address of its endpoint if it has one."""
    if driver != "model":
        yield f'driver = "{driver}"\ncommand = {peer(driver)}\n', ""
        return
    endpoint = subprocess.Popen(peer("http"), stdout=subprocess.PIPE, text=True)
    assert endpoint.stdout is not None
    try:
        url = endpoint.stdout.readline().strip()
        yield f'driver = "model"\nmodel = "local/m"\nbase_url = "{url}"\napi = "chat"\n', url
    finally:
        endpoint.kill()
        endpoint.wait()


# ---- the bare reader


async def bare_pipe(mode: str) -> float:
    """Pieces a second of a reader that takes line by line and forgets them."""
    process = await asyncio.create_subprocess_exec(
        *peer(mode), stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert process.stdin is not None and process.stdout is not None
    await asyncio.sleep(1)  # the pieces are built
    start = time.perf_counter()
    process.stdin.write(b"BARE\n")
    count = 0
    while await process.stdout.readline():
        count += 1
    seconds = time.perf_counter() - start
    await process.wait()
    assert count == PIECES
    return count / seconds


async def bare_http(url: str) -> float:
    body = {"messages": [{"role": "user", "content": f"STREAM {PIECES}"}]}
    count = 0
    async with httpx2.AsyncClient(timeout=60) as client:
        start = time.perf_counter()
        async with client.stream("POST", f"{url}/chat/completions", json=body) as response:
            async for line in response.aiter_lines():
                count += bool(line)
        return count / (time.perf_counter() - start)


# ---- the product


@dataclass(frozen=True, slots=True)
class Ran:
    """One run of one turn."""

    seconds: float  # from its prompt to its end, as the journal has them
    pressed: list[int]  # ns of the monotonic clock
    output: str


async def run(folder: Path, config: str, text: str) -> Ran:
    """One run to its end; its questions are allowed at once."""
    project = await asyncio.to_thread(a_project, folder / "project", config=CONFIG + config + RULE)
    supervisor = await Supervisor.open(folder / "store")
    pressed: list[int] = []
    try:
        request = Request(text=text, user="ada")
        done = await supervisor.execute(StartRun(request=request, project=str(project)))
        assert done.run_id is not None
        while not (state := await supervisor.run(done.run_id)).run.state.terminal:
            assert state.run.blocked is None, state.run.blocked
            for approval in state.approvals.values():
                if approval.state is ApprovalState.PENDING:
                    decision = DecideApproval(
                        approval_id=approval.approval_id,
                        revision=approval.revision,
                        action=Action.ALLOW,
                        by=ADA,
                    )
                    pressed.append(time.monotonic_ns())
                    await supervisor.execute(decision)
            await asyncio.sleep(0.002)
        at = {type(e.payload): e.at for e in await supervisor.events(done.run_id)}
        seconds = (at[ev.TurnEnded] - at[ev.TurnStarted]).total_seconds()
        (attempt,) = state.attempts.values()
        return Ran(seconds, pressed, attempt.output or "")
    finally:
        await supervisor.close()


def one(config: str, text: str) -> Ran:
    with tempfile.TemporaryDirectory() as name:
        return asyncio.run(run(Path(name), config, text))


@contextmanager
def heard_by_the_model_agent() -> Iterator[list[int]]:
    """When the built-in agent, which is in this process, has its answers."""
    times: list[int] = []
    answer = ModelSession.answer

    async def note(self: ModelSession, call_id: str, given: Answer) -> None:
        await answer(self, call_id, given)
        times.append(time.monotonic_ns())

    ModelSession.answer = note  # type: ignore[assignment, method-assign]
    try:
        yield times
    finally:
        ModelSession.answer = answer  # type: ignore[method-assign]


def latencies(driver: str, config: str) -> list[float]:
    """Seconds from pressing to receiving, one question at a time."""
    with heard_by_the_model_agent() as times:
        ran = one(config, f"ASK {QUESTIONS}")
        received = times if driver == "model" else [int(word) for word in ran.output.split()]
    assert len(received) == len(ran.pressed) == QUESTIONS, (len(received), len(ran.pressed))
    return [(b - a) / 1e9 for a, b in zip(ran.pressed, received, strict=True)]


def main() -> None:
    print(f"{f'{PIECES:,} pieces of text, a second':<34}{'median':>10}{'bare':>12}{'ratio':>8}")
    with tempfile.TemporaryDirectory() as name:
        floor = statistics.median(bare_commits(Path(name)))
    waits = []
    for driver in ("codex", "acp", "model"):
        with configured(driver) as (config, url):
            ran = [PIECES / one(config, f"STREAM {PIECES}").seconds for _ in range(ROUNDS)]
            bare = [
                asyncio.run(bare_http(url) if url else bare_pipe(driver)) for _ in range(ROUNDS)
            ]
            ours, theirs = statistics.median(ran), statistics.median(bare)
            print(f"{driver:<34}{ours:>10,.0f}{theirs:>12,.0f}{ours / theirs:>8.3f}", flush=True)
            waits.append((driver, latencies(driver, config)))
    print(f"\n{'press to received, ms':<34}{'median':>10}{'p99':>12}{'x floor':>8}")
    print(f"{'floor: one bare commit':<34}{floor * 1e3:>10.2f}")
    for driver, found in waits:
        median, p99 = statistics.median(found), sorted(found)[int(len(found) * 0.99)]
        print(f"{driver:<34}{median * 1e3:>10.2f}{p99 * 1e3:>12.2f}{median / floor:>8.1f}")


if __name__ == "__main__":
    main()
