"""Files: memory, workspaces, sessions and credentials, from every layout, from inside only."""

from __future__ import annotations

import json
import os
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from app.domain.migration import Fate, ItemKind, MigrationPlan
from app.migrate.openclaw import read_openclaw
from tests.migrate.openclaw.homes import (
    agents_of,
    check,
    fate_of,
    home,
    plan_of,
    said,
    text_of,
    warned,
)
from tests.migrate.openclaw.rich import secret

_AGENTS = {"agents": {"list": [{"id": "a", "default": True}, {"id": "b"}]}}


def _copies(plan: MigrationPlan) -> dict[str, str]:
    """Where each copy goes, and the file it is of, relative to the source."""
    return {c.path: Path(c.source).relative_to(plan.source).as_posix() for c in plan.copies}


def test_both_layouts_of_memory_and_the_newer_one_wins(tmp_path: Path) -> None:
    files = {
        "memory/a/MEMORY.md": "new",
        "agents/a/MEMORY.md": "old",
        "memory/a/2026-01-01.md": "a day",
        "memory/b/MEMORY.md": "  \n",
        "agents/b/MEMORY.md": "older",
        "memory/gone/MEMORY.md": "of an agent that is no more",
    }
    plan = plan_of(tmp_path, _AGENTS, files)
    assert _copies(plan) == {
        ".longwatch/agents/a/MEMORY.md": "memory/a/MEMORY.md",
        ".longwatch/agents/a/memory/2026-01-01.md": "memory/a/2026-01-01.md",
        ".longwatch/agents/b/MEMORY.md": "agents/b/MEMORY.md",
        ".longwatch/imported/gone/memory/MEMORY.md": "memory/gone/MEMORY.md",
    }
    assert agents_of(plan)["a"].instructions_files == (".longwatch/agents/a/MEMORY.md",)
    left = {one.name: one.reason for one in plan.skipped if one.kind is ItemKind.MEMORY}
    assert left == {
        "a": "of agents/a/MEMORY.md: a newer one counts",
        "b": "memory/b/MEMORY.md is blank",
    }


@pytest.mark.parametrize(
    ("place", "config"),
    [
        ("workspaces/b", {}),
        ("agents/b/workspace", {}),
        ("workspace-b", {}),
        ("workspace/b", {"defaults": {"workspace": "~/.openclaw/workspace"}}),
        ("own", {"own": "/home/somebody/.openclaw/own"}),
        ("own", {"own": "$HOME/.openclaw/own"}),
    ],
)
def test_a_workspace_is_found_in_every_layout(
    tmp_path: Path, place: str, config: dict[str, object]
) -> None:
    entry = {"id": "b", **({"workspace": config["own"]} if "own" in config else {})}
    agents = {"list": [{"id": "a"}, entry]}
    if "defaults" in config:
        agents["defaults"] = config["defaults"]  # type: ignore[assignment]
    files = {f"{place}/SOUL.md": "kind", f"{place}/deep/notes.txt": "x", f"{place}/.git/config": ""}
    plan = plan_of(tmp_path, {"agents": agents}, files)
    to = ".longwatch/agents/b/workspace"
    found = {path: at for path, at in _copies(plan).items() if path.startswith(to)}
    assert found == {
        f"{to}/SOUL.md": f"{place}/SOUL.md",
        f"{to}/deep/notes.txt": f"{place}/deep/notes.txt",
    }
    assert agents_of(plan)["b"].instructions_files == (f"{to}/SOUL.md",)
    assert any(one.name == "b: .git/" for one in plan.skipped)


