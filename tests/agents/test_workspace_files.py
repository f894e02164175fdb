"""Files of a workspace, while the agent's own processes put links in their way."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from app.agents import workspace_files
from app.agents.workspace_files import Outside, file_change, read_text, write_text


@pytest.fixture
def secret(tmp_path: Path) -> Path:
    folder = tmp_path / "secret"
    folder.mkdir()
    (folder / "key").write_text("planted")
    return folder


@pytest.fixture
def workspace(tmp_path: Path) -> Path:
    folder = tmp_path / "workspace"
    (folder / "sub").mkdir(parents=True)
    (folder / "sub" / "key").write_text("mine")
    return folder


@pytest.fixture
def late_link(workspace: Path, secret: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A folder becomes a link right after a path through it was found to be inside."""
    looked: Callable[[str, str], Path] = workspace_files.inside

    def inside(where: str, name: str) -> Path:
        place = looked(where, name)
        (workspace / "sub").rename(workspace / "was")
        (workspace / "sub").symlink_to(secret)
        return place

    monkeypatch.setattr(workspace_files, "inside", inside)


@pytest.mark.usefixtures("late_link")
def test_a_folder_that_becomes_a_link_is_not_written_through(workspace: Path, secret: Path) -> None:
    with pytest.raises(Outside, match="cannot be written"):
        write_text(str(workspace), "sub/key", "overwritten")
    assert (secret / "key").read_text() == "planted"


@pytest.mark.usefixtures("late_link")
def test_nothing_is_made_behind_such_a_link(workspace: Path, secret: Path) -> None:
    with pytest.raises(Outside):
        write_text(str(workspace), "sub/new/file", "x")
    assert [path.name for path in secret.iterdir()] == ["key"]


@pytest.mark.usefixtures("late_link")
@pytest.mark.parametrize("read", [read_text, lambda where, name: file_change(where, name, "x")])
def test_a_folder_that_becomes_a_link_is_not_read_through(
    workspace: Path, read: Callable[[str, str], object]
) -> None:
    with pytest.raises(Outside, match=r"cannot be read|is outside"):
        read(str(workspace), "sub/key")


def test_missing_folders_are_made_and_links_within_the_workspace_hold(workspace: Path) -> None:
    write_text(str(workspace), "a/b/c.txt", "new")
    assert (workspace / "a" / "b" / "c.txt").read_text() == "new"
    (workspace / "link").symlink_to("sub")
    write_text(str(workspace), "link/key", "changed")
    assert read_text(str(workspace), "sub/key") == "changed"
