"""What a screen says of what cannot be seen or done, and when it is seen at all."""

from __future__ import annotations

from dataclasses import replace

import pytest
from textual.binding import Binding

from app.ui.edges import edge
from app.ui.presence import LATELY, Presence
from app.ui.widgets.key_line import Key, fitting
from tests.ui.canned import running_run
from tests.ui.conftest import room_over
from tests.ui.driving import press, settle
from tests.ui.fakes import FakeClient


def test_the_first_and_the_last_row_tell_of_those_out_of_sight() -> None:
    assert [edge(n, 3, 2, 1_000) for n in range(3)] == ["↑ 2 more", "", "↓ 1,000 more"]
    assert edge(0, 1, 2, 4) == "↑ 2 ↓ 4 more"
    assert [edge(n, 3, 0, 0) for n in range(3)] == ["", "", ""]


def key(name: str, label: str, place: str = "watch.x") -> Key:
    return Key(Binding(name, name, label, id=place), name, True, label)


@pytest.mark.parametrize(
    ("width", "said"),
    [
        (40, "a Allow d Deny Esc Back ? Help q Quit"),
        (36, "a Allow d Deny Esc Back ? Help"),
        (29, "a Allow d Deny Esc Back ?"),
        (24, "a Allow … Esc Back ?"),
        (9, "… Esc Back ?"),
    ],
)
def test_the_ways_out_are_named_however_little_room_there_is(width: int, said: str) -> None:
    keys = [key("a", "Allow"), key("d", "Deny"), key("Esc", "Back", "screen.back")]
    keys += [key("?", "Help", "app.help"), key("q", "Quit", "app.quit")]
    names = [f"{k.display} {k.label}".rstrip() if k else "…" for k in fitting(keys, width)]
    assert " ".join(names) == said


def test_where_there_is_room_the_keys_follow_that_are_wanted_less() -> None:
    extra = [
        replace(key("w", "Workflows"), extra=True),
        replace(key("t", "Tick"), extra=True),
    ]
    keys = [key("a", "Allow"), *extra, key("Esc", "Back", "screen.back")]

    def said(width: int) -> str:
        return " ".join(k.display if k else "…" for k in fitting(keys, width))

    assert said(40) == "a w t Esc"
    assert said(28) == "a w Esc"
    assert said(27) == "a t Esc", "a shorter one may fit where a longer one does not"
    assert said(20) == "a Esc", "nothing says that it is missing: `?` has all of them"


async def test_a_key_that_does_not_apply_says_so() -> None:
    room = room_over(FakeClient(running_run()))
    async with room.run_test(size=(80, 24)) as pilot:
        await settle(pilot)
        await press(pilot, "t", "escape", "3")
        said = [note.message for note in room._notifications]
    assert said == ["t Retry: not possible here now", "pane 3 shows no session"]


@pytest.mark.parametrize(
    ("environment", "believed"),
    [({"TERM": "xterm-256color"}, True), ({"TERM": "linux"}, False), ({"TMUX": "/tmp/x"}, False)],
)
def test_who_leaves_a_window_open_does_not_look(
    environment: dict[str, str], believed: bool
) -> None:
    clock = [0.0]
    presence = Presence(environment, lambda: clock[0])
    assert presence.now()
    clock[0] = LATELY
    assert presence.now() is believed
    presence.touched()
    assert presence.now()
    presence.focus(False)
    assert not presence.now(), "from now on the terminal is believed"
    clock[0] += LATELY
    presence.focus(True)
    assert presence.now()
