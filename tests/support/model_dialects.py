"""The scripted model's replies in two more dialects: OpenAI Chat Completions, Anthropic Messages.

Each tells a request as a `Conversation` that the script can judge, and says the reply as a
stream of events or whole.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable, Iterator
from typing import Any, ClassVar

from tests.support.model_replies import Conversation, Reply

Json = dict[str, Any]
Slowly = Callable[[Reply], Iterator[str]]

_SHELL = ("bash", "Bash", "run_shell_command", "shell", "execute")
_WRITE = ("write", "Write", "write_file", "create_file")
_FILLERS = {"string": "scripted", "boolean": False, "integer": 10_000, "number": 10_000}


def conversation(body: Json) -> Conversation:
    """The messages and tool results of a request in either dialect."""
    found = Conversation({"instructions": _text(body.get("system"))})
    for message in body.get("messages") or ():
        content = message.get("content")
        for part in content if isinstance(content, list) else ():
            if part.get("type") == "tool_result":
                found.entries.append(("tool", _text(part.get("content"))))
        text = _text(content)
        if text.strip() or message["role"] == "tool":
            found.entries.append((message["role"], text))
    return found


def _text(content: object) -> str:
    if isinstance(content, str):
        return content
    parts = content if isinstance(content, list) else []
    return "\n".join(part["text"] for part in parts if part.get("type") == "text")


def tool_call(body: Json, reply: Reply) -> tuple[str, Json]:
    """The name and arguments of the tool that does what the reply wants."""
    tools = {}
    for tool in body.get("tools") or ():
        tool = tool.get("function", tool)
        tools[tool["name"]] = tool.get("parameters") or tool.get("input_schema") or {}
    if reply.call is not None:
        return reply.call.name, reply.call.arguments
    names = _SHELL if reply.patch is None else _WRITE
    name = next((name for name in names if name in tools), None)
    assert name is not None, f"none of {names} is among the tools {sorted(tools)}"
    known = tools[name].get("properties", {})
    arguments: Json = {}
    for key in tools[name].get("required", ()):
        arguments[key] = _FILLERS.get(known.get(key, {}).get("type"))
    if reply.patch is None:
        arguments["command"] = reply.run
    else:
        path = next(key for key in known if "path" in key.lower())
        text = next(key for key in known if key in ("content", "contents", "text"))
        arguments |= {path: reply.patch.path, text: reply.patch.text.replace("\\n", "\n")}
    return name, arguments


def _calls(reply: Reply) -> bool:
    return reply.run is not None or reply.patch is not None or reply.call is not None


class Chat:
    """POST /chat/completions."""

    _USAGE: ClassVar[Json] = {
        "prompt_tokens": 1200,
        "completion_tokens": 34,
        "total_tokens": 1234,
        "prompt_tokens_details": {"cached_tokens": 200},
    }

    def __init__(self, body: Json, reply: Reply, pieces: Slowly) -> None:
        self._body, self._reply, self._pieces = body, reply, pieces
        self._head = {"id": f"c_{uuid.uuid4().hex}", "created": 1, "model": body.get("model")}

    def _call(self) -> Json:
        name, arguments = tool_call(self._body, self._reply)
        function = {"name": name, "arguments": json.dumps(arguments)}
        return {"index": 0, "id": uuid.uuid4().hex[:9], "type": "function", "function": function}

    def events(self) -> Iterator[str]:
        yield self._chunk({"role": "assistant", "content": ""})
        if self._reply.think:
            yield self._chunk({"reasoning_content": self._reply.think})
        if _calls(self._reply):
            yield self._chunk({"tool_calls": [self._call()]})
            yield self._chunk({}, "tool_calls")
        else:
            for piece in self._pieces(self._reply):
                yield self._chunk({"content": piece})
            yield self._chunk({}, "stop")
        yield "data: [DONE]\n\n"

    def _chunk(self, delta: Json, end: str | None = None) -> str:
        choice = {"index": 0, "delta": delta, "finish_reason": end}
        chunk = {**self._head, "object": "chat.completion.chunk", "choices": [choice]}
        if end:
            chunk["usage"] = self._USAGE
        return f"data: {json.dumps(chunk)}\n\n"

    def whole(self) -> Json:
        calls = [self._call()] if _calls(self._reply) else None
        text = None if calls else "".join(self._pieces(self._reply))
        message = {"role": "assistant", "content": text, "tool_calls": calls}
        end = "tool_calls" if calls else "stop"
        choice = {"index": 0, "message": message, "finish_reason": end}
        head = {**self._head, "object": "chat.completion"}
        return {**head, "choices": [choice], "usage": self._USAGE}


class Messages:
    """POST /messages."""

    _USAGE: ClassVar[Json] = {
        "input_tokens": 1000,
        "cache_read_input_tokens": 200,
        "output_tokens": 34,
    }

    def __init__(self, body: Json, reply: Reply, pieces: Slowly) -> None:
        self._body, self._reply, self._pieces = body, reply, pieces
        self._end = "tool_use" if _calls(reply) else "end_turn"
        self._head: Json = {
            "id": f"msg_{uuid.uuid4().hex[:20]}",
            "type": "message",
            "role": "assistant",
            "model": body.get("model"),
        }

    def _call(self) -> Json:
        name, arguments = tool_call(self._body, self._reply)
        call_id = f"toolu_{uuid.uuid4().hex[:20]}"
        return {"type": "tool_use", "id": call_id, "name": name, "input": arguments}

    def events(self) -> Iterator[str]:
        start = {**self._head, "content": [], "stop_reason": None, "stop_sequence": None}
        yield _event("message_start", message={**start, "usage": self._USAGE})
        if _calls(self._reply):
            call = self._call()
            yield _event("content_block_start", index=0, content_block={**call, "input": {}})
            part = {"type": "input_json_delta", "partial_json": json.dumps(call["input"])}
            yield _event("content_block_delta", index=0, delta=part)
        else:
            block = {"type": "text", "text": ""}
            yield _event("content_block_start", index=0, content_block=block)
            for piece in self._pieces(self._reply):
                part = {"type": "text_delta", "text": piece}
                yield _event("content_block_delta", index=0, delta=part)
        yield _event("content_block_stop", index=0)
        end = {"stop_reason": self._end, "stop_sequence": None}
        yield _event("message_delta", delta=end, usage={"output_tokens": 34})
        yield _event("message_stop")

    def whole(self) -> Json:
        text = {"type": "text", "text": "".join(self._pieces(self._reply))}
        content = [self._call()] if _calls(self._reply) else [text]
        end = {"stop_reason": self._end, "stop_sequence": None}
        return {**self._head, **end, "content": content, "usage": self._USAGE}


def _event(kind: str, **fields: object) -> str:
    return f"event: {kind}\ndata: {json.dumps({'type': kind, **fields})}\n\n"
