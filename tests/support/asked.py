"""`longwatch` as a person meets it: what it says, checked to be one clear sentence."""

from __future__ import annotations

import os
import subprocess
from dataclasses import dataclass
from pathlib import Path

from tests.support.programs import LONGWATCH, environment
from tests.support.waiting import PATIENCE

CONFIG = """\
default_workflow = "change"

[[agent]]
name = "coder"
driver = "codex"
"""

WORKFLOW = """\
name = "change"

[[step]]
name = "work"
agent = "coder"
prompt = "{{ request.text }}"
"""


@dataclass(frozen=True, slots=True)
class Said:
    """How a command ended and what it printed."""

    code: int
    out: str
    err: str

    @property
    def complaint(self) -> str:
        """The one sentence of a command that failed; anything else fails the test."""
        assert self.code == 1, (self.code, self.out, self.err)
        assert self.out == ""
        assert self.err.startswith("longwatch: ")
        assert self.err.count("\n") == 1, self.err
        assert "defect of Longwatch" not in self.err
        return self.err.removeprefix("longwatch: ").removesuffix("\n")

    @property
    def usage(self) -> str:
        """What was wrong with the command line."""
        assert (self.code, self.out) == (2, ""), (self.code, self.out, self.err)
        assert "Usage: longwatch" in self.err
        return self.err.splitlines()[-1].removeprefix("Error: ")


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody in a folder, with a store."""

    folder: Path
    store: Path

    def __call__(self, *arguments: str | Path, **env: str | None) -> Said:
        """Run a command. A variable given as None is unset."""
        given = {k: v for k, v in {**self.environment, **env}.items() if v is not None}
        done = subprocess.run(
            [*LONGWATCH, *arguments],
            cwd=self.folder,
            env=given,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=PATIENCE,
        )
        out, err = done.stdout.decode(), done.stderr.decode()
        assert "Traceback" not in err, err
        return Said(done.returncode, out, err)

    def shell(self, line: str) -> Said:
        """A line for bash, with `longwatch` on its PATH; exit code of the first in a pipe."""
        program = " ".join(LONGWATCH)
        script = f'longwatch() {{ {program} "$@"; }}\n{line}\nexit ${{PIPESTATUS[0]}}'
        done = subprocess.run(
            ["bash", "-c", script],
            cwd=self.folder,
            env=self.environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=PATIENCE,
        )
        assert "Traceback" not in done.stderr, done.stderr
        return Said(done.returncode, done.stdout, done.stderr)

    @property
    def environment(self) -> dict[str, str]:
        found = environment(self.store)
        return {k: v for k, v in found.items() if k not in ("LONGWATCH_CODEX", "LONGWATCH_DEBUG")}


def a_codex_project(root: Path, command: tuple[str, ...] = (), **agent: object) -> Path:
    """A repository with a commit whose one agent is codex, or what `command` starts."""
    (root / ".longwatch/workflows").mkdir(parents=True)
    (root / ".longwatch/workflows/change.toml").write_text(WORKFLOW)
    write_config(root, command, **agent)
    _git(root, "init", "-q")
    _git(root, "add", "-A")
    _git(root, "commit", "-q", "-m", "first")
    return root


def write_config(root: Path, command: tuple[str, ...] = (), **agent: object) -> None:
    """`longwatch.toml` with another agent command."""
    quoted = ", ".join(f'"{word}"' for word in command)
    more = "".join(f"{key} = {value}\n" for key, value in agent.items())
    line = f"command = [{quoted}]\n" if command else ""
    (root / "longwatch.toml").write_text(CONFIG + line + more)


def _git(root: Path, *words: str) -> None:
    identity = ("-c", "user.name=t", "-c", "user.email=t@localhost")
    subprocess.run(
        ["git", *identity, *words],
        cwd=root,
        check=True,
        env={**os.environ, "GIT_CONFIG_GLOBAL": os.devnull},
    )
