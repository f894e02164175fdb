"""Rollouts: every route's paths at a glance, the evidence between them, and the way back."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Container
from textual.content import Content
from textual.widgets import Footer, Static

from app.domain import commands as cmd
from app.domain.base import RolloutId
from app.domain.errors import LongwatchError
from app.domain.promotion import Verdict, judge, next_share
from app.domain.rollout import Phase, Rollout, ShadowResult
from app.domain.text import one_line
from app.ui.deeds import KEEPS
from app.ui.page import Row, lines, row
from app.ui.rollout_rows import (
    PHASES,
    comparison_head,
    inline,
    overview,
    rollout_pick,
    side_by_side,
)
from app.ui.screens.base import RoomScreen
from app.ui.screens.dialogs import AskText
from app.ui.theme import style
from app.ui.view import Changes
from app.ui.widgets.confirm import AskSure
from app.ui.widgets.page import Page
from app.ui.widgets.queue import PickList
from app.ui.widgets.reason import AskReason
from app.ui.widgets.status_bar import Banner, StatusBar

_EMPTY = (
    "no rollouts yet\n\n"
    "declare [[rollout]] in longwatch.toml: a stable path, a candidate beside it;\n"
    "it is here as soon as a request is routed to it, or after `longwatch rollout open`"
)
_READ = 200  # comparisons of a rollout that can be gone through


class RolloutsScreen(RoomScreen):
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
        Binding("j,down", "move(1)", "Rollout below", id="rollouts.down", show=False),
        Binding("k,up", "move(-1)", "Rollout above", id="rollouts.up", show=False),
        Binding("pagedown,space", "pages(1)", "Page down", id="rollouts.page-down", show=False),
        Binding("pageup", "pages(-1)", "Page up", id="rollouts.page-up", show=False),
    ]
    AUTO_FOCUS = ""

    def __init__(self) -> None:
        super().__init__()
        self._chosen: RolloutId | None = None
        self._results: Sequence[ShadowResult] = ()  # mismatches first, then the newest
        self._read_for: tuple[object, ...] = ()
        self._at = 0

    def compose(self) -> ComposeResult:
        yield StatusBar()
        yield Banner()
        yield Static(_EMPTY, markup=False, id="empty")
        with Container(id="work"):
            yield PickList(id="rollouts", mark_cells=15)
            with Container(id="detail"):
                yield Static(markup=False, id="head")
                yield Page(id="text")
                with Container(id="pair"):
                    yield Page(id="stable")
                    yield Page(id="candidate")
        yield Footer(show_command_palette=False, compact=True)

    # -- reading and drawing

    def view_changed(self, changes: Changes) -> None:
        if not self.is_mounted:
            return
        if changes.status:
            self.query_one(Banner).show(self.room.problem)
        needs = sum(not item.snoozed for item in self.view.attention(self.now()))
        self.query_one(StatusBar).show(self.view, needs)
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
        rollout = self.rollout
        if action not in _NEEDED:
            return super().check_action(action, parameters)
        return rollout is not None and _NEEDED[action](rollout)

    def action_move(self, by: int) -> None:
        ids = [rollout.rollout_id for rollout in self._rollouts]
        if self._chosen in ids:
            at = ids.index(self._chosen)
            self._choose(ids[min(max(at + by, 0), len(ids) - 1)])

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

    def action_full(self) -> None:
        self.toggle_class("-full")

    async def action_back(self) -> None:
        for name in ("-full", "-compare"):
            if self.has_class(name):
                self.remove_class(name)
                self._draw()
                return
        await super().action_back()

    def action_pages(self, count: int) -> None:
        self.query_one("#text", Page).pages(count)
        if self.has_class("-pair"):
            self.query_one("#stable", Page).pages(count)
            self.query_one("#candidate", Page).pages(count)

    # -- deeds

    async def action_roll_back(self) -> None:
        """No question: the way back must not have a step in it."""
        if (rollout := self.rollout) is not None:
            await self.send(cmd.RollBack(rollout_id=rollout.rollout_id, by=self.me))

    def action_promote(self) -> None:
        rollout = self.rollout
        if rollout is None:
            return
        share = next_share(rollout)
        found = judge(rollout, self.now())
        if found.verdict is Verdict.MET or share is None:
            self._promote_sure(rollout, share)
            return
        missing = "\n".join(f"- {text}" for text in found.missing)
        title = f"Not to be promoted to {share} %:\n{missing}\n\nOverride it all the same? Why?"

        async def override(text: str) -> bool:
            return await self._promote(rollout, text)

        self.app.push_screen(
            AskReason(
                title,
                override,
                draft=f"override-{rollout.rollout_id}",
                placeholder="kept in the journal, and shown while it lasts; Esc leaves it",
            )
        )

    def _promote_sure(self, rollout: Rollout, share: int | None) -> None:
        async def go(sure: bool | None) -> None:
            if sure:
                await self._promote(rollout, "")

        rows: list[Row] = [
            *lines(f"{rollout.candidate} answers {share} % of the requests"),
            *lines(f"instead of {rollout.share} %; R takes it all back", tone="quiet"),
        ]
        title = f"Promote the candidate of {rollout.title}?"
        self.app.push_screen(AskSure(title, rows, yes="promote"), go)

    async def _promote(self, rollout: Rollout, override: str) -> bool:
        command = cmd.PromoteRollout(
            rollout_id=rollout.rollout_id, version=rollout.version, override=override, by=self.me
        )
        return await self.send(command) is not None

    def action_tick(self) -> None:
        rollout = self.rollout
        if rollout is None:
            return
        rollback = rollout.rollback
        items = rollback.to_tick if rollback is not None else rollout.to_tick
        if not items:
            return
        which = "rollback" if rollback is not None else "promotion"
        item, more = items[0], f" ({len(items)} left)" if len(items) > 1 else ""

        async def tick(text: str) -> bool:
            command = cmd.TickItem.model_validate(
                {
                    "rollout_id": rollout.rollout_id,
                    "checklist": which,
                    "item": item,
                    "note": text,
                    "by": self.me,
                }
            )
            return await self.send(command) is not None

        self.app.push_screen(
            AskReason(
                f"Done?{more}\n{item}",
                tick,
                draft=f"tick-{rollout.rollout_id}-{item}",
                placeholder="what you found, if there is something to say",
                may_be_empty=True,
            )
        )

    def action_shadow(self) -> None:
        rollout = self.rollout
        if rollout is None:
            return

        async def shadow(text: str) -> bool:
            number = text.strip().removesuffix("%").strip()
            if not number.isdecimal() or int(number) > 100:
                self.notify("a share is a number from 0 to 100", severity="error", markup=False)
                return False
            command = cmd.SetShadow(rollout_id=rollout.rollout_id, percent=int(number), by=self.me)
            return await self.send(command) is not None

        title = f"Per cent of the requests that are shadowed? (now {rollout.shadow})"
        self.app.push_screen(AskText(title, KEEPS, shadow, draft=f"shadow-{rollout.rollout_id}"))

    async def action_hold(self) -> None:
        if (rollout := self.rollout) is not None:
            why = f"held by {self.me}"
            await self.send(cmd.HoldRollout(rollout_id=rollout.rollout_id, why=why, by=self.me))

    async def action_go_on(self) -> None:
        if (rollout := self.rollout) is not None:
            await self.send(cmd.HoldRollout(rollout_id=rollout.rollout_id, by=self.me))

    def action_adopt(self) -> None:
        rollout = self.rollout
        if rollout is None:
            return
        command = cmd.AdoptCandidate(
            rollout_id=rollout.rollout_id, version=rollout.version, by=self.me
        )
        words = f"{rollout.candidate} becomes the stable path; {rollout.stable} is let go"
        self._sure(f"Adopt the candidate of {rollout.title}?", words, "adopt", command)

    def action_reopen(self) -> None:
        rollout = self.rollout
        if rollout is None:
            return
        command = cmd.ReopenCandidate(
            rollout_id=rollout.rollout_id, version=rollout.version, by=self.me
        )
        words = f"{rollout.candidate} may be shadowed and promoted again; its evidence is gone"
        self._sure(f"Try the candidate of {rollout.title} again?", words, "try again", command)

    def _sure(self, title: str, words: str, yes: str, command: cmd.Command) -> None:
        async def go(sure: bool | None) -> None:
            if sure:
                await self.send(command)

        self.app.push_screen(AskSure(title, list(lines(words)), yes=yes), go)

    async def action_open(self) -> None:
        if (rollout := self.rollout) is not None:
            await self.send(cmd.OpenRollout(project=rollout.project, name=rollout.name, by=self.me))

    def action_drill(self) -> None:
        if (rollout := self.rollout) is not None:
            self.run_worker(self._drill(rollout), group="drill", exclusive=True)

    async def _drill(self, rollout: Rollout) -> None:
        if self.client is None:
            return
        self.notify("rehearsing the rollback on a copy of the store…", markup=False, timeout=3)
        try:
            found = await self.client.drill(rollout.rollout_id, self.me)
        except LongwatchError as error:
            self.notify(str(error), severity="error", markup=False)
            return
        words = (
            f"drill: {found.committed_ms:.1f} ms until the stable path answers, "
            f"{found.on_stable} of {found.requests} requests on it, {found.frozen} runs frozen"
        )
        bad = found.on_stable != found.requests
        self.notify(words, severity="error" if bad else "information", markup=False, timeout=12)


def _is_open(rollout: Rollout) -> bool:
    return rollout.candidate is not None and not rollout.closed


def _has_ticks(rollout: Rollout) -> bool:
    rollback = rollout.rollback
    return bool(rollback.to_tick if rollback is not None else rollout.to_tick)


_NEEDED: dict[str, Callable[[Rollout], bool]] = {
    "promote": lambda r: _is_open(r) and next_share(r) is not None,
    "roll_back": lambda r: not r.closed and r.candidate is not None,
    "tick": _has_ticks,
    "compare": lambda r: True,
    "shadow": _is_open,
    "hold": lambda r: r.phase is Phase.STEPPING and not r.held,
    "go_on": lambda r: bool(r.held),
    "adopt": lambda r: r.share == 100,
    "reopen": lambda r: r.closed and r.rollback is None,
    "drill": lambda r: not r.closed,
    "open": lambda r: True,
}
