"""What a prompt or a condition may be made of."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

from msgspec import Struct, field

from app.domain.request import Request


class FailedGate(Struct, frozen=True):
    """The gate that sent the work back. `exit_code` is None when it was killed or timed out."""

    name: str
    criteria: str
    exit_code: int | None
    log: str


class Context(Protocol):
    """Each value is asked for only where a text mentions it, for some take work to find. What a
    kind of step does not have is left as it is here."""

    @property
    def request(self) -> Request: ...

    @property
    def attempt(self) -> int:
        return 1

    @property
    def input(self) -> str:
        """What flows into the step."""
        return ""

    @property
    def outputs(self) -> Mapping[str, str]:
        """Of each step before it."""
        return {}

    @property
    def previous(self) -> str | None:
        """The unit's own previous attempt."""
        return None

    @property
    def reasons(self) -> tuple[str, ...]:
        """Of the latest reject."""
        return ()

    @property
    def gate(self) -> FailedGate | None:
        return None

    @property
    def iteration(self) -> int:
        """Of a loop, from 1."""
        return 0

    @property
    def branch(self) -> str:
        return ""

    @property
    def item(self) -> Any:
        """Of a fan-out over a list: any JSON value."""
        return None

    @property
    def output(self) -> str:
        """For a loop's condition: of the iteration that has just ended."""
        return ""

    @property
    def results(self) -> tuple[Mapping[str, Any], ...]:
        """For a collect's template."""
        return ()

    @property
    def artefact(self) -> str:
        """For reviews: the text judged."""
        return ""

    @property
    def diff(self) -> str:
        """For reviews: against the version before; may be empty."""
        return ""

    @property
    def criteria(self) -> str:
        """For a gate's judge."""
        return ""


class PromptContext(Struct, frozen=True):
    """A context of values that are all known."""

    request: Request
    attempt: int = 1
    input: str = ""
    outputs: Mapping[str, str] = field(default_factory=dict)
    previous: str | None = None
    reasons: tuple[str, ...] = ()
    gate: FailedGate | None = None
    iteration: int = 0
    branch: str = ""
    item: Any = None
    output: str = ""
    results: tuple[Mapping[str, Any], ...] = ()
    artefact: str = ""
    diff: str = ""
    criteria: str = ""
