"""Which path of a rollout answers a request: the same one each time it is asked."""

from __future__ import annotations

import hashlib

from app.domain.path_name import PathName
from app.domain.request import Request
from app.domain.rollout import MOST_SHADOWS, Rollout


def path_for(rollout: Rollout, request: Request) -> PathName:
    """By the request's hash: who is in a share of 5 % is in the 25 % too."""
    if not rollout.has_open_candidate:
        return PathName.STABLE
    chosen = _place(rollout, request, "share") < rollout.share
    return PathName.CANDIDATE if chosen else PathName.STABLE


def is_shadowed(rollout: Rollout, request: Request) -> bool:
    """Whether the candidate answers too, without effect, what the stable path answers."""
    if not rollout.has_open_candidate or len(rollout.shadows) >= MOST_SHADOWS:
        return False
    return _place(rollout, request, "shadow") < rollout.shadow


def _place(rollout: Rollout, request: Request, purpose: str) -> float:
    """From 0 to 100, evenly spread over requests."""
    what = (
        purpose,
        rollout.name,
        request.user,
        request.channel,
        request.task_type,
        request.text,
    )
    digest = hashlib.sha256("\x1f".join(what).encode("utf-8", "surrogatepass")).digest()
    return int.from_bytes(digest[:8]) / 2**64 * 100
