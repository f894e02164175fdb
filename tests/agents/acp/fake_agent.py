"""An ACP agent that misbehaves: `python fake_agent.py MODE`.

Speaks just enough of the protocol for a session. Standard library only, no SDK, so that it
starts at once and cannot share a mistake with what it tests.
"""

from __future__ import annotations

import json
import os
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

SESSION = "session-1"
CHOICES = (("Go", "allow_once"), ("Go on for ever", "allow_always"), ("No", "reject_once"))
Json = dict[str, Any]
prompt: Json = {}  # the request that is being answered
cancelled = False
servers: list[Json] = []  # that the session was given


def send(message: Json) -> None:
    sys.stdout.write(json.dumps({"jsonrpc": "2.0", **message}) + "\n")
    sys.stdout.flush()


def update(what: str, /, session: str = SESSION, **fields: object) -> None:
    body = {"sessionUpdate": what, **fields}
    send({"method": "session/update", "params": {"sessionId": session, "update": body}})


def say(text: str) -> None:
    update("agent_message_chunk", content={"type": "text", "text": text})


def put(request_id: int | str, method: str, **params: object) -> None:
    send({"id": request_id, "method": method, "params": {"sessionId": SESSION, **params}})


def ask(request_id: int | str, method: str, **params: object) -> Json:
    """Send a request and return the reply to it."""
    put(request_id, method, **params)
    return answer_to(request_id)


def answer_to(request_id: int | str) -> Json:
    for message in incoming():
        if message.get("id") == request_id and "method" not in message:
            return message
        reply(message)
    sys.exit(0)


def outcome(message: Json) -> str:
    """What a reply says, in short."""
    if "error" in message:
        return f"error: {message['error']['message']}"
    told = message["result"].get("outcome")
    if told is None:
        return json.dumps(message["result"])
    return str(told.get("optionId") or told["outcome"])


def permission(request_id: int | str, call: Json, choices: Any = CHOICES) -> Json:
    options = [
        {"optionId": f"option-{number}", "name": name, "kind": kind}
        for number, (name, kind) in enumerate(choices)
    ]
    return ask(request_id, "session/request_permission", toolCall=call, options=options)


def incoming() -> Iterator[Json]:
    for line in sys.stdin:
        yield json.loads(line)


def done(reason: str = "end_turn", **more: object) -> None:
    send({"id": prompt["id"], "result": {"stopReason": reason, **more}})


def reply(message: Json) -> None:
    """Answer a request of the client the way an agent does."""
    global cancelled
    match message.get("method"):
        case "initialize":
            can: Json = {"loadSession": True}
            if sys.argv[1] == "tells_servers":
                can["mcpCapabilities"] = {"http": True}
            result = {"protocolVersion": 1, "agentCapabilities": can, "authMethods": []}
            send({"id": message["id"], "result": result})
        case "session/new":
            servers[:] = message["params"]["mcpServers"]
            send({"id": message["id"], "result": {"sessionId": SESSION}})
        case "session/load":
            say("an old message, replayed")
            send({"id": message["id"], "result": {}})
        case "session/cancel":
            cancelled = True
            if sys.argv[1] != "ignores_cancel":
                done("cancelled")


def shell(call_id: str, command: str, **more: object) -> Json:
    given = {"command": command}
    return {"toolCallId": call_id, "kind": "execute", "title": command, "rawInput": given, **more}


# ---- turns


def garbage() -> None:
    for line in ("hello", "[1, 2]", '"x"', "{", '{"id": [1]}', "\x1b[2J\x00", "[" * 100_000):
        print(line, flush=True)
    send({"method": "_vendor/news", "params": {}})
    update("hologram", what="?")
    update("agent_message_chunk")  # lacks its content
    update("agent_message_chunk", content={"type": "text", "text": "not yours"}, session="other")
    send({"id": 999, "result": {}})  # answers nothing that was asked
    say("still here")
    done()


def tells_servers() -> None:
    say(json.dumps(servers))
    done()


def calls_mcp() -> None:
    call: Json = {"toolCallId": "c1", "kind": "other", "title": "find", "rawInput": {"q": 1}}
    call["_meta"] = {"claudeCode": {"toolName": "mcp__notes__find"}}
    say(outcome(permission(1, call)))
    done()


