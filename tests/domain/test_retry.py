"""How long a step waits before it tries again by itself."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from app.domain.step import Retry


@given(st.integers(1, 100), st.text())
def test_waits_double_stay_under_the_limit_and_are_the_same_in_a_replay(
    tries: int, salt: str
) -> None:
    retry = Retry(delay_seconds=10, max_delay_seconds=300)
    wait = retry.wait(tries, salt)
    doubled = min(10 * 2.0 ** (tries - 1), 300)
    assert 0.75 * doubled <= wait <= doubled
    assert wait == retry.wait(tries, salt)


def test_runs_do_not_come_back_in_step() -> None:
    retry = Retry()
    assert len({retry.wait(1, f"r-{n}") for n in range(50)}) == 50
