"""Judging a tool call of any kind."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator

from app.domain.mcp import server_of
from app.domain.risk.kept import NOTHING_OWN, Own
from app.domain.risk.model import Finding, critical, high, low, medium, shown
from app.domain.risk.places import Folders
from app.domain.risk.scene import Scene
from app.domain.risk.shell_call import bomb_in, judge_parsed
from app.domain.shell import Parsed, SimpleCommand, Word, parse
from app.domain.toolcall import ToolCall, ToolKind

_PATH_KEYS = re.compile(
    r"(?:file_?|abs(?:olute)?_?|target_?|dir(?:ectory)?_?)?path|paths|file|files|uri"
)
_LOCAL_URL = re.compile(r"https?://(?:localhost|127\.0\.0\.1|\[::1\])(?::\d+)?(?:[/?].*)?$")


def findings_of(call: ToolCall, workspace: str, own: Own = NOTHING_OWN) -> list[Finding]:
    """Everything that speaks about a call's risk."""
    scene = _scene(call, workspace, own)
    if own.socket and own.socket in (call.command or call.arguments):
        reaches = critical("reaches for the socket that answers are given over", floor=True)
        return [reaches, *_of_kind(call, scene)]
    return _of_kind(call, scene)


def _of_kind(call: ToolCall, scene: Scene) -> list[Finding]:
    if call.kind is ToolKind.SHELL:
        return _shell(call, scene)
    if call.kind is ToolKind.EDIT:
        return _edit(call, scene)
    if call.kind is ToolKind.READ:
        return _read(call, scene)
    if call.kind is ToolKind.FETCH:
        return _fetch(call, scene)
    if call.kind is ToolKind.PROCESS:
        if any(key == "text" for key, _ in _strings(call.arguments)):
            return [high("writes to the input of a running process")]
        return [low("looks after a process of its own")]
    if call.kind is ToolKind.QUESTION:
        return [medium("what you answer goes to the agent and to its model")]
    if call.kind is ToolKind.OTHER and call.tool == "permissions":
        return [high("widens what the agent may do in its sandbox")]
    if call.kind is ToolKind.MCP:
        where = shown(server_of(call.tool))
        return [high(f"what this tool of the MCP server {where} does is not known here")]
    return [high(f"the tool {shown(call.tool)} is not known here")]


def touched(call: ToolCall, workspace: str) -> tuple[tuple[str, ...], bool]:
    """As `app.domain.risk.touched`."""
    scene = _scene(call, workspace)
    words = _paths(call)
    found = list[str]()
    for word in words:
        place = scene.place(word)
        absolute = scene.folders.enter(scene.cwd, word) or word.text
        found.append((place.relative or ".") if place.inside else absolute)
    return tuple(found), bool(words)


def _scene(call: ToolCall, workspace: str, own: Own = NOTHING_OWN) -> Scene:
    folders = Folders.of(workspace, own)
    return Scene(SimpleCommand(), Parsed(), folders, folders.start(call.cwd))


def _shell(call: ToolCall, scene: Scene) -> list[Finding]:
    if call.command is None or not call.command.strip():
        return [high("does not say which command it would run")]
    findings = judge_parsed(parse(call.command), scene.folders, scene.cwd)
    if bomb_in(call.command):
        findings.append(critical("starts itself without end", floor=True))
    return findings or [low("does nothing")]


def _edit(call: ToolCall, scene: Scene) -> list[Finding]:
    words = _paths(call)
    if not words:
        return [high("does not say which files it would change")]
    verbs = {change.path: f"{change.change}s" for change in call.changes}
    return [scene.write(word, verbs.get(word.text, "updates")) for word in words]


def _read(call: ToolCall, scene: Scene) -> list[Finding]:
    words = _paths(call)
    if not words:
        return [medium("does not say which files it would read")]
    return [low("reads in the workspace"), *scene.reads(words)]


def _fetch(call: ToolCall, scene: Scene) -> list[Finding]:
    texts = [text for _, text in _strings(call.arguments)]
    urls = [text for text in texts if "://" in text]
    findings = list[Finding]()
    for url in urls:
        if url.startswith("file:"):
            findings += scene.reads([Word(text=re.sub(r"^file:/*", "/", url))])
        elif _LOCAL_URL.match(url):
            findings.append(medium("talks to a program on this machine"))
        else:
            findings.append(high(f"talks to another machine: {shown(url)}"))
    return findings or [high("talks to another machine")]


def _paths(call: ToolCall) -> list[Word]:
    texts = [change.path for change in call.changes]
    if not texts:
        texts = [text for key, text in _strings(call.arguments) if _PATH_KEYS.fullmatch(key)]
    texts = [re.sub(r"^file:/*", "/", text) if text.startswith("file:") else text for text in texts]
    return [Word(text=text, home=text == "~" or text.startswith("~/")) for text in texts]


def _strings(arguments: str) -> Iterator[tuple[str, str]]:
    """All texts in a call's JSON arguments, each with the key it stands under."""
    try:
        todo = [("", json.loads(arguments))]
    except (ValueError, RecursionError):
        return
    while todo:
        key, value = todo.pop()
        if isinstance(value, str):
            yield key.lower(), value
        elif isinstance(value, dict):
            todo.extend((str(name), inner) for name, inner in value.items())
        elif isinstance(value, list):
            todo.extend((key, inner) for inner in value)
