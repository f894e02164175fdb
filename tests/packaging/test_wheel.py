"""What a user installs: the wheel, in an environment of its own, away from the source tree.

The libraries are those of the tests' environment; that each is declared is what `deptry` checks.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import zipfile
from dataclasses import dataclass
from pathlib import Path

import pytest


@dataclass(frozen=True, slots=True)
class Installed:
    """An environment that has the wheel and libraries, and nothing of the source tree."""

    wheel: Path
    command: Path
    home: Path

    def run(self, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
        kept = {k: v for k, v in os.environ.items() if not k.startswith(("PYTHON", "LONGWATCH"))}
        return subprocess.run(
            [self.command, *arguments],
            cwd=self.home,
            env={**kept, "HOME": str(self.home), "XDG_STATE_HOME": str(self.home / "state")},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=1000,
        )


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Installed:
    source = Path(__file__).resolve().parents[2]
    place = tmp_path_factory.mktemp("wheel")
    _must(sys.executable, "-m", "build", "--wheel", "--no-isolation", "-o", place, source)
    (wheel,) = place.glob("*.whl")
    _must(sys.executable, "-m", "venv", "--without-pip", place / "env")
    python = place / "env" / "bin" / "python"
    own = _site_packages(python)
    (own / "libraries.pth").write_text(f"{_site_packages(sys.executable)}\n")
    pip = (sys.executable, "-m", "pip", "--python", python, "install", "--quiet")
    _must(*pip, "--disable-pip-version-check", "--no-deps", "--no-index", wheel)
    home = place / "home"
    home.mkdir()
    return Installed(wheel, place / "env" / "bin" / "longwatch", home)


def _site_packages(python: str | Path) -> Path:
    """Where an environment has its libraries; a `.pth` file there is not read by another."""
    return Path(_must(python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))"))


def _must(*command: str | Path) -> str:
    ran = subprocess.run(command, capture_output=True, text=True, stdin=subprocess.DEVNULL)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    return ran.stdout.strip()


def test_the_wheel_has_what_is_not_python_and_no_tests(installed: Installed) -> None:
    names = zipfile.ZipFile(installed.wheel).namelist()
    for folder, ending in (
        ("app/styles/", ".tcss"),
        ("app/demo/files/", ".txt"),
        ("app/engine/templates/", ".toml"),
        ("app/store/migrations/", ".sql"),
    ):
        assert any(n.startswith(folder) and n.endswith(ending) for n in names), folder
    assert not any(n.startswith("tests/") or "__pycache__" in n for n in names)
    assert any(n.endswith("licenses/LICENSE") for n in names)


def test_it_is_the_wheel_that_runs(installed: Installed) -> None:
    python = installed.command.with_name("python")
    where = _must(python, "-P", "-c", "import app; print(app.__file__)")
    assert Path(where).is_relative_to(installed.command.parents[1])


def test_it_says_its_version(installed: Installed) -> None:
    ran = installed.run("--version")
    assert (ran.returncode, ran.stdout) == (0, "longwatch 0.1.0\n"), ran.stderr


def test_the_demonstration_runs_to_its_end_and_can_be_drawn(installed: Installed) -> None:
    demo = installed.home / "demo"
    ran = installed.run(
        "demo", "--headless", "--json", "--decide", "approve", "--speed", "50", "--keep", demo
    )
    assert ran.returncode == 0, ran.stderr
    assert json.loads(ran.stdout)["run"]["state"] == "done"
    picture = installed.home / "watch.svg"
    drawn = installed.run("screenshot", "watch", "-o", picture, "--store", demo / "store")
    assert drawn.returncode == 0, drawn.stderr
    assert "<svg" in picture.read_text("utf-8")
    assert "uploader" in picture.read_text("utf-8").replace("&#160;", " ")
