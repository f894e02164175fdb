"""Bindings: who answers whom, the first in the list, and never more than a binding matched."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from app.domain.migration import Fate, MigrationPlan
from tests.migrate.openclaw.homes import config_of, fate_of, plan_of, routes_of, warned

_AGENTS = {"list": [{"id": "a"}, {"id": "b"}, {"id": "c"}]}


def _plan(tmp_path: Path, bindings: Any, files: Any = None, **channels: Any) -> MigrationPlan:
    config = {"agents": _AGENTS, "bindings": bindings, "channels": channels}
    return plan_of(tmp_path, config, files)


def _bind(agent: str, channel: str, **match: Any) -> dict[str, Any]:
    return {"agentId": agent, "match": {"channel": channel, **match}}


def _peer(kind: str, ident: Any) -> dict[str, Any]:
    return {"peer": {"kind": kind, "id": ident}}


def test_the_peer_is_the_user_and_the_place_is_the_channel(tmp_path: Path) -> None:
    plan = _plan(
        tmp_path,
        [
            _bind("a", "telegram", **_peer("dm", 42)),
            _bind("b", "whatsapp", **_peer("group", "120@g.us")),
            _bind("c", "discord", guildId="g1"),
            _bind("c", "slack", teamId="T1"),
            _bind("b", "telegram", accountId="Work"),
            _bind("c", "telegram", accountId="default"),
            _bind("c", "msteams"),
        ],
    )
    assert routes_of(plan) == [
        ("telegram", "42", "a"),
        ("whatsapp", "120@g.us", "b"),
        ("discord/guild:g1", None, "c"),
        ("slack/team:T1", None, "c"),
        ("telegram/work", None, "b"),
        ("telegram", None, "c"),
        ("teams", None, "c"),
    ]


def test_conditions_under_the_names_that_they_had_at_first(tmp_path: Path) -> None:
    older = {"agentId": "a", "match": {"provider": "telegram", "accountID": "Work"}}
    plan = _plan(tmp_path, [older])
    assert routes_of(plan) == [("telegram/work", None, "a")]
    assert fate_of(plan, "bindings[0].match.provider").fate is Fate.MAPPED


def test_of_two_agents_for_one_peer_the_first_counts(tmp_path: Path) -> None:
    bindings = [
        _bind("b", "telegram", **_peer("dm", "7")),
        _bind("a", "telegram", **_peer("dm", "7")),
    ]
    plan = _plan(tmp_path, bindings)
    assert routes_of(plan) == [("telegram", "7", "b")]
    assert fate_of(plan, "bindings[1].agentId").fate is Fate.REFUSED
    assert warned(plan, "bindings[1]", "bound to b already")


def test_narrower_bindings_come_first_whatever_their_order(tmp_path: Path) -> None:
    bindings = [
        _bind("a", "telegram", accountId="*"),
        _bind("b", "telegram"),
        _bind("c", "telegram", **_peer("dm", "7")),
    ]
    plan = _plan(tmp_path, bindings, telegram={"accounts": {"default": {}, "work": {}}})
    assert routes_of(plan) == [
        ("telegram", "7", "c"),
        ("telegram", None, "b"),
        ("telegram/work", None, "a"),
    ]


def test_every_role_has_its_place_and_a_peer_is_found_in_each(tmp_path: Path) -> None:
    bindings = [
        _bind("a", "discord", guildId="g", roles=["r1", "r2"]),
        _bind("b", "discord", **_peer("channel", "room")),
    ]
    assert routes_of(_plan(tmp_path, bindings)) == [
        ("discord", "room", "b"),
        ("discord/guild:g/role:r1", "room", "b"),
        ("discord/guild:g/role:r2", "room", "b"),
        ("discord/guild:g/role:r1", None, "a"),
        ("discord/guild:g/role:r2", None, "a"),
    ]


def test_all_peers_of_a_kind_are_a_place_of_their_own(tmp_path: Path) -> None:
    plan = _plan(tmp_path, [_bind("a", "whatsapp", **_peer("group", "*"))])
    assert routes_of(plan) == [("whatsapp/group", None, "a")]


@pytest.mark.parametrize(
    "odd",
    [
        _bind("nobody", "telegram"),
        _bind("a", "telegram", moon="full"),
        _bind("a", "telegram", provider="slack"),
        _bind("a", "telegram", accountId="x", accountID="y"),
        _bind("a", "telegram", roles=["r"]),
        _bind("a", "telegram", guildId="g", roles=[]),
        _bind("a", "telegram", peer="7"),
        _bind("a", "telegram", peer={"id": ["7"]}),
        _bind("a", "telegram", peer={"kind": "robot", "id": "7"}),
        _bind("a", "telegram", peer={"id": "*"}),
        _bind("a", "telegram", peer={"kind": "dm", "id": "7", "thread": 1}),
        _bind("a", "telegram", accountId=["x"]),
        _bind("a", ""),
        {"agentId": "a", "match": {}},
        {"agentId": "a"},
        {"match": {"channel": "telegram"}},
        {"agentId": "a", "type": "broadcast", "match": {"channel": "telegram"}},
        5,
    ],
)
def test_a_condition_without_a_counterpart_refuses_its_binding_and_no_other(
    tmp_path: Path, odd: Any
) -> None:
    plan = _plan(tmp_path, [odd, _bind("b", "slack")])
    assert routes_of(plan) == [("slack", None, "b")]
    assert warned(plan, "bindings[0]", "was not taken over")


def test_a_channel_that_lets_only_some_in_is_routed_for_them_only(tmp_path: Path) -> None:
    plan = _plan(
        tmp_path,
        [_bind("a", "telegram"), _bind("b", "slack"), _bind("c", "discord")],
        telegram={"dmPolicy": "allowlist", "allowFrom": ["u1", 7]},
        slack={"dmPolicy": "open", "allowFrom": ["*"]},
        discord={"dmPolicy": "sesame"},
    )
    assert routes_of(plan) == [
        ("telegram", "u1", "a"),
        ("telegram", "7", "a"),
        ("slack", None, "b"),
    ]
    assert warned(plan, "bindings[2]", "lets nobody in")
    assert config_of(plan).default_workflow is None


def test_people_who_were_paired_are_let_in(tmp_path: Path) -> None:
    files = {
        "credentials/telegram-allowFrom.json": '{"version": 1, "allowFrom": ["p1"]}',
        "credentials/telegram-work-allowFrom.json": '{"allowFrom": ["p2"]}',
    }
    bindings = [_bind("a", "telegram"), _bind("b", "telegram", accountId="work")]
    plan = _plan(
        tmp_path, bindings, files, telegram={"dmPolicy": "pairing", "accounts": {"work": {}}}
    )
    assert routes_of(plan) == [("telegram", "p1", "a"), ("telegram/work", "p2", "b")]


def test_nothing_is_routed_from_what_is_switched_off(tmp_path: Path) -> None:
    plan = _plan(
        tmp_path,
        [_bind("a", "telegram"), _bind("b", "slack", accountId="work"), _bind("c", "slack")],
        telegram={"enabled": False},
        slack={"accounts": {"work": {"enabled": False}}},
    )
    assert routes_of(plan) == [("slack", None, "c")]


def test_the_default_agent_answers_the_rest_only_where_everybody_may_write(tmp_path: Path) -> None:
    free = plan_of(tmp_path / "1", {"agents": _AGENTS})
    assert config_of(free).default_workflow == "a"
    marked = {"list": [{"id": "a"}, {"id": "b", "default": True}]}
    assert config_of(plan_of(tmp_path / "2", {"agents": marked})).default_workflow == "b"
    limited = plan_of(
        tmp_path / "3", {"agents": _AGENTS, "channels": {"signal": {"allowFrom": ["+1"]}}}
    )
    assert config_of(limited).default_workflow is None
    explicit = {"agents": {"ownership": "explicit", "entries": {"a": {}, "b": {}}}}
    assert config_of(plan_of(tmp_path / "4", explicit)).default_workflow is None
    sole: dict[str, Any] = {"agents": {"entries": {"a": {}}}}
    assert config_of(plan_of(tmp_path / "5", sole)).default_workflow == "a"


def test_what_a_binding_says_of_sessions_is_archived(tmp_path: Path) -> None:
    binding = {**_bind("a", "telegram"), "session": {"dmScope": "main"}, "comment": "why"}
    plan = _plan(tmp_path, [binding])
    assert fate_of(plan, "bindings[0].match.channel").fate is Fate.MAPPED
    assert fate_of(plan, "bindings[0].session.dmScope").fate is Fate.ARCHIVED
