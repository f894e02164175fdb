"""Compaction: a long conversation goes on from a summary; nothing is dropped before it is kept."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic_ai.messages import (
    ModelMessage,
    ModelRequest,
    ModelResponse,
    TextPart,
    ToolCallPart,
    ToolReturnPart,
    UserPromptPart,
)

from app.agents.model import ModelDriver
from app.agents.model.compaction import _boundary
from app.agents.model.conversation import Conversation
from app.agents.protocol import AgentEvent, Answer, ItemDone
from app.domain.approval import Action
from app.domain.run import FailureKind
from app.domain.session import ChunkKind
from tests.agents.model.conftest import Spec
from tests.agents.playing import end_of, play
from tests.support.model_replies import Reply, Rule, Script
from tests.support.model_server import ModelServer
from tests.support.waiting import until

ALLOW = Answer(Action.ALLOW)
TOO_LONG = Reply(
    error=400, words="This model's maximum context length is 4096 tokens, and you asked for more"
)
SUMMARY = "the story so far: eleven echoes"


def summarising(*more: Rule) -> Script:
    return Script(
        [
            *more,
            Rule(when="Summarise this conversation", on="last", replies=(Reply(say=SUMMARY),)),
        ]
    )


def notices(events: list[AgentEvent]) -> list[str]:
    found = [e.text for e in events if isinstance(e, ItemDone) and e.kind is ChunkKind.NOTICE]
    return [text for text in found if not text.startswith("its commands are ")]


async def test_a_long_conversation_is_compacted_within_a_turn(
    spec: Spec, model: ModelServer, tmp_path: Path
) -> None:
    model.script = summarising()
    session = await ModelDriver().open(spec(compact_messages=20))
    text = "\n".join(f"RUN: echo {n}" for n in range(15))
    events = await play(session, text, *[ALLOW] * 40)
    (said,) = notices(events)[:1]
    assert said == f"compacted: 11 messages are now a summary of {len(SUMMARY)} characters " + (
        "(1,234 tokens before)"
    )
    after = model.conversations()[-1]
    assert SUMMARY in after.text
    assert len(after.entries) < 25
    await session.close()
    kept = Conversation.load(tmp_path / "session" / "conversation.jsonl", "")
    assert kept.summary == SUMMARY
    assert len(kept.messages) > 20, "what is summarised stays in the file"


async def test_tokens_count_too_and_a_restart_goes_on_from_the_summary(
    spec: Spec, model: ModelServer
) -> None:
    model.script = summarising()
    options = {"context_tokens": 2000, "compact_percent": 50}  # each answer tells 1,234 tokens
    session = await ModelDriver().open(spec(**options))
    for turn in range(1, 14):
        await play(session, f"SAY: {turn}", turn=turn)
    await session.close()
    taken_up = await ModelDriver().resume(spec(**options), "s-1")
    before = len(model.requests)
    await play(taken_up, "SAY: more", turn=14)
    sent = model.conversations()[before]
    assert SUMMARY in sent.text and "SAY: 1\n" not in sent.text
    await taken_up.close()


async def test_a_conversation_that_no_longer_fits_is_compacted_and_asked_again(
    spec: Spec, model: ModelServer
) -> None:
    session = await ModelDriver().open(spec(api="chat"))
    for turn in range(1, 14):
        await play(session, f"SAY: {turn}", turn=turn)
    model.script = summarising(
        Rule(when="TOO MUCH", on="last", replies=(TOO_LONG, Reply(say="now it fits")))
    )
    events = await play(session, "TOO MUCH", turn=14)
    assert end_of(events).text == "now it fits"
    assert notices(events)[0].startswith("compacted: ")
    await session.close()


async def test_a_summary_that_fails_loses_nothing(spec: Spec, model: ModelServer) -> None:
    model.script = Script(
        [
            Rule(
                when="Summarise this conv",
                on="last",
                replies=(Reply(error=401), Reply(say=SUMMARY)),
            )
        ]
    )
    session = await ModelDriver().open(spec(compact_messages=20))
    ends = [end_of(await play(session, f"SAY: {turn}", turn=turn)) for turn in range(1, 14)]
    (refused,) = [end.failure for end in ends if end.failure is not None]
    assert refused.kind is FailureKind.UNAUTHORIZED
    after = model.conversations()[-1]
    assert ends[-1].text == "13" and SUMMARY in after.text and "SAY: 12" in after.text
    await session.close()


async def test_two_sessions_compact_at_once_and_keep_apart(
    spec: Spec, model: ModelServer, tmp_path: Path
) -> None:
    model.script = Script(
        [
            Rule(when="(?s)SAY: left.*Summarise this", replies=(Reply(say="LEFT STORY"),)),
            Rule(when="(?s)SAY: right.*Summarise this", replies=(Reply(say="RIGHT STORY"),)),
        ]
    )

    async def talk(name: str) -> Conversation:
        given = spec(compact_messages=20)
        folder = tmp_path / name
        made = type(given)(
            name, given.agent, given.workspace, given.env, given.processes, str(folder)
        )
        session = await ModelDriver().open(made)
        for turn in range(1, 16):
            await play(session, f"SAY: {name} {turn}", turn=turn)
        await session.close()
        return Conversation.load(folder / "conversation.jsonl", "")

    left, right = await asyncio.gather(talk("left"), talk("right"))
    assert (left.summary, right.summary) == ("LEFT STORY", "RIGHT STORY")


async def test_a_few_long_messages_are_compacted_too(spec: Spec, model: ModelServer) -> None:
    """A threshold of tokens counts whatever the number of messages."""
    model.script = summarising()
    session = await ModelDriver().open(spec(context_tokens=2000, compact_percent=50))
    await play(session, "SAY: one\n" + "a long story " * 500, turn=1)
    await play(session, "SAY: two\n" + "and another " * 500, turn=2)
    events = await play(session, "SAY: three", turn=3)
    assert notices(events)[0].startswith("compacted: ")
    sent = model.conversations()[-1].text
    assert SUMMARY in sent and "a long story" not in sent and "SAY: three" in sent
    await session.close()


async def test_what_is_said_while_a_summary_is_made_is_not_lost(
    spec: Spec, model: ModelServer
) -> None:
    """Compaction happens between two requests of the same turn: nothing races with it."""
    model.script = summarising()
    session = await ModelDriver().open(spec(compact_messages=20))
    text = "\n".join(f"RUN: echo {n}" for n in range(15))
    turn = asyncio.create_task(play(session, text, *[ALLOW] * 40))
    await until(lambda: any("Summarise this" in c.text for c in model.conversations()))
    await session.steer("and be brief, schöne Grüße 🙂")
    await turn
    assert "and be brief, schöne Grüße 🙂" in model.conversations()[-1].text
    await session.close()


async def test_a_summary_in_any_script_is_kept_whole(
    spec: Spec, model: ModelServer, tmp_path: Path
) -> None:
    """Nothing is cut at a number of bytes."""
    story = "каждое слово на месте 语 🙂 " * 40
    model.script = Script(
        [Rule(when="Summarise this conversation", on="last", replies=(Reply(say=story),))]
    )
    session = await ModelDriver().open(spec(compact_messages=20))
    await play(session, "\n".join(f"RUN: echo ü{n}" for n in range(15)), *[ALLOW] * 40)
    await session.close()
    kept = Conversation.load(tmp_path / "session" / "conversation.jsonl", "")
    assert kept.summary.strip() == story.strip()
    assert story.strip() in model.conversations()[-1].text


_STEP = st.sampled_from(["prompt", "answer", "calls"])


@given(steps=st.lists(_STEP, max_size=40), covered=st.integers(0, 40))
def test_no_result_is_left_without_its_call(steps: list[str], covered: int) -> None:
    messages: list[ModelMessage] = []
    for step in steps:
        if step == "prompt":
            messages.append(ModelRequest(parts=[UserPromptPart("p")]))
        elif step == "answer":
            messages.append(ModelResponse(parts=[TextPart("a")]))
        else:
            messages.append(ModelResponse(parts=[ToolCallPart("shell", "{}", "c")]))
            result = ToolReturnPart(tool_name="shell", content="r", tool_call_id="c")
            messages.append(ModelRequest(parts=[result]))
    covered = min(covered, len(messages))
    at = _boundary(messages, covered)
    if at is None:
        return
    assert covered + 10 <= at <= len(messages) - 10
    first = messages[at]
    assert isinstance(first, ModelResponse) or not isinstance(first.parts[0], ToolReturnPart)


@pytest.mark.parametrize("count", [19, 25])
async def test_short_conversations_stay_whole(spec: Spec, model: ModelServer, count: int) -> None:
    session = await ModelDriver().open(spec())
    events = await play(session, "\n".join(["RUN: true"] * count), *[ALLOW] * count)
    assert notices(events) == [] and end_of(events).status == "completed"
    await session.close()
