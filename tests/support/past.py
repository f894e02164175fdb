"""Sessions as OpenClaw leaves them, for tests."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

DAY = "2026-02-03T04:05:{:02d}.000Z"


def header(session: str = "abc", **more: Any) -> dict[str, Any]:
    return {"type": "session", "version": 3, "id": session, "timestamp": DAY.format(0), **more}


def said(role: str, content: Any, second: int = 1, **more: Any) -> dict[str, Any]:
    """A message entry; `id` and `parentId` among `more` make it part of a tree."""
    message = {"role": role, "content": content}
    return {"type": "message", "timestamp": DAY.format(second), "message": message, **more}


def call(name: str, **arguments: Any) -> dict[str, Any]:
    return {"type": "toolCall", "id": "c1", "name": name, "arguments": arguments}


def text(words: str) -> dict[str, Any]:
    return {"type": "text", "text": words}


def result(name: str, words: str, second: int = 1, **more: Any) -> dict[str, Any]:
    message = {"role": "toolResult", "toolCallId": "c1", "toolName": name, "content": [text(words)]}
    return {"type": "message", "timestamp": DAY.format(second), "message": message | more}


def write_session(
    root: Path, agent: str, session: str, *found: dict[str, Any] | str, name: str = ""
) -> Path:
    """A session's file in a project: entries as JSON, texts as they are."""
    folder = root / ".longwatch" / "imported" / agent / "sessions"
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / (name or f"{session}.jsonl")
    path.write_bytes(as_lines(header(session), *found))
    return path


def as_lines(*found: dict[str, Any] | str) -> bytes:
    texts = [one if isinstance(one, str) else json.dumps(one) for one in found]
    return "".join(f"{one}\n" for one in texts).encode("utf-8", "surrogatepass")


CHAT = (
    said("user", "How do I retry the uploader?", 1),
    said("assistant", [text("Let me look."), call("exec", command="cat uploader.py")], 2),
    result("exec", "def upload(): ...", 3),
    said("assistant", [text("Wrap it in a loop.")], 4),
)
