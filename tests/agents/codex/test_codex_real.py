"""The real codex binary against the scripted model."""

from __future__ import annotations

import asyncio
import os
import signal
from pathlib import Path

import psutil
import pytest
from msgspec.structs import replace

from app.agents.codex import CodexDriver
from app.agents.codex.session import CodexSession
from app.agents.protocol import (
    AgentEvent,
    Answer,
    ApprovalAsked,
    ApprovalGone,
    ItemDone,
    Prompt,
    SessionSpec,
    TextDelta,
    ToolFinished,
    ToolStarted,
    TurnDone,
    UsageReported,
)
from app.domain.approval import Action, Scope
from app.domain.errors import DriverError
from app.domain.run import FailureKind
from app.domain.session import ChunkKind, Continuity, Usage
from app.domain.toolcall import FileChange, ToolKind
from tests.agents.playing import Journal, end_of, play
from tests.support.model_server import ModelServer

pytestmark = pytest.mark.codex
ALLOW = Answer(Action.ALLOW)


async def test_an_approved_command_runs(codex: CodexSession, real_spec: SessionSpec) -> None:
    script = "touch made && echo \"$((40 + 2))\" 'q'"
    events = await play(codex, f"RUN: {script}", ALLOW)
    kept = (ApprovalAsked, ToolStarted, ToolFinished, TurnDone)
    assert [type(e) for e in events if isinstance(e, kept)] == list(kept)
    asked = next(e for e in events if isinstance(e, ApprovalAsked))
    assert asked.call.command == script
    assert asked.call.kind is ToolKind.SHELL and asked.call.cwd == real_spec.workspace
    assert asked.offered[0] == "accept"
    finished = next(e for e in events if isinstance(e, ToolFinished))
    assert finished.outcome.ok and finished.outcome.exit_code == 0
    assert finished.outcome.summary == "42 q\n"
    assert (Path(real_spec.workspace) / "made").exists()
    usage = [e.usage for e in events if isinstance(e, UsageReported)]
    assert usage[-1].total_tokens == 2468 and usage[-1].context_window
    assert end_of(events).text.startswith("DONE:")


async def test_a_denied_command_does_not_run_and_its_reason_is_read(
    codex: CodexSession, real_spec: SessionSpec, model: ModelServer
) -> None:
    events = await play(codex, "RUN: touch denied", Answer(Action.DENY, reason="use plan B"))
    assert [e.outcome.ok for e in events if isinstance(e, ToolFinished)] == [False]
    assert not any(isinstance(e, ToolStarted) for e in events)
    assert not (Path(real_spec.workspace) / "denied").exists()
    # The refusal and the reason are in the same request to the model, in this order.
    roles = [role for role, _ in model.conversations()[-1].entries[-2:]]
    assert roles == ["tool", "user"] and len(model.requests) == 2
    assert end_of(events).text == "ECHO: The operator denied `touch denied`: use plan B"


async def test_deny_and_interrupt_ends_the_turn(codex: CodexSession) -> None:
    answer = Answer(Action.DENY, reason="stop", interrupt=True)
    done = end_of(await play(codex, "RUN: touch no", answer))
    assert done == TurnDone("interrupted")
    assert end_of(await play(codex, "SAY: fresh", turn=2)).text == "fresh"


async def test_approval_for_the_session_is_given(codex: CodexSession) -> None:
    answer = Answer(Action.ALLOW, Scope.SESSION)
    assert end_of(await play(codex, "RUN: touch x", answer)).status == "completed"


async def test_file_changes_are_shown_and_made(codex: CodexSession, real_spec: SessionSpec) -> None:
    path = Path(real_spec.workspace) / "new.txt"
    events = await play(codex, "PATCH: new.txt|one\\ntwo", ALLOW)
    asked = next(e for e in events if isinstance(e, ApprovalAsked))
    assert asked.call.kind is ToolKind.EDIT
    assert asked.call.changes == (FileChange(path=str(path), change="add", diff="one\ntwo\n"),)
    assert path.read_text() == "one\ntwo\n"
    denied = await play(codex, "PATCH: other.txt|x", Answer(Action.DENY), turn=2)
    assert [e.outcome.ok for e in denied if isinstance(e, ToolFinished)] == [False]
    assert not (Path(real_spec.workspace) / "other.txt").exists()


