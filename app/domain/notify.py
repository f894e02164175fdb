"""`[notify]` of a project: who is called when something waits for a person and nobody looks."""

from pydantic import Field

from app.domain.base import Model
from app.domain.gate import Seconds, Text
from app.domain.request import Risk


class NotifySection(Model):
    """The command, and when it is started."""

    command: tuple[Text, ...] = Field(min_length=1)  # a line for a person is added as the last
    after_seconds: Seconds = 60  # unseen for so long
    # Again as long as it is still unseen; 0: only once
    again_seconds: float = Field(default=0, ge=0, allow_inf_nan=False)
    min_risk: Risk | None = None  # of approvals; what has no risk of its own always counts
    timeout_seconds: Seconds = 10  # the command's own
    env: tuple[str, ...] = ()  # names of environment variables it may see

    def wants(self, risk: Risk | None) -> bool:
        """Whether somebody is to be called for a thing of this risk."""
        return self.min_risk is None or risk is None or risk.rank >= self.min_risk.rank