def test_prompts_of_a_workspace_beside_the_source_come_along_and_nothing_else(
    tmp_path: Path,
) -> None:
    beside = tmp_path / "clawd"
    (beside / "b").mkdir(parents=True)
    (beside / "SOUL.md").write_text(f"kind, with {secret('t')}")
    (beside / "photo.png").write_text("x")
    (beside / "b" / "USER.md").write_text("tall")
    (tmp_path / "private.md").write_text("private")
    (beside / "TOOLS.md").symlink_to(tmp_path / "private.md")
    agents = {"list": [{"id": "a"}, {"id": "b"}], "defaults": {"workspace": "~/clawd"}}
    config = {"agents": agents, "gateway": {"auth": {"token": secret("t")}}}
    plan = plan_of(tmp_path / ".openclaw", config, {})
    texts = {text.path: text.text for text in plan.texts if text.path.startswith(".longwatch/ag")}
    assert texts == {
        ".longwatch/agents/a/workspace/SOUL.md": "kind, with [redacted]",
        ".longwatch/agents/b/workspace/USER.md": "tall",
    }
    assert agents_of(plan)["b"].instructions_files == (".longwatch/agents/b/workspace/USER.md",)
    assert any(one.name == "a" and "beside the source" in one.reason for one in plan.skipped)


@pytest.mark.parametrize("named", ["~", "~/", "/", "/etc", "..", "~/linked", "~/.openclaw/../.."])
def test_no_other_folder_beside_the_source_is_looked_into(tmp_path: Path, named: str) -> None:
    (tmp_path / "real").mkdir()
    for folder in (tmp_path, tmp_path / "real"):
        (folder / "SOUL.md").write_text("mine")
    (tmp_path / "linked").symlink_to(tmp_path / "real")
    plan = plan_of(
        tmp_path / ".openclaw", {"agents": {"list": [{"id": "a", "workspace": named}]}}, {}
    )
    assert not any("mine" in text.text for text in plan.texts)
    assert plan.key_count == len(plan.keys)


def test_the_default_workspace_is_the_default_agents_without_those_inside_it(
    tmp_path: Path,
) -> None:
    files = {"workspace/AGENTS.md": "x", "workspace/b/notes.txt": "y"}
    agents = {
        "list": [{"id": "a"}, {"id": "b"}],
        "defaults": {"workspace": "~/.openclaw/workspace"},
    }
    assert _copies(plan_of(tmp_path, {"agents": agents}, files)) == {
        ".longwatch/agents/a/workspace/AGENTS.md": "workspace/AGENTS.md",
        ".longwatch/agents/b/workspace/notes.txt": "workspace/b/notes.txt",
    }


def test_sessions_of_every_place_are_copied_raw(tmp_path: Path) -> None:
    files = {
        "sessions/s1.jsonl": "{}",
        "agents/b/sessions/s2.jsonl": "{}",
        "agents/b/sessions/s5.jsonl.reset.2026-01-01": "{}",
        "agents/b/sessions/sub/s3.jsonl": "{}",
        "agents/b/sessions/sessions.json": "{}",
        "agents/Old One/sessions/s4.jsonl": "{}",
    }
    assert _copies(plan_of(tmp_path, _AGENTS, files)) == {
        ".longwatch/imported/a/sessions/s1.jsonl": "sessions/s1.jsonl",
        ".longwatch/imported/b/sessions/sessions.json": "agents/b/sessions/sessions.json",
        ".longwatch/imported/b/sessions/s2.jsonl": "agents/b/sessions/s2.jsonl",
        ".longwatch/imported/b/sessions/s5.jsonl.reset.2026-01-01": (
            "agents/b/sessions/s5.jsonl.reset.2026-01-01"
        ),
        ".longwatch/imported/b/sessions/sub_s3.jsonl": "agents/b/sessions/sub/s3.jsonl",
        ".longwatch/imported/Old-One/sessions/s4.jsonl": "agents/Old One/sessions/s4.jsonl",
    }


def test_files_of_secrets_in_a_workspace_stay_out_of_version_control(tmp_path: Path) -> None:
    names = (".env", "sub/.env.local", "id_rsa", "tls.key")
    open_ones = (".env.example", "keys.md", "a.key.txt")
    files = {f"workspace/{name}": "x" for name in (*names, *open_ones)}
    plan = plan_of(tmp_path, _AGENTS, files)
    apart = ".longwatch/credentials/workspaces/a"
    private = {copy.path for copy in plan.copies if copy.private and not copy.redact}
    assert private == {f"{apart}/{name}" for name in names}
    assert {copy.path for copy in plan.copies} - private == {
        f".longwatch/agents/a/workspace/{name}" for name in open_ones
    }
    assert warned(plan, "workspace", "files of secrets", ".env")


