"""The demonstration on a screen: its window is about its own project."""

from __future__ import annotations

import os
from pathlib import Path

from tests.benchmarks.pty_app import PtyApp
from tests.support.programs import LONGWATCH
from tests.support.waiting import PATIENCE

ROOT = str(Path(__file__).resolve().parents[2])


def test_its_window_is_about_its_own_project(tmp_path: Path) -> None:
    """Not about the folder that it was called in, whatever that is."""
    argv = [*LONGWATCH, "demo", "--keep", str(tmp_path / "demo"), "--speed", "1"]
    env = {**os.environ, "PYTHONPATH": ROOT}
    with PtyApp(argv, size=(120, 40), env=env, cwd=str(tmp_path)) as app:
        app.wait_for(b"Add retry with back-off")
        app.write(b"w")
        app.wait_for(b"default change")


def test_where_nobody_would_see_it_it_is_refused(tmp_path: Path) -> None:
    """The window is drawn on standard error: redirected, it would be empty and its keys alive."""
    said, demo = tmp_path / "said", tmp_path / "demo"
    command = f'"$@" 2>"{said}"'
    argv = ["sh", "-c", command, "sh", *LONGWATCH, "demo", "--keep", str(demo)]
    env = {**os.environ, "PYTHONPATH": ROOT}
    with PtyApp(argv, size=(80, 24), env=env, cwd=str(tmp_path)) as app:
        assert app.process.wait(PATIENCE) == 1
    assert "draws on standard error, and that is redirected" in said.read_text()
    assert said.read_text().count("\n") == 1 and not demo.exists()
