"""Frozen dataclasses whose methods are written at first use behave as any other from then on."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import FrozenInstanceError, field, fields, replace
from threading import Barrier

import pytest

from app.frozen import frozen


def test_it_is_a_frozen_dataclass() -> None:
    @frozen
    class Point:
        x: int
        y: int = 0
        seen: list[int] = field(default_factory=list, compare=False)
        secret: str = field(default="", repr=False)

    @frozen
    class Other:
        x: int
        y: int = 0

    one = Point(1, y=2)
    assert (one.x, one.y, one.seen) == (1, 2, [])
    assert one == Point(1, 2, [9]) != Point(1, 3)
    assert hash(Other(1, 2)) == hash(Other(1, 2))
    assert one != Other(1, 2)  # type: ignore[comparison-overlap]
    assert repr(one).endswith("Point(x=1, y=2, seen=[])")
    assert replace(one, x=5) == Point(5, 2)
    assert [part.name for part in fields(Point)] == ["x", "y", "seen", "secret"]
    with pytest.raises(FrozenInstanceError):
        one.x = 3  # type: ignore[misc]
    with pytest.raises(TypeError):
        Point()  # type: ignore[call-arg]
    match one:
        case Point(x, y):
            assert (x, y) == (1, 2)


def test_a_first_instance_may_be_wrong() -> None:
    @frozen
    class Point:
        x: int

    with pytest.raises(TypeError):
        Point()  # type: ignore[call-arg]
    assert Point(1) == Point(1)


def test_threads_may_make_the_first_instance_at_the_same_time() -> None:
    for _ in range(20):

        @frozen
        class Point:
            x: int

        together = Barrier(4)

        def make(kind: type[Point] = Point, together: Barrier = together) -> Point:
            together.wait()
            return kind(7)

        with ThreadPoolExecutor(4) as pool:
            made = [future.result() for future in [pool.submit(make) for _ in range(4)]]
        assert made == [Point(7)] * 4
