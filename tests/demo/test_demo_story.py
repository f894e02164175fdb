"""The demo's story, played by the real driver in a real worktree."""

from __future__ import annotations

import os
import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest

from app.agents.protocol import AgentEvent, SessionSpec, SettledCall
from app.agents.scripted import ScriptedDriver
from app.agents.scripted.session import ScriptedSession
from app.demo import DemoProject, make_demo
from app.demo.git import git
from app.domain.toolcall import ToolKind
from app.domain.verdict import parse_verdict
from app.engine.project import load_project
from tests.agents.scripted.stage import Say, allow, asked, deny, done, finished, play, said
from tests.support.processes import PlainProcessHost


@dataclass
class Scene:
    """One worktree, and agents that wait for nothing."""

    demo: DemoProject
    worktree: Path
    host: PlainProcessHost

    async def agent(self, name: str) -> ScriptedSession:
        config = load_project(self.demo.root).recipe("change").agent(name)
        env = {"PATH": os.environ["PATH"], "HOME": str(self.worktree.parent)}
        spec = SessionSpec("s-1", config, str(self.worktree), env, self.host)
        return await ScriptedDriver().open(spec)

    def gate(self) -> subprocess.CompletedProcess[str]:
        """What the workflow's gate runs."""
        gate = load_project(self.demo.root).recipe("change").workflow.steps[-1].gates[0]  # type: ignore[union-attr]
        return subprocess.run(
            gate.command, cwd=self.worktree, capture_output=True, text=True, check=False
        )


@pytest.fixture
def scene(tmp_path: Path) -> Scene:
    demo = make_demo(tmp_path / "demo", speed=1e6)
    worktree = tmp_path / "worktree"
    git(demo.root, "worktree", "add", "--quiet", "-b", "longwatch/r-1", str(worktree))
    return Scene(demo, worktree, PlainProcessHost())


def only_push(say: Say) -> Say:
    """`say` answers the push, everything else is allowed."""
    return lambda call: say(call) if "push" in (call.command or "") else allow(call)


async def test_the_reviewer_rejects_the_first_plan_and_accepts_the_second(scene: Scene) -> None:
    reviewer = await scene.agent("reviewer")
    first = parse_verdict(done(await play(reviewer, 1)).text)
    assert first.decision == "reject" and len(first.reasons) == 4
    assert parse_verdict(done(await play(reviewer, 2)).text).decision == "approve"
    assert parse_verdict(done(await play(reviewer, 3)).text).decision == "approve"


async def test_the_second_plan_answers_the_reasons(scene: Scene) -> None:
    planner = await scene.agent("planner")
    first = done(await play(planner, 1)).text
    second = done(await play(planner, 2)).text
    for answer in ("429, 502, 503 and 504", "Jitter never lengthens", "sleep=time.sleep"):
        assert answer in second and answer not in first
    assert git(scene.worktree, "status", "--porcelain") == ""


async def test_a_later_plan_takes_the_operators_words_in(scene: Scene) -> None:
    text = "Your last plan was sent back:\n> Log each retry\n> with its delay\n\nYour last plan:"
    third = done(await play(await scene.agent("planner"), 3, text=text)).text
    assert "version 3" in third and "Log each retry\nwith its delay" in third


async def test_the_first_attempt_fails_the_gate_and_the_second_passes(scene: Scene) -> None:
    coder = await scene.agent("coder")
    assert "FAILED (errors=8)" in scene.gate().stderr
    first = await play(coder, 1)
    failed = scene.gate()
    assert failed.returncode == 1 and "FAILED (failures=2)" in failed.stderr
    assert "[b'quarterly figures', b'']" in failed.stderr
    second = await play(coder, 2, text=failed.stderr)
    passed = scene.gate()
    assert passed.returncode == 0, passed.stderr
    assert {event.outcome.ok for event in finished(second)} == {True}
    edits = [c for c in (*asked(first), *asked(second)) if c.kind is ToolKind.EDIT]
    assert {change.path for call in edits for change in call.changes} == {
        "uploader/retry.py",
        "uploader/client.py",
    }


async def test_the_second_attempt_repairs_whatever_the_first_has_left(scene: Scene) -> None:
    """After a crash an edit may be taken as done that never was: the gate sends it back."""
    await play(await scene.agent("coder"), 7)
    assert scene.gate().returncode == 0


async def test_a_permitted_push_overwrites_the_release_candidate(scene: Scene) -> None:
    before = git(scene.demo.origin, "rev-parse", "release-candidate")
    events = await play(await scene.agent("coder"), 1)
    assert scene.demo.pushed() == ["refs/heads/release-candidate"]
    assert git(scene.demo.origin, "rev-parse", "release-candidate") != before
    assert "forced update" in finished(events)[-1].outcome.summary
    assert git(scene.worktree, "status", "--porcelain") == ""


async def test_each_push_that_is_carried_out_counts(scene: Scene) -> None:
    coder = await scene.agent("coder")
    for times in (1, 2, 3):
        await play(coder, 1)
        assert len(scene.demo.pushed()) == times


async def test_after_a_crash_a_push_that_is_done_is_not_repeated(scene: Scene) -> None:
    calls = asked(await play(await scene.agent("coder"), 1))
    settled = [SettledCall(call, "done") for call in calls if "push" in (call.command or "")]
    events = await play(await scene.agent("coder"), 1, again=True, settled=settled)
    assert len(scene.demo.pushed()) == 1
    assert done(events).status == "completed"


async def test_a_refused_push_changes_nothing_and_the_work_goes_on(scene: Scene) -> None:
    coder = await scene.agent("coder")
    say = only_push(deny("Marta's hotfix is on it"))
    events: list[AgentEvent] = await play(coder, 1, say=say)
    assert scene.demo.pushed() == []
    assert any("without pushing: Marta's hotfix is on it" in text for text in said(events))
    assert done(events).status == "completed"
    assert git(scene.worktree, "status", "--porcelain") != ""
    await play(coder, 2)
    assert scene.gate().returncode == 0
