"""What waits for a person, and since when nobody has seen it."""

from __future__ import annotations

from collections.abc import Iterable

from msgspec import Struct

from app.domain.attention import AttentionItem
from app.domain.seen import Sighting, Waiting, sighting

Found = tuple[str, AttentionItem]  # a project, and what waits there


class Watched(Struct):
    """One thing that waits. Times are monotonic seconds."""

    project: str
    item: AttentionItem
    noticed: float
    seen: bool = False
    called: float | None = None  # when somebody was called for it last

    def shown(self, now: float) -> Waiting:
        return Waiting(
            item=self.item, project=self.project, seen=self.seen, seconds=now - self.noticed
        )


class Unseen:
    """Keeps in mind what was seen for as long as it waits. No clock of its own."""

    def __init__(self) -> None:
        self._watched: dict[Sighting, Watched] = {}

    def update(self, found: Iterable[Found], now: float) -> None:
        """Take in what waits now; what does not any more is forgotten."""
        before, self._watched = self._watched, {}
        for project, item in found:
            key = sighting(item)
            if key in self._watched:
                continue  # of one cause
            watched = before.get(key) or Watched(project, item, now)
            watched.item = item
            watched.seen |= item.snoozed  # who puts it off has seen it
            self._watched[key] = watched

    def mark(self, sightings: Iterable[Sighting]) -> None:
        """Somebody has seen these; what does not wait (any more, in that revision) is left out."""
        for one in sightings:
            if (watched := self._watched.get(one)) is not None:
                watched.seen = True

    @property
    def waiting(self) -> list[Watched]:
        """Without what was put off, in the order in which it was found."""
        return [one for one in self._watched.values() if not one.item.snoozed]

    @property
    def unseen(self) -> list[Watched]:
        return [one for one in self.waiting if not one.seen]
