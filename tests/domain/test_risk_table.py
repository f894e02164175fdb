"""The risk of shell commands as an operator expects it, one by one."""

from __future__ import annotations

import pytest

from app.domain.request import Risk
from app.domain.risk import assess
from app.domain.text import printable
from tests.support.calls import WORKSPACE, risk_table, shell

TABLE = risk_table()
_AT_ONCE = 100  # rows of one test: a test for each would cost more than its row


@pytest.mark.parametrize("start", range(0, len(TABLE), _AT_ONCE))
def test_risk_of_commands(start: int) -> None:
    wrong = []
    for command, risk in TABLE[start : start + _AT_ONCE]:
        found = assess(shell(command), WORKSPACE)
        if found.risk is not risk:
            wrong.append(f"{command!r}: {found.risk}, not {risk}: {found.reasons}")
        assert found.reasons
        assert all(printable(reason) == reason and "\n" not in reason for reason in found.reasons)
    assert not wrong, "\n".join(wrong)


def test_the_table_is_large_and_even() -> None:
    assert len(TABLE) >= 1500
    assert len({command for command, _ in TABLE}) == len(TABLE)
    for risk in Risk:
        assert sum(1 for _, expected in TABLE if expected is risk) >= 200
