"""The risk of shell commands as an operator expects it, one by one."""

from __future__ import annotations

import pytest

from app.domain.request import Risk
from app.domain.risk import assess
from app.domain.text import printable
from tests.support.calls import WORKSPACE, risk_table, shell

TABLE = risk_table()


@pytest.mark.parametrize(("command", "risk"), TABLE)
def test_risk_of_a_command(command: str, risk: Risk) -> None:
    found = assess(shell(command), WORKSPACE)
    assert found.risk is risk, found.reasons
    assert found.reasons
    assert all(printable(reason) == reason and "\n" not in reason for reason in found.reasons)


def test_the_table_is_large_and_even() -> None:
    assert len(TABLE) >= 600
    assert len({command for command, _ in TABLE}) == len(TABLE)
    for risk in Risk:
        assert sum(1 for _, expected in TABLE if expected is risk) >= 100
