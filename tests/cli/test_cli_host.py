"""Hosting without a screen: real processes, signals, races and what a kill leaves behind."""

from __future__ import annotations

import json
import os
import signal
import subprocess
from contextlib import ExitStack
from pathlib import Path

import psutil
import pytest

from app.store.paths import StorePaths
from tests.support.programs import run, started
from tests.support.waiting import PATIENCE


def _first_line(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    return process.stdout.readline()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_up_serves_until_it_is_told_to_stop(tmp_path: Path, number: signal.Signals) -> None:
    store = tmp_path / "s"
    with started(store, "up") as host:
        assert f"process {host.pid} hosts {store}" in _first_line(host)
        listed = run(store, "runs", "--json")
        assert json.loads(listed.stdout) == []
        host.send_signal(number)
        _, said = host.communicate(timeout=PATIENCE)
        assert (host.returncode, said) == (0, "")
    assert not StorePaths(store).socket.exists()
    assert run(store, "runs").stdout.startswith("no runs yet")


def test_up_detached_outlives_its_starter_and_down_ends_it(tmp_path: Path) -> None:
    store = tmp_path / "s"
    up = run(store, "up", "--detach", "--json")
    assert up.returncode == 0, up.stderr
    pid = json.loads(up.stdout)["status"]["pid"]
    assert psutil.Process(pid).is_running()
    assert os.getsid(pid) == pid
    assert f"process {pid} hosts" in run(store, "up", "--detach").stdout
    down = run(store, "down")
    assert down.stdout.startswith(f"process {pid} has stopped")
    psutil.wait_procs([psutil.Process(pid)] if psutil.pid_exists(pid) else [], timeout=PATIENCE)
    assert not StorePaths(store).socket.exists()
    assert run(store, "verify").returncode == 0


def test_of_two_hosts_at_once_one_is_refused(tmp_path: Path) -> None:
    store = tmp_path / "s"
    with ExitStack() as stack:
        hosts = [stack.enter_context(started(store, "up")) for _ in range(2)]
        status: dict[str, dict[str, int]] = {}
        for host in hosts:
            if not _first_line(host):  # it said nothing on stdout: it was refused
                assert host.wait(PATIENCE) == 1
                assert host.stderr is not None
                assert "hosts this store already" in host.stderr.read()
        status = json.loads(run(store, "status", "--json").stdout)
        assert status["status"]["pid"] in {host.pid for host in hosts}
        assert sum(host.poll() is None for host in hosts) == 1


def test_after_a_kill_the_next_command_and_the_next_host_go_on(tmp_path: Path) -> None:
    store = tmp_path / "s"
    with started(store, "up") as host:
        _first_line(host)
        host.kill()
        host.wait(PATIENCE)
    assert StorePaths(store).socket.exists()  # left behind, and in nobody's way
    assert run(store, "runs", "--json").stdout == "[]\n"
    with started(store, "up") as host:
        assert "hosts" in _first_line(host)
        assert run(store, "down").returncode == 0
        assert host.wait(PATIENCE) == 0


def test_a_host_that_cannot_start_says_why_in_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    store = tmp_path / "file" / "s"
    for arguments in (["up"], ["up", "--detach"]):
        ran = run(store, *arguments)
        assert ran.returncode == 1
        assert len(ran.stderr.splitlines()) == 1
        assert str(store) in ran.stderr
        assert "Traceback" not in ran.stderr
