"""What is known of the tool calls of a turn that is played again after a crash."""

from __future__ import annotations

from collections.abc import Sequence

from app.agents.protocol import SettledCall
from app.domain.toolcall import ToolCall, ToolKind


class SettledCalls:
    """Hands out each settled call once, to the first call of the turn that would do the same.

    Equal calls are matched by count, in order: of three equal ones, of which two are settled,
    the third is made.
    """

    def __init__(self, settled: Sequence[SettledCall]) -> None:
        self._left = list(settled)

    def take(self, call: ToolCall) -> SettledCall | None:
        """The settled call that `call` repeats, or None if `call` is new."""
        for index, settled in enumerate(self._left):
            if _same(settled.call, call):
                return self._left.pop(index)
        return None


def _same(before: ToolCall, now: ToolCall) -> bool:
    if before.fingerprint == now.fingerprint:
        return True
    # An edit is shown as a diff against the file, which it has changed since: compare what the
    # script says of it (`arguments`) instead.
    return before.kind is ToolKind.EDIT is now.kind and (
        (before.tool, before.arguments, before.cwd) == (now.tool, now.arguments, now.cwd)
    )
