from __future__ import annotations

from datetime import timedelta

import pytest
from msgspec.structs import replace

from app.domain import events as ev
from app.domain.approval import Action, ApprovalRule, Decision, RuleMatch, StoredRule
from app.domain.base import RuleId, RunId, SessionId
from app.domain.events import Event
from app.domain.feed import Committed, Ended, FeedItem, StatusChanged, Streamed
from app.domain.session import SessionState
from app.domain.task_state import TaskState
from app.ui.view import Changes, View
from tests.ui.canned import (
    blocked_run,
    canceled_run,
    done_run,
    failed_run,
    many_runs,
    pending_run,
    review_run,
    running_run,
    story,
    uncertain_run,
    waiting_edit_run,
    waiting_run,
)
from tests.ui.fakes import FakeClient
from tests.ui.parts import ME, NOW, make_status


def view_of(client: FakeClient) -> View:
    view = View()
    view.apply(client.snapshot())
    return view


def event(seq: int, run_id: str, payload: ev.Payload) -> Event:
    return Event(seq=seq, at=NOW, run_id=RunId(run_id), payload=payload)


def test_a_snapshot_names_everything_as_changed() -> None:
    state = running_run()
    client = FakeClient(state, tails=story(state))
    view = View()
    changes = view.apply(client.snapshot())
    assert changes.runs == {state.run.run_id}
    assert changes.sessions == set(state.sessions)
    assert changes.rules and changes.status and bool(changes)


def test_events_move_one_run_and_are_applied_once() -> None:
    state = waiting_run()
    view = view_of(FakeClient(state, done_run()))
    approval = next(iter(state.approvals.values()))
    decided = ev.ApprovalDecided(
        approval_id=approval.approval_id,
        decision=Decision(action=Action.DENY, reason="no", by=ME, at=NOW),
        told=False,
    )
    item = Committed(events=(event(121, state.run.run_id, decided),))
    assert view.attention(NOW)
    assert view.apply(item) == Changes(runs=frozenset({state.run.run_id}))
    assert view.attention(NOW) == []
    after = view.runs[state.run.run_id]
    assert not view.apply(item), "the same event again changes nothing"
    assert view.runs[state.run.run_id] is after


def test_events_that_the_snapshot_holds_already_change_nothing() -> None:
    state = running_run()
    view = view_of(FakeClient(state))
    changed = ev.RunStateChanged(state=TaskState.CANCELED, by=ME)
    assert not view.apply(Committed(events=(event(120, state.run.run_id, changed),)))
    assert view.runs[state.run.run_id].run.state is TaskState.IN_PROGRESS


def test_a_new_run_appears_from_its_event() -> None:
    view = view_of(FakeClient())
    run = pending_run().run
    changes = view.apply(Committed(events=(event(121, run.run_id, ev.RunCreated(run=run)),)))
    assert changes.runs == {run.run_id}
    assert [state.run for state in view.ordered_runs(NOW)] == [run]


def test_rules_come_and_go() -> None:
    view = view_of(FakeClient())
    rule = StoredRule(
        rule_id=RuleId("rule-1"),
        project="/p",
        rule=ApprovalRule(name="git status", match=RuleMatch(tool="shell"), action=Action.ALLOW),
        by=ME,
        at=NOW,
        from_approval=next(iter(waiting_run().approvals)),
    )
    added = Event(seq=121, at=NOW, payload=ev.RuleAdded(rule=rule))
    removed = Event(seq=122, at=NOW, payload=ev.RuleRemoved(rule_id=rule.rule_id, by=ME))
    assert view.apply(Committed(events=(added,))) == Changes(rules=True)
    assert view.rules == {rule.rule_id: rule}
    assert view.apply(Committed(events=(removed,))) == Changes(rules=True)
    assert view.rules == {}


def test_status_and_end_are_changes_of_status() -> None:
    view = view_of(FakeClient())
    items: list[FeedItem] = [StatusChanged(status=make_status("disk full")), Ended(why="stopped")]
    assert [view.apply(item) for item in items] == [Changes(status=True)] * 2
    assert view.status is not None and view.status.problem == "disk full"


