"""What we use of the app-server protocol v2, as typed messages; what the server asks of us is in
`app.agents.codex.asks`.

Source: `codex app-server generate-json-schema` (0.169). Unknown fields are ignored, because
the protocol grows; the fields named here are checked.
"""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field
from pydantic.alias_generators import to_camel


class Wire(BaseModel):
    """A message or a part of one; camelCase on the wire."""

    model_config = ConfigDict(
        frozen=True, extra="ignore", alias_generator=to_camel, populate_by_name=True
    )


# ---- what we send


class ClientInfo(Wire):
    """Who speaks to codex. `version` is that of the installed Longwatch, "0" in a source tree."""

    name: str = "longwatch"
    title: str = "Longwatch"
    version: str


class InitializeParams(Wire):
    """Params of `initialize`, the first request; then comes the notification `initialized`."""

    client_info: ClientInfo


class ThreadStartParams(Wire):
    """Params of `thread/start`. `approvals_reviewer` is set so that a person's own configuration
    cannot have another model answer what we ask the operator."""

    cwd: str
    approval_policy: str
    approvals_reviewer: str = "user"
    sandbox: str
    model: str | None = None
    developer_instructions: str | None = None


class ThreadResumeParams(ThreadStartParams):
    """Params of `thread/resume`. Nobody here reads the turns before, and codex warns where it is to
    send them: hence `exclude_turns`."""

    thread_id: str
    exclude_turns: bool = True


class TextInput(Wire):
    """An input item of `turn/start` and `turn/steer`: words for the model."""

    type: Literal["text"] = "text"
    text: str


class LocalImageInput(Wire):
    """An input item of `turn/start` and `turn/steer`: an image that codex reads for itself."""

    type: Literal["localImage"] = "localImage"
    path: str


UserInput = TextInput | LocalImageInput


class TurnStartParams(Wire):
    """Params of `turn/start`. Its result only names the turn; notifications tell the rest."""

    thread_id: str
    input: tuple[UserInput, ...]
    output_schema: dict[str, Any] | None = None  # of the final message


class TurnSteerParams(Wire):
    """Params of `turn/steer`: words into a running turn. Codex refuses them unless that turn is
    `expected_turn_id`."""

    thread_id: str
    input: tuple[UserInput, ...]
    expected_turn_id: str


class TurnInterruptParams(Wire):
    """Params of `turn/interrupt`. The turn is over at its `turn/completed`, not at the result."""

    thread_id: str
    turn_id: str


# ---- replies


class Ref(Wire):
    """A thread or a turn in a result: only its id is read."""

    id: str


class ThreadReply(Wire):
    """Result of `thread/start` and of `thread/resume`."""

    thread: Ref


class TurnReply(Wire):
    """Result of `turn/start`."""

    turn: Ref


# ---- items


class AgentMessage(Wire):
    """Item `agentMessage`: what the model says. The last one of a turn is its result; a commentary
    is so only where nothing else was said."""

    id: str
    text: str
    phase: str | None = None  # commentary, partial_answer, final_answer; often absent


class PlanItem(Wire):
    """Item `plan`: a plan that the model proposes; it counts as a message of the model."""

    id: str
    text: str


class Reasoning(Wire):
    """Item `reasoning`: the model's thoughts, summarised and, where codex has them, as they are."""

    id: str
    summary: tuple[str, ...] = ()
    content: tuple[str, ...] = ()


class CommandExecution(Wire):
    """Item `commandExecution`: a shell command. `process_id` is None while nothing runs yet, as
    when an approval is awaited."""

    id: str
    command: str
    cwd: str
    status: str  # inProgress, completed, failed, declined
    process_id: str | None = None
    exit_code: int | None = None
    aggregated_output: str | None = None


class ChangeKind(Wire):
    """What is done to one file. `move_path`, alone not camelCase on the wire, is its new path."""

    type: str  # add, delete, update
    move_path: str | None = Field(default=None, alias="move_path")


class FileUpdate(Wire):
    """One file of a `fileChange`. `diff` is a unified diff, or the whole text of an added file."""

    path: str
    kind: ChangeKind
    diff: str


class FileChangeItem(Wire):
    """Item `fileChange`: a patch. An approval of it has its id only; the changes are here."""

    id: str
    changes: tuple[FileUpdate, ...]
    status: str  # inProgress, completed, failed, declined


class ToolError(Wire):
    """Why an `mcpToolCall` failed."""

    message: str


class McpToolCall(Wire):
    """Item `mcpToolCall`: a call of a tool of one of codex's own MCP servers."""

    id: str
    server: str
    tool: str
    status: str  # inProgress, completed, failed
    arguments: object = None
    error: ToolError | None = None


class WebSearch(Wire):
    """Item `webSearch`: told when it is made; codex never asks about it."""

    id: str
    query: str = ""


# ---- notifications


class ItemNotification(Wire):
    """Params of `item/started` and `item/completed`; `items.read` reads it by its type."""

    thread_id: str
    turn_id: str
    item: dict[str, object]


class Delta(Wire):
    """Params of `item/agentMessage/delta` and its like: a piece of streamed text of an item."""

    thread_id: str
    turn_id: str
    item_id: str
    delta: str


class PartAdded(Wire):
    """Params of `item/reasoning/summaryPartAdded`: the next paragraph of thoughts, from 0."""

    thread_id: str
    turn_id: str
    item_id: str
    summary_index: int


class TokenBreakdown(Wire):
    """Tokens by kind; `cached_input_tokens` are among `input_tokens`."""

    input_tokens: int
    cached_input_tokens: int
    output_tokens: int
    total_tokens: int


class TokenUsage(Wire):
    """What a thread has used since it began, and how many tokens fit into its model's context."""

    total: TokenBreakdown
    last: TokenBreakdown | None = None  # of the model's last answer
    model_context_window: int | None = None


class TokenUsageUpdated(Wire):
    """Params of `thread/tokenUsage/updated`. The thread may be that of a sub-agent."""

    thread_id: str
    turn_id: str = ""
    token_usage: TokenUsage


class TurnError(Wire):
    """Why a turn failed, or what of it is tried again. `codex_error_info` is a class of error, or
    an object whose only key is one (`app.agents.codex.failures`)."""

    message: str
    codex_error_info: str | dict[str, object] | None = None
    additional_details: str | None = None


class ErrorNotification(Wire):
    """Params of `error`. With `will_retry` the turn goes on; else its `turn/completed` follows."""

    thread_id: str
    turn_id: str
    error: TurnError
    will_retry: bool


class Turn(Wire):
    """What `turn/started` and `turn/completed` say of a turn; `error` is of one that failed."""

    id: str
    status: Literal["completed", "interrupted", "failed", "inProgress"]
    error: TurnError | None = None


class TurnNotification(Wire):
    """Params of `turn/started` and `turn/completed`."""

    thread_id: str
    turn: Turn


class WarningNotification(Wire):
    """Params of `warning` and `guardianWarning`: a sentence for the operator."""

    message: str


class ConfigWarning(Wire):
    """Params of `configWarning`: what is wrong with codex's own configuration, in a sentence."""

    summary: str


class RequestResolved(Wire):
    """Params of `serverRequest/resolved`: a request of the server is settled. Where we have not
    answered it, codex has withdrawn it."""

    request_id: int | str
