"""A card is not made anew fifteen times a second: a diff may be large."""

from __future__ import annotations

import pytest

from app.domain import events as ev
from app.domain.approval import Approval
from app.domain.run import RunState
from app.domain.session import SessionState
from app.ui.cards import approval_rows
from app.ui.page import Memo, Row, row
from tests.ui import canned
from tests.ui.answering import Feed, Ticker, awake
from tests.ui.conftest import room_over
from tests.ui.driving import rest
from tests.ui.fakes import FakeClient
from tests.ui.parts import make_session


def test_rows_are_made_anew_only_when_their_parts_are_others() -> None:
    made: list[int] = []
    memo, state, other = Memo(), canned.waiting_run(), canned.waiting_run()

    def make() -> list[Row]:
        made.append(1)
        return [row(str(len(made)))]

    assert [memo.rows((state, "x", True), make)[0].text for _ in range(3)] == ["1", "1", "1"]
    assert memo.rows((state, "".join(["", "x"]), True), make)[0].text == "1"
    assert memo.rows((other, "x", True), make)[0].text == "2", "equal, but another one"
    assert memo.rows((other, "x", False), make)[0].text == "3"
    assert memo.rows((other, "x"), make)[0].text == "4"


async def test_other_events_do_not_make_the_card_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[object] = []

    def count(state: RunState, approval: Approval, alike: object) -> list[Row]:
        made.append(approval)
        return approval_rows(state, approval)

    monkeypatch.setattr("app.ui.screens.approvals.approval_rows", count)
    state = canned.waiting_edit_run()
    client = FakeClient(state)
    feed = Feed(client)
    async with room_over(client).run_test() as pilot:
        await awake(pilot, "approvals", Ticker())
        before = len(made)
        for number in range(5):
            session = make_session(state.run, f"step-{number}", SessionState.IDLE)
            feed.push(state, ev.SessionOpened(session=session))
            await rest(pilot)
        assert len(made) == before == 1