async def test_thoughts_and_words_are_streamed(codex: CodexSession) -> None:
    text = "a message that is longer than one piece of forty characters"
    events = await play(codex, f"THINK: hm\nSAY: {text}")
    for kind, whole in ((ChunkKind.THOUGHT, "hm"), (ChunkKind.MESSAGE, text)):
        pieces = [e.text for e in events if isinstance(e, TextDelta) and e.kind is kind]
        assert "".join(pieces) == whole
        assert [e.text for e in events if isinstance(e, ItemDone) and e.kind is kind] == [whole]
    assert end_of(events).text == text


async def test_the_instructions_reach_the_model(codex: CodexSession, model: ModelServer) -> None:
    await play(codex, "SAY: hello")
    assert "You are THE CODER." in model.conversations()[0].text


async def test_steering_a_turn(codex: CodexSession, model: ModelServer) -> None:
    async def steer() -> None:
        await codex.steer("SAY: changed my mind")
        model.enough.set()

    events, steering = list[AgentEvent](), list[asyncio.Task[None]]()
    async for event in codex.prompt(Prompt("SLOW: 60", 1)):
        events.append(event)
        if isinstance(event, TextDelta) and not steering:
            steering.append(asyncio.create_task(steer()))
    await asyncio.gather(*steering)
    assert end_of(events) == TurnDone("completed", "changed my mind")


async def test_interrupting_while_it_speaks_and_while_it_asks(codex: CodexSession) -> None:
    sought: tuple[tuple[str, type[AgentEvent]], ...] = (
        ("SLOW: 60", TextDelta),
        ("RUN: touch never", ApprovalAsked),
    )
    for turn, (text, when) in enumerate(sought, 1):
        events, stopping = list[AgentEvent](), list[asyncio.Task[None]]()
        async for event in codex.prompt(Prompt(text, turn)):
            events.append(event)
            if isinstance(event, when) and not stopping:
                stopping.append(asyncio.create_task(codex.interrupt()))
        await asyncio.gather(*stopping)
        assert end_of(events).status == "interrupted"
    asked = [e.call.call_id for e in events if isinstance(e, ApprovalAsked)]
    assert [e.call_id for e in events if isinstance(e, ApprovalGone)] == asked != []


@pytest.mark.parametrize(
    ("status", "kind"), [(401, FailureKind.UNAUTHORIZED), (429, FailureKind.RATE_LIMIT)]
)
async def test_errors_of_the_model_have_a_class(
    codex: CodexSession, status: int, kind: FailureKind
) -> None:
    events = await play(codex, f"ERR: {status}")
    done = end_of(events)
    assert done.status == "failed" and done.failure is not None
    assert done.failure.kind is kind and str(status) in done.failure.message
    retries = [e.text for e in events if isinstance(e, ItemDone) and "Reconnecting" in e.text]
    assert len(retries) == 1


async def test_a_passing_error_is_retried(codex: CodexSession, model: ModelServer) -> None:
    done = end_of(await play(codex, "ERRONCE: 500"))
    assert done.status == "completed"
    assert len(model.requests) == 2


async def test_killed_while_it_asks_then_resumed(
    real_spec: SessionSpec, model: ModelServer, journal: Journal
) -> None:
    driver = CodexDriver()
    first = await driver.open(real_spec)
    assert first.continuity is Continuity.FRESH
    await play(first, "SAY: remember the milk")
    call_id = ""
    async for event in first.prompt(Prompt("RUN: touch later", 2)):
        if isinstance(event, ApprovalAsked):
            call_id = event.call.call_id
            os.killpg(journal.pids[-1], signal.SIGKILL)
    assert isinstance(event, TurnDone) and event.failure is not None
    assert event.failure.kind is FailureKind.BROKEN_PIPE
    assert "killed by signal 9" in event.failure.message
    with pytest.raises(DriverError, match="no longer waits"):
        await first.answer(call_id, ALLOW)
    await first.close()

    second = await driver.resume(real_spec, first.native_id)
    assert (second.native_id, second.continuity) == (first.native_id, Continuity.RESUMED)
    events = await play(second, "RUN: touch later", ALLOW, turn=2)
    await second.close()
    assert end_of(events).status == "completed"
    assert (Path(real_spec.workspace) / "later").exists()
    assert "remember the milk" in model.conversations()[-1].text


