"""A stage for scripts: a workspace, a session on it, and an operator who answers at once."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field
from pathlib import Path

from app.agents.protocol import (
    AgentEvent,
    Answer,
    ApprovalAsked,
    ItemDone,
    Prompt,
    SessionSpec,
    SettledCall,
    TextDelta,
    ToolFinished,
    TurnDone,
)
from app.agents.scripted import ScriptedDriver
from app.agents.scripted.session import ScriptedSession
from app.domain.approval import Action
from app.domain.session import ChunkKind
from app.domain.toolcall import ToolCall
from app.domain.workflow import AgentConfig
from tests.support.processes import PlainProcessHost

Say = Callable[[ToolCall], Answer | None]
ALLOW = Answer(Action.ALLOW)


def allow(call: ToolCall) -> Answer | None:
    return ALLOW


def deny(reason: str, *, interrupt: bool = False) -> Say:
    return lambda call: Answer(Action.DENY, reason=reason, interrupt=interrupt)


@dataclass
class Stage:
    """`slept` has every pause in seconds; none is really waited for."""

    folder: Path
    host: PlainProcessHost
    slept: list[float] = field(default_factory=list)

    @property
    def workspace(self) -> Path:
        return self.folder / "workspace"

    async def session(
        self, script: str, *, speed: float = 1.0, resume: str | None = None
    ) -> ScriptedSession:
        path = self.folder / "script.toml"
        path.write_text(script)
        self.workspace.mkdir(exist_ok=True)
        agent = AgentConfig(name="coder", driver="scripted", script=str(path), speed=speed)
        env = {"PATH": os.environ["PATH"], "GREETING": "hello"}
        spec = SessionSpec("s-1", agent, str(self.workspace), env, self.host)
        driver = ScriptedDriver(self._sleep)
        return await (driver.resume(spec, resume) if resume else driver.open(spec))

    async def _sleep(self, seconds: float) -> None:
        self.slept.append(seconds)


async def play(
    session: ScriptedSession,
    turn: int = 1,
    *,
    say: Say = allow,
    text: str = "do it",
    again: bool = False,
    settled: Sequence[SettledCall] = (),
    seen: Callable[[AgentEvent], object] = lambda event: None,
) -> list[AgentEvent]:
    """One whole turn. A question is answered by `say` unless that returns None."""
    prompt = Prompt(text, turn, again=again, settled=tuple(settled))
    events: list[AgentEvent] = []
    async with aclosing(session.prompt(prompt)) as stream:  # type: ignore[type-var]
        async for event in stream:
            events.append(event)
            seen(event)
            if isinstance(event, ApprovalAsked):
                answer = say(event.call)
                if answer is not None:
                    await session.answer(event.call.call_id, answer)
    return events


def done(events: Sequence[AgentEvent]) -> TurnDone:
    """The last event, which must be the only TurnDone."""
    ends = [event for event in events if isinstance(event, TurnDone)]
    assert len(ends) == 1 and events[-1] is ends[0]
    return ends[0]


def said(events: Sequence[AgentEvent], kind: ChunkKind = ChunkKind.MESSAGE) -> list[str]:
    """The complete items of a kind."""
    return [e.text for e in events if isinstance(e, ItemDone) and e.kind is kind]


def output(events: Sequence[AgentEvent]) -> str:
    """All that tools printed."""
    return "".join(
        e.text for e in events if isinstance(e, TextDelta) and e.kind is ChunkKind.OUTPUT
    )


def asked(events: Sequence[AgentEvent]) -> list[ToolCall]:
    return [event.call for event in events if isinstance(event, ApprovalAsked)]


def finished(events: Sequence[AgentEvent]) -> list[ToolFinished]:
    return [event for event in events if isinstance(event, ToolFinished)]
