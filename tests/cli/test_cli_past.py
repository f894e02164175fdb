"""`longwatch past`: what was said before moving in, for people and for programs."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.command_line import CommandLine
from tests.support.past import CHAT, said, write_session
from tests.support.repositories import a_repository


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    root = a_repository(tmp_path / "project")
    monkeypatch.chdir(root)
    monkeypatch.setenv("LONGWATCH_STORE", str(tmp_path / "store"))
    return root


def test_an_empty_project_says_how_they_come_here(longwatch: CommandLine, project: Path) -> None:
    ran = longwatch("past", "list")
    assert ran.code == 0
    assert "`longwatch migrate openclaw` brings them over" in ran.out


def test_list_search_and_show(longwatch: CommandLine, project: Path) -> None:
    write_session(project, "main", "abc", *CHAT, "{torn")
    write_session(project, "ops", "xyz", said("user", "[/lo] \x1b[2J", 50))
    listed = longwatch("past", "list")
    assert [line.split()[0] for line in listed.out.splitlines()] == ["ID", "ops/xyz", "main/abc"]
    assert "\x1b" not in listed.out
    assert longwatch("past", "list", "--json", "-n", "1").json()["total"] == 2
    found = longwatch("past", "search", "UPLOADER retry")
    assert found.out.startswith("main/abc:2 2026-02-03 04:05 [user] How do I")
    assert longwatch("past", "search", "zebra").out == "nothing in 2 past sessions\n"
    assert longwatch("past", "search", "uploader", "--json").json()["hits"][0]["title"]
    read = longwatch("past", "show", "abc")
    assert "[call exec] cat uploader.py" in read.out
    assert "abc.jsonl:6: no JSON" in read.err
    part = longwatch("past", "show", "abc", "--from", "3", "-n", "2", "--json").json()
    assert [entry["kind"] for entry in part["entries"]] == ["assistant", "tool_call"]
    missing = longwatch("past", "show", "nope")
    assert (missing.code, missing.err.count("\n")) == (1, 1)
    assert "`longwatch past list`" in missing.err
