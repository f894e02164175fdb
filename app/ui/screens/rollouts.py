"""Rollouts: every route's paths at a glance, the evidence between them, and the way back."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Container
from textual.content import Content
from textual.widgets import Static

from app.domain.attention import AttentionItem, rollout_attention
from app.domain.base import RolloutId
from app.domain.errors import LongwatchError
from app.domain.rollout import Rollout, ShadowResult
from app.domain.text import one_line
from app.ui.keys import beside, reading_keys
from app.ui.page import row
from app.ui.rollout_actions import RolloutActions
from app.ui.rollout_rows import (
    PHASES,
    comparison_head,
    inline,
    overview,
    rollout_pick,
    side_by_side,
)
from app.ui.screens.listing import ListScreen
from app.ui.theme import style
from app.ui.view import Changes
from app.ui.widgets.page import Page
from app.ui.widgets.queue import PickList

_EMPTY = (
    "no rollouts yet\n\n"
    "declare [[rollout]] in longwatch.toml: a stable path, a candidate beside it;\n"
    "it is here as soon as a request is routed to it, or after `longwatch rollout open`"
)
_READ = 200  # comparisons of a rollout that can be gone through


class RolloutsScreen(RolloutActions, ListScreen):
    """The list on the left (or on top) chooses the rollout; the text is about it, or compares."""

    CSS_PATH = [style("dialogs"), style("approvals"), style("rollouts")]  # noqa: RUF012
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("p", "promote", "Promote", id="rollouts.promote"),
        Binding("R", "roll_back", "ROLL BACK", id="rollouts.back"),
        Binding("t", "tick", "Tick", id="rollouts.tick"),
        Binding("v", "compare", "Comparisons", id="rollouts.compare"),
        Binding("s", "shadow", "Shadow", id="rollouts.shadow"),
        Binding("u", "hold", "Hold", id="rollouts.hold"),
        Binding("u", "go_on", "Go on", id="rollouts.go-on"),
        Binding("A", "adopt", "Adopt", id="rollouts.adopt"),
        Binding("N", "reopen", "Try again", id="rollouts.reopen"),
        Binding("D", "drill", "Drill", id="rollouts.drill", show=False),
        Binding("O", "open", "Read the files anew", id="rollouts.open", show=False),
        Binding("right,l", "turn(1)", "Next comparison", id="rollouts.next", show=False),
        Binding("left,h", "turn(-1)", "Comparison before", id="rollouts.before", show=False),
        Binding("g", "go(True)", "Open the candidate's run", id="rollouts.go", show=False),
        Binding("G", "go(False)", "Open the stable run", id="rollouts.go-stable", show=False),
        Binding("enter", "full", "Full", id="rollouts.full", show=False),
        *reading_keys("rollouts"),
    ]
    LIST = "rollouts"
    MARK_CELLS = 15

    def __init__(self) -> None:
        super().__init__()
        self._chosen: RolloutId | None = None
        self._results: Sequence[ShadowResult] = ()  # mismatches first, then the newest
        self._read_for: tuple[object, ...] = ()
        self._at = 0

    def body(self) -> ComposeResult:
        yield Static(_EMPTY, markup=False, id="empty")
        yield from super().body()

    def detail(self) -> ComposeResult:
        yield from super().detail()
        with Container(id="pair"):
            yield Page(id="stable")
            yield Page(id="candidate")

    # -- reading and drawing

    def view_changed(self, changes: Changes) -> None:
        if not self.is_mounted:
            return
        self.draw_status()
        if changes.rollouts:
            self._draw()

    def on_resize(self) -> None:
        if self.is_mounted:
            self._draw()

    @property
    def _rollouts(self) -> list[Rollout]:
        """Those that need a person first."""
        found = list(self.view.rollouts.values())
        return sorted(found, key=lambda r: (r.rollback is None, not r.held, r.name))

    @property
    def rollout(self) -> Rollout | None:
        """The chosen one."""
        return self.view.rollouts.get(self._chosen) if self._chosen else None

    def _draw(self) -> None:
        found, now = self._rollouts, self.now()
        self.set_class(not found, "-empty")
        if self.rollout is None:
            self._chosen = found[0].rollout_id if found else None
        rollout = self.rollout
        self.query_one("#rollouts", PickList).show(
            [rollout_pick(r, now) for r in found], self._chosen
        )
        self.refresh_bindings()
        if rollout is None:
            return
        self.tell_painted()
        wanted = (rollout.rollout_id, rollout.version, rollout.evidence.last_at)
        if wanted != self._read_for:
            self._read_for = wanted
            self.run_worker(self._read(rollout), group="comparisons", exclusive=True)
        mark = PHASES[rollout.phase]
        place = one_line(rollout.project, 200)
        name = (f"{mark.glyph} {rollout.title}  ", "bold")
        head = Content.assemble(name, (f"{rollout.phase}  ", "$accent"), place)
        self.query_one("#head", Static).update(head)
        self._draw_text(rollout)

    def in_sight(self) -> Iterable[AttentionItem]:
        """What the rows of the list and the overview say that waits."""
        named = {*self.query_one("#rollouts", PickList).in_sight, self._chosen}
        found = (r for r in self.view.rollouts.values() if r.rollout_id in named)
        return [item for rollout in found for item in rollout_attention(rollout)]

    async def _read(self, rollout: Rollout) -> None:
        if self.client is None:
            return
        try:
            found = await self.client.comparisons(rollout.rollout_id, _READ)
            missed = await self.client.comparisons(rollout.rollout_id, _READ, mismatches=True)
        except LongwatchError as error:
            self.notify(str(error), severity="error", markup=False)
            return
        agreed = [result for result in found if result.comparison.agrees]
        # Those of an earlier candidate say nothing of this one.
        self._results = [r for r in (*missed, *agreed) if r.at >= rollout.since]
        self._at = min(self._at, max(0, len(self._results) - 1))
        if (now := self.rollout) is not None and now.rollout_id == rollout.rollout_id:
            self._draw_text(now)
            self.refresh_bindings()

    @property
    def result(self) -> ShadowResult | None:
        """The comparison on screen; None on the overview."""
        if not self.has_class("-compare") or not self._results:
            return None
        return self._results[self._at]

    def _draw_text(self, rollout: Rollout) -> None:
        result = self.result
        pair = result is not None and self.has_class("-wide")
        self.set_class(pair, "-pair")
        text = self.query_one("#text", Page)
        if result is None:
            missed = [r for r in self._results if not r.comparison.agrees]
            rows = overview(rollout, missed, self.now())
            if self.has_class("-compare"):
                rows = [row(("no comparisons yet: shadow some requests (s)", "quiet"))]
            text.show(rows, name=(rollout.rollout_id, self.has_class("-compare")))
            return
        head = comparison_head(result, self._at + 1, len(self._results))
        rows = head if pair else [*head, row(), *inline(result)]
        text.show(rows, name=(result.shadow, pair))
        if pair:
            left, right = side_by_side(result)
            self.query_one("#stable", Page).show(left, name=result.shadow)
            self.query_one("#candidate", Page).show(right, name=result.shadow)

    # -- keys

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        if action in ("go", "turn"):
            return self.result is not None
        if action == "full":
            return self.rollout is not None
        return super().check_action(action, parameters)

    def action_move(self, by: int) -> None:
        if ids := [rollout.rollout_id for rollout in self._rollouts]:
            self._choose(RolloutId(beside(ids, self._chosen or "", by)))

    def on_pick_list_picked(self, message: PickList.Picked) -> None:
        self._choose(RolloutId(message.item_id))

    def _choose(self, rollout_id: RolloutId) -> None:
        if rollout_id != self._chosen:
            self._chosen, self._results, self._at = rollout_id, (), 0
            self._draw()

    def action_compare(self) -> None:
        self.toggle_class("-compare")
        self._draw()

    def action_turn(self, by: int) -> None:
        if self.result is not None:
            self._at = min(max(self._at + by, 0), len(self._results) - 1)
            self._draw()

    async def action_go(self, candidate: bool) -> None:
        """To the run that made one side of the comparison on screen."""
        if (result := self.result) is None:
            return
        run_id = result.shadow if candidate else result.of
        if run_id is None:
            self.notify("the stable answer was recorded: no run has made it", markup=False)
            return
        await self.room.open_run(run_id)

    async def action_back(self) -> None:
        if not self.has_class("-full") and self.has_class("-compare"):
            self.action_compare()
        else:
            await super().action_back()

    def pages_shown(self) -> Sequence[Page]:
        names = ("#text", "#stable", "#candidate") if self.has_class("-pair") else ("#text",)
        return [self.query_one(name, Page) for name in names]
