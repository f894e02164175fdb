"""Folders for pieces of work, and what is done with those of processes that are gone."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from app.engine.scratch import scratch_folder, sweep


@pytest.fixture(autouse=True)
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    return tmp_path


def gone() -> int:
    """The number of a process that has ended."""
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    return process.pid


def test_only_what_a_process_that_is_gone_has_left_is_removed(place: Path) -> None:
    mine = scratch_folder("gate")
    (mine / "output").write_text("at work")
    dead = gone()
    left = [place / f"longwatch-{what}-{dead}-abc" for what in ("gate", "index")]
    for folder in left:
        folder.mkdir()
        (folder / "output").write_text("left behind")
    (place / f"longwatch-demo-{dead}").mkdir()
    (place / f"longwatch-gate-{dead}-file").write_text("no folder")
    kept = place / "kept"
    kept.mkdir()
    (place / f"longwatch-gate-{dead}-link").symlink_to(kept)

    assert sweep() == 2
    assert sorted(path.name for path in place.iterdir()) == sorted(
        [
            mine.name,
            "kept",
            f"longwatch-demo-{dead}",
            f"longwatch-gate-{dead}-file",
            f"longwatch-gate-{dead}-link",
        ]
    )
    assert (mine / "output").read_text() == "at work"


def test_nobody_else_can_read_it() -> None:
    folder = scratch_folder("index")
    assert folder.stat().st_mode & 0o777 == 0o700
    assert str(os.getpid()) in folder.name
