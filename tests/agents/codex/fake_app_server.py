"""A codex app-server that misbehaves: `python fake_app_server.py MODE`.

Speaks just enough of the protocol for a session. Standard library only, no imports of ours, so
that it starts at once and cannot share a mistake with what it tests.
"""

from __future__ import annotations

import json
import os
import sys
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

THREAD = "thread-1"
Json = dict[str, Any]
turns = 0


def turn_id() -> str:
    return f"turn-{turns}"


def send(message: Json) -> None:
    sys.stdout.write(json.dumps(message) + "\n")
    sys.stdout.flush()


def note(method: str, **params: object) -> None:
    send({"method": method, "params": {"threadId": THREAD, "turnId": turn_id(), **params}})


def ask(request_id: int, method: str, **params: object) -> Json:
    """Send a request and return the next line that answers it."""
    put(request_id, method, **params)
    return answer_to(request_id)


def put(request_id: int, method: str, **params: object) -> None:
    given = {"threadId": THREAD, "turnId": turn_id(), "startedAtMs": 0, **params}
    send({"id": request_id, "method": method, "params": given})


def answer_to(request_id: int) -> Json:
    for message in incoming():
        if message.get("id") == request_id and "method" not in message:
            return message
        reply(message)
    sys.exit(0)


def incoming() -> Iterator[Json]:
    for line in sys.stdin:
        yield json.loads(line)


def reply(message: Json) -> None:
    """Answer a request of the client the way codex does."""
    match message.get("method"):
        case "turn/steer" | "turn/start":
            send({"id": message["id"], "result": {"turn": {"id": turn_id()}, "turnId": turn_id()}})
        case "turn/interrupt" if sys.argv[1] == "ignores_interrupts":
            pass
        case "turn/interrupt":
            send({"id": message["id"], "result": {}})
            done("interrupted")
        case "thread/start" | "thread/resume":
            send({"id": message["id"], "result": {"thread": {"id": THREAD}}})
        case "initialize":
            send({"id": message["id"], "result": {"userAgent": "fake"}})


def say(text: str) -> None:
    item = {"type": "agentMessage", "id": "msg-1", "text": text}
    note("item/completed", item=item)


def done(status: str = "completed", **turn: object) -> None:
    note("turn/completed", turn={"id": turn_id(), "status": status, **turn})


def command(item_id: str, status: str, **more: object) -> Json:
    return {
        "type": "commandExecution",
        "id": item_id,
        "command": "/bin/bash -lc 'make it'",
        "cwd": "/ws",
        "status": status,
        **more,
    }


APPROVAL = "item/commandExecution/requestApproval"


def garbage() -> None:
    for line in ("hello", "[1, 2]", '"x"', "{", '{"id": true}', "\x1b[2J\x00", "[" * 100_000):
        print(line, flush=True)
    note("item/somethingNew", whatever=1)
    note("item/completed", item={"type": "hologram", "id": "h"})
    note("item/agentMessage/delta", itemId="msg-1")  # lacks its text
    send({"id": 999, "result": {}})  # answers nothing that was asked
    say("still here")
    done()


def dies() -> None:
    sys.stderr.write("\x1b[31mthread 'main' panicked\x1b[0m\x1b]52;c;aGk=\x07 at core.rs\n")
    sys.stderr.flush()
    os._exit(7)


def closes() -> None:
    os.close(1)
    time.sleep(60)


def big_line() -> None:
    note("item/agentMessage/delta", itemId="msg-1", delta="x" * 1_048_576)
    say("y" * 1_048_576)
    done()


def too_big_line() -> None:
    while True:
        sys.stdout.write("x" * 1_048_576)


def chatters_on_stderr() -> None:
    for _ in range(64):
        sys.stderr.write("noise " * 10_000)
    sys.stderr.flush()
    say("was heard")
    done()


def unknown_request() -> None:
    answer = ask(5, "item/tool/call", tool="x")
    say(f"error {answer['error']['code']}")
    done()


def wants_rights() -> None:
    rights = {"network": {"enabled": True}, "fileSystem": {"write": ["/a", "/b"]}}
    asked = {"itemId": "p1", "cwd": "/ws", "permissions": rights, "reason": "to install it"}
    answer = ask(5, "item/permissions/requestApproval", **asked)
    say(json.dumps(answer["result"]))
    done()


def wants_answers() -> None:
    options = [{"label": "blue", "description": "like the sky"}]
    one = {"id": "q1", "header": "Colour", "question": "Which colour?", "options": options}
    two = {"id": "q2", "header": "Why", "question": "Why?", "options": None}
    asked = {"itemId": "u1", "isBlocking": True, "questions": [one, two]}
    answer = ask(5, "item/tool/requestUserInput", **asked)
    say(json.dumps(answer["result"]))
    done()


def wants_a_secret() -> None:
    one = {"id": "q1", "header": "Key", "question": "Your key?", "isSecret": True}
    asked = {"itemId": "u1", "isBlocking": True, "questions": [one]}
    say(ask(5, "item/tool/requestUserInput", **asked)["error"]["message"])
    done()


def server_asks() -> None:
    fields = {"name": {"type": "string"}, "loud": {"type": "boolean", "default": False}}
    schema = {"type": "object", "properties": fields, "required": ["name"]}
    asked = {"serverName": "notes", "mode": "form", "message": "Who are you?"}
    answer = ask(5, "mcpServer/elicitation/request", requestedSchema=schema, **asked)
    say(json.dumps(answer["result"]))
    done()


