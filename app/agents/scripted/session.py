"""One conversation with a scripted agent: what the driver protocol asks of every agent."""

from __future__ import annotations

import secrets
from collections.abc import AsyncIterator, Sequence
from contextlib import aclosing

from app.agents.protocol import AgentEvent, Answer, AttachedFile, Prompt, SessionSpec
from app.agents.scripted.pace import Pace, Sleep
from app.agents.scripted.script import Script
from app.agents.scripted.turn import TurnPlayer
from app.domain.errors import DriverError
from app.domain.session import Continuity


class ScriptedSession:
    """Plays one script. It keeps nothing but the turn at work; the prompt carries its number."""

    def __init__(
        self,
        spec: SessionSpec,
        script: Script,
        native_id: str,
        continuity: Continuity,
        sleep: Sleep,
    ) -> None:
        self.native_id = native_id
        self.continuity = continuity
        self._spec = spec
        self._script = script
        self._pace = Pace(spec.agent.speed, sleep)
        self._turn: TurnPlayer | None = None
        self._closed = False

    async def prompt(self, prompt: Prompt) -> AsyncIterator[AgentEvent]:
        """Play the script's entry for this turn. Raises DriverError during another turn."""
        if self._closed or self._turn is not None:
            state = "closed" if self._closed else "in a turn already"
            raise DriverError(f"session {self._spec.session_id} is {state}")
        prefix = _item_prefix(self._spec.session_id, prompt)
        turn = self._turn = TurnPlayer(self._script, prompt, self._spec, self._pace, prefix)
        try:
            async with aclosing(turn.play()) as events:
                async for event in events:
                    yield event
        finally:
            self._turn = None
            await turn.end()

    async def answer(self, call_id: str, answer: Answer) -> None:
        """Answer the call that waits. Raises DriverError when it does not."""
        if self._turn is None:
            raise DriverError(f"the agent no longer waits for an answer to {call_id}: no turn runs")
        self._turn.answer(call_id, answer)

    async def steer(self, text: str, attachments: Sequence[AttachedFile] = ()) -> None:
        """Say something to the agent; it repeats it. Raises DriverError outside a turn."""
        if self._turn is None:
            raise DriverError("the agent is not at work: there is no turn to steer")
        self._turn.steer(text)

    async def interrupt(self) -> None:
        """End the running turn, if there is one; a call that waits is withdrawn."""
        if self._turn is not None:
            self._turn.interrupt()

    async def close(self) -> None:
        """End the conversation: the turn ends as interrupted, its child is killed."""
        self._closed = True
        if self._turn is not None:
            await self._turn.end()


def _item_prefix(session_id: str, prompt: Prompt) -> str:
    """What ids of items and calls begin with: the same for the same turn, new for each new try."""
    prefix = f"{session_id}-t{prompt.turn}"
    return f"{prefix}-r{secrets.token_hex(3)}" if prompt.again else prefix
