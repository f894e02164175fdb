"""What one line of an OpenClaw session says, in our words.

Three generations of the format are met (a header, then messages; later a tree of entries with ids,
summaries and controls). All are read by what a line has: an odd value costs that value.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from app.domain.past import PastEntry, PastKind
from app.domain.text import clip, one_line, printable

TEXT_LIMIT = 64 * 1024  # bytes of one entry's text
_ARGUMENTS_LIMIT = 4 * 1024  # bytes of a tool call's arguments
_RAW_LIMIT = 4 * TEXT_LIMIT  # characters that are looked at, before they are made printable
_MILLISECONDS = 1e11  # a time larger than that is in milliseconds (as seconds: the year 5138)

# Tuples, not sets: what stands in a file need not be hashable.
# Controls and bookkeeping: nothing that anybody said.
_SILENT = ("session", "custom", "label", "leaf", "usage", "context_edit", "thinking_level_change")
_SPEAKERS = {"user": PastKind.USER, "assistant": PastKind.ASSISTANT, "system": PastKind.NOTE}
_TEXT_BLOCKS = ("text", "input_text", "output_text")
_CALL_BLOCKS = ("toolCall", "toolUse", "tool_use", "functionCall")
_RESULT_BLOCKS = ("toolResult", "tool_result")


def entries_of(found: Mapping[str, Any], number: int) -> list[PastEntry]:
    """The entries on a line, in order; none for what is only bookkeeping."""
    return list(_Reader(number, moment(found.get("timestamp"))).read(found))


@dataclass(frozen=True, slots=True)
class _Reader:
    """Makes entries of one line."""

    number: int
    at: datetime | None

    def read(self, found: Mapping[str, Any]) -> Iterator[PastEntry]:
        kind = found.get("type")
        message = found.get("message")
        if kind == "message" and isinstance(message, dict):
            yield from self._message(message)
        elif "role" in found and kind in (None, "message"):
            yield from self._message(found)  # older files hold the message itself
        elif kind in ("compaction", "branch_summary"):
            yield self._entry(PastKind.SUMMARY, text_of(found.get("summary")))
        elif kind == "custom_message":
            yield from self._said(PastKind.USER, found.get("content"))
        elif kind == "model_change":
            model = f"{text_of(found.get('provider'))}/{text_of(found.get('modelId'))}"
            yield self._entry(PastKind.NOTE, f"model: {one_line(model, 200)}")
        elif kind == "session_info":
            yield self._entry(PastKind.NOTE, f"named: {one_line(text_of(found.get('name')), 200)}")
        elif kind == "reset":
            yield self._entry(PastKind.NOTE, "the conversation was begun anew here")
        elif kind not in _SILENT:
            name = one_line(text_of(kind), 60) or "without a type"
            yield self._entry(PastKind.NOTE, f"an entry of another kind: {name}")

    def _entry(self, kind: PastKind, text: str, **more: Any) -> PastEntry:
        return PastEntry(line=self.number, kind=kind, text=bounded(text), at=self.at, **more)

    def _message(self, message: Mapping[str, Any]) -> Iterator[PastEntry]:
        at = moment(message.get("timestamp")) or self.at
        reader = _Reader(self.number, at)
        role, content = message.get("role"), message.get("content")
        if role in ("toolResult", "tool"):
            tool = one_line(text_of(message.get("toolName") or message.get("name")), 100)
            yield reader._result(content, tool, failed=message.get("isError") is True)
        elif role == "bashExecution":
            yield from reader._shell(message)
        elif role in ("branchSummary", "compactionSummary"):
            yield reader._entry(PastKind.SUMMARY, text_of(message.get("summary")))
        else:
            kind = _SPEAKERS.get(role if isinstance(role, str) else "", PastKind.USER)
            yield from reader._said(kind, content)
            if why := text_of(message.get("errorMessage")):
                yield reader._entry(PastKind.NOTE, f"it failed: {why}", failed=True)

    def _result(self, content: object, tool: str, *, failed: bool) -> PastEntry:
        text, images = _flat(content)
        return self._entry(PastKind.TOOL_RESULT, text, tool=tool, failed=failed, images=images)

    def _shell(self, message: Mapping[str, Any]) -> Iterator[PastEntry]:
        """A command that the person ran beside the agent."""
        code = message.get("exitCode")
        failed = isinstance(code, int) and code != 0
        command, output = text_of(message.get("command")), text_of(message.get("output"))
        yield self._entry(PastKind.TOOL_CALL, command, tool="bash")
        yield self._entry(PastKind.TOOL_RESULT, output, tool="bash", failed=failed)

    def _said(self, kind: PastKind, content: object) -> Iterator[PastEntry]:
        """A message's blocks; neighbouring pieces of text are one entry."""
        texts: list[str] = []
        images = 0
        for block in content if isinstance(content, list) else [content]:
            other = self._block(block)
            if other is None:
                text, more = _flat(block)
                texts.append(text)
                images += more
                continue
            yield from self._together(kind, texts, images)
            texts, images = [], 0
            yield other
        yield from self._together(kind, texts, images)

    def _together(self, kind: PastKind, texts: list[str], images: int) -> Iterator[PastEntry]:
        text = "\n".join(text for text in texts if text)
        if text or images:
            yield self._entry(kind, text, images=images)

    def _block(self, block: object) -> PastEntry | None:
        """What a block is besides text of the speaker; None for text and images."""
        if not isinstance(block, dict):
            return None
        kind = block.get("type")
        if kind in ("thinking", "redacted_thinking"):
            return self._entry(PastKind.THOUGHT, text_of(block.get("thinking")))
        if kind in _CALL_BLOCKS:
            arguments = _arguments(block.get("arguments", block.get("input")))
            return self._entry(PastKind.TOOL_CALL, arguments, tool=_name(block))
        if kind in _RESULT_BLOCKS:
            failed = (block.get("isError") or block.get("is_error")) is True
            return self._result(block.get("content"), _name(block), failed=failed)
        return None


