"""What every screen of the control room shares: the view, the way to send commands, Esc."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from datetime import datetime
from typing import TYPE_CHECKING, ClassVar, cast

from textual.app import ComposeResult
from textual.binding import BindingType
from textual.events import Key
from textual.screen import Screen

from app.domain.approval import Actor
from app.domain.attention import AttentionItem
from app.domain.commands import Command, Done
from app.domain.errors import LongwatchError
from app.link.client import Client
from app.ui.keys import BACK_KEY, refused
from app.ui.view import Changes, View
from app.ui.widgets.key_line import KeyLine
from app.ui.widgets.status_bar import Banner, StatusBar

if TYPE_CHECKING:
    from app.ui.app import ControlRoom


class RoomScreen(Screen[None]):
    """A screen that draws the view. Subclasses override `view_changed`."""

    BINDINGS: ClassVar[list[BindingType]] = [BACK_KEY]

    @property
    def room(self) -> ControlRoom:
        return cast("ControlRoom", self.app)

    @property
    def view(self) -> View:
        return self.room.view

    @property
    def client(self) -> Client | None:
        """None until the first connection stands."""
        return self.room.client

    @property
    def me(self) -> Actor:
        """The person at the keyboard, as the journal will name them."""
        return self.room.me

    def now(self) -> datetime:
        return self.room.now()

    def compose(self) -> ComposeResult:
        yield StatusBar()
        yield Banner()
        yield from self.body()
        yield KeyLine()

    def body(self) -> ComposeResult:
        """What stands between the top lines and the keys."""
        raise NotImplementedError

    def draw_status(self, items: Iterable[AttentionItem] | None = None) -> None:
        """Draw the top lines: how things stand, and what is wrong with the whole room. `items` are
        what waits now, where a screen has asked the view already."""
        now = self.room.now()
        found = self.view.attention(now) if items is None else items
        self.query_one(Banner).show(self.room.problem)
        need = sum(not item.snoozed for item in found)
        self.query_one(StatusBar).show(self.view, need, now)

    def view_changed(self, changes: Changes) -> None:
        """Draw what changed; called at most 15 times a second, and only on the top screen.

        `Changes` is complete (`room.everything()`) when the screen comes back to the top.
        """

    def on_screen_resume(self) -> None:
        self.view_changed(self.room.everything())

    def in_sight(self) -> Iterable[AttentionItem]:
        """What this screen names, one by one, of the things that wait for a person."""
        return ()

    def tell_painted(self) -> None:
        """Tell what is in sight, once it has reached the terminal."""
        self.call_after_refresh(self._tell_painted)

    def _tell_painted(self) -> None:
        # Behind another screen, or in a terminal that nobody looks at, it is unseen.
        if self.is_running and self.app.screen is self and self.room.presence.now():
            self.room.seen.painted(self.in_sight())

    async def send(self, command: Command) -> Done | None:
        """Send a command; None when it was not carried out, which a toast then says."""
        if self.client is None:
            self.notify("not connected yet: nothing was sent", severity="warning", markup=False)
            return None
        try:
            done = await asyncio.shield(self.client.execute(command))
        except LongwatchError as error:
            self.notify(str(error), severity="error", markup=False, timeout=10)
            return None
        self.notify(done.message, markup=False)
        return done

    def on_key(self, event: Key) -> None:
        """A key comes here when it has done nothing: one that does something elsewhere says so."""
        if said := refused(self, event.key):
            self.refuse(said)

    def refuse(self, why: str) -> None:
        """Say that a key cannot be used now."""
        self.notify(why, markup=False, timeout=3)

    async def action_back(self) -> None:
        """Esc: to the screen before; on the first screen it does nothing."""
        await self.room.go_back()
