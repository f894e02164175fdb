"""`longwatch workflow`: list, check, show, and import of OpenFang's files."""

from __future__ import annotations

import json
import tomllib
from pathlib import Path
from typing import Any

import pytest

from tests.support.command_line import CommandLine
from tests.support.puppet import a_project

FANG = """{
  "id": "7f", "name": "Ship It!", "description": "for ships", "colour": "red",
  "steps": [
    {"name": "Plan", "agent": {"name": "coder"}, "prompt_template": "Plan {{input}} {x}"},
    {"name": "a", "agent": {"name": "coder"}, "prompt_template": "{{input}}", "mode": "fan_out"},
    {"name": "b", "agent": {"name": "coder"}, "prompt_template": "{{input}}", "mode": "fan_out"},
    {"name": "sum", "agent": {"name": "coder"}, "prompt_template": "", "mode": "collect"},
    {"name": "grow", "agent": {"name": "coder"}, "prompt_template": "{{input}}",
     "mode": {"loop": {"max_iterations": 2, "until": "ok"}}},
    {"name": "check", "agent": {"name": "reviewer"}, "prompt_template": "{{input}}",
     "mode": {"review": {"reject_if_contains": "no", "return_to_step": "plan"}}}
  ]
}"""
WORKFLOWS = ".longwatch/workflows"


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    root = a_project(tmp_path / "project")
    config = root / "longwatch.toml"
    config.write_text(config.read_text() + '[[route]]\nworkflow = "Ship-It"\nuser = "ann"\n')
    (root / "ship.json").write_text(FANG)
    monkeypatch.chdir(root)
    return root


@pytest.fixture
def plain(project: Path) -> Path:
    """The same without a route to a workflow that is not there yet."""
    config = project / "longwatch.toml"
    config.write_text(config.read_text().partition("[[route]]")[0])
    return project


def test_a_file_of_openfang_is_a_workflow_as_it_is(longwatch: CommandLine, project: Path) -> None:
    (project / "ship.json").rename(project / WORKFLOWS / "ship.json")
    ran = longwatch("workflow", "list")
    assert ran.code == 0, ran.err
    assert [line.split()[0] for line in ran.out.splitlines()] == ["workflow", "change", "Ship-It"]
    listed = {one["name"]: one for one in longwatch("workflow", "list", "--json").json()}
    assert listed["Ship-It"]["file"] == f"{WORKFLOWS}/ship.json"
    assert listed["Ship-It"]["routes"] == ["route 1: user ann"]
    assert listed["change"]["routes"] == ["the default, when no route matches"]
    checked = longwatch("workflow", "check")
    assert checked.code == 0
    assert f"note: {WORKFLOWS}/ship.json: colour: is no key" in checked.out


def test_show_tells_the_graph(longwatch: CommandLine, project: Path) -> None:
    (project / "ship.json").rename(project / WORKFLOWS / "ship.json")
    out = longwatch("workflow", "show", "Ship-It").out
    for line in (
        "chosen by route 1: user ann",
        "Plan  agent  coder",
        "sum  collect\n  after a, b\n  joins a, b",
        "check  review  reviewer\n  after grow\n  judges grow, sends back to Plan, 3 times at most",
        '  repeated until "ok" in output | lower, 2 times at most',
        "colour: is no key of an OpenFang workflow",
    ):
        assert line in out
    shown = longwatch("workflow", "show", "Ship-It", "--json").json()
    assert [step["needs"] for step in shown["steps"]][:4] == [[], ["Plan"], ["Plan"], ["a", "b"]]
    wrong = longwatch("workflow", "show", "Ship")
    assert wrong.code == 1
    assert 'did you mean "Ship-It"?' in wrong.err


