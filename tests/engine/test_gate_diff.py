"""The gate over changes, on real repositories."""

from __future__ import annotations

import hashlib
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from app.domain.base import RunId
from app.domain.gate import Gate
from app.domain.run import GateResult
from app.engine.gates import LOG_LIMIT
from app.engine.processes import ProcessRegistry
from app.engine.workspaces import Workspaces
from tests.support.gate_runs import gate_on
from tests.support.repositories import a_repository, commit_all, git, head

Check = Callable[[Gate], Awaitable[GateResult]]


@pytest.fixture
def project(tmp_path: Path) -> Path:
    return a_repository(tmp_path / "project", **{"long.txt": "".join(f"{n}\n" for n in range(90))})


@pytest.fixture
def workspaces(tmp_path: Path, processes: ProcessRegistry) -> Workspaces:
    return Workspaces(tmp_path / "worktrees", processes)


@pytest.fixture
async def work(workspaces: Workspaces, project: Path) -> Path:
    """A worktree to change things in."""
    return (await workspaces.create(project, RunId("run-1"), "plan", head(project), "plan")).path


@pytest.fixture
def check(processes: ProcessRegistry, workspaces: Workspaces, project: Path, work: Path) -> Check:
    """A gate on what was changed in the worktree."""
    base = head(project)

    async def checked(gate: Gate) -> GateResult:
        return await gate_on(
            processes,
            gate,
            workspace=work,
            base=base,
            commit=await workspaces.snapshot(work, "work"),
            project=project,
            workspaces=workspaces,
        )

    return checked


def lines(limit: int) -> Gate:
    return Gate(name="small", max_diff_lines=limit)


def paths(*globs: str) -> Gate:
    return Gate(name="place", allow_paths=globs)


async def test_lines_added_and_removed_are_counted(check: Check, work: Path) -> None:
    (work / "a.txt").write_text("one\n2\n3\n")
    (work / "new.txt").write_text("x\ny\n")
    assert (await check(lines(6))).passed
    result = await check(lines(5))
    assert (result.passed, result.exit_code, result.could_start) == (False, None, True)
    assert result.log.splitlines() == [
        "6 lines changed, at most 5 may be:",
        "  +2 -2 a.txt",
        "  +2 -0 new.txt",
    ]


async def test_an_unchanged_worktree_passes(check: Check) -> None:
    result = await check(Gate(name="none", max_diff_lines=0, allow_paths=("x",)))
    assert (result.passed, result.log) == (True, "0 lines changed in 0 files, as allowed")


async def test_paths_elsewhere_are_listed(check: Check, work: Path) -> None:
    (work / "src").mkdir()
    (work / "src/.env").write_text("x")
    (work / "src\n evil ü.py").write_text("x")
    (work / "a.txt").unlink()
    result = await check(paths("src/**"))
    assert result.log.splitlines() == [
        "2 changed paths lie outside of src/**; take the change back:",
        "  a.txt",
        "  src ↵ evil ü.py",
    ]
    assert (await check(paths("src/**", "a.txt", "src?*.py"))).passed


async def test_a_new_name_counts_under_both_names(check: Check, work: Path) -> None:
    git(work, "mv", "long.txt", "moved.txt")
    assert (await check(lines(1))).passed
    assert not (await check(lines(0))).passed
    assert "long.txt" in (await check(paths("moved.txt"))).log
    assert "moved.txt" in (await check(paths("long.txt"))).log
    assert (await check(paths("*.txt"))).passed


async def test_modes_links_and_binary_files_are_changes(check: Check, work: Path) -> None:
    (work / "a.txt").chmod(0o755)
    (work / "logo.png").write_bytes(b"\x89PNG\0\n\n\n")
    (work / "link").symlink_to("/etc")
    result = await check(Gate(name="both", max_diff_lines=0, allow_paths=("none/",)))
    assert {"  a.txt", "  logo.png", "  link"} <= set(result.log.splitlines())
    assert {"  +0 -0 a.txt", "  binary logo.png"} <= set(result.log.splitlines())


async def test_neither_attribute_nor_setting_hides_a_change(
    check: Check, work: Path, project: Path
) -> None:
    (work / ".gitattributes").write_text("* -diff\n* binary\n")
    (work / "big.txt").write_text("x\n" * 500)
    for name, value in (
        ("diff.relative", "true"),
        ("diff.renames", "copies"),
        ("diff.external", "true"),
    ):
        git(project, "config", name, value)
    result = await check(lines(100))
    assert not result.passed
    assert "  +500 -0 big.txt" in result.log


async def test_a_nested_repository_is_a_change(check: Check, work: Path, project: Path) -> None:
    a_repository(work / "inner")
    commit_all(work)
    git(project, "config", "diff.ignoreSubmodules", "all")
    assert "  inner" in (await check(paths("src/**"))).log


async def test_a_long_list_is_cut_and_hashed_whole(check: Check, work: Path) -> None:
    names = [f"{number:04}-{'x' * 60}" for number in range(1500)]
    for name in names:
        (work / name).touch()
    result = await check(paths("src/**"))
    whole = "1500 changed paths lie outside of src/**; take the change back:\n"
    whole += "\n".join(f"  {name}" for name in names)
    assert len(result.log.encode()) <= LOG_LIMIT
    assert result.log_bytes == len(whole)
    assert result.log_sha256 == hashlib.sha256(whole.encode()).hexdigest()
    assert "bytes left out" in result.log


async def test_without_commits_there_is_nothing_to_compare(
    processes: ProcessRegistry, workspaces: Workspaces, project: Path
) -> None:
    result = await gate_on(processes, lines(1), base=head(project), project=project)
    assert (result.passed, result.could_start) == (False, False)
    assert "this result has no commit to compare" in result.log
    result = await gate_on(
        processes,
        lines(1),
        base="0" * 40,
        commit=head(project),
        project=project,
        workspaces=workspaces,
    )
    assert (result.passed, result.could_start) == (False, False)
    assert result.log.startswith("the changes cannot be counted: git diff")
