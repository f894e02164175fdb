"""SIGKILL before and after every change that moving in, or an undo of it, makes to the disk."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest


@pytest.mark.parametrize("kind", ["new", "project"])
def test_the_next_command_makes_it_whole(tmp_path: Path, repository: Path, kind: str) -> None:
    command = [sys.executable, "-m", "tests.support.moving_crash", str(tmp_path), kind]
    done = subprocess.run(command, cwd=repository, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    tried = dict(line.split() for line in done.stdout.splitlines()[:2])
    least = {"new": (20, 4), "project": (60, 30)}[kind]
    assert (int(tried["apply"]) >= least[0]) and (int(tried["undo"]) >= least[1])
