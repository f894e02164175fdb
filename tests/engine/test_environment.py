"""What children see of the operator's environment."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from app.domain.errors import ConfigError
from app.domain.step import AgentStep
from app.domain.workflow import Recipe, Workflow
from app.engine.environment import Variables, child_environment
from app.engine.redaction import Redaction

WORKFLOW = Workflow(name="w", steps=(AgentStep(name="s", agent="a", prompt="p"),))


def test_the_environment_is_minimal() -> None:
    base = {
        "PATH": "/bin",
        "HOME": "/home/a",
        "LC_TIME": "C",
        "TERM": "xterm",
        "OPENAI_API_KEY": "secret",
        "AWS_SECRET": "secret",
        "GIT_DIR": "/elsewhere",
    }
    assert child_environment((), base=base) == {
        "PATH": "/bin",
        "HOME": "/home/a",
        "LC_TIME": "C",
        "TERM": "dumb",
    }
    named = child_environment(("OPENAI_API_KEY", "NOT_SET"), base=base)
    assert named["OPENAI_API_KEY"] == "secret"
    assert "NOT_SET" not in named
    assert child_environment((), base={})["PATH"] == os.defpath


def test_this_process_is_the_default_source(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "secret")
    monkeypatch.setenv("LANG", "de_DE.UTF-8")
    found = child_environment(())
    assert "OPENAI_API_KEY" not in found
    assert found["LANG"] == "de_DE.UTF-8"
    assert found["TERM"] == "dumb"
    assert child_environment(("OPENAI_API_KEY",))["OPENAI_API_KEY"] == "secret"


def test_what_is_named_may_replace_what_is_given() -> None:
    found = child_environment(("TERM",), base={"TERM": "xterm", "PATH": ""})
    assert found == {"TERM": "xterm", "PATH": os.defpath}


@pytest.fixture
def env_file(tmp_path: Path) -> Path:
    path = tmp_path / "secrets.env"
    path.touch(0o600)
    path.write_text("MINE=from-the-file\nUSER=nobody\nTOKEN_X='a b'\n")
    return path


def test_a_private_file_stands_behind_the_environment(
    env_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("USER", "ann")
    monkeypatch.delenv("MINE", raising=False)
    variables = Variables()
    named = variables.of(str(env_file))
    assert (named["MINE"], named["USER"]) == ("from-the-file", "ann")
    found = child_environment(("MINE", "NOT_SET"), named=named)
    assert found["MINE"] == "from-the-file" and "TOKEN_X" not in found
    monkeypatch.setenv("MINE", "set")
    assert variables.of(str(env_file))["MINE"] == "set"
    assert variables.of("") is os.environ


def test_a_file_that_is_not_there_has_nothing(tmp_path: Path) -> None:
    assert "MINE" not in Variables().of(str(tmp_path / "none"))


def test_a_changed_file_is_read_again_and_its_old_values_stay_secret(env_file: Path) -> None:
    variables = Variables()
    variables.of(str(env_file))
    env_file.write_text("MINE=another value\n")
    assert variables.of(str(env_file))["MINE"] == "another value"
    assert {"from-the-file", "a b", "another value"} <= variables.secrets
    recipe = Recipe(workflow=WORKFLOW, agents=(), env_file=str(env_file))
    clean = Redaction([recipe], variables).clean
    assert clean("from-the-file, another value") == "[redacted], [redacted]"


def test_values_that_are_read_later_are_taken_out_too(env_file: Path) -> None:
    variables = Variables()
    redaction = Redaction((), variables)
    assert redaction.clean("from-the-file") == "from-the-file"
    redaction.learn(Recipe(workflow=WORKFLOW, agents=(), env_file=str(env_file)))
    assert redaction.clean("from-the-file") == "[redacted]"


def test_a_file_that_others_may_read_is_refused(env_file: Path) -> None:
    env_file.chmod(0o640)
    with pytest.raises(ConfigError) as caught:
        Variables().of(str(env_file))
    assert str(caught.value) == (
        f"{env_file}: holds secrets and others may use it (mode 0640): run `chmod 600 {env_file}`"
    )
    # A supervisor starts all the same: whoever needs the file is told.
    Redaction([Recipe(workflow=WORKFLOW, agents=(), env_file=str(env_file))], Variables())


def test_what_is_no_file_is_refused(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe", 0o600)
    with pytest.raises(ConfigError, match="is not a file"):
        Variables().of(str(tmp_path / "pipe"))
    (tmp_path / "binary").touch(0o600)
    (tmp_path / "binary").write_bytes(b"A=\xff\n")
    with pytest.raises(ConfigError, match="is not UTF-8 text"):
        Variables().of(str(tmp_path / "binary"))
