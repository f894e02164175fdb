"""What an operator does to a rollout by key; mixed into the screen that has one chosen."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from app.domain import commands as cmd
from app.domain.errors import LongwatchError
from app.domain.promotion import Verdict, judge, next_share
from app.domain.rollout import Phase, Rollout
from app.ui.page import Row, lines
from app.ui.run_actions import KEEPS
from app.ui.screens.base import RoomScreen
from app.ui.screens.dialogs import AskText
from app.ui.widgets.confirm import AskSure
from app.ui.widgets.reason import AskReason

if TYPE_CHECKING:
    _Base = RoomScreen
else:
    _Base = object


class RolloutActions(_Base):
    """Actions on the chosen rollout. Those that mean nothing for it are not shown."""

    @property
    def rollout(self) -> Rollout | None:
        raise NotImplementedError

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        rollout = self.rollout
        if action not in _NEEDED:
            return super().check_action(action, parameters)
        return rollout is not None and _NEEDED[action](rollout)

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
        items = _to_tick(rollout)
        if not items:
            return
        which = "rollback" if rollout.rollback is not None else "promotion"
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


def _to_tick(rollout: Rollout) -> list[str]:
    """What is to be ticked next: an open rollback comes before the promotion."""
    return rollout.rollback.to_tick if rollout.rollback is not None else rollout.to_tick


_NEEDED: dict[str, Callable[[Rollout], bool]] = {
    "promote": lambda r: r.has_open_candidate and next_share(r) is not None,
    "roll_back": lambda r: r.has_open_candidate,
    "tick": lambda r: bool(_to_tick(r)),
    "compare": lambda r: True,
    "shadow": lambda r: r.has_open_candidate,
    "hold": lambda r: r.phase is Phase.STEPPING and not r.held,
    "go_on": lambda r: bool(r.held),
    "adopt": lambda r: r.share == 100,
    "reopen": lambda r: r.closed and r.rollback is None,
    "drill": lambda r: not r.closed,
    "open": lambda r: True,
}
