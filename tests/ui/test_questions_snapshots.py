"""Pictures of Questions in every state."""

from __future__ import annotations

import pytest

from app.domain.run import RunState
from tests.ui import canned, graphs
from tests.ui.conftest import MakeRoom
from tests.ui.pictures import SIZES, Compare, on, utc

__all__ = ["utc"]
pytestmark = pytest.mark.usefixtures("utc")
STATES: dict[str, tuple[list[RunState], tuple[str, ...]]] = {
    "choices": ([graphs.question_run(), graphs.question_run(31, choices=())], ()),
    "marked": ([graphs.question_run()], ("2",)),
    "free": ([graphs.question_run(choices=())], ()),
    "writing": ([graphs.question_run(choices=())], ("e", *"Otter, after the river.")),
    "put-off": ([graphs.question_run()], ("z",)),
    "empty": ([canned.running_run()], ()),
}


@SIZES
@pytest.mark.parametrize("name", list(STATES))
def test_questions(
    snap_compare: Compare, make_room: MakeRoom, name: str, size: tuple[int, int]
) -> None:
    runs, keys = STATES[name]
    before = on("questions", *keys)
    assert snap_compare(make_room(*runs), terminal_size=size, run_before=before)
