"""A supervisor that stops just when a command talks to it."""

from __future__ import annotations

import json
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from app.cli import reach
from app.cli.reach import AnyClient, ask, served
from app.domain.approval import Actor, ActorKind
from app.domain.base import RunId
from app.domain.commands import CancelRun
from app.domain.errors import LongwatchError
from app.link.errors import LinkLost
from app.store.paths import StorePaths
from tests.support.programs import run, started
from tests.support.puppet import a_project
from tests.support.waiting import PATIENCE

ADA = Actor(kind=ActorKind.PERSON, name="ada")


@pytest.mark.parametrize("decided", [False, True])
def test_what_changed_nothing_is_done_anew_without_it(tmp_path: Path, decided: bool) -> None:
    store = tmp_path / "s"
    hosts = list[bool]()

    async def work(client: AnyClient) -> int:
        hosts.append(client.hosts)
        if decided:
            with pytest.raises(LongwatchError, match="r-none"):
                await client.execute(CancelRun(run_id=RunId("r-none"), by=ADA))
        if len(hosts) == 1:
            host.terminate()
            host.wait(PATIENCE)
        return len(await client.runs())

    with started(store, "up") as host:
        assert host.stdout is not None
        host.stdout.readline()
        if decided:
            with pytest.raises(LinkLost, match="before it said what came of this"):
                ask(store, work)
        else:
            assert ask(store, work) == 0
    assert hosts == ([False] if decided else [False, True])
    assert not StorePaths(store).socket.exists()


@pytest.mark.parametrize(("moves", "tries"), [(0, 5), (3, 7)])
async def test_supervisors_that_all_end_are_not_tried_for_ever(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, moves: int, tries: int
) -> None:
    """A follower's run may go on under one host after the other, but each must bring something."""
    tried = list[int]()

    @asynccontextmanager
    async def nobody(store: Path, *, host: bool, run: bool) -> AsyncIterator[None]:
        yield None

    async def lost(client: AnyClient) -> None:
        tried.append(1)
        raise LinkLost("the supervisor has stopped")

    monkeypatch.setattr(reach, "client_of", nobody)
    with pytest.raises(LinkLost, match=r"5 times in a row.*try again"):
        await served(
            tmp_path,
            lost,
            again=lambda client, lost: True,
            host=True,
            run=True,
            moved=lambda: min(len(tried), moves),
        )
    assert len(tried) == tries


CONFIG = '[[agent]]\nname = "coder"\ndriver = "scripted"\nscript = "script.toml"\n'
QUICK = 'name = "change"\n[[step]]\nname = "a"\nagent = "coder"\nprompt = "x"\n'
ASKS = 'name = "asks"\n[[step]]\nkind = "question"\nname = "q"\nquestion = "ok?"\n'
WAITS = "until [ -e {go} ]; do sleep 0.05; done"


def test_a_run_goes_on_when_the_one_that_hosts_it_is_over(tmp_path: Path) -> None:
    go, store = tmp_path / "go", tmp_path / "s"
    project = a_project(tmp_path / "p", QUICK, CONFIG)
    (project / ".longwatch/workflows/asks.toml").write_text(ASKS)
    event = f'[[turn.event]]\nkind = "shell"\nask = false\ncommand = "{WAITS.format(go=go)}"\n'
    (project / "script.toml").write_text(f'[[turn]]\nfinal = "done"\n{event}')

    def asked() -> list[dict[str, str]]:
        listed = run(store, "questions", "--json")
        found: list[dict[str, str]] = json.loads(listed.stdout) if listed.stdout else []
        return found

    def until_asked() -> str:
        begun = time.monotonic()
        while not (found := asked()):
            assert time.monotonic() - begun < PATIENCE, "nothing was asked"
            time.sleep(0.1)
        return found[0]["question_id"]

    headless = ("--headless", "--project", project)
    with started(store, "run", "one", "-w", "change", *headless) as first:
        assert first.stderr is not None
        while "a: session fresh" not in first.stderr.readline():
            pass
        with started(store, "run", "two", "-w", "asks", *headless) as second:
            until_asked()
            go.touch()
            first.communicate(timeout=PATIENCE)
            assert first.returncode == 0
            assert run(store, "answer", until_asked(), "yes").returncode == 0
            out, err = second.communicate(timeout=PATIENCE)
    assert second.returncode == 0, err
    assert "its own run is over: going on without it" in err
    assert out.endswith("yes\n")
