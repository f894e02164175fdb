"""Gates: checks that a step's result must pass before the run goes on."""

from enum import StrEnum
from typing import Annotated, Any, Literal

from pydantic import Field

from app.domain.base import Model

Name = Annotated[str, Field(pattern=r"^[A-Za-z][A-Za-z0-9_-]{0,63}$")]
Text = Annotated[str, Field(min_length=1)]
Seconds = Annotated[float, Field(gt=0, allow_inf_nan=False)]


class GateKind(StrEnum):
    """What a gate checks with."""

    COMMAND = "command"  # a program in the workspace, exit 0
    SCHEMA = "json_schema"  # the output, as JSON
    PATTERN = "pattern"  # regular expressions over the output
    DIFF = "diff"  # size and paths of what the attempt changed
    JUDGE = "judge"  # another agent's verdict
    PERSON = "person"  # the operator's verdict


# Which keys belong to which kind; a gate has the keys of exactly one.
GATE_KEYS: dict[GateKind, tuple[str, ...]] = {
    GateKind.COMMAND: ("command", "shell"),
    GateKind.SCHEMA: ("json_schema",),
    GateKind.PATTERN: ("pattern", "forbid"),
    GateKind.DIFF: ("max_diff_lines", "allow_paths"),
    GateKind.JUDGE: ("judge",),
    GateKind.PERSON: ("person",),
}


class Gate(Model):
    """One check. The keys that are set say of which kind it is."""

    name: Name
    criteria: str = ""  # acceptance criterion, shown to agent, judge and operator
    command: tuple[Text, ...] = ()  # argv; exactly one of command and shell
    shell: str = ""
    json_schema: dict[str, Any] | None = None  # JSON Schema (2020-12) of the output
    pattern: str = ""  # must be found in the output
    forbid: str = ""  # must not be found in the output
    max_diff_lines: int | None = Field(default=None, ge=0)  # added plus removed
    allow_paths: tuple[Text, ...] = ()  # globs; a change anywhere else does not pass
    judge: str = ""  # an agent
    prompt: str = ""  # the judge's; a default asks for the criteria
    person: bool = False
    sandbox: Literal["none", "bubblewrap"] = "none"  # of a command
    timeout_seconds: Seconds = 600  # of a command, or of a judge's turn
    on_failure: Literal["return", "block", "fail"] = "return"
    max_returns: int = Field(default=2, ge=0, le=100)

    @property
    def kinds(self) -> tuple[GateKind, ...]:
        """The kinds whose keys are set; loading refuses all but exactly one."""
        return tuple(
            kind
            for kind, keys in GATE_KEYS.items()
            if any(getattr(self, key) for key in keys)
            or (kind is GateKind.DIFF and self.max_diff_lines is not None)
            or (kind is GateKind.SCHEMA and self.json_schema is not None)
        )

    @property
    def kind(self) -> GateKind:
        return self.kinds[0] if self.kinds else GateKind.COMMAND

    @property
    def judged(self) -> bool:
        """Whether somebody gives a verdict, rather than a program."""
        return self.kind in (GateKind.JUDGE, GateKind.PERSON)
