"""Sessions with an agent that misbehaves in every way we could think of."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest
from msgspec.structs import replace

from app.agents.acp import AcpDriver
from app.agents.acp import session as acp_session
from app.agents.protocol import (
    AgentEvent,
    Answer,
    ApprovalAsked,
    ApprovalGone,
    ItemDone,
    McpLaunch,
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
from app.domain.mcp import McpServer
from app.domain.run import FailureKind
from app.domain.session import ChunkKind, Continuity, Usage
from app.domain.toolcall import ToolKind
from tests.agents.playing import Journal, end_of, play
from tests.support.waiting import PATIENCE

Spec = Callable[..., SessionSpec]
ALLOW, DENY = Answer(Action.ALLOW), Answer(Action.DENY)


async def turn(spec: SessionSpec, *answers: Answer) -> list[AgentEvent]:
    """Open a session, run one turn, close."""
    session = await AcpDriver().open(spec)
    try:
        return await play(session, "go", *answers)
    finally:
        await session.close()


def notices(events: list[AgentEvent]) -> list[str]:
    return [e.text for e in events if isinstance(e, ItemDone) and e.kind is ChunkKind.NOTICE]


def asked(events: list[AgentEvent]) -> list[ApprovalAsked]:
    return [event for event in events if isinstance(event, ApprovalAsked)]


async def test_what_is_not_the_protocol_is_passed_over(fake_spec: Spec) -> None:
    events = await turn(fake_spec("garbage"))
    assert end_of(events) == TurnDone("completed", "still here")
    said = notices(events)
    assert len(said) == 2 and all(
        text.startswith("agent coder: a message cannot be read: session/update: ") for text in said
    )
    assert "hologram" in said[0] and "content: Field required" in said[1]


async def test_stderr_is_drained(fake_spec: Spec) -> None:
    assert end_of(await turn(fake_spec("chatters_on_stderr"))).text == "was heard"


@pytest.mark.parametrize(
    ("mode", "says"),
    [
        ("dies", "agent coder ended unexpectedly with exit status 7; its last words: "),
        ("closes", "agent coder was stopped because it closed its output"),
        ("too_big_line", "agent coder was stopped because it sent a line beyond the limit of 16"),
    ],
)
async def test_death_in_a_turn_ends_it(fake_spec: Spec, mode: str, says: str) -> None:
    session = await AcpDriver().open(fake_spec(mode))
    done = end_of(await play(session, "go"))
    assert done.status == "failed" and done.failure is not None
    assert done.failure.kind is FailureKind.BROKEN_PIPE
    assert done.failure.message.startswith(says)
    assert "\x1b" not in done.failure.message and "\x07" not in done.failure.message
    again = end_of(await play(session, "go on"))
    assert again.failure == done.failure
    await session.close()


@pytest.mark.parametrize(
    ("mode", "says"),
    [
        ("silent", "did not answer initialize within 0.5 s; does its `command` start an ACP"),
        ("babbles", "did not answer initialize within 3 s; it printed: 'Usage: agent"),
        ("fails", "exit status 1; its last words: Error: config is broken ␛[2J"),
        ("other_words", "its reply cannot be read: session/new: sessionId: Field required"),
        ("version_9", "it speaks version 9 of the protocol, Longwatch 1; update the older"),
        (
            "locked",
            "Authentication required; sign in first; it offers: "
            "Log in (Run `agent login`) [auth = 'browser']",
        ),
    ],
)
async def test_a_failed_handshake_is_one_clear_sentence(
    fake_spec: Spec, mode: str, says: str
) -> None:
    # It may take a while until it is there to babble.
    seconds = {"silent": 0.5, "babbles": 3.0}.get(mode, PATIENCE)
    with pytest.raises(DriverError) as caught:
        await AcpDriver().open(fake_spec(mode, start_seconds=seconds))
    assert str(caught.value).startswith("agent coder")
    assert says in str(caught.value) and "\n" not in str(caught.value)


async def test_a_program_that_is_not_there_is_named(fake_spec: Spec) -> None:
    with pytest.raises(DriverError, match="its command 'no-such-agent' was not found; install"):
        await AcpDriver().open(fake_spec("echo", command=("no-such-agent", "acp")))


async def test_a_cancelled_handshake_leaves_no_process(fake_spec: Spec) -> None:
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(1):
            await AcpDriver().open(fake_spec("silent"))


async def test_the_agents_mode_is_chosen_and_said(fake_spec: Spec) -> None:
    events = await turn(fake_spec("modes"))
    assert notices(events) == ["its mode is yolo (it has: ask)"]
    events = await turn(fake_spec("modes", mode="Ask"))
    assert notices(events) == ["its mode is ask (it has: yolo)"]
    with pytest.raises(DriverError, match="it has no mode 'aks'; did you mean"):
        await AcpDriver().open(fake_spec("modes", mode="aks"))
    with pytest.raises(DriverError, match="it offers no choice of model; remove `model`"):
        await AcpDriver().open(fake_spec("modes", model="gpt"))


async def test_a_session_is_taken_up_without_showing_the_replay(fake_spec: Spec) -> None:
    session = await AcpDriver().resume(fake_spec("echo"), "session-1")
    assert (session.native_id, session.continuity) == ("session-1", Continuity.RESUMED)
    events = await play(session, "go on")
    assert end_of(events).text == "go on" and "replayed" not in str(events)
    await session.close()


async def test_a_session_that_the_agent_has_lost_begins_anew(fake_spec: Spec) -> None:
    session = await AcpDriver().resume(fake_spec("forgets"), "session-0")
    assert (session.native_id, session.continuity) == ("session-1", Continuity.RESTARTED)
    events = await play(session, "go on")
    assert notices(events) == ["it cannot take up its session session-0: no such session"]
    await session.close()


async def test_instructions_stand_before_the_first_prompt_of_a_new_conversation(
    fake_spec: Spec,
) -> None:
    session = await AcpDriver().open(fake_spec("echo", instructions="Be kind.\n"))
    said = [end_of(await play(session, text, turn=n)).text for n, text in ((1, "go"), (2, "on"))]
    assert said == ["Be kind.\n\ngo", "on"]
    await session.close()
    taken_up = await AcpDriver().resume(fake_spec("echo", instructions="Be kind."), "session-1")
    assert end_of(await play(taken_up, "go on")).text == "go on"
    await taken_up.close()


async def test_usage_context_and_cost_are_reported(fake_spec: Spec) -> None:
    session = await AcpDriver().open(fake_spec("echo"))
    await play(session, "one")
    events = await play(session, "two", turn=2)
    usage = [event.usage for event in events if isinstance(event, UsageReported)][-1]
    assert (usage.input_tokens, usage.output_tokens, usage.total_tokens) == (20, 10, 30)
    assert (usage.context_tokens, usage.context_window, usage.cost_usd) == (1000, 8000, 0.25)
    await session.close()


async def test_a_conversation_that_begins_anew_costs_more_not_less(fake_spec: Spec) -> None:
    spec = replace(fake_spec("echo"), used=Usage(total_tokens=90_000, cost_usd=3.5))
    session = await AcpDriver().resume(spec, "session-1")
    told = []
    for number in (1, 2):
        events = await play(session, "on", turn=number)
        told += [event.usage.cost_usd for event in events if isinstance(event, UsageReported)]
    assert told[-1] == 3.75, "its figure is that of the new conversation, and told again"
    await session.close()


# ---- questions


async def test_a_question_with_only_an_id_shows_the_call_it_is_about(fake_spec: Spec) -> None:
    events = await turn(fake_spec("bare_question"), ALLOW)
    (question,) = asked(events)
    assert question.call.command == "rm -rf build" and question.call.kind is ToolKind.SHELL
    assert question.offered == ("Go", "Go on for ever", "No")
    (finished,) = [e for e in events if isinstance(e, ToolFinished)]
    assert (finished.call_id, finished.outcome.exit_code, finished.outcome.ok) == ("c1", 3, False)
    assert end_of(events).text == "option-0"


@pytest.mark.parametrize("scope", list(Scope))
async def test_the_agent_is_never_told_to_stop_asking(fake_spec: Spec, scope: Scope) -> None:
    events = await turn(fake_spec("bare_question"), Answer(Action.ALLOW, scope))
    assert end_of(events).text == "option-0"


async def test_only_what_is_offered_can_be_answered(fake_spec: Spec) -> None:
    session = await AcpDriver().open(fake_spec("only_always"))
    with pytest.raises(DriverError, match="approved once; it offers: For ever"):
        await play(session, "go", ALLOW)
    await session.interrupt()
    events = await play(session, "go", Answer(Action.ALLOW, Scope.SESSION), turn=2)
    assert end_of(events).text == "option-0"
    events = await play(session, "go", DENY, turn=3)  # no way to say no: cancelled
    assert end_of(events).text == "cancelled"
    await session.close()


async def test_two_questions_about_one_call_are_two(fake_spec: Spec) -> None:
    session = await AcpDriver().open(fake_spec("asks_twice"))
    events: list[AgentEvent] = []
    async for event in session.prompt(Prompt("go", 1)):
        events.append(event)
        if len(asked(events)) == 2 and isinstance(event, ApprovalAsked):
            for question in reversed(asked(events)):
                await session.answer(question.call.call_id, ALLOW)
    assert [question.call.call_id for question in asked(events)] == ["c1", "c1#2"]
    assert end_of(events).text == "6:y 5:y"
    await session.close()


async def test_a_denial_and_its_reason_reach_an_agent_that_falls_silent(fake_spec: Spec) -> None:
    events = await turn(fake_spec("silent_after_denial"), Answer(Action.DENY, reason="use plan B"))
    assert end_of(events).text == "read: The operator denied `make`: use plan B"
    events = await turn(fake_spec("silent_after_denial"), DENY)
    assert end_of(events).text.startswith("read: The operator denied `make`. Go on without it")


async def test_deny_and_interrupt_ends_the_turn(fake_spec: Spec) -> None:
    events = await turn(fake_spec("silent_after_denial"), Answer(Action.DENY, interrupt=True))
    assert end_of(events).status == "interrupted"


async def test_what_cannot_be_read_or_is_unknown_is_refused(fake_spec: Spec) -> None:
    events = await turn(fake_spec("bad_question"))
    assert end_of(events).text.startswith("error: ") and asked(events) == []
    assert end_of(await turn(fake_spec("unknown_request"))).text == "error: Method not found"


async def test_other_sessions_are_out_of_reach(fake_spec: Spec) -> None:
    events = await turn(fake_spec("other_session"), ALLOW)
    told = end_of(events).text.split(" | ")
    assert told[0] == "option-0" and len(told) == 5
    assert all("is not the one of this connection" in refusal for refusal in told[1:]), told


async def test_an_open_question_goes_with_its_turn(fake_spec: Spec) -> None:
    events = await turn(fake_spec("ends_while_asking"))
    (gone,) = [event for event in events if isinstance(event, ApprovalGone)]
    assert gone == ApprovalGone("c1", "the turn ended")
    done = end_of(events)
    assert done.failure is not None and done.failure.kind is FailureKind.BAD_REQUEST
    assert done.failure.message == "agent coder: it reached the limit of tokens for one answer"


@pytest.mark.parametrize(
    ("mode", "kind", "says"),
    [
        ("wants_login", FailureKind.UNAUTHORIZED, "agent coder: Authentication required"),
        ("rate_limited", FailureKind.RATE_LIMIT, "agent coder: Internal error: 429 slow down"),
        ("bad_end", FailureKind.PROTOCOL, "cannot be read: session/prompt: stopReason: Input"),
    ],
)
async def test_a_failed_turn_has_its_class(
    fake_spec: Spec, mode: str, kind: FailureKind, says: str
) -> None:
    done = end_of(await turn(fake_spec(mode)))
    assert done.failure is not None and done.failure.kind is kind
    assert says in done.failure.message


async def test_acting_without_asking_is_said(fake_spec: Spec) -> None:
    events = await turn(fake_spec("acts_unasked"))
    assert any(isinstance(event, ToolStarted) for event in events)
    assert any("did this without asking: make it; `mode`" in text for text in notices(events))


# ---- through us


async def test_files_are_written_as_approved_and_only_in_the_workspace(
    fake_spec: Spec, tmp_path: Path
) -> None:
    spec = fake_spec("writes")
    outside = tmp_path / "outside"
    outside.mkdir()
    (Path(spec.workspace) / "link").symlink_to(outside)
    events = await turn(spec, ALLOW, Answer(Action.DENY, reason="not that"))
    first, second = asked(events)
    assert first.call.title == "add a.txt"
    assert second.call.title == "update a.txt" and "+other" in second.call.changes[0].diff
    assert second.offered == ("allow", "deny")
    told = end_of(events).text
    assert told.startswith("{} error: denied: not that ")
    assert told.count("error") == 1 + 4 + 1 and '"content": "hello\\n"' in told
    assert (Path(spec.workspace) / "a.txt").read_text() == "hello\n"
    assert list(outside.iterdir()) == []


async def test_a_session_that_may_only_read_writes_and_runs_nothing(fake_spec: Spec) -> None:
    spec = fake_spec("writes", sandbox="read-only")
    told = end_of(await turn(spec, ALLOW)).text
    assert 'may only read (`sandbox = "read-only"`)' in told
    assert not any(Path(spec.workspace).iterdir())  # noqa: ASYNC240
    told = end_of(await turn(fake_spec("runs", sandbox="read-only"), ALLOW)).text
    assert told.count("may only read") == 2


async def test_commands_run_as_approved_and_others_are_asked_about(fake_spec: Spec) -> None:
    events = await turn(fake_spec("runs"), ALLOW, ALLOW)
    assert [question.call.command for question in asked(events)] == ["echo one", "echo two; exit 3"]
    told = end_of(events).text
    assert told == "one=0 two=3 error: this session has no terminal 'terminal-1'"
    told = end_of(await turn(fake_spec("runs"), ALLOW, Answer(Action.DENY, reason="no"))).text
    assert told.startswith("one=0 error: denied: no ")


async def test_forgotten_terminals_end_with_the_session(fake_spec: Spec, journal: Journal) -> None:
    session = await AcpDriver().open(fake_spec("leaves_terminals"))
    events = await play(session, "go", *[ALLOW] * 7)
    assert end_of(events).text == "this session has 5 terminals already; end one first"
    assert len([pid for pid in journal.pids if psutil.pid_exists(pid)]) == 6
    await session.close()
    assert [pid for pid in journal.pids if psutil.pid_exists(pid)] == []


# ---- interrupting, flooding


async def test_steering_waits_for_the_end_of_the_answer(fake_spec: Spec) -> None:
    session = await AcpDriver().open(fake_spec("bare_question"))
    with pytest.raises(DriverError, match="no turn to steer"):
        await session.steer("hello")
    events: list[AgentEvent] = []
    async for event in session.prompt(Prompt("go", 1)):
        events.append(event)
        if isinstance(event, ApprovalAsked):
            if len(asked(events)) == 1:
                await session.steer("and the docs")
            await session.answer(event.call.call_id, ALLOW)
    prompts = [e.text for e in events if isinstance(e, ItemDone) and e.kind is ChunkKind.PROMPT]
    assert prompts == ["and the docs"] and len(asked(events)) == 2
    await session.close()


async def test_an_interrupted_turn_ends_and_the_next_one_runs(fake_spec: Spec) -> None:
    session = await AcpDriver().open(fake_spec("never_ends"))
    stream = session.prompt(Prompt("go", 1))
    async for event in stream:
        if isinstance(event, TextDelta):
            break
    await stream.aclose()  # nobody reads any more
    playing = asyncio.create_task(play(session, "again", turn=2))
    while not playing.done():  # once it is there to be interrupted
        await session.interrupt()
        await asyncio.sleep(0.01)
    assert end_of(await playing).status == "interrupted"
    await session.close()


async def test_an_agent_that_does_not_react_is_stopped(
    fake_spec: Spec, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(acp_session, "_CANCEL_SECONDS", 0.5)
    session = await AcpDriver().open(fake_spec("ignores_cancel"))
    playing = asyncio.create_task(play(session, "go"))
    await asyncio.sleep(0.3)
    await session.interrupt()
    done = end_of(await playing)
    assert done.failure is not None
    assert done.failure.message == "agent coder did not end its turn within 0.5 s; it was stopped"
    await session.close()


async def test_a_flood_stops_at_the_pipe(fake_spec: Spec) -> None:
    session = await AcpDriver().open(fake_spec("floods"))
    before = psutil.Process().memory_info().rss
    stream = session.prompt(Prompt("go", 1))
    await anext(stream)
    await asyncio.sleep(1)  # nobody reads
    await session.interrupt()
    events = [event async for event in stream]
    assert end_of(events).status == "interrupted"
    # 2,048 events of 100 KB are let in before the writer is slowed, the rest stays outside.
    assert psutil.Process().memory_info().rss - before < 600 * 1024 * 1024
    await session.close()


async def test_a_flood_of_requests_is_refused(fake_spec: Spec) -> None:
    assert end_of(await turn(fake_spec("floods_questions"))).text == "asked"


async def test_configured_servers_are_handed_over(fake_spec: Spec) -> None:
    program = McpServer(name="notes", command=("sh", "-c", "true"), env=("KEY",))
    address = McpServer(name="docs", url="https://x.example/mcp", header_env={"X-Key": "KEY"})
    path = {"PATH": "/usr/bin:/bin"}
    given = (
        McpLaunch(program, env={**path, "KEY": "v"}, given={"KEY": "v"}),
        McpLaunch(address, headers={"X-Key": "v"}),
    )
    notes, docs = json.loads(
        end_of(await turn(replace(fake_spec("tells_servers"), mcp=given))).text
    )
    assert Path(notes["command"]).is_absolute() and notes["args"] == ["-c", "true"]
    assert (notes["name"], notes["env"]) == ("notes", [{"name": "KEY", "value": "v"}])
    assert (docs["type"], docs["url"]) == ("http", "https://x.example/mcp")
    assert docs["headers"] == [{"name": "X-Key", "value": "v"}]
    with pytest.raises(DriverError, match="MCP server docs: this agent takes none by `url`"):
        await AcpDriver().open(replace(fake_spec("echo"), mcp=given[1:]))


async def test_a_call_of_a_server_has_its_name(fake_spec: Spec) -> None:
    (question,) = asked(await turn(fake_spec("calls_mcp"), ALLOW))
    assert (question.call.tool, question.call.kind) == ("mcp:notes/find", ToolKind.MCP)


async def test_a_call_of_a_server_without_asking_is_told(fake_spec: Spec) -> None:
    server = McpServer(name="notes", command=("true",))
    events = await turn(replace(fake_spec("calls_unasked"), mcp=(McpLaunch(server),)))
    (call,) = [event.call for event in events if isinstance(event, ToolStarted)]
    assert (call.tool, call.kind) == ("mcp:notes/write", ToolKind.MCP)
    assert "did this without asking: notes_write" in notices(events)[-1]
