"""Gates: real commands decide, whatever they print and however they end."""

from __future__ import annotations

import asyncio
import hashlib
import tempfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.domain.errors import LongwatchError
from app.domain.gate import Gate
from app.domain.run import GateResult
from app.domain.text import printable
from app.engine import capture
from app.engine.capture import Output
from app.engine.excerpt import excerpt, size_of
from app.engine.gates import LOG_LIMIT
from app.engine.processes import ProcessRegistry
from app.engine.workspaces import Workspaces
from tests.support.children import DAEMON, PYTHON, Journal, orphans
from tests.support.gate_runs import RUN, gate_on
from tests.support.waiting import PATIENCE, Limits, until


@pytest.fixture(autouse=True)
def _own_temp(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "tmp").mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "tmp"))


async def check(
    processes: ProcessRegistry, folder: Path | str, gate: Gate, output: str = "the plan"
) -> GateResult:
    return await gate_on(processes, gate, output, workspace=folder)


def shell(line: str, timeout: float = PATIENCE) -> Gate:
    return Gate(name="tests", shell=line, criteria="all is well", timeout_seconds=timeout)


async def test_exit_zero_passes_and_runs_in_the_workspace(
    processes: ProcessRegistry, journal: Journal, tmp_path: Path
) -> None:
    (tmp_path / "work.txt").write_text("done\n")
    result = await check(processes, tmp_path, Gate(name="tests", command=("cat", "work.txt")))
    assert (result.passed, result.exit_code, result.log) == (True, 0, "done")
    assert result.log_sha256 == hashlib.sha256(b"done\n").hexdigest()
    assert (result.log_bytes, result.timed_out) == (5, False)
    assert result.started_at <= result.ended_at
    assert journal.started[0].process.purpose == "gate tests of step plan"
    assert journal.started[0].process.run_id == "run-1"


@pytest.mark.parametrize(
    ("line", "log"),
    [
        ("echo; echo ' out '; exit 3", "out"),
        ("echo err >&2; exit 3", "err"),
        ("echo out; echo err >&2; exit 3", "stdout:\nout\n\nstderr:\nerr"),
        ("exit 3", ""),
    ],
)
async def test_a_failure_has_its_code_and_its_words(
    processes: ProcessRegistry, tmp_path: Path, line: str, log: str
) -> None:
    result = await check(processes, tmp_path, shell(line))
    assert (result.passed, result.exit_code, result.log) == (False, 3, log)


@pytest.mark.bwrap
async def test_a_sandboxed_gate_reads_what_it_judges_and_writes_in_its_workspace_only(
    processes: ProcessRegistry, tmp_path: Path
) -> None:
    (tmp_path / "work").mkdir()
    line = f'cat "$LONGWATCH_OUTPUT_FILE"; touch here {tmp_path}/there; cat'
    gate = shell(line).model_copy(update={"sandbox": "bubblewrap"})
    result = await check(processes, tmp_path / "work", gate)
    assert result.passed and result.log == "the planthe plan"
    assert (tmp_path / "work" / "here").is_file() and not (tmp_path / "there").exists()


@pytest.mark.bwrap
async def test_a_sandboxed_gate_sees_no_other_session(processes: ProcessRegistry) -> None:
    with tempfile.TemporaryDirectory(dir="/var/tmp") as folder:  # /tmp is hidden anyway
        store = Path(folder)
        for name in ("mine", "other"):
            (store / name).mkdir()
            (store / name / f"{name}.txt").touch()
        gate = shell(f"find {store} -type f").model_copy(update={"sandbox": "bubblewrap"})
        result = await gate_on(processes, gate, workspace=store / "mine", hidden=[folder])
    assert result.log == str(store / "mine" / "mine.txt")


@pytest.mark.bwrap
async def test_git_works_in_the_sandboxed_copy_of_a_plain_folder(
    processes: ProcessRegistry,
) -> None:
    with tempfile.TemporaryDirectory(dir="/var/tmp") as folder:  # /tmp is hidden anyway
        project, store = Path(folder) / "project", Path(folder) / "store"
        project.mkdir()
        (project / "a.txt").write_text("a")
        workspaces = Workspaces(store / "workspaces", processes)
        base = await workspaces.head(project)
        made = await workspaces.create(project, RUN.run_id, "work", base, "work")
        gate = shell(f"git rev-parse HEAD; ls {store}").model_copy(update={"sandbox": "bubblewrap"})
        visible = await workspaces.shown(project, made.path)
        result = await gate_on(
            processes, gate, workspace=made.path, hidden=[str(store)], visible=visible
        )
    assert result.log.split() == [base, "mirrors", "workspaces"]


