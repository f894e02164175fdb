"""Which sessions the live panes show. No Textual here."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from app.domain.base import RunId, SessionId
from app.domain.run import RunState
from app.domain.session import SessionState
from app.ui.view import View

Shown = tuple[RunId, SessionId | None]
_AT_WORK = (SessionState.OPENING, SessionState.WORKING, SessionState.WAITING)


def assign(
    view: View,
    runs: Sequence[RunState],
    selected: RunState | None,
    pins: Mapping[int, SessionId],
    room: int,
) -> list[Shown]:
    """What each of `room` panes shows, pane 1 first; fewer when there is not more to show.

    A pin keeps its pane. The others take the selected run's sessions at work (or its latest),
    then those at work of the other runs in their order, then what else the selected run has.
    """
    owners = {s: run.run.run_id for run in runs for s in run.sessions}
    pinned = {n: s for n, s in pins.items() if n <= room and s in owners}
    rest = (item for item in _wanted(view, runs, selected) if item[1] not in pinned.values())
    found: list[Shown] = []
    for number in range(1, room + 1):
        session = pinned.get(number)
        if session is not None:
            found.append((owners[session], session))
        elif (item := next(rest, None)) is not None:
            found.append(item)
    return found


def _wanted(view: View, runs: Sequence[RunState], selected: RunState | None) -> Iterator[Shown]:
    later: list[Shown] = []
    if selected is not None:
        run_id = selected.run.run_id
        sessions = view.live_sessions(run_id)
        if not sessions:
            yield (run_id, None)
        for place, session in enumerate(sessions):
            if place == 0 or session.state in _AT_WORK:
                yield (run_id, session.session_id)
            else:
                later.append((run_id, session.session_id))
    for state in runs:
        if state is selected or state.run.state.terminal:
            continue
        for session in view.live_sessions(state.run.run_id):
            if session.state in _AT_WORK:
                yield (state.run.run_id, session.session_id)
    yield from later
