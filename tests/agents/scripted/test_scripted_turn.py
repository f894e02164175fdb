"""Turns: events in order, at the script's pace; steering; which entry a turn plays."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.agents.protocol import (
    AgentEvent,
    Answer,
    ApprovalAsked,
    Prompt,
    TextDelta,
    ToolFinished,
    ToolStarted,
    TurnDone,
    UsageReported,
)
from app.agents.scripted.pace import pieces
from app.domain.approval import Action
from app.domain.errors import DriverError
from app.domain.session import ChunkKind, Continuity, Usage
from tests.agents.scripted.stage import Stage, done, output, play, said

STORY = '''
words_per_second = 10

[[turn]]
final = "All done in turn {turn}, {other}."
usage = { input_tokens = 100, output_tokens = 7 }

[[turn.event]]
kind = "thought"
text = "Where do I begin?"

[[turn.event]]
kind = "message"
pause = 3
text = "I look around first, and then I print a greeting."

[[turn.event]]
kind = "shell"
command = 'echo "$GREETING"; echo oops >&2; exit 3'

[[turn]]
final = """You said:
{quoted}"""
usage = { input_tokens = 50, output_tokens = 1 }
'''


async def test_events_come_in_the_order_of_the_script(stage: Stage) -> None:
    session = await stage.session(STORY)
    assert (session.native_id, session.continuity) == ("scripted-s-1", Continuity.FRESH)
    events = await play(session)
    assert done(events) == TurnDone("completed", text="All done in turn 1, {other}.")
    order = [type(event) for event in events if not isinstance(event, TextDelta)]
    names = [kind.__name__ for kind in order]
    assert names == [
        "ItemDone",  # the thought
        "ItemDone",  # the message
        "ApprovalAsked",
        "ToolStarted",
        "ItemDone",  # the output
        "ToolFinished",
        "UsageReported",
        "ItemDone",  # the final message
        "TurnDone",
    ]
    outcome = next(event for event in events if isinstance(event, ToolFinished)).outcome
    assert (outcome.ok, outcome.exit_code, outcome.summary) == (False, 3, "hello\noops")
    assert output(events) == "hello\noops\n"


async def test_streamed_pieces_make_up_the_item(stage: Stage) -> None:
    events = await play(await stage.session(STORY))
    message = "I look around first, and then I print a greeting."
    assert message in said(events)
    deltas = [e for e in events if isinstance(e, TextDelta) and e.kind is ChunkKind.MESSAGE]
    item = deltas[0].item_id
    assert "".join(e.text for e in deltas if e.item_id == item) == message
    assert len([e for e in deltas if e.item_id == item]) > 3


async def test_pacing_follows_the_words_and_the_speed(stage: Stage) -> None:
    await play(await stage.session(STORY))
    normal = list(stage.slept)
    words = (4, 10, 6)  # thought, message, final text
    assert sum(normal) == pytest.approx(3 + sum(words) / 10)
    stage.slept.clear()
    await play(await stage.session(STORY, speed=4))
    assert sum(stage.slept) == pytest.approx(sum(normal) / 4)


async def test_a_great_speed_waits_for_nothing(stage: Stage) -> None:
    await play(await stage.session(STORY, speed=1e9))
    assert stage.slept == []


async def test_each_turn_plays_its_entry_and_the_last_repeats(stage: Stage) -> None:
    session = await stage.session(STORY)
    text = "Sent back:\n> not yet\n> and why?\nend"
    second = await play(session, 2, text=text)
    fifth = await play(session, 5, text=text)
    assert done(second).text == done(fifth).text == "You said:\nnot yet\nand why?"


async def test_usage_is_that_of_the_session_so_far(stage: Stage) -> None:
    events = await play(await stage.session(STORY), 3)
    usage = next(event.usage for event in events if isinstance(event, UsageReported))
    assert usage == Usage(input_tokens=200, output_tokens=9, total_tokens=209)


async def test_resuming_keeps_the_conversation(stage: Stage) -> None:
    session = await stage.session(STORY, resume="scripted-before")
    assert (session.native_id, session.continuity) == ("scripted-before", Continuity.RESUMED)


async def test_what_the_operator_says_is_repeated_before_the_next_event(stage: Stage) -> None:
    session = await stage.session(STORY)
    steered, events = False, list[AgentEvent]()
    async for event in session.prompt(Prompt("do it", 1)):
        events.append(event)
        if not steered:
            steered = True
            await session.steer("mind the tests")
        if isinstance(event, ApprovalAsked):
            await session.answer(event.call.call_id, Answer(Action.ALLOW))
    assert said(events)[0] == "The operator says: mind the tests"


async def test_outside_a_turn_there_is_nobody_to_hear(stage: Stage) -> None:
    session = await stage.session(STORY)
    with pytest.raises(DriverError, match="not at work"):
        await session.steer("hello")
    with pytest.raises(DriverError, match="no turn runs"):
        await session.answer("c1", Answer(Action.ALLOW))
    await session.interrupt()
    assert done(await play(session)).status == "completed"


async def test_one_prompt_at_a_time(stage: Stage) -> None:
    session = await stage.session(STORY)
    stream = session.prompt(Prompt("do it", 1))
    await anext(stream)
    with pytest.raises(DriverError, match="in a turn already"):
        await anext(session.prompt(Prompt("do it", 1)))
    await session.close()
    assert [event async for event in stream][-1] == TurnDone("interrupted")
    with pytest.raises(DriverError, match="closed"):
        await anext(session.prompt(Prompt("do it", 1)))


async def test_ids_are_those_of_the_turn_until_it_is_played_again(stage: Stage) -> None:
    session = await stage.session(STORY)
    calls = []
    for again in (False, False, True, True):
        events = await play(session, again=again)
        calls.append(next(e.call.call_id for e in events if isinstance(e, ToolStarted)))
    assert calls[0] == calls[1] == "s-1-t1-c1"
    assert len(set(calls)) == 3


@given(st.text(max_size=200))
def test_pieces_lose_nothing(text: str) -> None:
    assert "".join(piece for piece, _ in pieces(text)) == text