def test_a_second_snapshot_keeps_tails_and_drops_what_is_gone() -> None:
    kept, gone = running_run(2), running_run(3)
    client = FakeClient(kept, gone, tails=[*story(kept), *story(gone)])
    view = view_of(client)
    lines = len(view.tail(next(iter(kept.sessions))).lines)
    del client.states[gone.run.run_id]
    changes = view.apply(client.snapshot().model_copy(update={"tails": tuple(story(kept))}))
    assert gone.run.run_id in changes.runs, "a run that vanished is a change as well"
    assert len(view.tail(next(iter(kept.sessions))).lines) == lines
    assert set(view.tails) == set(kept.sessions)


def test_chunks_that_are_known_are_no_change() -> None:
    state = running_run()
    view = view_of(FakeClient(state, tails=story(state)))
    assert not view.apply(Streamed(chunks=tuple(story(state))))


def test_runs_are_ordered_by_need() -> None:
    states = [
        done_run(1),
        canceled_run(2),
        failed_run(3),
        blocked_run(4),
        pending_run(5),
        running_run(6),
        review_run(7),
        waiting_edit_run(8),
        waiting_run(9),
        uncertain_run(10),
    ]
    view = view_of(FakeClient(*states))
    order = [state.run.run_id for state in view.ordered_runs(NOW)]
    assert order[:6] == [f"run-{n:04d}" for n in (10, 9, 8, 7, 6, 5)]
    assert set(order[6:8]) == {"run-0003", "run-0004"}
    assert set(order[8:]) == {"run-0001", "run-0002"}


def test_what_is_snoozed_no_longer_comes_first() -> None:
    waiting, running = waiting_run(1), running_run(2)
    approval = next(iter(waiting.approvals.values()))
    later = NOW + timedelta(minutes=10)
    snoozed = approval.model_copy(update={"snoozed_until": later})
    waiting = replace(waiting, approvals=waiting.approvals.set(approval.approval_id, snoozed))
    review = review_run(3)
    view = view_of(FakeClient(waiting, running, review))
    assert view.ordered_runs(NOW)[0].run.run_id == review.run.run_id
    assert view.attention(NOW)[-1].snoozed
    assert view.ordered_runs(later)[0].run.run_id == waiting.run.run_id


def test_finished_runs_come_newest_first() -> None:
    runs = [done_run(n, minutes=100 - n) for n in range(5)]
    ended = [
        replace(state, run=state.run.model_copy(update={"ended_at": NOW - timedelta(minutes=n)}))
        for n, state in enumerate(runs)
    ]
    view = view_of(FakeClient(*reversed(ended)))
    order = [state.run.run_id for state in view.ordered_runs(NOW)]
    assert order == [state.run.run_id for state in ended]


def test_attention_of_many_runs_is_most_urgent_first() -> None:
    view = view_of(FakeClient(*many_runs(40)))
    kinds = [str(item.kind) for item in view.attention(NOW)]
    assert kinds == sorted(kinds, key=["uncertain", "approval", "review", "blocked"].index)


@pytest.mark.parametrize("unknown", ["run-none", ""])
def test_sessions_of_an_unknown_run_are_none(unknown: str) -> None:
    assert view_of(FakeClient()).live_sessions(RunId(unknown)) == []


def test_the_session_at_work_comes_first() -> None:
    state = waiting_run()
    sessions = view_of(FakeClient(state)).live_sessions(state.run.run_id)
    assert [s.state for s in sessions] == [SessionState.WAITING, SessionState.IDLE]


def test_live_runs_are_those_that_stop_with_the_supervisor() -> None:
    view = view_of(FakeClient(running_run(1), pending_run(2), blocked_run(3), done_run(4)))
    assert view.live_runs == 2


def test_a_session_that_said_nothing_has_an_empty_tail() -> None:
    view = View()
    tail = view.tail(SessionId("s-1"))
    assert len(tail.lines) == 0 and view.tail(SessionId("s-1")) is tail
