"""How long moving ten thousand sessions in takes, beside `cp -r` of the same tree in the same run.

    python -m tests.benchmarks.bench_migrate [--sessions 10000] [--megabytes 200] [--folder DIR]

Give `--megabytes 2000` for the size that a long life makes. Both are timed until the data is on the
disk. Peak memory is that of the process which migrates.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from app.domain.moving import Progress
from app.migrate.apply import apply
from app.migrate.disk import Disk
from app.migrate.systems import read_home
from app.migrate.undo import undo

TOKEN = "bench-telegram-token-0123456789"


def make_home(folder: Path, sessions: int, megabytes: int) -> Path:
    """An installation with one agent and many sessions; every twentieth line names a secret."""
    home = folder / ".openclaw"
    place = home / "agents/main/sessions"
    place.mkdir(parents=True)
    config = {
        "agents": {"list": [{"id": "main", "default": True, "model": "groq/llama"}]},
        "channels": {"telegram": {"botToken": TOKEN}},
    }
    (home / "openclaw.json").write_text(json.dumps(config))
    words = "some words that an agent has said about a file and what it found in there " * 3
    lines = [
        json.dumps({"type": "message", "n": n, "text": f"{words} {TOKEN if n == 7 else n}"}) + "\n"
        for n in range(20)
    ]
    block = "".join(lines).encode()
    size = megabytes * 1_000_000 // sessions
    data = (block * (size // len(block) + 1))[:size]
    for number in range(sessions):
        (place / f"{number:06}.jsonl").write_bytes(data)
    return home


def timed(what: str, command: list[str]) -> float:
    begun = time.monotonic()
    subprocess.run(command, check=True)
    return time.monotonic() - begun


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sessions", type=int, default=10_000)
    parser.add_argument("--megabytes", type=int, default=200)
    parser.add_argument("--folder", type=Path, default=None)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=given.folder) as name:
        folder = Path(name)
        home = make_home(folder, given.sessions, given.megabytes)
        os.sync()
        copied = timed("cp", ["sh", "-c", f"cp -r {home} {folder}/copy && sync -f {folder}/copy"])
        shutil.rmtree(folder / "copy")
        os.sync()
        target, told = folder / "target", list[Progress]()
        begun = time.monotonic()
        plan = read_home("openclaw", home, {})
        planned = time.monotonic() - begun
        report = apply(plan, target, tell=told.append)
        moved = time.monotonic() - begun
        begun = time.monotonic()
        again = apply(read_home("openclaw", home, {}), target)
        repeated = time.monotonic() - begun
        leaked = subprocess.run(
            ["grep", "-rlF", TOKEN, str(target), "--exclude=secrets.env"], capture_output=True
        )
        begun = time.monotonic()
        undo(target, disk=Disk())
        undone = time.monotonic() - begun
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(f"{given.sessions:,} sessions, {given.megabytes:,} MB, {report.touched:,} files")
    print(f"cp -r            {copied:7.1f} s")
    print(
        f"migrate          {moved:7.1f} s  ({planned:.1f} s of it reading), {moved / copied:.2f} x"
    )
    print(f"migrate again    {repeated:7.1f} s  unchanged: {again.unchanged}")
    print(f"undo             {undone:7.1f} s")
    print(f"peak memory      {peak:7.0f} MB; progress was told {len(told):,} times")
    print(f"secret outside   {'YES' if leaked.stdout else 'no'}")
    return 1 if leaked.stdout or not again.unchanged else 0


if __name__ == "__main__":
    sys.exit(main())
