"""A turn that a crash cut off: what is settled is shown, and not done a second time."""

from __future__ import annotations

from app.agents.protocol import ApprovalAsked, SettledCall, ToolStarted
from app.domain.session import ChunkKind
from app.domain.toolcall import ToolCall
from tests.agents.scripted.stage import Stage, asked, deny, done, play, said

COUNT = """
[[turn]]
final = "end"
[[turn.event]]
kind = "shell"
command = "echo x >> log"
on_deny = [{ kind = "message", text = "Fine: {reason}" }]
[[turn.event]]
kind = "shell"
command = "echo x >> log"
[[turn.event]]
kind = "edit"
path = "f"
content = "new"
"""


async def first(stage: Stage) -> list[ToolCall]:
    calls = asked(await play(await stage.session(COUNT)))
    assert len(calls) == 3
    return calls


def log(stage: Stage) -> int:
    return len((stage.workspace / "log").read_text().splitlines())


async def test_what_is_done_is_not_done_again(stage: Stage) -> None:
    calls = await first(stage)
    session = await stage.session(COUNT, resume="scripted-s-1")
    settled = [SettledCall(call, "done") for call in calls]
    events = await play(session, again=True, settled=settled)
    assert log(stage) == 2
    assert asked(events) == [] and not any(isinstance(e, ToolStarted) for e in events)
    assert said(events, ChunkKind.TOOL) == [
        "already done: echo x >> log",
        "already done: echo x >> log",
        "already done: edit f",
    ]
    assert done(events).text == "end"


async def test_equal_calls_are_matched_by_count(stage: Stage) -> None:
    calls = await first(stage)
    session = await stage.session(COUNT, resume="scripted-s-1")
    events = await play(session, again=True, settled=[SettledCall(calls[0], "done")])
    assert log(stage) == 3
    assert [call.title for call in asked(events)] == ["echo x >> log", "edit f"]


async def test_what_was_refused_stays_refused(stage: Stage) -> None:
    calls = asked(await play(await stage.session(COUNT), say=deny("no")))
    session = await stage.session(COUNT, resume="scripted-s-1")
    settled = [SettledCall(calls[0], "denied", "not today")]
    events = await play(session, again=True, settled=settled)
    assert "already refused: echo x >> log" in said(events, ChunkKind.TOOL)
    assert said(events)[0] == "Fine: not today"
    assert log(stage) == 1


async def test_what_is_to_run_again_is_asked_in_the_same_words(stage: Stage) -> None:
    calls = await first(stage)
    session = await stage.session(COUNT, resume="scripted-s-1")
    settled = [
        SettledCall(calls[0], "run_again"),
        SettledCall(calls[1], "done"),
        SettledCall(calls[2], "run_again"),
    ]
    events = await play(session, again=True, settled=settled)
    again = [event.call for event in events if isinstance(event, ApprovalAsked)]
    # The file has changed since, so the edit's diff would be another one.
    assert [c.fingerprint for c in again] == [calls[0].fingerprint, calls[2].fingerprint]
    assert not {c.call_id for c in again} & {c.call_id for c in calls}
    assert log(stage) == 3
