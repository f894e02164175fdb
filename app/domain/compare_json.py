"""Two JSON values beside each other: what differs, where, and what may differ."""

import functools
import json
import math
from collections.abc import Callable, Iterator, Sequence
from typing import Literal

from pydantic import Field

from app.domain.base import Model
from app.domain.gate import Text
from app.domain.late_pattern import LatePattern
from app.domain.text import one_line

Path = tuple[str | int, ...]
Same = Callable[[int, object, object], bool]  # whether an item's like is the other one
_MOST = 1_000  # differences that are looked for
_LARGE_LIST = 2_000  # items from which a list without order is compared by its canonical items
_SHOWN = 200  # characters of a value
_SEGMENT = LatePattern(r'\.?(?P<key>[^.\[\]"]+)|\[(?P<index>\d+|\*)\]|\["(?P<quoted>[^"]*)"\]')
_NAME = LatePattern(r"^[A-Za-z_][\w-]*$")


class JsonRule(Model):
    """What may differ between two JSON values. Paths are such as `meta.time`, `items[*].id`,
    `["a key"]`; `*` is any key, `[*]` any item, `**` any number of either."""

    ignore: tuple[Text, ...] = ()  # paths whose values do not count, nor that they are there
    tolerance: float = Field(default=0, ge=0, allow_inf_nan=False)  # of numbers, absolute
    relative_tolerance: float = Field(default=0, ge=0, lt=1)  # of numbers: 0.01 is one per cent
    unordered: tuple[Text, ...] = ()  # paths of lists whose order does not count
    sets: tuple[Text, ...] = ()  # paths of lists in which repeats do not count either


class Difference(Model):
    """One place. `kind` says which side has what the other lacks, or that both differ."""

    path: str
    kind: Literal["changed", "missing", "added"]  # as the candidate stands to the stable answer
    stable: str = ""  # the values as JSON, shortened
    candidate: str = ""


def json_differences(stable: object, candidate: object, rule: JsonRule) -> list[Difference]:
    """Every place where the candidate's value is not the stable one's, in its order."""
    found: list[Difference] = []
    for difference in _Walk(rule).compare((), stable, candidate):
        found.append(difference)
        if len(found) >= _MOST:
            break
    return found


def parse_path(text: str) -> tuple[str, ...]:
    """The segments of a path: `[*]` and `[3]` for items, all else keys. Raises ValueError."""
    rest = text.removeprefix("$")
    found, at = list[str](), 0
    while at < len(rest):
        match = _SEGMENT.compiled.match(rest, at)
        if match is None:
            raise ValueError(f"{text!r} is no path; write such as items[*].id")
        index = match["index"]
        found.append(f"[{index}]" if index else (match["key"] or match["quoted"] or ""))
        at = match.end()
    return tuple(found)


class _Walk:
    def __init__(self, rule: JsonRule) -> None:
        self._rule = rule
        self._ignore = [parse_path(path) for path in rule.ignore]
        self._sets = [parse_path(path) for path in rule.sets]
        self._unordered = [parse_path(path) for path in rule.unordered] + self._sets

    def compare(self, path: Path, one: object, other: object) -> Iterator[Difference]:
        if _any(self._ignore, path):
            return
        if isinstance(one, dict) and isinstance(other, dict):
            yield from self._objects(path, one, other)
        elif isinstance(one, list) and isinstance(other, list):
            yield from self._lists(path, one, other)
        elif not self._equal(one, other):
            yield _changed(path, one, other)

    def _objects(
        self, path: Path, one: dict[str, object], other: dict[str, object]
    ) -> Iterator[Difference]:
        for key, value in one.items():
            at = (*path, key)
            if key in other:
                yield from self.compare(at, value, other[key])
            elif not _any(self._ignore, at):
                yield Difference(path=shown(at), kind="missing", stable=_json(value))
        for key, value in other.items():
            at = (*path, key)
            if key not in one and not _any(self._ignore, at):
                yield Difference(path=shown(at), kind="added", candidate=_json(value))

    def _lists(self, path: Path, one: list[object], other: list[object]) -> Iterator[Difference]:
        if _any(self._unordered, path):
            yield from self._without_order(path, one, other, repeats=not _any(self._sets, path))
            return
        for i, (left, right) in enumerate(zip(one, other, strict=False)):
            yield from self.compare((*path, i), left, right)
        for i in range(len(other), len(one)):
            if not _any(self._ignore, (*path, i)):
                yield Difference(path=shown((*path, i)), kind="missing", stable=_json(one[i]))
        for i in range(len(one), len(other)):
            if not _any(self._ignore, (*path, i)):
                yield Difference(path=shown((*path, i)), kind="added", candidate=_json(other[i]))

    def _without_order(
        self, path: Path, one: list[object], other: list[object], *, repeats: bool
    ) -> Iterator[Difference]:
        """Each item must have its like on the other side; of its own, where repeats count."""
        pairs = _pairs(one, other, functools.partial(self._same, path), repeats=repeats)
        taken_one, taken_other = pairs
        for i, item in enumerate(one):
            if i not in taken_one and not _any(self._ignore, (*path, i)):
                yield Difference(path=shown((*path, i)), kind="missing", stable=_json(item))
        for i, item in enumerate(other):
            if i not in taken_other and not _any(self._ignore, (*path, i)):
                yield Difference(path=shown((*path, i)), kind="added", candidate=_json(item))

    def _same(self, path: Path, i: int, one: object, other: object) -> bool:
        return next(self.compare((*path, i), one, other), None) is None

    def _equal(self, one: object, other: object) -> bool:
        if isinstance(one, bool) or isinstance(other, bool):
            return one is other
        if isinstance(one, int | float) and isinstance(other, int | float):
            return self._near(one, other)
        return type(one) is type(other) and one == other

    def _near(self, one: float, other: float) -> bool:
        if one == other:
            return True
        rule = self._rule
        try:
            return math.isclose(one, other, rel_tol=rule.relative_tolerance, abs_tol=rule.tolerance)
        except OverflowError:  # integers beyond what a float holds
            return False


