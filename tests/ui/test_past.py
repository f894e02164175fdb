"""Walking through a run's history: every state is the one that there was."""

from __future__ import annotations

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.domain import events as ev
from app.domain.base import RunId, SessionId
from app.domain.events import Event
from app.domain.reducer import reduce
from app.domain.run import RunState
from app.domain.session import Usage
from app.ui.past import EVENTS_AT_ONCE, Past
from app.ui.widgets.time_line import bar
from tests.support.story import START, story
from tests.ui.fakes import FakeClient

RUN = RunId("r-1")


def numbered(payloads: list[ev.Payload]) -> list[Event]:
    return [
        Event(seq=n, at=START + timedelta(seconds=n), run_id=RUN, payload=payload)
        for n, payload in enumerate(payloads, start=1)
    ]


def folded(events: list[Event]) -> list[RunState]:
    found: list[RunState] = []
    state: RunState | None = None
    for event in events:
        state = reduce(state, event)
        assert state is not None
        found.append(state)
    return found


def long_story(extra: int) -> list[Event]:
    """A run with many more events, each of which changes something."""
    snoozed = [
        ev.RunStateChanged(state=p.state, reason=f"{n}", by=p.by)
        for n in range(extra)
        for p in story()
        if isinstance(p, ev.RunStateChanged) and p.state == "in_progress"
    ]
    first = story()
    at = next(n for n, p in enumerate(first) if isinstance(p, ev.RunStateChanged)) + 1
    return numbered([*first[:at], *snoozed, *first[at:]])


EVENTS = long_story(300)
STATES = folded(EVENTS)


@given(pages=st.lists(st.integers(1, 150), max_size=6), steps=st.lists(st.integers(-400, 400)))
def test_any_place_shows_the_run_as_it_was(pages: list[int], steps: list[int]) -> None:
    past = Past(RUN)
    rest = EVENTS
    for size in [*pages, len(EVENTS)]:
        past.take(rest[:size])
        rest = rest[size:]
    assert past.events == EVENTS
    past.move(len(EVENTS))
    for by in steps:
        before = past.at
        past.move(by)
        assert past.at == min(max(before + by, 0), len(EVENTS) - 1)
        assert past.state == STATES[past.at]


def test_turns_lead_from_one_change_of_course_to_the_next_and_stay_at_the_ends() -> None:
    past = Past(RUN)
    past.take(numbered(story()))
    past.move(-len(past))
    seen = [0]
    for _ in range(len(past)):
        past.turn(1)
        seen.append(past.at)
    assert seen[-1] == len(past) - 1
    assert past.turns() == sorted(set(past.turns()) & set(seen))
    for _ in range(len(past)):
        past.turn(-1)
    assert past.at == 0


def test_what_says_nothing_of_the_state_is_not_walked_through() -> None:
    usage = ev.UsageUpdated(session_id=SessionId(_session()), usage=Usage(input_tokens=1))
    past = Past(RUN)
    past.take(numbered([*story()[:3], usage]))
    assert len(past) == 3


def _session() -> str:
    return next(p.session.session_id for p in story() if isinstance(p, ev.SessionOpened))


@pytest.mark.parametrize("cells", [1, 20, 200])
def test_the_bar_is_as_wide_as_asked_and_has_one_place(cells: int) -> None:
    past = Past(RUN)
    past.take(EVENTS)
    for place in (0, 7, len(EVENTS) - 1):
        past.at = place
        drawn = bar(past, cells)
        assert len(drawn) == cells
        assert drawn.count("●") == 1
        assert drawn.index("●") == place * (cells - 1) // (len(EVENTS) - 1)


class _Paged(FakeClient):
    async def events(
        self, run_id: RunId | None = None, after: int = 0, limit: int = 1000
    ) -> list[Event]:
        return [e for e in self.journal if e.seq > after][:limit]

    journal: list[Event] = []  # noqa: RUF012


async def test_a_long_history_is_read_page_by_page() -> None:
    client = _Paged()
    client.journal = long_story(EVENTS_AT_ONCE + 5)
    past = Past(RUN)
    assert await past.read(client)
    assert (len(past), past.at, past.read_all) == (EVENTS_AT_ONCE, EVENTS_AT_ONCE - 1, False)
    assert not await past.read(client)
    assert past.read_all
    assert past.events == client.journal
