"""Hostile agents and commands, all at once: others are undisturbed, nothing is left of them.

`LONGWATCH_HOSTILE=full` takes each by itself at real size (1 GB, a million events, lines of
100 MB) and prints what was measured.
"""

from __future__ import annotations

import os
import time
from pathlib import Path
from statistics import median

import psutil
import pytest

from app.domain import commands as cmd
from app.domain.approval import Approval
from app.domain.run import RunState
from app.domain.task_state import TaskState
from app.engine.process_limit import LIMIT_VARIABLE
from tests.hostile.arena import MIB, Arena, Attack, arena
from tests.support import waiting
from tests.support.runs import until
from tests.support.story import ADA

WHAT = ("bytes", "events", "line", "raw_line", "lies", "crowd", "stubborn")
SMALL = dict(zip(WHAT, (4 * MIB, 3_000, 17 * MIB, 17 * MIB, 20, 80, 0), strict=True))
FULL = dict(zip(WHAT, (1024 * MIB, 1_000_000, *[100 * MIB] * 2, 20_000, 400, 0), strict=True))
COMMANDS = ("bytes", "events", "raw_line", "lies", "crowd", "stubborn")
KINDS = [
    *[(driver, what) for driver in ("acp", "codex") for what in SMALL],
    *[(driver, what) for driver in ("model", "gate") for what in COMMANDS],
]
# Which of them the suite takes: each attack, and each driver, but not every pair.
DAILY = {
    "acp": ("bytes", "line", "crowd", "stubborn"),
    "codex": ("events", "raw_line", "lies", "stubborn"),
    "model": ("raw_line", "lies"),
    "gate": ("bytes", "crowd", "stubborn"),
}
MEMORY = 400 * MIB
full = pytest.mark.skipif(
    os.environ.get("LONGWATCH_HOSTILE") != "full", reason="LONGWATCH_HOSTILE=full takes minutes"
)


@pytest.fixture(autouse=True)
def few_processes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(LIMIT_VARIABLE, "50")


def texts(state: RunState) -> list[str]:
    """What a screen would draw of a run."""
    approvals: list[Approval] = list(state.approvals.values())
    found = [state.run.reason, *(a.call.title for a in approvals)]
    found += [a.call.command or "" for a in approvals]
    for attempt in state.attempts.values():
        found += [attempt.output or "", attempt.failure.message if attempt.failure else ""]
        found += [gate.log for gate in attempt.gates]
    return found


async def check(here: Arena, ended: dict[str, RunState]) -> None:
    """What holds whatever was done."""
    await waiting.until(lambda: not here.left())  # agents are ended after their run
    assert here.report.peak < MEMORY
    for name, state in ended.items():
        said = texts(state)
        for session in state.sessions.values():
            chunks = await here.supervisor.transcript(state.run.run_id, session.session_id)
            said += [chunk.text for chunk in chunks]
        assert all("\x1b" not in text and "\x9b" not in text for text in said), name
        foreign = [a for a in state.approvals.values() if a.session_id not in state.sessions]
        assert foreign == [], name
    assert (await here.supervisor.verify()).ok


async def test_everything_at_once_disturbs_nobody(tmp_path: Path) -> None:
    attacks = [Attack(driver, what, SMALL[what]) for driver, what in KINDS if what in DAILY[driver]]
    async with arena(tmp_path, attacks) as here:
        ended = await here.attacked(attacks, seconds=500)
        await check(here, ended)
    state = {name: run.run.state for name, run in ended.items()}
    for name in ("acp-bytes", "codex-events", "codex-lies", "model-raw-line", "model-lies"):
        assert state[name] is TaskState.DONE, ended[name].run.reason
    for name in ("acp-line", "codex-raw-line"):
        assert state[name] is TaskState.BLOCKED and "16 MiB" in ended[name].run.reason
    for name in ("acp-stubborn", "codex-stubborn"):
        assert state[name] is TaskState.CANCELED
    assert "processes at once (at most 50)" in ended["acp-crowd"].run.reason
    assert any("processes at once" in text for text in texts(ended["gate-crowd"]))
    print(figures("all", here))


def figures(name: str, here: Arena) -> str:
    answers = sorted(here.report.answers)
    return (
        f"{name}: {len(answers)} answers, median {median(answers) * 1000:.1f} ms, "
        f"most {answers[-1] * 1000:.0f} ms; {here.report.peak / MIB:.0f} MB more memory"
    )


@full
@pytest.mark.timeout(1800)
@pytest.mark.parametrize(("driver", "what"), KINDS)
async def test_at_full_size(
    tmp_path: Path, driver: str, what: str, capsys: pytest.CaptureFixture[str]
) -> None:
    attacks = [Attack(driver, what, FULL[what])]
    async with arena(tmp_path, attacks) as here:
        ended = await here.attacked(attacks, seconds=1500)
        await check(here, ended)
    with capsys.disabled():
        print("\n" + figures(attacks[0].name, here))


async def test_an_agent_that_is_deaf_to_everything_is_started_anew(tmp_path: Path) -> None:
    attack = Attack("acp", "stubborn", 0)
    async with arena(tmp_path, [attack]) as here:
        run_id = await here.start(attack.name)
        state = await until(here.supervisor, run_id, lambda s: any_turn(s) and bool(here.agents()))
        (session_id,), (before,) = state.sessions, here.agents()
        begun = time.monotonic()
        restart = cmd.RestartSession(run_id=run_id, session_id=session_id, by=ADA)
        await here.supervisor.execute(restart)
        took = time.monotonic() - begun
        assert not psutil.pid_exists(before)
        state = await until(here.supervisor, run_id, lambda s: any_turn(s) and bool(here.agents()))
        (after,) = here.agents()
        assert after != before and list(state.sessions) == [session_id]
        print(f"a deaf agent was ended within {took * 1000:.0f} ms")
    assert here.left() == []


def any_turn(state: RunState) -> bool:
    return any(session.turn_open for session in state.sessions.values())
