"""A conversation on disk: what was said and what the tools gave, a line of JSON each.

Only ever appended to, and flushed to the disk before anything follows from a line; so that after
a crash the conversation goes on at the very call where it was cut off. A last line that is not
whole was not yet said. A summary names the messages it stands for and leaves them where they are.
"""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, TypeAdapter, ValidationError
from pydantic_ai.messages import (
    ModelMessage,
    ModelRequest,
    ModelResponse,
    ToolCallPart,
    ToolReturnPart,
    UserContent,
    UserPromptPart,
)

from app.agents.finishing import to_the_end
from app.domain.base import Model

Outcome = Literal["success", "failed", "denied", "interrupted", "retried"]
"""How a call ended, in pydantic-ai's words."""


class SaidLine(Model):
    """A request with a prompt, or the model's response."""

    line: Literal["said"] = "said"
    turn: int
    message: ModelMessage


class ResultLine(Model):
    """What became of one call of the latest response."""

    line: Literal["result"] = "result"
    index: int  # of the call, from 0
    part: ToolReturnPart


class SummaryLine(Model):
    """`text` stands for the first `covers` messages from now on."""

    line: Literal["summary"] = "summary"
    covers: int
    text: str


# Signatures and ids: opaque, made by the provider, and void once a letter of them is another.
_SEALED = frozenset({"signature", "id", "tool_call_id", "provider_response_id", "provider_details"})

Line = Annotated[SaidLine | ResultLine | SummaryLine, Field(discriminator="line")]
_LINE: TypeAdapter[SaidLine | ResultLine | SummaryLine] = TypeAdapter(Line)


class BrokenConversation(Exception):
    """The file is not a conversation; one sentence."""


@dataclass(frozen=True, slots=True)
class OpenCall:
    """A tool call of the latest response that has no result yet."""

    index: int
    call_id: str  # ours: the same whenever this conversation is read
    part: ToolCallPart


