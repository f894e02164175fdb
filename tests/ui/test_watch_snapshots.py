"""Pictures of Watch and Help in every state."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from app.ui.app import ControlRoom
from tests.ui import canned
from tests.ui.conftest import MakeRoom
from tests.ui.driving import pressing

Compare = Callable[..., bool]
SMALL, WIDE, HUGE = (80, 24), (160, 48), (250, 70)


def empty(make: MakeRoom) -> ControlRoom:
    return make()


def running(make: MakeRoom) -> ControlRoom:
    run = canned.running_run()
    return make(run, canned.pending_run(), canned.done_run(), tails=canned.story(run))


def approval(make: MakeRoom) -> ControlRoom:
    asks, run = canned.waiting_run(), canned.running_run()
    tails = [*canned.story(asks), *canned.story(run)]
    return make(run, asks, canned.waiting_edit_run(), canned.done_run(), tails=tails)


def review(make: MakeRoom) -> ControlRoom:
    waits, run = canned.review_run(), canned.running_run()
    return make(run, waits, tails=[*canned.story(waits), *canned.story(run)])


def uncertain(make: MakeRoom) -> ControlRoom:
    run = canned.uncertain_run()
    return make(run, canned.waiting_run(), tails=canned.story(run))


def blocked(make: MakeRoom) -> ControlRoom:
    run = canned.blocked_run()
    return make(run, canned.failed_run(), tails=canned.story(run))


def stuck(make: MakeRoom) -> ControlRoom:
    run = canned.stuck_run()
    return make(canned.running_run(), run, tails=canned.story(run))


def many(make: MakeRoom) -> ControlRoom:
    runs = canned.many_runs()
    return make(*runs, tails=[chunk for run in runs for chunk in canned.story(run)])


def problem(make: MakeRoom) -> ControlRoom:
    run = canned.running_run()
    sentence = "disk full: /home/mara/.local/state/longwatch; runs are paused, free some space"
    return make(run, tails=canned.story(run), problem=sentence)


STATES = [empty, running, approval, review, uncertain, blocked, stuck, many, problem]


@pytest.mark.parametrize("size", [SMALL, WIDE], ids=["80x24", "160x48"])
@pytest.mark.parametrize("state", STATES, ids=lambda state: str(state.__name__))
def test_watch(
    snap_compare: Compare,
    make_room: MakeRoom,
    state: Callable[[MakeRoom], ControlRoom],
    size: tuple[int, int],
) -> None:
    assert snap_compare(state(make_room), terminal_size=size, run_before=pressing())


def test_watch_on_a_wall(snap_compare: Compare, make_room: MakeRoom) -> None:
    assert snap_compare(many(make_room), terminal_size=HUGE, run_before=pressing())


def test_watch_in_a_terminal_that_is_too_small(snap_compare: Compare, make_room: MakeRoom) -> None:
    assert snap_compare(many(make_room), terminal_size=(20, 5), run_before=pressing())


@pytest.mark.parametrize("size", [SMALL, WIDE], ids=["80x24", "160x48"])
def test_help(snap_compare: Compare, make_room: MakeRoom, size: tuple[int, int]) -> None:
    assert snap_compare(
        approval(make_room), terminal_size=size, run_before=pressing("question_mark")
    )


def test_a_paused_pane(snap_compare: Compare, make_room: MakeRoom) -> None:
    keys = pressing("tab", "pageup")
    assert snap_compare(approval(make_room), terminal_size=(80, 18), run_before=keys)


def test_the_new_run_dialog(snap_compare: Compare, make_room: MakeRoom) -> None:
    keys = pressing("n", *"add a health check")
    assert snap_compare(running(make_room), terminal_size=SMALL, run_before=keys)


def test_the_palette(snap_compare: Compare, make_room: MakeRoom) -> None:
    keys = pressing("ctrl+p", *"run")
    assert snap_compare(approval(make_room), terminal_size=SMALL, run_before=keys)
