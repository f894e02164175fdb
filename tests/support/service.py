"""A real HTTP service whose manners a test chooses: the stable path, or a candidate."""

from __future__ import annotations

import json
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

Seen = list[tuple[dict[str, str], str]]


class Service:
    """Answers at `url`; `manner` says how: ok, slow, error, garbage, busy, cut, stream."""

    def __init__(self) -> None:
        self.manner = "ok"
        self.busy_for = 0  # how many requests more are answered 429
        self.prefix = "stable: "
        self.seen: Seen = []
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._server.daemon_threads = True
        self._thread = threading.Thread(
            target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True
        )
        self._thread.start()
        self.url = f"http://127.0.0.1:{self._server.server_port}/answer"

    def stop(self) -> None:
        """Whoever asks afterwards is refused."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        service = self

        class Handler(BaseHTTPRequestHandler):
            def log_message(self, format: str, *args: Any) -> None:
                return

            def do_POST(self) -> None:
                size = int(self.headers.get("Content-Length", 0))
                body = self.rfile.read(size).decode()
                service.seen.append(({k.lower(): v for k, v in self.headers.items()}, body))
                service.answer(self, body)

        return Handler

    def answer(self, request: BaseHTTPRequestHandler, body: str) -> None:
        if self.busy_for > 0:
            self.busy_for -= 1
            return _say(request, 429, b"try later")
        if self.manner == "slow":
            time.sleep(30)
        if self.manner == "error":
            return _say(request, 500, b"oh \x1b[2J no")
        if self.manner == "garbage":
            return _say(request, 200, b"\xff\xfe\x00<html>")
        if self.manner == "cut":
            request.send_response(200)
            request.send_header("Content-Length", "1000")
            request.end_headers()
            request.wfile.write(b"half of")
            return None
        asked = json.loads(body)["input"] if body.startswith("{") else body
        text = f"{self.prefix}{asked}"
        if self.manner == "stream":
            pieces = "".join(f"data: {json.dumps({'text': word})}\n\n" for word in text.split(" "))
            return _say(request, 200, f"{pieces}data: [DONE]\n\n".encode(), "text/event-stream")
        return _say(request, 200, json.dumps({"result": [{"text": text}]}).encode())


def _say(
    request: BaseHTTPRequestHandler, status: int, body: bytes, kind: str = "application/json"
) -> None:
    request.send_response(status)
    request.send_header("Content-Type", kind)
    request.send_header("Content-Length", str(len(body)))
    request.end_headers()
    request.wfile.write(body)
