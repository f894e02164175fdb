"""What codex asks besides commands and edits: more rights, answers, what MCP servers want to know.

Each is put to the operator as a call that can be changed before it is allowed: rights made fewer,
answers filled in. What is allowed is what was shown.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Literal, Protocol

from app.agents.capped import TITLE_CAP, as_json
from app.agents.codex import asks, models
from app.agents.codex.wire import ServerRequest
from app.agents.protocol import Answer
from app.domain.approval import Action
from app.domain.errors import DriverError
from app.domain.mcp import tool_name
from app.domain.text import one_line
from app.domain.toolcall import ToolCall, ToolKind

PERMISSIONS = "item/permissions/requestApproval"
USER_INPUT = "item/tool/requestUserInput"
ELICITATION = "mcpServer/elicitation/request"
_APPROVAL_KIND, _TOOL = "codex_approval_kind", "mcp_tool_call"
_UNTIL = "what codex does with it until its turn ends is not asked about one by one"


class Extra(Protocol):
    """One such question."""

    @property
    def request_id(self) -> int | str: ...

    @property
    def thread_id(self) -> str: ...

    @property
    def turn_id(self) -> str | None: ...

    @property
    def call(self) -> ToolCall: ...

    @property
    def editable(self) -> str | None: ...

    def preview(self, text: str) -> ToolCall:
        """The call with this text. Raises DriverError."""

    def reply(self, answer: Answer) -> tuple[models.Wire, str]:
        """What codex hears, and in words what became of it."""


def read(request: ServerRequest) -> Extra:
    """The question in a request. Raises pydantic.ValidationError, or DriverError for one that
    cannot be put to anybody."""
    if request.method == PERMISSIONS:
        return Permissions(request)
    if request.method == USER_INPUT:
        return UserInput(request)
    asked = asks.ElicitationRequest.model_validate(request.params)
    approval = asked.meta.get(_APPROVAL_KIND)
    return ToolApproval(request, asked) if approval == _TOOL else Elicitation(request, asked)


def _call(request: ServerRequest, kind: ToolKind, tool: str, title: str, **more: Any) -> ToolCall:
    return ToolCall(
        call_id=f"request-{request.request_id}",
        tool=tool,
        kind=kind,
        title=one_line(title, TITLE_CAP),
        **more,
    )


def _pretty(value: object) -> str:
    return json.dumps(value, indent=2, ensure_ascii=False)


def _object(text: str) -> dict[str, Any]:
    try:
        found = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise DriverError(f"not JSON: {error}") from error
    if not isinstance(found, dict):
        raise DriverError("not a JSON object")
    return found


class Permissions:
    """More rights in its sandbox, for the rest of the turn; some of them may be granted."""

    def __init__(self, request: ServerRequest) -> None:
        asked = asks.PermissionsApproval.model_validate(request.params)
        self.request_id = request.request_id
        self.thread_id, self.turn_id = asked.thread_id, asked.turn_id
        self._asked = asked
        self.call = _call(request, ToolKind.OTHER, "permissions", "").model_copy(
            update=self._shown(asked.permissions)
        )
        self.editable: str | None = _pretty(asked.permissions)

    def _shown(self, rights: Mapping[str, Any]) -> dict[str, Any]:
        return {
            "title": one_line(f"more rights: {as_json(rights)}", TITLE_CAP),
            "arguments": as_json(rights),
            "cwd": self._asked.cwd,
            "reason": self._asked.reason,
            "notes": (_UNTIL,),
        }

    def preview(self, text: str) -> ToolCall:
        rights = _object(text)
        if not _within(rights, self._asked.permissions):
            raise DriverError("only what was asked for can be granted, or less of it")
        return self.call.model_copy(update=self._shown(rights))

    def reply(self, answer: Answer) -> tuple[models.Wire, str]:
        if answer.action is Action.DENY:
            return asks.PermissionsReply(permissions={}), "denied"
        rights = _object(answer.edited.text) if answer.edited else self._asked.permissions
        return asks.PermissionsReply(permissions=rights), "granted for this turn"


class UserInput:
    """Questions of the model, answered in words."""

    def __init__(self, request: ServerRequest) -> None:
        asked = asks.UserInputRequest.model_validate(request.params)
        if any(question.is_secret for question in asked.questions):
            raise DriverError("it asks for a secret, and what is answered here is recorded")
        self.request_id = request.request_id
        self.thread_id, self.turn_id = asked.thread_id, asked.turn_id
        told = [
            f"{question.id}: {question.question}"
            + "".join(f" · {option.label}: {option.description}" for option in question.options)
            for question in asked.questions
        ]
        title = "asks you: " + "; ".join(question.question for question in asked.questions)
        self.call = _call(request, ToolKind.QUESTION, "request_user_input", title, notes=told)
        self._ids = [question.id for question in asked.questions]
        self.editable: str | None = _pretty(dict.fromkeys(self._ids, ""))

    def preview(self, text: str) -> ToolCall:
        answers = _object(text)
        if answers.keys() - self._ids or not all(isinstance(v, str) for v in answers.values()):
            raise DriverError(f"a text is wanted for each of: {', '.join(self._ids)}")
        return self.call.model_copy(update={"arguments": as_json(answers)})

    def reply(self, answer: Answer) -> tuple[models.Wire, str]:
        given = _object(answer.edited.text) if answer.edited else {}
        answers = {key: asks.Answers(answers=(value,)) for key, value in given.items() if value}
        return asks.UserInputReply(answers=answers), "answered" if answers else "not answered"


class ToolApproval:
    """Whether a tool of one of codex's MCP servers may be called: codex asks it as if the server
    did, and says in the margin what it is (seen with 0.169)."""

    editable: str | None = None

    def __init__(self, request: ServerRequest, asked: asks.ElicitationRequest) -> None:
        self.request_id = request.request_id
        self.thread_id, self.turn_id = asked.thread_id, asked.turn_id
        self.item_id = ""  # the call's, once it is found
        tool = one_line(str(asked.meta.get("tool_name") or "?"), 128)
        self.call = _call(
            request,
            ToolKind.MCP,
            tool_name(one_line(asked.server_name, 64), tool),
            f"{asked.server_name}: {tool}",
            arguments=as_json(asked.meta.get("tool_params")),
        )

    def preview(self, text: str) -> ToolCall:
        raise DriverError("codex takes a yes or a no")

    def reply(self, answer: Answer) -> tuple[models.Wire, str]:
        if answer.action is Action.ALLOW:
            return asks.ElicitationReply(action="accept", content={}), "allowed"
        action: Literal["cancel", "decline"] = "cancel" if answer.interrupt else "decline"
        return asks.ElicitationReply(action=action), "denied"


class Elicitation:
    """What one of codex's MCP servers wants of the person: a form, or a page to be opened. What it
    does with a yes is not known: it is judged as a call of its tools."""

    def __init__(self, request: ServerRequest, asked: asks.ElicitationRequest) -> None:
        self.request_id = request.request_id
        self.thread_id, self.turn_id = asked.thread_id, asked.turn_id
        schema = asked.requested_schema or {}
        fields = schema.get("properties")
        self._fields: dict[str, Any] = fields if isinstance(fields, dict) else {}
        needed = schema.get("required")
        self._needed = [str(name) for name in needed] if isinstance(needed, list) else []
        notes = [f"{name}: {as_json(field)}" for name, field in self._fields.items()]
        if asked.url:
            notes.append(f"allow it once you have opened {asked.url} and are done there")
        self.call = _call(
            request,
            ToolKind.MCP,
            tool_name(one_line(asked.server_name, 64), "elicitation"),
            f"{asked.server_name} asks you: {asked.message}",
            notes=notes,
        )
        self._start = {name: _default(field) for name, field in self._fields.items()}
        self.editable: str | None = _pretty(self._start) if self._fields else None

    def preview(self, text: str) -> ToolCall:
        content = _object(text)
        self._check(content)
        return self.call.model_copy(update={"arguments": as_json(content)})

    def _check(self, content: Mapping[str, Any]) -> None:
        missing = [name for name in self._needed if content.get(name) in (None, "")]
        if missing:
            raise DriverError(f"it wants an answer to: {', '.join(missing)}")
        if unknown := content.keys() - self._fields.keys():
            raise DriverError(f"it does not ask for: {', '.join(sorted(unknown))}")

    def reply(self, answer: Answer) -> tuple[models.Wire, str]:
        if answer.action is Action.DENY:
            reply = asks.ElicitationReply(action="cancel" if answer.interrupt else "decline")
            return reply, "denied"
        content = _object(answer.edited.text) if answer.edited else self._start
        try:
            self._check(content)
        except DriverError as error:
            # Allowed as it was, without the answers that it needs.
            return asks.ElicitationReply(action="decline"), f"declined: {error}"
        return asks.ElicitationReply(action="accept", content=content), "answered"


def _default(field: object) -> object:
    return field.get("default", "") if isinstance(field, Mapping) else ""


def _within(part: object, whole: object) -> bool:
    """Whether `part` asks for no more than `whole`: fewer keys, fewer entries, or `false`. Where
    something is excepted from a right, that is all or nothing: less of it could be more."""
    if isinstance(part, Mapping) and isinstance(whole, Mapping):
        if any(isinstance(value, list) and _excepts(value) for value in whole.values()):
            return not part or part == whole
        return all(key in whole and _within(value, whole[key]) for key, value in part.items())
    if isinstance(part, list) and isinstance(whole, list):
        return all(entry in whole for entry in part)
    return part == whole or part in (None, False)


def _excepts(entries: list[Any]) -> bool:
    return any(isinstance(entry, Mapping) and entry.get("access") == "deny" for entry in entries)
