"""Events about sessions: their agents, what those said, what that used."""

from typing import Literal

from app.domain.approval import Actor
from app.domain.attachment import Attachment
from app.domain.base import (
    Model,
    SessionId,
)
from app.domain.run import (
    Failure,
)
from app.domain.session import Continuity, Session, StuckKind, Usage


class SessionOpened(Model):
    """A step or branch has a session. It is on disk before its agent: with the process that is
    started for it, else with its first prompt."""

    type: Literal["session_opened"] = "session_opened"
    session: Session


class SessionBound(Model):
    """The agent has given its own id for the conversation."""

    type: Literal["session_bound"] = "session_bound"
    session_id: SessionId
    native_id: str
    continuity: Continuity


class SessionLost(Model):
    """Its agent is gone; the session stays, and is resumed or begun anew before its next turn."""

    type: Literal["session_lost"] = "session_lost"
    session_id: SessionId
    why: str


class SessionStuck(Model):
    """A person should look: the session is at work and seems to get nowhere."""

    type: Literal["session_stuck"] = "session_stuck"
    session_id: SessionId
    kind: StuckKind
    why: str


class RestartAsked(Model):
    """A person wants the session's agent ended and started anew where it stands."""

    type: Literal["restart_asked"] = "restart_asked"
    session_id: SessionId
    by: Actor
    reason: str = ""


class SessionMoving(Model):
    """A session that was stuck goes on, or was told to."""

    type: Literal["session_moving"] = "session_moving"
    session_id: SessionId


class SessionAttached(Model):
    """Files came with something that was said to the session; its driver is given them next."""

    type: Literal["session_attached"] = "session_attached"
    session_id: SessionId
    attachments: tuple[Attachment, ...]
    by: Actor


class ModelSwitched(Model):
    """A model is not to be had: the session goes on with another of its agent's, for this turn."""

    type: Literal["model_switched"] = "model_switched"
    session_id: SessionId
    before: str
    model: str
    why: str


class SessionClosed(Model):
    """The session is over for good: it is never prompted again."""

    type: Literal["session_closed"] = "session_closed"
    session_id: SessionId
    why: str


class TurnEnded(Model):
    """The agent has stopped. Where an output came of it, `OutputProduced` tells it instead."""

    type: Literal["turn_ended"] = "turn_ended"
    session_id: SessionId
    turn: int
    status: Literal["completed", "interrupted", "failed"]
    failure: Failure | None = None


class ItemFinished(Model):
    """A piece of transcript is complete; its text is outside the chain, its hash in it."""

    type: Literal["item_finished"] = "item_finished"
    session_id: SessionId
    item_id: str
    kind: str
    sha256: str
    size: int


class UsageUpdated(Model):
    """All that the session has used so far: told while it grows, and at a turn's end."""

    type: Literal["usage_updated"] = "usage_updated"
    session_id: SessionId
    usage: Usage
