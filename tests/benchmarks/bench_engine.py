"""The engine beside bare sqlite3 and, if they are there, LangGraph and DBOS.

    .venv/bin/python -m tests.benchmarks.bench_engine
    .venv/bin/python -m tests.benchmarks.bench_engine --peers DIR --python DIR/bin/python

`--peers` is a folder with `lg.py` and `dbos_b.py`, which print `RESULT {json}` as our worker
does; `--python` an interpreter with both libraries. Every measurement is a fresh process on a
fresh database, with its byte code compiled as an installed program's is; the rounds are shuffled,
because machines drift. The floor writes as many
transactions, rows and bytes as we did in the same round. `--slow MS` makes each fsync that much
slower, by a library that is loaded before the C library's.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from app.domain.events import to_fields
from app.domain.task_state import TaskState
from app.store.names import Names
from app.store.packing import Packer
from app.store.paths import StorePaths
from app.store.rows import insert_entries, microseconds
from app.store.schema import open_for_writing
from tests.support.story import RECIPE, START, a_run, moved, story

_SHIM = """
#define _GNU_SOURCE
#include <dlfcn.h>
#include <time.h>
static void wait_for_the_disk(void) {
    struct timespec pause = {MS / 1000, (MS % 1000) * 1000000L};
    nanosleep(&pause, 0);
}
int fsync(int fd) {
    int (*next)(int) = dlsym(RTLD_NEXT, "fsync");
    wait_for_the_disk();
    return next(fd);
}
int fdatasync(int fd) {
    int (*next)(int) = dlsym(RTLD_NEXT, "fdatasync");
    wait_for_the_disk();
    return next(fd);
}
"""
Result = Mapping[str, Any]
_SESSIONS = "ours, sessions"


@dataclass
class Bench:
    """Where things are, and what was found so far."""

    folder: Path
    n: int
    runs: int
    peers: Path | None
    python: Path
    environment: Mapping[str, str] = field(default_factory=lambda: dict(os.environ))
    found: dict[str, list[Result]] = field(default_factory=dict)
    count: int = 0

    def fresh(self) -> Path:
        self.count += 1
        return self.folder / f"{self.count}"

    def ours(self, what: str, *words: object) -> list[str]:
        worker = [sys.executable, "-m", "tests.benchmarks.engine_worker", what]
        return [*worker, "--store", str(self.fresh()), *map(str, words)]

    def peer(self, script: str, *words: object) -> list[str]:
        assert self.peers is not None
        return [str(self.python), str(self.peers / script), *map(str, words)]

    def measure(self, name: str, command: Sequence[str]) -> Result:
        done = subprocess.run(
            command, env=self.environment, stdout=subprocess.PIPE, text=True, check=True
        )
        line = next(text for text in done.stdout.splitlines() if text.startswith("RESULT "))
        result: Result = json.loads(line.removeprefix("RESULT "))
        self.found.setdefault(name, []).append(result)
        return result

    def median(self, name: str, key: str = "steps_s") -> float:
        return statistics.median(float(result[key]) for result in self.found[name])


def one_after_the_other(bench: Bench) -> None:
    """One run, one no-op step after the other, in a round shuffled with the peers."""
    counted = bench.measure("counted", bench.ours("seq", "--n", bench.n, "--counted"))
    load = json.dumps(counted["per_step"])
    jobs: list[tuple[str, Callable[[], list[str]]]] = [
        ("ours", lambda: bench.ours("seq", "--n", bench.n)),
        ("bare sqlite3", lambda: bench.ours("floor", "--n", bench.n, "--per-step", load)),
    ]
    if bench.peers is not None:
        lg = ("--n", bench.n, "--durability", "sync", "--db")
        jobs += [
            ("LangGraph sync", lambda: bench.peer("lg.py", "seq", *lg, bench.fresh())),
            (
                "DBOS",
                lambda: bench.peer("dbos_b.py", "seq", "--n", bench.n, "--url", bench_url(bench)),
            ),
        ]
    random.shuffle(jobs)
    for name, command in jobs:
        bench.measure(name, command())


def many_at_once(bench: Bench) -> None:
    """Many runs of ten steps at once: of one agent each, as the peers' runs have one state, and
    with a new session for each step, which has no counterpart there."""
    shape = ("--wf", bench.runs, "--steps", 10)
    size = ("--runs", bench.runs, "--n", 10)
    jobs: list[tuple[str, Callable[[], list[str]]]] = [
        ("ours", lambda: bench.ours("conc", *size)),
        (_SESSIONS, lambda: bench.ours("sessions", *size)),
    ]
    if bench.peers is not None:
        jobs += [
            ("LangGraph", lambda: bench.peer("lg.py", "conc", *shape, "--db", bench.fresh())),
            ("DBOS", lambda: bench.peer("dbos_b.py", "conc", *shape, "--url", bench_url(bench))),
        ]
    random.shuffle(jobs)
    for name, command in jobs:
        bench.measure(name, command())


def bench_url(bench: Bench) -> str:
    return f"sqlite:///{bench.fresh()}.db"


def with_history(store: Path, events: int) -> None:
    """A store with the journal and the rows of runs that are over."""
    connection = open_for_writing(StorePaths(store).database)
    names, packer = Names(connection), Packer()
    connection.execute("BEGIN")
    seq = number = 0
    while seq < events:
        number += 1
        run_id = f"r-{number:07}"
        for payload in (*story(run_id), moved(TaskState.CANCELED)):
            seq += 1
            fields = packer.pack(to_fields(payload))
            entry = (seq, microseconds(START), run_id, "tr", payload.type, b"", fields)
            insert_entries(connection, names, [entry])
        doc = a_run(run_id).model_copy(update={"state": TaskState.CANCELED}).model_dump_json()
        connection.execute("INSERT INTO runs VALUES (?,?,'canceled',?)", (run_id, run_id, doc))
    recipe = (RECIPE.digest, RECIPE.workflow.name, RECIPE.model_dump_json())
    connection.execute("INSERT INTO recipes VALUES (?,'',?,?)", recipe)
    connection.execute("COMMIT")
    connection.close()


def after_a_kill(bench: Bench, runs: int, history: int = 0) -> tuple[float, int]:
    """Seconds from the start of a new process to its first step; steps that were repeated."""
    store = bench.fresh()
    if history:
        with_history(store, history)
    effects = store.with_suffix(".effects")
    words = ("--store", store, "--effects", effects, "--runs", runs, "--n", 1_000)
    command = [sys.executable, "-m", "tests.benchmarks.start_worker", "crash", *map(str, words)]
    first = subprocess.Popen(command, env=bench.environment, stdout=subprocess.DEVNULL)
    while not effects.exists() or len(effects.read_text().splitlines()) < 3 * runs:
        time.sleep(0.05)
    time.sleep(random.uniform(0.2, 0.6))
    first.send_signal(signal.SIGKILL)
    first.wait()
    before = effects.read_text().splitlines()
    began = time.monotonic_ns()
    second = subprocess.Popen(command, env=bench.environment, stdout=subprocess.DEVNULL)
    while len(effects.read_text().splitlines()) == len(before):
        time.sleep(0.002)
    second.send_signal(signal.SIGKILL)
    second.wait()
    after = effects.read_text().splitlines()
    seconds = (int(after[len(before)].split()[2]) - began) / 1e9
    done = [tuple(line.split()[:2]) for line in after]
    return seconds, len(done) - len(set(done))


def live(bench: Bench) -> None:
    for rate in (0, 10):
        bench.measure(f"live {rate}", bench.ours("live", "--runs", 100, "--rate", rate))


def table(bench: Bench, floor: str = "") -> None:
    print(f"  {'':16} {'steps/s':>9} {'ours is':>9} {'peak MB':>8} {'bytes/step':>11}")
    mine = bench.median("ours")
    for name in ("ours", _SESSIONS, "bare sqlite3", "LangGraph sync", "LangGraph", "DBOS"):
        if name not in bench.found:
            continue
        rate, memory = bench.median(name), bench.median(name, "rss")
        results = bench.found[name]
        size = f"{bench.median(name, 'bytes_step'):.0f}" if "bytes_step" in results[0] else ""
        print(f"  {name:16} {rate:9.0f} {mine / rate:8.2f}x {memory:8.0f} {size:>11}")


def shim(folder: Path, milliseconds: int) -> str:
    """A library that makes fsync slower; compiled here."""
    source, library = folder / "slow.c", folder / "slow.so"
    source.write_text(_SHIM.replace("MS", str(milliseconds)))
    command = ["cc", "-shared", "-fPIC", "-o", str(library), str(source), "-ldl"]
    subprocess.run(command, check=True)
    return str(library)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--n", type=int, default=500)
    parser.add_argument("--runs", type=int, default=200)
    parser.add_argument("--slow", type=int, default=3, help="milliseconds; 0 leaves it out")
    parser.add_argument("--history", type=int, default=1_000_000, help="events")
    parser.add_argument("--peers", type=Path)
    parser.add_argument("--python", type=Path, default=Path(sys.executable))
    a = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)

        def bench(n: int = a.n, **environment: str) -> Bench:
            made = {**os.environ, "PYTHONPYCACHEPREFIX": str(folder / "compiled"), **environment}
            made.pop("PYTHONDONTWRITEBYTECODE", None)
            return Bench(folder, n, a.runs, a.peers, a.python, made, count=random.getrandbits(40))

        slow = {"LD_PRELOAD": shim(folder, a.slow)} if a.slow else {}
        for title, one in (("", bench()), (f", {a.slow} ms more per fsync", bench(200, **slow))):
            if title and not a.slow:
                continue
            for _ in range(a.rounds):
                one_after_the_other(one)
            print(f"One run, one step after the other{title}:", flush=True)
            table(one)
        many = bench()
        for _ in range(a.rounds):
            many_at_once(many)
        print(f"{a.runs} runs of 10 steps at once:", flush=True)
        table(many)
        for runs, history in ((1, 0), (100, 0), (1, a.history), (1000, a.history)):
            found = [after_a_kill(bench(), runs, history) for _ in range(a.rounds)]
            seconds = statistics.median(seconds for seconds, _ in found)
            repeated = max(again for _, again in found)
            print(
                f"SIGKILL with {runs} runs, after {history} events of others: "
                f"first new step after {seconds:.2f} s, ",
                end="",
            )
            print(f"{repeated} steps made again (in flight: {runs})", flush=True)
        sessions = bench()
        live(sessions)
        (idle,), (busy,) = sessions.found["live 0"], sessions.found["live 10"]
        print(
            f"100 live sessions: idle {idle['cpu']:.1%} of a core, {busy['events_s']:.0f} events/s"
        )
        print(f"  at {busy['us_event']:.0f} µs of CPU each, {busy['rss']:.0f} MB", flush=True)


if __name__ == "__main__":
    main()
