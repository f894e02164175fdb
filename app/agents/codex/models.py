"""What we use of the app-server protocol v2, as typed messages.

Source: `codex app-server generate-json-schema` (0.169). Unknown fields are ignored, because
the protocol grows; the fields named here are checked.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field
from pydantic.alias_generators import to_camel


class Wire(BaseModel):
    """A message or a part of one; camelCase on the wire."""

    model_config = ConfigDict(
        frozen=True, extra="ignore", alias_generator=to_camel, populate_by_name=True
    )


# ---- what we send


class ClientInfo(Wire):
    name: str = "longwatch"
    title: str = "Longwatch"
    version: str


class InitializeParams(Wire):
    client_info: ClientInfo


class ThreadStartParams(Wire):
    """`approvals_reviewer` is set so that a person's own configuration cannot have another
    model answer what we ask the operator."""

    cwd: str
    approval_policy: str
    approvals_reviewer: str = "user"
    sandbox: str
    model: str | None = None
    developer_instructions: str | None = None


class ThreadResumeParams(ThreadStartParams):
    thread_id: str
    exclude_turns: bool = True


class TextInput(Wire):
    type: Literal["text"] = "text"
    text: str


class LocalImageInput(Wire):
    """An image that codex reads for itself."""

    type: Literal["localImage"] = "localImage"
    path: str


UserInput = TextInput | LocalImageInput


class TurnStartParams(Wire):
    thread_id: str
    input: tuple[UserInput, ...]
    output_schema: dict[str, Any] | None = None  # of the final message


class TurnSteerParams(Wire):
    thread_id: str
    input: tuple[UserInput, ...]
    expected_turn_id: str


class TurnInterruptParams(Wire):
    thread_id: str
    turn_id: str


class DecisionReply(Wire):
    """The answer to either kind of approval."""

    decision: str


# ---- replies


class Ref(Wire):
    id: str


class ThreadReply(Wire):
    thread: Ref


class TurnReply(Wire):
    turn: Ref


# ---- items


class AgentMessage(Wire):
    id: str
    text: str
    phase: str | None = None  # commentary, partial_answer, final_answer; often absent


class PlanItem(Wire):
    id: str
    text: str


class Reasoning(Wire):
    id: str
    summary: tuple[str, ...] = ()
    content: tuple[str, ...] = ()


class CommandExecution(Wire):
    """`process_id` is None while nothing runs yet, as when an approval is awaited."""

    id: str
    command: str
    cwd: str
    status: str  # inProgress, completed, failed, declined
    process_id: str | None = None
    exit_code: int | None = None
    aggregated_output: str | None = None


class ChangeKind(Wire):
    type: str  # add, delete, update
    move_path: str | None = Field(default=None, alias="move_path")


class FileUpdate(Wire):
    path: str
    kind: ChangeKind
    diff: str


class FileChangeItem(Wire):
    id: str
    changes: tuple[FileUpdate, ...]
    status: str  # inProgress, completed, failed, declined


class ToolError(Wire):
    message: str


class McpToolCall(Wire):
    id: str
    server: str
    tool: str
    status: str  # inProgress, completed, failed
    arguments: object = None
    error: ToolError | None = None


class WebSearch(Wire):
    id: str
    query: str = ""


# ---- notifications


class ItemNotification(Wire):
    thread_id: str
    turn_id: str
    item: dict[str, object]


class Delta(Wire):
    """A piece of streamed text of any kind of item."""

    thread_id: str
    turn_id: str
    item_id: str
    delta: str


class PartAdded(Wire):
    thread_id: str
    turn_id: str
    item_id: str
    summary_index: int


class TokenBreakdown(Wire):
    input_tokens: int
    cached_input_tokens: int
    output_tokens: int
    total_tokens: int


class TokenUsage(Wire):
    total: TokenBreakdown
    model_context_window: int | None = None


class TokenUsageUpdated(Wire):
    thread_id: str
    token_usage: TokenUsage


class TurnError(Wire):
    message: str
    codex_error_info: str | dict[str, object] | None = None
    additional_details: str | None = None


class ErrorNotification(Wire):
    thread_id: str
    turn_id: str
    error: TurnError
    will_retry: bool


class Turn(Wire):
    id: str
    status: Literal["completed", "interrupted", "failed", "inProgress"]
    error: TurnError | None = None


class TurnNotification(Wire):
    thread_id: str
    turn: Turn


class WarningNotification(Wire):
    message: str


class ConfigWarning(Wire):
    summary: str


class RequestResolved(Wire):
    request_id: int | str


# ---- requests of the server


class NetworkContext(Wire):
    host: str
    protocol: str


class CommandApproval(Wire):
    """`approval_id` is set where one item asks several times. An entry of
    `available_decisions` is a name, or an object whose only key is the name."""

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
    """The changes are in the item that started under the same id."""

    thread_id: str
    turn_id: str
    item_id: str
    reason: str | None = None
    grant_root: str | None = None


class PermissionsApproval(Wire):
    """Rights in its sandbox beyond those that it has; `permissions` is answered in its own form."""

    thread_id: str
    turn_id: str
    item_id: str
    cwd: str
    permissions: dict[str, object]
    reason: str | None = None


class InputOption(Wire):
    label: str
    description: str


class InputQuestion(Wire):
    id: str
    question: str
    is_secret: bool = False
    options: Annotated[tuple[InputOption, ...], BeforeValidator(lambda given: given or ())] = ()


class UserInputRequest(Wire):
    thread_id: str
    turn_id: str
    questions: tuple[InputQuestion, ...]


class ElicitationRequest(Wire):
    """A form (`requested_schema`) or a page (`url`); codex's own remarks are in `meta`."""

    meta: dict[str, object] = Field(default_factory=dict, alias="_meta")

    thread_id: str
    server_name: str
    turn_id: str | None = None
    message: str = ""
    requested_schema: dict[str, object] | None = None
    url: str | None = None


class PermissionsReply(Wire):
    permissions: dict[str, object]
    scope: Literal["turn"] = "turn"


class Answers(Wire):
    answers: tuple[str, ...]


class UserInputReply(Wire):
    answers: dict[str, Answers]


class ElicitationReply(Wire):
    action: Literal["accept", "decline", "cancel"]
    content: dict[str, object] | None = None
