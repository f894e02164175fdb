"""The built-in agent's tools: shown before they act, inside the workspace, their output capped."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import psutil
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from app.agents.model.toolbox import OUTPUT_CAP, Prepared, Result, Toolbox, Unusable, middle_cut
from app.agents.workspace_files import Outside, inside
from app.domain.request import Risk
from app.domain.risk import assess
from app.domain.toolcall import FileChange, ToolKind
from tests.agents.model.conftest import Spec
from tests.agents.playing import Journal


@pytest.fixture
async def box(spec: Spec) -> Toolbox:
    return Toolbox(spec())


async def ready(box: Toolbox, name: str, **arguments: object) -> Prepared:
    return await box.prepare(name, json.dumps(arguments), "c-1")


async def do(box: Toolbox, name: str, **arguments: object) -> Result:
    return await box.run(await ready(box, name, **arguments), lambda text: None)


async def refused(box: Toolbox, name: str, **arguments: object) -> str:
    with pytest.raises(Unusable) as caught:
        await ready(box, name, **arguments)
    return str(caught.value)


# ---- files


async def test_an_edit_shows_what_it_writes(box: Toolbox, workspace: Path) -> None:
    (workspace / "a.py").write_text("one\ntwo\nthree\n")
    prepared = await ready(box, "edit_file", path="a.py", old="two", new="2")
    (change,) = prepared.call.changes
    assert prepared.call.kind is ToolKind.EDIT and prepared.call.title == "update a.py"
    assert change.path == str(workspace / "a.py")
    assert "-two\n+2\n" in change.diff
    assert (workspace / "a.py").read_text() == "one\ntwo\nthree\n"
    assert (await box.run(prepared, print)).ok
    assert (workspace / "a.py").read_text() == "one\n2\nthree\n"


async def test_a_file_that_changed_since_it_was_shown_is_left_alone(
    box: Toolbox, workspace: Path
) -> None:
    (workspace / "a.py").write_text("one\ntwo\n")
    prepared = await ready(box, "edit_file", path="a.py", old="two", new="2")
    (workspace / "a.py").write_text("ONE\ntwo\n")
    result = await box.run(prepared, print)
    assert result.text == "a.py has changed since the edit was shown; read it and edit again"
    assert (workspace / "a.py").read_text() == "ONE\ntwo\n"


async def test_an_edit_has_one_meaning(box: Toolbox, workspace: Path) -> None:
    (workspace / "a.py").write_text("x x\n")
    assert "`old` stands 2 times" in await refused(box, "edit_file", path="a.py", old="x", new="y")
    assert "does not stand in a.py" in await refused(
        box, "edit_file", path="a.py", old="z", new="y"
    )
    assert "are the same" in await refused(box, "edit_file", path="a.py", old="x x", new="x x")
    assert (await do(box, "edit_file", path="a.py", old="x", new="y", every=True)).ok
    assert (workspace / "a.py").read_text() == "y y\n"


async def test_a_new_file_is_shown_whole(box: Toolbox, workspace: Path) -> None:
    prepared = await ready(box, "write_file", path="deep/er/new.txt", content="hello\n")
    assert prepared.call.changes == (
        FileChange(path=str(workspace / "deep/er/new.txt"), change="add", diff="hello\n"),
    )
    assert (await box.run(prepared, print)).ok
    assert (workspace / "deep/er/new.txt").read_text() == "hello\n"


async def test_reading_is_by_lines(box: Toolbox, workspace: Path) -> None:
    (workspace / "a.txt").write_text("".join(f"line {n}\n" for n in range(1, 11)))
    assert (await do(box, "read_file", path="a.txt", line=9)).text == "line 9\nline 10\n"
    part = await do(box, "read_file", path="a.txt", line=2, limit=2)
    assert part.text == "line 2\nline 3\n[lines 2 to 3 of 10]"
    beyond = await do(box, "read_file", path="a.txt", line=11)
    assert (beyond.text, beyond.ok) == ("a.txt has 10 lines", False)
    (workspace / "b.bin").write_bytes(b"\0\1")
    assert (await do(box, "read_file", path="b.bin")).text == "b.bin is not a text file"
    assert (await do(box, "read_file", path="gone")).text == "there is no file gone"


async def test_listing_and_searching(box: Toolbox, workspace: Path) -> None:
    (workspace / "src" / "deep" / "deeper").mkdir(parents=True)
    (workspace / "src" / "deep" / "a.py").write_text("needle\n")
    (workspace / "src" / "b.txt").write_text("a Needle\n")
    (workspace / ".git").mkdir()
    (workspace / ".git" / "config").write_text("needle\n")
    listed = await do(box, "list_files")
    assert listed.text == ".git/\nsrc/\nsrc/b.txt\nsrc/deep/"
    assert (await do(box, "list_files", path="src/deep")).text == "a.py\ndeeper/"
    assert (await do(box, "search", pattern="needle")).text == "src/deep/a.py:1:needle\n"
    both = (await do(box, "search", pattern="n(e)+dle$", ignore_case=True)).text
    assert sorted(both.splitlines()) == ["src/b.txt:1:a Needle", "src/deep/a.py:1:needle"]
    assert (await do(box, "search", pattern="e", glob="*.txt")).text == "src/b.txt:1:a Needle\n"
    assert (await do(box, "search", pattern="-e -f /etc/passwd")).text == "nothing found"
    assert not (await do(box, "search", pattern="(")).ok


@pytest.mark.parametrize("name", ["read_file", "list_files", "write_file", "edit_file"])
async def test_nothing_outside_the_workspace_is_touched(
    box: Toolbox, workspace: Path, tmp_path: Path, name: str
) -> None:
    (tmp_path / "secret").mkdir()
    (tmp_path / "secret" / "key").write_text("old")
    (workspace / "link").symlink_to(tmp_path / "secret")
    (workspace / "file-link").symlink_to(tmp_path / "secret" / "key")
    more = {"write_file": {"content": "x"}, "edit_file": {"old": "old", "new": "new"}}.get(name, {})
    for path in ("../secret/key", "link/key", "file-link", str(tmp_path / "secret" / "key")):
        assert "outside this session's workspace" in await refused(box, name, path=path, **more)
    assert (tmp_path / "secret" / "key").read_text() == "old"


_PART = st.sampled_from(["..", ".", "a", "out", "in", "", "a/b", "~", "\0", "é", "out/x", " "])


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(parts=st.lists(_PART, min_size=1, max_size=6), rooted=st.booleans())
@example(parts=["in", "..", "..", "out"], rooted=False)
def test_no_path_leads_out(tmp_path: Path, parts: list[str], rooted: bool) -> None:
    root, other = tmp_path / "root", tmp_path / "other"
    for folder in (root / "a" / "b", other / "x"):
        folder.mkdir(parents=True, exist_ok=True)
    for name, target in (("out", other), ("in", root / "a")):
        if not (root / name).is_symlink():
            (root / name).symlink_to(target)
    text = "/".join(parts)
    try:
        place = inside(str(root), f"/{text}" if rooted else text)
    except Outside:
        return
    assert place.is_relative_to(root.resolve()) and place.resolve() == place


# ---- commands


async def test_a_command_tells_its_exit_and_both_streams(box: Toolbox) -> None:
    heard: list[str] = []
    prepared = await ready(box, "shell", command="echo out; echo err >&2; exit 3")
    result = await box.run(prepared, heard.append)
    assert result == Result("out\nerr\n\n[exit code 3]", "failed", 3)
    assert "".join(heard) == "out\nerr\n\n[exit code 3]"
    assert (await do(box, "shell", command="true")).text == "[no output]"
    killed = await do(box, "shell", command="kill -9 $$")
    assert killed.exit_code == 137


async def test_a_command_is_ended_in_time_with_all_it_started(
    box: Toolbox, journal: Journal
) -> None:
    result = await do(box, "shell", command="echo hi; sleep 300 & sleep 300", timeout_seconds=2)
    assert result.text == "hi\n\n[ended after 2 s: timeout_seconds]" and not result.ok
    assert not any(psutil.pid_exists(pid) for pid in journal.pids)


async def test_endless_output_is_cut_in_the_middle(box: Toolbox) -> None:
    result = await do(box, "shell", command="seq 1 400000", timeout_seconds=120)
    assert len(result.text) < OUTPUT_CAP + 100
    assert "left out …]" in result.text and result.text.endswith("\n400000\n")


async def test_it_has_no_input_to_wait_for(box: Toolbox) -> None:
    assert (await do(box, "shell", command="cat; echo done", timeout_seconds=120)).text == "done\n"


async def test_processes_live_until_they_are_ended(box: Toolbox, journal: Journal) -> None:
    assert (
        await do(box, "process_start", command="cat; echo over")
    ).text == "started as terminal-1"
    await do(box, "process_write", process="terminal-1", text="hello")
    polled = ""
    while "hello" not in polled:
        polled = (await do(box, "process_poll", process="terminal-1")).text
    assert "[terminal-1 runs]" in polled
    assert (await do(box, "process_list")).text == "terminal-1: runs: cat; echo over"
    await do(box, "process_write", process="terminal-1", text="bye", end=True)
    last = (await do(box, "process_poll", process="terminal-1", wait_seconds=20)).text
    assert last == "bye\nover\n\n[terminal-1 ended with exit code 0]"
    late = await do(box, "process_write", process="terminal-1", text="x")
    assert late.text == "terminal-1 takes no more input" and not late.ok
    await do(box, "process_start", command="sleep 300")
    assert (await do(box, "process_kill", process="terminal-2")).text == "terminal-2 is ended"
    unknown = await do(box, "process_poll", process="terminal-2")
    assert unknown.text == "this session has no terminal 'terminal-2'"
    await do(box, "process_start", command="sleep 300")
    await box.close()
    assert not any(psutil.pid_exists(pid) for pid in journal.pids)


async def test_another_session_has_processes_of_its_own(box: Toolbox, spec: Spec) -> None:
    other = Toolbox(spec())
    await do(box, "process_start", command="sleep 300")
    assert (await do(other, "process_list")).text == "none"
    assert not (await do(other, "process_kill", process="terminal-1")).ok
    assert (await do(box, "process_list")).text == "terminal-1: runs: sleep 300"
    await box.close()


# ---- what the policy sees


@pytest.mark.parametrize(
    ("name", "arguments", "risk"),
    [
        ("read_file", {"path": "a.txt"}, Risk.LOW),
        ("list_files", {}, Risk.LOW),
        ("search", {"pattern": "x"}, Risk.LOW),
        ("write_file", {"path": "a.txt", "content": "x"}, Risk.MEDIUM),
        ("write_file", {"path": ".git/hooks/pre-commit", "content": "x"}, Risk.HIGH),
        ("shell", {"command": "git status"}, Risk.LOW),
        ("shell", {"command": "git push --force"}, Risk.CRITICAL),
        ("process_start", {"command": "sudo reboot"}, Risk.CRITICAL),
        ("process_list", {}, Risk.LOW),
        ("process_poll", {"process": "terminal-1"}, Risk.LOW),
        ("process_write", {"process": "terminal-1", "text": "rm -rf /"}, Risk.HIGH),
        ("fetch", {"url": "http://127.0.0.1:1/x"}, Risk.MEDIUM),
        ("fetch", {"url": "https://example.org/x"}, Risk.HIGH),
    ],
)
async def test_the_risk_of_a_call(
    box: Toolbox, workspace: Path, name: str, arguments: dict[str, str], risk: Risk
) -> None:
    prepared = await ready(box, name, **arguments)
    assert assess(prepared.call, str(workspace)).risk.rank >= risk.rank
    if risk is not Risk.HIGH:
        assert assess(prepared.call, str(workspace)).risk is risk


# ---- the web


class _Pages(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        status, kind, body = {
            "/page": (200, "text/html; charset=latin-1", b"caf\xe9"),
            "/image": (200, "image/png", b"\x89PNG"),
            "/gone": (404, "text/plain", b"nothing here"),
            "/big": (200, "text/plain", b"x" * 5_000_000),
        }.get(self.path, (302, "text/plain", b""))
        self.send_response(status)
        self.send_header("Content-Type", kind)
        if status == 302:
            self.send_header("Location", "http://elsewhere.invalid/")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        try:
            self.wfile.write(body)
        except ConnectionError:
            return  # it has read enough

    def log_message(self, format: str, *args: object) -> None:
        return


@pytest.fixture
def web() -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Pages)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    yield f"http://127.0.0.1:{server.server_address[1]}"
    server.shutdown()
    thread.join()
    server.server_close()


async def test_fetching(box: Toolbox, web: str) -> None:
    assert (await do(box, "fetch", url=f"{web}/page")).text == "café"
    assert "is no text: image/png" in (await do(box, "fetch", url=f"{web}/image")).text
    gone = await do(box, "fetch", url=f"{web}/gone")
    assert not gone.ok and "HTTP 404: nothing here" in gone.text
    moved = await do(box, "fetch", url=f"{web}/moved")
    assert moved.text == "HTTP 302: it redirects to http://elsewhere.invalid/"
    assert len((await do(box, "fetch", url=f"{web}/big")).text) < OUTPUT_CAP + 100
    assert not (await do(box, "fetch", url="http://127.0.0.1:9/")).ok
    assert "String should match" in await refused(box, "fetch", url="file:///etc/passwd")


def test_the_middle_is_cut() -> None:
    assert middle_cut("short") == "short"
    long = "a" * OUTPUT_CAP + "the end"
    assert middle_cut(long).startswith("a" * 100) and middle_cut(long).endswith("the end")
    assert "[… 7 characters left out …]" in middle_cut(long)
