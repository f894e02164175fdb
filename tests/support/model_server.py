"""A model server for tests: speaks the OpenAI Responses stream and two more dialects
(`model_dialects`), says what a script tells it.

In a test: `with ModelServer() as server: … server.base_url …`. From a shell:

    python -m tests.support.model_server [--port N] [--script RULES.json] [--codex-home DIR]

prints its base URL and serves until it is interrupted. `model_replies` tells what it says.
"""

from __future__ import annotations

import argparse
import json
import threading
import time
import uuid
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import TracebackType

from tests.support.codex_home import write_codex_home
from tests.support.model_dialects import Chat, Messages, conversation
from tests.support.model_replies import Conversation, Reply, Script

Json = dict[str, object]

_SHELL_TOOLS = ("exec_command", "shell_command", "shell", "local_shell")
_TICK_SECONDS = 0.1
_USAGE: Json = {
    "input_tokens": 1200,
    "input_tokens_details": {"cached_tokens": 200},
    "output_tokens": 34,
    "output_tokens_details": {"reasoning_tokens": 5},
    "total_tokens": 1234,
}


class ModelServer:
    """Serves on 127.0.0.1 from a thread of its own. `requests` holds every body it was sent."""

    def __init__(self, script: Script | None = None, port: int = 0) -> None:
        self.script = script or Script()
        self.requests: list[Json] = []
        self.headers: list[dict[str, str]] = []  # of the requests in the other dialects
        self.errors: dict[str, int] = {}  # the HTTP status that a model answers with, by its name
        self.enough = threading.Event()  # set by a test: what is streamed slowly ends here
        self._stopping = threading.Event()
        self._http = _Http(("127.0.0.1", port), _Handler)
        self._http.owner = self
        self._thread = threading.Thread(
            target=self._http.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True
        )

    @property
    def base_url(self) -> str:
        return f"http://127.0.0.1:{self._http.server_address[1]}/v1"

    def conversations(self) -> list[Conversation]:
        """What the model was shown, request by request."""
        return [
            conversation(body) if "messages" in body else Conversation(body)
            for body in list(self.requests)
        ]

    def pieces(self, reply: Reply) -> Iterator[str]:
        """The words of a reply as they are streamed."""
        if not reply.slow:
            yield from _pieces(reply.say)
            return
        for tick in range(int(reply.slow / _TICK_SECONDS)):
            if self.enough.wait(_TICK_SECONDS):
                return
            yield f"tick {tick} "

    def pause(self, seconds: float) -> None:
        """Wait, but no longer than the server lives."""
        self._stopping.wait(seconds)

    def __enter__(self) -> ModelServer:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._stopping.set()
        self.enough.set()
        self._http.shutdown()
        self._http.server_close()
        self._thread.join()


class _Http(ThreadingHTTPServer):
    daemon_threads = True
    owner: ModelServer


class _Handler(BaseHTTPRequestHandler):
    """One request of an agent."""

    protocol_version = "HTTP/1.1"
    server: _Http

    def log_message(self, format: str, *args: object) -> None:
        """Quiet: the bodies are kept instead."""

    def do_GET(self) -> None:
        if self.path.split("?")[0].endswith("/models"):
            self._json(200, {"object": "list", "data": [], "models": []})
        else:
            self._json(404, {"error": {"message": f"no route {self.path}"}})

    def do_POST(self) -> None:
        raw = self.rfile.read(int(self.headers.get("content-length") or 0))
        path = self.path.split("?")[0]
        for end, dialect in (("/chat/completions", Chat), ("/messages", Messages)):
            if path.endswith(end):
                self._speak(json.loads(raw), dialect)
                return
        if not self.path.split("?")[0].endswith("/responses"):
            self._json(404, {"error": {"message": f"no route {self.path}"}})
            return
        body = json.loads(raw)
        self.server.owner.requests.append(body)
        reply = self.server.owner.script.reply(Conversation(body))
        if reply.error:
            self._json(reply.error, {"error": {"message": f"scripted {reply.error}"}})
            return
        try:
            self._stream(_Answer(body, reply, self.server.owner))
        except OSError:  # the agent was interrupted or killed, and hung up
            self.close_connection = True

    def _speak(self, body: Json, dialect: type[Chat] | type[Messages]) -> None:
        """Answer in one of the other dialects."""
        owner = self.server.owner
        owner.requests.append(body)
        self.server.owner.headers.append(dict(self.headers))
        if refused := owner.errors.get(str(body.get("model"))):
            reply = Reply(error=refused)
        elif not body.get("tools"):  # agents ask for titles and the like on the side
            reply = owner.script.without_tools(conversation(body))
        else:
            reply = owner.script.reply(conversation(body))
        if reply.error:
            kind = "rate_limit_error" if reply.error == 429 else "server_error"
            error = {"type": kind, "message": reply.words or f"scripted {reply.error}"}
            self._json(reply.error, {"type": "error", "error": error})
            return
        answer = dialect(body, reply, owner.pieces)
        try:
            if not body.get("stream"):
                self._json(200, answer.whole())
                return
            self.send_response(200)
            self.send_header("content-type", "text/event-stream")
            self.send_header("connection", "close")
            self.end_headers()
            self.close_connection = True
            for event in answer.events():
                self.wfile.write(event.encode())
                self.wfile.flush()
        except OSError:  # the agent was interrupted or killed, and hung up
            self.close_connection = True

    def _json(self, status: int, value: Json) -> None:
        data = json.dumps(value).encode()
        self.send_response(status)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(data)))
        if status == 429:
            self.send_header("retry-after", "1")
        self.end_headers()
        self.wfile.write(data)

    def _stream(self, answer: _Answer) -> None:
        self.send_response(200)
        self.send_header("content-type", "text/event-stream")
        self.send_header("connection", "close")
        self.end_headers()
        self.close_connection = True
        for number, event in enumerate(answer.events()):
            data = json.dumps({**event, "sequence_number": number})
            self.wfile.write(f"event: {event['type']}\ndata: {data}\n\n".encode())
            self.wfile.flush()


