"""Pictures of the screen of a run."""

from __future__ import annotations

from datetime import date
from typing import Any

import pytest
from msgspec.structs import replace

from app.domain import events as ev
from app.domain.attachment import Attachment
from app.domain.day_budget import DayBudget
from app.domain.past_ref import PastId, PastRef
from app.domain.run import RunState
from app.domain.sessions import Sessions
from app.domain.task_state import TaskState
from tests.ui import canned
from tests.ui.answering import Feed
from tests.ui.conftest import room_over
from tests.ui.pictures import SIZES, Compare, in_run, utc
from tests.ui.test_run_events import PAYLOADS, state_changed
from tests.ui.test_run_screen import Journal

__all__ = ["utc"]
pytestmark = pytest.mark.usefixtures("utc")
Size = tuple[int, int]


def attached() -> RunState:
    """A run with files of its request and of what was said to its session, and a past session."""
    shot = Attachment(name="shot.png", media_type="image/png", size=48_200, sha256="ab" * 32)
    notes = Attachment(name="notes.md", media_type="text/plain", size=900, sha256="cd" * 32)
    state = canned.running_run()
    past = PastRef(past_id=PastId("main/0191"), sha256="ef" * 32)
    request = state.run.request.model_copy(update={"attachments": (shot,), "past": past})
    sessions = {
        key: replace(session, attachments=(notes,)) for key, session in state.sessions.items()
    }
    run = state.run.model_copy(update={"request": request})
    return replace(state, run=run, sessions=Sessions(sessions))


STATES: dict[str, tuple[RunState, tuple[str, ...]]] = {
    "stuck": (canned.stuck_run(), ("o",)),
    "restart": (canned.stuck_run(), ("K",)),
    "budgets": (canned.blocked_run(), (*"kkkkkkkk", "o")),
    "queued": (canned.pending_run(), ()),
    "working": (canned.running_run(), ()),
    "approval": (canned.waiting_run(), ()),
    "uncertain": (canned.uncertain_run(), ("k", "k", "k", "k")),
    "review": (canned.review_run(escalated="the limit is reached"), ()),
    "blocked": (canned.blocked_run(), ()),
    "failed": (canned.failed_run(), ()),
    "done": (canned.done_run(), ()),
    "canceled": (canned.canceled_run(), ()),
    "output": (canned.review_run(), ("k", "k", "o")),
    "diff": (canned.blocked_run(), ("k", "k", "k", "k", "k", "f")),
    "log": (canned.waiting_run(), ("l",)),
    "events": (canned.running_run(), ("k", "k", "e")),
    "larger": (canned.blocked_run(), ("enter",)),
    "attached": (attached(), ("k", "k", "k", "k")),
    "cancel": (canned.running_run(), ("x", *"superseded")),
}
TODAY: dict[str, Any] = {"day": date(2026, 3, 14), "project": canned.blocked_run().run.project}
BUDGETS = (
    DayBudget(**TODAY, unit="tokens", limit=2_000_000, total=4_000_000, used=2_400_000),
    DayBudget(**TODAY, agent="codex", unit="usd", limit=5, total=5, used=1.25),
)


@SIZES
@pytest.mark.parametrize("name", list(STATES))
def test_run(snap_compare: Compare, name: str, size: Size) -> None:
    state, keys = STATES[name]
    client = Journal(state)
    client.tails = canned.story(state)
    if name == "budgets":
        client.budgets = BUDGETS
    feed, run_id = Feed(client), state.run.run_id
    client.journal = [feed.event(run_id, state_changed(TaskState.IN_PROGRESS, "started"))]
    if name == "events":
        client.journal += [feed.event(run_id, payload) for payload, _ in PAYLOADS]
    if state.run.state not in (TaskState.IN_PROGRESS, TaskState.PENDING):
        changed: ev.Payload = state_changed(state.run.state, state.run.reason)
        client.journal.append(feed.event(run_id, changed))
    room = room_over(client, run_id=run_id)
    assert snap_compare(room, terminal_size=size, run_before=in_run(*keys))
