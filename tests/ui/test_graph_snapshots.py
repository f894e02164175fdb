"""Pictures of runs that are graphs, and of what an operator does to their parts."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from app.domain.run import RunState
from tests.ui import canned, graphs
from tests.ui.answering import Feed
from tests.ui.conftest import MakeRoom, room_over
from tests.ui.pictures import SIZES, Compare, in_run, utc
from tests.ui.test_run_screen import Journal

__all__ = ["utc"]
pytestmark = pytest.mark.usefixtures("utc")
Size = tuple[int, int]

STATES: dict[str, tuple[RunState | tuple[RunState, RunState], tuple[str, ...]]] = {
    "branches": (graphs.branches_run(), ()),
    "branches-step": (graphs.branches_run(), ("home", *"kkkkk")),
    "many-branches": (graphs.many_branches_run(), ("home", *"kkkkkkkkk")),
    "loop": (graphs.loop_run(), ()),
    "parent": (graphs.child_run(), ()),
    "child": (graphs.child_run()[::-1], ("k", "o")),
    "question": (graphs.question_run(), ()),
    "paused": (graphs.paused_run(), ()),
    "retry-with": (graphs.branches_run(), ("T",)),
    "skip": (graphs.branches_run(), ("v", *"parser.py: left as it is")),
    "fork": (graphs.loop_run(), ("k", "k", "k", "F")),
    "copied": (canned.copied_run(), ("home",)),
    "take": (canned.copied_run(), ("Y",)),
}


def client_over(states: Sequence[RunState]) -> Journal:
    client = Journal(*states)
    feed, run_id = Feed(client), states[0].run.run_id
    client.journal = [feed.event(run_id, payload) for payload in graphs.asked(states[0])]
    return client


@SIZES
@pytest.mark.parametrize("name", list(STATES))
def test_graph(snap_compare: Compare, name: str, size: Size) -> None:
    states, keys = STATES[name]
    every = states if isinstance(states, tuple) else (states,)
    room = room_over(client_over(every), run_id=every[0].run.run_id)
    assert snap_compare(room, terminal_size=size, run_before=in_run(*keys))


@SIZES
def test_watch(snap_compare: Compare, make_room: MakeRoom, size: Size) -> None:
    runs = [
        graphs.branches_run(),
        graphs.paused_run(),
        graphs.question_run(),
        graphs.loop_run(),
        *graphs.child_run(),
    ]
    assert snap_compare(make_room(*runs), terminal_size=size, run_before=in_run("j", "j", "j"))