def test_no_file_stands_where_another_has_a_folder(tmp_path: Path) -> None:
    files = {
        "workspace/a:b": "1",
        "workspace/a-b/c/x": "2",
        "workspace/.env": "3",
        "credentials/workspaces": "4",
        "skills/sessions": "5",
        "agents/skills/sessions/s.jsonl": "{}",
    }
    plan = plan_of(tmp_path, _AGENTS, files)
    assert len(plan.copies) == len(files)
    folders = {str(up).lower() for path in plan.paths for up in Path(path).parents}
    assert not folders & {path.lower() for path in plan.paths}


def test_a_file_under_a_name_that_cannot_stay_is_still_of_its_kind(tmp_path: Path) -> None:
    files = {"agents/a/sessions/agent:a:x.jsonl": "{}", "workspace/a\nb.md": "x"}
    assert set(_copies(plan_of(tmp_path, _AGENTS, files))) == {
        ".longwatch/imported/a/sessions/agent-a-x.jsonl",
        ".longwatch/agents/a/workspace/a-b.md",
    }


def test_sessions_in_a_database_are_read_without_touching_it(tmp_path: Path) -> None:
    source = home(tmp_path, {**_AGENTS, "gateway": {"token": secret("t")}})
    folder = source / "agents/b/agent"
    folder.mkdir(parents=True)
    database = folder / "openclaw-agent.sqlite"
    with closing(sqlite3.connect(database)) as connection:
        connection.execute(
            "CREATE TABLE transcript_events (session_id, seq, event_json, event_zstd)"
        )
        connection.executemany(
            "INSERT INTO transcript_events VALUES (?, ?, ?, ?)",
            [
                ("s2", 1, '{"type":"session"}', None),
                ("s1", 2, f'{{"text":"{secret("t")}"}}', None),
                ("s1", 1, '{\n"type":"session"}', None),
                ("s1", 3, None, b"zstd"),
            ],
        )
        connection.execute("CREATE TABLE session_nodes (session_key, current_session_id)")
        connection.execute("INSERT INTO session_nodes VALUES ('agent:b:main', 's1')")
        connection.commit()
    before = (database.read_bytes(), sorted(folder.iterdir()))
    plan = read_openclaw(source, environment={})
    check(plan)
    assert (database.read_bytes(), sorted(folder.iterdir())) == before
    text = text_of(plan, ".longwatch/imported/b/sessions/s1.jsonl")
    assert text == '{"type": "session"}\n{"text":"[redacted]"}\n'
    index = json.loads(text_of(plan, ".longwatch/imported/b/sessions/sessions.json"))
    assert index == {"agent:b:main": {"sessionId": "s1"}}
    assert text_of(plan, ".longwatch/imported/b/sessions/s2.jsonl") == '{"type":"session"}\n'
    assert warned(plan, "openclaw-agent.sqlite", "1 entries", "compressed")


def test_a_database_that_is_none_is_told(tmp_path: Path) -> None:
    files = {"agents/b/agent/openclaw-agent.sqlite": "nonsense", "state/openclaw.sqlite": "x" * 200}
    plan = plan_of(tmp_path, _AGENTS, files)
    assert warned(plan, "agents/b/agent/openclaw-agent.sqlite", "no database")
    assert warned(plan, "state/openclaw.sqlite", "no database")


def test_links_lead_nowhere_outside_and_never_round(tmp_path: Path) -> None:
    (tmp_path / "private").mkdir()
    (tmp_path / "private/key").write_text(secret("outside"))
    source = home(tmp_path / "home", _AGENTS, {"workspaces/a/real.txt": "x", "memory/a/n.md": "y"})
    inside = source / "workspaces/a"
    (inside / "loop").symlink_to(inside)
    (inside / "out").symlink_to(tmp_path / "private")
    (inside / "key").symlink_to(tmp_path / "private/key")
    (inside / "same.txt").symlink_to(inside / "real.txt")
    (source / "sessions").symlink_to(tmp_path / "private")
    (source / "credentials").symlink_to(tmp_path / "private")
    os.mkfifo(inside / "pipe")
    plan = read_openclaw(source, environment={})
    check(plan)
    assert all(Path(copy.source).is_relative_to(source) for copy in plan.copies)
    names = {Path(copy.path).name for copy in plan.copies}
    assert names == {"real.txt", "same.txt", "n.md"}
    left = {one.name for one in plan.skipped}
    assert {"a: loop", "a: out", "a: key", "a: pipe"} <= left
    assert secret("outside") not in said(plan)


