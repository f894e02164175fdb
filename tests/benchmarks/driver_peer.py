"""The other side of each driver at full speed: `python driver_peer.py codex|acp|http`.

A prompt with `STREAM n` is answered with n pieces of text, built before the first is sent; one with
`ASK n` with n questions, each after the answer to the one before, whose times of receipt (ns of the
monotonic clock, which processes share) are the turn's final message. `http` prints its address.
"""

from __future__ import annotations

import json
import re
import sys
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

Json = dict[str, Any]
WORDS = "and then it looked at the next file, "
WANTED = re.compile(r"(STREAM|ASK) (\d+)")
THREAD = {"threadId": "thread-1", "turnId": "turn-1"}


def lines(messages: Iterator[Json]) -> bytes:
    return b"".join(json.dumps(message).encode() + b"\n" for message in messages)


def send(*messages: Json) -> None:
    put(lines(iter(messages)))


def put(data: bytes) -> None:
    sys.stdout.buffer.write(data)
    sys.stdout.buffer.flush()


def answers(count: int, ask: Callable[[int], Json]) -> str:
    """Ask and wait, one at a time."""
    times = []
    for number in range(count):
        send(ask(number))
        while "method" in json.loads(sys.stdin.readline()):
            """Something else than the answer."""
        times.append(str(time.monotonic_ns()))
    return " ".join(times)


# ---- codex


def codex_piece(number: int) -> Json:
    params = {**THREAD, "itemId": f"m{number // 100}", "delta": WORDS}
    return {"method": "item/agentMessage/delta", "params": params}


def codex_item(item: str, text: str) -> Json:
    about = {"type": "agentMessage", "id": item, "text": text}
    return {"method": "item/completed", "params": {**THREAD, "item": about}}


def codex_question(number: int) -> Json:
    command = f"git push origin v{number}"
    params = {**THREAD, "itemId": f"c{number}", "command": command, "cwd": "/", "startedAtMs": 0}
    method = "item/commandExecution/requestApproval"
    return {"id": 1000 + number, "method": method, "params": params}


def codex(message: Json, stream: bytes) -> None:
    method, number = message.get("method"), message.get("id")
    if method == "thread/start":
        send({"id": number, "result": {"thread": {"id": "thread-1"}}})
    elif method == "turn/start":
        send({"id": number, "result": {"turn": {"id": "turn-1", "status": "inProgress"}}})
        what, count = wanted(json.dumps(message["params"]))
        if what == "STREAM":
            put(stream)
            text = "done"
        else:
            text = answers(count, codex_question)
        send(codex_item("last", text))
        ended = {"threadId": "thread-1", "turn": {"id": "turn-1", "status": "completed"}}
        send({"method": "turn/completed", "params": ended})
    elif number is not None:
        send({"id": number, "result": {}})


# ---- acp


def acp_piece(number: int) -> Json:
    content = {"type": "text", "text": WORDS}
    update = {"sessionUpdate": "agent_message_chunk", "content": content}
    params = {"sessionId": "s", "update": update}
    return {"jsonrpc": "2.0", "method": "session/update", "params": params}


def acp_question(number: int) -> Json:
    command = {"command": f"git push origin v{number}"}
    call = {"toolCallId": f"c{number}", "kind": "execute", "title": "push", "rawInput": command}
    kinds = (("yes", "allow_once"), ("no", "reject_once"))
    options = [{"optionId": name, "name": name, "kind": kind} for name, kind in kinds]
    params = {"sessionId": "s", "toolCall": call, "options": options}
    method = "session/request_permission"
    return {"jsonrpc": "2.0", "id": 1000 + number, "method": method, "params": params}


def acp(message: Json, stream: bytes) -> None:
    method, number = message.get("method"), message.get("id")
    result: Json = {}
    if method == "initialize":
        result = {"protocolVersion": 1, "agentCapabilities": {}, "authMethods": []}
    elif method == "session/new":
        result = {"sessionId": "s"}
    elif method == "session/prompt":
        what, count = wanted(json.dumps(message["params"]))
        if what == "STREAM":
            put(stream)
        else:
            piece = acp_piece(0)
            piece["params"]["update"]["content"]["text"] = answers(count, acp_question)
            send(piece)
        result = {"stopReason": "end_turn"}
    if number is not None:
        send({"jsonrpc": "2.0", "id": number, "result": result})


def wanted(text: str) -> tuple[str, int]:
    found = WANTED.search(text)
    assert found is not None, text
    return found[1], int(found[2])


def serve(speak: Callable[[Json, bytes], None], piece: Callable[[int], Json], count: int) -> None:
    stream = lines(piece(number) for number in range(count))
    for line in sys.stdin:
        if line.startswith("BARE"):  # the reader that does nothing with it
            put(stream)
            return
        speak(json.loads(line), stream)


# ---- http


class Endpoint(BaseHTTPRequestHandler):
    """Chat Completions, streamed. Questions are calls of the tool `shell`."""

    protocol_version = "HTTP/1.1"
    stream = b""

    def log_message(self, format: str, *args: object) -> None:
        """Quiet."""

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["content-length"]))
        self.send_response(200)
        self.send_header("content-type", "text/event-stream")
        self.send_header("connection", "close")
        self.end_headers()
        self.close_connection = True
        what, count = wanted(body.decode())
        done = body.count(b'"role":"tool"') + body.count(b'"role": "tool"')
        self.wfile.write(self.stream if what == "STREAM" else call(done, count))


def chunk(delta: Json, finish: str | None = None) -> bytes:
    choice = {"index": 0, "delta": delta, "finish_reason": finish}
    whole = {"id": "c", "object": "chat.completion.chunk", "created": 0, "model": "m"}
    return b"data: " + json.dumps({**whole, "choices": [choice]}).encode() + b"\n\n"


def call(done: int, count: int) -> bytes:
    if done >= count:
        return chunk({"role": "assistant", "content": "done"}) + chunk({}, "stop")
    function = {"name": "shell", "arguments": json.dumps({"command": f"true v{done} > /dev/null"})}
    made = {"index": 0, "id": f"call-{done}", "type": "function", "function": function}
    return chunk({"role": "assistant", "tool_calls": [made]}) + chunk({}, "tool_calls")


def http(count: int) -> None:
    pieces = b"".join(chunk({"role": "assistant", "content": WORDS}) for _ in range(count))
    Endpoint.stream = pieces + chunk({}, "stop") + b"data: [DONE]\n\n"
    server = ThreadingHTTPServer(("127.0.0.1", 0), Endpoint)
    print(f"http://127.0.0.1:{server.server_address[1]}/v1", flush=True)
    server.serve_forever()


if __name__ == "__main__":
    mode, pieces = sys.argv[1], int(sys.argv[2])
    if mode == "http":
        http(pieces)
    elif mode == "codex":
        serve(codex, codex_piece, pieces)
    else:
        serve(acp, acp_piece, pieces)
