"""Shared fixtures, and the rules that keep tests off the developer's own state."""

from __future__ import annotations

import gc
import os
import shutil
import signal
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

# A machine that is busy with something else makes nothing wrong.
settings.register_profile(
    "busy", settings(), deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("busy")

# A third of the suite's work was Python looking for garbage among what tests share.
gc.set_threshold(200_000, 50, 1_000)

REPOSITORY = Path(__file__).resolve().parent.parent


@pytest.fixture(autouse=True)
def _own_state(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
    """No test reads or writes the developer's store, git identity or agent keys."""
    monkeypatch.setenv("LONGWATCH_STORE", str(tmp_path / "default-store"))
    for name in ("LONGWATCH_DEBUG", "LONGWATCH_USER", "OPENAI_API_KEY", "CODEX_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", os.devnull)
    monkeypatch.setenv("GIT_CONFIG_SYSTEM", os.devnull)
    yield


@pytest.fixture
def repository() -> Path:
    """The root of Longwatch's own source tree."""
    return REPOSITORY


def pytest_xdist_auto_num_workers(config: pytest.Config) -> int:
    """Two workers more than cores: many tests wait for programs, and a core is idle meanwhile."""
    return (os.cpu_count() or 1) + 2


def pytest_collection_finish() -> None:
    """What collecting made stays until the end: nobody needs to look through it again."""
    gc.collect()
    gc.freeze()


def pytest_configure(config: pytest.Config) -> None:
    """Children of a shell's background job ignore Ctrl-C, and theirs do: the tests press it."""
    ignored = signal.getsignal(signal.SIGINT) is signal.SIG_IGN
    if ignored and threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Tests that need an outside program are skipped where it is missing, but never in CI."""
    for mark, program, variable in (
        ("codex", "codex", "LONGWATCH_CODEX"),
        ("tmux", "tmux", ""),
        ("bwrap", "bwrap", "LONGWATCH_BWRAP"),
    ):
        if item.get_closest_marker(mark) is None:
            continue
        found = os.environ.get(variable, "") if variable else ""
        if not found and shutil.which(program) is None:
            missing = f"{program} is not installed" + (
                f" and {variable} not set" if variable else ""
            )
            if os.environ.get("CI"):
                pytest.fail(missing)
            pytest.skip(missing)
