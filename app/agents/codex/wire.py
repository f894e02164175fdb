"""Framing: JSON-RPC 2.0 without the `jsonrpc` member, one object a line."""

from __future__ import annotations

import json
from dataclasses import dataclass

Params = dict[str, object]

METHOD_NOT_FOUND = -32601
INVALID_PARAMS = -32602


@dataclass(frozen=True, slots=True)
class Notification:
    """What the server tells and wants no answer to."""

    method: str
    params: Params


@dataclass(frozen=True, slots=True)
class ServerRequest:
    """A question of the server; its ids are its own, apart from ours."""

    request_id: int | str
    method: str
    params: Params


@dataclass(frozen=True, slots=True)
class Reply:
    """The answer to one of our requests; `error` is None when it succeeded."""

    request_id: int | str
    result: Params
    error: RpcError | None = None


@dataclass(frozen=True, slots=True)
class Garbage:
    """A line that is not this protocol."""

    line: str


class RpcError(Exception):
    """The server refused a request."""

    def __init__(self, code: int, message: str) -> None:
        super().__init__(message)
        self.code = code


Inbound = Notification | ServerRequest | Reply | Garbage


def parse(line: bytes) -> Inbound:
    """One line as a message; whatever does not fit is Garbage, never an exception."""
    try:
        message = json.loads(line)
    except (ValueError, RecursionError):
        message = None
    if not isinstance(message, dict):
        return _garbage(line)
    method, request_id = message.get("method"), _id(message.get("id"))
    params = message.get("params") or {}
    if isinstance(method, str) and isinstance(params, dict):
        if request_id is None:
            return Notification(method, params)
        return ServerRequest(request_id, method, params)
    if method is None and request_id is not None and ("result" in message or "error" in message):
        return _reply(request_id, message)
    return _garbage(line)


def _id(value: object) -> int | str | None:
    return value if isinstance(value, int | str) and not isinstance(value, bool) else None


def _reply(request_id: int | str, message: Params) -> Reply:
    error = message.get("error")
    if error is None:
        result = message.get("result")
        return Reply(request_id, result if isinstance(result, dict) else {})
    if not isinstance(error, dict):
        return Reply(request_id, {}, RpcError(0, str(error)))
    code = error.get("code")
    return Reply(
        request_id,
        {},
        RpcError(code if isinstance(code, int) else 0, str(error.get("message", "no message"))),
    )


def _garbage(line: bytes) -> Garbage:
    return Garbage(line[:500].decode(errors="replace").strip())


def frame(message: Params) -> bytes:
    """One message as a line. Lone surrogates are escaped, so this cannot fail on text."""
    return json.dumps(message, separators=(",", ":")).encode() + b"\n"
