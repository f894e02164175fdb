"""Walking through a run's history: the screen of a run as it was after any of its events."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING

from textual.binding import Binding, BindingType

from app.domain.base import RunId
from app.domain.errors import LongwatchError
from app.domain.events import Event
from app.domain.run import RunState
from app.ui.event_rows import clock
from app.ui.past import Past
from app.ui.screens.base import RoomScreen
from app.ui.widgets.time_line import TimeLine

if TYPE_CHECKING:
    _Base = RoomScreen
else:
    _Base = object

WALKING_KEYS: list[BindingType] = [
    Binding("h", "history", "Past", id="run.history"),
    Binding("left,comma", "walk(-1)", "Before", id="run.event-before", key_display="←"),
    Binding("right,full_stop", "walk(1)", "After", id="run.event-after", key_display="→"),
    Binding(
        "shift+left,less_than_sign", "turn(-1)", "Turn before", id="run.turn-before", show=False
    ),
    Binding(
        "shift+right,greater_than_sign", "turn(1)", "Turn after", id="run.turn-after", show=False
    ),
    Binding("left_square_bracket", "leap(-1)", "Far back", id="run.far-back", show=False),
    Binding("right_square_bracket", "leap(1)", "Far on", id="run.far-on", show=False),
]
_LEAPS = 20  # from one end of a history to the other
# What changes the run is not done to a run that is no more.
_PRESENT = frozenset(
    {
        *("say", "retry", "retry_with", "skip", "pause", "resume", "finish", "cancel", "fork"),
        *("take", "go", "restart"),
    }
)


class WalksHistory(_Base):
    """Mixed into the screen of a run: `h` leads into its history and back to the present."""

    run_id: RunId
    past: Past | None = None  # None: the screen shows the run as it is

    def redraw(self) -> None:
        """Draw the whole screen anew: it shows the run at another moment."""
        raise NotImplementedError

    @property
    def walked_to(self) -> RunState | None:
        """The run as it was; None in the present, or until the first events were read."""
        return self.past.state if self.past is not None and self.past.events else None

    def now(self) -> datetime:
        """The present moment of what is shown."""
        return self.past.event.at if self.past is not None and self.past.events else super().now()

    def until_now(self, events: Sequence[Event]) -> Sequence[Event]:
        """Those of the run's events that had happened by then."""
        if self.past is None or not self.past.events:
            return events
        return events[: bisect_right(events, self.past.event.seq, key=lambda event: event.seq)]

    @property
    def moment(self) -> str:
        """What the head of the screen says of it."""
        return f"as it was at {clock(self.now())}" if self.walked_to is not None else ""

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        if action in ("walk", "turn", "leap"):
            return self.past is not None
        if self.past is not None and action in _PRESENT:
            return False
        return super().check_action(action, parameters)

    def action_history(self) -> None:
        if self.past is not None:
            self.leave_history()
            return
        self.past = Past(self.run_id)
        self.set_class(True, "-past")
        self.query_one(TimeLine).show(self.past)
        self.run_worker(self._read_past(self.past), group="past", exclusive=True)

    def leave_history(self) -> None:
        self.past = None
        self.set_class(False, "-past")
        self.redraw()

    async def _read_past(self, past: Past) -> None:
        """Read page by page; one can walk in what has been read already."""
        more = True
        while more and self.past is past and self.client is not None:
            last = past.at == len(past) - 1
            try:
                more = await past.read(self.client)
            except LongwatchError as error:
                self.notify(str(error), severity="error", markup=False)
                more = False
            if last and past.events:
                past.move(len(past))
            if self.past is past:
                self._show_past()

    def _show_past(self) -> None:
        self.query_one(TimeLine).show(self.past)
        self.redraw()

    def action_walk(self, by: int) -> None:
        past = self.past
        if past is None or not past.events:
            return
        if by > 0 and past.at == len(past) - 1 and past.read_all:
            # The run may have gone on meanwhile.
            self.run_worker(self._read_past(past), group="past", exclusive=True)
            return
        past.move(by)
        self._show_past()

    def action_leap(self, direction: int) -> None:
        """A part of the whole way: a loop of a thousand turns has no turning point in it."""
        if self.past is not None:
            self.action_walk(direction * max(1, len(self.past) // _LEAPS))

    def action_turn(self, direction: int) -> None:
        if self.past is not None and self.past.events:
            self.past.turn(direction)
            self._show_past()
