"""What the scripted model says: chosen from the conversation alone, or from a list of rules.

Without rules, the last user message decides, line by line:

    RUN: shell command        one shell call for each such line, in order, then a message
    PATCH: path|text          adds a file through the agent's patch tool
    CALL: name {json}         a call of any tool of the agent
    SAY: text                 the final message (`\\n` makes a new line)
    THINK: text               a reasoning summary before it
    SLOW: seconds             a final message that is streamed for so long
    ERR: status               this HTTP error, each time
    ERRONCE: status           this HTTP error the first time that this message is seen

Rules, a JSON list, come before that. The first whose `when` matches gives its next reply, and
its last one for ever after:

    [{"when": "regular expression", "on": "all" | "last", "replies": [
        {"run": "git status"}, {"patch": {"path": "a.txt", "text": "hello"}},
        {"say": "done", "think": "…"}, {"error": 429}, {"slow": 2}]}]

`when` is searched for in the whole conversation (`all`, the default; instructions included) or
in the last user message (`last`).
"""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter

_DIRECTIVE = re.compile(r"^\s*(RUN|PATCH|CALL|SAY|THINK|SLOW|ERR|ERRONCE):\s*(.*)$", re.MULTILINE)
# Messages that codex writes itself in the user's name.
_CONTEXT = ("<environment_context", "<user_instructions", "<permissions", "# AGENTS")


class _Strict(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Patch(_Strict):
    path: str
    text: str


class Call(_Strict):
    name: str
    arguments: dict[str, Any] = {}


class Reply(_Strict):
    """What the model does next; exactly one of run, patch, call, say, slow and error counts."""

    run: str | None = None
    patch: Patch | None = None
    call: Call | None = None  # not in the Responses dialect
    say: str = ""
    think: str = ""
    slow: float = 0
    error: int = 0
    words: str = ""  # of the error


class Rule(_Strict):
    when: str
    on: Literal["all", "last"] = "all"
    replies: tuple[Reply, ...] = Field(min_length=1)


class Conversation:
    """A Responses API request, as the messages and tool results it holds."""

    def __init__(self, body: dict[str, object]) -> None:
        self.entries: list[tuple[str, str]] = [("system", str(body.get("instructions") or ""))]
        given = body.get("input")
        for item in given if isinstance(given, list) else []:
            self._take(item)

    def _take(self, item: dict[str, object]) -> None:
        kind = str(item.get("type", "message"))
        if kind == "message":
            self.entries.append((str(item.get("role")), _text(item.get("content"))))
        elif kind.endswith("_output"):
            self.entries.append(("tool", _text(item.get("output"))))

    @property
    def text(self) -> str:
        return "\n".join(text for _, text in self.entries)

    def last_user(self) -> tuple[str, list[str]]:
        """The last message of the user, and the tool results after it."""
        results: list[str] = []
        for role, text in reversed(self.entries):
            if role == "tool":
                results.insert(0, text)
            elif role == "user" and not text.lstrip().startswith(_CONTEXT):
                return text, results
        return "", results


class Script:
    """Decides replies; safe to use from several threads."""

    def __init__(self, rules: Sequence[Rule] = ()) -> None:
        self._rules = tuple(rules)
        self._given = [0] * len(self._rules)
        self._seen: set[str] = set()
        self._lock = threading.Lock()

    @classmethod
    def load(cls, path: Path) -> Script:
        """Read rules from a JSON file."""
        return cls(TypeAdapter(list[Rule]).validate_json(path.read_bytes()))

    def reply(self, conversation: Conversation) -> Reply:
        last, results = conversation.last_user()
        with self._lock:
            for number, rule in enumerate(self._rules):
                if re.search(rule.when, conversation.text if rule.on == "all" else last):
                    return self._next(number)
            return self._directed(last, results)

    def without_tools(self, conversation: Conversation) -> Reply:
        """The reply to a request that offers no tool: it only talks."""
        reply = self.reply(conversation)
        acts = reply.run is not None or reply.patch is not None or reply.call is not None
        return Reply(say="a title") if acts else reply

    def _next(self, number: int) -> Reply:
        replies = self._rules[number].replies
        at = min(self._given[number], len(replies) - 1)
        self._given[number] += 1
        return replies[at]

    def _directed(self, message: str, results: list[str]) -> Reply:
        lines = _DIRECTIVE.findall(message)
        words = dict(reversed(lines))  # the first of a kind counts
        if "ERR" in words:
            return Reply(error=int(words["ERR"]))
        if "ERRONCE" in words and message not in self._seen:
            self._seen.add(message)
            return Reply(error=int(words["ERRONCE"]))
        acts = [line for line in lines if line[0] in ("RUN", "PATCH", "CALL")]
        if len(results) < len(acts):
            return _act(*acts[len(results)])
        if "SLOW" in words:
            return Reply(slow=float(words["SLOW"]))
        done = f"DONE: {results[-1][-300:]}" if results else f"ECHO: {message.strip()[-300:]}"
        say = words.get("SAY", done).replace("\\n", "\n")
        return Reply(say=say, think=words.get("THINK", ""))


def _act(name: str, value: str) -> Reply:
    if name == "RUN":
        return Reply(run=value)
    if name == "CALL":
        tool, _, arguments = value.partition(" ")
        return Reply(call=Call(name=tool, arguments=json.loads(arguments or "{}")))
    path, _, text = value.partition("|")
    return Reply(patch=Patch(path=path, text=text))


def _text(content: object) -> str:
    if isinstance(content, str):
        return content
    if not isinstance(content, list):
        return ""
    return "\n".join(str(part.get("text", "")) for part in content if isinstance(part, dict))
