"""All attempts of a run, with what decisions ask of them at every event."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Self

from app.domain.attempt import Attempt, Unit
from app.domain.persistent import PersistentMap

_Place = str | tuple[str, str]  # a step, or a branch of it


class Attempts(PersistentMap[str, Attempt]):
    """By `Attempt.key`, in the order in which they were made.

    A run can have thousands: what is asked again and again is answered without a look at each.
    """

    __slots__ = ("_last", "_newest", "_of_unit", "_worked", "fatal")

    fatal: int  # how many are
    _last: str
    _worked: float | None  # seconds of all together, unless they are to be summed up anew
    _newest: PersistentMap[_Place, str]
    _of_unit: PersistentMap[Unit, tuple[str, ...]]

    def __init__(self, entries: Mapping[str, Attempt] | Iterable[tuple[str, Attempt]] = ()) -> None:
        super().__init__(entries)
        newest: dict[_Place, str] = {}
        of_unit: dict[Unit, tuple[str, ...]] = {}
        for key, attempt in self._older.items():
            newest[attempt.step] = newest[attempt.step, attempt.branch] = key
            of_unit[attempt.unit] = (*of_unit.get(attempt.unit, ()), key)
        self._newest, self._of_unit = PersistentMap(newest), PersistentMap(of_unit)
        self._last = next(reversed(self._older), "")
        self._worked = None
        self.fatal = sum(attempt.fatal for attempt in self._older.values())

    def set(self, key: str, value: Attempt) -> Self:
        made = super().set(key, value)
        before = self.get(key)
        if before is None:
            unit = value.unit
            made._newest = self._newest.set(unit.step, key).set((unit.step, unit.branch), key)
            made._of_unit = self._of_unit.set(unit, (*self._of_unit.get(unit, ()), key))
            made._last = key
            made.fatal = self.fatal + value.fatal
        else:
            made._newest, made._of_unit, made._last = self._newest, self._of_unit, self._last
            made.fatal = self.fatal + value.fatal - before.fatal
        made._worked = self._worked_with(key, before.worked_seconds if before else 0, value)
        return made

    def _worked_with(self, key: str, before: float, value: Attempt) -> float | None:
        """The sum after `value` is set, where that takes no look at the others."""
        if value.worked_seconds == before:
            return self._worked
        last = key == self._last and not before  # whoever sums them up adds it last too
        return self._worked + value.worked_seconds if last and self._worked is not None else None

    @property
    def worked_seconds(self) -> float:
        """Of all together, added in their order: every replay gives the same to the last bit."""
        if self._worked is None:
            self._worked = sum(attempt.worked_seconds for attempt in self.values())
        return self._worked

    def latest(self, step: str, branch: str | None = None) -> Attempt | None:
        """The newest attempt of a step, or of one branch of it."""
        key = self._newest.get(step if branch is None else (step, branch))
        return None if key is None else self[key]

    def newest(self, unit: Unit) -> Attempt | None:
        """The newest attempt of a unit, or None."""
        keys = self._of_unit.get(unit)
        return self[keys[-1]] if keys else None

    def of(self, unit: Unit) -> tuple[Attempt, ...]:
        """All attempts of a unit, the oldest first."""
        return tuple(self[key] for key in self._of_unit.get(unit, ()))

    @classmethod
    def _entries(cls, source: Any) -> Any:
        return dict[str, Attempt]
