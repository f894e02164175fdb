"""`trace` and `metrics` on a real store, and over the socket of one that is hosted."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from app.domain import events as ev
from app.domain.base import RunId
from app.domain.metrics import Metrics
from app.domain.task_state import TaskState
from app.domain.trace import TraceEntry
from app.store.journal import Draft, Journal
from app.store.paths import StorePaths
from tests.support.command_line import CommandLine
from tests.support.story import RECIPE, FixedClock, moved, story
from tests.support.supervisor import FakeSupervisor


async def _fill(root: Path) -> None:
    journal = await Journal.open(StorePaths(root), FixedClock())
    await journal.append([Draft(ev.RecipeRecorded(digest=RECIPE.digest, recipe=RECIPE))])
    for run_id, trace in (("r-one", "tr-alpha"), ("r-two", "tr-gamma"), ("r-alpine", "tr-beta")):
        for payload in [*story(run_id), moved(TaskState.BLOCKED)]:
            if isinstance(payload, ev.RunCreated):
                payload = ev.RunCreated(run=payload.run.model_copy(update={"trace_id": trace}))
            journal.append([Draft(payload, run_id=RunId(run_id), trace_id=trace)])
    going_on = [moved(TaskState.IN_PROGRESS), moved(TaskState.DONE)]
    await journal.append([Draft(p, run_id=RunId("r-two"), trace_id="tr-gamma") for p in going_on])
    await journal.close()


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("LONGWATCH_STORE", str(tmp_path / "store"))
    (tmp_path / "store").mkdir()
    asyncio.run(_fill(tmp_path / "store"))
    return tmp_path / "store"


@pytest.mark.parametrize("given", ["tr-gamma", "tr-g", "gam", "r-two", "r-t", "two"])
def test_a_trace_by_its_id_its_runs_or_the_beginning_of_either(
    longwatch: CommandLine, store: Path, given: str
) -> None:
    found = [TraceEntry.model_validate(e) for e in longwatch("trace", given, "--json").json()]
    assert {(e.trace_id, e.run_id) for e in found} == {("tr-gamma", "r-two")}
    assert [e.outcome for e in found[-3:]] == ["blocked", "resumed", "done"]
    assert len(found) == len(story()) + 3


def test_a_trace_for_a_reader(longwatch: CommandLine, store: Path) -> None:
    ran = longwatch("trace", "r-one")
    lines = ran.out.splitlines()
    assert ran.code == 0
    assert lines[0] == "trace tr-alpha of run r-one"
    assert lines[1].split() == ["seq", "at", "category", "outcome", "step", "detail"]
    assert "review     rejected" in ran.out and "too short" in ran.out
    assert lines[-1].split()[3:] == ["decision", "blocked", "-", "system:engine"]


def test_what_could_be_several_is_refused_and_an_exact_id_never_is(
    longwatch: CommandLine, store: Path
) -> None:
    for given in ("tr-", "r-", "alp"):  # the last: a trace of one run, and another run
        ran = longwatch("trace", given, "--json")
        assert (ran.code, ran.out) == (1, "")
        assert "give more of the id" in ran.err or "fits several" in ran.err
    assert (
        "'alp' could be any of trace tr-alpha of run r-one, run r-alpine;"
        in longwatch("trace", "alp").err
    )


def test_an_unknown_trace_is_an_empty_list_or_one_sentence(
    longwatch: CommandLine, store: Path
) -> None:
    ran = longwatch("trace", "nothing", "--json")
    assert (ran.code, ran.json()) == (0, [])
    ran = longwatch("trace", "nothing")
    assert (ran.code, ran.out) == (1, "")
    assert ran.err == (
        "longwatch: there is no run and no trace 'nothing'; `longwatch runs` lists them\n"
    )
    assert longwatch("trace", "").code == 2


def test_metrics_are_counted_from_the_store(longwatch: CommandLine, store: Path) -> None:
    found = Metrics.model_validate(longwatch("metrics", "--json").json())
    assert (found.runs_total, found.terminal_runs_total) == (3, 1)  # blocked runs are not over
    assert (found.success_rate, found.failure_rate) == (1.0, 0.0)
    assert (found.retry_rate, found.reject_rate) == (0.0, 1.0)
    assert found.resume_time_ms > 0
    lines = longwatch("metrics").out.splitlines()
    assert lines[0].split() == ["metric", "value", "meaning"]
    assert lines[1].split()[:2] == ["runs_total", "3"]
    assert lines[3].split()[:2] == ["success_rate", "1.000"]


def test_metrics_for_prometheus(longwatch: CommandLine, store: Path) -> None:
    ran = longwatch("metrics", "--prometheus")
    assert ran.code == 0 and ran.out.endswith("\n") and not ran.out.endswith("\n\n")
    assert "openfang_workflow_runs_total 3\n" in ran.out
    assert "# TYPE longwatch_resume_time_ms gauge\n" in ran.out
    assert longwatch("metrics", "--prometheus", "--json").code == 2


def test_metrics_of_a_hosted_store(longwatch: CommandLine, hosted: FakeSupervisor) -> None:
    found = Metrics.model_validate(longwatch("metrics", "--json").json())
    assert found == asyncio.run(hosted.metrics())
    assert found.retry_rate == 1 / 7


def test_a_store_that_is_not_there_is_one_sentence(longwatch: CommandLine, tmp_path: Path) -> None:
    for command in (["trace", "x", "--json"], ["metrics"]):
        ran = longwatch("--store", tmp_path / "none", *command)
        assert ran.code == 1 and "there is no store here yet" in ran.err


def test_usage_of_a_hosted_store(longwatch: CommandLine, hosted: FakeSupervisor) -> None:
    lines = longwatch("usage", "--days", "3").out.splitlines()
    assert lines[0].split() == [
        "day",
        "agent",
        "runs",
        "tokens",
        "input",
        "output",
        "cached",
        "cost",
    ]
    assert lines[1].split() == ["2026-01-02", "coder", "3", "1,000", "900", "100", "0", "$0.50"]
    assert lines[2].split() == ["in", "all", "1,000", "900", "100", "0", "$0.50"]
    assert longwatch("usage", "--json").json()[0]["usage"]["total_tokens"] == 1000
    assert longwatch("usage", "--days", "0").code == 2


def test_usage_of_a_store_without_any(longwatch: CommandLine, store: Path) -> None:
    assert longwatch("usage").out == "no agent has told what it used in the last 7 days\n"
    assert longwatch("usage", "--days", "1").out == "no agent has told what it used today\n"
