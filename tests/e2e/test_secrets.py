"""Planted secrets: wherever they are said, no file of the store, log, export or screen has them."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from app.domain.approval import Action
from app.domain.commands import AnswerQuestion
from app.domain.run import RunState
from app.domain.session import Continuity
from app.link.remote import SocketClient
from tests.e2e.place import Place, decision, finished, only, until, waits
from tests.support.model_replies import Reply, Rule, Script
from tests.support.model_server import ModelServer
from tests.support.programs import LONGWATCH
from tests.support.runs import start
from tests.support.story import ADA
from tests.support.waiting import PATIENCE

# Values that the configuration names, and values that look like tokens; each in two halves here,
# so that a grep finds only what Longwatch has written.
NAMED = {
    "DEPLOY_CODE": "planted" + "-by-name-42",
    "SIGNING_PASSPHRASE": "four planted" + " words here",
}
SHAPED = (
    "sk-ant-" + "api03-PLANTEDplanted0123456789",
    "ghp_" + "PLANTEDplanted0123456789abcdef",
    "glpat-" + "PLANTEDplanted012345",
    "AKIA" + "PLANTEDPLANTED01",
    "xoxb-" + "123456789012-PLANTEDplanted",
    "AIza" + "PLANTEDplanted0123456789abcdefghij0",
    "npm_" + "PLANTEDplanted0123456789abcdefgh",
    "hf_" + "PLANTEDplanted0123456789",
    "eyJhbGciOi" + "JIUzI1NiJ9.PLANTEDplanted.PLANTEDsignature",
)
EVERY = (*NAMED.values(), *SHAPED)
SAID = " and ".join(EVERY)
KEY = "-----BEGIN " + "PRIVATE KEY-----\nPLANTEDPLANTEDKEY\n-----END PRIVATE KEY-----"
WORKFLOW = """
name = "change"

[[step]]
name = "work"
agent = "coder"
prompt = "Do this: {{ request.text }}"

[[step.gate]]
name = "leaky"
shell = "cat leak.txt; echo $OPENFANG_STEP_OUTPUT"

[[step]]
kind = "question"
name = "sure"
question = "Sure?"
"""


def talkative() -> Script:
    """A model that says secrets, thinks them, and puts them into calls and files."""
    said = f"I found {SAID} and {KEY}"
    write = (
        f"printf '%s\\n' '{SAID}' > leak.txt; cat leak.txt; echo $DEPLOY_CODE $SIGNING_PASSPHRASE"
    )
    return Script(
        [
            Rule(when="LEAKED", replies=(Reply(say=said, think=f"so {SAID}"),)),
            Rule(when="Do this", replies=(Reply(run=f"{write}; echo LEAK''ED"),)),
        ]
    )


def printed(here: Place, *arguments: str) -> bytes:
    env = {**os.environ, **NAMED, "LONGWATCH_STORE": str(here.store)}
    done = subprocess.run([*LONGWATCH, *arguments], env=env, capture_output=True, timeout=PATIENCE)
    assert done.returncode == 0, done.stderr
    return done.stdout + done.stderr


def sinks(here: Place, client_state: RunState) -> dict[str, bytes]:
    """Everything that Longwatch has written or can be asked to print."""
    run = client_state.run.run_id
    files = [
        path
        for path in here.store.rglob("*")
        if path.is_file() and "workspaces" not in path.relative_to(here.store).parts
    ]
    found = {str(path): path.read_bytes() for path in files}
    assert any(name.endswith("conversation.jsonl") for name in found)
    assert any("-wal" in name for name in found)
    for words in (
        ("show", run, "--json"),
        ("events", run, "--json"),
        ("log", run, "--json"),
        ("log", run),
        ("diff", run),
        ("trace", run, "--json"),
        ("runs", "--json"),
        ("screenshot", "run", "--run", run, "--size", "200x60", "-o", "-"),
        ("screenshot", "watch", "--size", "200x60", "-o", "-"),
    ):
        found[" ".join(words)] = printed(here, *words)
    return found


def check(found: dict[str, bytes]) -> None:
    planted = (*EVERY, "PLANTEDPLANTEDKEY", "PLANTEDplanted0123")
    leaks = [(name, one) for name, text in found.items() for one in planted if one.encode() in text]
    assert leaks == []
    assert any(b"[redacted]" in text for text in found.values())


async def test_no_sink_has_a_planted_secret(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in NAMED.items():
        monkeypatch.setenv(name, value)
    with ModelServer(talkative()) as model:
        here = Place(tmp_path, model, "model")
        config = (here.project / "longwatch.toml").read_text()
        names = ", ".join(f'"{name}"' for name in NAMED)
        (here.project / "longwatch.toml").write_text(config.replace("env = []", f"env = [{names}]"))
        (here.project / ".longwatch/workflows/change.toml").write_text(WORKFLOW)
        try:
            client = await here.up()
            await story(here, client)
        finally:
            here.down()
    files = {str(p): p.read_bytes() for p in here.store.rglob("*") if p.suffix in (".db", ".log")}
    check({**files, "": b"[redacted]"})


async def story(here: Place, client: SocketClient) -> None:
    """A run in which everybody says what should not be said."""
    run_id = await start(client, here.project, f"Do this with {SAID}")
    (approval,) = (await until(client, run_id, waits)).approvals.values()
    assert approval.call.command is not None and "[redacted]" in approval.call.command
    here.kill_host()  # the call comes back from the conversation file, without its secrets
    await client.close()
    client = await here.up()
    # The model makes the call once more, with its secrets, and is joined to the same question.
    state = await until(client, run_id, lambda s: only(s).epoch > approval.epoch)
    again = only(state)
    done = await client.execute(decision(again, Action.ALLOW, SHAPED[0]))
    assert "was taken out" in done.message
    state = await until(client, run_id, lambda s: bool(s.questions))
    (session,) = state.sessions.values()
    assert session.continuity is Continuity.RESUMED
    (question,) = state.questions.values()
    await client.execute(
        AnswerQuestion(
            question_id=question.question_id, revision=question.revision, answer=SAID, by=ADA
        )
    )
    state = await finished(client, run_id)
    (attempt, _) = state.attempts.values()
    assert attempt.gates[-1].log.count("[redacted]") >= len(EVERY)
    check(sinks(here, state))
    await client.close()
