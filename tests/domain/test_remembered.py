"""What was worked out once for an object is not worked out again, and never told of another."""

from __future__ import annotations

from app.domain import remembered as module
from app.domain.remembered import remembered


def test_each_object_is_asked_about_once_equal_ones_apart() -> None:
    asked: list[tuple[int, ...]] = []

    @remembered
    def total(numbers: tuple[int, ...]) -> int:
        asked.append(numbers)
        return sum(numbers)

    one = (1, 2)
    other = (*one[:1], 2)
    assert [total(one), total(other), total(one)] == [3, 3, 3]
    assert len(asked) == 2


def test_the_oldest_is_forgotten_when_there_are_too_many() -> None:
    asked = 0

    @remembered
    def size(names: list[str]) -> int:
        nonlocal asked
        asked += 1
        return len(names)

    first = ["a"]
    size(first)
    many = [[str(number)] for number in range(module._MOST)]
    assert {size(names) for names in many} == {1}
    size(first)
    assert asked == module._MOST + 2
