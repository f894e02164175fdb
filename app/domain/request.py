"""What somebody wants done."""

from enum import StrEnum

from pydantic import Field

from app.domain.attachment import Attachment
from app.domain.base import Model
from app.domain.past_ref import PastRef

_ORDER = ("low", "medium", "high", "critical")


class Risk(StrEnum):
    """How much harm a request or tool call can do; ordered low < medium < high < critical."""

    LOW = "low"
    MEDIUM = "medium"
    HIGH = "high"
    CRITICAL = "critical"

    @property
    def rank(self) -> int:
        """0 for low to 3 for critical; compare ranks, not the strings."""
        return _ORDER.index(self.value)


class Request(Model):
    """The input of a run, with what routing needs to choose its workflow."""

    text: str = Field(min_length=1)
    user: str
    channel: str = "cli"
    task_type: str = "change"
    risk: Risk = Risk.MEDIUM
    attachments: tuple[Attachment, ...] = ()
    past: PastRef | None = None  # a conversation that its first agent goes on with

    @property
    def title(self) -> str:
        """The first line, for lists."""
        return self.text.strip().splitlines()[0] if self.text.strip() else "(empty)"
