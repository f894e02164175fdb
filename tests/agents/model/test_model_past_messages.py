"""A past session taken up: in words, once, whole or not at all; shortened when it is too long."""

from __future__ import annotations

from pathlib import Path

import pytest
from msgspec.structs import replace
from pydantic_ai.messages import ModelMessage, ModelRequest, ModelResponse

from app.agents.model import ModelDriver
from app.agents.model.conversation import Conversation
from app.agents.model.past_messages import messages_of
from app.agents.protocol import AgentEvent, ItemDone, SessionSpec
from app.domain.errors import DriverError, Refused
from app.domain.past import PastEntry, PastHistory, PastKind, PastSession
from app.domain.past_ref import PastId
from app.domain.session import ChunkKind, Continuity
from tests.agents.model.conftest import Spec
from tests.agents.playing import end_of, play
from tests.support.model_replies import Reply, Rule, Script
from tests.support.model_server import ModelServer

SESSION = PastSession(past_id=PastId("main/abc"), agent="main", session="abc", title="t", size=9)
ENTRIES = (
    PastEntry(line=1, kind=PastKind.USER, text="Which port?", images=1),
    PastEntry(line=2, kind=PastKind.ASSISTANT, text="I look."),
    PastEntry(line=2, kind=PastKind.TOOL_CALL, text="cat conf", tool="exec"),
    PastEntry(line=3, kind=PastKind.TOOL_RESULT, text="port=8417", tool="exec"),
    PastEntry(line=4, kind=PastKind.ASSISTANT, text="It is 8417."),
)


def history(*entries: PastEntry, left_out: int = 0) -> PastHistory:
    images = sum(entry.images for entry in entries)
    return PastHistory(session=SESSION, entries=entries, left_out=left_out, images=images)


def taking_up(spec: SessionSpec, *entries: PastEntry) -> SessionSpec:
    async def read() -> PastHistory:
        return history(*(entries or ENTRIES))

    return replace(spec, history=read)


def told(events: list[AgentEvent]) -> list[str]:
    found = [e.text for e in events if isinstance(e, ItemDone) and e.kind is ChunkKind.NOTICE]
    return [text for text in found if not text.startswith("its commands are ")]


def texts(messages: list[ModelMessage]) -> list[tuple[str, str]]:
    return [
        (m.kind, "\n".join(str(getattr(part, "content", "")) for part in m.parts)) for m in messages
    ]


def test_calls_and_images_are_told_in_words_and_the_sides_take_turns() -> None:
    found = texts(messages_of(history(*ENTRIES, left_out=3), "", 200_000))
    assert [kind for kind, _ in found] == ["request", "response", "request", "response"]
    first, second, third, fourth = (text for _, text in found)
    assert "session abc of agent main" in first
    assert "The 3 oldest entries are left out." in first
    assert first.endswith("Which port?\n[an image stood here, not brought over]")
    assert second == "I look.\n\n[I called the tool exec: cat conf]"
    assert third == "[The tool exec gave:]\nport=8417"
    assert fourth == "It is 8417."


def test_an_entry_takes_no_more_than_the_model_can_hold() -> None:
    long = PastEntry(line=1, kind=PastKind.TOOL_RESULT, text="x" * 60_000, tool="exec")
    small, large = (texts(messages_of(history(long), "", w))[0][1] for w in (10_000, 200_000))
    assert len(small) < 2_000 < len(large) < 18_000
    assert "left out" in small


@pytest.mark.parametrize("api", ["chat", "responses", "messages"])
async def test_the_model_is_told_and_answers_from_it(
    spec: Spec, model: ModelServer, tmp_path: Path, api: str
) -> None:
    session = await ModelDriver().open(taking_up(spec(api=api)))
    events = await play(session, "SAY: I remember")
    assert end_of(events).text == "I remember"
    assert told(events) == [
        "begins with past session main/abc: 5 entries, as 4 messages; "
        "1 image could not be taken over"
    ]
    (sent,) = model.conversations()
    assert "Which port?" in sent.text and "port=8417" in sent.text
    assert session.continuity is Continuity.FRESH
    await session.close()


async def test_it_is_begun_once_however_often_the_session_is_opened(
    spec: Spec, model: ModelServer, tmp_path: Path
) -> None:
    for start in ("open", "open", "resume"):
        one = taking_up(spec())
        driver = ModelDriver()
        session = await (driver.open(one) if start == "open" else driver.resume(one, "s-1"))
        await session.close()
    kept = Conversation.load(tmp_path / "session" / "conversation.jsonl", "")
    assert len(kept.messages) == 4
    assert kept.turn == 0
    # A conversation that was lost begins as it did the first time.
    (tmp_path / "session" / "conversation.jsonl").unlink()
    session = await ModelDriver().resume(taking_up(spec()), "s-1")
    assert session.continuity is Continuity.RESTARTED
    events = await play(session, "SAY: again", turn=3)
    assert told(events)[-1].startswith("begins with past session")
    await session.close()


@pytest.mark.parametrize("at", ["write", "replace"])
async def test_a_start_that_is_cut_off_leaves_all_or_nothing(
    spec: Spec, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, at: str
) -> None:
    def cut_off(*_: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        if at == "write":
            patch.setattr("app.agents.model.conversation.os.fsync", cut_off)
        else:
            patch.setattr(Path, "replace", cut_off)
        with pytest.raises(DriverError, match="cannot be kept: No space left"):
            await ModelDriver().open(taking_up(spec()))
    path = tmp_path / "session" / "conversation.jsonl"
    assert not path.exists()
    session = await ModelDriver().open(taking_up(spec()))
    await session.close()
    assert len(Conversation.load(path, "").messages) == 4


async def test_a_history_that_cannot_be_read_opens_nothing(spec: Spec, tmp_path: Path) -> None:
    async def read() -> PastHistory:
        raise Refused("it has changed")

    with pytest.raises(Refused, match="it has changed"):
        await ModelDriver().open(replace(spec(), history=read))
    assert not (tmp_path / "session" / "conversation.jsonl").exists()


async def test_what_is_too_long_is_compacted_before_the_first_request(
    spec: Spec, model: ModelServer, tmp_path: Path
) -> None:
    summary = Rule(when="Summarise this conversation", on="last", replies=(Reply(say="in short"),))
    model.script = Script([summary])
    kinds = (PastKind.USER, PastKind.ASSISTANT)
    many = [PastEntry(line=n, kind=kinds[n % 2], text=f"n{n} " + "w" * 400) for n in range(80)]
    session = await ModelDriver().open(taking_up(spec(context_tokens=6_000), *many))
    events = await play(session, "SAY: done")
    assert end_of(events).text == "done"
    assert told(events)[1].startswith("compacted: ")
    asked = model.conversations()
    assert len(asked) > 2, "in pieces that the model can hold, then the prompt"
    assert all(len(one.text) < 6_000 * 4 for one in asked)
    assert "in short" in asked[-1].text
    await session.close()
    kept = Conversation.load(tmp_path / "session" / "conversation.jsonl", "")
    assert len(kept.messages) == 82
    assert isinstance(kept.messages[0], ModelRequest)
    assert isinstance(kept.messages[-1], ModelResponse)
