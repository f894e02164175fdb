"""Bad stores, sockets, answers, outputs and surroundings: one sentence each, and no traceback."""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import signal
import socket
import sqlite3
import subprocess
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from app.store.paths import StorePaths
from tests.support.asked import Person
from tests.support.programs import LONGWATCH, started
from tests.support.waiting import PATIENCE


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store with a finished run; tests work on copies."""
    folder = tmp_path_factory.mktemp("done")
    person = Person(folder, folder / "demo" / "store")
    ran = person("demo", "--headless", "--decide", "approve", "--speed", "200", "--keep", "demo")
    assert ran.code == 0, ran.err
    return person.store


@pytest.fixture
def person(done: Path, tmp_path: Path) -> Person:
    """Somebody with a copy of that store."""
    shutil.copytree(done, tmp_path / "store", ignore=shutil.ignore_patterns("*.sock"))
    return Person(tmp_path, tmp_path / "store")


# ---- the store


def test_a_file_in_the_way_of_the_store(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("mine")
    person = Person(tmp_path, tmp_path / "file")
    says = f"{person.store} is a file, and a store is a folder; choose another with --store"
    assert person("runs").complaint.startswith(says)
    assert person("up", "--store", "file").complaint.startswith(says)
    below = Person(tmp_path, tmp_path / "file" / "store")
    says = f"{below.store}: the store cannot be written (Not a directory); choose another"
    assert below("up").complaint.startswith(says)
    doctor = below("doctor")
    assert doctor.code == 1
    assert f"store: {tmp_path / 'file'} is a file, and a store is a folder" in doctor.out
    assert (tmp_path / "file").read_text() == "mine"


def test_a_store_where_no_folder_can_be_made() -> None:
    if not Path("/proc/self").exists():
        pytest.skip("there is no /proc here, where nobody can make a folder")
    said = Person(Path("/"), Path("/proc/longwatch"))("up").complaint
    assert said.startswith("/proc/longwatch: the store cannot be written (")


def test_a_store_that_is_read_only(person: Person) -> None:
    """A read-only mount in a name space of its own: it binds root as well."""
    store = person.store
    mount = f"mount --bind {store} {store} && mount -o remount,ro,bind {store}"
    if subprocess.run(["unshare", "-m", "sh", "-c", mount], capture_output=True).returncode:
        pytest.skip("no read-only mount can be made here")
    for command in ("runs", "up", "up --detach"):
        line = f"{mount} && exec {' '.join(LONGWATCH)} {command}"
        ran = subprocess.run(
            ["unshare", "-m", "sh", "-c", line],
            env=person.environment,
            capture_output=True,
            text=True,
        )
        assert ran.returncode == 1
        assert ran.stderr.count("\n") == 1
        assert f"{store}: " in ran.stderr
        assert "cannot be written (Read-only file system); choose another" in ran.stderr


def test_a_store_of_a_newer_version_is_left_alone(person: Person) -> None:
    database = StorePaths(person.store).database
    with closing(sqlite3.connect(database)) as connection:
        connection.execute("PRAGMA user_version=99")
    before = database.read_bytes()
    for command in (["runs"], ["verify"], ["up"]):
        said = person(*command).complaint
        assert said.startswith(f"{database}: was written by a newer Longwatch (schema 99, ")
        assert said.endswith("; upgrade Longwatch, or choose another --store")
    assert f"store: {database}: was written by a newer" in person("doctor").out
    assert database.read_bytes() == before


@pytest.mark.parametrize("how", ["text", "pages"])
def test_a_damaged_store_is_told_looked_at_and_left_alone(person: Person, how: str) -> None:
    database = StorePaths(person.store).database
    data = bytearray(database.read_bytes())
    if how == "pages":
        for start in range(4096 * 3, len(data) - 4096, 8192):
            data[start : start + 4096] = b"\x5a" * 4096
    database.write_bytes({"text": b"hello"}.get(how, bytes(data)))
    before = database.read_bytes()
    said = person("runs").complaint
    assert said.startswith(f"{database}: ")
    seen = person("verify")
    assert seen.code == 1
    assert "PROBLEM: " in seen.out
    assert seen.err == f"longwatch: {said}\n"
    assert f"store: {said}" in person("doctor").out
    assert database.read_bytes() == before


@pytest.fixture(scope="module")
def killed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The demonstration's folder, killed while a review waits; tests work on its store."""
    folder = tmp_path_factory.mktemp("killed") / "demo"
    person = Person(folder.parent, folder / "store")
    with started(person.store, *_demo(folder)) as host:
        _waiting(person, "reviews")
        os.killpg(host.pid, signal.SIGKILL)
        host.wait()
    return folder


