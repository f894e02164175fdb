"""An agent's tool list: which calls it lets be made, and what is no tool."""

from __future__ import annotations

import pytest

from app.agents.model.tools import tools_for
from app.domain.config import parse_config
from app.domain.errors import ConfigError
from app.domain.tool_list import FAMILIES, permits, refusal
from app.domain.toolcall import ToolCall, ToolKind
from app.domain.workflow import AgentConfig


def agent(driver: str, *tools: str, limited: bool = True) -> AgentConfig:
    given = {"name": "coder", "driver": driver, "tools": tools if limited else None}
    return AgentConfig.model_validate(given)


def call(tool: str, kind: ToolKind) -> ToolCall:
    return ToolCall(call_id="c", tool=tool, kind=kind, title=tool)


def test_the_families_are_the_built_in_agents_tools() -> None:
    assert sorted(tool for tools in FAMILIES.values() for tool in tools) == sorted(
        tools_for(agent("model", limited=False))
    )


@pytest.mark.parametrize(
    ("tools", "offered"),
    [
        (("read", "search"), ["read_file", "search"]),
        (("process",), [*FAMILIES["process"]]),
        (("process_list", "write_file", "mcp:docs"), ["write_file", "process_list"]),
        ((), []),
    ],
)
def test_the_built_in_agent_is_offered_what_is_listed(
    tools: tuple[str, ...], offered: list[str]
) -> None:
    assert list(tools_for(agent("model", *tools))) == offered


def test_a_reader_with_a_list_is_still_a_reader() -> None:
    reader = agent("model", "read", "shell").model_copy(update={"sandbox": "read-only"})
    assert list(tools_for(reader)) == ["read_file"]


@pytest.mark.parametrize("driver", ["acp", "codex", "scripted"])
@pytest.mark.parametrize(
    ("tools", "kinds"),
    [
        (("list",), {ToolKind.READ}),
        (("write_file", "fetch"), {ToolKind.EDIT, ToolKind.FETCH}),
        (("shell", "process"), {ToolKind.SHELL, ToolKind.PROCESS}),
        (("other",), {ToolKind.OTHER}),
        ((), set()),
    ],
)
def test_other_agents_are_held_to_kinds(
    driver: str, tools: tuple[str, ...], kinds: set[ToolKind]
) -> None:
    # Their own names for tools count for nothing; asking a person something is no tool.
    found = {kind for kind in ToolKind if permits(agent(driver, *tools), call("read_file", kind))}
    assert found == kinds | {ToolKind.QUESTION}


@pytest.mark.parametrize("driver", ["acp", "codex", "model"])
def test_tools_of_mcp_servers_are_listed_by_server_or_one_by_one(driver: str) -> None:
    listed = agent(driver, "mcp:docs", "mcp:ci/status")
    names = ["mcp:docs/find", "mcp:ci/status", "mcp:ci/start", "mcp:docsy/find", "docs"]
    assert [permits(listed, call(name, ToolKind.MCP)) for name in names] == [
        True,
        True,
        False,
        False,
        False,
    ]


def test_a_refusal_says_what_there_is() -> None:
    assert refusal(agent("codex", limited=False), call("shell", ToolKind.SHELL)) is None
    assert refusal(agent("codex", "read"), call("exec", ToolKind.SHELL)) == (
        "shell is not in the tool list of agent coder, which has: read"
    )
    assert refusal(agent("acp"), call("task", ToolKind.OTHER)) == (
        "task is not in the tool list of agent coder, which has: nothing"
    )


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("serach", 'no tool "serach"; did you mean "search"? Allowed: read, list, search,'),
        ("Bash", 'no tool "Bash". Allowed: read, '),
        ("mcp:", '"mcp:" is not "mcp:SERVER" or "mcp:SERVER/TOOL"'),
        ("mcp:docs/*", '"mcp:docs/*" is not "mcp:SERVER" or "mcp:SERVER/TOOL"'),
    ],
)
def test_what_is_no_tool_is_refused_when_it_is_loaded(name: str, says: str) -> None:
    text = f'[[agent]]\nname = "a"\ndriver = "codex"\ntools = ["read", "{name}"]\n'
    with pytest.raises(ConfigError) as caught:
        parse_config(text, "c.toml")
    assert str(caught.value).startswith(f"c.toml:4: agent[0].tools[1]: {says}")
