"""`longwatch init`: what it writes loads, fits the repository, and overwrites nothing."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest

from app.agents.known import KNOWN, KnownAgent, known
from app.domain.approval import Action
from app.domain.errors import ConfigError, Refused
from app.domain.request import Request, Risk
from app.domain.step import AgentStep, ReviewStep
from app.engine.initialise import initialise
from app.engine.project import load_project

CODEX = Path("/usr/bin/codex")
PACKAGE = json.dumps({"scripts": {"test": "jest"}})
EMPTY_PACKAGE = json.dumps({"scripts": {"test": 'echo "Error: no test specified" && exit 1'}})
MAIN = '"$(git rev-parse --path-format=absolute --git-common-dir)/..'


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / ".git").mkdir()
    return tmp_path


def write(root: Path, files: dict[str, str]) -> None:
    for name, text in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)


def gate_of(root: Path) -> str:
    step = load_project(root).workflows["change"].step("implement")
    assert isinstance(step, AgentStep)
    return step.gates[0].shell if step.gates else ""


REPOSITORIES = {
    "nothing": ({}, "", "no test command was recognised"),
    "pytest": (
        {"tests/test_a.py": "", "pyproject.toml": ""},
        "python3 -m pytest -q",
        "there are tests/ and pyproject.toml",
    ),
    "pytest by its own file": (
        {"test_a.py": "", "pytest.ini": "[pytest]\n"},
        "python3 -m pytest -q",
        "there are test_*.py and pytest.ini",
    ),
    "pytest in setup.cfg": (
        {"test/a.py": "", "setup.cfg": "[x]\n[tool:pytest]\n"},
        "python3 -m pytest -q",
        "there are test/ and setup.cfg",
    ),
    "setup.cfg without pytest": ({"tests/a.py": "", "setup.cfg": "[x]\n"}, "", "no test command"),
    "uv": (
        {"tests/a.py": "", "pyproject.toml": "", "uv.lock": ""},
        "uv run python -m pytest -q",
        "there are tests/",
    ),
    "a virtual environment": (
        {"tests/a.py": "", "pyproject.toml": "", ".venv/bin/python": ""},
        f'{MAIN}/.venv/bin/python" -m pytest -q',
        "there are tests/",
    ),
    "pyproject without tests": ({"pyproject.toml": ""}, "", "no test command was recognised"),
    "npm": ({"package.json": PACKAGE}, "npm test", "package.json has a test script"),
    "npm with a lock": (
        {"package.json": PACKAGE, "package-lock.json": ""},
        "{ [ -d node_modules ] || npm ci; } && npm test",
        "there is package-lock.json",
    ),
    "npm without a test": ({"package.json": EMPTY_PACKAGE}, "", "no test command was recognised"),
    "a broken package.json": ({"package.json": "{"}, "", "no test command was recognised"),
    "a list as package.json": ({"package.json": "[]"}, "", "no test command was recognised"),
    "cargo": ({"Cargo.toml": ""}, "cargo test", "there is a Cargo.toml"),
    "go": ({"go.mod": ""}, "go test ./...", "there is a go.mod"),
    "make": ({"Makefile": "all:\ntest: all\n\ttrue\n"}, "make test", "Makefile has the target"),
    "make without a test": ({"Makefile": "test := 1\n"}, "", "no test command was recognised"),
    "several": (
        {"Cargo.toml": "", "Makefile": "test:\n"},
        "cargo test",
        "there is a Cargo.toml. Also possible here: `make test`.",
    ),
}


@pytest.mark.parametrize("name", REPOSITORIES)
def test_the_gate_fits_the_repository_and_the_result_loads(root: Path, name: str) -> None:
    files, gate, why = REPOSITORIES[name]
    write(root, files)
    result = initialise(root, agent=known("codex"), found=CODEX)
    assert gate_of(root) == gate
    assert why in result.choices[2]
    assert result.files == (Path("longwatch.toml"), Path(".longwatch/workflows/change.toml"))
    assert ("is put to you, except `" in result.choices[1]) is bool(gate)
    rules = load_project(root).config.rules
    assert [rule.name for rule in rules if rule.name == "tests"] == (["tests"] if gate else [])


def test_planning_and_reviewing_cannot_write(root: Path) -> None:
    initialise(root, agent=known("codex"), found=CODEX)
    project = load_project(root)
    sandboxes = {agent.name: agent.sandbox for agent in project.config.agent}
    assert sandboxes == {
        "planner": "read-only",
        "reviewer": "read-only",
        "implementer": "workspace-write",
    }
    for name in ("planner", "reviewer"):
        (last,) = [rule for rule in project.config.rules if rule.match.agent == name]
        assert (last.action, last.match.min_risk) == (Action.DENY, Risk.MEDIUM)
        assert last.reason
    assert not any(rule.allow_critical for rule in project.config.rules)


def test_the_plan_is_judged_by_an_agent_and_then_by_the_operator(root: Path) -> None:
    initialise(root, agent=known("codex"), found=CODEX)
    project = load_project(root)
    workflow = project.workflows[project.route(Request(text="t", user="u")).workflow]
    assert [step.name for step in workflow.steps] == ["plan", "plan-review", "implement"]
    review = workflow.steps[1]
    assert isinstance(review, ReviewStep)
    assert (review.of, review.by, review.return_to) == ("plan", ("reviewer", "operator"), "plan")


def test_codex_is_named_where_it_was_found_or_how_to_install_it(root: Path) -> None:
    found = initialise(root, agent=known("codex"), found=CODEX)
    assert found.choices[0] == (
        "Agents: Codex, found at /usr/bin/codex, as planner, reviewer and implementer."
        " Signed in? Else: codex login."
    )
    missing = initialise(root, agent=known("codex"), found=None, force=True)
    assert missing.choices[0].startswith("Agents: Codex was not found on PATH.")
    assert "`npm install -g @openai/codex`" in missing.choices[0]
    assert {agent.driver for agent in load_project(root).config.agent} == {"codex"}


@pytest.mark.parametrize("agent", KNOWN, ids=lambda agent: agent.name)
def test_every_known_agent_can_have_all_roles(root: Path, agent: KnownAgent) -> None:
    initialise(root, agent=agent, found=None)
    agents = load_project(root).config.agent
    assert [a.name for a in agents] == ["planner", "reviewer", "implementer"]
    assert {(a.driver, a.command, a.env) for a in agents} == {
        (agent.driver, agent.command, agent.env)
    }
    assert [a.sandbox for a in agents] == ["read-only", "read-only", "workspace-write"]


def test_existing_files_are_kept_and_named(root: Path) -> None:
    write(root, {".longwatch/workflows/change.toml": "mine"})
    with pytest.raises(Refused) as caught:
        initialise(root, agent=known("codex"), found=None)
    assert str(caught.value) == (
        ".longwatch/workflows/change.toml exists already; --force replaces it"
    )
    assert not (root / "longwatch.toml").exists()
    initialise(root, agent=known("codex"), found=None, force=True)
    with pytest.raises(Refused) as caught:
        initialise(root, agent=known("codex"), found=None)
    assert str(caught.value) == (
        "longwatch.toml and .longwatch/workflows/change.toml exist already; --force replaces them"
    )
    assert sorted(path.name for path in root.iterdir()) == [".git", ".longwatch", "longwatch.toml"]


def test_a_link_that_leads_nowhere_is_not_written_through(root: Path, tmp_path: Path) -> None:
    (root / "longwatch.toml").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(Refused, match="exists already"):
        initialise(root, agent=known("codex"), found=None)


def test_a_plain_folder_uses_its_own_virtual_environment(tmp_path: Path) -> None:
    root = tmp_path / "my project"
    write(root, {"pyproject.toml": "", "tests/test_a.py": "", ".venv/bin/python": ""})
    made = initialise(root, agent=known("codex"), found=None)
    assert any(f"`'{root}/.venv/bin/python' -m pytest -q`" in told for told in made.choices)
    assert not (root / ".git").exists()


def test_a_place_that_cannot_be_written_is_one_sentence(root: Path) -> None:
    write(root, {".longwatch": "a file"})
    with pytest.raises(ConfigError) as caught:
        initialise(root, agent=known("codex"), found=None)
    assert str(caught.value) == (
        f"{root}/.longwatch/workflows/change.toml: cannot be written: Not a directory"
    )
    assert not (root / "longwatch.toml").exists()


def test_the_python_of_the_main_checkout_is_found_from_a_worktree(tmp_path: Path) -> None:
    main, tree = tmp_path / "main", tmp_path / "tree"
    git = ["git", "-C", str(main), "-c", "user.name=a", "-c", "user.email=a@b"]
    subprocess.run(["git", "init", "-q", str(main)], check=True)
    subprocess.run([*git, "commit", "-q", "--allow-empty", "-m", "x"], check=True)
    subprocess.run([*git, "worktree", "add", "-q", str(tree)], check=True, capture_output=True)
    write(
        main, {"tests/a.py": "", "pyproject.toml": "", "venv/bin/python": '#!/bin/sh\necho "$@"\n'}
    )
    (main / "venv/bin/python").chmod(0o755)
    initialise(main, agent=known("codex"), found=None)
    ran = subprocess.run(gate_of(main), shell=True, cwd=tree, capture_output=True, text=True)
    assert (ran.stdout, ran.returncode) == ("-m pytest -q\n", 0)
