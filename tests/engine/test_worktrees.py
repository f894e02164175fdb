"""Worktrees that stay: told with the reason, and cleaned without losing anything."""

from __future__ import annotations

from pathlib import Path

from app.domain import commands as cmd
from app.domain.task_state import TaskState
from app.engine.supervisor import Supervisor
from tests.support.puppet import PuppetDriver, a_project, git
from tests.support.runs import start, until
from tests.support.story import ADA


async def test_one_with_changes_stays_and_is_cleaned_onto_its_branch(
    supervisor: Supervisor, driver: PuppetDriver, tmp_path: Path
) -> None:
    project = a_project(tmp_path / "project")
    over, going = await start(supervisor, project), await start(supervisor, project)
    puppets = [await driver.session(n) for n in (1, 2)]
    owners = {next(iter((await supervisor.run(r)).sessions)): r for r in (over, going)}
    (mine,) = [p for p in puppets if owners[p.spec.session_id] == over]  # type: ignore[index]
    (Path(mine.spec.workspace) / "draft.txt").write_text("half a thought\n")
    await supervisor.execute(cmd.CancelRun(run_id=over, by=ADA))
    await until(supervisor, over, lambda s: s.run.state is TaskState.CANCELED)
    told = {one.run_id: one.why for one in await supervisor.worktrees()}
    assert "has uncommitted changes (?? draft.txt)" in told[over]
    assert told[going] == "its run is not over"
    report = await supervisor.clean_worktrees()
    (branch,) = report.removed
    assert report.branches == (branch,)  # the draft is nowhere else
    assert [one.run_id for one in report.kept] == [going]
    assert git(project, "show", f"{branch}:draft.txt") == "half a thought\n"
    assert [one.run_id for one in await supervisor.worktrees()] == [going]


async def test_what_an_agent_has_put_in_its_place_is_left_alone(
    supervisor: Supervisor, driver: PuppetDriver, tmp_path: Path
) -> None:
    run_id = await start(supervisor, a_project(tmp_path / "project"))
    place = Path((await driver.session(1)).spec.workspace)
    (place / "draft.txt").write_text("kept")
    (place / ".git").unlink()
    git(place, "init", "-q")
    await supervisor.execute(cmd.CancelRun(run_id=run_id, by=ADA))
    report = await supervisor.clean_worktrees(run_id)
    (kept,) = report.kept
    assert "is not a worktree of its project" in kept.why
    assert (place / "draft.txt").read_text() == "kept"
