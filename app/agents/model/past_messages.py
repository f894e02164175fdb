"""A conversation that was held elsewhere, as the first messages of one of our own.

Its tools are not ours: calls and results are told in words, so that no endpoint looks for a tool
that it was not given. Images stay behind. Messages of one side that follow each other become one.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import groupby

from pydantic_ai.messages import (
    ModelMessage,
    ModelRequest,
    ModelResponse,
    TextPart,
    UserPromptPart,
)

from app.domain.past import PastEntry, PastHistory, PastKind
from app.domain.text import clip

_ENTRY_TOKENS = 20  # entries that the model must be able to hold, at the least
_ENTRY_BYTES = 16 * 1024
_OURS = (PastKind.ASSISTANT, PastKind.TOOL_CALL)
_BEGINS = """\
What follows is a conversation that was held before, elsewhere (session {session} of agent {agent});
the agent in it is you. It was brought over as text: calls of tools are told in square brackets, and
those tools are not here. Make calls with the tools that you have now."""
_LEFT_OUT = "The {count:,} oldest entries are left out."


def messages_of(history: PastHistory, instructions: str, window: int) -> list[ModelMessage]:
    """The messages, oldest first, for a model that can hold `window` tokens."""
    limit = min(_ENTRY_BYTES, max(500, 2 * window // _ENTRY_TOKENS))
    session = history.session
    begins = _BEGINS.format(session=session.session, agent=session.agent)
    if history.left_out:
        begins = f"{begins}\n\n{_LEFT_OUT.format(count=history.left_out)}"
    found: list[ModelMessage] = [_request(begins, instructions)]
    for ours, group in groupby(history.entries, lambda entry: entry.kind in _OURS):
        entries = list(group)
        text = "\n\n".join(_words(entry, limit) for entry in entries)
        if not ours:
            found += [_request(text, instructions)]
        elif entries[0].at is None:
            found += [ModelResponse(parts=[TextPart(text)])]
        else:
            found += [ModelResponse(parts=[TextPart(text)], timestamp=entries[0].at)]
    return list(_merged(found, instructions))


def _request(text: str, instructions: str) -> ModelRequest:
    return ModelRequest(parts=[UserPromptPart(text)], instructions=instructions)


def _merged(messages: list[ModelMessage], instructions: str) -> Iterator[ModelMessage]:
    """With the first words and what the other side says first as one message."""
    first, *rest = messages
    if rest and isinstance(rest[0], ModelRequest):
        yield ModelRequest(parts=[*first.parts, *rest.pop(0).parts], instructions=instructions)
    else:
        yield first
    yield from rest


def _words(entry: PastEntry, limit: int) -> str:
    text = clip(entry.text, limit)
    match entry.kind:
        case PastKind.TOOL_CALL:
            text = f"[I called the tool {entry.tool or 'without a name'}: {text}]"
        case PastKind.TOOL_RESULT:
            how = "failed" if entry.failed else "gave"
            text = f"[The tool {entry.tool or 'called last'} {how}:]\n{text}"
        case PastKind.SUMMARY:
            text = f"[What was said before, in short:]\n{text}"
    if entry.images:
        count = "an image" if entry.images == 1 else f"{entry.images} images"
        text = f"{text}\n[{count} stood here, not brought over]".strip()
    return text


def told(history: PastHistory, messages: int) -> str:
    """What the operator is told of it, in a sentence."""
    said = (
        f"begins with past session {history.session.past_id}: {len(history.entries):,} entries, "
        f"as {messages:,} messages"
    )
    if history.left_out:
        said += f"; the {history.left_out:,} oldest are left out"
    if history.images:
        said += f"; {history.images:,} image{'s' * (history.images != 1)} could not be taken over"
    return said
