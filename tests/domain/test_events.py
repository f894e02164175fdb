"""Events are read back as they were written, and leave every state that was there before alone."""

from __future__ import annotations

import pytest

from app.domain.base import whole_json
from app.domain.events import Event, from_json, to_fields, to_json
from app.domain.reducer import reduce
from app.domain.run import RunState
from tests.support.story import START, a_run, story

STORY = story("r-1")


@pytest.mark.parametrize("payload", STORY, ids=lambda payload: payload.type)
def test_an_event_is_read_back_equal(payload: object) -> None:
    assert from_json(to_json(payload)) == payload  # type: ignore[arg-type]


@pytest.mark.parametrize("body", ['{"type":"nobody_knows"}', '{"type":"', "[]", ""])
def test_what_is_no_event_is_refused(body: str) -> None:
    with pytest.raises(ValueError, match="validation error"):
        from_json(body)


def test_an_event_that_another_program_has_written_is_read_too() -> None:
    body = '{ "epoch": 3, "type": "supervisor_stopped" }'
    assert to_json(from_json(body)) == '{"type":"supervisor_stopped","epoch":3}'


def test_a_state_stays_what_it_was_whatever_happens_after_it() -> None:
    state: RunState | None = None
    found: list[tuple[RunState, str]] = []
    for seq, payload in enumerate(STORY, start=1):
        event = Event(seq=seq, at=START, run_id=a_run().run_id, trace_id="tr", payload=payload)
        state = reduce(state, event)
        assert state is not None and state.seq == seq
        found.append((state, repr(state)))
    assert all(repr(state) == before for state, before in found)


def test_what_cannot_be_written_plainly_is_written_in_the_same_form() -> None:
    for payload in STORY:
        assert whole_json(payload, exclude_defaults=True) == to_fields(payload)
