"""Finding codex: what was configured, what PATH holds, what npm has hidden."""

from __future__ import annotations

import os
import platform
from pathlib import Path

import pytest

from app.agents.codex import binary, find_codex
from app.domain.errors import DriverError
from app.domain.workflow import AgentConfig


def program(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("#!/bin/sh\n")
    path.chmod(0o755)
    return path


def npm(root: Path) -> tuple[Path, Path]:
    """An npm installation: the command on PATH, and where the native program belongs."""
    modules = root / "node_modules"
    wrapper = program(modules / "@openai" / "codex" / "bin" / "codex.js")
    command = modules / ".bin" / "codex"
    command.parent.mkdir()
    command.symlink_to(os.path.relpath(wrapper, command.parent))
    names = next(iter(binary._PLATFORMS.values()))
    return command, Path("@openai", names[0], "vendor", names[1], "bin", "codex")


@pytest.fixture(autouse=True)
def linux(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(platform, "system", lambda: "Linux")
    monkeypatch.setattr(platform, "machine", lambda: "x86_64")


def test_nothing_is_found_where_nothing_is(tmp_path: Path) -> None:
    assert find_codex({"PATH": str(tmp_path)}) is None
    assert find_codex({"PATH": str(tmp_path), "LONGWATCH_CODEX": "/nowhere/codex"}) is None


def test_path_and_the_variable_before_it(tmp_path: Path) -> None:
    on_path, named = program(tmp_path / "a" / "codex"), program(tmp_path / "b" / "mine")
    environ = {"PATH": str(on_path.parent)}
    assert find_codex(environ) == on_path
    assert find_codex({**environ, "LONGWATCH_CODEX": str(named)}) == named


@pytest.mark.parametrize("place", ["node_modules", "node_modules/@openai/codex/node_modules"])
def test_the_native_program_is_preferred_to_the_wrapper(tmp_path: Path, place: str) -> None:
    command, inside = npm(tmp_path)
    environ = {"PATH": str(command.parent)}
    assert find_codex(environ) == command.resolve()
    native = program(tmp_path / place / inside)
    assert find_codex(environ) == native


def test_a_missing_codex_is_told_with_how_to_install_it(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("LONGWATCH_CODEX", raising=False)
    agent = AgentConfig(name="coder", driver="codex")
    with pytest.raises(DriverError) as caught:
        binary.command_line(agent)
    assert str(caught.value) == (
        "agent coder: codex is not on PATH; install it with `npm install -g @openai/codex`, "
        "or set LONGWATCH_CODEX to its path"
    )
    monkeypatch.setenv("LONGWATCH_CODEX", "/nowhere/codex")
    with pytest.raises(DriverError, match="LONGWATCH_CODEX names '/nowhere/codex'"):
        binary.command_line(agent)
    with pytest.raises(DriverError, match="its command 'codexx' was not found"):
        binary.command_line(agent.model_copy(update={"command": ("codexx",)}))


def test_how_it_is_started(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    codex = program(tmp_path / "codex")
    monkeypatch.setenv("LONGWATCH_CODEX", str(codex))
    agent = AgentConfig(name="coder", driver="codex")
    assert binary.command_line(agent) == [str(codex), "app-server"]
    one = agent.model_copy(update={"command": (str(codex),)})
    assert binary.command_line(one) == [str(codex), "app-server"]
    whole = agent.model_copy(update={"command": ("podman", "exec", "codex", "app-server")})
    assert binary.command_line(whole) == ["podman", "exec", "codex", "app-server"]
