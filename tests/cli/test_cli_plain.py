"""A project that is no git repository, from `run` to `take`."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from pydantic import TypeAdapter

from app.domain.run import RunState
from tests.support.command_line import CommandLine

CONFIG = """
default_workflow = "change"
[[agent]]
name = "a"
driver = "scripted"
script = ".longwatch/a.toml"
speed = 100.0
[[agent]]
name = "b"
driver = "scripted"
script = ".longwatch/b.toml"
speed = 100.0
"""
SCRIPT = """
[[turn]]
final = "done"
[[turn.event]]
kind = "edit"
path = "{path}"
content = "{content}"
ask = false
"""
FLOW = """
name = "change"
[[step]]
kind = "fan_out"
name = "work"
prompt = "write"
[[step.branch]]
name = "one"
agent = "a"
[[step.branch]]
name = "two"
agent = "b"
[[step]]
kind = "collect"
name = "all"
of = ["work"]
[[step]]
kind = "gate"
name = "check"
[[step.gate]]
name = "size"
max_diff_lines = 10
allow_paths = ["*.txt", "docs/**"]
[[step.gate]]
name = "there"
shell = "test -f a.txt && test -f docs/b.txt && git diff --quiet HEAD"
"""


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    files = {
        "longwatch.toml": CONFIG,
        "a.txt": "old\n",
        ".longwatch/workflows/change.toml": FLOW,
        ".longwatch/a.toml": SCRIPT.format(path="a.txt", content="new\\n"),
        ".longwatch/b.toml": SCRIPT.format(path="docs/b.txt", content="b\\n"),
        ".longwatch/secrets.env": "KEY=planted\n",
    }
    for name, text in files.items():
        (tmp_path / "project" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "project" / name).write_text(text)
    monkeypatch.chdir(tmp_path / "project")
    monkeypatch.setenv("LONGWATCH_STORE", str(tmp_path / "store"))
    return tmp_path / "project"


def test_agents_work_on_copies_and_the_result_is_taken_over(
    longwatch: CommandLine, project: Path, tmp_path: Path
) -> None:
    ran = longwatch("run", "write", "--headless", "--json")
    assert ran.code == 0, ran.err
    assert f"note: {project} is no git repository: each session works on a private" in ran.err
    run = TypeAdapter(RunState).validate_json(ran.out).run
    assert run.copied
    assert (project / "a.txt").read_text() == "old\n"
    assert not (project / "docs").exists()

    take = f"longwatch take {run.run_id}"
    assert f"its work  is on a copy: `{take}` brings it into" in longwatch("show", run.run_id).out
    assert "-old\n+new" in longwatch("diff", run.run_id).out
    for left in (tmp_path / "store/workspaces").rglob("secrets.env"):
        raise AssertionError(left)

    (project / "a.txt").write_text("mine\n")
    refused = longwatch("take", run.run_id, "--yes")
    assert refused.code == 1
    assert "have both changed a.txt: nothing was taken over" in refused.err
    assert not (project / "docs").exists()

    (project / "a.txt").write_text("old\n")
    (project / "mine.txt").write_text("kept")
    taken = longwatch("take", run.run_id, "--yes")
    assert taken.out == f"the work of run {run.run_id} is in {project}: 2 files changed\n"
    assert re.search(r"its work  .* took it over, \d+s ago", longwatch("show", run.run_id).out)
    trace = longwatch("trace", run.run_id).out
    assert re.search(r"dispatch +take_over .*\n.*execution +taken_over +- +2 files", trace), trace
    assert longwatch("verify").code == 0
    assert (project / "a.txt").read_text() == "new\n"
    assert (project / "docs/b.txt").read_text() == "b\n"
    assert (project / "mine.txt").read_text() == "kept"
    assert "already" in longwatch("take", run.run_id, "--yes").out
    assert not (project / ".git").exists()

    cleaned = longwatch("worktrees", "clean")
    assert cleaned.code == 0
    for line in cleaned.out.splitlines():
        assert line.startswith("removed: the worktree of longwatch/"), line
        assert "the branch stays" not in line  # all of it was taken over
    assert longwatch("worktrees").out == "no session has a worktree\n"