def test_a_configuration_that_is_a_link_out_of_the_source_is_not_read(tmp_path: Path) -> None:
    (tmp_path / "other.json").write_text('{"agents": {"list": [{"id": "x"}]}}')
    source = home(tmp_path / "home", None, {"sessions/s.jsonl": "{}"})
    (source / "openclaw.json").symlink_to(tmp_path / "other.json")
    plan = read_openclaw(source, environment={})
    assert warned(plan, "openclaw.json", "link out of the source")
    assert plan.key_count == 0


def test_credentials_are_private_and_sign_ins_are_only_counted(tmp_path: Path) -> None:
    files = {
        "credentials/oauth.json": secret("oauth"),
        "agents/a/agent/auth-profiles.json": secret("profile"),
        "memory-search/index.db": "x",
        "identity/device.json": secret("device"),
        "notes.txt": "x",
    }
    config = {**_AGENTS, "auth": {"profiles": {"p": {"provider": "x"}, "q": {}}}}
    plan = plan_of(tmp_path, config, files)
    (copy,) = plan.copies
    assert copy.path == ".longwatch/credentials/oauth.json"
    assert copy.private and not copy.redact
    reasons = {one.name: one.reason for one in plan.skipped}
    assert reasons["auth-profiles"].startswith("2 sign-ins")
    assert "agents/a/agent/auth-profiles.json" in reasons
    assert {"memory-search", "identity", "notes.txt"} <= set(reasons)
    assert "FAKE" not in said(plan)


def test_large_sessions_are_planned_without_reading_them(tmp_path: Path) -> None:
    source = home(tmp_path, _AGENTS)
    folder = source / "agents/a/sessions"
    folder.mkdir(parents=True)
    first = folder / "s0.jsonl"
    first.touch()
    os.truncate(first, 2 * 2**30)  # a hole of 2 GB
    for i in range(1, 500):
        (folder / f"s{i}.jsonl").touch()
    plan = read_openclaw(source, environment={})
    assert len(plan.copies) == 500
    assert plan.copies[0].size == 2 * 2**30
    detail = next(one.detail for one in plan.imported if one.kind is ItemKind.SESSION)
    assert detail == "500 session files, 2.1 GB"


def test_a_database_in_an_agents_own_folder_is_read_once(tmp_path: Path) -> None:
    entries = {"a": {"agentDir": "/home/op/.openclaw/elsewhere"}, "b": {"agentDir": "/not/here"}}
    source = home(tmp_path, {"agents": {"entries": entries}})
    (source / "elsewhere").mkdir()
    with closing(sqlite3.connect(source / "elsewhere/openclaw-agent.sqlite")) as connection:
        connection.execute("CREATE TABLE transcript_events (session_id, seq, event_json)")
        connection.execute("INSERT INTO transcript_events VALUES ('s', 1, '{}')")
        connection.commit()
    plan = read_openclaw(source, environment={})
    check(plan)
    assert text_of(plan, ".longwatch/imported/a/sessions/s.jsonl") == "{}\n"
    assert fate_of(plan, "agents.entries.a.agentDir").fate is Fate.MAPPED
    assert fate_of(plan, "agents.entries.b.agentDir").fate is Fate.ARCHIVED


def test_sessions_are_for_their_owner_only_and_secrets_are_taken_out(tmp_path: Path) -> None:
    plan = plan_of(tmp_path, _AGENTS, {"sessions/s.jsonl": "{}", "workspace/a.png": "x"})
    copies = {Path(copy.path).name: copy for copy in plan.copies}
    assert copies["s.jsonl"].private and copies["s.jsonl"].redact
    assert not copies["a.png"].redact
