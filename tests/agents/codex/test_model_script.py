"""The scripted model itself: rules for whole workflows, and its command line."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import urllib.request
from pathlib import Path

import pytest
from msgspec.structs import replace

from app.agents.codex import CodexDriver
from app.agents.protocol import Answer, SessionSpec
from app.domain.approval import Action
from tests.agents.playing import end_of, play
from tests.support.codex_home import write_codex_home
from tests.support.model_replies import Conversation, Script
from tests.support.model_server import ModelServer

REJECT = '```json\n{"verdict": "reject", "reasons": ["no tests"]}\n```'
APPROVE = '```json\n{"verdict": "approve", "reasons": []}\n```'
RULES = [
    {"when": "ROLE: planner", "replies": [{"say": "plan 1"}, {"say": "plan 2"}]},
    {"when": "ROLE: reviewer", "replies": [{"say": REJECT}, {"say": APPROVE}]},
    {
        "when": "ROLE: coder",
        "replies": [
            {"run": "echo work > done.txt"},
            {"patch": {"path": "more.txt", "text": "more"}},
            {"say": "made it", "think": "that was easy"},
        ],
    },
    {"when": "^hurry$", "on": "last", "replies": [{"error": 429}]},
]


@pytest.fixture
def rules(tmp_path: Path) -> Path:
    path = tmp_path / "rules.json"
    path.write_text(json.dumps(RULES))
    return path


def talk(script: Script, *messages: str) -> list[str]:
    """What the model says to each of some user messages in one conversation."""
    entries: list[dict[str, object]] = []
    said = []
    for message in messages:
        entries.append({"role": "user", "content": message})
        reply = script.reply(Conversation({"input": entries}))
        said.append(reply.say or str(reply.error))
        entries.append({"role": "assistant", "content": reply.say})
    return said


def test_rules_reply_in_order_and_stay_with_the_last(rules: Path) -> None:
    script = Script.load(rules)
    assert talk(script, "ROLE: reviewer, judge", "again", "again") == [REJECT, APPROVE, APPROVE]
    assert talk(script, "ROLE: planner") == ["plan 1"]
    assert talk(script, "hurry", "SAY: no rule for this") == ["429", "no rule for this"]


@pytest.mark.codex
async def test_a_workflow_of_real_agents_follows_its_rules(
    real_spec: SessionSpec, rules: Path
) -> None:
    with ModelServer(Script.load(rules)) as server:
        home = Path(real_spec.env["CODEX_HOME"])
        env = {**real_spec.env, **write_codex_home(home, server.base_url)}
        said = []
        for role in ("planner", "reviewer", "planner", "reviewer", "coder"):
            agent = real_spec.agent.model_copy(update={"instructions": f"ROLE: {role}"})
            session = await CodexDriver().open(replace(real_spec, env=env, agent=agent))
            allow = Answer(Action.ALLOW)
            said.append(end_of(await play(session, "go", allow, allow)).text)
            await session.close()
    assert said == ["plan 1", REJECT, "plan 2", APPROVE, "made it"]
    assert names(Path(real_spec.workspace)) == ["done.txt", "more.txt"]


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_it_serves_from_the_command_line(rules: Path, tmp_path: Path, repository: Path) -> None:
    home = tmp_path / "home"
    command = [sys.executable, "-m", "tests.support.model_server"]
    server = subprocess.Popen(
        [*command, "--script", str(rules), "--codex-home", str(home)],
        cwd=repository,
        env={"PATH": os.environ["PATH"]},
        stdout=subprocess.PIPE,
        text=True,
    )
    assert server.stdout is not None
    with server, server.stdout:
        url = server.stdout.readline().strip()
        body = json.dumps({"input": [{"role": "user", "content": "SAY: hello"}]}).encode()
        with urllib.request.urlopen(f"{url}/responses", data=body) as answer:
            stream = answer.read().decode()
        server.terminate()
    assert '"hello"' in stream and stream.count("event: response.completed") == 1
    assert url in (home / "config.toml").read_text()