def _demo(folder: Path) -> tuple[str | Path, ...]:
    return ("demo", "--headless", "--speed", "200", "--keep", folder)


def test_a_full_disk_is_told_and_nothing_said_to_be_done_before_it_is(
    killed: Path, tmp_path: Path
) -> None:
    """A small disk of its own: the store on it is full, then has room again."""
    script = """
        mount -t tmpfs -o size=8m,mode=0700 none here || exit 77
        cp -r "$1/." here && longwatch up --detach >/dev/null || exit 78
        dd if=/dev/zero of=here/filling bs=1k count=100000 2>/dev/null
        longwatch cancel r-; echo "$?"
        rm here/filling
        until longwatch runs --json | grep -q '"canceled"'; do sleep 0.1; done
        longwatch down >/dev/null
        dd if=/dev/zero of=here/filling bs=1k count=100000 2>/dev/null
        longwatch up --detach; echo "$?"
    """
    (tmp_path / "here").mkdir()
    (tmp_path / "script").write_text(
        f'longwatch() {{ {" ".join(LONGWATCH)} "$@"; }}\n{script}', encoding="utf-8"
    )
    person = Person(tmp_path, tmp_path / "here")
    ran = subprocess.run(
        ["unshare", "-m", "bash", "script", os.fspath(killed / "store")],
        cwd=tmp_path,
        env=person.environment,
        capture_output=True,
        text=True,
    )
    if ran.returncode == 77 or "unshare" in ran.stderr:
        pytest.skip("no small disk can be made here")
    database = StorePaths(person.store).database
    assert ran.stdout == "1\n1\n", ran
    told, refused = ran.stderr.splitlines()
    assert told.startswith(f"longwatch: {database}: the store cannot be written: ")
    assert "full; runs are paused; this is not recorded yet: it will be once it can be" in told
    assert refused.startswith("longwatch: the supervisor did not start: ")
    assert "the disk" in refused and "is full" in refused


def test_damaged_read_models_are_rebuilt_and_runs_go_on(killed: Path) -> None:
    person = Person(killed.parent, killed / "store")
    database = StorePaths(person.store).database
    with closing(sqlite3.connect(database)) as connection, connection:
        connection.execute("DELETE FROM runs")
        connection.execute("UPDATE recipes SET doc='{'")
        connection.execute("INSERT INTO rules VALUES ('ru-1', '', '', '{')")
    damage = person("runs").complaint
    assert damage.startswith(f"{database}: there are 0 rows of runs (the journal has 1); ")
    assert damage.endswith("and `longwatch rebuild` makes read models anew from the journal")
    looked = person("rebuild", "--dry-run")
    assert (looked.code, looked.err) == (0, "")
    assert looked.out.startswith("would be mended: runs (1 missing), recipes (")
    assert "`longwatch rebuild` makes the read models anew" in person("verify").out
    mended = json.loads(person("rebuild", "--json").out)
    assert [found["table"] for found in mended["differences"]] == ["runs", "recipes", "rules"]
    assert person(*_demo(killed), "--decide", "approve").code == 0


