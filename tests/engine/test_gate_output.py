"""Gates that read the output: bounded in time, off the loop, with a log like a command's."""

from __future__ import annotations

import asyncio
import hashlib
import json
import sys
import tempfile
import time
from pathlib import Path

import pytest

from app.domain.errors import LongwatchError
from app.domain.gate import Gate
from app.engine import gate_output
from app.engine.gates import LOG_LIMIT
from app.engine.processes import ProcessRegistry
from tests.support.children import Journal, orphans
from tests.support.gate_runs import gate_on
from tests.support.waiting import until

ENDLESS = {"type": "string", "pattern": r"^(a|aa)+\$$"}
HOSTILE = json.dumps("a" * 60 + "!")


@pytest.fixture(autouse=True)
def own_temp(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    (tmp_path / "tmp").mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "tmp"))
    return tmp_path / "tmp"


def left_in(folder: Path) -> list[Path]:
    return list(folder.iterdir())


async def test_a_json_output_that_fits_passes(
    processes: ProcessRegistry, journal: Journal, own_temp: Path
) -> None:
    gate = Gate(name="form", json_schema={"required": ["a"]})
    result = await gate_on(processes, gate, 'So:\n```json\n{"a": "\\ud800"}\n```\n')
    assert (result.passed, result.exit_code, result.could_start) == (True, None, True)
    assert result.log == "the output fits the JSON schema"
    assert result.log_sha256 == hashlib.sha256(result.log.encode()).hexdigest()
    assert result.log_bytes == len(result.log)
    assert result.started_at <= result.ended_at
    assert journal.events == [] and left_in(own_temp) == []


async def test_errors_of_hostile_json_are_printable_and_have_their_place(
    processes: ProcessRegistry,
) -> None:
    gate = Gate(name="form", json_schema={"additionalProperties": {"type": "integer"}})
    result = await gate_on(processes, gate, json.dumps({"\x1b]52;c;aGk=\x07": "\u202e\ud800x"}))
    assert (result.passed, result.could_start) == (False, True)
    assert "is not of type integer" in result.log
    assert not {"\x1b", "\x07", "\u202e"} & set(result.log)


@pytest.mark.parametrize(
    ("gate", "said"),
    [
        (Gate(name="form", json_schema={"type": "strin"}), "JSON schema cannot be used: at $.type"),
        (Gate(name="form", json_schema={"$ref": "http://127.0.0.1:9/x"}), "no other document is"),
        (Gate(name="words", pattern="("), "expression cannot be used: missing )"),
    ],
)
async def test_a_broken_gate_could_not_start(
    processes: ProcessRegistry, gate: Gate, said: str
) -> None:
    result = await gate_on(processes, gate, "1")
    assert (result.passed, result.could_start, result.exit_code) == (False, False, None)
    assert said in result.log


async def test_an_empty_schema_is_a_schema(processes: ProcessRegistry) -> None:
    gate = Gate(name="form", json_schema={})
    assert (await gate_on(processes, gate, "[1]")).passed
    assert "the output is not JSON" in (await gate_on(processes, gate, "words")).log


async def test_the_check_sees_no_secret_and_no_module_of_others(
    processes: ProcessRegistry, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "json.py").write_text("raise SystemExit(0)")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    monkeypatch.setenv("PYTHONSTARTUP", str(tmp_path / "json.py"))
    monkeypatch.chdir(tmp_path)
    result = await gate_on(processes, Gate(name="form", json_schema={"type": "null"}), "1")
    assert "1 is not of type null" in result.log


async def test_a_schema_that_never_ends_is_ended_and_the_loop_goes_on(
    processes: ProcessRegistry, store_id: str, own_temp: Path
) -> None:
    gate = Gate(name="form", json_schema=ENDLESS, timeout_seconds=1)
    checking = asyncio.create_task(gate_on(processes, gate, HOSTILE))
    assert await _longest_pause(checking) < 0.8
    result = checking.result()
    assert (result.passed, result.timed_out, result.could_start) == (False, True, True)
    assert "took more than 1 s and was ended" in result.log
    assert orphans(store_id) == [] and left_in(own_temp) == []


async def test_a_cancelled_schema_check_leaves_nothing(
    processes: ProcessRegistry, store_id: str, own_temp: Path
) -> None:
    checking = asyncio.create_task(
        gate_on(processes, Gate(name="form", json_schema=ENDLESS), HOSTILE)
    )
    await until(lambda: len(orphans(store_id)) >= 1)
    checking.cancel()
    with pytest.raises(asyncio.CancelledError):
        await checking
    assert orphans(store_id) == [] and left_in(own_temp) == []


async def test_a_check_that_breaks_off_does_not_pass(
    processes: ProcessRegistry, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    gate = Gate(name="form", json_schema={})
    broken = tmp_path / "broken.py"
    broken.write_text("raise MemoryError('none left')")
    monkeypatch.setattr(gate_output, "_WORKER", str(broken))
    result = await gate_on(processes, gate, "1")
    assert (result.passed, result.could_start) == (False, False)
    assert result.log.endswith("broke off (exit 1): MemoryError: none left")
    monkeypatch.setattr(sys, "executable", str(tmp_path / "gone"))
    result = await gate_on(processes, gate, "1")
    assert (result.passed, result.could_start) == (False, False)
    assert "gone" in result.log


async def test_a_pattern_that_never_ends_is_ended_and_the_loop_goes_on(
    processes: ProcessRegistry,
) -> None:
    gate = Gate(name="words", forbid=r"(a|aa)+\$", timeout_seconds=1)
    checking = asyncio.create_task(gate_on(processes, gate, "a" * 100))
    assert await _longest_pause(checking) < 0.8
    result = checking.result()
    assert (result.passed, result.timed_out, result.could_start) == (False, True, True)


async def _longest_pause(task: asyncio.Task[object]) -> float:
    """Seconds that this process worked between two turns of the loop, whatever else is at work."""
    longest, before = 0.0, time.process_time()
    while not task.done():
        await asyncio.sleep(0.01)
        now = time.process_time()
        longest, before = max(longest, now - before), now
    return longest


async def test_a_forbidden_line_is_named_printably(processes: ProcessRegistry) -> None:
    gate = Gate(name="words", pattern="^Summary", forbid="password")
    result = await gate_on(processes, gate, "Summary\r\nthe password\x1b[2J is x")
    assert (result.passed, result.exit_code, result.timed_out) == (False, None, False)
    assert result.log.splitlines()[1] == "  line 2: the password␛[2J is x"
    assert (await gate_on(processes, gate, "Summary\nfine")).passed


async def test_a_log_is_bounded(processes: ProcessRegistry) -> None:
    gate = Gate(name="form", json_schema={"items": {"type": "string"}})
    rows = [[f"{number} " + "é" * 5000] for number in range(300)]
    result = await gate_on(processes, gate, json.dumps(rows))
    assert len(result.log.encode()) <= LOG_LIMIT
    assert result.log.endswith("and more errors")


async def test_a_gate_that_somebody_judges_is_not_run(processes: ProcessRegistry) -> None:
    with pytest.raises(LongwatchError, match="gate taste of step plan: it is judged, not run"):
        await gate_on(processes, Gate(name="taste", person=True))
