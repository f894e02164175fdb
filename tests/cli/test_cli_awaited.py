"""A run that is followed without a screen says what it waits for, and need not wait for ever."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from app.cli import awaited
from app.cli.awaited import Awaited
from app.domain.attention import AttentionItem, AttentionKind
from app.domain.base import RunId
from tests.support.programs import run
from tests.support.puppet import a_project
from tests.ui.parts import ago

ASKS = 'name = "change"\n[[step]]\nkind = "question"\nname = "q"\nquestion = "ok?"\n'
ITEM = AttentionItem(
    kind=AttentionKind.REVIEW, run_id=RunId("r-1"), item_id="rv-1", title="plan", since=ago(3)
)


def test_a_script_does_not_wait_for_a_person_for_ever(tmp_path: Path) -> None:
    project = a_project(tmp_path / "p", ASKS)
    ended = run(tmp_path / "s", "run", "x", "--max-wait", "0", "--project", project)
    assert ended.returncode == 3, ended.stderr
    assert "waits for you: question" in ended.stderr
    for command in ("longwatch answer", "longwatch cancel", "longwatch up"):
        assert command in ended.stderr


async def test_it_is_said_again_while_it_lasts(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    hours = 3
    clock = [0.0]

    async def passes(event: asyncio.Event, seconds: float) -> None:
        clock[0] += seconds

    monkeypatch.setattr(awaited, "_now", lambda: clock[0])
    monkeypatch.setattr(awaited, "_wait", passes)
    waits = Awaited(RunId("r-1"), hours * 3600)
    waits.put("answered", ITEM)
    waits.keep([])  # somebody has answered: nothing is said of it any more
    clock[0] = 60.0
    waits.put("open", ITEM)
    await waits.too_long()
    said = capsys.readouterr().err
    assert clock[0] == 60 + hours * 3600
    assert said.count("\nstill waits for you, since") == 5, "1, 5 and 15 min, then every hour"
    assert said.count("longwatch accept rv-1") == 7
    assert said.count("longwatch cancel r-1") == 1
    assert "nobody has answered within 3 h" in said