def test_a_database_that_is_gone_is_no_store_that_was_never_made(person: Person) -> None:
    paths = StorePaths(person.store)
    paths.database.unlink()
    for command in ("runs", "verify"):
        said = person(command).complaint
        assert said.startswith(f"{paths.database}: the database is gone or empty, but ")
    assert "the database is gone or empty" in person("doctor").out


def test_a_store_held_by_a_process_that_does_not_answer(person: Person) -> None:
    paths = StorePaths(person.store)
    with closing(socket.socket(socket.AF_UNIX)) as dead, paths.lock.open("r+") as lock:
        dead.bind(os.fspath(paths.socket))
        fcntl.flock(lock, fcntl.LOCK_EX)
        says = f"{person.store}: the store is held by process "
        for command in ("status", "down", "runs"):  # the last one waits for it to listen
            said = person(command).complaint
            assert said.startswith(says)
            assert f"which does not answer at {paths.socket}; wait until it is done" in said
    dead.close()
    assert person("runs").code == 0


@pytest.mark.parametrize(
    ("hello", "says"),
    [
        (
            b'{"protocol": 99, "longwatch": "9.0", "pid": 4711, "new": 1}\n',
            "the supervisor (process 4711) is Longwatch 9.0 and this is ",
        ),
        (b"HTTP/1.1 400 Bad Request\n", "who listens here is not a supervisor; stop it, or"),
    ],
)
def test_a_socket_of_something_else(person: Person, hello: bytes, says: str) -> None:
    path = StorePaths(person.store).socket
    with _listener(path, hello):
        for command in (["runs"], ["up"], ["down"]):
            assert person(*command).complaint.startswith(f"{path}: {says}")
    assert person("runs").code == 0


@contextmanager
def _listener(path: Path, hello: bytes) -> Iterator[None]:
    """A process of its own that says `hello` to everybody."""
    code = (
        "import socket, sys\n"
        "s = socket.socket(socket.AF_UNIX); s.bind(sys.argv[1]); s.listen(); print(flush=True)\n"
        "kept = []\n"
        "while True:\n"
        "    c, _ = s.accept(); kept.append(c); c.sendall(bytes.fromhex(sys.argv[2]))\n"
    )
    process = subprocess.Popen(
        ["python3", "-c", code, os.fspath(path), hello.hex()], stdout=subprocess.PIPE
    )
    try:
        assert process.stdout is not None
        process.stdout.readline()
        yield
    finally:
        process.kill()
        process.communicate()


def test_a_second_host_names_the_first(person: Person) -> None:
    with started(person.store, "up") as host:
        assert host.stdout is not None
        host.stdout.readline()
        said = person("up").complaint
        assert said == f"{person.store}: process {host.pid} hosts this store already"
        assert person("down").code == 0
        assert host.wait(PATIENCE) == 0


# ---- answers


def test_answers_that_fit_nothing_change_nothing(tmp_path: Path) -> None:
    person = Person(tmp_path, tmp_path / "d" / "store")
    with started(person.store, "demo", "--headless", "--speed", "200", "--keep", tmp_path / "d"):
        review = _waiting(person, "reviews")["review_id"]
        said = person("approve", "nope").complaint
        assert said == "there is no approval 'nope'; `longwatch approvals --all` lists them"
        assert "Missing option '--reason'" in person("deny", "x").usage
        assert "Missing option '--reason'" in person("reject", review).usage
        said = person("reject", review, "--reason", " ").complaint
        assert said == "sending work back needs a reason, for the agent to read"
        assert person("accept", review).code == 0
        said = person("accept", review).complaint
        assert said == f"{review} does not wait for you: it is approved"
        approval = _waiting(person, "approvals")["approval_id"]
        said = person("deny", approval, "--reason", "").complaint
        assert said == "a denial needs a reason, for the agent to read: --reason …"
        assert person("deny", approval, "--reason", "not today").code == 0
        said = person("approve", approval).complaint
        assert said == f"{approval} is not open: it is denied"
        assert "could be any of ap-" in person("approve", "a").complaint


