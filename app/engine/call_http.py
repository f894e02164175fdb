"""Asking an HTTP endpoint for a result."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Mapping
from typing import TYPE_CHECKING, Any

from msgspec import Struct

from app.domain.call import Call
from app.domain.compare_json import parse_path
from app.domain.run import Failure, FailureKind
from app.domain.text import one_line
from app.version import VERSION

if TYPE_CHECKING:
    import httpx2

REPLY_LIMIT = 4 * 1024 * 1024  # bytes
_SAID = 300  # characters of a bad reply that are told
_BY_STATUS = {
    401: FailureKind.UNAUTHORIZED,
    403: FailureKind.UNAUTHORIZED,
    408: FailureKind.TIMEOUT,
    429: FailureKind.RATE_LIMIT,
}


class CallFailed(Exception):
    """A call has no result; `failure` says why and of which class it is."""

    def __init__(self, kind: FailureKind, message: str) -> None:
        super().__init__(message)
        self.failure = Failure(kind=kind, message=message)


class CallContext(Struct, frozen=True):
    """Who asks: what an endpoint or a command is told besides its input."""

    run_id: str
    key: str  # names this very execution: a service can tell a repeated call by it
    shadow: bool


class HttpCaller:
    """One client for all calls of a supervisor, made when the first is."""

    def __init__(self) -> None:
        self._client: httpx2.AsyncClient | None = None

    async def close(self) -> None:
        client, self._client = self._client, None
        if client is not None:
            await client.aclose()

    async def ask(
        self,
        call: Call,
        text: str,
        seconds: float,
        context: CallContext,
        variables: Mapping[str, str],
    ) -> str:
        """The endpoint's answer. Raises CallFailed; `seconds` is for all of it, and `variables`
        has what the call's headers name."""
        import httpx2

        if self._client is None:
            self._client = await asyncio.to_thread(_client)
        try:
            headers = _headers(call, context, variables)
            async with asyncio.timeout(seconds):
                return await self._ask(self._client, call, text, headers)
        except (TimeoutError, httpx2.TimeoutException) as error:
            message = f"{call.title}: no answer within {seconds:g} s"
            raise CallFailed(FailureKind.TIMEOUT, message) from error
        except (httpx2.TransportError, httpx2.StreamError) as error:
            why = one_line(str(error), _SAID) or type(error).__name__
            raise CallFailed(FailureKind.BROKEN_PIPE, f"{call.title}: {why}") from error
        except (httpx2.HTTPError, httpx2.InvalidURL) as error:
            why = one_line(str(error), _SAID) or type(error).__name__
            raise CallFailed(FailureKind.PROTOCOL, f"{call.title}: {why}") from error

    async def _ask(
        self, client: httpx2.AsyncClient, call: Call, text: str, headers: Mapping[str, str]
    ) -> str:
        sent = _body(call, text)
        async with client.stream(call.method, call.url, headers=headers, **sent) as response:
            if response.status_code >= 300:
                said = await _read(response.aiter_bytes(), _SAID * 4, cut=True)
                raise _refused(call, response.status_code, said.decode("utf-8", "replace"))
            kind = response.headers.get("content-type", "")
            if call.stream and "text/event-stream" in kind:
                return await _joined(call, response)
            data = await _read(response.aiter_bytes(), REPLY_LIMIT)
            return _answer(call, _decoded(call, data, response.encoding))


def _client() -> httpx2.AsyncClient:
    import httpx2

    # Its own limits of time would only hide which of ours was reached.
    return httpx2.AsyncClient(timeout=None, headers={"User-Agent": f"longwatch/{VERSION}"})


def _body(call: Call, text: str) -> dict[str, Any]:
    if call.method == "GET":
        return {"params": {call.field: text}}
    if call.send == "json":
        return {"json": {call.field: text}}
    return {"content": text.encode()}


def _headers(call: Call, context: CallContext, variables: Mapping[str, str]) -> Mapping[str, str]:
    found = {}
    if call.send == "text" and call.method != "GET":
        found["Content-Type"] = "text/plain; charset=utf-8"
    found |= {"Idempotency-Key": context.key, "X-Longwatch-Run": context.run_id}
    if context.shadow:
        found["X-Longwatch-Shadow"] = "1"
    found |= call.headers
    for header, name in call.header_env.items():
        value = variables.get(name)
        if value is None:
            message = f"{call.title}: the variable {name} for its header {header} is not set"
            raise CallFailed(FailureKind.UNAUTHORIZED, message)
        found[header] = value
    return found


async def _read(chunks: AsyncIterator[bytes], limit: int, *, cut: bool = False) -> bytes:
    body = bytearray()
    async for chunk in chunks:
        body += chunk
        if len(body) > limit:
            if cut:
                break
            message = f"its reply is longer than {limit:,} bytes"
            raise CallFailed(FailureKind.PROTOCOL, message)
    return bytes(body[:limit])


async def _joined(call: Call, response: httpx2.Response) -> str:
    """Server-sent events joined, each read as a reply of its own."""
    parts, size = list[str](), 0
    async for line in response.aiter_lines():
        if not line.startswith("data:"):
            continue
        piece = line.removeprefix("data:").removeprefix(" ")
        if piece == "[DONE]":
            break
        size += len(piece)
        if size > REPLY_LIMIT:
            message = f"its reply is longer than {REPLY_LIMIT:,} characters"
            raise CallFailed(FailureKind.PROTOCOL, message)
        parts.append(_answer(call, piece, optional=True))
    return "".join(parts)


def _decoded(call: Call, data: bytes, encoding: str | None) -> str:
    try:
        return data.decode(encoding or "utf-8")
    except (UnicodeDecodeError, LookupError) as error:
        message = f"{call.title}: its reply is no text: {error}"
        raise CallFailed(FailureKind.PROTOCOL, message) from error


def _answer(call: Call, text: str, *, optional: bool = False) -> str:
    """What the path of the answer names in a reply; a piece of a stream need not have it."""
    if not call.answer:
        return text
    try:
        value: object = json.loads(text)
        for segment in parse_path(call.answer):
            value = _step(value, segment)
    except (ValueError, LookupError, TypeError, RecursionError) as error:
        if optional and not isinstance(error, ValueError):
            return ""
        message = f"{call.title}: its reply has no {call.answer}: {one_line(text, _SAID)}"
        raise CallFailed(FailureKind.PROTOCOL, message) from error
    if value is None and optional:
        return ""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _step(value: object, segment: str) -> object:
    if isinstance(value, list):
        return value[int(segment.strip("[]"))]
    if isinstance(value, dict):
        return value[segment]
    raise LookupError(segment)


def _refused(call: Call, status: int, said: str) -> CallFailed:
    kind = _BY_STATUS.get(status)
    if kind is None:
        kind = FailureKind.OVERLOADED if status >= 500 else FailureKind.BAD_REQUEST
    words = one_line(said, _SAID)
    return CallFailed(kind, f"{call.title}: HTTP {status}" + (f": {words}" if words else ""))
