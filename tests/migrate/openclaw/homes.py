"""Homes to be read in tests, and what to look at in their plans."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from app.domain.config import Config, parse_config
from app.domain.env_text import read_env
from app.domain.migration import Fate, KeyRecord, MigrationPlan
from app.domain.workflow import AgentConfig, Workflow
from app.domain.workflow_check import parse_workflow
from app.migrate.openclaw import read_openclaw

SECRETS_FILE = ".longwatch/secrets.env"


def home(folder: Path, config: Any = None, files: Mapping[str, str] | None = None) -> Path:
    """A home in `folder`: its openclaw.json (text, or data), and other files by path."""
    folder.mkdir(parents=True, exist_ok=True)
    if config is not None:
        text = config if isinstance(config, str) else json.dumps(config)
        (folder / "openclaw.json").write_text(text)
    for name, content in (files or {}).items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)
    return folder


def plan_of(
    folder: Path,
    config: Any = None,
    files: Mapping[str, str] | None = None,
    environment: Mapping[str, str] | None = None,
) -> MigrationPlan:
    """The plan for such a home; what holds for every plan is checked here."""
    plan = read_openclaw(home(folder, config, files), environment=environment or {})
    check(plan)
    return plan


def check(plan: MigrationPlan) -> None:
    """Nothing is unaccounted for, all paths are inside and apart, and everything loads."""
    assert plan.key_count == len(plan.keys)
    paths = [path.lower() for path in plan.paths]
    assert len(set(paths)) == len(paths)
    for path in plan.paths:
        parts = path.split("/")
        assert not path.startswith("/") and not {"", ".", ".."} & set(parts), path
    if any(text.path == "longwatch.toml" for text in plan.texts):
        config = config_of(plan)
        names = {workflow.name for workflow in workflows_of(plan)}
        assert {route.workflow for route in config.route} <= names
        assert config.default_workflow is None or config.default_workflow in names
        for agent in config.agent:
            assert set(agent.instructions_files) <= set(plan.paths)
    values = secrets_of(plan)
    assert tuple(sorted(values)) == plan.secrets


def text_of(plan: MigrationPlan, path: str) -> str:
    return next(text.text for text in plan.texts if text.path == path)


def config_of(plan: MigrationPlan) -> Config:
    return parse_config(text_of(plan, "longwatch.toml"), "longwatch.toml")


def agents_of(plan: MigrationPlan) -> dict[str, AgentConfig]:
    return {agent.name: agent for agent in config_of(plan).agent}


def tools_of(plan: MigrationPlan, agent: str) -> set[str]:
    return set(agents_of(plan)[agent].tools or ())


def workflows_of(plan: MigrationPlan) -> list[Workflow]:
    names = [agent.name for agent in config_of(plan).agent]
    return [
        parse_workflow(text.text, text.path, names)
        for text in plan.texts
        if text.path.startswith(".longwatch/workflows/")
    ]


def routes_of(plan: MigrationPlan) -> list[tuple[str, str | None, str]]:
    """Channel, user and agent of every route."""
    return [(r.channel or "", r.user, r.workflow) for r in config_of(plan).route]


def secrets_of(plan: MigrationPlan) -> dict[str, str]:
    found = [text for text in plan.texts if text.path == SECRETS_FILE]
    assert all(text.private and text.secret for text in found)
    return read_env(found[0].text, "secrets") if found else {}


def said(plan: MigrationPlan) -> str:
    """Everything of a plan that people or other files get to see."""
    shown = plan.model_copy(update={"texts": tuple(t for t in plan.texts if not t.secret)})
    return shown.model_dump_json() + "\n".join(t.text for t in shown.texts) + repr(shown)


def warned(plan: MigrationPlan, *words: str) -> bool:
    """Whether one warning has all these words."""
    return any(all(w in f"{one.where} {one.message}" for w in words) for one in plan.warnings)


def fate_of(plan: MigrationPlan, key: str, file: str = "openclaw.json") -> KeyRecord:
    return next(one for one in plan.keys if (one.key, one.file) == (key, file))


__all__ = ["Fate", "Mapping"]
