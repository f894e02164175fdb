"""The installed binary's own schema must still hold what we use of it."""

from __future__ import annotations

import json
import subprocess
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from app.agents.codex import approvals, asks, extras, items, models
from app.agents.codex.binary import find_codex
from app.agents.codex.translation import _DELTAS, Translator
from tests.support.waiting import PATIENCE

pytestmark = pytest.mark.codex

# Our model, and the definition in the schema that it is a part of.
SAME = {
    models.ClientInfo: "ClientInfo",
    models.InitializeParams: "InitializeParams",
    models.ThreadStartParams: "ThreadStartParams",
    models.ThreadResumeParams: "ThreadResumeParams",
    models.TurnStartParams: "TurnStartParams",
    models.TurnSteerParams: "TurnSteerParams",
    models.TurnInterruptParams: "TurnInterruptParams",
    models.ThreadReply: "ThreadStartResponse",
    models.TurnReply: "TurnStartResponse",
    models.FileUpdate: "FileUpdateChange",
    models.ItemNotification: "ItemStartedNotification",
    models.Delta: "AgentMessageDeltaNotification",
    models.PartAdded: "ReasoningSummaryPartAddedNotification",
    models.TokenBreakdown: "TokenUsageBreakdown",
    models.TokenUsage: "ThreadTokenUsage",
    models.TokenUsageUpdated: "ThreadTokenUsageUpdatedNotification",
    models.TurnError: "TurnError",
    models.ErrorNotification: "ErrorNotification",
    models.Turn: "Turn",
    models.TurnNotification: "TurnCompletedNotification",
    models.WarningNotification: "WarningNotification",
    models.ConfigWarning: "ConfigWarningNotification",
    models.RequestResolved: "ServerRequestResolvedNotification",
    asks.NetworkContext: "NetworkApprovalContext",
    asks.CommandApproval: "CommandExecutionRequestApprovalParams",
    asks.FileChangeApproval: "FileChangeRequestApprovalParams",
    asks.PermissionsApproval: "PermissionsRequestApprovalParams",
    asks.InputOption: "ToolRequestUserInputOption",
    asks.InputQuestion: "ToolRequestUserInputQuestion",
    asks.UserInputRequest: "ToolRequestUserInputParams",
    asks.PermissionsReply: "PermissionsRequestApprovalResponse",
    asks.Answers: "ToolRequestUserInputAnswer",
    asks.UserInputReply: "ToolRequestUserInputResponse",
    asks.ElicitationReply: "McpServerElicitationRequestResponse",
}
SENT_MODELS = (
    models.ClientInfo,
    models.InitializeParams,
    models.ThreadStartParams,
    models.ThreadResumeParams,
    models.TurnStartParams,
    models.TurnSteerParams,
    models.TurnInterruptParams,
    asks.PermissionsReply,
    asks.Answers,
    asks.UserInputReply,
    asks.ElicitationReply,
)
DELTAS = (
    "AgentMessageDeltaNotification",
    "PlanDeltaNotification",
    "ReasoningTextDeltaNotification",
    "ReasoningSummaryTextDeltaNotification",
    "CommandExecutionOutputDeltaNotification",
)
SENT = {"initialize", "thread/start", "thread/resume", "turn/start", "turn/steer", "turn/interrupt"}
_INPUT = ("ToolRequestUserInputParams", "ToolRequestUserInputResponse")
NOT_IN_SCHEMA = {"availableDecisions"}  # behind `experimentalApi` there, on the wire all the same


