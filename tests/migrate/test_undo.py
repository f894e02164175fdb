"""Undo: every byte, mode, link and time is as it was, and nothing of yours is lost."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from app.domain.errors import NotFound, Refused
from app.migrate.apply import apply
from app.migrate.undo import look_back, undo
from tests.support.moving import a_plan, a_project, a_source, fingerprint, git


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return a_source(tmp_path)


@pytest.fixture
def project(tmp_path: Path) -> Path:
    return a_project(tmp_path / "project")


def test_migrations_are_taken_back_one_by_one(home: Path, project: Path) -> None:
    os.utime(project, ns=(1_000_000_000, 2_000_000_000))
    states = [fingerprint(project)]
    for soul in ("One.\n", "Two.\n", "Three.\n"):
        apply(a_plan(home, soul=soul), project)
        states.append(fingerprint(project))
    for expected in reversed(states[:-1]):
        seen = look_back(project)
        done = undo(project)
        assert done == seen.model_copy(update={"dry_run": False})
        assert fingerprint(project) == expected
    with pytest.raises(NotFound, match="there is nothing to undo"):
        undo(project)


def test_a_new_folder_goes_away_as_a_whole(home: Path, tmp_path: Path) -> None:
    apply(a_plan(home), tmp_path / "new")
    assert undo(tmp_path / "new").whole_folder
    assert [path.name for path in tmp_path.iterdir()] == ["home"]
    with pytest.raises(NotFound):
        undo(tmp_path / "new")


def test_an_empty_folder_is_empty_again(home: Path, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir(0o711)
    before = fingerprint(tmp_path / "empty")
    apply(a_plan(home), tmp_path / "empty")
    undo(tmp_path / "empty")
    assert fingerprint(tmp_path / "empty") == before


def test_what_was_changed_since_stops_it_or_is_kept_aside(home: Path, project: Path) -> None:
    before = fingerprint(project, times=False)
    apply(a_plan(home), project)
    (project / ".longwatch/agents/scribe/SOUL.md").write_text("mine")
    (project / ".longwatch/agents/more.md").write_text("mine, too")
    after = fingerprint(project)
    with pytest.raises(Refused) as caught:
        undo(project)
    assert str(caught.value) == (
        "changed since the migration: .longwatch/agents/more.md, .longwatch/agents/scribe/SOUL.md;"
        " --force takes it back all the same, and keeps these aside"
    )
    assert fingerprint(project) == after
    done = undo(project, force=True)
    kept = Path(done.kept_in)
    assert (kept / ".longwatch/agents/scribe/SOUL.md").read_text() == "mine"
    assert (kept / ".longwatch/agents/more.md").read_text() == "mine, too"
    assert fingerprint(project, times=False, but=("longwatch-undone-1",)) == before


def test_a_new_folder_in_which_somebody_worked_is_kept(home: Path, tmp_path: Path) -> None:
    target = tmp_path / "new"
    apply(a_plan(home), target)
    (target / "notes.txt").write_text("mine")
    git(target, "add", "notes.txt")
    git(target, "commit", "-qm", "mine")
    with pytest.raises(Refused, match=r"\.git \(commits or branches were made since\), notes\.txt"):
        undo(target)
    done = undo(target, force=True)
    assert not target.exists()
    assert (Path(done.kept_in) / "notes.txt").read_text() == "mine"


def test_commits_in_what_was_an_empty_folder_stay(home: Path, tmp_path: Path) -> None:
    target = tmp_path / "empty"
    target.mkdir()
    apply(a_plan(home), target)
    git(target, "commit", "-q", "--allow-empty", "-m", "mine")
    undo(target, force=True)
    assert "mine" in git(target, "log", "--oneline")
    assert [path.name for path in target.iterdir()] == [".git"]


def test_a_damaged_record_is_told(home: Path, project: Path) -> None:
    apply(a_plan(home), project)
    (record,) = (project / ".longwatch/moved").glob("backup-*/intent.json")
    record.write_text("{")
    with pytest.raises(Refused, match=r"intent\.json cannot be read: it says how"):
        undo(project)
