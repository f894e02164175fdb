"""Cron jobs become workflows that are off; skills and hooks are kept or named."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

from app.domain.migration import Fate, ItemKind
from app.domain.templates import render
from tests.migrate.openclaw.homes import fate_of, plan_of, said, warned, workflows_of
from tests.migrate.openclaw.rich import secret

_AGENTS = {"agents": {"list": [{"id": "a"}, {"id": "b"}]}}
_BRIEF = {
    "id": "1",
    "name": "Morning brief",
    "agentId": "b",
    "enabled": True,
    "schedule": {"kind": "cron", "expr": "0 7 * * *", "tz": "Europe/Vienna"},
    "payload": {"kind": "agentTurn", "message": "Write {{ the }} brief.\n{% raw %}"},
}


def _jobs(tmp_path: Path, jobs: Any, place: str = "cron/jobs.json") -> Any:
    return plan_of(tmp_path, _AGENTS, {place: json.dumps(jobs)})


def test_a_job_is_a_workflow_that_is_off(tmp_path: Path) -> None:
    plan = _jobs(tmp_path, {"version": 1, "jobs": [_BRIEF]})
    made = {workflow.name: workflow for workflow in workflows_of(plan)}["Morning-brief"]
    assert not made.enabled
    assert "0 7 * * * (Europe/Vienna)" in made.description
    step = made.steps[0]
    assert step.kind == "agent" and step.agent == "b"
    assert fate_of(plan, "jobs[0].payload.message", "cron/jobs.json").fate is Fate.MAPPED


def test_a_jobs_message_is_no_template(tmp_path: Path) -> None:
    plan = _jobs(tmp_path, [_BRIEF], "cron/cron-store.json")
    step = {w.name: w for w in workflows_of(plan)}["Morning-brief"].steps[0]
    assert step.kind == "agent"
    assert render(step.prompt, {}) == "Write {{ the }} brief.\n{% raw %}"


def test_jobs_that_cannot_be_taken_are_named(tmp_path: Path) -> None:
    jobs = [
        {"name": "who", "agentId": "nobody", "payload": {"message": "x"}},
        {"name": "run", "payload": {"kind": "command", "command": "ls"}},
        5,
        {"name": "every", "schedule": {"everyMs": 60000}, "payload": {"text": "x"}},
    ]
    plan = _jobs(tmp_path, jobs)
    assert {"who", "run"} <= {one.name for one in plan.skipped if one.kind is ItemKind.CRON}
    assert warned(plan, "cron/jobs.json: [2]", "no job")
    made = [one for one in plan.imported if one.kind is ItemKind.CRON]
    assert [(one.name, one.detail) for one in made] == [("every", "every 60 seconds")]


def test_jobs_of_the_state_database(tmp_path: Path) -> None:
    (tmp_path / "state").mkdir(parents=True)
    with closing(sqlite3.connect(tmp_path / "state/openclaw.sqlite")) as connection:
        connection.execute("CREATE TABLE cron_jobs (job_json, name, enabled, agent_id)")
        row = (json.dumps({**_BRIEF, "note": secret("x"), "token": secret("t")}), "n", 1, "b")
        connection.execute("INSERT INTO cron_jobs VALUES (?, ?, ?, ?)", row)
        connection.execute("INSERT INTO cron_jobs VALUES ('nonsense', 'n', 1, 'b')")
        connection.commit()
    plan = plan_of(tmp_path, _AGENTS)
    assert "Morning-brief" in {workflow.name for workflow in workflows_of(plan)}
    assert secret("t") not in said(plan)


def test_a_job_and_an_agent_of_one_name_stay_apart(tmp_path: Path) -> None:
    plan = _jobs(tmp_path, [{**_BRIEF, "name": "A"}])
    assert sorted(workflow.name for workflow in workflows_of(plan)) == ["A-2", "a", "b"]


def test_skills_and_hooks_are_kept_or_named(tmp_path: Path) -> None:
    files = {
        "skills/custom/tool/package.json": "{}",
        "skills/custom/tool/index.js": "",
        "skills/community/odd/readme": "",
        "hooks/on-start.sh": "x",
    }
    config = {**_AGENTS, "hooks": {"token": secret("h")}, "skills": {"entries": {"x": {}}}}
    plan = plan_of(tmp_path / "1", config, files)
    reasons = {one.name: one.reason for one in plan.skipped}
    assert reasons["tool"] == "a Node.js skill: install it again"
    assert reasons["odd"] == "its format is not known"
    assert reasons["1 skill entries"] == "skills are installed again"
    assert "hooks" in reasons
    assert [copy.path for copy in plan.copies] == [".longwatch/imported/hooks/on-start.sh"]
    newer = plan_of(tmp_path / "2", _AGENTS, {"skills/mine/SKILL.md": "x"})
    assert [copy.path for copy in newer.copies] == [".longwatch/imported/skills/mine/SKILL.md"]
