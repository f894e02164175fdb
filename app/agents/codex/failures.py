"""codexErrorInfo -> Failure: the class of a failed turn and one clear sentence."""

from __future__ import annotations

import re

from app.agents.codex.models import TurnError
from app.domain.run import Failure, FailureKind

_K = FailureKind
_NAMED = {
    "contextWindowExceeded": _K.BAD_REQUEST,
    "usageLimitExceeded": _K.RATE_LIMIT,
    "rateLimitExceeded": _K.RATE_LIMIT,
    "flexUnavailable": _K.OVERLOADED,
    "serverOverloaded": _K.OVERLOADED,
    "policyCapacityUnavailable": _K.OVERLOADED,
    "internalServerError": _K.OVERLOADED,
    "modelNotFound": _K.BAD_REQUEST,
    "cyberPolicy": _K.BAD_REQUEST,
    "misalignmentPolicyViolation": _K.BAD_REQUEST,
    "inferenceHookDenied": _K.BAD_REQUEST,
    "badRequest": _K.BAD_REQUEST,
    "unauthorized": _K.UNAUTHORIZED,
}
# These say that the model's server could not be reached or broke off; the status tells why.
_CONNECTION = frozenset(
    {
        "httpConnectionFailed",
        "responseStreamConnectionFailed",
        "responseStreamDisconnected",
        "responseTooManyFailedAttempts",
    }
)
_STATUS = re.compile(r"status:? (\d{3})\b")
_FIX = {
    _K.UNAUTHORIZED: "sign in with `codex login`, or set the key that its config.toml names",
    _K.RATE_LIMIT: "wait, or use another account or model",
}


def failure_of(error: TurnError | None) -> Failure:
    """The failure that a turn ended with."""
    if error is None:
        return Failure(kind=_K.OTHER, message="codex ended the turn as failed without a reason")
    kind = classify(error)
    message = f"codex: {error.message.strip() or 'no message'}"
    if fix := _FIX.get(kind):
        message += f" ({fix})"
    return Failure(kind=kind, message=message)


def classify(error: TurnError) -> FailureKind:
    """The class of an error; what is not known is OTHER, which nobody retries blindly."""
    info = error.codex_error_info
    if isinstance(info, str) and info in _NAMED:
        return _NAMED[info]
    name, status = _details(info)
    if status is None and (found := _STATUS.search(error.message)):
        status = int(found[1])
    if status is not None:
        return _by_status(status)
    return _K.OVERLOADED if name in _CONNECTION else _K.OTHER


def _details(info: str | dict[str, object] | None) -> tuple[str, int | None]:
    if not isinstance(info, dict) or not info:
        return "", None
    name, details = next(iter(info.items()))
    status = details.get("httpStatusCode") if isinstance(details, dict) else None
    return name, status if isinstance(status, int) else None


def _by_status(status: int) -> FailureKind:
    if status in (401, 403):
        return _K.UNAUTHORIZED
    if status == 429:
        return _K.RATE_LIMIT
    if status >= 500 or status == 408:
        return _K.OVERLOADED
    return _K.BAD_REQUEST if status >= 400 else _K.OTHER