def test_import_writes_what_reads_the_same(longwatch: CommandLine, plain: Path) -> None:
    ran = longwatch("workflow", "import", "ship.json")
    assert ran.code == 0, ran.err
    file = plain / WORKFLOWS / "Ship-It.toml"
    assert ran.out.startswith(f"wrote {file}: workflow Ship-It, 6 steps\n")
    assert "colour: is no key of an OpenFang workflow; left out" in ran.out
    text = file.read_text()
    assert "# - colour: is no key" in text
    assert tomllib.loads(text)["step"][0]["prompt"] == 'Plan {{ input }} {{ "{" }}x}'
    imported = longwatch("workflow", "show", "Ship-It", "--json").json()
    file.unlink()
    (plain / "ship.json").rename(plain / WORKFLOWS / "ship.json")
    as_it_is = longwatch("workflow", "show", "Ship-It", "--json").json()
    assert imported["steps"] == as_it_is["steps"]
    assert imported["description"] == as_it_is["description"]


def test_import_replaces_nothing_unasked(longwatch: CommandLine, plain: Path) -> None:
    file = plain / WORKFLOWS / "Ship-It.toml"
    file.write_text("mine")
    refused = longwatch("workflow", "import", "ship.json")
    assert (refused.code, file.read_text()) == (1, "mine")
    assert "--force replaces it" in refused.err
    assert longwatch("workflow", "import", "ship.json", "--force").code == 0
    assert file.read_text() != "mine"


def test_import_makes_no_second_workflow_of_a_name(longwatch: CommandLine, plain: Path) -> None:
    inside = plain / WORKFLOWS / "ship.json"
    (plain / "ship.json").rename(inside)
    refused = longwatch("workflow", "import", inside)
    assert refused.code == 1
    assert "declares a workflow" in refused.err
    assert not (plain / WORKFLOWS / "Ship-It.toml").exists()


def test_a_dry_run_writes_nothing(longwatch: CommandLine, plain: Path) -> None:
    ran = longwatch("workflow", "import", "ship.json", "--dry-run")
    assert ran.code == 0
    assert tomllib.loads(ran.out)["name"] == "Ship-It"
    told = longwatch("workflow", "import", "ship.json", "--dry-run", "--json").json()
    assert told["written"] is False
    assert [path.name for path in (plain / WORKFLOWS).iterdir()] == ["change.toml"]


def test_import_into_another_folder(longwatch: CommandLine, plain: Path) -> None:
    assert longwatch("workflow", "import", "ship.json", "--to", "new/place").code == 0
    assert (plain / "new/place/Ship-It.toml").exists()


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"agent": {"name": "codr"}}, 'steps[0].agent: no agent "codr" in longwatch.toml'),
        ({"mode": "sequentiel"}, 'did you mean "sequential"?'),
        ({"timeout_secs": "1"}, 'steps[0].timeout_secs: must be a whole number, not "1"'),
    ],
)
def test_what_is_wrong_is_told_with_its_place(
    longwatch: CommandLine, plain: Path, change: dict[str, Any], said: str
) -> None:
    data = json.loads(FANG)
    data["steps"][0] |= change
    (plain / WORKFLOWS / "ship.json").write_text(json.dumps(data, indent=1))
    for command in (("list",), ("check",), ("import", f"{WORKFLOWS}/ship.json")):
        ran = longwatch("workflow", *command)
        assert ran.code == 1
        assert f"{WORKFLOWS}/ship.json:" in ran.err
        assert said in ran.err


def test_files_that_cannot_be_read(longwatch: CommandLine, plain: Path) -> None:
    (plain / "latin.json").write_bytes(b'{"name": "\xe9"}')
    (plain / "half.json").write_text('{\n"name": ')
    ran = longwatch("workflow", "check", "none.json", "latin.json", "half.json", "ship.json")
    assert ran.code == 1
    assert "none.json: cannot be read: No such file" in ran.err
    assert "latin.json:1: is not UTF-8 text" in ran.err
    assert "half.json:2: not valid JSON" in ran.err
    assert "ship.json: right" in ran.out
