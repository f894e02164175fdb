"""Metrics: seven numbers about all runs of a store, counted from events and never from words.

Names are OpenFang's. A run that is blocked is resumable: it is neither terminal
nor a failure, and counts as either only once it is done, failed or canceled.
"""

from typing import Self

from app.domain.base import Model


class Counts(Model):
    """What the journal says, as whole numbers; every metric follows from these."""

    runs: int = 0
    done: int = 0  # done, failed, canceled: by each run's present state
    failed: int = 0
    canceled: int = 0
    attempts: int = 0
    retries: int = 0  # attempts whose cause is `retry`
    approves: int = 0  # verdicts of agents and operators; unparsable ones are neither
    rejects: int = 0
    resumes: int = 0  # changes from failed or blocked to in progress
    resume_microseconds: int = 0  # between the two, over all resumes


class Metrics(Model):
    """The seven metrics. A rate is 0.0 to 1.0, and 0.0 where there is nothing to divide by."""

    runs_total: int
    terminal_runs_total: int  # done, failed or canceled at present; not blocked
    success_rate: float  # done / terminal
    failure_rate: float  # failed / terminal
    retry_rate: float  # attempts whose cause is retry / all attempts
    reject_rate: float  # reject verdicts / (approve + reject verdicts)
    resume_time_ms: float  # mean over all resumes, from the stop to the going on

    @classmethod
    def of(cls, counts: Counts) -> Self:
        terminal = counts.done + counts.failed + counts.canceled
        return cls(
            runs_total=counts.runs,
            terminal_runs_total=terminal,
            success_rate=_ratio(counts.done, terminal),
            failure_rate=_ratio(counts.failed, terminal),
            retry_rate=_ratio(counts.retries, counts.attempts),
            reject_rate=_ratio(counts.rejects, counts.approves + counts.rejects),
            resume_time_ms=_ratio(counts.resume_microseconds, counts.resumes * 1000),
        )


MEANINGS = {
    "runs_total": "Runs ever created.",
    "terminal_runs_total": "Runs that are done, failed or canceled at present; not blocked ones.",
    "success_rate": "Done runs of all terminal runs, 0 to 1.",
    "failure_rate": "Failed runs of all terminal runs, 0 to 1.",
    "retry_rate": "Attempts made because the one before had failed, of all attempts, 0 to 1.",
    "reject_rate": "Reject verdicts of all approve and reject verdicts, 0 to 1.",
    "resume_time_ms": "Mean time from failed or blocked to in progress again, in milliseconds.",
}
_PREFIXES = ("openfang_workflow", "longwatch")


def _ratio(part: int, whole: int) -> float:
    return part / whole if whole else 0.0


def prometheus(metrics: Metrics) -> str:
    """The metrics in Prometheus' text format, version 0.0.4, without the last newline.

    Each is there twice: under the name that existing dashboards know, and under ours.
    """
    values = metrics.model_dump()
    return "\n".join(
        f"# HELP {prefix}_{name} {meaning}\n"
        f"# TYPE {prefix}_{name} gauge\n"
        f"{prefix}_{name} {values[name]}"
        for prefix in _PREFIXES
        for name, meaning in MEANINGS.items()
    )
