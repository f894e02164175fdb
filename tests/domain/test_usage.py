"""What sessions have used, in words."""

from __future__ import annotations

import pytest

from app.domain.session import Usage
from app.domain.usage import count, money, total, words


@pytest.mark.parametrize(
    ("tokens", "said"),
    [
        (0, "0"),
        (999, "999"),
        (1_000, "1.0k"),
        (9_740, "9.7k"),
        (99_949, "99.9k"),
        (99_950, "100k"),
        (999_499, "999k"),
        (999_500, "1.0M"),
        (12_340_000, "12.3M"),
    ],
)
def test_counts_are_short(tokens: int, said: str) -> None:
    assert count(tokens) == said


@pytest.mark.parametrize(
    ("dollars", "said"),
    [(0.0, "$0.00"), (0.001, "<$0.01"), (0.12, "$0.12"), (1234.5, "$1,234.50")],
)
def test_a_small_cost_is_not_nothing(dollars: float, said: str) -> None:
    assert money(dollars) == said


def test_only_what_is_known_and_telling_is_told() -> None:
    assert words(Usage()) == []
    assert words(Usage(total_tokens=1234)) == ["1.2k tokens"]
    half = Usage(total_tokens=10, context_tokens=49, context_window=100)
    assert words(half) == ["10 tokens"]
    full = half.model_copy(update={"context_tokens": 83, "cost_usd": 0.5})
    assert words(full) == ["10 tokens", "83 % full", "$0.50"]


def test_sessions_are_added_up_and_an_unknown_cost_is_not_zero() -> None:
    one = Usage(input_tokens=1, output_tokens=2, cached_tokens=3, total_tokens=4, context_tokens=9)
    assert total([one, one]) == Usage(
        input_tokens=2, output_tokens=4, cached_tokens=6, total_tokens=8
    )
    priced = one.model_copy(update={"cost_usd": 0.25})
    assert total([one, priced, priced]).cost_usd == 0.5
