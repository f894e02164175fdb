"""The two paths of a rollout, by name."""

from __future__ import annotations

from enum import StrEnum


class PathName(StrEnum):
    """`stable` is the one in production; `candidate` is tried beside it."""

    STABLE = "stable"
    CANDIDATE = "candidate"
