"""Projects: files are checked against each other, and what is missing says what to do."""

from __future__ import annotations

from pathlib import Path

import pytest

from app.domain.errors import ConfigError, NotFound, Refused
from app.domain.request import Request
from app.engine.project import Project, load_project
from app.engine.project_report import project_report

CONFIG = """\
[[agent]]
name = "writer"
driver = "scripted"
script = "scripts/writer.toml"
[[agent]]
name = "critic"
driver = "codex"
[[agent]]
name = "idle"
driver = "codex"
[[route]]
workflow = "careful"
user = "ann"
[[approval.rule]]
name = "harmless"
max_risk = "low"
action = "allow"
"""
CAREFUL = """\
name = "careful"
[[step]]
name = "plan"
agent = "writer"
prompt = "{{ request.text }}"
[[step]]
kind = "review"
name = "r"
of = "plan"
by = ["critic", "operator"]
return_to = "plan"
"""
QUICK = CAREFUL.split("[[step]]\nkind")[0].replace("careful", "quick")


@pytest.fixture
def root(tmp_path: Path) -> Path:
    write(tmp_path, "longwatch.toml", CONFIG)
    write(tmp_path, ".longwatch/workflows/careful.toml", CAREFUL)
    write(tmp_path, ".longwatch/workflows/quick.toml", QUICK)
    write(tmp_path, "scripts/writer.toml", "")
    return tmp_path


def write(root: Path, name: str, text: str) -> None:
    path = root / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def refused(root: Path) -> str:
    with pytest.raises(ConfigError) as caught:
        load_project(root)
    return str(caught.value)


def test_a_recipe_pins_the_workflow_its_agents_and_the_rules(root: Path) -> None:
    recipe = load_project(root).recipe("careful")
    assert [agent.name for agent in recipe.agents] == ["writer", "critic"]
    assert [rule.name for rule in recipe.rules] == ["harmless"]
    assert recipe.workflow.name == "careful"


def test_a_script_is_found_from_the_root_and_pinned_as_an_absolute_path(root: Path) -> None:
    assert load_project(root).recipe("quick").agents[0].script == str(
        (root / "scripts/writer.toml").resolve()
    )


def test_an_unknown_workflow_names_the_ones_there_are(root: Path) -> None:
    with pytest.raises(NotFound) as caught:
        load_project(root).recipe("carefull")
    assert str(caught.value) == (
        'no workflow "carefull"; did you mean "careful"? Allowed: careful, quick'
    )


def test_a_request_is_routed_with_the_reason(root: Path) -> None:
    project = load_project(root)
    choice = project.route(Request(text="t", user="Ann"))
    assert (choice.workflow, choice.rule) == ("careful", 0)
    assert choice.why == "route 1 (user ann) matches with the highest score, 8"
    assert [report.matches for report in project.explain(Request(text="t", user="bob"))] == [False]


def test_without_a_match_the_default_workflow_answers_if_there_is_one(root: Path) -> None:
    with pytest.raises(Refused, match=r"^no route in longwatch\.toml matches .*user bob, channel"):
        load_project(root).route(Request(text="t", user="bob"))
    write(root, "longwatch.toml", 'default_workflow = "quick"\n' + CONFIG)
    assert load_project(root).route(Request(text="t", user="bob")).workflow == "quick"


ROLLOUT = """\
[[route]]
workflow = "answers"
channel = "web"
[[rollout]]
name = "answers"
[rollout.stable]
"""


@pytest.mark.parametrize(
    ("stable", "off", "wins"),
    [
        ('command = ["cat"]', "", "answers"),
        ('workflow = "quick"', "", "answers"),
        ('workflow = "quick"', "quick", "careful"),
    ],
)
def test_a_route_leads_to_a_rollout_whatever_its_stable_path_is(
    root: Path, stable: str, off: str, wins: str
) -> None:
    everybody = '[[route]]\nworkflow = "careful"\n'
    write(root, "longwatch.toml", CONFIG + everybody + ROLLOUT + stable)
    if off:
        write(root, f".longwatch/workflows/{off}.toml", f"enabled = false\n{QUICK}")
    request = Request(text="t", user="bob", channel="web")
    assert load_project(root).route(request).workflow == wins
    choice = project_report(root).choose(request)
    assert choice is not None and choice.workflow == wins


def test_a_missing_configuration_says_how_to_make_one(tmp_path: Path) -> None:
    assert refused(tmp_path) == f"no longwatch.toml in {tmp_path}; run `longwatch init` there"