async def test_a_gate_whose_sandbox_is_missing_does_not_run(
    processes: ProcessRegistry, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LONGWATCH_BWRAP", str(tmp_path / "gone"))
    gate = shell("touch ran").model_copy(update={"sandbox": "bubblewrap"})
    result = await check(processes, tmp_path, gate)
    assert not result.passed and not result.could_start
    assert 'sandbox = "bubblewrap" needs the program bwrap' in result.log
    assert not (tmp_path / "ran").exists()


async def test_the_output_is_on_stdin_in_a_private_file_and_in_the_environment(
    processes: ProcessRegistry, tmp_path: Path
) -> None:
    line = (
        'cat /dev/stdin; echo; cat "$LONGWATCH_OUTPUT_FILE"; echo; '
        'ls -l "$LONGWATCH_OUTPUT_FILE" | cut -c1-10; echo "$LONGWATCH_RUN_ID $LONGWATCH_STEP '
        "$LONGWATCH_CRITERIA|$OPENFANG_WORKFLOW_ID $OPENFANG_WORKFLOW_RUN_ID $OPENFANG_STEP_NAME "
        '$OPENFANG_STEP_OUTPUT $OPENFANG_ACCEPTANCE_CRITERIA"'
    )
    result = await check(processes, tmp_path, shell(line), "plän\nB")
    assert result.log.splitlines() == [
        *("plän", "B", "plän", "B", "-rw-------"),
        "run-1 plan all is well|change run-1 plan plän",
        "B all is well",
    ]
    assert list((tmp_path / "tmp").iterdir()) == []


async def test_secrets_of_the_operator_are_not_handed_on(
    processes: ProcessRegistry, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-secret")
    result = await check(processes, tmp_path, shell("env"))
    assert "OPENFANG_STEP_NAME=plan" in result.log
    assert "sk-secret" not in result.log


@pytest.mark.parametrize("output", ["x" * 5_000_000, "a\0b", "\ud800 lone"])
async def test_no_output_is_too_much_for_a_gate(
    processes: ProcessRegistry, tmp_path: Path, output: str
) -> None:
    line = 'echo "${OPENFANG_STEP_OUTPUT-unset}"; wc -c < "$LONGWATCH_OUTPUT_FILE"; wc -c'
    result = await check(processes, tmp_path, shell(line), output)
    value, *sizes = result.log.split("\n")
    size = len(output.encode("utf-8", "replace"))
    assert [int(text) for text in sizes] == [size, size]
    assert value == ("? lone" if "lone" in output else "unset")


async def test_ten_megabytes_are_cut_in_the_middle_and_hashed_whole(
    processes: ProcessRegistry, tmp_path: Path
) -> None:
    code = "import sys; sys.stdout.write('first\\n' + 'é' * 5_000_000 + '\\nlast')"
    result = await check(processes, tmp_path, Gate(name="tests", command=(PYTHON, "-c", code)))
    whole = ("first\n" + "é" * 5_000_000 + "\nlast").encode()
    assert (result.log_bytes, result.log_sha256) == (len(whole), hashlib.sha256(whole).hexdigest())
    assert len(result.log.encode()) <= LOG_LIMIT
    head, remark, tail = result.log.split("…")
    assert head.startswith("first\né") and tail.endswith("é\nlast")
    kept = len(head.rstrip("\n").encode()) + len(tail.lstrip("\n").encode())
    assert remark == f" {len(whole) - kept:,} bytes left out "
    assert "\ufffd" not in result.log


async def test_two_long_streams_share_the_room(processes: ProcessRegistry, tmp_path: Path) -> None:
    code = "import sys; sys.stdout.write('o' * 300_000); sys.stderr.write('e' * 300_000)"
    result = await check(processes, tmp_path, Gate(name="tests", command=(PYTHON, "-c", code)))
    assert len(result.log.encode()) <= LOG_LIMIT
    assert min(result.log.count("o"), result.log.count("e")) > LOG_LIMIT * 0.4
    digests = [hashlib.sha256(letter * 300_000).digest() for letter in (b"o", b"e")]
    assert result.log_sha256 == hashlib.sha256(b"".join(digests)).hexdigest()


async def test_hostile_output_is_made_printable(processes: ProcessRegistry, tmp_path: Path) -> None:
    result = await check(processes, tmp_path, shell(r"printf '\033]52;c;aGk=\007\377ok'"))
    assert result.log == "␛]52;c;aGk=␇\ufffdok"


async def test_a_time_out_ends_the_tree_and_keeps_what_was_said(
    processes: ProcessRegistry, store_id: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    limits, printed = Limits(monkeypatch, capture), tmp_path / "printed"
    command = (PYTHON, "-c", DAEMON, "60", str(printed))
    gate = Gate(name="slow", command=command, timeout_seconds=0.7)
    checking = asyncio.create_task(check(processes, tmp_path, gate))
    await limits.run_out(printed.exists)
    result = await checking
    assert (result.passed, result.exit_code, result.timed_out) == (False, None, True)
    said, _, remark = result.log.split("\n")
    assert said.isdecimal()
    assert remark == "[ended by Longwatch: it took more than 0.7 s]"
    assert orphans(store_id) == []


async def test_a_cancelled_gate_leaves_nothing(
    processes: ProcessRegistry, store_id: str, tmp_path: Path
) -> None:
    gate = Gate(name="slow", command=(PYTHON, "-c", DAEMON, "60"))
    checking = asyncio.create_task(check(processes, tmp_path, gate))
    await until(lambda: len(orphans(store_id)) >= 2)
    checking.cancel()
    with pytest.raises(asyncio.CancelledError):
        await checking
    assert orphans(store_id) == []
    assert list((tmp_path / "tmp").iterdir()) == []


async def test_a_background_job_does_not_outlive_its_gate(
    processes: ProcessRegistry, store_id: str, tmp_path: Path
) -> None:
    result = await check(processes, tmp_path, shell("sleep 60 & echo started"))
    assert (result.passed, result.log) == (True, "started")
    assert orphans(store_id) == []


async def test_a_signal_is_no_exit_code(processes: ProcessRegistry, tmp_path: Path) -> None:
    result = await check(processes, tmp_path, shell("echo x; kill -SEGV $$"))
    assert (result.passed, result.exit_code, result.timed_out) == (False, None, False)
    assert result.log == "x\n\n[ended by signal SIGSEGV]"


async def test_a_gate_that_cannot_start_says_why(
    processes: ProcessRegistry, journal: Journal, tmp_path: Path
) -> None:
    result = await check(processes, tmp_path, Gate(name="tests", command=("no-such-tool", "-q")))
    assert (result.passed, result.exit_code) == (False, None)
    assert "no-such-tool was not found on PATH" in result.log
    assert result.log_sha256 == hashlib.sha256(result.log.encode()).hexdigest()
    gone = await check(processes, tmp_path / "gone", shell("true"))
    assert (gone.passed, gone.exit_code) == (False, None)
    assert "gone does not exist" in gone.log
    assert journal.events == []
    assert list((tmp_path / "tmp").iterdir()) == []


async def test_an_output_that_cannot_be_handed_over_blames_the_disk(
    processes: ProcessRegistry, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "missing"))
    said = r"gate tests of step plan: .*cannot be written .*No such file.*set TMPDIR"
    with pytest.raises(LongwatchError, match=said):
        await check(processes, tmp_path, shell("true"))


async def test_a_gate_cancelled_at_any_instant_leaves_no_file(
    processes: ProcessRegistry, store_id: str, tmp_path: Path
) -> None:
    for turn in range(8):
        checking = asyncio.create_task(check(processes, tmp_path, shell("sleep 60")))
        await asyncio.sleep(0.001 * turn)
        checking.cancel()
        await asyncio.wait([checking])
    assert orphans(store_id) == []
    assert list((tmp_path / "tmp").iterdir()) == []


@given(
    data=st.binary(max_size=400) | st.text(max_size=200).map(lambda text: text.encode()),
    head=st.integers(0, 150),
    tail=st.integers(0, 150),
    limit=st.integers(120, 400),
)
def test_an_excerpt_fits_and_is_printable(data: bytes, head: int, tail: int, limit: int) -> None:
    start, rest = data[:head], data[head:]
    end = rest[len(rest) - tail :] if len(rest) > tail else rest
    output = Output(start, end, len(data), b"")
    text = excerpt(output, limit)
    assert size_of(text) <= limit
    assert text == printable(text)
    if size_of(printable(data.decode("utf-8", "replace"))) <= limit and not output.cut:
        assert text == printable(data.decode("utf-8", "replace")).strip()
    else:
        assert "bytes left out" in text
