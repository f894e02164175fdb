from __future__ import annotations

import html
import re

import pytest

from app.domain.errors import StoreError
from app.ui import screenshot
from app.ui.screenshot import render_svg
from tests.support.waiting import PATIENCE
from tests.ui import canned
from tests.ui.fakes import FakeClient


def words(svg: str) -> str:
    """The picture's text; a bit of it may stand in several elements."""
    return html.unescape(" ".join(re.findall(r">([^<>]+)</text>", svg))).replace("\xa0", " ")


@pytest.mark.parametrize(
    ("screen", "word"),
    [("watch", "plan-review"), ("approvals", "git push --force"), ("reviews", "version 2")],
)
async def test_a_screen_is_drawn_without_a_terminal(screen: str, word: str) -> None:
    client = FakeClient(canned.waiting_run(), canned.review_run())
    svg = await render_svg(client, screen, (160, 48))
    assert svg.startswith("<svg") and word in words(svg)
    assert not client.closed, "the client stays the caller's"


async def test_a_run_is_drawn_by_its_id() -> None:
    state = canned.blocked_run()
    svg = await render_svg(FakeClient(state), "run", (120, 40), run_id=state.run.run_id)
    assert "port the parser" in words(svg)


@pytest.fixture(autouse=True)
def _until_it_is_still(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(screenshot, "STILL", PATIENCE)


async def test_the_same_store_gives_the_same_picture() -> None:
    pictures = [
        screenshot._words(await render_svg(FakeClient(canned.done_run()), "watch", (80, 24)))
        for _ in range(2)
    ]
    assert pictures[0] == pictures[1]


async def test_a_supervisor_that_says_nothing_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(screenshot, "PATIENCE", 0.3)

    class Silent(FakeClient):
        def snapshot(self):  # type: ignore[no-untyped-def]
            raise StoreError("the supervisor has gone")

    with pytest.raises(StoreError, match="no snapshot"):
        await render_svg(Silent(), "watch", (80, 24))