def _waiting(person: Person, what: str) -> dict[str, str]:
    """The first thing that waits, once there is one."""
    begun = time.monotonic()
    while time.monotonic() - begun < PATIENCE:
        ran = person(what, "--json")
        if ran.code == 0 and (found := json.loads(ran.out)):
            first: dict[str, str] = found[0]
            return first
        time.sleep(0.1)
    raise AssertionError(f"no {what}")


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("[[answer", "answers.toml:1: not valid TOML: "),
        ("x = 1", "answers.toml:1: x: unknown key. Allowed: answer, default"),
        ('default = "maybe"', "answers.toml:1: default: "),
    ],
)
def test_a_broken_file_of_decisions(tmp_path: Path, text: str, says: str) -> None:
    (tmp_path / "answers.toml").write_text(text)
    person = Person(tmp_path, tmp_path / "store")
    said = person("demo", "--headless", "--decisions", "answers.toml").complaint
    assert said.startswith(says)
    assert not person.store.exists()


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["watch", "--size", "wide"], "--size: columns x rows, such as 160x48"),
        (["watch", "--size", "0x0"], "--size: from 10x3 to 1000x500"),
        (["nowhere"], "'nowhere' is not one of 'watch', 'approvals', 'reviews', 'questions', "),
    ],
)
def test_a_picture_that_cannot_be(tmp_path: Path, arguments: list[str], says: str) -> None:
    person = Person(tmp_path, tmp_path / "store")
    assert says in person("screenshot", *arguments, "-o", "x.svg").usage


# ---- outputs and surroundings


def test_readers_that_leave_and_outputs_that_are_full(person: Person) -> None:
    ran = person.shell("longwatch events | head -1")
    assert (ran.out.count("\n"), ran.err) == (1, "")
    full = person.shell("longwatch runs --json > /dev/full")
    assert full.complaint == "the output cannot be written: No space left on device"
    assert person.shell("longwatch runs >&-").code == 0
    assert person.shell("longwatch runs 2>&-").out.startswith("run ")


def test_a_locale_without_the_characters_and_no_home(person: Person) -> None:
    ascii_only = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
    ran = person("demo", "--help", **ascii_only)
    assert ran.code == 0
    assert person("show", "r-", **ascii_only).out.startswith("r-")
    bare = person("doctor", HOME=None, LONGWATCH_STORE=None, TERM=None, NO_COLOR="1")
    assert bare.code == 0, bare.err
    assert "\x1b" not in bare.out


@pytest.mark.parametrize("command", [[], ["demo"]])
def test_no_screen_without_a_terminal(tmp_path: Path, command: list[str]) -> None:
    said = Person(tmp_path, tmp_path / "store")(*command).complaint
    assert said.startswith("the control room needs a terminal; in scripts use `longwatch up`")
    assert not (tmp_path / "store").exists()


@pytest.mark.parametrize("after", [0.0, 0.3, None])
def test_ctrl_c_stops_in_order_and_says_how_to_go_on(tmp_path: Path, after: float | None) -> None:
    folder = tmp_path / "demo"
    person = Person(tmp_path, folder / "store")
    with started(person.store, "demo", "--headless", "--speed", "200", "--keep", folder) as demo:
        assert demo.stderr is not None
        if after is None:
            while not demo.stderr.readline().startswith("waits for you"):
                pass
        else:
            while not folder.exists():  # before that it is Python that is stopped, not the demo
                time.sleep(0.005)
            time.sleep(after)
        demo.send_signal(signal.SIGINT)
        _, said = demo.communicate(timeout=PATIENCE)
    assert "Traceback" not in said
    assert demo.returncode == 130
    if after is None:
        assert said.endswith(f"stopped by SIGINT; go on with `longwatch demo --keep {folder}`\n")
        assert person("verify").code == 0
