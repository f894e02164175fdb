"""The demo's project: a real repository, made whole or not at all, deaf to the machine's git."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from app.agents.scripted import load_script
from app.demo import DemoError, DemoProject, make_demo
from app.demo.git import git
from app.domain.step import ReviewStep
from app.engine.project import load_project


@pytest.fixture
def demo(tmp_path: Path) -> DemoProject:
    return make_demo(tmp_path / "demo", speed=250)


def test_it_is_a_project_that_longwatch_can_run(demo: DemoProject) -> None:
    project = load_project(demo.root)
    assert project.route(demo.request).workflow == demo.workflow
    recipe = project.recipe(demo.workflow)
    assert [agent.name for agent in recipe.agents] == ["planner", "reviewer", "coder"]
    assert {agent.speed for agent in recipe.agents} == {250}
    for agent in recipe.agents:
        assert load_script(Path(agent.script)).role == agent.name
    review = recipe.workflow.step("plan-review")
    assert isinstance(review, ReviewStep) and review.by == ("reviewer", "operator")


def test_its_history_is_clean_and_pushed(demo: DemoProject) -> None:
    subjects = git(demo.root, "log", "--format=%s (%an)").splitlines()
    assert subjects == [
        "Configure Longwatch (Jonas Lind)",
        "Specify retries (Jonas Lind)",
        "Upload files to the object store (Marta Kovac)",
    ]
    assert git(demo.root, "status", "--porcelain") == ""
    assert git(demo.root, "branch", "--format=%(refname)") == "refs/heads/main\n"
    there = git(demo.origin, "for-each-ref", "--format=%(refname)").splitlines()
    assert there == ["refs/heads/main", "refs/heads/release-candidate"]
    only_there = git(demo.origin, "log", "--format=%s", "main..release-candidate")
    assert only_there == "Percent-encode object names that hold spaces\n"


def test_what_is_wanted_is_not_there_yet(demo: DemoProject) -> None:
    def run(*tests: str) -> subprocess.CompletedProcess[str]:
        command = ["python3", "-m", "unittest", "-q", *tests]
        return subprocess.run(command, cwd=demo.root, capture_output=True, text=True, check=False)

    assert run("tests.test_client").returncode == 0
    everything = run()
    assert everything.returncode == 1 and "FAILED (errors=8)" in everything.stderr
    assert git(demo.root, "status", "--porcelain") == ""


def test_the_same_demo_has_the_same_commits(tmp_path: Path) -> None:
    heads = {git(make_demo(tmp_path / n).root, "rev-parse", "HEAD") for n in ("a", "b")}
    assert len(heads) == 1


def test_only_pushes_after_it_is_made_are_counted(demo: DemoProject) -> None:
    assert demo.pushed() == []
    git(demo.root, "push", "--quiet", "origin", "HEAD:refs/heads/x", "HEAD:refs/heads/y")
    git(demo.root, "push", "--quiet", "origin", "HEAD:refs/heads/x")  # changes nothing
    assert demo.pushed() == ["refs/heads/x", "refs/heads/y"]


def test_the_machines_git_settings_do_not_matter(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hooks = tmp_path / "hooks"
    hooks.mkdir()
    for name in ("pre-commit", "post-receive", "pre-push"):
        (hooks / name).write_text("#!/bin/sh\nexit 1\n")
        (hooks / name).chmod(0o755)
    (tmp_path / "gitconfig").write_text(
        f"[core]\nhooksPath = {hooks}\nautocrlf = true\n[commit]\ngpgsign = true\n"
        "[init]\ndefaultBranch = trunk\n[user]\nuseConfigOnly = true\n"
    )
    monkeypatch.setenv("GIT_DIR", str(tmp_path / "nowhere"))
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", str(tmp_path / "gitconfig"))
    demo = make_demo(tmp_path / "demo")
    monkeypatch.delenv("GIT_DIR")
    # An agent's git reads that configuration too.
    commands = "git commit -q --allow-empty -m x && git push -q origin HEAD:refs/heads/x"
    subprocess.run(["sh", "-c", commands], cwd=demo.root, check=True)
    assert demo.pushed() == ["refs/heads/x"]


def test_a_finished_demo_is_left_as_it_is(demo: DemoProject) -> None:
    (demo.root / "notes").write_text("mine")
    assert make_demo(demo.root.parent, speed=1) == demo
    assert (demo.root / "notes").read_text() == "mine"


def test_a_demo_that_was_cut_off_is_made_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stop(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("app.demo.project._candidate", stop)
        with pytest.raises(KeyboardInterrupt):
            make_demo(tmp_path / "demo")
    demo = make_demo(tmp_path / "demo")
    assert "release-candidate" in git(demo.origin, "branch", "--format=%(refname:short)")


def test_somebody_elses_folder_is_not_touched(tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("precious")
    with pytest.raises(DemoError, match="is not empty: name a folder that is new or empty"):
        make_demo(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.txt"]


def test_a_folder_that_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(DemoError, match=r"cannot be made in .*file"):
        make_demo(tmp_path / "file")


@pytest.mark.parametrize("speed", [0, -1, float("inf"), float("nan")])
def test_a_speed_is_a_number_above_zero(tmp_path: Path, speed: float) -> None:
    with pytest.raises(DemoError, match="a speed must be"):
        make_demo(tmp_path / "demo", speed=speed)


@pytest.mark.parametrize("missing", ["git", "python3"])
def test_a_missing_program_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, missing: str
) -> None:
    programs = tmp_path / "bin"
    programs.mkdir()
    other = {"git": "python3", "python3": "git"}[missing]
    (programs / other).write_text("#!/bin/sh\n")
    (programs / other).chmod(0o755)
    monkeypatch.setenv("PATH", str(programs))
    with pytest.raises(DemoError, match=f"the demo needs {missing} for"):
        make_demo(tmp_path / "demo")
    assert not (tmp_path / "demo").exists()
