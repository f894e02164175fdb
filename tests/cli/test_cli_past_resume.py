"""What a run can be given besides its request: a past session to go on with, and files."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from pydantic import TypeAdapter

from app.domain.run import RunState
from tests.support.command_line import CommandLine
from tests.support.model_server import ModelServer
from tests.support.past import CHAT, said, write_session
from tests.support.repositories import a_repository, commit_all

SECRET = "planted-secret-value-123"
CONFIG = """
default_workflow = "main"
[[agent]]
name = "main"
driver = "model"
model = "local/scripted"
base_url = "{url}"
[[agent]]
name = "other"
driver = "scripted"
script = "script.toml"
"""
FLOW = """
name = "{name}"
[[step]]
name = "go"
agent = "{agent}"
prompt = "{{{{ request.text }}}}"
[[step]]
name = "check"
agent = "main"
prompt = "SAY: checked"
"""


@pytest.fixture
def model() -> Iterator[ModelServer]:
    with ModelServer() as server:
        yield server


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, model: ModelServer) -> Path:
    root = a_repository(tmp_path / "project")
    (root / "longwatch.toml").write_text(CONFIG.format(url=model.base_url))
    (root / "script.toml").write_text('[[turn]]\nsay = "x"\n')
    folder = root / ".longwatch" / "workflows"
    folder.mkdir(parents=True)
    for name, agent in (("main", "main"), ("ops", "other")):
        (folder / f"{name}.toml").write_text(FLOW.format(name=name, agent=agent))
    (folder / "call.toml").write_text(
        'name = "call"\n[[step]]\nkind = "question"\nname = "q"\nquestion = "well?"\n'
    )
    commit_all(root)
    monkeypatch.chdir(root)
    monkeypatch.setenv("LONGWATCH_STORE", str(tmp_path / "store"))
    monkeypatch.setenv("SOME_TOKEN", SECRET)
    return root


def test_its_first_agent_goes_on_with_what_was_said(
    longwatch: CommandLine, project: Path, model: ModelServer, tmp_path: Path
) -> None:
    write_session(project, "main", "abc", *CHAT, said("user", f"the key: {SECRET}", 9))
    ran = longwatch("past", "resume", "ab", "SAY: it goes on", "--json")
    assert ran.code == 0, ran.err
    state = TypeAdapter(RunState).validate_json(ran.out)
    ref = state.run.request.past
    assert ref is not None
    assert (ref.past_id, len(ref.sha256), state.run.workflow) == ("main/abc", 64, "main")
    first, second = model.conversations()
    assert "How do I retry the uploader?" in first.text
    assert "it goes on" in first.text
    assert "retry the uploader?" not in second.text, "only the first step's agent is told"
    assert SECRET not in first.text
    for folder, _, names in os.walk(tmp_path / "store"):
        for name in names:
            file = Path(folder, name)
            assert not file.is_file() or SECRET.encode() not in file.read_bytes(), file
    shown = longwatch("show", state.run.run_id).out
    assert "takes up  past session main/abc" in shown
    assert "begins with past session main/abc" in longwatch("log", state.run.run_id).out


def test_files_come_with_a_request(
    longwatch: CommandLine, project: Path, model: ModelServer, tmp_path: Path
) -> None:
    notes = tmp_path / "notes.txt"
    notes.write_text("the port is 8417")
    words = ("run", "SAY: read", "-w", "main", "--json")
    ran = longwatch(*words, "--attach", notes)
    assert ran.code == 0, ran.err
    state = TypeAdapter(RunState).validate_json(ran.out)
    (found,) = state.run.request.attachments
    assert (found.name, found.size) == ("notes.txt", 16)
    assert "the port is 8417" in model.conversations()[0].text
    shown = longwatch("show", state.run.run_id).out
    assert "attached  notes.txt (text/plain, 16 bytes)" in shown
    (project / "longwatch.toml").write_text(
        (project / "longwatch.toml").read_text() + '[attachments]\ntypes = ["image/*"]\n'
    )
    refused = longwatch(*words, "--attach", notes)
    assert (refused.code, refused.err.count("\n")) == (1, 1)
    assert "is of type text/plain; allowed: image/*" in refused.err
    assert longwatch(*words, "--attach", tmp_path / "none").code == 2


def test_what_cannot_be_taken_up_is_refused_and_starts_nothing(
    longwatch: CommandLine, project: Path
) -> None:
    write_session(project, "ops", "xyz", *CHAT)
    for words, why in (
        (("xyz",), "its driver (scripted) cannot begin with a conversation"),
        (("xyz", "-w", "call"), "no agent works in workflow call"),
        (("xyz", "--workflow", "mian"), 'did you mean "main"?'),
        (("nope",), "there is no past session nope"),
    ):
        ran = longwatch("past", "resume", *words, "--headless")
        assert (ran.code, ran.err.count("\n")) == (1, 1), ran.err
        assert why in ran.err
    assert longwatch("runs", "--json").json() == []
    assert longwatch("past", "resume", "xyz", "SAY: a", "--agent", "main", "--json").code == 0
