"""The metrics that follow from counts, and their form for Prometheus."""

from __future__ import annotations

import re

from hypothesis import given
from hypothesis import strategies as st

from app.domain.metrics import MEANINGS, Counts, Metrics, prometheus

NUMBERS = st.integers(min_value=0, max_value=10**12)


def test_rates_are_of_terminal_runs_and_blocked_ones_are_not() -> None:
    counts = Counts(
        runs=10,  # six of which are pending, in progress or blocked
        done=2,
        failed=1,
        canceled=1,
        attempts=8,
        retries=2,
        approves=3,
        rejects=1,
        resumes=2,
        resume_microseconds=3_000_000,
    )
    assert Metrics.of(counts) == Metrics(
        runs_total=10,
        terminal_runs_total=4,
        success_rate=0.5,
        failure_rate=0.25,
        retry_rate=0.25,
        reject_rate=0.25,
        resume_time_ms=1500.0,
    )


def test_nothing_to_divide_by_gives_zero() -> None:
    assert set(Metrics.of(Counts(runs=3)).model_dump().values()) == {3, 0}


@given(st.builds(Counts, **dict.fromkeys(("done", "failed", "canceled"), NUMBERS)))
def test_rates_of_terminal_runs_add_up_to_at_most_one(counts: Counts) -> None:
    metrics = Metrics.of(counts)
    assert 0 <= metrics.success_rate <= 1 and 0 <= metrics.failure_rate <= 1
    assert metrics.success_rate + metrics.failure_rate <= 1 + 1e-12


def test_prometheus_has_both_names_with_help_and_type() -> None:
    text = prometheus(Metrics.of(Counts(runs=4, done=1, failed=3)))
    lines = text.splitlines()
    assert len(lines) == 2 * 3 * len(MEANINGS)
    assert lines[:3] == [
        "# HELP openfang_workflow_runs_total Runs ever created.",
        "# TYPE openfang_workflow_runs_total gauge",
        "openfang_workflow_runs_total 4",
    ]
    samples = dict(line.split(" ") for line in lines if not line.startswith("#"))
    assert samples["openfang_workflow_failure_rate"] == "0.75"
    for name in Metrics.model_fields:
        assert samples[f"longwatch_{name}"] == samples[f"openfang_workflow_{name}"]
    assert all(re.fullmatch(r"[a-z_]+ \d+(\.\d+)?", " ".join(s)) for s in samples.items())
