"""Further models while the first is away, and only then."""

from __future__ import annotations

import pytest

from app.agents.model import ModelDriver, lineup
from app.agents.protocol import AgentEvent, Answer, ItemDone, SessionSpec, Switched, UsageReported
from app.domain.approval import Action
from app.domain.errors import DriverError
from app.domain.run import FailureKind
from app.domain.session import ChunkKind
from tests.agents.model.conftest import Spec
from tests.agents.playing import end_of, play
from tests.support.model_replies import Reply, Rule, Script
from tests.support.model_server import ModelServer

ALLOW = Answer(Action.ALLOW)
SECOND = {"model": "local/first", "fallbacks": ["local/second"]}


async def turn(spec: SessionSpec, text: str, *answers: Answer) -> list[AgentEvent]:
    session = await ModelDriver().open(spec)
    try:
        return await play(session, text, *answers)
    finally:
        await session.close()


def switches(events: list[AgentEvent]) -> list[Switched]:
    return [event for event in events if isinstance(event, Switched)]


def asked(model: ModelServer) -> list[object]:
    """Which model was asked, request by request; what the client repeats counts once."""
    names = [body["model"] for body in model.requests]
    return [name for at, name in enumerate(names) if at == 0 or names[at - 1] != name]


@pytest.mark.parametrize(
    ("api", "status"), [("chat", 401), ("chat", 404), ("chat", 503), ("messages", 401)]
)
async def test_a_model_that_is_away_hands_the_turn_on(
    spec: Spec, model: ModelServer, api: str, status: int
) -> None:
    model.errors["first"] = status
    events = await turn(spec(api=api, **SECOND), "RUN: echo hi", ALLOW)
    (switched,) = switches(events)
    assert (switched.before, switched.model) == ("local/first", "local/second")
    assert switched.why.startswith("model local/first: ") and str(status) in switched.why
    assert end_of(events).text == "DONE: hi\n"
    assert asked(model) == ["first", "second"]


@pytest.mark.parametrize("status", [400, 422])
async def test_a_bad_request_is_nobody_elses(spec: Spec, model: ModelServer, status: int) -> None:
    model.errors["first"] = status
    events = await turn(spec(**SECOND), "SAY: hi")
    failure = end_of(events).failure
    assert failure is not None and failure.kind is FailureKind.BAD_REQUEST
    assert switches(events) == [] and asked(model) == ["first"]


async def test_the_next_turn_begins_with_the_first(spec: Spec, model: ModelServer) -> None:
    session = await ModelDriver().open(spec(**SECOND))
    model.errors["first"] = 401
    await play(session, "SAY: one")
    model.errors.clear()
    assert switches(await play(session, "SAY: two", turn=2)) == []
    assert asked(model) == ["first", "second", "first"]
    await session.close()


async def test_all_are_away(spec: Spec, model: ModelServer) -> None:
    model.errors.update(first=401, second=429)
    session = await ModelDriver().open(spec(**SECOND))
    failure = end_of(await play(session, "SAY: hi")).failure
    assert failure is not None and failure.kind is FailureKind.RATE_LIMIT, "waiting may help"
    assert failure.message.startswith("none of its models is to be had: model local/first: ")
    assert "; model local/second: " in failure.message
    model.errors.clear()
    assert end_of(await play(session, "SAY: hi", turn=2)).text == "hi"
    await session.close()


async def test_a_model_without_its_key_is_left_out(
    spec: Spec, model: ModelServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("GROQ_API_KEY", raising=False)
    with pytest.raises(DriverError, match="GROQ_API_KEY is not set"):
        await ModelDriver().open(spec(model="groq/llama", base_url="", fallbacks=["groq/other"]))
    given = {"model": "local/first", "fallbacks": ["groq/llama", "local/second"]}
    model.errors["first"] = 503
    events = await turn(spec(**given), "SAY: hi")
    notes = [e.text for e in events if isinstance(e, ItemDone) and e.kind is ChunkKind.NOTICE]
    assert notes[0].startswith("model groq/llama: GROQ_API_KEY is not set where the supervisor")
    assert [s.model for s in switches(events)] == ["local/second"]


async def test_a_smaller_model_reads_the_conversation_in_pieces(
    spec: Spec, model: ModelServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lineup, "_known_window", lambda agent, name: 2_000)
    model.script = Script(
        [Rule(when="Summarise this conv", on="last", replies=(Reply(say="a summary"),))]
    )
    session = await ModelDriver().open(spec(**SECOND))
    before = await play(session, "\n".join(["RUN: true"] * 16), *[ALLOW] * 16)
    assert _window(before) == 200_000
    # As if the endpoint had told twice of what the next one can hold.
    used = session._requests._usage
    session._requests._usage = used.model_copy(update={"context_tokens": 4_000})
    model.errors["first"] = 401
    count, whole = len(model.requests), len(str(model.requests[-1]))
    events = await play(session, "SAY: on", turn=2)
    assert end_of(events).text == "on" and _window(events) == 2_000
    asks = [len(str(body)) for body in model.requests[count:] if "tools" not in body]
    assert len(asks) > 1 and max(asks) < whole / 2
    await session.close()


def _window(events: list[AgentEvent]) -> int | None:
    told = [event.usage for event in events if isinstance(event, UsageReported)]
    return told[-1].context_window
