"""The risk of edits, reads, fetches and unknown tools, and of folders a call runs in."""

from __future__ import annotations

import pytest

from app.domain.request import Risk
from app.domain.risk import assess
from app.domain.toolcall import ToolCall, ToolKind
from tests.support.calls import WORKSPACE, edit, shell, tool


@pytest.mark.parametrize(
    ("path", "risk"),
    [
        ("src/main.py", Risk.MEDIUM),
        ("/home/op/repo/src/main.py", Risk.MEDIUM),
        ("src/../README.md", Risk.MEDIUM),
        (".gitignore", Risk.MEDIUM),
        (".env.example", Risk.MEDIUM),
        (".env", Risk.HIGH),
        ("config/server.key", Risk.HIGH),
        (".git/hooks/pre-commit", Risk.HIGH),
        (".git/config", Risk.HIGH),
        (".github/workflows/ci.yml", Risk.HIGH),
        (".gitlab-ci.yml", Risk.HIGH),
        (".husky/pre-push", Risk.HIGH),
        (".claude/settings.json", Risk.HIGH),
        ("home/.bashrc", Risk.HIGH),
        ("../other/x.py", Risk.HIGH),
        ("/tmp/x", Risk.HIGH),
        ("~/notes.txt", Risk.HIGH),
        ("longwatch.toml", Risk.CRITICAL),
        (".longwatch/workflows/a.toml", Risk.CRITICAL),
        ("~/.bashrc", Risk.CRITICAL),
        ("~/.ssh/authorized_keys", Risk.CRITICAL),
        ("/home/op/.ssh/config", Risk.CRITICAL),
        ("/etc/hosts", Risk.CRITICAL),
        ("src/../../../../etc/hosts", Risk.CRITICAL),
        ("/usr/bin/ls", Risk.CRITICAL),
        ("~/.codex/config.toml", Risk.CRITICAL),
    ],
)
def test_edits(path: str, risk: Risk) -> None:
    found = assess(edit(path), WORKSPACE)
    assert found.risk is risk, found.reasons
    assert assess(edit("src/a.py", path), WORKSPACE).risk.rank >= Risk.MEDIUM.rank


def test_an_edit_that_names_no_file_is_high() -> None:
    assert assess(edit(), WORKSPACE).risk is Risk.HIGH


@pytest.mark.parametrize(
    ("call", "risk"),
    [
        (tool(ToolKind.READ, "read_file", path="src/a.py"), Risk.LOW),
        (tool(ToolKind.READ, "read_file", file_path="/home/op/repo/a"), Risk.LOW),
        (tool(ToolKind.READ, "read_file", path=".env"), Risk.HIGH),
        (tool(ToolKind.READ, "read_file", path="~/.ssh/id_rsa"), Risk.HIGH),
        (tool(ToolKind.READ, "read_many", paths=["a", "/etc/hosts"]), Risk.MEDIUM),
        (tool(ToolKind.READ, "read_file", uri="file:///etc/shadow"), Risk.HIGH),
        (tool(ToolKind.READ, "search", pattern="x"), Risk.MEDIUM),
        (tool(ToolKind.FETCH, "web", url="https://example.com"), Risk.HIGH),
        (tool(ToolKind.FETCH, "web", url="http://localhost:3000/x"), Risk.MEDIUM),
        (tool(ToolKind.FETCH, "web", url="http://localhost.evil.example/"), Risk.HIGH),
        (tool(ToolKind.FETCH, "web", url="file:///home/op/.ssh/id_rsa"), Risk.HIGH),
        (tool(ToolKind.FETCH, "web"), Risk.HIGH),
        (tool(ToolKind.OTHER, "mcp__db__query", sql="select 1"), Risk.HIGH),
        (ToolCall(call_id="1", tool="exec", kind=ToolKind.SHELL, title="?"), Risk.HIGH),
    ],
)
def test_other_calls(call: ToolCall, risk: Risk) -> None:
    found = assess(call, WORKSPACE)
    assert found.risk is risk, found.reasons


@pytest.mark.parametrize(
    ("command", "cwd", "risk"),
    [
        ("rm -rf *", "/home/op/repo/build", Risk.MEDIUM),
        ("rm -rf *", "/home/op/repo", Risk.HIGH),
        ("rm -rf *", "/", Risk.CRITICAL),
        ("rm -rf *", "..", Risk.CRITICAL),
        ("ls", "/home/op/repo/src", Risk.LOW),
        ("cat README.md", "/srv/other", Risk.MEDIUM),
        ("make", "/srv/other", Risk.HIGH),
        ("git commit -m x", "/srv/other", Risk.HIGH),
        ("echo x > y", "/etc", Risk.CRITICAL),
        ("cat id_rsa", "/home/op/.ssh", Risk.HIGH),
    ],
)
def test_the_folder_of_the_call_counts(command: str, cwd: str, risk: Risk) -> None:
    assert assess(shell(command, cwd), WORKSPACE).risk is risk


def test_reasons_name_the_place_and_are_printable() -> None:
    found = assess(shell("git push --force origin main"), WORKSPACE)
    assert found.reasons[0] == "rewrites history on the remote `origin`"
    hostile = assess(shell("rm -rf '/\x1b[2J\u202e'"), WORKSPACE)
    assert not any("\x1b" in reason or "\u202e" in reason for reason in hostile.reasons)


def test_the_workspace_tells_where_home_is() -> None:
    in_home = shell("cat ~/repo/a.txt")
    assert assess(in_home, "/home/op/repo").risk is Risk.LOW
    assert assess(in_home, "/srv/repo").risk is Risk.MEDIUM
    assert assess(shell("rm -rf ~"), "/srv/repo").risk is Risk.CRITICAL
