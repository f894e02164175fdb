"""An ACP agent's errors -> Failure: the class of a failed turn and one clear sentence."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence

from acp import RequestError

from app.domain.run import Failure, FailureKind
from app.domain.text import one_line

AUTH_REQUIRED = -32000  # the protocol's own code
_STATUS = re.compile(r"\b([45]\d\d)\b")
_WORDS = (
    (re.compile(r"rate.?limit|too many requests|quota|usage limit", re.I), FailureKind.RATE_LIMIT),
    (re.compile(r"overloaded|unavailable|try again later", re.I), FailureKind.OVERLOADED),
    (
        re.compile(r"unauthori[sz]ed|authenticat|api.?key|log ?in|sign ?in", re.I),
        FailureKind.UNAUTHORIZED,
    ),
)
_CAP = 600  # characters of the agent's own words
STOPPED = {
    "max_tokens": "it reached the limit of tokens for one answer",
    "max_turn_requests": "it reached its limit of model requests in one turn",
    "refusal": "it refuses to go on with this prompt",
}


def failure_of(agent: str, error: RequestError) -> Failure:
    """The failure that an error reply to a prompt means."""
    said = words(error)
    return Failure(kind=classify(error.code, said), message=f"{agent}: {said}")


def words(error: RequestError) -> str:
    """What an error says, its details included."""
    parts = [str(error).strip() or "no message", *_details(error.data)]
    return one_line(": ".join(dict.fromkeys(parts)), _CAP)


def _details(data: object) -> Iterator[str]:
    if isinstance(data, str) and data.strip():
        yield data.strip()
    elif isinstance(data, Mapping):
        for key in ("details", "message", "error", "reason"):
            yield from _details(data.get(key))


def classify(code: int, said: str) -> FailureKind:
    """The class of an error; what is not known is OTHER, which nobody retries blindly."""
    if code == AUTH_REQUIRED:
        return FailureKind.UNAUTHORIZED
    if code in (-32602, -32601):
        return FailureKind.BAD_REQUEST
    if found := _STATUS.search(said):
        return _by_status(int(found[1]))
    return next((kind for pattern, kind in _WORDS if pattern.search(said)), FailureKind.OTHER)


def _by_status(status: int) -> FailureKind:
    if status in (401, 403):
        return FailureKind.UNAUTHORIZED
    if status == 429:
        return FailureKind.RATE_LIMIT
    if status >= 500 or status == 408:
        return FailureKind.OVERLOADED
    return FailureKind.BAD_REQUEST


def login_words(methods: Sequence[object]) -> str:
    """How to sign in, for the end of a sentence, as the agent says it."""
    ways = []
    for method in methods:
        name = getattr(method, "name", "") or getattr(method, "id", "")
        about = getattr(method, "description", "") or ""
        way = f"{name} ({about})" if about else name
        ways.append(f"{one_line(way, 200)} [auth = {getattr(method, 'id', '')!r}]")
    if not ways:
        return "sign in with its own program first, or name the variable with its key in `env`"
    return "sign in first; it offers: " + "; ".join(ways)