@pytest.fixture(scope="module")
def schema(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The schema folder that the binary writes."""
    program = find_codex()
    assert program is not None
    folder = tmp_path_factory.mktemp("schema")
    command = [str(program), "app-server", "generate-json-schema", "--out", str(folder)]
    subprocess.run(command, check=True, capture_output=True, timeout=PATIENCE)
    return folder


@cache
def read(path: Path) -> Any:
    return json.loads(path.read_text())


def definition(schema: Path, name: str) -> Any:
    """A definition by name: from the protocol's file, or from the file of that name."""
    whole = read(schema / "codex_app_server_protocol.v2.schemas.json")["definitions"]
    if name in whole:
        return whole[name]
    own = schema / f"{name}.json"
    if own.exists():
        return read(own)
    files = ("CommandExecutionRequestApprovalParams", *_INPUT)
    parts = (read(schema / f"{file}.json")["definitions"] for file in files)
    return next(found[name] for found in parts if name in found)


def methods(schema: Path, name: str) -> set[str]:
    return {one["properties"]["method"]["enum"][0] for one in read(schema / name)["oneOf"]}


def aliases(model: type[models.Wire]) -> set[str]:
    return {str(field.alias) for field in model.model_fields.values()}


@pytest.mark.parametrize("model", SAME, ids=lambda model: model.__name__)
def test_the_fields_that_we_use_are_there(schema: Path, model: type[models.Wire]) -> None:
    found = definition(schema, SAME[model])
    assert aliases(model) - NOT_IN_SCHEMA <= set(found["properties"])


@pytest.mark.parametrize(
    "model", [m for m in SAME if m not in SENT_MODELS], ids=lambda model: model.__name__
)
def test_we_rely_only_on_what_is_promised(schema: Path, model: type[models.Wire]) -> None:
    ours = {str(f.alias) for f in model.model_fields.values() if f.is_required()}
    assert ours <= set(definition(schema, SAME[model])["required"])


@pytest.mark.parametrize("model", SENT_MODELS, ids=lambda model: model.__name__)
def test_we_send_all_that_is_required(schema: Path, model: type[models.Wire]) -> None:
    assert set(definition(schema, SAME[model]).get("required", ())) <= aliases(model)


def test_the_items_that_we_read_are_there(schema: Path) -> None:
    variants = {
        one["properties"]["type"]["enum"][0]: one["properties"]
        for one in definition(schema, "ThreadItem")["oneOf"]
    }
    for name, model in items._TYPES.items():
        assert aliases(model) <= set(variants[name]), name


def test_the_methods_that_we_use_are_there(schema: Path) -> None:
    heard = {*Translator("")._handlers, *_DELTAS, "serverRequest/resolved"}
    assert heard <= methods(schema, "ServerNotification.json")
    assert methods(schema, "ClientRequest.json") >= SENT
    more = {extras.PERMISSIONS, extras.USER_INPUT, extras.ELICITATION}
    asked = {approvals.COMMAND, approvals.FILE_CHANGE, *more}
    assert asked <= methods(schema, "ServerRequest.json")


def test_our_answers_are_among_the_decisions(schema: Path) -> None:
    for name in ("CommandExecutionRequestApprovalResponse", "FileChangeRequestApprovalResponse"):
        known = json.dumps(definition(schema, name))
        for decision in ("accept", "acceptForSession", "decline", "cancel"):
            assert f'["{decision}"]' in known


def test_what_an_mcp_server_asks_has_the_fields_that_we_use(schema: Path) -> None:
    found = read(schema / "McpServerElicitationRequestParams.json")
    fields = [{*found["properties"], *one["properties"]} for one in found["oneOf"]]
    assert aliases(asks.ElicitationRequest) <= set().union(*fields)
    assert {"serverName", "threadId"} <= set(found["required"])


def test_policies_and_sandboxes_are_known(schema: Path) -> None:
    assert '"untrusted"' in json.dumps(definition(schema, "AskForApproval"))
    known = json.dumps(definition(schema, "SandboxMode"))
    assert all(f'"{m}"' in known for m in ("read-only", "workspace-write", "danger-full-access"))


@pytest.mark.parametrize("name", DELTAS)
def test_delta_notifications_have_the_same_fields(schema: Path, name: str) -> None:
    found = definition(schema, name)
    assert aliases(models.Delta) <= set(found["properties"])
    assert aliases(models.Delta) <= set(found["required"])
