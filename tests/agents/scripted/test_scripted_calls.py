"""Tool calls: carried out for real, refused with a reason, stopped, kept inside the workspace."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable
from contextlib import suppress

import psutil
import pytest

from app.agents.protocol import (
    AgentEvent,
    Answer,
    ApprovalAsked,
    ApprovalGone,
    Prompt,
    TextDelta,
    ToolStarted,
    TurnDone,
)
from app.domain.approval import Action
from app.domain.errors import DriverError
from app.domain.session import ChunkKind
from app.domain.toolcall import FileChange, ToolKind
from tests.agents.scripted.stage import ALLOW, Stage, asked, deny, done, finished, play, said
from tests.support.waiting import PATIENCE, until


def one(event: str, *, final: str = "end") -> str:
    """A script of one turn with one event."""
    return f'[[turn]]\nfinal = "{final}"\n[[turn.event]]\n{event}\n'


PUSH = one(
    'kind = "shell"\ncommand = "echo pushed >> log"\nreason = "to publish"\n'
    'on_deny = [{ kind = "message", text = "Understood: {reason}" }]'
)


async def test_a_permitted_command_runs_in_the_workspace(stage: Stage) -> None:
    events = await play(await stage.session(PUSH))
    assert (stage.workspace / "log").read_text() == "pushed\n"
    (call,) = asked(events)
    assert (call.kind, call.command, call.cwd) == (
        ToolKind.SHELL,
        "echo pushed >> log",
        str(stage.workspace),
    )
    assert call.reason == "to publish"
    assert finished(events)[0].outcome.ok


async def test_nothing_happens_before_the_answer(stage: Stage) -> None:
    there: list[bool] = []

    def look(event: AgentEvent) -> None:
        if isinstance(event, ApprovalAsked):
            there.append((stage.workspace / "log").exists())

    await play(await stage.session(PUSH), seen=look)
    assert there == [False]


async def test_a_refused_command_does_not_run_and_the_reason_is_read(stage: Stage) -> None:
    events = await play(await stage.session(PUSH), say=deny("frozen {turn} until Thursday"))
    assert not (stage.workspace / "log").exists()
    assert said(events)[0] == "Understood: frozen {turn} until Thursday"
    outcome = finished(events)[0].outcome
    assert (outcome.ok, outcome.summary) == (False, "refused: frozen {turn} until Thursday")
    assert not any(isinstance(event, ToolStarted) for event in events)
    assert done(events) == TurnDone("completed", text="end")


async def test_a_refusal_may_end_the_turn(stage: Stage) -> None:
    events = await play(await stage.session(PUSH), say=deny("stop", interrupt=True))
    assert done(events) == TurnDone("interrupted")
    assert said(events) == []
    assert not any(isinstance(event, ApprovalGone) for event in events)


async def test_what_is_not_asked_is_reported_all_the_same(stage: Stage) -> None:
    events = await play(await stage.session(one('kind = "shell"\ncommand = "true"\nask = false')))
    assert asked(events) == []
    assert finished(events)[0].call_id == "s-1-t1-c1"


async def test_an_answer_to_another_call_is_refused(stage: Stage) -> None:
    session = await stage.session(PUSH)
    async for event in session.prompt(Prompt("do it", 1)):
        if isinstance(event, ApprovalAsked):
            with pytest.raises(DriverError, match="no longer waits for an answer to c-x"):
                await session.answer("c-x", ALLOW)
            await session.answer(event.call.call_id, ALLOW)
            with pytest.raises(DriverError):
                await session.answer(event.call.call_id, Answer(Action.DENY))
    assert (stage.workspace / "log").read_text() == "pushed\n"


async def test_interrupting_a_question_withdraws_it(stage: Stage) -> None:
    session = await stage.session(PUSH)
    events, soon = list[AgentEvent](), list[asyncio.Task[None]]()
    async for event in session.prompt(Prompt("do it", 1)):
        events.append(event)
        if isinstance(event, ApprovalAsked):
            soon.append(asyncio.create_task(_later(session.interrupt())))
    await asyncio.gather(*soon)
    assert [type(event) for event in events[-2:]] == [ApprovalGone, TurnDone]
    assert not (stage.workspace / "log").exists()


async def _later(work: Awaitable[None]) -> None:
    await asyncio.sleep(0.01)
    await work


async def test_closing_leaves_the_question_open_and_ends_the_stream(stage: Stage) -> None:
    session = await stage.session(PUSH)
    events, soon = list[AgentEvent](), list[asyncio.Task[None]]()
    async for event in session.prompt(Prompt("do it", 1)):
        events.append(event)
        if isinstance(event, ApprovalAsked):
            soon.append(asyncio.create_task(_later(session.close())))
    await asyncio.gather(*soon)
    assert [type(event) for event in events] == [ApprovalAsked, TurnDone]


@pytest.mark.parametrize("how", ["interrupt", "close", "abandon"])
async def test_a_running_command_is_ended_with_its_children(stage: Stage, how: str) -> None:
    script = one('kind = "shell"\ncommand = "sleep 300 & echo $!; wait"\nask = false')
    session = await stage.session(script)
    stream = session.prompt(Prompt("do it", 1))
    begun, child = time.monotonic(), 0
    with suppress(StopAsyncIteration):
        while True:
            event = await anext(stream)
            if isinstance(event, TextDelta) and event.kind is ChunkKind.OUTPUT:
                child = int(event.text)
                if how == "abandon":
                    await stream.aclose()  # type: ignore[attr-defined]
                else:
                    await getattr(session, how)()
    assert child
    await until(lambda: not _alive(child))
    assert how == "abandon" or event == TurnDone("interrupted")
    assert time.monotonic() - begun < PATIENCE


def _alive(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


async def test_a_turn_interrupted_before_it_began_ends_as_well(stage: Stage) -> None:
    session = await stage.session(PUSH)
    stream = session.prompt(Prompt("do it", 1))
    first = asyncio.ensure_future(anext(stream))
    await asyncio.sleep(0)
    await session.interrupt()
    assert await first == TurnDone("interrupted")
    assert [event async for event in stream] == []


async def test_a_shell_that_cannot_start_is_a_failed_call(stage: Stage) -> None:
    session = await stage.session(one('kind = "shell"\ncommand = "true"'))
    stage.workspace.rmdir()
    outcome = finished(await play(session))[0].outcome
    assert not outcome.ok and "cannot be started" in outcome.summary


async def test_an_edit_shows_what_it_would_change_and_does_it(stage: Stage) -> None:
    session = await stage.session(one('kind = "edit"\npath = "a/b.txt"\ncontent = "one\\ntwo\\n"'))
    added = asked(await play(session))[0]
    assert added.changes == (FileChange(path="a/b.txt", change="add", diff="one\ntwo\n"),)
    file = stage.workspace / "a" / "b.txt"
    assert file.read_text() == "one\ntwo\n"
    file.write_text("one\nTWO\n")
    changed = asked(await play(session))[0]
    assert changed.changes[0].change == "update"
    assert "-TWO\n+two\n" in changed.changes[0].diff
    assert file.read_text() == "one\ntwo\n"


async def test_an_edit_by_diff(stage: Stage) -> None:
    diff = "--- a/f\n+++ b/f\n@@ -1,2 +1,2 @@\n one\n-two\n+zwei\n"
    script = one(f'kind = "edit"\npath = "f"\ndiff = """\n{diff}"""')
    session = await stage.session(script)
    (stage.workspace / "f").write_text("one\ntwo\n")
    for _ in range(2):  # the second time it is done already
        assert finished(await play(session))[0].outcome.ok
    assert (stage.workspace / "f").read_text() == "one\nzwei\n"
    (stage.workspace / "f").write_text("something else\n")
    outcome = finished(await play(session))[0].outcome
    assert (outcome.ok, outcome.summary) == (False, "the diff fits nowhere: hunk at line 1")


async def test_reading_shows_the_file(stage: Stage) -> None:
    session = await stage.session(one('kind = "read"\npath = "f"'))
    (stage.workspace / "f").write_text("one\ntwo\n")
    events = await play(session)
    assert said(events, ChunkKind.OUTPUT) == ["one\ntwo\n"]
    assert finished(events)[0].outcome.summary == "2 lines"
    (stage.workspace / "f").unlink()
    assert finished(await play(session))[0].outcome.summary == "f: No such file or directory"


@pytest.mark.parametrize(
    "path",
    ["../out", "a/../../out", "/tmp/longwatch-out", "link", "folder/out", ".", ".git/config"],
)
@pytest.mark.parametrize("kind", ["edit", "read"])
async def test_no_path_leads_out_of_the_workspace(stage: Stage, path: str, kind: str) -> None:
    content = '\ncontent = "gotcha"' if kind == "edit" else ""
    session = await stage.session(one(f'kind = "{kind}"\npath = "{path}"{content}'))
    outside = stage.folder / "elsewhere"
    outside.mkdir()
    (outside / "secret").write_text("secret")
    (stage.workspace / "link").symlink_to(outside / "secret")
    (stage.workspace / "folder").symlink_to(outside)
    events = await play(session)
    outcome = finished(events)[0].outcome
    assert not outcome.ok and "nothing was touched" in outcome.summary
    assert [p.name for p in outside.iterdir()] == ["secret"]
    assert (outside / "secret").read_text() == "secret"
    assert not (stage.folder / "out").exists()
    assert said(events, ChunkKind.OUTPUT) == []


async def test_a_file_that_cannot_be_written_is_a_failed_call(stage: Stage) -> None:
    session = await stage.session(one('kind = "edit"\npath = "f"\ncontent = "x"'))
    (stage.workspace / "f").mkdir()
    outcome = finished(await play(session))[0].outcome
    assert (outcome.ok, outcome.summary) == (False, "f: Is a directory")


async def test_a_binary_file_is_not_patched(stage: Stage) -> None:
    diff = "@@ -1 +1 @@\\n-a\\n+b\\n"
    session = await stage.session(one(f'kind = "edit"\npath = "f"\ndiff = "{diff}"'))
    (stage.workspace / "f").write_bytes(b"\xff\xfe")
    assert finished(await play(session))[0].outcome.summary == "f is not UTF-8 text"
    assert (stage.workspace / "f").read_bytes() == b"\xff\xfe"
