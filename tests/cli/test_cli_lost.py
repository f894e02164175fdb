"""A supervisor that stops just when a command talks to it."""

from __future__ import annotations

from pathlib import Path

import pytest

from app.cli.reach import AnyClient, ask
from app.domain.approval import Actor, ActorKind
from app.domain.base import RunId
from app.domain.commands import CancelRun
from app.domain.errors import LongwatchError
from app.link.errors import LinkLost
from app.store.paths import StorePaths
from tests.support.programs import started

pytestmark = pytest.mark.timeout(90)
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
            host.wait(20)
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
