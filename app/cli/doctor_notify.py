"""What `longwatch doctor` says of who is called when something waits and nobody looks."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from app.cli.project import project_root
from app.domain.errors import Refused

_EXAMPLE = 'command = ["notify-send", "Longwatch"]'


def notify_command() -> tuple[str, str, bool] | None:
    """What was found, what is to be done, and whether something is wrong; None outside of a
    project. Raises ConfigError."""
    from app.engine.project import load_config
    from app.engine.project_names import CONFIG_FILE

    try:
        root = project_root(None)
    except Refused:
        return None
    if not (root / CONFIG_FILE).exists():
        return None
    section = load_config(root).notify
    if section is None:
        fix = f"nobody is called for what waits unseen: [notify] with {_EXAMPLE}, for example"
        return "no command", f"{fix}, in {root / CONFIG_FILE}", False
    program = section.command[0]
    where = shutil.which(str(root / program) if os.sep in program else program)
    if where is None:
        fix = f"[notify] command: {program} was not found, or is not executable"
        return f"{program}: not found", fix, True
    again = f", again every {section.again_seconds:g} s" if section.again_seconds else ""
    return f"{Path(where)} after {section.after_seconds:g} s unseen{again}", "", False
