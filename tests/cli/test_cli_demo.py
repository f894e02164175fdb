"""The demonstration without a screen: to its end, refused, interrupted, killed and gone on with."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from pathlib import Path

import pytest
from pydantic import TypeAdapter

from app.domain.run import RunState
from app.domain.task_state import TaskState
from tests.support.programs import run, started
from tests.support.waiting import PATIENCE


def _demo(folder: Path, decide: str = "approve", speed: str = "50") -> list[str | Path]:
    return ["demo", "--headless", "--json", "--decide", decide, "--speed", speed, "--keep", folder]


def _result(ran: subprocess.CompletedProcess[str]) -> RunState:
    assert ran.stdout, ran.stderr
    return TypeAdapter(RunState).validate_json(ran.stdout)


def test_approved_to_its_end(tmp_path: Path) -> None:
    ran = run(tmp_path / "unused", *_demo(tmp_path / "demo"))
    assert ran.returncode == 0, ran.stderr
    state = _result(ran)
    assert state.run.state is TaskState.DONE
    assert [a.cause for a in state.attempts.values() if a.step == "plan"] == ["first", "rejected"]
    assert [g.passed for a in state.attempts.values() for g in a.gates] == [False, True]
    assert "run is done" in ran.stderr
    assert not (tmp_path / "unused").exists()  # it has a store of its own
    store = tmp_path / "demo" / "store"
    assert run(store, "verify").returncode == 0
    assert "retry" in run(store, "diff", state.run.run_id).stdout
    assert "reject" in run(store, "log", state.run.run_id, "--step", "plan-review").stdout


def test_once_over_the_same_command_tells_the_same(tmp_path: Path) -> None:
    first = run(tmp_path, *_demo(tmp_path / "demo"))
    again = run(tmp_path, *_demo(tmp_path / "demo"))
    before, after = _result(first), _result(again)
    assert (after.run.run_id, after.run.state) == (before.run.run_id, TaskState.DONE)
    assert after.run.head_commit == before.run.head_commit
    assert after.attempts == before.attempts
    assert after.approvals == before.approvals
    assert (tmp_path / "demo" / "pushes.log").read_text().count("\n") == 1


def test_denied_is_not_done(tmp_path: Path) -> None:
    ran = run(tmp_path, *_demo(tmp_path / "demo", "deny"))
    assert ran.returncode == 1
    assert _result(ran).run.state is TaskState.CANCELED
    assert not (tmp_path / "demo" / "pushes.log").exists()


def test_a_decisions_file_answers(tmp_path: Path) -> None:
    file = tmp_path / "answers.toml"
    file.write_text(
        'default = "approve"\n[[answer]]\nkind = "approval"\nmatch = "*git push*"\n'
        'action = "deny"\nreason = "frozen"\n'
    )
    ran = run(
        tmp_path, "demo", "--json", "--decisions", file, "--speed", "50", "--keep", tmp_path / "d"
    )
    assert ran.returncode == 0, ran.stderr
    denied = [a for a in _result(ran).approvals.values() if a.state == "denied"]
    assert [a.decision.reason for a in denied if a.decision] == ["frozen"]
    assert not (tmp_path / "d" / "pushes.log").exists()


def test_both_ways_to_decide_or_a_bad_file_are_told(tmp_path: Path) -> None:
    file = tmp_path / "answers.toml"
    file.write_text('default = "perhaps"\n')
    both = run(tmp_path, "demo", "--decide", "deny", "--decisions", file)
    assert (both.returncode, both.stdout) == (2, "")
    bad = run(tmp_path, "demo", "--decisions", file, "--keep", tmp_path / "d")
    assert bad.returncode == 1
    assert f"{file}:1" in bad.stderr
    assert not (tmp_path / "d").exists()


def _until_it_asks(process: subprocess.Popen[str]) -> None:
    assert process.stderr is not None
    for line in process.stderr:
        if "waits for you" in line:
            return
    raise AssertionError("it never asked")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_stopped_in_order_it_says_how_to_go_on(tmp_path: Path, number: signal.Signals) -> None:
    demo = tmp_path / "demo"
    with started(tmp_path, "demo", "--headless", "--speed", "50", "--keep", demo) as process:
        _until_it_asks(process)
        process.send_signal(number)
        _, said = process.communicate(timeout=PATIENCE)
        assert process.returncode == 128 + number
        assert f"go on with `longwatch demo --keep {demo}`" in said
    assert _processes_in(demo) == []
    assert _result(run(tmp_path, *_demo(demo))).run.state is TaskState.DONE
    assert run(demo / "store", "verify").returncode == 0


def test_answers_from_another_command_are_heard(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LONGWATCH_USER", "ada")
    demo, store = tmp_path / "demo", tmp_path / "demo" / "store"
    with started(tmp_path, "demo", "--headless", "--json", "--keep", demo, "--speed", "50") as one:
        _until_it_asks(one)
        review = json.loads(run(store, "reviews", "--json").stdout)[0]["review_id"]
        assert run(store, "accept", review).returncode == 0
        deadline = time.monotonic() + PATIENCE
        while one.poll() is None and time.monotonic() < deadline:
            for asked in json.loads(run(store, "approvals", "--json").stdout or "[]"):
                run(store, "approve", asked["approval_id"])
        assert one.stdout is not None
        state = TypeAdapter(RunState).validate_json(one.stdout.read())
        assert state.run.state is TaskState.DONE
        answered = {str(a.decision.by) for a in state.approvals.values() if a.decision}
        assert "ada" in answered  # the one who gave the command, by name


def test_a_temporary_demonstration_leaves_nothing_when_it_is_over(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    ran = run(tmp_path / "s", "demo", "--json", "--decide", "approve", "--speed", "100")
    assert ran.returncode == 0, ran.stderr
    assert list(tmp_path.glob("longwatch-demo-*")) == []


def _processes_in(folder: Path) -> list[str]:
    """Processes that work in the folder or were started from it."""
    import psutil

    found = []
    for process in psutil.process_iter(["pid", "cmdline", "cwd"]):
        about = [process.info["cwd"] or "", *(process.info["cmdline"] or [])]
        if process.info["pid"] != os.getpid() and any(str(folder) in text for text in about):
            found.append(" ".join(about))
    return found