class _Answer:
    """The events of one streamed response."""

    def __init__(self, body: Json, reply: Reply, owner: ModelServer) -> None:
        self._body, self._reply, self._owner = body, reply, owner
        self._output: list[Json] = []

    def events(self) -> Iterator[Json]:
        response: Json = {
            "id": f"resp_{uuid.uuid4().hex}",
            "object": "response",
            "created_at": int(time.time()),
            "model": self._body.get("model"),
        }
        yield {"type": "response.created", "response": {**response, "status": "in_progress"}}
        if self._reply.think:
            yield from self._thought()
        if self._reply.run is not None or self._reply.patch is not None:
            yield from self._call()
        else:
            yield from self._message()
        done = {**response, "status": "completed", "output": self._output, "usage": _USAGE}
        yield {"type": "response.completed", "response": done}

    def _item(self, kind: str, item: Json) -> Json:
        return {"type": f"response.output_item.{kind}", "output_index": 0, "item": item}

    def _thought(self) -> Iterator[Json]:
        item_id = f"rs_{uuid.uuid4().hex}"
        place: Json = {"item_id": item_id, "output_index": 0, "summary_index": 0}
        item: Json = {"type": "reasoning", "id": item_id, "summary": []}
        yield self._item("added", item)
        for piece in _pieces(self._reply.think):
            yield {"type": "response.reasoning_summary_text.delta", **place, "delta": piece}
        part = {"type": "summary_text", "text": self._reply.think}
        yield self._finished({**item, "summary": [part]})

    def _message(self) -> Iterator[Json]:
        item_id = f"msg_{uuid.uuid4().hex}"
        item: Json = {"type": "message", "id": item_id, "role": "assistant", "content": []}
        yield self._item("added", {**item, "status": "in_progress"})
        place: Json = {"item_id": item_id, "output_index": 0, "content_index": 0}
        text = ""
        for piece in self._owner.pieces(self._reply):
            text += piece
            yield {"type": "response.output_text.delta", **place, "delta": piece}
        part = {"type": "output_text", "text": text, "annotations": []}
        yield self._finished({**item, "status": "completed", "content": [part]})

    def _call(self) -> Iterator[Json]:
        item = self._tool_call()
        yield self._item("added", item)
        yield self._finished(item)

    def _finished(self, item: Json) -> Json:
        self._output.append(item)
        return self._item("done", item)

    def _tool_call(self) -> Json:
        tools = _tools(self._body)
        if self._reply.patch is None:
            return _shell_call(tools, self._reply.run or "")
        patch = self._reply.patch
        added = "".join(f"+{line}\n" for line in patch.text.split("\\n"))
        text = f"*** Begin Patch\n*** Add File: {patch.path}\n{added}*** End Patch\n"
        if "apply_patch" not in tools:
            return _shell_call(tools, f"apply_patch <<'EOF'\n{text}EOF")
        if tools["apply_patch"].get("type") == "custom":
            call_id = f"call_{uuid.uuid4().hex[:12]}"
            item: Json = {"type": "custom_tool_call", "id": f"ctc_{call_id}", "call_id": call_id}
            return {**item, "name": "apply_patch", "input": text, "status": "completed"}
        return _function_call("apply_patch", {"input": text})


def _pieces(text: str) -> Iterator[str]:
    for start in range(0, len(text), 40):
        yield text[start : start + 40]


def _tools(body: Json) -> dict[str, Json]:
    offered = body.get("tools")
    tools: dict[str, Json] = {}
    for tool in offered if isinstance(offered, list) else []:
        for one in (tool, *(tool.get("tools") or ())):
            tools[str(one.get("name") or one.get("type"))] = one
    return tools


def _shell_call(tools: dict[str, Json], command: str) -> Json:
    name = next(name for name in _SHELL_TOOLS if name in tools)
    parameters = tools[name].get("parameters")
    known = parameters.get("properties", {}) if isinstance(parameters, dict) else {}
    if "cmd" in known:
        return _function_call(name, {"cmd": command})
    if known.get("command", {}).get("type") == "array":
        return _function_call(name, {"command": ["bash", "-lc", command]})
    return _function_call(name, {"command": command})


def _function_call(name: str, arguments: Json) -> Json:
    call_id = f"call_{uuid.uuid4().hex[:12]}"
    return {
        "type": "function_call",
        "id": f"fc_{call_id}",
        "call_id": call_id,
        "name": name,
        "arguments": json.dumps(arguments),
        "status": "completed",
    }


def main() -> None:
    """Serve until interrupted."""
    parser = argparse.ArgumentParser(prog="python -m tests.support.model_server")
    parser.add_argument("--port", type=int, default=0, help="0 takes a free one")
    parser.add_argument("--script", type=Path, help="a JSON file of rules")
    parser.add_argument("--codex-home", type=Path, help="write a CODEX_HOME for this server there")
    options = parser.parse_args()
    script = Script.load(options.script) if options.script else Script()
    with ModelServer(script, options.port) as server:
        if options.codex_home:
            write_codex_home(options.codex_home, server.base_url)
        print(server.base_url, flush=True)
        try:
            threading.Event().wait()
        except KeyboardInterrupt:
            return


if __name__ == "__main__":
    main()
