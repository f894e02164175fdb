"""What OpenFang's modes and error modes come to here, and where they differ on purpose."""

from __future__ import annotations

from app.domain.openfang_fields import Findings
from app.domain.openfang_flow import placeholder
from app.domain.openfang_read import FangStep
from app.domain.step import OnError, Retry, RetryOn

_RETRY_ON: tuple[RetryOn, ...] = (
    "rate_limit",
    "overloaded",
    "broken_pipe",
    "timeout",
    "protocol",
)


def may_be_skipped(step: FangStep) -> bool:
    """Whether a step in which an agent works may end without an output."""
    never = step.mode == "loop" and step.max_iterations == 0
    return step.mode == "conditional" or step.error_mode == "skip" or never


def on_error(step: FangStep) -> OnError:
    """OpenFang blocks a run when retries are used up, and only then."""
    return "block" if step.error_mode == "retry" else step.error_mode


def retry(step: FangStep) -> Retry:
    """No retries unless the step asks for them, and then only of what can pass by itself."""
    if step.error_mode != "retry":
        return Retry(max_retries=0)
    return Retry(max_retries=step.max_retries, on=_RETRY_ON)


def tell_of_step(step: FangStep, found: Findings) -> None:
    """Where a step in which an agent works differs."""
    if step.mode == "loop" and step.max_iterations == 0:
        found.note(step.at, "max_iterations is 0: the step is never run")
    elif step.mode == "loop" and step.error_mode == "skip":
        what = "a turn that fails skips the whole loop; what turns before it said is not taken"
        found.note(step.at, what)
    if step.error_mode == "retry":
        what = "tries again after a wait that doubles, not at once, and not what cannot pass"
        found.note((*step.at, "error_mode"), what)


def tell_of_review(step: FangStep, found: Findings) -> None:
    """Where a review differs."""
    found.note(
        step.at,
        "what was approved flows on, not the approving text; a reject's text reaches the step as"
        " reasons, beside its own input and its last attempt; the reject after"
        f" {step.max_rejects} returns is put to the operator",
    )
    if not step.reject_if_contains:
        what = "an empty word would reject everything: a structured verdict is asked for"
        found.note((*step.at, "mode"), what)
    if step.error_mode != "retry":
        what = "a review that comes to nothing is put to the operator, never passed over"
        found.note((*step.at, "error_mode"), what)
    if step.output_var:
        what = "has the text of the latest reject, none before one"
        found.note((*step.at, "output_var"), what)
    if placeholder("input") not in step.prompt:
        what = "does not have {{input}}: what is judged is put at its end"
        found.note((*step.at, "prompt"), what)
