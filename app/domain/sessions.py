"""All sessions of a run, and which of them belong to a step or branch."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Self

from app.domain.base import SessionId
from app.domain.persistent import PersistentMap
from app.domain.session import Session

_Place = str | tuple[str, str]  # a step, or a branch of it


class Sessions(PersistentMap[SessionId, Session]):
    """In the order in which they were opened. A run of many steps or branches has many."""

    __slots__ = ("_of",)

    _of: PersistentMap[_Place, tuple[SessionId, ...]]

    def __init__(
        self, entries: Mapping[SessionId, Session] | Iterable[tuple[SessionId, Session]] = ()
    ) -> None:
        super().__init__(entries)
        self._of = PersistentMap()
        for key, session in self._older.items():
            self._of = self._of_with(key, session)

    def set(self, key: SessionId, value: Session) -> Self:
        made = super().set(key, value)
        made._of = self._of if key in self else self._of_with(key, value)
        return made

    def _of_with(
        self, key: SessionId, session: Session
    ) -> PersistentMap[_Place, tuple[SessionId, ...]]:
        """A session stays where it was opened: it is added here once."""
        found = self._of
        places: tuple[_Place, ...] = (session.step, (session.step, session.branch))
        for place in places:
            found = found.set(place, (*found.get(place, ()), key))
        return found

    def of(self, step: str, branch: str | None = None) -> Iterator[Session]:
        """Those of a step, or of one branch of it, the oldest first."""
        keys = self._of.get(step if branch is None else (step, branch), ())
        return map(self.__getitem__, keys)

    @classmethod
    def _entries(cls, source: Any) -> Any:
        return dict[SessionId, Session]
