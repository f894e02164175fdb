"""`longwatch migrate` in a shell: found, looked at, moved in, again, and taken back."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from app.domain.migration import MigrationPlan
from app.migrate import openclaw
from app.migrate.disk import Disk
from tests.support.command_line import CommandLine
from tests.support.moving import SECRET, a_plan, a_source, fingerprint, git


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A person's home with an installation, which a canned reader reads."""
    person = tmp_path / "person"
    person.mkdir()
    source = a_source(person)
    source.rename(person / ".openclaw")
    (person / ".openclaw/openclaw.json").write_text("{}")
    monkeypatch.setenv("HOME", str(person))
    monkeypatch.setenv("LONGWATCH_STORE", str(tmp_path / "store"))
    monkeypatch.setattr(Disk, "sync_all", lambda self, path: None)
    monkeypatch.setattr(openclaw, "read_openclaw", _read)
    return person


def _read(source: Path, *, environment: object) -> MigrationPlan:
    return a_plan(source)


def test_a_home_is_found_moved_in_once_and_taken_back(longwatch: CommandLine, home: Path) -> None:
    (found,) = longwatch("migrate", "detect", "--json").json()
    assert (found["system"], found["path"]) == ("openclaw", str(home / ".openclaw"))
    dry = longwatch("migrate", "openclaw", "--dry-run", "--json").json()
    assert not (home / "longwatch").exists()
    done = longwatch("migrate", "openclaw", "--yes", "--json").json()
    assert {**done, "dry_run": True, "report_file": ""} == dry
    assert done["keys"] == {"total": 3, "mapped": 1, "archived": 1, "refused": 0, "secret": 1}
    again = longwatch("migrate", "openclaw", "--yes")
    assert "nothing was changed, for everything is as it would be made" in again.out
    back = longwatch("migrate", "undo", "--yes", "--json").json()
    assert back["whole_folder"] and not (home / "longwatch").exists()
    gone = longwatch("migrate", "undo", "--yes")
    assert gone.code == 1 and "there is nothing to undo" in gone.err


def test_words_and_reports_have_no_secret(
    longwatch: CommandLine, home: Path, tmp_path: Path
) -> None:
    target, page, data = home / "t", tmp_path / "r.md", tmp_path / "r.json"
    source = str(home / ".openclaw")
    said = longwatch(
        "migrate", "openclaw", source, "--to", str(target), "--yes", "--report", str(page)
    )
    assert said.code == 0
    assert said.out.index("warning: openclaw.json: agents[0]: a tool") < said.out.index(
        "agent scribe"
    )
    assert f"1. cd {target} && longwatch" in said.out
    longwatch(
        "migrate", "openclaw", source, "--to", str(target), "--dry-run", "--report", str(data)
    )
    assert json.loads(data.read_text())["unchanged"] is True
    lines = page.read_text().splitlines()
    assert r"| skill | a\|b \<i\> | it is code |" in lines
    assert SECRET not in said.out + page.read_text() + data.read_text()


def test_without_a_terminal_nobody_is_asked(longwatch: CommandLine, home: Path) -> None:
    for words in (("openclaw",), ("undo",)):
        ran = longwatch("migrate", *words)
        assert ran.code == 1 and "give --yes, or --dry-run" in ran.err
    assert "needs a terminal" in longwatch("migrate").err
    assert not (home / "longwatch").exists()


def test_a_report_that_has_no_place_is_told_before_anything_is_made(
    longwatch: CommandLine, home: Path
) -> None:
    ran = longwatch("migrate", "openclaw", "--yes", "--report", str(home / "none/r.md"))
    assert ran.code == 1 and "there is no such folder" in ran.err
    assert not (home / "longwatch").exists()


def test_what_is_not_there_is_told(longwatch: CommandLine, home: Path) -> None:
    shutil.rmtree(home / ".openclaw")
    assert "no home of openclaw was found" in longwatch("migrate", "openclaw", "--yes").err
    assert longwatch("migrate", "detect").out.startswith(
        "no home of OpenClaw or OpenFang was found"
    )


def test_an_undo_finds_the_project_that_it_is_called_in(
    longwatch: CommandLine, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    project = home / "p"
    project.mkdir()
    git(project, "init", "-q")
    before = fingerprint(project)
    longwatch("migrate", "openclaw", "--to", str(project), "--yes")
    monkeypatch.chdir(project)
    seen = longwatch("migrate", "undo", "--dry-run")
    assert "would be removed: longwatch.toml" in seen.out
    soul = project / ".longwatch/agents/scribe/SOUL.md"
    soul.write_text("mine")
    refused = longwatch("migrate", "undo", "--yes")
    assert refused.code == 1 and "--force takes it back all the same" in refused.err
    forced = longwatch("migrate", "undo", "--yes", "--force")
    assert f"what was changed since is kept in {project}/longwatch-undone-1" in forced.out
    assert (
        fingerprint(project, folder_times=False, but=("longwatch-undone-1",)).keys()
        == before.keys()
    )
