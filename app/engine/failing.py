"""What becomes of an attempt without a result: tried again, given up, or put to a person."""

from __future__ import annotations

from app.domain import events as ev
from app.domain.errors import LongwatchError, MissingCredentials, MissingProgram
from app.domain.run import Blocked, Failure, FailureKind, Unit
from app.domain.step import OnError, Retry

_KINDS = {
    FailureKind.INTERRUPTED: "interrupted",
    FailureKind.STEP_TIMEOUT: "timeout",
    FailureKind.RUN_TIMEOUT: "timeout",
    FailureKind.UNAUTHORIZED: "credentials",
    FailureKind.RATE_LIMIT: "model_unavailable",
    FailureKind.OVERLOADED: "model_unavailable",
    FailureKind.BROKEN_PIPE: "dead_pipe",
    FailureKind.PROTOCOL: "dead_pipe",
    FailureKind.MISSING_BINARY: "no_program",
}


_TIMEOUTS = {
    "timeout_seconds": FailureKind.TIMEOUT,
    "step_timeout_seconds": FailureKind.STEP_TIMEOUT,
}


def out_of_time(seconds: float, limit: str) -> Failure:
    """A turn had `seconds` and came to no result; `limit` is the key that says so."""
    of_attempt = limit == "timeout_seconds"
    had = f"{seconds:g} s of work" if of_attempt else f"the {seconds:.3g} s of work that were left"
    kind = _TIMEOUTS.get(limit, FailureKind.RUN_TIMEOUT)
    return Failure(kind=kind, message=f"no result within {had} ({limit})")


def opening_failed(error: LongwatchError) -> Failure:
    """Why an agent could not be had at all, with its class."""
    kind = FailureKind.OTHER
    if isinstance(error, MissingCredentials):
        kind = FailureKind.UNAUTHORIZED
    elif isinstance(error, MissingProgram):
        kind = FailureKind.MISSING_BINARY
    return Failure(kind=kind, message=str(error))


def attempt_failed(
    unit: Unit,
    attempt: int,
    failure: Failure,
    *,
    tries: int | None,
    retry: Retry,
    on_error: OnError,
    salt: str,
    worked_seconds: float,
) -> ev.AttemptFailed:
    """`tries` is how often it was tried by itself so far, None when that is not known; `salt`
    spreads the waits of different runs."""
    again = tries is not None and failure.kind in retry.on and tries < retry.max_retries
    wait = retry.wait((tries or 0) + 1, salt) if again else None
    skipped = wait is None and on_error == "skip"
    blocked = None
    if wait is None and not skipped:
        blocked = Blocked.model_validate(
            {
                "kind": _KINDS.get(failure.kind, "agent_failure"),
                "message": failure.message,
                "step": unit.step,
                "branch": unit.branch,
            }
        )
    return ev.AttemptFailed(
        **unit._asdict(),
        attempt=attempt,
        failure=failure,
        retry_in=wait,
        worked_seconds=worked_seconds,
        blocked=blocked,
        fatal=blocked is not None and on_error == "fail",
        skipped=skipped,
    )
