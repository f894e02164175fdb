"""What the screens have really painted of what waits for a person, told to the supervisor.

It is told in batches, at most once a second and each thing once; a supervisor that was started
anew knows nothing and is told again. No Textual here.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Iterable

from app.domain.attention import AttentionItem
from app.domain.errors import LongwatchError
from app.domain.seen import Sighting, sighting
from app.link.client import Client

EVERY_SECONDS = 1.0


class SeenReporter:
    """Remembers what was told."""

    def __init__(
        self,
        client: Callable[[], Client | None],
        epoch: Callable[[], int],
        start: Callable[[Coroutine[None, None, None]], object],
    ) -> None:
        """`client` is None while there is nobody to tell; `start` owns the task that tells."""
        self._client, self._epoch, self._start = client, epoch, start
        self._told: set[Sighting] = set()
        self._told_to = 0  # the epoch of the supervisor that was told
        self._pending: set[Sighting] = set()
        self._telling = False

    def painted(self, items: Iterable[AttentionItem]) -> None:
        """These are on the terminal now."""
        if (epoch := self._epoch()) != self._told_to:
            self._told_to = epoch
            self._told.clear()
        new = {sighting(item) for item in items} - self._told
        if new - self._pending:
            self._pending |= new
            if not self._telling:
                self._telling = True
                self._start(self._tell())

    async def _tell(self) -> None:
        try:
            while self._pending and (client := self._client()) is not None:
                batch, self._pending = self._pending, set()
                self._told |= batch
                try:
                    await client.seen(sorted(batch, key=lambda one: one.item_id))
                except (LongwatchError, OSError):
                    self._told -= batch  # the banner says what is wrong; told when painted again
                await asyncio.sleep(EVERY_SECONDS)
        finally:
            self._telling = False
