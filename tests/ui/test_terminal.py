"""The control room on a real pseudo-terminal, as seen from outside."""

from __future__ import annotations

import signal
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.benchmarks.pty_app import PtyApp
from tests.support.waiting import PATIENCE
from tests.ui.terminal_room import EVIL

ROOT = str(Path(__file__).resolve().parents[2])


def wait_until(holds: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.05)


class Room:
    """A room on a terminal, and what it reported at its end."""

    def __init__(self, case: str, folder: Path) -> None:
        self.report = folder / "report"
        argv = [sys.executable, "-m", "tests.ui.terminal_room", case, str(self.report)]
        self.app = PtyApp(argv, size=(100, 40), cwd=ROOT)

    def ended(self) -> str:
        self.app.drain(PATIENCE)
        self.app.process.wait(PATIENCE)
        return self.report.read_text()


@pytest.fixture
def rooms(tmp_path: Path) -> Iterator[list[PtyApp]]:
    opened: list[PtyApp] = []
    yield opened
    for app in opened:
        app.__exit__(None, None, None)


def start(case: str, tmp_path: Path, rooms: list[PtyApp]) -> Room:
    room = Room(case, tmp_path)
    rooms.append(room.app)
    return room


def test_nothing_hostile_reaches_the_terminal(tmp_path: Path, rooms: list[PtyApp]) -> None:
    room = start("hostile", tmp_path, rooms)
    room.app.wait_for(b"EVIL")
    for keys in (b"x", b"\r", b"\x1b", b"\r", b"\x1b", b"a", b"\x1b", b"r", b"\x1b", b"?", b"\x1b"):
        room.app.write(keys)
        room.app.drain(0.4)
    room.app.write(b"\x10")
    room.app.drain(0.8)
    begun = time.monotonic()
    while room.app.output.count(b"EVIL") <= 5:
        assert time.monotonic() - begun < PATIENCE
        room.app.drain(0.4)
    text = room.app.output.decode(errors="replace")
    for bad in ("\x1b]52", "\x1b]0;evil", "\x1bc", "\x9b", "\u202e", EVIL[:6]):
        assert bad not in text, repr(bad)
    assert text.count("\x1b[2J") <= 1, "the toolkit clears the screen once, when it starts"


def test_an_error_of_the_store_is_one_sentence_after_the_screen_is_gone(
    tmp_path: Path, rooms: list[PtyApp]
) -> None:
    room = start("broken", tmp_path, rooms)
    assert room.ended() == "closed=False code=1"
    assert room.app.process.returncode == 1
    after = room.app.output.rpartition(b"\x1b[?1049l")[2].decode()
    sentence = "longwatch: /s/journal.db: the store is from a newer version; update Longwatch"
    assert after.strip().endswith(sentence)
    assert "Traceback" not in after


def test_the_first_frame_does_not_wait_for_the_connection(
    tmp_path: Path, rooms: list[PtyApp]
) -> None:
    room = start("slow", tmp_path, rooms)
    room.app.wait_for("connecting…".encode())
    room.app.drain(1.0)
    room.app.write(b"q")
    assert room.ended() == "closed=False code=0"


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_a_signal_leaves_in_order(
    number: signal.Signals, tmp_path: Path, rooms: list[PtyApp]
) -> None:
    room = start("plain", tmp_path, rooms)
    room.app.wait_for(b"add retry")
    room.app.process.send_signal(number)
    assert room.ended() == "closed=True code=0"
    assert b"\x1b[?1049l" in room.app.output, "the terminal is given back"


def test_a_terminal_that_is_gone_leaves_in_order(tmp_path: Path, rooms: list[PtyApp]) -> None:
    """A closed window, a dropped connection: nothing may be left that holds the store."""
    room = start("host", tmp_path, rooms)
    room.app.wait_for(b"add retry")
    room.app.drain(0.5)
    room.app.close_terminal()
    room.app.process.send_signal(signal.SIGHUP)
    room.app.process.wait(PATIENCE)
    assert room.report.read_text().startswith("closed=True")


def test_a_terminal_that_takes_nothing_stops_nobody(tmp_path: Path, rooms: list[PtyApp]) -> None:
    """A connection that hangs: what the window's process does goes on, and the screen after it."""
    room = start("flood", tmp_path, rooms)
    room.app.wait_for(b"line 1")
    wait_until(room.report.exists)  # all was said, though nobody has read any of it
    room.app.mark()
    room.app.wait_for(b"line 600 of 600")
    room.app.write(b"q")
    assert room.ended() == "closed=True code=0"


def test_a_terminal_that_takes_nothing_is_left_in_order(
    tmp_path: Path, rooms: list[PtyApp]
) -> None:
    room = start("flood", tmp_path, rooms)
    room.app.wait_for(b"line 1")
    wait_until(room.report.exists)
    room.app.process.send_signal(signal.SIGTERM)
    room.app.process.wait(PATIENCE)
    assert room.report.read_text() == "closed=True code=0"


def test_a_terminal_that_nobody_told_is_gone_is_left_too(
    tmp_path: Path, rooms: list[PtyApp]
) -> None:
    room = start("flood", tmp_path, rooms)
    room.app.wait_for(b"line 1")
    room.app.close_terminal()
    room.app.process.wait(PATIENCE)
    assert room.report.read_text().startswith("closed=True")


def test_leaving_lets_go_of_the_supervisor(tmp_path: Path, rooms: list[PtyApp]) -> None:
    room = start("plain", tmp_path, rooms)
    room.app.wait_for(b"add retry")
    room.app.write(b"q")
    assert room.ended() == "closed=True code=0"
