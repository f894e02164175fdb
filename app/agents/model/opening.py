"""Opening a session of the built-in agent: its model, its conversation, its tools."""

from __future__ import annotations

import asyncio
from pathlib import Path

from app.agents import sandbox
from app.agents.model.conversation import BrokenConversation, Conversation
from app.agents.model.kit import Kit
from app.agents.model.lineup import Lineup
from app.agents.model.past_messages import messages_of, told
from app.agents.model.session import ModelSession
from app.agents.protocol import SessionSpec
from app.domain.errors import DriverError
from app.domain.past import PastHistory
from app.domain.session import Continuity

_FILE = "conversation.jsonl"
_INSTRUCTIONS = """\
You are a software engineer who works in the folder {workspace}, a git worktree that is yours alone.
Use the tools to look, to change files and to run commands. A person supervises you: each call may
be allowed, or denied with a reason; take a reason as an instruction, and do not make a denied call
again in other words. When the task is done, answer with what was asked for, and call no tool."""


async def open_session(spec: SessionSpec, *, resume: bool) -> ModelSession:
    """Raises DriverError when the model cannot be used or the folder cannot be read."""
    lineup = await asyncio.to_thread(Lineup, spec.agent, spec.variables)
    path = Path(spec.folder) / _FILE
    ours = _INSTRUCTIONS.format(workspace=spec.workspace)
    instructions = "\n\n".join([ours, *filter(None, [spec.agent.instructions.strip()])])
    notes = lineup.notes
    continuity = Continuity.RESUMED if resume else Continuity.FRESH
    try:
        conversation = await asyncio.to_thread(Conversation.load, path, instructions, spec.clean)
    except BrokenConversation as error:
        aside = await asyncio.to_thread(_put_aside, path)
        notes.append(f"its conversation cannot be taken up: {error}; it is kept as {aside.name}")
        conversation = Conversation(path, instructions, spec.clean)
    if resume and not conversation.messages:
        continuity = Continuity.RESTARTED
        if not notes:
            notes.append(f"its conversation is gone: {path} is not there")
    if spec.history is not None and not conversation.messages:
        notes.append(await _begin(conversation, await spec.history(), lineup.current.window))
    if spec.agent.sandbox == sandbox.NAME:
        await asyncio.to_thread(sandbox.find)
        notes.append(sandbox.SAYS)
    elif spec.agent.sandbox != "read-only":
        notes.append("its commands are not confined: what you allow runs with your rights")
    kit = Kit(spec)
    notes += await kit.open()
    try:
        await lineup.connect()
    except BaseException:
        await kit.close()
        raise
    # The session's close ends both.
    return ModelSession(spec, lineup, conversation, kit, continuity, notes)


async def _begin(conversation: Conversation, history: PastHistory, window: int) -> str:
    """Write a past session as the conversation's first messages; what was done, in words."""
    messages = messages_of(history, conversation.instructions, window)
    try:
        await conversation.begin(messages)
    except OSError as error:
        raise DriverError(f"its conversation cannot be kept: {error.strerror or error}") from error
    return told(history, len(messages))


def _put_aside(path: Path) -> Path:
    """Keep a file that cannot be read under another name (blocking)."""
    number = 1
    while (aside := path.with_name(f"{path.name}.broken-{number}")).exists():
        number += 1
    try:
        return path.rename(aside)
    except OSError as error:
        raise DriverError(f"{path} cannot be put aside: {error.strerror}") from error
