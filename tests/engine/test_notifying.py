"""A command is started for what nobody has seen: with what, how it is held, and when not."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from pathlib import Path

import pytest

from app.domain.seen import sighting
from app.engine.supervisor import Supervisor
from tests.support.children import alive
from tests.support.hand_clock import HandClock
from tests.support.puppet import CONFIG, Puppet, PuppetDriver, a_project
from tests.support.runs import start
from tests.support.waiting import PATIENCE

SCRIPT = """#!/bin/sh
printf '%s' "$2" > line
env > environment
cat > told.part && mv told.part told
"""


async def until(holds: Callable[[], object]) -> None:
    async with asyncio.timeout(PATIENCE):
        while not holds():  # noqa: ASYNC110
            await asyncio.sleep(0.01)


async def passes(clock: HandClock, holds: Callable[[], object]) -> None:
    """Let time pass until something holds."""

    def later() -> object:
        clock.move(61)
        return holds()

    await until(later)


def calling(folder: Path, script: str = SCRIPT, more: str = "", after: float = 0.05) -> Path:
    """A project with a notify command."""
    notify = f'\n[notify]\ncommand = ["./call", "Longwatch"]\nafter_seconds = {after}\n{more}\n'
    project = a_project(folder, config=CONFIG + notify)
    (project / "call").write_text(script)
    (project / "call").chmod(0o755)
    return project


async def asked(supervisor: Supervisor, driver: PuppetDriver, project: Path, what: str) -> Puppet:
    await start(supervisor, project)
    puppet = await driver.session(1)
    puppet.ask(what)
    return puppet


async def test_the_command_gets_a_line_a_document_and_a_minimal_environment(
    supervisor: Supervisor, driver: PuppetDriver, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MY_HOOK", "https://hook.example/k3y-of-the-hook")
    monkeypatch.setenv("OTHER_THING", "not for it")
    monkeypatch.setenv("DISPLAY", ":7")
    project = calling(tmp_path / "project", more='env = ["MY_HOOK"]')
    await asked(supervisor, driver, project, "curl https://hook.example/k3y-of-the-hook")
    await until((project / "told").exists)
    told = json.loads((project / "told").read_text())
    assert (told["kind"], told["count"], told["project"]) == ("approval", 1, str(project))
    assert told["items"][0]["id"] == told["id"]
    assert told["waiting_seconds"] >= 0
    assert (project / "line").read_text().startswith(f"approval ({told['risk']} risk): curl ")
    environment = (project / "environment").read_text()
    assert "MY_HOOK=" in environment and "DISPLAY=:7" in environment
    assert "OTHER_THING" not in environment
    assert "k3y" not in (project / "line").read_text() + json.dumps(told)
    assert (await supervisor.status()).problem == ""
    (waiting,) = await supervisor.waiting()
    assert not waiting.seen, "being called is no look"


async def test_who_has_seen_it_is_not_called_and_a_restart_knows_nothing(
    driver: PuppetDriver, tmp_path: Path
) -> None:
    project, clock = calling(tmp_path / "project", after=60), HandClock()
    store = tmp_path / "store"
    first = await Supervisor.open(store, drivers={"scripted": driver}, clock=clock)
    await asked(first, driver, project, "git push")
    while not (waiting := await first.waiting()):  # noqa: ASYNC110
        await asyncio.sleep(0.01)
    status = await first.status()
    assert (status.waiting, status.unseen) == (1, 1)
    assert status.unseen_seconds >= 0
    await first.seen([sighting(one.item) for one in waiting])
    status = await first.status()
    assert (status.waiting, status.unseen, status.unseen_seconds) == (1, 0, 0)
    for _ in range(10):
        clock.move(61)
        await asyncio.sleep(0.03)
    assert not (project / "told").exists()
    events = await first.events()
    await first.seen([sighting(one.item) for one in waiting])
    assert await first.events() == events, "to look is no event"
    await first.close()
    second = await Supervisor.open(store, drivers={"scripted": driver}, clock=clock)
    assert (await second.status()).unseen == 1
    await passes(clock, (project / "told").exists)
    await second.close()


@pytest.mark.parametrize(
    ("script", "more", "problem"),
    [
        ("#!/bin/sh\necho 'no bus' >&2\nexit 3\n", "", "./call: exit status 3: no bus"),
        ("#!/bin/sh\nsleep 60\n", "timeout_seconds = 0.2", "ended, it took more than 0.2 s"),
        ("#!/no/such/shell\n", "", "names an interpreter in its first line that does not exist"),
    ],
)
async def test_a_command_that_fails_is_a_banner_and_is_not_tried_again(
    supervisor: Supervisor,
    driver: PuppetDriver,
    tmp_path: Path,
    script: str,
    more: str,
    problem: str,
) -> None:
    project = calling(tmp_path / "project", script, more)
    await asked(supervisor, driver, project, "git push")
    await until(lambda: supervisor._notices.problem)
    assert problem in (await supervisor.status()).problem
    started = [e for e in await supervisor.events() if "notify" in repr(e)]
    await asyncio.sleep(0.3)
    again = [e for e in await supervisor.events() if "notify" in repr(e)]
    assert len(again) == len(started) <= 1


async def test_it_ends_with_its_tree_when_the_supervisor_closes(
    driver: PuppetDriver, tmp_path: Path
) -> None:
    project = calling(tmp_path / "project", "#!/bin/sh\nsleep 60 &\necho $! > pid\nwait\n")
    supervisor = await Supervisor.open(tmp_path / "store", drivers={"scripted": driver})
    await asked(supervisor, driver, project, "git push")
    await until(lambda: (project / "pid").exists() and (project / "pid").read_text().strip())
    await supervisor.close()
    assert not alive(int((project / "pid").read_text()))


async def test_the_file_is_read_as_it_is_now_and_a_broken_one_calls_nobody(
    driver: PuppetDriver, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    project, clock = calling(tmp_path / "project", after=60), HandClock()
    drivers = {"scripted": driver}
    supervisor = await Supervisor.open(tmp_path / "store", drivers=drivers, clock=clock)
    puppet = await asked(supervisor, driver, project, "git push")
    (project / "longwatch.toml").write_text("[notify]\ncommand = 3\n")
    await passes(clock, lambda: any(m.startswith("nobody is called for") for m in caplog.messages))
    puppet.ask("git push --force", "c2")
    await asyncio.sleep(0.3)
    assert not (project / "told").exists()
    assert sum(m.startswith("nobody is called for") for m in caplog.messages) == 1
    assert "longwatch.toml: agent: this key is missing" in caplog.text
    await supervisor.close()
