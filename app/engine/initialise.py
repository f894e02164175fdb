"""`longwatch init`: a first configuration and workflow that fit the repository."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path

from app.agents.known import KnownAgent
from app.domain.errors import ConfigError, Refused
from app.engine.project_names import CONFIG_FILE, WORKFLOW_FOLDER
from app.engine.recognise import TestCommand, recognise_tests

_WORKFLOW_FILE = f"{WORKFLOW_FOLDER}/change.toml"

_READING = """\
# Planning and reviewing only read: {how}
"""

_WRITING = """\
# Implementing writes, in its worktree, and asks before anything else.
"""

_GATE = """
# The result passes only if this exits with 0; else its output goes back to the agent. It runs
# with your rights, outside the agent's sandbox, in the step's worktree: a fresh checkout, where
# nothing is that git does not track.
[[step.gate]]
name = "tests"
criteria = "All tests pass."
shell = {line}
timeout_seconds = 1800
on_failure = "return"  # or "block" (wait for you), "fail"
max_returns = 3
"""

_NO_GATE = """
# A gate: the result passes only if its command exits with 0; else the output goes back to the
# agent. No test command was recognised here; put yours in and remove the comment signs.
# [[step.gate]]
# name = "tests"
# criteria = "All tests pass."
# shell = "./run-tests"
# timeout_seconds = 1800
# on_failure = "return"  # or "block" (wait for you), "fail"
# max_returns = 3
"""

_TESTS = """
# The same tests that the gate runs.
[[approval.rule]]
name = "tests"
agent = "implementer"
command = {glob}
max_risk = "medium"
action = "allow"
"""


@dataclass(frozen=True, slots=True)
class InitResult:
    """What was written, relative to the root, and what was chosen, a sentence each."""

    files: tuple[Path, ...]
    choices: tuple[str, ...]


def initialise(
    root: Path, *, agent: KnownAgent, found: Path | None, force: bool = False
) -> InitResult:
    """Write `longwatch.toml` and a workflow into the project at `root` (blocking).

    `agent` gets all roles; `found` is where it is. Existing files are replaced only with `force`.
    Raises Refused when they exist, ConfigError when it cannot write.
    """
    tests = recognise_tests(root)
    texts = _texts(agent, tests[0] if tests else None)
    existing = [name for name in texts if os.path.lexists(root / name)]
    if existing and not force:
        verb, them = ("exists", "it") if len(existing) == 1 else ("exist", "them")
        raise Refused(f"{' and '.join(existing)} {verb} already; --force replaces {them}")
    for name, text in reversed(texts.items()):  # the configuration last: with it the set is whole
        _write(root / name, text, force=force)
    choices = (_agents(agent, found), _rights(tests), _gate(tests))
    return InitResult(tuple(Path(name) for name in texts), choices)


def _texts(agent: KnownAgent, tests: TestCommand | None) -> dict[str, str]:
    """The files by name. A string in JSON's form is a string in TOML's too."""
    gate = _GATE.format(line=json.dumps(tests.line)) if tests else _NO_GATE
    rule = _TESTS.format(glob=json.dumps(tests.glob)) if tests else ""
    return {
        CONFIG_FILE: _template("longwatch.toml")
        .replace("@@agents@@\n", _roles(agent))
        .replace("@@tests@@\n", rule + "\n"),
        _WORKFLOW_FILE: _template("change.toml").replace("@@gate@@\n", gate),
    }


def _template(name: str) -> str:
    return files("app.engine").joinpath("templates", name).read_text("utf-8")


def _write(path: Path, text: str, *, force: bool) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        if force:
            beside = path.with_name(f".{path.name}.new")
            beside.write_text(text, "utf-8")
            beside.replace(path)
        else:
            with path.open("x", encoding="utf-8") as file:
                file.write(text)
    except OSError as error:
        raise ConfigError(f"cannot be written: {error.strerror}", source=str(path)) from error


_RIGHTS = (
    "Rights: planner and reviewer can only read; implementer writes in its own worktree. All else"
    " that is not harmless is put to you"
)


def _rights(tests: list[TestCommand]) -> str:
    return _RIGHTS + (f", except `{tests[0].glob}`." if tests else ".")


def _roles(agent: KnownAgent) -> str:
    """The agents' part of the configuration."""
    how = (
        "the sandbox stops every write, and the rules at the end of\n# this file refuse to let"
        " them out of it."
        if agent.driver == "codex"
        else "the rules at the end of this file refuse everything else\n# that they ask about."
    )
    reading, writing = ("read-only", "on-request"), ("workspace-write", "untrusted")
    return "\n".join(
        [
            _READING.format(how=how) + _role(agent, "planner", *reading),
            _role(agent, "reviewer", *reading),
            _WRITING + _role(agent, "implementer", *writing),
        ]
    )


def _role(agent: KnownAgent, name: str, sandbox: str, approval: str) -> str:
    keys: dict[str, object] = {"name": name, "driver": agent.driver}
    if agent.command:
        keys["command"] = list(agent.command)
    keys["sandbox"] = sandbox
    if agent.driver == "codex":
        keys["approval"] = approval
    keys["env"] = list(agent.env)
    lines = [f"{key} = {json.dumps(value)}" for key, value in keys.items()]
    return "\n".join(["[[agent]]", *lines, ""])


def _agents(agent: KnownAgent, found: Path | None) -> str:
    if found is not None:
        return (
            f"Agents: {agent.title}, found at {found}, as planner, reviewer and implementer."
            f" Signed in? Else: {agent.sign_in}."
        )
    return (
        f"Agents: {agent.title} was not found on PATH. The configuration names it all the same:"
        f" install it with `{agent.install}`, then sign in ({agent.sign_in}), before the first run."
    )


def _gate(tests: list[TestCommand]) -> str:
    if not tests:
        return f"Gate: none, for no test command was recognised; {_WORKFLOW_FILE} has an example."
    others = ", ".join(f"`{command.line}`" for command in tests[1:])
    also = f" Also possible here: {others}." if others else ""
    return f"Gate: `{tests[0].line}`, because {tests[0].why}.{also}"
