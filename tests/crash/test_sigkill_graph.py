"""SIGKILL at random instants of a run with branches, a loop, gates and a sub-workflow.

    LONGWATCH_KILLS=200 .venv/bin/pytest tests/crash

The supervisor is killed and started again until the run is over: every part of it has been done
once, the branches' work is in the result once, and no process is left.
"""

from __future__ import annotations

import asyncio
import json
import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import psutil
import pytest

from app.domain import events as ev
from app.domain.events import Event
from app.domain.run import Unit
from app.store.paths import StorePaths
from app.store.reader import Reader
from app.store.verify import verify
from tests.support.waiting import PATIENCE

KILLS = max(2, int(os.environ.get("LONGWATCH_KILLS", "4")) // 2)
SEED = int(os.environ.get("LONGWATCH_SEED", "1"))

pytestmark = [pytest.mark.crash, pytest.mark.timeout(1200 + 20 * KILLS)]

AGENT = """
[[agent]]
name = "{name}"
driver = "scripted"
script = ".longwatch/scripts/{name}.toml"
speed = 40.0
max_parallel = 2
"""
SCRIPTS = {
    "lister": """
[[turn]]
final = '["one", "two", "three", "four"]'
[[turn.event]]
kind = "message"
text = "These are the parts that I can see here, and I name each of them."
""",
    "worker": """
[[turn]]
final = "part done"
[[turn.event]]
kind = "message"
text = "I write my part into a file of its own, named after the place where I work."
[[turn.event]]
kind = "shell"
command = 'pwd > "$(basename "$PWD").txt"'
ask = false
""",
    "polisher": """
[[turn]]
final = "not yet"
[[turn.event]]
kind = "message"
text = "It can still be better, I think."
[[turn]]
final = "DONE"
""",
}
WORKFLOWS = {
    "graph": """
name = "graph"
[[step]]
name = "list"
agent = "lister"
prompt = "List the parts."
[[step.gate]]
name = "is-a-list"
json_schema = { type = "array", minItems = 4 }
[[step]]
kind = "fan_out"
name = "parts"
for_each = "list"
agent = "worker"
prompt = "Do {{ item }}."
[[step.gate]]
name = "wrote"
shell = 'ls *.txt'
[[step]]
kind = "collect"
name = "all"
of = ["parts"]
[[step]]
name = "polish"
agent = "polisher"
prompt = "Polish it."
[step.loop]
until = "'DONE' in output"
max_iterations = 4
[[step]]
kind = "workflow"
name = "publish"
workflow = "publishing"
[[step]]
kind = "collect"
name = "report"
of = ["all", "publish"]
template = "{% for r in results %}{{ r.output }}|{% endfor %}"
""",
    "publishing": """
name = "publishing"
[[step]]
name = "publish"
agent = "worker"
prompt = "Publish it."
""",
}


@pytest.fixture
def project(tmp_path: Path) -> Path:
    folder = tmp_path / "project"
    for name in ("scripts", "workflows"):
        (folder / ".longwatch" / name).mkdir(parents=True)
    config = 'default_workflow = "graph"\n' + "".join(AGENT.format(name=n) for n in SCRIPTS)
    (folder / "longwatch.toml").write_text(config)
    for name, text in SCRIPTS.items():
        (folder / ".longwatch" / "scripts" / f"{name}.toml").write_text(text)
    for name, text in WORKFLOWS.items():
        (folder / ".longwatch" / "workflows" / f"{name}.toml").write_text(text)
    git(folder, "init", "-q", "-b", "main")
    git(folder, "add", "-A")
    git(folder, "commit", "-q", "-m", "start")
    return folder


def git(folder: Path, *arguments: str) -> str:
    identity = ("-c", "user.name=t", "-c", "user.email=t@localhost")
    command = ["git", *identity, *arguments]
    return subprocess.run(command, cwd=folder, check=True, capture_output=True, text=True).stdout


def longwatch(project: Path, *arguments: str) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "app", *arguments, "--store", str(project.parent / "store")]
    environment = os.environ | {"PYTHONPATH": str(Path(__file__).parents[2])}
    return subprocess.Popen(
        command, cwd=project, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment
    )


