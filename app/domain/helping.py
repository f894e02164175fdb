"""What helps a part of a run that stands still, in a few words, by why it does."""

from __future__ import annotations

from app.domain.run import Blocked

_HELPS = {
    "credentials": "set the key or sign in, where the supervisor runs; then try again",
    "model_unavailable": "try again later, or name other models in `fallbacks` of its agent",
    "dead_pipe": "trying again starts its agent anew; its log has its last words",
    "no_program": "install the program or correct `command`; then try again",
}


def what_helps(blocked: Blocked) -> str:
    """Empty where the message says it all."""
    return _HELPS.get(blocked.kind, "")
