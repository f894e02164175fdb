"""Moving in through the link: off the loop, and never under a run that is at work."""

from __future__ import annotations

from pathlib import Path

import pytest
from msgspec.structs import replace

from app.domain.errors import NotFound, Refused
from app.domain.migration import Installation
from app.domain.moving import Progress
from app.domain.task_state import TaskState
from app.link.moving import LocalMover
from app.migrate import openclaw
from app.migrate.disk import Disk
from tests.support.moving import a_plan, a_source
from tests.ui import canned
from tests.ui.fakes import FakeClient


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Installation:
    source = a_source(tmp_path)
    monkeypatch.setattr(Disk, "sync_all", lambda self, path: None)
    monkeypatch.setattr(openclaw, "read_openclaw", lambda path, environment: a_plan(path))
    return Installation(system="openclaw", path=str(source))


async def test_it_looks_applies_and_takes_back(home: Installation, tmp_path: Path) -> None:
    mover = LocalMover({}, tmp_path)
    target = mover.default_target
    assert target == str(tmp_path / "longwatch")
    compared, report = await mover.look(home, target)
    assert compared.fresh and report.dry_run
    said = list[Progress]()
    done = await mover.apply(home, target, client=None, tell=said.append)
    assert done.touched == report.touched and said[-1].phase == "done"
    assert (await mover.look_back(target)).whole_folder
    await mover.undo(target, client=None)
    assert [path.name for path in _entries(tmp_path)] == ["home"]
    assert await mover.found() == ()


def _entries(folder: Path) -> list[Path]:
    return list(folder.iterdir())


async def test_a_folder_that_is_named_is_looked_at(tmp_path: Path) -> None:
    mover = LocalMover({}, tmp_path)
    with pytest.raises(NotFound, match="is no home of OpenClaw or OpenFang"):
        await mover.at(str(tmp_path))
    (tmp_path / "config.toml").touch()
    (tmp_path / "agents").mkdir()
    assert (await mover.at(str(tmp_path))).system == "openfang"


async def test_what_the_disk_refuses_is_a_sentence(
    home: Installation, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device", "/x")

    monkeypatch.setattr("app.migrate.apply.look_at", full)
    with pytest.raises(Refused, match=r"^/x: No space left on device$"):
        await LocalMover({}, tmp_path).look(home, str(tmp_path / "t"))


async def test_a_run_at_work_keeps_its_project_as_it_is(home: Installation, tmp_path: Path) -> None:
    state = canned.running_run()
    run = state.run.model_copy(update={"project": str(tmp_path / "p")})
    assert run.state is TaskState.IN_PROGRESS
    client = FakeClient(replace(state, run=run))
    mover = LocalMover({}, tmp_path)
    with pytest.raises(Refused, match=r"works in .*/p: let it end, cancel it, or stop its superv"):
        await mover.apply(home, str(tmp_path / "p"), client=client)
    await mover.apply(home, str(tmp_path / "other"), client=client)
