"""What the app-server asks of us, and the results that it gets; see `app.agents.codex.models`."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BeforeValidator, Field

from app.agents.codex.models import Wire

# ---- params


class NetworkContext(Wire):
    """What a command wants to reach: the approval is about that, not about the command."""

    host: str
    protocol: str


class CommandApproval(Wire):
    """Params of `item/commandExecution/requestApproval`. `approval_id` is set where one item asks
    several times. An entry of `available_decisions` is a name, or an object whose only key is the
    name."""

    thread_id: str
    turn_id: str
    item_id: str
    approval_id: str | None = None
    kind: str = "command"  # or writeStdin: input for a terminal that already runs
    command: str | None = None
    cwd: str | None = None
    reason: str | None = None
    network_approval_context: NetworkContext | None = None
    available_decisions: tuple[str | dict[str, object], ...] | None = None


class FileChangeApproval(Wire):
    """Params of `item/fileChange/requestApproval`. The changes are in the item that started under
    the same id."""

    thread_id: str
    turn_id: str
    item_id: str
    reason: str | None = None
    grant_root: str | None = None


class PermissionsApproval(Wire):
    """Params of `item/permissions/requestApproval`: rights in its sandbox beyond those that it
    has; `permissions` is answered in its own form."""

    thread_id: str
    turn_id: str
    item_id: str
    cwd: str
    permissions: dict[str, object]
    reason: str | None = None


class InputOption(Wire):
    """An answer that the model proposes to its question."""

    label: str
    description: str


class InputQuestion(Wire):
    """One question of the model. A request with a secret one is refused: answers are recorded."""

    id: str
    question: str
    is_secret: bool = False
    options: Annotated[tuple[InputOption, ...], BeforeValidator(lambda given: given or ())] = ()


class UserInputRequest(Wire):
    """Params of `item/tool/requestUserInput`: the model asks the person something."""

    thread_id: str
    turn_id: str
    questions: tuple[InputQuestion, ...]


class ElicitationRequest(Wire):
    """Params of `mcpServer/elicitation/request`: a form (`requested_schema`) or a page (`url`) of
    an MCP server; codex's own remarks are in `meta`."""

    meta: dict[str, object] = Field(default_factory=dict, alias="_meta")

    thread_id: str
    server_name: str
    turn_id: str | None = None
    message: str = ""
    requested_schema: dict[str, object] | None = None
    url: str | None = None


# ---- results


class DecisionReply(Wire):
    """Result of `item/commandExecution/requestApproval` and `item/fileChange/requestApproval`, in
    codex's own word for the decision."""

    decision: str


class PermissionsReply(Wire):
    """Result of `item/permissions/requestApproval`: the rights that are granted, none for a denial,
    and never for longer than the turn."""

    permissions: dict[str, object]
    scope: Literal["turn"] = "turn"


class Answers(Wire):
    """What is answered to one question of the model; we answer one text."""

    answers: tuple[str, ...]


class UserInputReply(Wire):
    """Result of `item/tool/requestUserInput`, by question id; what has no answer is left out."""

    answers: dict[str, Answers]


class ElicitationReply(Wire):
    """Result of `mcpServer/elicitation/request`. With `accept`, `content` is the form filled in."""

    action: Literal["accept", "decline", "cancel"]
    content: dict[str, object] | None = None
