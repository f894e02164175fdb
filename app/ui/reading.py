"""What a run's screen has to ask for, because the feed does not carry it: events, diffs."""

from __future__ import annotations

from app.domain.base import RunId
from app.domain.errors import LongwatchError
from app.domain.events import Event
from app.domain.run import Attempt, RunState
from app.domain.task_state import TaskState
from app.link.client import Client

EVENTS_AT_ONCE = 1_000
MOST_EVENTS = 20_000  # kept; the newest
DIFFS_KEPT = 8  # each may be a megabyte

DiffName = tuple[str, int, str]


class RunReading:
    """Answers that were read so far, and whether they are still those of the run as it is."""

    def __init__(self, run_id: RunId) -> None:
        self.run_id = run_id
        self.events: list[Event] = []
        self.busy = False
        self._state_read: TaskState | None = None
        self._diffs: dict[DiffName, str | LongwatchError] = {}

    # -- events

    def history_is_old(self, state: RunState | None) -> bool:
        """Whether the run's state has changed since its events were read."""
        return state is not None and state.run.state is not self._state_read

    async def read_events(self, client: Client, state: RunState | None) -> None:
        """Read on from the last known event to the newest. Raises LongwatchError."""
        self.busy = True
        before = state.run.state if state else None
        try:
            while True:
                after = self.events[-1].seq if self.events else 0
                page = await client.events(self.run_id, after, EVENTS_AT_ONCE)
                self.events = [*self.events, *page][-MOST_EVENTS:]
                if len(page) < EVENTS_AT_ONCE:
                    break
            self._state_read = before
        finally:
            self.busy = False

    # -- diffs

    def diff(self, state: RunState, attempt: Attempt | None) -> str | LongwatchError | None:
        """What was read for this attempt (None: the whole run) as it stands now, if anything."""
        return self._diffs.get(_name(state, attempt))

    async def read_diff(self, client: Client, state: RunState, attempt: Attempt | None) -> None:
        name = _name(state, attempt)
        step, number, branch = (
            (attempt.step, attempt.attempt, attempt.branch) if attempt else ("", 0, "")
        )
        try:
            found: str | LongwatchError = await client.diff(self.run_id, step, number, branch)
        except LongwatchError as error:
            found = error
        self._diffs[name] = found
        while len(self._diffs) > DIFFS_KEPT:
            del self._diffs[next(iter(self._diffs))]

    def forget_diff(self) -> None:
        """Read again at the next look: the workspace may have moved on."""
        self._diffs.clear()


def _name(state: RunState, attempt: Attempt | None) -> DiffName:
    """Names a diff; another one as soon as the work it is about has been committed anew."""
    if attempt is None:
        return ("", 0, f"{state.run.head_commit} {state.run.state}")
    return (str(attempt.unit), attempt.attempt, f"{attempt.commit} {attempt.state}")