def calls_unasked() -> None:
    call: Json = {"toolCallId": "c1", "kind": "other", "title": "notes_write", "rawInput": {}}
    update("tool_call", status="in_progress", **call)
    update("tool_call_update", toolCallId="c1", status="completed")
    done()


def dies() -> None:
    sys.stderr.write("\x1b[31mpanic\x1b[0m\x1b]52;c;aGk=\x07 at core\n")
    sys.stderr.flush()
    os._exit(7)


def closes() -> None:
    os.close(1)
    time.sleep(60)


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
    say(outcome(ask(5, "session/dance")))
    done()


def bad_question() -> None:
    say(outcome(ask(5, "session/request_permission", toolCall={})))
    done()


def other_session() -> None:
    replies = [
        permission(5, {"toolCallId": "c1"} | {}),
        ask(6, "fs/read_text_file", sessionId="other", path="/etc/passwd"),
        ask(7, "fs/write_text_file", sessionId="other", path="a", content="x"),
        ask(8, "terminal/create", sessionId="other", command="id"),
    ]
    put(
        9, "session/request_permission", sessionId="other", toolCall={"toolCallId": "c"}, options=[]
    )
    replies.append(answer_to(9))
    say(" | ".join(outcome(one) for one in replies))
    done()


def bare_question() -> None:
    """Vibe's way: the question holds nothing but the id."""
    update("tool_call", **shell("c1", "rm -rf build", status="in_progress"))
    answer = permission(5, {"toolCallId": "c1"})
    text = {"type": "content", "content": {"type": "text", "text": "gone"}}
    raw = {"metadata": {"exit": 3}}
    end: Json = {"status": "completed", "content": [text], "rawOutput": raw}
    update("tool_call_update", toolCallId="c1", **end)
    say(outcome(answer))
    done()


def asks_twice() -> None:
    """Two questions about one call, both open."""
    for request_id in (5, 6):
        options = [{"optionId": "y", "name": "Yes", "kind": "allow_once"}]
        call = shell("c1", "make")
        put(request_id, "session/request_permission", toolCall=call, options=options)
    replies = [next(incoming()), next(incoming())]
    say(" ".join(f"{one['id']}:{outcome(one)}" for one in replies))
    done()


def only_always() -> None:
    say(outcome(permission(5, shell("c1", "make"), (("For ever", "allow_always"),))))
    done()


def silent_after_denial() -> None:
    if "prompt" in prompt["params"] and "denied" in str(prompt["params"]["prompt"]):
        say(f"read: {prompt['params']['prompt'][0]['text']}")
    else:
        permission(5, shell("c1", "make"))
    done()


def ends_while_asking() -> None:
    put(5, "session/request_permission", toolCall=shell("c1", "make"), options=[])
    done("max_tokens")


def error(code: int, message: str, **data: object) -> None:
    send({"id": prompt["id"], "error": {"code": code, "message": message, "data": data}})


def wants_login() -> None:
    error(-32000, "Authentication required")


def rate_limited() -> None:
    error(-32603, "Internal error", details="429 slow down")


def bad_end() -> None:
    done("whatever")


def writes() -> None:
    """Writes as it was allowed to, then otherwise, then outside."""
    where = str(Path.cwd())
    diff = {"type": "diff", "path": f"{where}/a.txt", "oldText": None, "newText": "hello\n"}
    permission(5, {"toolCallId": "e1", "kind": "edit", "title": "write", "content": [diff]})
    told = [outcome(ask(6, "fs/write_text_file", path=f"{where}/a.txt", content="hello\n"))]
    told.append(outcome(ask(7, "fs/write_text_file", path=f"{where}/a.txt", content="other\n")))
    for number, path in enumerate(("../b.txt", "/etc/hosts", f"{where}/link/c.txt", where)):
        asked = ask(10 + number, "fs/write_text_file", path=path, content="x")
        told.append(outcome(asked)[:5])
    read = ask(20, "fs/read_text_file", path=f"{where}/a.txt", line=1, limit=1)
    told.append(outcome(read))
    told.append(outcome(ask(21, "fs/read_text_file", path="/etc/passwd"))[:5])
    say(" ".join(told))
    done()


