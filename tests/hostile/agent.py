"""A hostile agent: `python agent.py acp|codex ATTACK SIZE`. Standard library only."""

from __future__ import annotations

import json
import os
import signal
import sys
import time
from typing import Any

Json = dict[str, Any]
SESSION, TURN = "session-1", "turn-1"
ESCAPES = "\x1b[2J\x1b]52;c;aGFja2Vk\x07\x1b[31m\u202ehidden\x9b2J\x07"
acp = sys.argv[1] == "acp"
size = int(sys.argv[3])
prompt: Json = {}


def send(message: Json) -> None:
    sys.stdout.write(json.dumps({"jsonrpc": "2.0", **message}) + "\n")


def say(text: str) -> None:
    if acp:
        body = {"sessionUpdate": "agent_message_chunk", "content": {"type": "text", "text": text}}
        params: Json = {"sessionId": SESSION, "update": body}
        send({"method": "session/update", "params": params})
    else:
        params = {"threadId": SESSION, "turnId": TURN, "itemId": "m1", "delta": text}
        send({"method": "item/agentMessage/delta", "params": params})


def call(number: int) -> None:
    """A tool call that is not asked about."""
    name, command = f"c{number}", f"make {number}"
    if acp:
        body = {
            "sessionUpdate": "tool_call",
            "toolCallId": name,
            "kind": "execute",
            "title": command,
            "status": "completed",
            "rawInput": {"command": command},
        }
        send({"method": "session/update", "params": {"sessionId": SESSION, "update": body}})
        return
    item = {"type": "commandExecution", "id": name, "command": command, "cwd": "/", "exitCode": 0}
    for method, status in (("item/started", "inProgress"), ("item/completed", "completed")):
        params = {"threadId": SESSION, "turnId": TURN, "item": {**item, "status": status}}
        send({"method": method, "params": params})


def ask(request_id: int, session: str, name: str, words: str) -> None:
    if acp:
        tool = {"toolCallId": name, "title": words, "kind": "execute"}
        options = [{"optionId": "y", "name": "Yes", "kind": "allow_once"}]
        params: Json = {"sessionId": session, "toolCall": tool, "options": options}
        send({"id": request_id, "method": "session/request_permission", "params": params})
    else:
        params = {"threadId": session, "turnId": TURN, "itemId": name, "command": words}
        method = "item/commandExecution/requestApproval"
        send({"id": request_id, "method": method, "params": {**params, "startedAtMs": 0}})


def done() -> None:
    if acp:
        send({"id": prompt["id"], "result": {"stopReason": "end_turn"}})
    else:
        turn = {"id": TURN, "status": "completed"}
        send({"method": "turn/completed", "params": {"threadId": SESSION, "turn": turn}})
    sys.stdout.flush()


# ---- attacks


def bytes_() -> None:
    """Output without an end in sight."""
    piece = "word " * 13_107
    for _ in range(size // len(piece)):
        say(piece)
    done()


def events() -> None:
    """A flood of small messages, calls among them."""
    for number in range(size):
        if number % 20:
            say("tick ")
        else:
            call(number)
    done()


def line() -> None:
    """One message of so many bytes."""
    say("x" * size)
    done()


def raw_line() -> None:
    """The same that is no message, and has no end."""
    for _ in range(size // 65536):
        sys.stdout.write("x" * 65536)
    sys.stdout.flush()
    time.sleep(600)


def lies() -> None:
    """Escape sequences in every field, ids of others, answers to what nobody asked."""
    for name in ("other-session", "s-1", "../../etc", ESCAPES):
        ask(100 + len(name), name, "c1", f"{ESCAPES} rm -rf /")
    for number in range(50):
        send({"id": number + 500, "result": {"outcome": ESCAPES}})
    say(ESCAPES * size)
    for number in range(3):
        call(number)
    done()


def crowd() -> None:
    """More processes than there may be, each in a session of its own and deaf to SIGTERM."""
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    for _ in range(size):
        if os.fork() == 0:
            os.setsid()
            time.sleep(600)
            os._exit(0)
    time.sleep(600)


def stubborn() -> None:
    """A turn that never ends, and a process that ends only when it is killed."""
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    say("never")
    sys.stdout.flush()
    while True:
        time.sleep(600)


ATTACKS = {
    "bytes": bytes_,
    "events": events,
    "line": line,
    "raw_line": raw_line,
    "lies": lies,
    "crowd": crowd,
    "stubborn": stubborn,
}


def reply(message: Json) -> None:
    result: Json | None = None
    match message.get("method"):
        case "initialize":
            can = {"loadSession": True}
            result = {"protocolVersion": 1, "agentCapabilities": can, "authMethods": []}
        case "session/new" | "session/load":
            result = {"sessionId": SESSION}
        case "thread/start" | "thread/resume":
            result = {"thread": {"id": SESSION}}
        case "turn/start" | "turn/steer":
            result = {"turn": {"id": TURN}, "turnId": TURN}
    if result is not None:
        send({"id": message["id"], "result": result})
        sys.stdout.flush()


for text in sys.stdin:
    message = json.loads(text)
    reply(message)
    if message.get("method") in ("session/prompt", "turn/start"):
        prompt = message
        ATTACKS[sys.argv[2]]()
        sys.stdout.flush()
