"""How the command line behaves whatever the command: errors, pipes, hostile text, widths."""

from __future__ import annotations

import io
import os
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.cli.output import ago, cells, cut
from app.cli.prefix import pick
from app.domain.errors import NotFound, Refused
from app.link.person import user_name
from tests.support.command_line import CommandLine, hosting
from tests.support.supervisor import FakeSupervisor
from tests.support.waiting import PATIENCE


def test_version_is_one_line(longwatch: CommandLine) -> None:
    assert longwatch("--version").out == "longwatch 0.1.0\n"


def test_help_lists_every_command(longwatch: CommandLine) -> None:
    ran = longwatch("--help")
    assert ran.code == 0
    for name in ("demo", "init", "run", "up", "approve", "verify", "doctor", "workflow"):
        assert f"\n  {name} " in ran.out


@pytest.mark.parametrize(
    "arguments", [["nonsense"], ["runs", "--nonsense"], ["show"], ["runs", "-n", "0"]]
)
def test_wrong_usage_is_two(longwatch: CommandLine, arguments: list[str]) -> None:
    ran = longwatch(*arguments)
    assert ran.code == 2
    assert "Error:" in ran.err


@pytest.mark.parametrize(
    "arguments",
    [
        ["run", "\udcff", "--headless"],
        ["run", "x", "--user", "\udcff", "--headless"],
        ["run", "x", "--channel", "a\ud800", "--headless"],
        ["route", "explain", "--task-type", "\udcff"],
        ["deny", "ap-1", "--reason", "\udcff"],
        ["cancel", "\udcff"],
        ["rollout", "promote", "x", "--override", "\udcff"],
    ],
)
def test_bytes_that_are_no_text_are_wrong_usage(
    longwatch: CommandLine, arguments: list[str]
) -> None:
    ran = longwatch(*arguments)
    assert ran.code == 2
    assert "is not UTF-8 text" in ran.err


@pytest.mark.parametrize(
    "arguments",
    [
        ["answer", "q-1", "-"],
        ["retry", "r-1", "--prompt", "-"],
        ["skip", "r-1", "s", "--value", "-"],
    ],
)
def test_stdin_that_is_no_text_is_wrong_usage(
    longwatch: CommandLine, arguments: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(b"one\ntw\xff")))
    ran = longwatch(*arguments)
    assert ran.code == 2
    assert "standard input is not UTF-8 text (line 2)" in ran.err
    monkeypatch.setattr("sys.stdin", None)
    assert "there is no standard input" in longwatch(*arguments).err


@pytest.mark.parametrize("command", [["runs"], ["approvals"], ["verify"], ["approve", "x"]])
def test_a_store_that_is_not_there_is_not_made(
    longwatch: CommandLine, tmp_path: Path, command: list[str]
) -> None:
    ran = longwatch(*command, "--store", tmp_path / "typo")
    assert ran.code == 1
    assert "there is no store here yet" in ran.err
    assert len(ran.err.splitlines()) == 1
    assert not (tmp_path / "typo").exists()


def test_without_a_terminal_no_screen_is_opened(longwatch: CommandLine, tmp_path: Path) -> None:
    ran = longwatch("--store", tmp_path / "s")
    assert ran.code == 1
    assert "needs a terminal" in ran.err
    assert not (tmp_path / "s").exists()


def test_debug_shows_where(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    from app.cli import main
    from app.domain.errors import StoreError

    monkeypatch.setenv("LONGWATCH_DEBUG", "1")
    with pytest.raises(StoreError):
        main(["runs", "--store", str(tmp_path / "typo")])


def test_a_reader_that_goes_away_is_no_error(hosted: FakeSupervisor, tmp_path: Path) -> None:
    code = "from app.cli import main; main(['events', '--json'])"
    process = subprocess.Popen(
        [sys.executable, "-c", code],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env={**os.environ, "PYTHONUNBUFFERED": "1"},
    )
    assert process.stdout is not None
    assert process.stderr is not None
    process.stdout.close()
    assert process.stderr.read() == b""
    process.stderr.close()
    assert process.wait(PATIENCE) == 1


def test_hostile_text_reaches_no_terminal(longwatch: CommandLine, tmp_path: Path) -> None:
    evil = "\x1b]52;c;aGk=\x07\x9b2J\u202eevil"
    with hosting(tmp_path / "store") as supervisor:

        async def diff(run_id: str, step: str = "", attempt: int = 0, branch: str = "") -> str:
            return evil

        supervisor.diff = diff  # type: ignore[method-assign]
        plain = longwatch("diff", "run-1", "--store", tmp_path / "store").out
        as_json = longwatch("diff", "run-1", "--json", "--store", tmp_path / "store")
    assert not set(plain) & set("\x1b\x07\x9b\u202e")
    assert "evil" in plain
    assert as_json.out.isascii()
    assert "\x1b" not in as_json.out
    assert as_json.json() == {"diff": evil}  # a program gets what there was


def test_who_decides(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LONGWATCH_USER", "grace")
    assert user_name() == "grace"
    monkeypatch.setenv("LONGWATCH_USER", "gr\udcff\x1b[2Jce\n")
    assert user_name() == "gr\ufffd␛[2Jce"


def test_a_prefix_must_fit_one(longwatch: CommandLine) -> None:
    ids = ["run-abc", "run-abd", "run-xyz"]
    assert pick("run-x", ids, str, "run") == "run-xyz"
    assert pick("xy", ids, str, "run") == "run-xyz"
    assert pick("run-abc", [*ids, "run-abcd"], str, "run") == "run-abc"
    with pytest.raises(Refused, match="run-abc, run-abd; give more"):
        pick("ab", ids, str, "run")
    with pytest.raises(NotFound):
        pick("", ids, str, "run")
    with pytest.raises(NotFound):
        pick("q", ids, str, "run")


def test_times_are_relative() -> None:
    now = datetime(2026, 1, 1, tzinfo=UTC)
    for seconds, says in ((-5, "0s"), (59, "59s"), (61, "1m"), (7200, "2h"), (200_000, "2d")):
        assert ago(now - timedelta(seconds=seconds), now) == f"{says} ago"


@given(st.text(max_size=60), st.integers(1, 40))
def test_cut_text_fits(text: str, width: int) -> None:
    assert cells(cut(text, width)) <= max(width, 1)
    assert cut(text, 200) == text
