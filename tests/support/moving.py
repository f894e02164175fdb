"""Plans of migrations made by hand, targets to move into, and what a folder is to the last byte."""

from __future__ import annotations

import hashlib
import os
import subprocess
from pathlib import Path

from app.domain.migration import (
    Fate,
    Imported,
    ItemKind,
    KeyRecord,
    MigrationPlan,
    PlannedCopy,
    PlannedText,
    Skipped,
    Warned,
)

SECRET = "s3cret-value-of-a-token"
CONFIG = """\
default_workflow = "scribe"
env_file = ".longwatch/secrets.env"

[[agent]]
name = "scribe"
driver = "model"
model = "groq/llama"
instructions_files = [".longwatch/agents/scribe/SOUL.md"]

[[route]]
workflow = "scribe"
channel = "telegram"

[[approval.rule]]
name = "scribe never pushes"
agent = "scribe"
command = "git push*"
action = "deny"
reason = "It never could."
"""
WORKFLOW = """\
name = "scribe"

[[step]]
name = "answer"
agent = "scribe"
prompt = "{{ request.text }}"
"""
SESSION = ".longwatch/imported/scribe/sessions/{}.jsonl"


def a_source(folder: Path, *, sessions: int = 2, size: int = 400) -> Path:
    """A foreign home with sessions that mention a secret."""
    home = folder / "home"
    (home / "sessions").mkdir(parents=True)
    for number in range(sessions):
        line = f'{{"type":"message","n":{number},"text":"token {SECRET} here"}}\n'
        text = line * max(size // len(line), 1)
        (home / "sessions" / f"s{number}.jsonl").write_text(text)
    (home / "soul.bin").write_bytes(bytes(range(256)))
    return home


def a_plan(
    home: Path,
    *,
    soul: str = "You write minutes.\n",
    config: str = CONFIG,
    workflow: str = WORKFLOW,
    secrets: str = f"TELEGRAM_BOT_TOKEN={SECRET}\n",
) -> MigrationPlan:
    """What a reader could have made of `a_source`."""
    copies = [
        PlannedCopy(
            path=SESSION.format(file.stem),
            source=str(file),
            size=file.stat().st_size,
            private=True,
        )
        for file in sorted((home / "sessions").iterdir())
    ]
    blob = home / "soul.bin"
    copies.append(
        PlannedCopy(
            path=".longwatch/agents/scribe/soul.bin",
            source=str(blob),
            size=blob.stat().st_size,
            redact=False,
        )
    )
    return MigrationPlan(
        system="openclaw",
        generation="present",
        source=str(home),
        texts=(
            PlannedText(path="longwatch.toml", text=config),
            PlannedText(path=".longwatch/workflows/scribe.toml", text=workflow),
            PlannedText(path=".longwatch/agents/scribe/SOUL.md", text=soul),
            PlannedText(path=".longwatch/secrets.env", text=secrets, private=True, secret=True),
        ),
        copies=tuple(copies),
        imported=(
            Imported(kind=ItemKind.AGENT, name="scribe", destination="longwatch.toml"),
            Imported(
                kind=ItemKind.SESSION,
                name="scribe",
                destination=".longwatch/imported/scribe",
                detail="2 sessions",
            ),
        ),
        skipped=(Skipped(kind=ItemKind.SKILL, name="a|b <i>", reason="it is code"),),
        warnings=(Warned(where="openclaw.json: agents[0]", message="a tool is unknown"),),
        keys=(
            KeyRecord(file="openclaw.json", key="a", fate=Fate.MAPPED, to="agent"),
            KeyRecord(file="openclaw.json", key="b", fate=Fate.SECRET, to="TELEGRAM_BOT_TOKEN"),
            KeyRecord(file="openclaw.json", key="c", fate=Fate.ARCHIVED, reason="no counterpart"),
        ),
        key_count=3,
        next_steps=("Run `longwatch workflow check`.",),
        secrets=("TELEGRAM_BOT_TOKEN",),
    )


def a_project(folder: Path) -> Path:
    """A repository with a configuration of its own."""
    (folder / ".longwatch/workflows").mkdir(parents=True)
    (folder / "longwatch.toml").write_text(
        "# mine\n"
        '[[agent]]  # the coder\nname = "coder"\ndriver = "codex"\n\n'
        '[[route]]\nworkflow = "change"\n\n# a second one\n[[agent]]\nname = "critic"\n'
        'driver = "codex"\n\n[[approval.rule]]\nname = "harmless"\nmax_risk = "low"\n'
        'action = "allow"\n# the end\n'
    )
    (folder / "longwatch.toml").chmod(0o640)
    (folder / ".longwatch/workflows/change.toml").write_text(
        'name = "change"\n[[step]]\nname = "do"\nagent = "coder"\nprompt = "p"\n'
    )
    (folder / "src").mkdir()
    (folder / "src/run.sh").write_text("#!/bin/sh\n")
    (folder / "src/run.sh").chmod(0o755)
    (folder / "link").symlink_to("src/run.sh")
    git(folder, "init", "-q")
    git(folder, "add", "-A")
    git(folder, "commit", "-qm", "first")
    return folder


def git(folder: Path, *words: str) -> str:
    who = ["-c", "user.name=a", "-c", "user.email=a@example.com"]
    done = subprocess.run(
        ["git", *who, "-C", str(folder), *words], check=True, capture_output=True, text=True
    )
    return done.stdout


def fingerprint(
    folder: Path, *, times: bool = True, folder_times: bool = True, but: tuple[str, ...] = ()
) -> dict[str, str]:
    """Every path below a folder with its kind, mode, content, and the time of its last change."""
    found: dict[str, str] = {}
    if not folder.exists():
        return found
    for here, folders, files in os.walk(folder):
        for name in ["", *folders, *files]:
            path = Path(here, name) if name else Path(here)
            about = path.lstat()
            key = str(path.relative_to(folder))
            if any(key == skipped or key.startswith(f"{skipped}/") for skipped in but):
                continue
            what = f"{about.st_mode:o}"
            if path.is_symlink():
                what += f" -> {path.readlink()}"
            elif path.is_file():
                what += " " + hashlib.sha256(path.read_bytes()).hexdigest()
            timed = times and (folder_times or not path.is_dir() or path.is_symlink())
            found[key] = what + (f" {about.st_mtime_ns}" if timed else "")
    return found
