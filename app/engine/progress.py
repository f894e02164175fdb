"""Whether an agent gets on: how long it has been silent, and how often it makes the same call."""

from __future__ import annotations

import re
from collections.abc import Iterable

from app.agents.protocol import AgentEvent, ApprovalAsked, TextDelta, ToolStarted
from app.domain.session import ChunkKind
from app.domain.text import one_line, printable
from app.domain.toolcall import ToolCall, ToolKind

_LAST_WORDS = 400  # characters
# How programs ask: for a secret, for yes or no, to go on.
_PROMPT = (
    r"(?i)(?:pass(?:word|phrase|code)|username|verification code|pin)\b[^\n]{0,80}[:?]\s*$"
    r"|[\[(](?:y(?:es)?/n(?:o)?(?:/\w+)*)[\])][^\n]{0,20}$"
    r"|(?:continue|proceed|overwrite|are you sure)[^\n]{0,60}\?$|press (?:enter|return|any key)"
)


class Progress:
    """Follows one turn; times are seconds of a monotonic clock."""

    def __init__(
        self, quiet_seconds: float, repeat_limit: int, now: float, prompt_seconds: float = 60
    ) -> None:
        self._quiet, self._limit, self._prompt = quiet_seconds, repeat_limit, prompt_seconds
        self._said = ""  # the end of what a tool printed last
        self._last_word = now
        self._last_call = ""  # its fingerprint
        self._counted = ""  # the agent's id of the call that was counted last
        self._times = 0
        self.told = False  # of this silence

    @property
    def stuck(self) -> bool:
        """Whether what was told is still the case: only another call ends a repetition."""
        return self._times >= self._limit

    def heard(self, event: AgentEvent, now: float) -> str | None:
        """An event came; why the agent seems lost, the moment it does."""
        self.rest(now)
        self._listen(event)
        if not isinstance(event, ApprovalAsked | ToolStarted):
            return None
        call = event.call
        if call.call_id == self._counted or call.kind is ToolKind.PROCESS:
            return None  # looking at a running process again is no mistake
        self._counted = call.call_id
        self._times = self._times + 1 if call.fingerprint == self._last_call else 1
        self._last_call = call.fingerprint
        if self._times % self._limit:
            return None
        return f"made the same call {self._times} times in a row: {_name(call)}"

    def _listen(self, event: AgentEvent) -> None:
        """Remember the last words of a tool that is running."""
        if isinstance(event, TextDelta) and event.kind is ChunkKind.OUTPUT:
            self._said = (self._said + event.text)[-_LAST_WORDS:]
        elif not isinstance(event, TextDelta):
            self._said = ""

    def prompt(self, now: float) -> str | None:
        """What a program seems to wait for somebody to type, once it has for long enough."""
        if self.told or now - self._last_word < self._prompt:
            return None
        last = one_line(printable(self._said).rpartition("\n")[2], 160)
        if re.search(_PROMPT, last) is None:
            return None
        self.told = True
        return f"a program of it seems to wait for an answer: {last}"

    def rest(self, now: float) -> None:
        """Silence counts from here on: a word came, or the agent waits for a person."""
        self._last_word, self.told = now, False

    def silent(self, now: float, running: Iterable[ToolCall]) -> str | None:
        """Why it seems stuck, once its silence has lasted; `running` are calls under way, looked
        at only then."""
        silence = now - self._last_word
        if self.told or silence < self._quiet:
            return None
        self.told = True
        calls = list(running)
        if calls:
            return f"no word for {_long(silence)} from: {_name(calls[-1])}"
        return f"no word from its agent for {_long(silence)}"


def _long(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds < 120 else f"{seconds / 60:.0f} min"


def _name(call: ToolCall) -> str:
    return one_line(call.command or call.title or call.tool, 160)