@dataclass(slots=True)
class Conversation:
    """The messages of one session, and its file. One writer."""

    path: Path
    instructions: str
    clean: Callable[[str], str] = str  # takes secrets out of what is kept
    messages: list[ModelMessage] = field(default_factory=list)
    turn: int = 0  # of the latest prompt
    summary: str = ""
    covers: int = 0  # messages that the summary stands for
    _results: dict[int, ToolReturnPart] = field(default_factory=dict)
    _read: int = 0  # messages that were read from the file

    # ---- reading

    @classmethod
    def load(cls, path: Path, instructions: str, clean: Callable[[str], str] = str) -> Conversation:
        """Read what is there (blocking); empty when there is no file. Raises BrokenConversation."""
        made = cls(path, instructions, clean)
        try:
            data = path.read_bytes()
        except FileNotFoundError:
            return made
        except OSError as error:
            raise BrokenConversation(f"{path} cannot be read: {error.strerror}") from error
        whole, _, torn = data.rpartition(b"\n")
        if torn:
            with path.open("r+b") as file:
                file.truncate(len(data) - len(torn))
        for number, text in enumerate(whole.split(b"\n") if whole else (), 1):
            try:
                made._take(_LINE.validate_json(text))
            except (ValidationError, ValueError) as error:
                first = str(error).splitlines()[0]
                raise BrokenConversation(f"{path}:{number}: not a conversation: {first}") from error
        made._read = len(made.messages)
        return made

    def _take(self, line: SaidLine | ResultLine | SummaryLine) -> None:
        match line:
            case SaidLine():
                self.messages.append(line.message)
                self.turn = line.turn
            case ResultLine():
                self._take_result(line)
            case SummaryLine():
                if not 0 <= line.covers <= len(self.messages):
                    raise ValueError(f"a summary of {line.covers} messages")
                self.summary, self.covers = line.text, line.covers

    def _take_result(self, line: ResultLine) -> None:
        calls = self._calls()
        if not 0 <= line.index < len(calls):
            raise ValueError(f"a result of call {line.index}, which is not there")
        self._results[line.index] = line.part
        if len(self._results) == len(calls):
            parts = [self._results[index] for index in range(len(calls))]
            self.messages.append(ModelRequest(parts=parts, instructions=self.instructions))
            self._results = {}

    def _calls(self) -> list[ToolCallPart]:
        if not isinstance(self.last, ModelResponse):
            return []
        return [part for part in self.last.parts if isinstance(part, ToolCallPart)]

    @property
    def last(self) -> ModelMessage | None:
        return self.messages[-1] if self.messages else None

    def open_calls(self) -> list[OpenCall]:
        """The calls of the latest response that wait for a result."""
        at = len(self.messages)
        return [
            OpenCall(index, f"{at}.{index}", part)
            for index, part in enumerate(self._calls())
            if index not in self._results
        ]

    def said_here(self, call: OpenCall) -> bool:
        """Whether the model made this call since the file was read: then it is whole."""
        return int(call.call_id.partition(".")[0]) > self._read

    def to_send(self) -> list[ModelMessage]:
        """The messages for the next request: the summary, then what it does not cover."""
        rest = self.messages[self.covers :]
        if not self.summary:
            return list(rest)
        said = f"What happened so far in this conversation, in short:\n\n{self.summary}"
        return [ModelRequest(parts=[UserPromptPart(said)], instructions=self.instructions), *rest]

    # ---- writing

    async def begin(self, messages: Sequence[ModelMessage]) -> None:
        """Start with what was said elsewhere. The file is there with all of it, or not at all:
        whoever is killed meanwhile begins once more, and nothing stands in it twice."""
        if self.messages:
            raise BrokenConversation(f"{self.path} has been begun already")
        lines = [SaidLine(turn=0, message=message) for message in messages]
        data = b"".join(self._bytes(line) for line in lines)
        await to_the_end(asyncio.to_thread(_create, self.path, data))
        for line in lines:
            self._take(line)

    async def add_prompt(self, turn: int, content: str | Sequence[UserContent]) -> None:
        """The operator, or the workflow, says something."""
        request = ModelRequest(parts=[UserPromptPart(content)], instructions=self.instructions)
        await self._append(SaidLine(turn=turn, message=request))

    async def add_response(self, response: ModelResponse) -> None:
        """The model answered."""
        await self._append(SaidLine(turn=self.turn, message=response))

    async def add_result(self, call: OpenCall, text: str, outcome: Outcome) -> None:
        """A call of the latest response ended, or will not be made."""
        part = ToolReturnPart(
            tool_name=call.part.tool_name,
            content=text,
            tool_call_id=call.part.tool_call_id,
            outcome=outcome,
        )
        await self._append(ResultLine(index=call.index, part=part))

    async def add_summary(self, text: str, covers: int) -> None:
        """From now on `text` is sent instead of the first `covers` messages."""
        await self._append(SummaryLine(covers=covers, text=text))

    async def _append(self, line: SaidLine | ResultLine | SummaryLine) -> None:
        # To its end even if the turn is cut off here: memory and file stay the same.
        await to_the_end(self._write(line))

    async def _write(self, line: SaidLine | ResultLine | SummaryLine) -> None:
        await asyncio.to_thread(_append, self.path, self._bytes(line))
        self._take(line)

    def _bytes(self, line: SaidLine | ResultLine | SummaryLine) -> bytes:
        kept = without_secrets(line.model_dump(mode="json"), self.clean)
        return json.dumps(kept, ensure_ascii=False).encode(errors="surrogatepass") + b"\n"


def without_secrets(
    value: Any, clean: Callable[[str], str], sealed: frozenset[str] = _SEALED
) -> Any:
    """JSON with every text in it cleaned, but for what a provider must get back as it gave it."""
    if isinstance(value, str):
        return clean(value)
    if isinstance(value, list):
        return [without_secrets(one, clean, sealed) for one in value]
    if isinstance(value, dict):
        return {
            key: one if key in sealed else without_secrets(one, clean, _of(key, sealed))
            for key, one in value.items()
        }
    return value


def _of(key: str, sealed: frozenset[str]) -> frozenset[str]:
    """A call's arguments are the model's own words, whatever they are named."""
    return frozenset() if key == "args" else sealed


def _create(path: Path, data: bytes) -> None:
    new = path.with_name(f"{path.name}.new")
    new.unlink(missing_ok=True)  # of a start that was cut off
    _append(new, data)
    new.replace(path)
    _sync_folder(path.parent)


def _append(path: Path, data: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC
    with os.fdopen(os.open(path, flags, 0o600), "wb", buffering=0) as file:
        before = os.fstat(file.fileno()).st_size
        try:
            rest = memoryview(data)
            while rest:
                rest = rest[file.write(rest) :]
            os.fsync(file.fileno())
        except OSError:
            file.truncate(before)  # half a line would spoil the next one
            raise
    if not before:
        _sync_folder(path.parent)


def _sync_folder(folder: Path) -> None:
    """So that a new file is still there after a power cut."""
    fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)