def runs() -> None:
    """A command through our terminal that was asked about, and one that was not."""
    permission(5, shell("c1", "echo one"))
    told = []
    for number, command in enumerate(("echo one", "echo two; exit 3")):
        made = ask(10 + number, "terminal/create", command=command, outputByteLimit=100)
        if "error" in made:
            told.append(outcome(made))
            continue
        name = made["result"]["terminalId"]
        ended = ask(20 + number, "terminal/wait_for_exit", terminalId=name)["result"]
        output = ask(30 + number, "terminal/output", terminalId=name)["result"]
        told.append(f"{output['output'].strip()}={ended['exitCode']}")
        ask(40 + number, "terminal/release", terminalId=name)
    told.append(outcome(ask(50, "terminal/output", terminalId="terminal-1")))
    say(" ".join(told))
    done()


def leaves_terminals() -> None:
    """Starts more commands than it may, and forgets them."""
    for number in range(7):
        made = ask(number, "terminal/create", command="sleep 600")
        if "error" in made:
            say(made["error"]["message"])
    done()


def acts_unasked() -> None:
    update("tool_call", **shell("c1", "make it", status="in_progress"))
    update("tool_call_update", toolCallId="c1", status="completed")
    say("did it")
    done()


def never_ends() -> None:
    say("working")


def ignores_cancel() -> None:
    never_ends()


def floods() -> None:
    """Talks until it reads that it shall stop."""
    stop = threading.Event()

    def talk() -> None:
        while not stop.is_set():
            say("word " * 20_000)

    talking = threading.Thread(target=talk)
    talking.start()
    request = next(incoming())
    stop.set()
    talking.join()
    reply(request)


def floods_questions() -> None:
    """Ten thousand requests that wait for an answer."""
    for number in range(10_000):
        put(number, "terminal/wait_for_exit", terminalId="none")
    say("asked")
    done()


def echo() -> None:
    say(" / ".join(part["text"] for part in prompt["params"]["prompt"]))
    used = {"inputTokens": 10, "outputTokens": 5, "totalTokens": 15}
    update("usage_update", used=1000, size=8000, cost={"amount": 0.25, "currency": "USD"})
    done(usage=used)


TURNS: dict[str, Callable[[], None]] = {
    name: action
    for name, action in list(globals().items())
    if callable(action) and getattr(action, "__module__", "") == "__main__"
}


def opening(mode: str, message: Json) -> bool:
    """Modes that misbehave before the first turn."""
    method = message.get("method")
    wrong: Json | None = None
    if method == "initialize" and mode == "version_9":
        wrong = {"result": {"protocolVersion": 9}}
    elif method == "session/new" and mode == "other_words":
        wrong = {"result": {"conversation": "?"}}
    elif method == "session/new" and mode == "locked":
        wrong = {"error": {"code": -32000, "message": "Authentication required"}}
    elif method == "initialize" and mode == "locked":
        way = {"id": "browser", "name": "Log in", "description": "Run `agent login`"}
        wrong = {"result": {"protocolVersion": 1, "authMethods": [way]}}
    elif method == "session/load" and mode == "forgets":
        wrong = {"error": {"code": -32602, "message": "no such session"}}
    elif method == "session/new" and mode == "modes":
        modes = [{"id": "ask", "name": "Ask"}, {"id": "yolo", "name": "Everything"}]
        state = {"currentModeId": "yolo", "availableModes": modes}
        wrong = {"result": {"sessionId": SESSION, "modes": state}}
    elif method == "session/set_mode":
        wrong = {"result": {}}
    if wrong is not None:
        send({"id": message["id"], **wrong})
    return wrong is not None


def main(mode: str) -> None:
    if mode == "silent":
        time.sleep(60)
    if mode == "babbles":
        while True:
            print("Usage: agent [OPTIONS]", flush=True)
            time.sleep(0.05)
    if mode == "fails":
        sys.exit("Error: config is broken \x1b[2J")
    global prompt, cancelled
    for message in incoming():
        if opening(mode, message):
            continue
        if message.get("method") == "session/prompt":
            prompt, cancelled = message, False
            TURNS.get(mode, echo)()
        else:
            reply(message)


if __name__ == "__main__":
    main(sys.argv[1])
