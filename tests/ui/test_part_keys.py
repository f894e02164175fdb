"""Keys of the Run screen about parts of a run: pause, retry, another prompt, a value, a fork."""

from __future__ import annotations

from typing import Any

import pytest

from app.domain.attention import AttentionKind
from app.domain.base import RunId
from app.domain.commands import Command, ForkRun, PauseRun, ResumeRun, RetryRun, SkipStep, TakeWork
from app.domain.run import Attempt, AttemptState, Cause, ReviewState, RunState, StepState
from app.domain.task_state import TaskState
from app.ui import marks, steps
from app.ui.marks import Mark
from app.ui.screens.run import RunScreen
from app.ui.steps import current, step_picks
from app.ui.widgets.queue import Pick
from tests.ui import canned, graphs
from tests.ui.answering import press
from tests.ui.driving import rest
from tests.ui.parts import ME, NOW
from tests.ui.test_graph_snapshots import client_over
from tests.ui.test_run_screen import shown, text_of


def test_every_state_has_a_mark() -> None:
    tables = (
        (marks.NEEDS, AttentionKind),
        (marks.STATES, TaskState),
        (marks.ATTEMPTS, AttemptState),
        (marks.REVIEWS, ReviewState),
        (marks.STEPS, StepState),
        (marks.CAUSES, Cause),
    )
    for table, states in tables:
        assert set(table) == set(states)
    every = [mark for table, _ in tables for mark in table.values() if isinstance(mark, Mark)]
    assert all(mark.glyph and mark.word for mark in every)


RUN = RunId("run-0020")
PART: dict[str, Any] = {"run_id": RUN, "step": "audit", "branch": "3", "by": ME}


@pytest.mark.parametrize(
    ("keys", "command"),
    [
        (("t",), RetryRun(**PART)),
        (("k", "t"), RetryRun(run_id=RUN, by=ME)),
        (("v", *"as it is", "enter"), SkipStep(**PART, value="as it is")),
        (("k", "v", "enter"), SkipStep(**PART, value=None)),
        (
            ("T", *" Again.", "enter"),
            RetryRun(**PART, prompt="Audit this file and mend what is unsafe. Again."),
        ),
        (("u",), PauseRun(run_id=RUN, by=ME)),
    ],
)
async def test_what_stands_still_is_taken_up(keys: tuple[str, ...], command: Command) -> None:
    state = graphs.branches_run()
    client = client_over([state])
    async with shown(state, client) as (pilot, screen):
        assert screen.chosen == "audit/3/0/2"
        await press(pilot, *keys)
        await rest(pilot)
        assert client.commands == [command]
        assert screen.app.screen is screen


async def test_one_key_pauses_and_lets_it_go_on() -> None:
    paused = graphs.paused_run()
    client = client_over([paused])
    async with shown(paused, client) as (pilot, screen):
        assert "paused by mara: lunch, 1m ago; u lets it go on" in text_of(screen)
        assert "■" not in text_of(screen), "nothing is wrong with it"
        await press(pilot, "t", "T", "v", "u")
        assert client.commands == [ResumeRun(run_id=paused.run.run_id, by=ME)]


@pytest.mark.parametrize("state", [canned.done_run(), canned.canceled_run()])
async def test_a_run_that_is_over_has_no_such_keys(state: RunState) -> None:
    client = client_over([state])
    async with shown(state, client) as (pilot, screen):
        await press(pilot, "u", "T", "v", "b", "Y")
        assert (client.commands, screen.app.screen) == ([], screen)


@pytest.mark.usefixtures("quick_look")
async def test_a_fork_says_what_it_keeps_and_is_confirmed_by_another_key() -> None:
    state = graphs.loop_run()
    client = client_over([state])
    async with shown(state, client) as (pilot, screen):
        await press(pilot, "k", "k", "k", "F", "F", "enter")
        assert "takes over  list, audit" in "\n".join(_rows(screen))
        await press(pilot, "c")
        await rest(pilot)
        expected = ForkRun(run_id=state.run.run_id, step="report", by=ME)
        assert client.commands == [expected]


def _rows(screen: RunScreen) -> list[str]:
    from app.ui.widgets.page import Page

    return [row.text for row in screen.app.screen.query_one(Page).rows]


@pytest.mark.usefixtures("quick_look")
async def test_work_on_a_plain_folder_is_taken_over_when_that_is_confirmed() -> None:
    state = canned.copied_run()
    client = client_over([state])
    async with shown(state, client) as (pilot, screen):
        await press(pilot, "Y", "Y", "enter")
        assert client.commands == []
        assert state.run.project in "\n".join(_rows(screen))
        await press(pilot, "c")
        await rest(pilot)
        assert client.commands == [TakeWork(run_id=state.run.run_id, by=ME)]


async def test_a_fork_of_what_was_not_reached_says_why_not() -> None:
    state = graphs.branches_run()
    client = client_over([state])
    async with shown(state, client, size=(120, 30)) as (pilot, screen):
        await press(pilot, *"jjjjjj", "F")
        await rest(pilot)
        assert screen.chosen == "step:release"
        assert "has not come to step release" in text_of(screen)
        assert (client.commands, screen.app.screen) == ([], screen)


async def test_a_run_of_a_run_opens_and_leads_back() -> None:
    parent, child = graphs.child_run()
    client = client_over([parent, child])
    async with shown(parent, client) as (pilot, screen):
        await press(pilot, "enter")
        await rest(pilot)
        below = screen.app.screen
        assert isinstance(below, RunScreen)
        assert below.run_id == child.run.run_id
        await press(pilot, "b")
        await rest(pilot)
        above = screen.app.screen
        assert isinstance(above, RunScreen)
        assert above.run_id == parent.run.run_id


async def test_hundreds_of_branches_are_counted_and_listed_when_asked_for() -> None:
    state = graphs.many_branches_run()
    assert len(step_picks(state, NOW)) < 20
    assert len(step_picks(state, NOW, opened=("audit",))) > 300
    client = client_over([state])
    async with shown(state, client, size=(160, 48)) as (pilot, screen):
        assert screen.chosen == "audit/7/0/1"
        await press(pilot, *"jjjjj")
        assert screen.chosen == "more:audit"
        assert "295 more: 176 to do, 119 passed" in text_of(screen)
        await press(pilot, "enter", "j")
        assert "300" not in screen.chosen
        picks = [pick.item_id for pick in screen._picks(state)]
        assert "branch:audit/300" in picks
        assert "audit/1/0/1" in picks


async def test_of_a_long_loop_the_turn_at_work_is_chosen_and_no_row_is_made_that_is_not_seen(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    state = graphs.long_loop_run()
    made: list[str] = []
    make = steps._attempt

    def counted(state: RunState, attempt: Attempt, *rest: Any) -> Pick:
        made.append(attempt.key)
        return make(state, attempt, *rest)

    monkeypatch.setattr(steps, "_attempt", counted)
    assert current(state) == "polish//400/1"
    assert len(step_picks(state, NOW)) < 20
    assert len(made) < 20
    async with shown(state, client_over([state]), size=(160, 48)) as (pilot, screen):
        assert screen.chosen == "polish//400/1"
        assert "392 more: 392 passed" in text_of(screen)
        made.clear()
        await press(pilot, "k")
        assert screen.chosen == "polish//399/1"
        assert len(made) < 100, "a key draws what is seen, however often the loop has turned"
