"""Plain folders: what is copied of them, how work on a copy comes back, what is refused."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from app.domain.base import RunId
from app.domain.errors import LongwatchError, Refused
from app.engine.processes import ProcessRegistry
from app.engine.workspaces import Workspace, WorkspaceError, Workspaces
from tests.support.repositories import a_repository, files_of, git

RUN = RunId("run-1")


@pytest.fixture
def project(tmp_path: Path) -> Path:
    folder = tmp_path / "project"
    (folder / "docs").mkdir(parents=True)
    (folder / "longwatch.toml").write_text(CONFIG)
    (folder / "a.txt").write_text("one\ntwo\nthree\n")
    (folder / "docs/b.txt").write_text("b\r\n")
    return folder


CONFIG = """\
default_workflow = "change"
[[agent]]
name = "coder"
driver = "codex"
"""


@pytest.fixture
def workspaces(tmp_path: Path, processes: ProcessRegistry) -> Workspaces:
    return Workspaces(tmp_path / "store/workspaces", processes)


def mirror(tmp_path: Path) -> Path:
    [found] = (tmp_path / "store/mirrors").iterdir()
    return found


def snapshot_of(folder: Path) -> dict[str, tuple[bytes, int]]:
    """Every file with its content and time."""
    return {
        str(path.relative_to(folder)): (path.read_bytes(), path.stat().st_mtime_ns)
        for path in folder.rglob("*")
        if path.is_file() and not path.is_symlink()
    }


async def worktree(workspaces: Workspaces, project: Path, name: str = "work") -> Workspace:
    base = await workspaces.head(project)
    return await workspaces.create(project, RUN, name, base, name)


async def test_a_session_works_on_a_copy_and_the_folder_is_left_alone(
    workspaces: Workspaces, project: Path, tmp_path: Path
) -> None:
    before = snapshot_of(project)
    base = await workspaces.head(project)
    made = await workspaces.create(project, RUN, "work", base, "work")
    assert (made.path / "docs/b.txt").read_bytes() == b"b\r\n"
    (made.path / "a.txt").write_text("one\n2\nthree\n")
    (made.path / "new.txt").write_text("new\n")
    assert "+new" in await workspaces.working_diff(made.path, base)
    commit = await workspaces.snapshot(made.path, "work")
    assert commit is not None
    assert "-two\n+2\n" in await workspaces.diff(project, base, commit)
    changes = await workspaces.numstat(project, base, commit)
    assert [(c.paths, c.added, c.removed) for c in changes] == [
        (("a.txt",), 1, 1),
        (("new.txt",), 1, 0),
    ]
    assert snapshot_of(project) == before
    assert not (project / ".git").exists()
    assert (mirror(tmp_path).stat().st_mode & 0o077) == 0
    assert await workspaces.why_kept(project, made) == ""
    released = await workspaces.release(project, made)
    assert (released.removed, released.branch_kept) == (True, True)
    assert git(mirror(tmp_path), "rev-parse", made.git_branch) == commit


async def test_unchanged_folders_give_the_same_commit_and_changed_ones_another(
    workspaces: Workspaces, project: Path, tmp_path: Path
) -> None:
    first = await workspaces.head(project)
    assert await workspaces.head(project) == first
    (project / "a.txt").unlink()
    (project / "docs/b.txt").write_text("c\n")
    second = await workspaces.head(project)
    assert files_of(mirror(tmp_path), second) == {"docs/b.txt", "longwatch.toml"}
    assert git(mirror(tmp_path), "rev-parse", f"{second}^") == first


async def test_a_folder_and_a_file_can_change_places(workspaces: Workspaces, project: Path) -> None:
    await workspaces.head(project)
    (project / "docs/b.txt").unlink()
    (project / "docs").rmdir()
    (project / "docs").write_text("now a file")
    (project / "a.txt").unlink()
    (project / "a.txt").mkdir()
    (project / "a.txt/within").write_text("now a folder")
    made = await worktree(workspaces, project)
    assert (made.path / "docs").read_text() == "now a file"
    assert (made.path / "a.txt/within").read_text() == "now a folder"


async def test_repositories_within_are_copied_as_files(
    workspaces: Workspaces, project: Path, tmp_path: Path
) -> None:
    a_repository(project / "inner")
    a_repository(project / "inner/deeper", **{"d.txt": "d"})
    (project / "bare").mkdir()
    git(project / "bare", "init", "-q")
    (project / "bare/file").write_text("in a repository without commits")
    commit = await workspaces.head(project)
    assert files_of(mirror(tmp_path), commit) == {
        "longwatch.toml",
        "a.txt",
        "docs/b.txt",
        "bare/file",
        *(f"inner/{name}" for name in (".gitignore", "a.txt")),
        *(f"inner/deeper/{name}" for name in (".gitignore", "a.txt", "d.txt")),
    }


async def test_links_are_copied_and_not_followed(
    workspaces: Workspaces, project: Path, tmp_path: Path
) -> None:
    (outside := tmp_path / "outside").mkdir()
    (outside / "private").write_text("private")
    (project / "out").symlink_to(outside)
    (project / "file").symlink_to(outside / "private")
    commit = await workspaces.head(project)
    listed = git(mirror(tmp_path), "ls-tree", "-r", commit).splitlines()
    assert sorted(line.split()[0] for line in listed if "out" in line or "file" in line) == [
        "120000",
        "120000",
    ]
    assert git(mirror(tmp_path), "show", f"{commit}:file") == str(outside / "private")


async def test_what_is_private_ignored_or_made_by_tools_is_left_out(
    workspaces: Workspaces, project: Path, tmp_path: Path
) -> None:
    out = (
        *(".longwatch/secrets.env", "keys/mine.env", ".env", "deploy/id_rsa", "node_modules/x.js"),
        *("sub/__pycache__/x.pyc", "x.log", "big/data.bin"),
    )
    for name in (*out, ".longwatch/workflows/change.toml", ".env.example"):
        (project / name).parent.mkdir(parents=True, exist_ok=True)
        (project / name).write_text("x")
    (project / ".gitignore").write_text("*.log\n")
    config = f'env_file = "keys/mine.env"\n{CONFIG}[copies]\nexclude = ["/big/"]\n'
    (project / "longwatch.toml").write_text(config)
    files = files_of(mirror(tmp_path), commit) if (commit := await workspaces.head(project)) else ()
    assert not set(out) & set(files)
    assert {".longwatch/workflows/change.toml", ".env.example"} <= set(files)


async def test_a_store_within_the_project_is_not_copied(
    processes: ProcessRegistry, project: Path
) -> None:
    store = project / "state/longwatch"
    workspaces = Workspaces(store / "workspaces", processes)
    made = await worktree(workspaces, project)
    (store / "longwatch.db").write_text("journal")
    commit = await workspaces.head(project)
    [where] = (store / "mirrors").iterdir()
    assert not [name for name in files_of(where, commit) if name.startswith("state")]
    assert (made.path / "a.txt").exists()


async def test_names_of_all_kinds_are_copied(workspaces: Workspaces, project: Path) -> None:
    names = [b"two\nlines", b'"quoted"', b" space ", b"-x", b"\xff\xfe", "ü".encode(), b":(top)x"]
    for name in names:
        (project / os.fsdecode(name)).write_text("x")
    made = await worktree(workspaces, project)
    assert set(names) <= {os.fsencode(path.name) for path in made.path.iterdir()}


@pytest.mark.parametrize(
    ("limits", "says"),
    [
        ("max_files = 2", r"holds 3 files, and 2 are copied at most: leave some out by .gitignore"),
        ("max_mb = 0.5", r"holds 1\.0 MiB \(1\.0 of them in docs\), and 0\.5 are copied at most"),
    ],
)
async def test_too_large_a_folder_is_one_sentence(
    workspaces: Workspaces, project: Path, limits: str, says: str
) -> None:
    (project / "docs/b.txt").write_bytes(bytes(1024 * 1024))
    (project / "longwatch.toml").write_text(f"{CONFIG}[copies]\n{limits}\n")
    with pytest.raises(LongwatchError, match=says):
        await workspaces.head(project)


@pytest.mark.parametrize("what", ["a.txt", "docs"])
async def test_what_cannot_be_read_is_named(
    workspaces: Workspaces, project: Path, monkeypatch: pytest.MonkeyPatch, what: str
) -> None:
    if os.geteuid() == 0:
        if what == "docs":
            pytest.skip("root reads every folder")
        real = os.access
        monkeypatch.setattr(os, "access", lambda p, m: Path(p).name != what and real(p, m))
    (project / what).chmod(0)
    try:
        with pytest.raises(LongwatchError, match=rf"{what}/? cannot be read; make it readable"):
            await workspaces.head(project)
    finally:
        (project / what).chmod(0o755)


async def test_a_folder_that_never_holds_still_is_refused(
    workspaces: Workspaces, project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    count = 0
    real = Path.lstat

    def busy(path: Path) -> os.stat_result:
        nonlocal count
        if path.name == "a.txt":
            count += 1
            path.write_text("x" * count)
        return real(path)

    monkeypatch.setattr(Path, "lstat", busy)
    with pytest.raises(LongwatchError, match=r"changes all the time \(a.txt\): stop what writes"):
        await workspaces.head(project)


async def test_parallel_work_is_merged_and_taken_over(
    workspaces: Workspaces, project: Path
) -> None:
    (project / "a.txt").write_text("one\ntwo\ntwo\ntwo\ntwo\nthree\n")
    base = await workspaces.head(project)
    commits = []
    for name, old, new in (("x", "one", "1"), ("y", "three", "3")):
        made = await workspaces.create(project, RUN, name, base, name)
        text = (made.path / "a.txt").read_text()
        (made.path / "a.txt").write_text(text.replace(old, new))
        (made.path / f"{name}.bin").write_bytes(b"\0\xff\r\n")
        commits.append(await workspaces.snapshot(made.path, name) or "")
    commit, _ = await workspaces.merge(project, RUN, "result", commits)
    (project / "docs/b.txt").write_text("changed meanwhile\n")
    begun: list[str] = []

    async def begin() -> None:
        begun.append((project / "a.txt").read_text())

    assert await workspaces.take(project, commit, begin) == 3
    assert [text[:3] for text in begun] == ["one"], "told before the first file is changed"
    assert (project / "a.txt").read_text() == "1\ntwo\ntwo\ntwo\ntwo\n3\n"
    assert (project / "x.bin").read_bytes() == b"\0\xff\r\n"
    assert (project / "docs/b.txt").read_text() == "changed meanwhile\n"
    assert await workspaces.take(project, commit, begin) == 0
    assert len(begun) == 1, "and only if there is something to change"
    assert not (project / ".git").exists()


async def _nothing() -> None:
    pass


async def _not_begun() -> None:
    raise AssertionError("a conflict is seen before anything is begun")


async def test_a_conflict_takes_nothing(workspaces: Workspaces, project: Path) -> None:
    made = await worktree(workspaces, project)
    (made.path / "a.txt").write_text("one\nagent's\nthree\n")
    (made.path / "new.txt").write_text("new")
    commit = await workspaces.snapshot(made.path, "work") or ""
    (project / "a.txt").write_text("one\nmine\nthree\n")
    before = snapshot_of(project)
    with pytest.raises(LongwatchError, match=r"have both changed a\.txt: nothing was taken over"):
        await workspaces.take(project, commit, _not_begun)
    assert snapshot_of(project) == before


async def test_a_file_that_was_not_copied_is_not_overwritten(
    workspaces: Workspaces, project: Path
) -> None:
    (project / ".env").write_text("KEY=mine")
    made = await worktree(workspaces, project)
    (made.path / ".env").write_text("KEY=agent")
    (made.path / "new.txt").write_text("new")
    commit = await workspaces.snapshot(made.path, "work") or ""
    with pytest.raises(LongwatchError, match=r"\.env: already exists"):
        await workspaces.take(project, commit, _nothing)
    assert (project / ".env").read_text() == "KEY=mine"
    assert not (project / "new.txt").exists()


async def test_a_printed_diff_can_be_applied_by_hand(
    workspaces: Workspaces, project: Path, tmp_path: Path
) -> None:
    base = await workspaces.head(project)
    made = await workspaces.create(project, RUN, "work", base, "work")
    (made.path / "a.txt").write_text("one\n2\nthree\n")
    commit = await workspaces.snapshot(made.path, "work") or ""
    patch = await workspaces.diff(project, base, commit)
    (tmp_path / "patch").write_text(patch)
    git(project, "apply", "-p1", str(tmp_path / "patch"))
    assert (project / "a.txt").read_text() == "one\n2\nthree\n"


async def test_a_folder_that_becomes_a_repository_keeps_its_earlier_runs(
    workspaces: Workspaces, project: Path
) -> None:
    base = await workspaces.head(project)
    made = await workspaces.create(project, RUN, "work", base, "work")
    (made.path / "new.txt").write_text("new\n")
    commit = await workspaces.snapshot(made.path, "work") or ""
    git(project, "init", "-q")
    git(project, "add", "-A")
    git(project, "commit", "-q", "-m", "first")
    assert "+new" in await workspaces.diff(project, base, commit)
    assert await workspaces.create(project, RUN, "work", base, "work") == made
    assert await workspaces.belongs(project, made)
    assert (await workspaces.release(project, made)).removed
    later = await workspaces.create(project, RUN, "l", await workspaces.head(project), "later")
    assert git(later.path, "rev-parse", "--git-common-dir") == str(project / ".git")


async def test_a_killed_refresh_is_made_again(
    workspaces: Workspaces, project: Path, tmp_path: Path
) -> None:
    first = await workspaces.head(project)
    (mirror(tmp_path) / ".git/index").write_bytes(b"")
    (project / "a.txt").write_text("later")
    second = await workspaces.head(project)
    assert files_of(mirror(tmp_path), first) == files_of(mirror(tmp_path), second)


async def test_the_project_is_where_its_configuration_is(
    workspaces: Workspaces, project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert await workspaces.repository(project / "docs") == project
    monkeypatch.setenv("HOME", str(project))
    with pytest.raises(Refused, match="is your home folder, and every session would work on"):
        await workspaces.repository(project)
    (project / "longwatch.toml").unlink()
    with pytest.raises(WorkspaceError, match="or `longwatch init`, and agents work on copies"):
        await workspaces.repository(project)
