"""The difference of a worktree as it stands, whatever the clock says."""

from __future__ import annotations

import os
from pathlib import Path

from app.domain.base import RunId
from app.engine.processes import ProcessRegistry
from app.engine.workspaces import Workspaces
from tests.support.repositories import a_repository, git, head

_PAST = 1_700_000_000


def _age(*paths: Path) -> None:
    for path in paths:
        os.utime(path, (_PAST, _PAST))


async def test_a_change_within_the_second_of_the_checkout_is_seen(
    tmp_path: Path, processes: ProcessRegistry
) -> None:
    project = a_repository(tmp_path / "project")
    # The time of the last change of a file's status cannot be set; the others can.
    git(project, "config", "core.trustctime", "false")
    workspaces = Workspaces(tmp_path / "worktrees", processes)
    made = await workspaces.create(project, RunId("run-1"), "plan", head(project), "plan")
    file, index = made.path / "a.txt", git(made.path, "rev-parse", "--git-path", "index")
    _age(file)
    git(made.path, "update-index", "--refresh")
    file.write_text("one\nTWO\nthree\n")
    _age(file, Path(index))
    assert "-two\n+TWO" in await workspaces.working_diff(made.path, head(project))
