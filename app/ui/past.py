"""A run as it was after any of its events: what the time line walks through. No Textual."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence

from app.domain import events as ev
from app.domain.base import RunId
from app.domain.events import Event
from app.domain.reducer import reduce
from app.domain.run import RunState
from app.link.client import Client

EVENTS_AT_ONCE = 1_000
_STRIDE = 64  # events between two states that are kept
_QUIET = (ev.ItemFinished, ev.UsageUpdated)  # many, and of no consequence for the state
_TURNS = (
    ev.RunCreated,
    ev.RunStateChanged,
    ev.StepFinished,
    ev.AttemptFailed,
    ev.AttemptBlocked,
    ev.Returned,
    ev.ReviewOpened,
    ev.ReviewClosed,
    ev.ApprovalSupported,
    ev.ApprovalEdited,
    ev.ApprovalDecided,
    ev.QuestionAsked,
    ev.QuestionAnswered,
)


class Past:
    """The events of one run, and a place among them.

    States are made by replaying events, from the nearest state that is kept: any of them costs
    at most a few dozen events, however long the run.
    """

    def __init__(self, run_id: RunId) -> None:
        self.run_id = run_id
        self.events: list[Event] = []
        self.at = -1  # the event after which the run is shown
        self.read_all = False
        self._kept: list[RunState | None] = []  # after events 0, _STRIDE, 2 * _STRIDE, …
        self._shown: tuple[int, RunState] | None = None
        self._turns: list[int] = []
        self._stops: list[int] = []

    def __len__(self) -> int:
        return len(self.events)

    async def read(self, client: Client) -> bool:
        """Read the next page of events; False when there is none left. Raises LongwatchError."""
        after = self.events[-1].seq if self.events else 0
        page = await client.events(self.run_id, after, EVENTS_AT_ONCE)
        self.take(page)
        self.read_all = len(page) < EVENTS_AT_ONCE
        return not self.read_all

    def take(self, events: Sequence[Event]) -> None:
        """Add events, in order, after those that are known; the place stays where it is."""
        before = len(self.events)
        self.events.extend(event for event in events if not isinstance(event.payload, _QUIET))
        state = self._replayed(before - 1) if before else None
        for index in range(before, len(self.events)):
            state = reduce(state, self.events[index])
            if index % _STRIDE == 0:
                self._kept.append(state)
            payload = self.events[index].payload
            if isinstance(payload, _TURNS):
                self._turns.append(index)
            if _is_stop(payload):
                self._stops.append(index)
        if self.at < 0 and self.events:
            self.at = len(self.events) - 1

    @property
    def event(self) -> Event:
        return self.events[self.at]

    @property
    def state(self) -> RunState:
        """The run as it was right after the event at the place."""
        if self._shown is None or self._shown[0] != self.at:
            self._shown = (self.at, self._replayed(self.at))
        return self._shown[1]

    def _replayed(self, index: int) -> RunState:
        state = self._kept[index // _STRIDE]
        for event in self.events[index - index % _STRIDE + 1 : index + 1]:
            state = reduce(state, event)
        assert state is not None  # the first event of a run creates it
        return state

    def move(self, by: int) -> None:
        """So many events on or back, as far as there are any."""
        self.at = min(max(self.at + by, 0), len(self.events) - 1)

    def turn(self, direction: int) -> None:
        """To the next or previous event that changed the course of the run."""
        places = self.turns()
        after = bisect_right(places, self.at if direction > 0 else self.at - 1)
        if direction > 0:
            self.at = places[after] if after < len(places) else len(self.events) - 1
        else:
            self.at = places[after - 1] if after else 0

    def turns(self) -> Sequence[int]:
        """Where the course of the run changed: it began, stopped, was decided on, ended."""
        return self._turns

    def stops(self) -> Sequence[int]:
        """Where something went wrong or stood still."""
        return self._stops


def _is_stop(payload: ev.Payload) -> bool:
    if isinstance(payload, ev.RunStateChanged):
        return payload.state.resumable
    return isinstance(payload, ev.AttemptFailed | ev.AttemptBlocked)
