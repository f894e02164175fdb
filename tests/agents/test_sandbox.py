"""Commands in bubblewrap: what they can write, see and reach; and that nothing runs without it."""

from __future__ import annotations

import os
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from app.agents import sandbox
from app.agents.model import ModelDriver
from app.agents.model.toolbox import Result, Toolbox
from app.agents.protocol import ProcessHost, SessionSpec
from app.cli.doctor import _bwrap
from app.domain.config import parse_config
from app.domain.errors import ConfigError, DriverError
from app.domain.workflow import AgentConfig

_ETC = "/etc/longwatch-was-here"


@pytest.fixture
def elsewhere() -> Iterator[Path]:
    """A folder that is not below /tmp, where everything is hidden anyway."""
    with tempfile.TemporaryDirectory(dir="/var/tmp") as folder:
        yield Path(folder)


def there_are(*paths: Path | str) -> list[str]:
    return [str(path) for path in paths if os.path.lexists(path)]


def a_spec(host: ProcessHost, store: Path) -> SessionSpec:
    agent = AgentConfig(
        name="coder", driver="model", base_url="http://127.0.0.1:9", sandbox="bubblewrap"
    )
    workspace = store / "workspaces" / "r-1" / "work"
    workspace.mkdir(parents=True)
    folder = store / "sessions" / "s-1"
    env = {"PATH": os.environ["PATH"]}
    return SessionSpec("s-1", agent, str(workspace), env, host, str(folder), (str(store),))


async def run(spec: SessionSpec, command: str) -> Result:
    box = Toolbox(spec)
    prepared = await box.prepare("shell", f'{{"command": {command!r}}}'.replace("'", '"'), "c-1")
    try:
        return await box.run(prepared, lambda text: None)
    finally:
        await box.close()


@pytest.mark.bwrap
async def test_a_command_writes_in_its_workspace_only(host: ProcessHost, tmp_path: Path) -> None:
    spec = a_spec(host, tmp_path / "store")
    written = tmp_path.joinpath("store", "workspaces", "r-1", "work", "in.txt")
    outside = tmp_path / "outside"
    result = await run(spec, f"echo in > in.txt; touch {outside} {_ETC}; touch $TMPDIR/t")
    assert written.read_text() == "in\n"
    assert there_are(outside, _ETC) == []
    assert "Read-only file system" in result.text


@pytest.mark.bwrap
async def test_it_sees_no_other_session_and_no_secret(
    host: ProcessHost, elsewhere: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = elsewhere / "home"
    (home / ".ssh").mkdir(parents=True)
    (home / ".ssh" / "id_rsa").write_text("planted-key")
    (home / ".netrc").write_text("planted-password")
    (home / "notes").write_text("readable")
    monkeypatch.setenv("HOME", str(home))
    other = elsewhere / "store" / "workspaces" / "r-2"
    other.mkdir(parents=True)
    (other / "mine.txt").write_text("of another session")
    (elsewhere / "store" / "longwatch.db").write_text("journal")
    spec = a_spec(host, elsewhere / "store")
    result = await run(
        spec, f"cat {home}/.ssh/id_rsa {home}/.netrc {home}/notes; find {elsewhere}/store -type f"
    )
    assert "readable" in result.text and "planted" not in result.text
    assert "mine.txt" not in result.text and "longwatch.db" not in result.text


@pytest.mark.bwrap
async def test_no_socket_of_the_machine_is_to_be_reached(host: ProcessHost, tmp_path: Path) -> None:
    """Docker's socket is as good as root, and a read-only file system does not close it."""
    name = f"/run/longwatch-{os.getpid()}.sock"
    if not os.access("/run", os.W_OK):
        pytest.skip("only root can put a socket there")
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(name)
        listening.listen()
        try:
            result = await run(a_spec(host, tmp_path / "store"), "find /run /var/run/ -type s")
        finally:
            os.unlink(name)  # noqa: PTH108
    assert result.ok and ".sock" not in result.text


@pytest.mark.bwrap
async def test_it_has_no_network_and_takes_its_children_along(
    host: ProcessHost, tmp_path: Path
) -> None:
    spec = a_spec(host, tmp_path / "store")
    said = await run(spec, "cat /proc/net/dev | tail -n +3 | cut -d: -f1; sleep 300 & exit 4")
    assert said.text.split() == ["lo", "[exit", "code", "4]"] and said.exit_code == 4


@pytest.mark.bwrap
def test_what_is_made_visible_can_be_read(tmp_path: Path) -> None:
    file = tmp_path / "output"
    file.write_text("handed over")
    (tmp_path / "work").mkdir()
    work = str(tmp_path / "work")
    line = sandbox.confined(["cat", str(file)], workspace=work, cwd=work, visible=[str(file)])
    ran = subprocess.run(line, capture_output=True, text=True, check=True)
    assert ran.stdout == "handed over"


@pytest.mark.bwrap
def test_doctor_tries_it() -> None:
    check = _bwrap()
    assert check.result == "ok" and check.found.startswith("bubblewrap ")


async def test_without_the_program_nothing_runs(
    host: ProcessHost, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LONGWATCH_BWRAP", str(tmp_path / "gone"))
    spec = a_spec(host, tmp_path / "store")
    with pytest.raises(DriverError, match=r'^agent coder: sandbox = "bubblewrap" needs'):
        await ModelDriver().open(spec)
    result = await run(spec, "touch ran")
    assert not result.ok and "without it nothing is run" in result.text
    assert not (Path(spec.workspace) / "ran").exists()
    check = _bwrap()
    assert (check.result, check.found) == ("note", "not found")


@pytest.mark.parametrize("driver", ["codex", "scripted"])
def test_who_has_no_such_sandbox_is_told_at_loading(driver: str) -> None:
    more = 'script = "x"\n' if driver == "scripted" else ""
    text = f'[[agent]]\nname = "a"\ndriver = "{driver}"\n{more}sandbox = "bubblewrap"\n'
    with pytest.raises(ConfigError, match=r'"bubblewrap" is only for drivers "acp" and "model"'):
        parse_config(text, "c.toml")