def _name(block: Mapping[str, Any]) -> str:
    return one_line(text_of(block.get("name") or block.get("toolName")), 100)


def _flat(content: object) -> tuple[str, int]:
    """The text of a content, and how many images stand in it."""
    texts: list[str] = []
    images = 0
    for block in content if isinstance(content, list) else [content]:
        if isinstance(block, dict):
            kind = block.get("type")
            if kind in _TEXT_BLOCKS or (kind is None and "text" in block):
                texts.append(text_of(block.get("text")))
            elif kind in ("image", "input_image"):
                images += 1
            elif kind is not None:
                texts.append(f"[{one_line(text_of(kind), 60)}]")
        else:
            texts.append(text_of(block))
    return "\n".join(text for text in texts if text), images


def _arguments(value: object) -> str:
    """A call's arguments, readable: a lone text as it is, anything else as JSON."""
    if isinstance(value, dict) and len(value) == 1:
        (only,) = value.values()
        if isinstance(only, str):
            return only
    if value is None or value == {}:
        return ""
    if isinstance(value, str):
        return value
    return clip(json.dumps(value, ensure_ascii=False, default=str), _ARGUMENTS_LIMIT)


def text_of(value: object) -> str:
    """A text as it is, a number or a truth as words, everything else as nothing."""
    if isinstance(value, str):
        return value
    return str(value) if isinstance(value, int | float) else ""


def bounded(text: str) -> str:
    """Printable and no longer than an entry may be: head and tail of what is."""
    if len(text) > _RAW_LIMIT:
        text = clip(text, _RAW_LIMIT)
    return clip(printable(text), TEXT_LIMIT)


def moment(value: object) -> datetime | None:
    """A time: ISO 8601, or milliseconds or seconds since the epoch. None for anything else."""
    try:
        if isinstance(value, str):
            found = datetime.fromisoformat(value)
            return found.astimezone(UTC) if found.tzinfo else found.replace(tzinfo=UTC)
        if isinstance(value, int | float) and not isinstance(value, bool):
            return datetime.fromtimestamp(value / 1000 if value > _MILLISECONDS else value, UTC)
    except (ValueError, OverflowError, OSError):
        return None
    return None
