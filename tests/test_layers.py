"""The layers hold, and commands for scripts start without what only screens need."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.command_line import hosting
from tests.support.waiting import PATIENCE

_AGENTS = {"acp", "anthropic", "httpx2", "openai", "pydantic_ai"}  # until one of them is started
_HEAVY = ("textual", "rich", "jinja2", "tree_sitter", "psutil", "hypothesis", *_AGENTS)
# What a supervisor needs once there is a child, a command, a project or another product's session
# to read: taking unfinished runs up must not wait for it.
_LATER = {
    "app.domain.commands",
    "app.domain.config",
    "app.domain.covered",
    "app.domain.metrics",
    "app.domain.past",
    "app.domain.policy.explain",
    "app.domain.project_report",
    "app.domain.risk.names",
    "app.domain.worktree_report",
    "app.engine.gates",
    "app.engine.operator",
    "app.engine.past_files",
    "app.engine.process_tree",
    "app.engine.project",
    "app.link.wire",
    "app.migrate",
    "app.store.counts",
    "app.store.spending",
    "app.store.verify",
    "difflib",
    "jsonschema",
    "psutil",
    "tomllib",
}
# Runs one command in this process, then tells on stderr what it has loaded.
_PROBE = """
import json, sys
from app.cli import main
try:
    main({arguments!r})
finally:
    sys.stderr.write("\\n" + json.dumps(sorted(sys.modules)))
"""


def _loaded_by(arguments: list[str], store: Path) -> set[str]:
    environment = {**os.environ, "LONGWATCH_STORE": str(store)}
    ran = subprocess.run(
        [sys.executable, "-c", _PROBE.format(arguments=arguments)],
        capture_output=True,
        text=True,
        env=environment,
        timeout=PATIENCE,
        stdin=subprocess.DEVNULL,
    )
    loaded: list[str] = json.loads(ran.stderr.splitlines()[-1])
    return set(loaded)


def test_import_linter_finds_every_contract_kept(repository: Path) -> None:
    linter = Path(sys.executable).with_name("lint-imports")
    ran = subprocess.run(
        [linter, "--no-cache"], cwd=repository, capture_output=True, text=True, timeout=PATIENCE
    )
    assert ran.returncode == 0, ran.stdout
    assert "0 broken" in ran.stdout


@pytest.mark.parametrize("arguments", [["--version"], ["--help"], ["runs", "--help"]])
def test_version_and_help_load_nothing_heavy(arguments: list[str], tmp_path: Path) -> None:
    loaded = _loaded_by(arguments, tmp_path / "s")
    assert loaded.isdisjoint({*_HEAVY, "aiosqlite"})


@pytest.mark.parametrize("option", ["--version", "--help"])
def test_version_and_the_list_of_commands_do_not_even_load_the_models(
    option: str, tmp_path: Path
) -> None:
    loaded = _loaded_by([option], tmp_path / "s")
    assert loaded.isdisjoint({"pydantic", "asyncio", "sqlite3"})


_SCRIPTS = [["runs"], ["approvals", "--json"], ["reviews"], ["events"], ["rules"], ["verify"]]


@pytest.mark.parametrize("arguments", _SCRIPTS, ids=lambda a: a[0])
def test_a_script_command_that_attaches_loads_no_engine(
    arguments: list[str], tmp_path: Path
) -> None:
    with hosting(tmp_path / "s"):
        loaded = _loaded_by(arguments, tmp_path / "s")
    assert loaded.isdisjoint({*_HEAVY, "aiosqlite"})


def test_whether_somebody_waits_is_told_without_any_model(tmp_path: Path) -> None:
    with hosting(tmp_path / "s"):
        loaded = _loaded_by(["status"], tmp_path / "s")
    assert loaded.isdisjoint({"pydantic", "asyncio", "sqlite3"})


async def test_a_script_command_that_takes_the_store_loads_no_screen(tmp_path: Path) -> None:
    from app.engine.supervisor import Supervisor

    await (await Supervisor.open(tmp_path / "s", run=False)).close()
    for arguments in _SCRIPTS:
        loaded = await asyncio.to_thread(_loaded_by, arguments, tmp_path / "s")
        assert loaded.isdisjoint({"textual", "rich", "jinja2", "tree_sitter", *_AGENTS}), arguments
        assert "aiosqlite" in loaded  # it did work on the store


def test_a_host_without_a_screen_loads_no_screen_and_nothing_early(tmp_path: Path) -> None:
    process = subprocess.Popen(
        [sys.executable, "-c", _PROBE.format(arguments=["up"])],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "LONGWATCH_STORE": str(tmp_path / "s")},
        stdin=subprocess.DEVNULL,
    )
    assert process.stdout is not None
    assert "hosts" in process.stdout.readline()
    process.terminate()
    _, said = process.communicate(timeout=PATIENCE)
    assert process.returncode == 0
    loaded = set(json.loads(said.splitlines()[-1]))
    assert loaded.isdisjoint({"textual", "rich", "jinja2", *_AGENTS})
    assert loaded.isdisjoint(_LATER)
