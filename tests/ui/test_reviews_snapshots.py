"""Pictures of Reviews in every state."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from app.domain.attempts import Attempts
from app.domain.run import RunState
from tests.ui import canned
from tests.ui.conftest import MakeRoom
from tests.ui.pictures import SIZES, Compare, on, utc

__all__ = ["utc"]
pytestmark = pytest.mark.usefixtures("utc")
Size = tuple[int, int]
ESCALATED = "plan was rejected 3 times, which is as often as plan-review may send it back"
PLAN_1 = """# Retry for the uploader

We wrap `upload()` in a loop. The loop tries five times and waits one second between tries, \
because the service asks for that in its documentation.

- change `uploader.py`
- no new dependency

```python
for attempt in range(5):
    answer = client.put("/files", body)
```

> The service answers 503 under load.
"""
PLAN_2 = """# Retry for the uploader

We wrap `upload()` in a loop. The loop tries five times and waits 1, 2, 4 and 8 seconds \
between tries, because the service asks for that in its documentation.

- change `uploader.py`
- add `tests/test_retry.py`
- no new dependency

```python
for wait in (1, 2, 4, 8):
    answer = client.put("/files", body)
    if answer.status not in (429, 503):
        return answer
```

> The service answers 503 under load.
"""


def prose(number: int = 6) -> RunState:
    state = canned.review_run(number)
    texts = {"plan//0/1": PLAN_1, "plan//0/2": PLAN_2}
    attempts = {
        key: replace(attempt, output=texts.get(key)) for key, attempt in state.attempts.items()
    }
    return replace(state, attempts=Attempts(attempts))


STATES: dict[str, tuple[list[RunState], tuple[str, ...]]] = {
    "text": ([prose(), canned.review_run(11)], ()),
    "difference": ([prose()], ("v",)),
    "escalated": ([canned.review_run(escalated=ESCALATED)], ()),
    "send-back": ([prose()], ("d", *"Also retry on a lost connection.")),
    "put-off": ([prose(), canned.review_run(11)], ("z",)),
    "empty": ([canned.running_run()], ()),
}


@SIZES
@pytest.mark.parametrize("name", list(STATES))
def test_reviews(snap_compare: Compare, make_room: MakeRoom, name: str, size: Size) -> None:
    runs, keys = STATES[name]
    before = on("reviews", *keys)
    assert snap_compare(make_room(*runs), terminal_size=size, run_before=before)


@SIZES
def test_deaf(snap_compare: Compare, make_room: MakeRoom, size: Size) -> None:
    before = on("reviews", deaf=True)
    assert snap_compare(make_room(prose()), terminal_size=size, run_before=before)