async def test_sessions_side_by_side_do_not_meet(
    real_spec: SessionSpec, journal: Journal, tmp_path: Path
) -> None:
    """Several processes share one CODEX_HOME, as the branches of a step do."""

    async def one(number: int) -> str:
        workspace = tmp_path / f"branch-{number}"
        workspace.mkdir()
        spec = replace(real_spec, session_id=f"s-{number}", workspace=str(workspace))
        session = await CodexDriver().open(spec)
        events = await play(session, f"RUN: pwd && touch made-{number}", ALLOW)
        await session.close()
        assert [path.name for path in workspace.iterdir()] == [f"made-{number}"]
        assert f"branch-{number}" in end_of(events).text
        return session.native_id

    threads = await asyncio.gather(*(one(number) for number in range(3)))
    assert len(set(threads)) == len(set(journal.pids)) == 3


async def test_a_lost_thread_is_started_anew_and_says_so(real_spec: SessionSpec) -> None:
    lost = "01a206b8-037d-7940-bbed-d79e1f69f561"
    before = Usage(input_tokens=9_000, output_tokens=1_000, total_tokens=10_000)
    session = await CodexDriver().resume(replace(real_spec, used=before), lost)
    assert session.continuity is Continuity.RESTARTED and session.native_id != lost
    events = await play(session, "SAY: new")
    notices = [e.text for e in events if isinstance(e, ItemDone) and lost in e.text]
    assert notices and notices[0].startswith("codex cannot take up its thread")
    usage = [e.usage for e in events if isinstance(e, UsageReported)][-1]
    assert usage.total_tokens > 10_000, "what the lost thread has used is used"
    assert usage.input_tokens > 9_000 and usage.output_tokens > 1_000
    await session.close()
    again = await CodexDriver().resume(replace(real_spec, used=usage), session.native_id)
    events = await play(again, "SAY: more", turn=2)
    await again.close()
    grown = [e.usage for e in events if isinstance(e, UsageReported)][-1]
    assert grown.total_tokens == usage.total_tokens + (usage.total_tokens - 10_000)
    assert grown.output_tokens == usage.output_tokens + (usage.output_tokens - 1_000)


@pytest.fixture
def broken_spec(real_spec: SessionSpec) -> SessionSpec:
    Path(real_spec.env["CODEX_HOME"], "config.toml").write_text("model = [broken")
    return real_spec


async def test_a_broken_configuration_is_told_in_its_own_words(broken_spec: SessionSpec) -> None:
    with pytest.raises(DriverError, match=r"(?s)agent coder: .*config") as caught:
        await CodexDriver().open(broken_spec)
    assert "\x1b" not in str(caught.value)


async def test_close_in_the_middle_leaves_no_process(
    codex: CodexSession, real_spec: SessionSpec
) -> None:
    started = asyncio.Event()

    async def run() -> TurnDone:
        async for event in codex.prompt(Prompt("RUN: sleep 300", 1)):
            if isinstance(event, ApprovalAsked):
                await codex.answer(event.call.call_id, ALLOW)
                started.set()
        assert isinstance(event, TurnDone)
        return event

    running = asyncio.create_task(run())
    await started.wait()
    await asyncio.sleep(0.3)
    await codex.close()
    assert (await running).status == "interrupted"
    here = [p for p in psutil.process_iter(["cwd"]) if p.info["cwd"] == real_spec.workspace]
    assert here == []
