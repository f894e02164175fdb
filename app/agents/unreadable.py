"""Which field of an agent's message is wrong, and how: for one clear sentence."""

from __future__ import annotations

from pydantic import ValidationError


def unreadable(what: str, error: ValidationError) -> str:
    """The first complaint about message `what`, with its place."""
    first = error.errors(include_url=False, include_input=False)[0]
    place = ".".join(str(part) for part in first["loc"]) or "params"
    return f"{what}: {place}: {first['msg']}"
