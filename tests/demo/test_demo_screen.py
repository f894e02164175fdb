"""The demonstration on a screen: its window is about its own project."""

from __future__ import annotations

import os
from pathlib import Path

from tests.benchmarks.pty_app import PtyApp
from tests.support.programs import LONGWATCH

ROOT = str(Path(__file__).resolve().parents[2])


def test_its_window_is_about_its_own_project(tmp_path: Path) -> None:
    """Not about the folder that it was called in, whatever that is."""
    argv = [*LONGWATCH, "demo", "--keep", str(tmp_path / "demo"), "--speed", "1"]
    env = {**os.environ, "PYTHONPATH": ROOT}
    with PtyApp(argv, size=(120, 40), env=env, cwd=str(tmp_path)) as app:
        app.wait_for(b"Add retry with back-off")
        app.write(b"w")
        app.wait_for(b"default change")
