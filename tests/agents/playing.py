"""One turn of a session, played to its end; and the journal of the processes it needed."""

from __future__ import annotations

from contextlib import aclosing

from app.agents.protocol import AgentEvent, AgentSession, Answer, ApprovalAsked, Prompt, TurnDone
from app.domain.events import Payload, ProcessStarted


class Journal:
    """Where the process registry writes its events."""

    def __init__(self) -> None:
        self.pids: list[int] = []

    async def record(self, event: Payload) -> None:
        if isinstance(event, ProcessStarted):
            self.pids.append(event.process.pid)


async def play(
    session: AgentSession, text: str, *answers: Answer, turn: int = 1
) -> list[AgentEvent]:
    """Run one turn, giving the answers in order; its events."""
    events: list[AgentEvent] = []
    waiting = list(answers)
    async with aclosing(session.prompt(Prompt(text, turn))) as stream:  # type: ignore[type-var]
        async for event in stream:
            events.append(event)
            if isinstance(event, ApprovalAsked) and waiting:
                await session.answer(event.call.call_id, waiting.pop(0))
    return events


def end_of(events: list[AgentEvent]) -> TurnDone:
    """The end of a turn; there is exactly one, at the end."""
    ends = [event for event in events if isinstance(event, TurnDone)]
    assert ends == events[-1:], events
    return ends[0]