def calls_mcp() -> None:
    """As codex 0.169 does it with an MCP server of its own configuration."""
    item: Json = {"type": "mcpToolCall", "id": "m1", "server": "notes", "tool": "write"}
    item |= {"status": "inProgress", "arguments": {"path": "a"}}
    note("item/started", item=item)
    meta: Json = {
        "codex_approval_kind": "mcp_tool_call",
        "tool_name": "write",
        "persist": ["always"],
    }
    asked: Json = {"serverName": "notes", "mode": "form", "message": "Allow it?"}
    asked |= {"_meta": {**meta, "tool_params": {"path": "a"}}}
    schema: Json = {"type": "object", "properties": {}}
    answer = ask(5, "mcpServer/elicitation/request", requestedSchema=schema, **asked)
    status = "completed" if answer["result"]["action"] == "accept" else "failed"
    note("item/completed", item={**item, "status": status})
    say(json.dumps(answer["result"]))
    done()


def bad_approval() -> None:
    answer = ask(5, APPROVAL, command="rm x")  # no itemId
    say(f"error {answer['error']['code']}")
    done()


def bad_end() -> None:
    send({"method": "turn/completed", "params": {"threadId": THREAD, "turn": {"id": turn_id()}}})


def withdraws() -> None:
    note("item/started", item=command("c1", "inProgress"))
    put(5, APPROVAL, itemId="c1", command="/bin/bash -lc 'make it'")
    note("serverRequest/resolved", requestId=5)
    done()


def ends_while_asking() -> None:
    put(5, APPROVAL, itemId="c1", command="make it")
    done("failed", error={"message": "over", "codexErrorInfo": "contextWindowExceeded"})


def asks_twice() -> None:
    note("item/started", item=command("c1", "inProgress"))
    first = ask(5, APPROVAL, itemId="c1", command="make it")
    second = ask(6, APPROVAL, itemId="c1", command="make it", reason="without sandbox?")
    note("item/completed", item=command("c1", "completed", exitCode=0, aggregatedOutput="ok"))
    say(f"{first['result']['decision']} {second['result']['decision']}")
    done()


def offers() -> None:
    """Lists its choices, one of them with parameters."""
    choices = ["acceptForSession", {"acceptWithExecpolicyAmendment": {}}, "cancel"]
    answer = ask(5, APPROVAL, itemId="c1", command="make it", availableDecisions=choices)
    say(answer["result"]["decision"])
    done()


def sub_agent() -> None:
    """Another thread asks; what it says and uses is not the session's."""
    other = {"threadId": "thread-2", "turnId": "turn-2"}
    changes = [{"path": "/ws/b", "kind": {"type": "add"}, "diff": "b\n"}]
    item = {"type": "fileChange", "id": "f1", "changes": changes, "status": "inProgress"}
    note("item/started", **{**other, "item": item})
    answer = ask(5, "item/fileChange/requestApproval", itemId="f1", **other)
    note("item/completed", **{**other, "item": {**item, "status": "completed"}})
    words = {"type": "agentMessage", "id": "m2", "text": "not for you"}
    note("item/completed", **{**other, "item": words})
    note("turn/completed", **{**other, "turn": {"id": "turn-2", "status": "completed"}})
    say(answer["result"]["decision"])
    done()


def quiet_command() -> None:
    """A command that is not asked about and prints nothing until it ends, once it was shown."""
    note("item/started", item=command("c1", "inProgress"))
    while not os.path.exists("shown"):  # noqa: PTH110 -- it starts faster without pathlib
        time.sleep(0.01)
    note("item/completed", item=command("c1", "failed", exitCode=3))
    done()


def no_steering() -> None:
    put(5, APPROVAL, itemId="c1", command="make it")
    steer, decision = next(incoming()), next(incoming())
    send({"id": steer["id"], "error": {"code": -32600, "message": "not now"}})
    say(decision["result"]["decision"])
    done()


def never_ends() -> None:
    note("turn/started", turn={"id": turn_id(), "status": "inProgress"})


def floods() -> None:
    """Talks until it reads that it shall stop."""
    stop = threading.Event()

    def talk() -> None:
        while not stop.is_set():
            note("item/agentMessage/delta", itemId="msg-1", delta="word " * 20_000)

    talking = threading.Thread(target=talk)
    talking.start()
    request = next(incoming())
    stop.set()
    talking.join()
    reply(request)


def ignores_interrupts() -> None:
    never_ends()


TURNS: dict[str, Callable[[], None]] = {
    name: action
    for name, action in list(globals().items())
    if callable(action) and getattr(action, "__module__", "") == "__main__"
}


def main(mode: str) -> None:
    if mode == "silent":
        time.sleep(60)
    if mode == "babbles":
        while True:
            print("Usage: codex [OPTIONS]", flush=True)
            time.sleep(0.05)
    if mode == "fails":
        sys.exit("Error: config.toml is broken \x1b[2J")
    global turns
    for message in incoming():
        if message.get("method") == "thread/start" and mode == "other_words":
            send({"id": message["id"], "result": {"conversation": "?"}})
        elif message.get("method") == "turn/start" and mode == "ignores_prompts":
            continue
        elif message.get("method") == "turn/start" and mode == "refuses":
            send({"id": message["id"], "error": {"code": -32600, "message": "no such thread"}})
        elif message.get("method") == "turn/start" and turns and mode == "no_steering":
            turns += 1
            reply(message)
            say(message["params"]["input"][0]["text"])
            done()
        elif message.get("method") == "turn/start":
            turns += 1
            reply(message)
            TURNS[mode]()
        else:
            reply(message)


if __name__ == "__main__":
    main(sys.argv[1])