def test_missing_workflows_say_how_to_make_one(tmp_path: Path) -> None:
    write(tmp_path, "longwatch.toml", CONFIG)
    folder = tmp_path / ".longwatch/workflows"
    assert refused(tmp_path) == f"no workflow (*.toml) in {folder}; run `longwatch init`"


def test_a_script_that_is_not_there_is_found_at_load(root: Path) -> None:
    (root / "scripts/writer.toml").unlink()
    assert refused(root) == (
        f"longwatch.toml:4: agent[0].script: {root}/scripts/writer.toml is not a file that can be"
        " read"
    )


def test_a_route_to_a_workflow_that_is_not_there_is_found_at_load(root: Path) -> None:
    write(root, "longwatch.toml", CONFIG.replace('workflow = "careful"', 'workflow = "quik"'))
    assert refused(root) == (
        'longwatch.toml:12: route[0].workflow: no workflow "quik"; did you mean "quick"? '
        "Allowed: careful, quick"
    )


def test_two_workflows_cannot_share_a_name(root: Path) -> None:
    write(root, ".longwatch/workflows/quick.toml", "\n" + CAREFUL)
    assert refused(root) == (
        ".longwatch/workflows/quick.toml:2: name: .longwatch/workflows/careful.toml has a workflow"
        ' "careful" already'
    )


def test_an_agent_that_a_workflow_names_must_be_configured(root: Path) -> None:
    write(root, ".longwatch/workflows/quick.toml", QUICK.replace("writer", "writter"))
    assert refused(root) == (
        '.longwatch/workflows/quick.toml:4: step[0].agent: no agent "writter" in longwatch.toml; '
        'did you mean "writer"? Allowed: writer, critic, idle'
    )


def test_a_file_that_is_not_text_names_the_line(root: Path) -> None:
    (root / "longwatch.toml").write_bytes(b"# one\n# t\xffo\n")
    assert refused(root) == "longwatch.toml:2: is not UTF-8 text; save it as UTF-8"


def test_a_folder_in_place_of_the_file_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "longwatch.toml").mkdir()
    assert refused(tmp_path) == "longwatch.toml: cannot be read: Is a directory"


def test_a_byte_order_mark_does_no_harm(root: Path) -> None:
    (root / "longwatch.toml").write_text(CONFIG, "utf-8-sig")
    assert isinstance(load_project(root), Project)


def test_files_of_instructions_are_read_and_pinned(root: Path) -> None:
    write(root, "agents/SOUL.md", "\ufeffYou are kind.\n")
    write(root, "agents/EMPTY.md", "\n")
    more = (
        'instructions = "Be brief."\ninstructions_files = ["agents/SOUL.md", "agents/EMPTY.md"]\n'
    )
    write(root, "longwatch.toml", CONFIG.replace('name = "critic"\n', 'name = "critic"\n' + more))
    recipe = load_project(root).recipe("careful")
    assert recipe.agent("critic").instructions == "Be brief.\n\nagents/SOUL.md:\n\nYou are kind."
    write(root, "agents/SOUL.md", "You are unkind.")
    assert load_project(root).recipe("careful").digest != recipe.digest


def test_files_of_instructions_that_cannot_be_used_are_named(root: Path) -> None:
    more = 'instructions_files = ["none.md", "scripts"]\n'
    write(root, "longwatch.toml", CONFIG.replace('name = "critic"\n', 'name = "critic"\n' + more))
    assert refused(root) == (
        "longwatch.toml:7: agent[1].instructions_files[0]: none.md: is not a file that can be read"
        " (and 1 more problem in this file)"
    )
    for outside in ("../x.md", "/etc/passwd", "."):
        changed = CONFIG.replace('"critic"\n', f'"critic"\ninstructions_files = ["{outside}"]\n')
        write(root, "longwatch.toml", changed)
        assert f'"{outside}" does not name a file inside the project' in refused(root)


def test_a_private_file_is_absolute_in_the_recipe_and_must_be_private(root: Path) -> None:
    write(root, "longwatch.toml", 'env_file = ".longwatch/secrets.env"\n' + CONFIG)
    path = root / ".longwatch/secrets.env"
    assert load_project(root).recipe("careful").env_file == str(path)  # it need not be there
    path.touch(0o644)
    assert refused(root) == (
        f"longwatch.toml:1: env_file: {path}: holds secrets and others may use it (mode 0644): run"
        f" `chmod 600 {path}`"
    )
