"""A driver whose agents answer by a function of what they are asked: for tests of the flow."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from app.agents.protocol import AgentEvent, Answer, AttachedFile, Prompt, SessionSpec, TurnDone
from app.domain.run import Failure, FailureKind
from app.domain.session import Continuity

# Gets the session and the prompt; a string is the answer, a Failure a failed turn.
Play = Callable[[SessionSpec, Prompt], str | Failure]


@dataclass
class Actor:
    """One session of a `Stage`."""

    stage: Stage
    spec: SessionSpec
    native_id: str
    continuity: Continuity
    over: asyncio.Event = field(default_factory=asyncio.Event)

    async def prompt(self, prompt: Prompt) -> AsyncIterator[AgentEvent]:
        stage = self.stage
        self.over.clear()  # an interrupt ends one turn
        workspace = Path(self.spec.workspace).name
        stage.prompts.append((self.spec.agent.name, workspace, prompt.text))
        stage.at_work += 1
        stage.most = max(stage.most, stage.at_work)
        try:
            gate = next((g for word, g in stage.gates.items() if word in prompt.text), None)
            if gate is not None:
                over = asyncio.create_task(self.over.wait())
                opened = asyncio.create_task(gate.wait())
                await asyncio.wait({over, opened}, return_when=asyncio.FIRST_COMPLETED)
                over.cancel()
                opened.cancel()
            await asyncio.sleep(stage.pause)
            if self.over.is_set():
                yield TurnDone("interrupted")
                return
            found = stage.play(self.spec, prompt)
        finally:
            stage.at_work -= 1
        if isinstance(found, Failure):
            yield TurnDone("failed", failure=found)
        else:
            yield TurnDone("completed", found)

    async def answer(self, call_id: str, answer: Answer) -> None:
        raise AssertionError("nothing was asked")

    async def steer(self, text: str, attachments: Sequence[AttachedFile] = ()) -> None:
        return None

    async def interrupt(self) -> None:
        self.over.set()

    async def close(self) -> None:
        self.over.set()


@dataclass
class Stage:
    """The driver. `gates` hold a prompt that contains a word until its event is set."""

    play: Play
    pause: float = 0.0
    name: str = "scripted"
    prompts: list[tuple[str, str, str]] = field(default_factory=list)  # agent, worktree, text
    gates: dict[str, asyncio.Event] = field(default_factory=dict)
    at_work: int = 0
    most: int = 0  # how many were at work at once

    async def open(self, spec: SessionSpec) -> Actor:
        return Actor(self, spec, f"native-{spec.session_id}", Continuity.FRESH)

    async def resume(self, spec: SessionSpec, native_id: str) -> Actor:
        return Actor(self, spec, native_id, Continuity.RESUMED)

    def texts(self, worktree: str) -> list[str]:
        """What was asked in one worktree, in order."""
        return [text for _, name, text in self.prompts if name == worktree]


def overloaded(message: str = "busy") -> Failure:
    return Failure(kind=FailureKind.OVERLOADED, message=message)


def broken(message: str = "no good") -> Failure:
    return Failure(kind=FailureKind.BAD_REQUEST, message=message)