def _pairs(
    one: Sequence[object], other: Sequence[object], same: Same, *, repeats: bool
) -> tuple[set[int], set[int]]:
    """Indices of the items that have their like. Equal items are found at once; for what is left,
    and not too much, the rule is asked."""
    by_text: dict[str, list[int]] = {}
    for i, item in enumerate(other):
        by_text.setdefault(_canonical(item), []).append(i)
    if not repeats:
        return _likes_in_sets(one, other, by_text, same)
    holder: dict[int, int] = {}  # of an item of `other`: which of `one` it is the like of
    for i, item in enumerate(one):
        if found := by_text.get(_canonical(item)):
            holder[found.pop()] = i
    held = set(holder.values())
    rest = [i for i in range(len(one)) if i not in held]
    if len(rest) * len(other) <= _LARGE_LIST**2:
        matching = _Matching(one, other, same, holder)
        for i in rest:
            matching.place(i)
    return set(holder.values()), set(holder)


def _likes_in_sets(
    one: Sequence[object], other: Sequence[object], by_text: dict[str, list[int]], same: Same
) -> tuple[set[int], set[int]]:
    left, right = set[int](), set[int]()
    for i, item in enumerate(one):
        if found := by_text.get(_canonical(item)):
            left.add(i)
            right.update(found)
    left |= {i for i in range(len(one)) if i not in left and any(same(i, one[i], o) for o in other)}
    right |= {
        j for j in range(len(other)) if j not in right and any(same(j, o, other[j]) for o in one)
    }
    return left, right


class _Matching:
    """A largest matching: with tolerances the first like is not always the right one, so an item
    may take another's when that finds one elsewhere (augmenting paths, as in Kuhn's algorithm)."""

    def __init__(
        self, one: Sequence[object], other: Sequence[object], same: Same, holder: dict[int, int]
    ) -> None:
        self._one, self._other, self._same, self._holder = one, other, same, holder
        self._likes: dict[int, list[int]] = {}

    def place(self, start: int) -> None:
        """Find item `start` of `one` a like of its own. No recursion: lists are long."""
        came_from: dict[int, int] = {}
        todo = [start]
        while todo:
            i = todo.pop()
            for j in self._likes_of(i):
                if j in came_from:
                    continue
                came_from[j] = i
                if j not in self._holder:
                    self._hand_on(j, start, came_from)
                    return
                todo.append(self._holder[j])

    def _likes_of(self, i: int) -> list[int]:
        known = self._likes.get(i)
        if known is None:
            item = self._one[i]
            known = [j for j, o in enumerate(self._other) if self._same(i, item, o)]
            self._likes[i] = known
        return known

    def _hand_on(self, j: int, start: int, came_from: dict[int, int]) -> None:
        held = {i: k for k, i in self._holder.items()}
        while True:
            i = came_from[j]
            self._holder[j] = i
            if i == start:
                return
            j = held[i]


def _canonical(value: object) -> str:
    return json.dumps(value, sort_keys=True, ensure_ascii=True)


def _any(patterns: Sequence[tuple[str, ...]], path: Path) -> bool:
    return any(_matches(pattern, path) for pattern in patterns)


def _matches(pattern: tuple[str, ...], path: Path) -> bool:
    if not pattern:
        return not path
    head, rest = pattern[0], pattern[1:]
    if head == "**":
        return any(_matches(rest, path[i:]) for i in range(len(path) + 1))
    return bool(path) and _segment(head, path[0]) and _matches(rest, path[1:])


def _segment(wanted: str, got: str | int) -> bool:
    if isinstance(got, int):
        return wanted in ("[*]", f"[{got}]")
    return wanted in ("*", got)


def shown(path: Path) -> str:
    """A path as a person writes it; `$` for the whole value."""
    text = ""
    for segment in path:
        if isinstance(segment, int):
            text += f"[{segment}]"
        elif _NAME.compiled.match(segment):
            text += f".{segment}" if text else segment
        else:
            text += f"[{json.dumps(segment, ensure_ascii=False)}]"
    return text or "$"


def _changed(path: Path, one: object, other: object) -> Difference:
    return Difference(path=shown(path), kind="changed", stable=_json(one), candidate=_json(other))


def _json(value: object) -> str:
    return one_line(json.dumps(value, ensure_ascii=False), _SHOWN)
