"""`longwatch doctor`: what this machine has of what Longwatch needs."""

from __future__ import annotations

import asyncio
import os
import platform
import shutil
import sqlite3
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Literal

import click

from app.agents import sandbox
from app.agents.known import KNOWN
from app.cli.doctor_confinement import confinements
from app.cli.doctor_mcp import try_servers
from app.cli.doctor_notify import notify_command
from app.cli.doctor_project import needed_variables
from app.cli.options import CHOOSE, asked_store, json_option, store_option
from app.cli.output import emit, say, table
from app.domain.base import Model
from app.domain.errors import DriverError, LongwatchError
from app.domain.text import one_line
from app.link.connect import attach, connect
from app.store.paths import StorePaths
from app.version import VERSION

_SQLITE_FIXED = (3, 51, 3)  # before it, two connections that write or checkpoint may corrupt
_ANSWER = 10.0  # seconds for a program to say its version


class Check(Model):
    """One thing looked at. `fix` says what to do when it is not ok."""

    name: str
    result: Literal["ok", "note", "missing", "bad"]
    found: str
    fix: str = ""


@click.command("doctor")
@json_option
@store_option
def doctor_command(as_json: bool) -> int:
    """Check what Longwatch needs of this machine; exit 1 when something is missing or bad."""
    store = asked_store()
    checks = [_python(), _sqlite(), _git(), *_agents(), _bwrap(), *_store(store)]
    checks += [*_project(), *_confinements(), _terminal()]
    if as_json:
        emit(checks)
    else:
        table(("check", "result", "found"), [(c.name, c.result, c.found) for c in checks])
        for check in checks:
            if check.fix:
                say(f"{check.name}: {check.fix}")
    return 1 if any(c.result in ("missing", "bad") for c in checks) else 0


def _python() -> Check:
    found = f"{platform.python_version()} at {sys.executable}, Longwatch {VERSION}"
    return Check(name="python", result="ok", found=found)


def _sqlite() -> Check:
    version = sqlite3.sqlite_version
    if sqlite3.sqlite_version_info >= _SQLITE_FIXED:
        return Check(name="sqlite", result="ok", found=version)
    fix = (
        "before 3.51.3 SQLite can corrupt a database that two processes write at once; only "
        "Longwatch's supervisor writes the store, so do not open it with other tools for writing"
    )
    return Check(name="sqlite", result="note", found=version, fix=fix)


