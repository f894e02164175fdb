"""Who decides on the screen is who decides on the command line."""

from __future__ import annotations

import pytest

from app.domain.approval import Actor, ActorKind
from app.link.client import Client
from app.ui.app import ControlRoom


async def _nowhere() -> Client:
    raise AssertionError


@pytest.mark.parametrize(("named", "name"), [("grace", "grace"), ("", "login")])
def test_one_person_has_one_name(named: str, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LONGWATCH_USER", named)
    monkeypatch.setenv("LOGNAME", "login")
    assert ControlRoom(_nowhere).me == Actor(kind=ActorKind.PERSON, name=name)
