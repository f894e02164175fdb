"""Tool calls of a script: how each is described, and how it is carried out in the workspace."""

from __future__ import annotations

import asyncio
import codecs
import hashlib
import json
from collections.abc import Awaitable, Callable
from pathlib import Path

from app.agents.capped import SUMMARY_CAP
from app.agents.diffs import DiffError
from app.agents.finishing import to_the_end
from app.agents.protocol import SessionSpec
from app.agents.scripted.files import OutsideWorkspace, planned_change, read_file, write_edit
from app.agents.scripted.script import Call, Edit, Read, Shell
from app.domain.errors import DriverError
from app.domain.toolcall import FileChange, ToolCall, ToolKind, ToolOutcome

Output = Callable[[str], Awaitable[None]]

_CHUNK_BYTES = 8192


async def describe(call: Call, call_id: str, workspace: str) -> ToolCall:
    """The call in Longwatch's words. Apart from an edit's diff it depends on the script only."""
    change: FileChange | None = None
    if isinstance(call, Edit):
        change = await asyncio.to_thread(planned_change, Path(workspace), call)
    return ToolCall(
        call_id=call_id,
        tool=call.kind,
        kind=ToolKind(call.kind),
        title=call.title or _title(call),
        command=call.command if isinstance(call, Shell) else None,
        cwd=workspace,
        changes=(change,) if change else (),
        arguments=_arguments(call),
        reason=call.reason,
    )


def _title(call: Call) -> str:
    if isinstance(call, Shell):
        return call.command.strip().split("\n")[0]
    return f"{call.kind} {call.path}"


def _arguments(call: Call) -> str:
    if isinstance(call, Shell):
        return json.dumps({"command": call.command})
    if isinstance(call, Read):
        return json.dumps({"path": call.path})
    content = call.content if call.content is not None else call.diff or ""
    digest = hashlib.sha256(content.encode()).hexdigest()
    return json.dumps({"path": call.path, "sha256": digest})


async def perform(call: Call, spec: SessionSpec, output: Output) -> ToolOutcome:
    """Carry the call out, its output as it comes. When cancelled, no child survives."""
    if isinstance(call, Shell):
        try:
            return await _shell(call.command, spec, output)
        except DriverError as error:
            return ToolOutcome(ok=False, summary=str(error))
    try:
        if isinstance(call, Read):
            return await _read(call, Path(spec.workspace), output)
        summary = await to_the_end(asyncio.to_thread(write_edit, Path(spec.workspace), call))
        return ToolOutcome(ok=True, summary=summary)
    except (OutsideWorkspace, DiffError) as error:
        return ToolOutcome(ok=False, summary=str(error))
    except UnicodeDecodeError:
        return ToolOutcome(ok=False, summary=f"{call.path} is not UTF-8 text")
    except OSError as error:
        return ToolOutcome(ok=False, summary=f"{call.path}: {error.strerror or error}")


async def _shell(command: str, spec: SessionSpec, output: Output) -> ToolOutcome:
    # One stream for both outputs keeps their order, as in a terminal.
    child = await spec.processes.spawn(
        ["/bin/sh", "-c", f"exec 2>&1\n{command}"],
        cwd=spec.workspace,
        env=spec.env,
        purpose=f"tool call of session {spec.session_id}",
    )
    try:
        child.stdin.close()
        decoder = codecs.getincrementaldecoder("utf-8")(errors="replace")
        end = ""
        while data := await child.stdout.read(_CHUNK_BYTES):
            text = decoder.decode(data)
            end = (end + text)[-SUMMARY_CAP:]
            await output(text)
        code = await child.wait()
    finally:
        # Also after a good end: what the command left running in the background goes with it.
        await child.kill()
    return ToolOutcome(ok=code == 0, exit_code=code, summary=end.strip())


async def _read(call: Read, workspace: Path, output: Output) -> ToolOutcome:
    text = await asyncio.to_thread(read_file, workspace, call.path)
    await output(text)
    return ToolOutcome(ok=True, summary=f"{len(text.splitlines())} lines")
