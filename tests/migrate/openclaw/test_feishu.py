"""Feishu's own routes, under all their names; its default agent must not let more people in."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from app.domain.migration import MigrationPlan
from tests.migrate.openclaw.homes import config_of, plan_of, routes_of, warned

_AGENTS = {"list": [{"id": "r"}, {"id": "c"}]}


def _plan(tmp_path: Path, **feishu: Any) -> MigrationPlan:
    return plan_of(tmp_path, {"agents": _AGENTS, "channels": {"feishu": feishu}})


def _peers(plan: MigrationPlan) -> list[tuple[str | None, str]]:
    return [(user, agent) for channel, user, agent in routes_of(plan) if channel == "feishu"]


@pytest.mark.parametrize(
    "container",
    [
        "userToAgent", "userAgentMap", "userRoutes", "routes", "routeMap",
        "bindings", "userBindings", "agentBindings", "routeBindings",
    ],
)  # fmt: skip
def test_every_container_is_read_as_an_object_and_as_a_list(tmp_path: Path, container: str) -> None:
    by_peer = {container: {"oc_1": "r", "oc_2": {"agentId": "c"}, "": "r"}}
    assert _peers(_plan(tmp_path / "1", **by_peer)) == [("oc_1", "r"), ("oc_2", "c")]
    listed = {container: [{"chatId": "oc_3", "agent": "c"}, {"open_id": 7, "target": "r"}, "r"]}
    assert _peers(_plan(tmp_path / "2", **listed)) == [("oc_3", "c"), ("7", "r")]


@pytest.mark.parametrize(
    "key",
    ["agent", "agentId", "agent_id", "target", "targetAgent", "target_agent", "defaultAgent",
     "default_agent"],
)  # fmt: skip
def test_every_key_for_an_agent(tmp_path: Path, key: str) -> None:
    assert _peers(_plan(tmp_path, routes={"p": {key: "c"}})) == [("p", "c")]


@pytest.mark.parametrize(
    "key",
    ["peerId", "peer_id", "user", "userId", "user_id", "openId", "open_id", "senderId",
     "sender_id", "chatId", "chat_id"],
)  # fmt: skip
def test_every_key_for_a_peer(tmp_path: Path, key: str) -> None:
    assert _peers(_plan(tmp_path, bindings=[{key: "p", "agent": "c"}])) == [("p", "c")]
    assert _peers(_plan(tmp_path, routes={"other": {key: True, "agent": "c"}})) == [("true", "c")]


def test_a_container_that_is_neither_is_told_and_null_is_not(tmp_path: Path) -> None:
    plan = _plan(tmp_path, routes=5, userToAgent=None, bindings=[{"x": 1}])
    assert warned(plan, "channels.feishu.routes", "must be an object or an array")
    assert not warned(plan, "userToAgent")
    assert warned(plan, "channels.feishu.bindings", "has no valid route")


def test_those_who_are_allowed_get_the_default_agent_and_nobody_else(tmp_path: Path) -> None:
    plan = _plan(tmp_path, allowFrom=["ou_1", 2], defaultAgent="c")
    assert _peers(plan) == [("ou_1", "c"), ("2", "c")]
    assert warned(plan, "defaultAgent", "let more people in")
    assert config_of(plan).default_workflow is None


def test_without_such_a_list_the_default_agent_answers_the_channel(tmp_path: Path) -> None:
    plan = _plan(tmp_path, defaultAgent="c", userToAgent={"oc_1": "r"})
    assert _peers(plan) == [("oc_1", "r"), (None, "c")]


@pytest.mark.parametrize(
    "closed",
    [{"dmPolicy": "disabled"}, {"dmPolicy": "pairing"}, {"dmPolicy": "x"}, {"allowFrom": {}}],
)
def test_a_channel_that_is_closed_is_not_opened_by_its_default_agent(
    tmp_path: Path, closed: dict[str, Any]
) -> None:
    assert _peers(_plan(tmp_path, defaultAgent="c", **closed)) == []


def test_people_who_are_allowed_but_whom_nobody_answers_are_told(tmp_path: Path) -> None:
    plan = _plan(tmp_path, allowFrom=["ou_1"])
    assert _peers(plan) == []
    assert warned(plan, "allowFrom", "no default agent")
