"""Measure the screens in a real pseudo-terminal: `python -m tests.benchmarks.bench_ui`.

Prints medians and ratios and asserts nothing: machines differ, and a busy one lies. What is to
be read off: start at most twice an empty Textual app's, keys to paint far below 20 ms.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import psutil

from tests.benchmarks.pty_app import PtyApp

ROOT = str(Path(__file__).resolve().parents[2])
EMPTY = [sys.executable, "-m", "tests.benchmarks.empty_app"]
ROOM = [sys.executable, "-c", "import sys; from app.cli import main; sys.exit(main())"]
FRAME = b"Longwatch"  # the word that the first frame of either shows
WHOLE = b"No runs yet"  # what Watch says of a new store once it is connected


def until(text: bytes, argv: Sequence[str], env: dict[str, str]) -> float:
    """Milliseconds from exec until `text` is painted."""
    with PtyApp(argv, size=(160, 50), env=env, cwd=ROOT) as app:
        return (app.wait_for(text) - app.started) * 1000


def start(rounds: int) -> None:
    """Start of the control room on a new store beside an empty app's, taken in turns."""
    samples: list[tuple[float, ...]] = []
    for _ in range(rounds + 1):
        with tempfile.TemporaryDirectory() as folder:
            env = {"LONGWATCH_STORE": f"{folder}/store"}
            samples.append((until(FRAME, EMPTY, env), until(FRAME, ROOM, env)))
        with tempfile.TemporaryDirectory() as folder:
            env = {"LONGWATCH_STORE": f"{folder}/store"}
            samples[-1] += (until(WHOLE, ROOM, env),)
    # The first round fills the file cache.
    empty, room, whole = (statistics.median(times) for times in zip(*samples[1:], strict=True))
    print(f"start, ms, median of {rounds}")
    print(f"  empty Textual app, first frame      {empty:7.0f}")
    print(f"  longwatch, first frame              {room:7.0f}   ratio {room / empty:.2f}")
    print(f"  longwatch, connected to a new store {whole:7.0f}   ratio {whole / empty:.2f}")


def keys_to_paint(name: str, rate: int, keys: int) -> tuple[list[float], float]:
    """Milliseconds from each key to its number on screen, and the share of a core used."""
    argv = [sys.executable, "-m", "tests.benchmarks.pane_apps", name, str(rate)]
    with PtyApp(argv, size=(160, 50), cwd=ROOT) as app:
        app.wait_for(b"begin")
        app.drain(2.0)
        process = psutil.Process(app.process.pid)
        busy, begin = _cpu(process), time.perf_counter()
        times = [_key(app, number) for number in range(1, keys + 1)]
        return times, (_cpu(process) - busy) / (time.perf_counter() - begin)


def _cpu(process: psutil.Process) -> float:
    used = process.cpu_times()
    return float(used.user + used.system)


def _key(app: PtyApp, number: int) -> float:
    app.mark()
    pressed = time.perf_counter()
    app.write(b"x")
    painted = app.wait_for(f"key<{number}>".encode(), timeout=60)
    app.drain(0.037 + 0.011 * (number % 7))  # not in step with the flushes
    return (painted - pressed) * 1000


def percentile(values: Sequence[float], share: float) -> float:
    return sorted(values)[min(len(values) - 1, int(len(values) * share))]


def panes(rate: int, keys: int) -> None:
    """Key to paint while eight panes stream, ours beside the stock log."""
    print(f"\n8 panes, {rate} lines a second, 160x50: key to paint, ms, {keys} keys")
    for name in ("tails", "richlog", "richlog-batched"):
        try:
            times, share = keys_to_paint(name, rate, keys)
        except TimeoutError:
            print(f"  {name:16} a key was not answered within a minute")
            continue
        print(
            f"  {name:16} median {statistics.median(times):7.1f}   p95 "
            f"{percentile(times, 0.95):7.1f}   {share:5.0%} of a core"
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--keys", type=int, default=100)
    parser.add_argument("--rates", type=int, nargs="*", default=[1000, 8000])
    parser.add_argument("--only", choices=("start", "panes"))
    options = parser.parse_args()
    if options.only != "panes":
        start(options.rounds)
    for rate in options.rates if options.only != "start" else ():
        panes(rate, options.keys)


if __name__ == "__main__":
    main()
