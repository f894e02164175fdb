"""Finding installations: the order in which they are looked for, and what counts as one."""

from __future__ import annotations

from pathlib import Path

from app.migrate.detect import config_in, detect


def _home(folder: Path, *files: str) -> Path:
    for file in files:
        path = folder / file
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("{}")
    return folder


def test_the_folder_that_is_named_comes_first_then_the_homes_in_order(tmp_path: Path) -> None:
    chosen = _home(tmp_path / "elsewhere", "openclaw.json")
    for name in (".config/openclaw", "openclaw", ".moltbot", ".moldbot", ".clawdbot", ".openclaw"):
        _home(tmp_path / name, "openclaw.json")
    _home(tmp_path / "Local/openclaw", "config.yaml")
    _home(tmp_path / ".openclaw-work", "openclaw.json")
    environment = {
        "OPENCLAW_STATE_DIR": str(chosen),
        "LOCALAPPDATA": str(tmp_path / "Local"),
        "APPDATA": str(tmp_path / "nowhere"),
    }
    found = [Path(one.path).relative_to(tmp_path) for one in detect(environment, tmp_path)]
    assert [str(path) for path in found] == [
        "elsewhere",
        ".openclaw",
        ".clawdbot",
        ".moldbot",
        ".moltbot",
        "openclaw",
        ".config/openclaw",
        ".openclaw-work",
        "Local/openclaw",
    ]


def test_a_folder_counts_by_configuration_sessions_or_memory(tmp_path: Path) -> None:
    _home(tmp_path / ".openclaw", "notes.txt")
    _home(tmp_path / ".clawdbot", "sessions/s.jsonl")
    _home(tmp_path / ".moltbot", "memory/a/MEMORY.md")
    found = detect({}, tmp_path)
    assert [Path(one.path).name for one in found] == [".clawdbot", ".moltbot"]
    assert found[0].detail == "no configuration, sessions"


def test_one_folder_under_two_names_is_found_once(tmp_path: Path) -> None:
    real = _home(tmp_path / ".openclaw", "openclaw.json", "agents/a/agent.yaml")
    (tmp_path / ".clawdbot").symlink_to(real)
    (found,) = detect({"OPENCLAW_STATE_DIR": str(real)}, tmp_path)
    assert (found.system, found.detail) == ("openclaw", "openclaw.json, 1 agent folder")


def test_homes_of_openfang_come_after_those_of_openclaw(tmp_path: Path) -> None:
    _home(tmp_path / ".openfang", "config.toml", "agents/a/agent.toml")
    _home(tmp_path / ".moldbot", "moldbot.json")
    assert [one.system for one in detect({}, tmp_path)] == ["openclaw", "openfang"]


def test_of_several_configurations_the_newest_name_counts(tmp_path: Path) -> None:
    _home(tmp_path, "config.yaml", "moltbot.json", "clawdbot.json")
    assert config_in(tmp_path) == "clawdbot.json"
