"""The top line: every run is counted once, by what the list says of it."""

from __future__ import annotations

from datetime import timedelta

from app.domain import events as ev
from app.domain.base import RunId
from app.domain.events import Event
from app.domain.feed import Committed
from app.ui.view import View
from app.ui.widgets.status_bar import summary
from tests.ui.canned import blocked_run, done_run, pending_run, running_run, waiting_run
from tests.ui.fakes import FakeClient
from tests.ui.parts import ME, NOW


def view_of(client: FakeClient) -> View:
    view = View()
    view.apply(client.snapshot())
    return view


def test_who_waits_for_a_person_is_not_at_work() -> None:
    view = view_of(FakeClient(waiting_run()))
    assert summary(view, 1, NOW) == "1 needs you"
    view = view_of(FakeClient(waiting_run(), running_run(), pending_run(), done_run()))
    assert summary(view, 1, NOW) == "1 needs you · 1 at work · 1 queued · 1 done"


def test_done_are_also_those_that_no_list_holds_any_more() -> None:
    client = FakeClient(running_run(), done_run())
    view = View()
    view.apply(client.snapshot().model_copy(update={"done": 300}))
    assert summary(view, 0, NOW) == "1 at work · 300 done"
    view.recall(done_run(77))
    view.recall(done_run())
    assert summary(view, 0, NOW) == "1 at work · 300 done", "who is looked at again counts once"


def test_a_blocked_run_is_counted_as_blocked() -> None:
    view = view_of(FakeClient(blocked_run(), running_run()))
    assert summary(view, 1, NOW) == "1 needs you · 1 at work · 1 blocked"


def test_what_is_put_off_is_at_work_again() -> None:
    state = waiting_run()
    view = view_of(FakeClient(state))
    (item,) = view.attention(NOW)
    later = NOW + timedelta(hours=1)
    snoozed = ev.Snoozed(item="approval", item_id=item.item_id, until=later, by=ME)
    event = Event(seq=121, at=NOW, run_id=RunId(state.run.run_id), payload=snoozed)
    view.apply(Committed(events=(event,)))
    assert summary(view, 0, NOW) == "1 at work"
    assert summary(view, 1, later + timedelta(seconds=1)) == "1 needs you"
