"""Scripts: what a scripted agent says and does, turn by turn.

A script is a TOML (or JSON) file:

    role = "coder"                # shown in errors only
    words_per_second = 24         # how fast it talks

    [[turn]]                      # turn N of a session plays entry N; the last one repeats
    final = "What the turn hands on"
    usage = { input_tokens = 5200, output_tokens = 940 }

    [[turn.event]]
    kind = "thought"              # thought, message, shell, edit or read
    text = "Where are the tests?"

    [[turn.event]]
    kind = "shell"
    command = "git status --short"
    ask = true                    # false: performed without asking
    on_deny = [{ kind = "message", text = "Understood: {reason}" }]

Texts may hold `{turn}` (number of the turn), `{quoted}` (the prompt's lines that begin with
"> ") and, inside `on_deny`, `{reason}` (what the refusal said). Other braces stay as they are.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Discriminator, Field, Tag, model_validator

from app.domain.base import Model
from app.domain.session import Usage

Text = Annotated[str, Field(min_length=1)]
Pause = Annotated[float, Field(ge=0, le=3600, allow_inf_nan=False)]
_KINDS = '"thought", "message", "shell", "edit" or "read"'
DEFAULT_WORDS_PER_SECOND = 24.0


class _Event(Model):
    pause: Pause = 0.0  # seconds of silence before it, at speed 1


class Thought(_Event):
    """Streamed as thinking."""

    kind: Literal["thought"]
    text: Text


class Message(_Event):
    """Streamed as something said."""

    kind: Literal["message"]
    text: Text


class _Call(_Event):
    ask: bool = True  # false: performed without asking, and repeated if a crash cuts the turn off
    title: str = ""  # how it is shown; made from what it does when empty
    reason: str | None = None  # why the agent says it wants this
    on_deny: tuple[ScriptEvent, ...] = ()  # played when it is refused; then the turn goes on


class Shell(_Call):
    """A command for /bin/sh in the workspace."""

    kind: Literal["shell"]
    command: Text


class Edit(_Call):
    """A file of the workspace: its whole new content, or a unified diff of it."""

    kind: Literal["edit"]
    path: Text  # relative to the workspace
    content: str | None = None
    diff: str | None = None

    @model_validator(mode="after")
    def _one_of_both(self) -> Edit:
        if (self.content is None) == (self.diff is None):
            raise ValueError("an edit has either `content` or `diff`")
        return self


class Read(_Call):
    """A file of the workspace, shown as output."""

    kind: Literal["read"]
    path: Text
    ask: bool = False


Call = Shell | Edit | Read


def _tag(value: Any) -> str | None:
    """The "=" keeps a tag apart from a key's name in the place of an error."""
    kind = value.get("kind") if isinstance(value, dict) else getattr(value, "kind", None)
    return None if kind is None else f"kind={kind}"


ScriptEvent = Annotated[
    Annotated[Thought, Tag("kind=thought")]
    | Annotated[Message, Tag("kind=message")]
    | Annotated[Shell, Tag("kind=shell")]
    | Annotated[Edit, Tag("kind=edit")]
    | Annotated[Read, Tag("kind=read")],
    Discriminator(
        _tag,
        custom_error_type="event_kind",
        custom_error_message=f"an event needs kind = {_KINDS}",
    ),
]


class Turn(Model):
    """What one prompt sets off. `usage` is this turn's own share of tokens."""

    final: Text
    usage: Usage | None = None
    events: tuple[ScriptEvent, ...] = Field(default=(), alias="event")


class Script(Model):
    """All turns of one role."""

    role: str = ""
    words_per_second: float = Field(default=DEFAULT_WORDS_PER_SECOND, gt=0, allow_inf_nan=False)
    turns: tuple[Turn, ...] = Field(min_length=1, alias="turn")

    def entry(self, turn: int) -> Turn:
        """What turn number `turn` (from 1) plays; the last entry repeats."""
        return self.turns[min(max(turn, 1), len(self.turns)) - 1]

    def usage(self, turn: int) -> Usage | None:
        """Tokens of a session up to and including `turn`, or None if the script names none."""
        shares = [self.entry(n).usage or Usage() for n in range(1, turn + 1)]
        if self.entry(turn).usage is None:
            return None
        read = sum(share.input_tokens for share in shares)
        written = sum(share.output_tokens for share in shares)
        return Usage(
            input_tokens=read,
            output_tokens=written,
            cached_tokens=sum(share.cached_tokens for share in shares),
            total_tokens=read + written,
            context_window=shares[-1].context_window,
        )


for _model in (Shell, Edit, Read, Turn, Script):
    _model.model_rebuild()