def kill(process: subprocess.Popen[bytes]) -> None:
    process.send_signal(signal.SIGKILL)
    process.communicate()


def runs(project: Path) -> list[dict[str, str]]:
    """All runs of the store, read past whoever may host it; none before there is a store."""
    if not StorePaths(project.parent / "store").database.exists():
        return []
    out, err = longwatch(project, "runs", "--json").communicate(timeout=PATIENCE)
    assert out, err.decode()
    found: list[dict[str, str]] = json.loads(out)
    return found


async def events_of(paths: StorePaths) -> list[Event]:
    reader = Reader(paths.database)
    await reader.open()
    events = [event async for event in reader.stream()]
    await reader.close()
    return events


def to_the_end(project: Path) -> None:
    """A last life that nobody cuts off."""
    host = longwatch(project, "up")
    try:
        deadline = time.monotonic() + PATIENCE
        while any(run["state"] in ("pending", "in_progress") for run in runs(project)):
            assert host.poll() is None, host.communicate()[1].decode()
            assert time.monotonic() < deadline, runs(project)
            time.sleep(0.2)
    finally:
        host.send_signal(signal.SIGTERM)
        host.communicate(timeout=PATIENCE)


def check(project: Path) -> None:
    paths = StorePaths(project.parent / "store")
    report = asyncio.run(verify(paths))
    assert report.ok, report.problems
    found = {run["workflow"]: run for run in runs(project)}
    assert {name: run["state"] for name, run in found.items()} == dict.fromkeys(WORKFLOWS, "done")
    events = [e for e in asyncio.run(events_of(paths)) if e.run_id == found["graph"]["run_id"]]
    made = Counter(e.payload.key for e in events if isinstance(e.payload, ev.OutputProduced))
    assert set(made.values()) == {1}, made
    passed = Counter(str(unit) for e in events for unit in passed_by(e.payload))
    assert passed == Counter(
        [*(f"parts/{n}" for n in range(1, 5)), "polish (iter 1)", "polish (iter 2)"]
    )
    finished = [e.payload.step for e in events if isinstance(e.payload, ev.StepFinished)]
    assert finished == ["list", "parts", "all", "polish", "publish", "report"]
    outputs = [e.payload for e in events if isinstance(e.payload, ev.OutputProduced)]
    assert outputs[-1].output == "part done\n\n---\n\n" * 3 + "part done|part done|"
    head = found["graph"]["head_commit"]
    names = git(project, "ls-tree", "--name-only", head).split()
    assert sum(name.endswith(".txt") for name in names) == 5, names
    assert left_over(paths.store_id) == []


def passed_by(payload: ev.Payload) -> list[Unit]:
    """Units of several that an event lets pass; a step of one passes with its end."""
    if isinstance(payload, ev.OutputProduced):
        several = payload.branch or payload.iteration
        return [payload.unit] if payload.passed and several else []
    return [payload.unit] if isinstance(payload, ev.AttemptPassed) else []


def left_over(store_id: str) -> list[str]:
    found = []
    for process in psutil.process_iter():
        try:
            if process.environ().get("LONGWATCH_STORE_ID") == store_id:
                found.append(" ".join(process.cmdline()))
        except psutil.Error:
            continue
    return found


@pytest.mark.parametrize("number", range(KILLS))
def test_a_run_of_every_kind_of_step_goes_on_to_the_same_end(number: int, project: Path) -> None:
    chance = random.Random(SEED * 1000 + number)
    for _ in range(chance.randint(1, 4)):
        started = any(run["workflow"] == "graph" for run in runs(project))
        arguments = ("up",) if started else ("run", "go", "--headless", "--json")
        process = longwatch(project, *arguments)
        time.sleep(chance.uniform(0.3, 4.0))
        kill(process)
    if not any(run["workflow"] == "graph" for run in runs(project)):
        longwatch(project, "run", "go", "--headless", "--json").communicate(timeout=PATIENCE)
    to_the_end(project)
    check(project)
