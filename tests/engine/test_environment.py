"""What children see of the operator's environment."""

from __future__ import annotations

import os

import pytest

from app.engine.environment import child_environment


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
