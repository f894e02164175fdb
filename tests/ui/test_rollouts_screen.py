"""The Rollouts screen: what each key sends, what applies when, and pictures of every state."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from app.domain import commands as cmd
from app.domain.approval import Actor, ActorKind
from app.domain.base import RolloutId, RunId
from app.domain.compare import CompareRule, compare
from app.domain.events import Event
from app.domain.feed import Committed
from app.domain.path_name import PathName
from app.domain.rollout import (
    Answered,
    Evidence,
    HourCount,
    PathKind,
    PinnedPath,
    Rollback,
    Rollout,
    Shadowed,
    ShadowResult,
    Tick,
)
from app.domain.rollout_events import RolledBack
from app.domain.rollout_policy import ROLLBACK_CHECKLIST, Policies, PromotionPolicy
from app.ui.app import ControlRoom
from app.ui.screens.rollouts import RolloutsScreen
from app.ui.widgets.confirm import AskSure
from app.ui.widgets.page import Page
from tests.ui import canned
from tests.ui.conftest import room_over
from tests.ui.driving import press, rest, screen_text, settle
from tests.ui.fakes import FakeClient
from tests.ui.parts import ME, NOW
from tests.ui.pictures import SIZES, Compare, utc

__all__ = ["utc"]
pytestmark = pytest.mark.usefixtures("utc")
MARA = Actor(kind=ActorKind.PERSON, name="mara")
AGO = timedelta(minutes=1)
STABLE = "The retry waits 1 s, then 2 s.\nIt gives up after five tries.\nDone."
OTHER = "The retry waits 1 s, then 4 s.\nIt gives up after five tries.\nIt logs each.\nDone."


def answers(path: PathName, seconds: list[float], failed: int = 0) -> list[Answered]:
    return [
        Answered(
            run_id=RunId(f"r-{path}-{number}"),
            path=path,
            shadow=path is PathName.CANDIDATE,
            at=NOW - AGO * (len(seconds) - number),
            ok=number >= failed,
            seconds=one,
        )
        for number, one in enumerate(seconds)
    ]


def a_rollout(name: str = "change", **fields: Any) -> Rollout:
    hours = (HourCount(hour=NOW.replace(minute=0, second=0), agreed=57, disagreed=1, unknown=2),)
    seconds = [41.0, 38, 55, 40, 39, 61, 44, 42, 40, 47]
    stable = answers(PathName.STABLE, seconds)
    candidate = answers(PathName.CANDIDATE, [s * 1.2 for s in seconds])
    values: dict[str, Any] = {
        "rollout_id": RolloutId(f"ro-{name}"),
        "name": name,
        "project": "/home/mara/uploader",
        "version": 4,
        "stable": PinnedPath(kind=PathKind.WORKFLOW, title=name, recipe="3f2a9c1" + "0" * 57),
        "candidate": PinnedPath(
            kind=PathKind.WORKFLOW, title=f"{name}-2", recipe="b81d004" + "0" * 57
        ),
        "policies": Policies(
            promotion=PromotionPolicy(
                steps=(5, 25, 100), checklist=("docs: the runbook is written", "oncall knows")
            )
        ),
        "shadow": 20,
        "evidence": Evidence(answers=(*stable, *candidate), hours=hours, last_at=NOW - AGO),
        "ticks": (Tick(item="oncall knows", by=MARA, at=NOW - 90 * AGO, note="told Jo"),),
        "shadows": (Shadowed(run_id=RunId("r-9"), of=RunId("r-8")),),
        "author": MARA,
        "since": NOW - 600 * AGO,
        "opened_at": NOW - 900 * AGO,
        "updated_at": NOW - AGO,
    }
    return Rollout(**{**values, **fields})


def a_rollback(**fields: Any) -> Rollback:
    values: dict[str, Any] = {
        "number": 1,
        "from_path": "change-2@b81d004",
        "to_path": "change@3f2a9c1",
        "why": "40 % of the candidate's last 10 answers failed, 20 % is allowed",
        "trigger": "watch",
        "by": Actor(kind=ActorKind.RULE, name="rollout watch"),
        "share_before": 25,
        "shadow_before": 20,
        "asked_at": NOW - 6 * AGO,
        "at": NOW - 6 * AGO,
        "frozen": (RunId("r-ab12"), RunId("r-cd34")),
        "stopped_at": NOW - 6 * AGO + timedelta(seconds=1.32),
        "window_seconds": 300.0,
        "checklist": ROLLBACK_CHECKLIST,
        "ticks": (Tick(item=ROLLBACK_CHECKLIST[0], by=MARA, at=NOW - 2 * AGO, note=""),),
    }
    return Rollback(**{**values, **fields})


ROLLED_BACK = a_rollout(
    closed=True, shadow=0, version=7, rollbacks=(a_rollback(),), shadows=(), ticks=()
)
STEPPING = a_rollout(
    share=5, step=0, step_since=NOW - 40 * AGO, held="inconclusive at 5 %: oncall is to be ticked"
)
PROMOTED = a_rollout(share=100, step=2, step_since=NOW - 40 * AGO, override="stable is down")


def result(number: int, stable: str, candidate: str, *, of: bool = True) -> ShadowResult:
    return ShadowResult(
        shadow=RunId(f"r-shadow{number}"),
        of=RunId(f"r-stable{number}") if of else None,
        at=NOW - number * AGO,
        comparison=compare(stable, candidate, CompareRule()),
        stable_text=stable,
        stable_sha256="0" * 64,
        stable_size=len(stable),
        candidate_text=candidate,
        candidate_sha256="1" * 64,
        candidate_size=len(candidate),
        stable_seconds=41.2,
        candidate_seconds=50.9,
    )


RESULTS = [result(1, STABLE, OTHER), result(2, "Yes.", "Yes.  "), result(700, "old", "older")]


def a_room(*rollouts: Rollout, results: list[ShadowResult] | None = None) -> ControlRoom:
    client = FakeClient(canned.running_run())
    client.known_rollouts = list(rollouts)
    client.compared = RESULTS if results is None else results
    return room_over(client, screen="rollouts")


def sent(room: ControlRoom) -> list[cmd.Command]:
    client = room.client
    assert isinstance(client, FakeClient)
    return client.commands


async def test_rolling_back_is_one_key_without_a_question() -> None:
    room = a_room(a_rollout())
    async with room.run_test(size=(100, 30)) as pilot:
        await settle(pilot)
        await press(pilot, "R")
        assert sent(room) == [cmd.RollBack(rollout_id=RolloutId("ro-change"), by=ME)]
        assert isinstance(room.screen, RolloutsScreen)


async def test_the_text_is_read_to_its_end_and_back_with_one_key() -> None:
    room = a_room(a_rollout())
    async with room.run_test(size=(80, 16)) as pilot:
        await settle(pilot)
        page = room.screen.query_one("#text", Page)
        assert not page.at_end
        await press(pilot, "end")
        assert page.at_end
        await press(pilot, "home")
        assert page.scroll_offset.y == 0 and not page.at_end


async def test_promoting_with_something_missing_asks_for_a_reason() -> None:
    room = a_room(a_rollout())
    async with room.run_test(size=(100, 30)) as pilot:
        await settle(pilot)
        await press(pilot, "p")
        assert "Not to be promoted to 5 %" in screen_text(room)
        assert "docs: the runbook is written" in screen_text(room)
        await press(pilot, "escape")
        assert sent(room) == []
        await press(pilot, "p", *"down", "enter")
        (command,) = sent(room)
        assert isinstance(command, cmd.PromoteRollout)
        assert (command.override, command.version) == ("down", 4)


@pytest.mark.usefixtures("quick_look")
async def test_promoting_with_all_met_asks_once() -> None:
    ready = a_rollout(ticks=(), policies=Policies(), share=0)
    hours = (HourCount(hour=NOW.replace(minute=0, second=0), agreed=90),)
    ready = ready.model_copy(
        update={"evidence": ready.evidence.model_copy(update={"hours": hours})}
    )
    room = a_room(ready)
    async with room.run_test(size=(100, 30)) as pilot:
        await settle(pilot)
        await press(pilot, "p")
        assert isinstance(room.screen, AskSure)
        await press(pilot, "c")
        (command,) = sent(room)
        assert isinstance(command, cmd.PromoteRollout) and command.override == ""


async def test_lines_are_ticked_one_by_one_the_open_rollback_first() -> None:
    room = a_room(ROLLED_BACK)
    async with room.run_test(size=(100, 30)) as pilot:
        await settle(pilot)
        await press(pilot, "t", *"checked", "enter")
        (command,) = sent(room)
        assert isinstance(command, cmd.TickItem)
        assert (command.checklist, command.note) == ("rollback", "checked")
        assert command.item.startswith("switch_primary")


async def test_keys_apply_only_where_they_mean_something() -> None:
    room = a_room(ROLLED_BACK)
    async with room.run_test(size=(100, 30)) as pilot:
        await settle(pilot)
        await press(pilot, "R", "p", "A", "N", "u", "s")
        assert sent(room) == []


async def test_shadow_takes_a_share_and_says_what_is_none() -> None:
    room = a_room(a_rollout())
    async with room.run_test(size=(100, 30)) as pilot:
        await settle(pilot)
        await press(pilot, "s", *"150", "enter")
        assert sent(room) == []
        await press(pilot, "backspace", "backspace", *"0%", "enter")
        (command,) = sent(room)
        assert isinstance(command, cmd.SetShadow) and command.percent == 10


@pytest.mark.usefixtures("quick_look")
async def test_holding_adopting_reading_and_a_drill() -> None:
    room = a_room(STEPPING)
    async with room.run_test(size=(100, 30)) as pilot:
        await settle(pilot)
        await press(pilot, "u", "O", "D")
        hold, opened = sent(room)
        assert isinstance(hold, cmd.HoldRollout) and hold.why == "", "it was held: it goes on"
        assert isinstance(opened, cmd.OpenRollout)
        told = [note.message for note in room._notifications]
        assert any("100 of 100 requests on it" in words for words in told)
    room = a_room(PROMOTED)
    async with room.run_test(size=(100, 30)) as pilot:
        await settle(pilot)
        await press(pilot, "A")
        await press(pilot, "c")
        (command,) = sent(room)
        assert isinstance(command, cmd.AdoptCandidate) and command.version == 4


async def test_mismatches_come_first_and_those_of_an_earlier_candidate_not_at_all() -> None:
    room = a_room(a_rollout())
    async with room.run_test(size=(100, 30)) as pilot:
        await settle(pilot)
        await press(pilot, "v")
        assert "1 of 2" in screen_text(room) and "differs" in screen_text(room)
        await press(pilot, "right", "right")
        assert "2 of 2" in screen_text(room) and "agrees" in screen_text(room)
        await press(pilot, "escape")
        assert "Paths" in screen_text(room)


async def test_a_rollback_is_on_every_screen_as_soon_as_it_is_committed() -> None:
    rollout = a_rollout(share=25, step=1)
    client = FakeClient(canned.running_run())
    client.known_rollouts = [rollout]
    room = room_over(client)
    async with room.run_test(size=(100, 30)) as pilot:
        await settle(pilot)
        assert "ROLLED BACK" not in screen_text(room)
        back = RolledBack(rollout_id=rollout.rollout_id, version=5, rollback=a_rollback())
        client.push(Committed(events=(Event(seq=121, at=NOW, payload=back),)))
        await rest(pilot)
        assert "ROLLED BACK: change · 4 lines" in screen_text(room)
        await press(pilot, "g")
        assert isinstance(room.screen, RolloutsScreen)


@SIZES
@pytest.mark.parametrize(
    ("rollouts", "keys"),
    [
        ((), ()),
        ((a_rollout(), a_rollout("audit", candidate=None, shadow=0, shadows=())), ()),
        ((a_rollout(),), ("v",)),
        ((a_rollout(),), ("p",)),
        ((a_rollout("audit"), ROLLED_BACK), ()),
        ((ROLLED_BACK,), ("t",)),
        ((STEPPING,), ()),
        ((PROMOTED,), ()),
    ],
    ids=["empty", "shadow", "compare", "missing", "rolled-back", "tick", "held", "promoted"],
)
def test_pictures(
    snap_compare: Compare,
    size: tuple[int, int],
    rollouts: tuple[Rollout, ...],
    keys: tuple[str, ...],
) -> None:
    async def before(pilot: Any) -> None:
        await settle(pilot)
        if keys:
            await press(pilot, *keys)

    assert snap_compare(a_room(*rollouts), terminal_size=size, run_before=before)
