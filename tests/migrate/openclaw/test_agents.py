"""Agents: their names, prompts and drivers."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.migrate.openclaw.homes import agents_of, plan_of, routes_of, warned, workflows_of


def _one(tmp_path: Path, entry: dict[str, Any], **defaults: Any) -> Any:
    config = {"agents": {"list": [{"id": "a", **entry}], "defaults": defaults}}
    return agents_of(plan_of(tmp_path, config))["a"]


@pytest.mark.parametrize(
    ("identity", "prompt"),
    [
        ("You are kind.", "You are kind."),
        ({"systemPrompt": "A", "prompt": "B"}, "A"),
        ({"description": "D", "persona": "P"}, "P"),
        ({"prompt": "  ", "role": "R"}, "R"),
        ({"deep": {"deeper": {"content": "C"}}}, "C"),
        ({"prompt": {"text": "T"}}, "T"),
        ({"emoji": "*"}, "You are a."),
        ({"name": "Ada", "theme": "dry"}, "You are Ada. Your manner: dry."),
        (5, "You are a."),
        ([], "You are a."),
        ({"prompt": 5, "text": ["x"]}, "You are a."),
    ],
)
def test_a_prompt_is_found_in_any_shape_of_identity(
    tmp_path: Path, identity: Any, prompt: str
) -> None:
    assert _one(tmp_path, {"identity": identity}).instructions == prompt


def test_an_identity_without_a_prompt_leaves_it_to_the_defaults(tmp_path: Path) -> None:
    agent = _one(tmp_path, {"identity": {"emoji": "*"}}, identity={"persona": "Be brief."})
    assert agent.instructions == "Be brief."


@pytest.mark.parametrize(
    ("ident", "name"),
    [
        ("duty-desk", "duty-desk"),
        ("../x", "x"),
        ("a/b", "a-b"),
        ("/etc/passwd", "etc-passwd"),
        ("CON", "CON-2"),
        ("operator", "operator-2"),
        ("7", "agent-7"),
        ("Zoë", "Zoe"),
        ("日本", "agent"),
        ("x" * 300, "x" * 56),
        ("a b", "a-b"),
        (".", "agent"),
    ],
)
def test_an_id_is_never_a_path_and_keeps_its_name_in_the_record(
    tmp_path: Path, ident: str, name: str
) -> None:
    config = {
        "agents": {"list": [{"id": ident}]},
        "bindings": [{"agentId": ident, "match": {"channel": "telegram"}}],
    }
    plan = plan_of(tmp_path, config)
    assert list(agents_of(plan)) == [name]
    assert [workflow.name for workflow in workflows_of(plan)] == [name]
    assert routes_of(plan) == [("telegram", None, name)]
    assert ident in {one.name for one in plan.imported}


def test_ids_that_fold_to_one_name_stay_apart(tmp_path: Path) -> None:
    entries = [{"id": "a b"}, {"id": "a/b"}, {"id": "A-B"}, {"id": "a b"}]
    plan = plan_of(tmp_path, {"agents": {"list": entries}})
    assert list(agents_of(plan)) == ["a-b", "a-b-2", "A-B-3"]
    assert warned(plan, "agents.list[3]", "already")


def test_entries_that_are_no_agents_cost_themselves(tmp_path: Path) -> None:
    entries = [5, None, {}, {"id": ""}, {"id": {"x": 1}}, {"id": "a"}, ["a"]]
    plan = plan_of(tmp_path, {"agents": {"list": entries}})
    assert list(agents_of(plan)) == ["a"]
    assert warned(plan, "agents.list[0]", "no agent")
    assert warned(plan, "agents.list[2]", "without an id")


@pytest.mark.parametrize(
    ("program", "driver", "command"),
    [
        ("codex", "codex", ()),
        ("claude", "acp", ("claude-agent-acp",)),
        ("Claude-Code", "acp", ("claude-agent-acp",)),
        ("qwen", "acp", ("qwen", "--acp")),
        ("unheard-of", "acp", ("set-the-command-of-a",)),
    ],
)
def test_a_runtime_is_a_driver(
    tmp_path: Path, program: str, driver: str, command: tuple[str, ...]
) -> None:
    agent = _one(tmp_path, {"runtime": {"type": "acp", "acp": {"agent": program}}})
    assert (agent.driver, agent.command) == (driver, command)


@pytest.mark.parametrize("odd", [5, "acp", {"type": "acp"}, {"type": "acp", "acp": 5}, {"type": 1}])
def test_an_odd_runtime_costs_itself(tmp_path: Path, odd: Any) -> None:
    assert _one(tmp_path, {"runtime": odd}).driver in ("model", "acp")


@pytest.mark.parametrize(
    ("sandbox", "ours"),
    [
        ({"mode": "off"}, "workspace-write"),
        ({"mode": "all"}, "bubblewrap"),
        ({"mode": "non-main", "workspaceAccess": "rw"}, "bubblewrap"),
        ({"mode": "all", "workspaceAccess": "none"}, "read-only"),
        ({"mode": "sometimes"}, "bubblewrap"),
        (True, "bubblewrap"),
    ],
)
def test_a_sandbox_is_a_sandbox(tmp_path: Path, sandbox: Any, ours: str) -> None:
    assert _one(tmp_path, {"sandbox": sandbox}).sandbox == ours


@pytest.mark.parametrize(
    ("agents", "names"),
    [
        (None, ["main"]),
        ({"defaults": {"model": "groq/x"}}, ["main"]),
        ({"list": 5}, []),
        ({"list": [{}]}, []),
        (5, []),
    ],
)
def test_the_built_in_agent_counts_where_none_is_declared(
    tmp_path: Path, agents: Any, names: list[str]
) -> None:
    config = {"channels": {"telegram": {}}, **({} if agents is None else {"agents": agents})}
    plan = plan_of(tmp_path, config)
    assert [n.name for n in workflows_of(plan)] == names if names else warned(plan, "No agents")


def test_a_prompt_of_any_length_loads(tmp_path: Path) -> None:
    files = {f"workspace/{n}": "x" * 100_000 for n in ("AGENTS.md", "SOUL.md", "USER.md")}
    files["workspace/MEMORY.md"] = "x" * 200_000
    config = {"agents": {"list": [{"id": "a", "identity": "y" * 300_000}]}}
    plan = plan_of(tmp_path, config, files)
    agent = agents_of(plan)["a"]
    assert agent.instructions == "You are a."
    assert [name.rpartition("/")[2] for name in agent.instructions_files] == [
        "AGENTS.md", "SOUL.md", "USER.md"
    ]  # fmt: skip
    assert warned(plan, "workspace/MEMORY.md", "too long")