def _program(name: str, path: str, missing: Check) -> Check:
    """Whether a program starts and says its version."""
    where = shutil.which(path)
    if where is None:
        return missing
    try:
        said = subprocess.run(
            [where, "--version"],
            capture_output=True,
            text=True,
            errors="replace",
            stdin=subprocess.DEVNULL,
            timeout=_ANSWER,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        return missing.model_copy(update={"found": f"{where} does not start: {error}"})
    first = (said.stdout.strip().splitlines() or ["no version"])[0]
    return Check(name=name, result="ok", found=f"{first} at {where}")


def _git() -> Check:
    fix = "install git: every run works in a git worktree"
    return _program("git", "git", Check(name="git", result="missing", found="not found", fix=fix))


def _agents() -> list[Check]:
    """The agents that are known by name; one is enough, so that none is demanded."""
    found = []
    for agent in KNOWN:
        absent = Check(name=agent.name, result="note", found="not found")
        where = agent.find()
        found.append(absent if where is None else _program(agent.name, str(where), absent))
    if not any(check.result == "ok" for check in found):
        ways = ", ".join(f"`{agent.install}`" for agent in KNOWN)
        fix = f'no agent was found; one is enough: {ways}. driver = "model" needs none'
        found[0] = found[0].model_copy(update={"fix": fix})
    return found


def _bwrap() -> Check:
    """The program, and whether this machine lets it make a sandbox."""
    if sys.platform != "linux":
        return Check(name="bwrap", result="ok", found="not used on this platform")
    fix = 'only for sandbox = "bubblewrap": install bubblewrap (Codex has a copy of its own)'
    absent = Check(name="bwrap", result="note", found="not found", fix=fix)
    try:
        program = _program("bwrap", sandbox.find(), absent)
    except DriverError:
        return absent
    if program.result != "ok":
        return program
    here = tempfile.gettempdir()
    tried = subprocess.run(
        sandbox.confined(["true"], workspace=here, cwd=here),
        capture_output=True,
        text=True,
        errors="replace",
        stdin=subprocess.DEVNULL,
        timeout=_ANSWER,
    )
    if tried.returncode:
        why = one_line(tried.stderr, 200)
        fix = f'sandbox = "bubblewrap" cannot be used on this machine: {why}'
        return program.model_copy(update={"result": "note", "fix": fix})
    codex_home = os.environ.get("CODEX_HOME", "")
    if codex_home.startswith(f"{here}/") and shutil.which("bwrap"):
        # Seen with codex 0.169 and Debian's bubblewrap 0.8: `execvp codex-linux-sandbox`.
        fix = (
            f"CODEX_HOME is under {here}: Codex's sandbox fails there when it finds this program "
            "on PATH; move CODEX_HOME"
        )
        return program.model_copy(update={"result": "bad", "fix": fix})
    return program


def _store(store: Path) -> list[Check]:
    paths = StorePaths(store)
    exists = paths.database.exists() or paths.head.exists()  # with a head there was one
    place = Check(
        name="store", result="ok", found=f"{store}" + ("" if exists else " (not made yet)")
    )
    near = next((p for p in (store, *store.parents) if p.exists()), store)
    if not near.is_dir() or not os.access(near, os.W_OK | os.X_OK):
        why = "cannot be written" if near.is_dir() else "is a file, and a store is a folder"
        place = place.model_copy(update={"result": "bad", "fix": f"{near} {why}; {CHOOSE}"})
        return [place]
    try:
        return [place, asyncio.run(_supervisor(store, exists))]
    except LongwatchError as error:
        return [place.model_copy(update={"result": "bad", "fix": str(error)})]


async def _supervisor(store: Path, exists: bool) -> Check:
    """Who hosts the store; with nobody, whether it can be opened. Raises StoreError."""
    client = await attach(store)
    if client is None:
        if exists:
            await (await connect(store, host=False, run=False)).close()
        return Check(name="supervisor", result="ok", found="none runs; commands take the store")
    try:
        status = await client.status()
    finally:
        await client.close()
    found = f"process {status.pid}, Longwatch {status.version}, socket {StorePaths(store).socket}"
    return Check(
        name="supervisor",
        result="note" if status.problem else "ok",
        found=found,
        fix=status.problem,
    )


def _project() -> list[Check]:
    """The project here, if this is one."""
    try:
        seen = needed_variables()
    except LongwatchError as error:
        return [Check(name="project", result="bad", found="cannot be used", fix=str(error))]
    if seen is None:
        return []
    found, fix = seen
    checks = [Check(name="variables", result="note" if fix else "ok", found=found, fix=fix)]
    checks += _notify()
    for one in try_servers():
        found = one_line(one.tools, 200)
        result: Literal["ok", "bad"] = "bad" if one.wrong else "ok"
        checks.append(Check(name=f"mcp {one.name}", result=result, found=found, fix=one.wrong))
    return checks


def _notify() -> list[Check]:
    """Whether somebody is called for what nobody has seen."""
    seen = notify_command()
    if seen is None:
        return []
    found, fix, bad = seen
    result: Literal["ok", "note", "bad"] = "bad" if bad else "note" if fix else "ok"
    return [Check(name="notify", result=result, found=found, fix=fix)]


def _confinements() -> list[Check]:
    """What confines each agent and gate of the project here; nothing is said too."""
    return [
        Check(name=name, result="ok" if confinement.confined else "note", found=confinement.words)
        for name, confinement in confinements()
    ]


def _terminal() -> Check:
    if not sys.stdout.isatty():
        return Check(name="terminal", result="ok", found="output is not a terminal")
    size = shutil.get_terminal_size()
    found = f"{os.environ.get('TERM', 'unknown')}, {size.columns}x{size.lines}"
    if _tmux_hides_the_focus():
        return Check(
            name="terminal",
            result="note",
            found=f"{found}, in a tmux that does not tell whether you look",
            fix="`tmux set -g focus-events on`: until then what is on screen counts as seen for "
            "two minutes after each key",
        )
    if size.columns >= 80 and size.lines >= 24:
        return Check(name="terminal", result="ok", found=found)
    return Check(name="terminal", result="note", found=found, fix="80x24 or more is comfortable")


def _tmux_hides_the_focus() -> bool:
    if not os.environ.get("TMUX"):
        return False
    try:
        told = subprocess.run(
            ["tmux", "show", "-gv", "focus-events"], capture_output=True, text=True, timeout=2
        )
    except (OSError, subprocess.SubprocessError):
        return False
    return told.stdout.strip() == "off"
