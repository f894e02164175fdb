"""The head of the Run screen: what is asked, how it stands, and how it came to that."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from textual.content import Content

from app.domain.attention import attention
from app.domain.events import Event
from app.domain.run import RunState
from app.domain.text import one_line
from app.ui.event_rows import history
from app.ui.rows import duration, explain, mark_of

_MARK_STYLES = {
    "need": "bold $warning",
    "bad": "bold $error",
    "live": "bold $accent",
    "calm": "bold",
    "canceled": "bold",
    "done": "bold $success",
}


def run_head(state: RunState, now: datetime, events: Sequence[Event], moment: str) -> Content:
    """`moment` stands in place of the run's history while one walks through it."""
    run = state.run
    needs = attention(state, now)
    mark = mark_of(state, needs)
    past = " → ".join(history(events, run.created_at))
    standing = explain(state, needs, now) or run.reason
    took = duration((run.ended_at or now) - run.created_at)
    ids = f"{run.run_id} · trace {run.trace_id} · {run.workflow} · {took}"
    return Content.assemble(
        (f"{mark.glyph} {mark.word}  ", _MARK_STYLES.get(mark.word) or _MARK_STYLES[mark.tone]),
        (one_line(run.request.title, 200), "bold"),
        f"\n{one_line(standing, 300)}",
        (f"\n{one_line(ids, 200)}", "#98a2ac"),
        (f"\n{moment or one_line(past, 300)}", "$accent" if moment else "#98a2ac"),
    )
