"""Rollouts: promotion on evidence, and a rollback that the execution path obeys."""

from __future__ import annotations

import asyncio
import hashlib
import subprocess
from pathlib import Path

import pytest

from app.domain import commands as cmd
from app.domain.approval import Actor, ActorKind
from app.domain.base import RunId
from app.domain.errors import ConfigError, NotFound, Refused
from app.domain.path_name import PathName
from app.domain.request import Request
from app.domain.rollout import Phase
from app.domain.task_state import TaskState
from app.domain.workflow import Recipe
from app.engine.supervisor import Supervisor
from tests.support.puppet import PuppetDriver
from tests.support.rollouts import Room, a_rollout_project
from tests.support.runs import until
from tests.support.story import ADA
from tests.support.waiting import PATIENCE

BOB = Actor(kind=ActorKind.PERSON, name="bob")


@pytest.fixture
async def room(supervisor: Supervisor, tmp_path: Path) -> Room:
    made = Room(supervisor, a_rollout_project(tmp_path / "project"))
    await made.open()
    return made


async def on(room: Room, path: PathName) -> RunId:
    """A request that this path answers."""
    for number in range(200):
        run_id = await room.ask(f"request {number}")
        if (await room.supervisor.run(run_id)).run.path is path:
            return run_id
    raise AssertionError(f"no request went to the {path} path")


async def test_before_a_promotion_every_request_is_the_stable_paths(room: Room) -> None:
    run = (await room.supervisor.run(await room.ask("one"))).run
    rollout = await room.state()
    assert (run.path, run.rollout, run.rollout_version) == (PathName.STABLE, rollout.rollout_id, 1)
    assert run.recipe == rollout.stable.recipe and rollout.requests == 1
    assert rollout.phase is Phase.READY and rollout.author == ADA


async def test_a_promotion_is_refused_with_all_that_is_missing(room: Room) -> None:
    with pytest.raises(Refused) as refused:
        await room.promote()
    said = str(refused.value)
    assert said.startswith("rollout change is not promoted to 50 %; what is missing:\n")
    assert "0 comparisons" in said and "nothing is known of the candidate" in said
    assert (await room.state()).share == 0


async def test_an_override_is_loud_and_kept(room: Room) -> None:
    rollout = await room.promote(override="the stable path is down")
    assert (rollout.share, rollout.override) == (50, "the stable path is down")
    events = await room.supervisor.events(after=0)
    (moved,) = [e.payload for e in events if e.payload.type == "rollout_moved"]
    assert moved.override and len(moved.missing) == 3


async def test_two_commands_at_once_take_one_step(room: Room) -> None:
    rollout = await room.state()
    command = cmd.PromoteRollout(
        rollout_id=rollout.rollout_id, version=rollout.version, override="go", by=ADA
    )
    told = await asyncio.gather(
        *(room.supervisor.execute(command) for _ in range(2)), return_exceptions=True
    )
    refused = [error for error in told if isinstance(error, Refused)]
    assert len(refused) == 1 and "has changed meanwhile" in str(refused[0])
    assert (await room.state()).share == 50


async def test_who_is_in_a_small_share_is_in_the_larger_one(room: Room) -> None:
    await room.promote("go")
    texts = [f"request {number}" for number in range(40)]
    first = [(await room.supervisor.run(await room.ask(text))).run.path for text in texts]
    again = [(await room.supervisor.run(await room.ask(text))).run.path for text in texts]
    assert first == again and 5 < first.count(PathName.CANDIDATE) < 35
    await room.promote("go")
    third = {(await room.supervisor.run(await room.ask(text))).run.path for text in texts}
    assert third == {PathName.CANDIDATE}


async def test_a_rollback_freezes_what_is_under_way_and_closes_the_candidate(
    room: Room, driver: PuppetDriver
) -> None:
    await room.promote("go")
    ours, theirs = await on(room, PathName.CANDIDATE), await on(room, PathName.STABLE)
    await until(room.supervisor, ours, lambda s: bool(s.sessions))
    agent = await driver.session(1)
    rollout = await room.roll_back("errors")
    assert (rollout.share, rollout.shadow, rollout.closed) == (0, 0, True)
    state = await room.supervisor.run(ours)
    assert state.frozen and state.run.state is TaskState.BLOCKED
    assert (await room.supervisor.run(theirs)).run.state is not TaskState.BLOCKED
    for number in range(30):
        run = (await room.supervisor.run(await room.ask(f"request {number}"))).run
        assert run.path is PathName.STABLE and run.rollout_version == rollout.version
    stopped = await room.until(lambda r: r.rollbacks[-1].stopped_at is not None)
    record = stopped.rollbacks[-1]
    assert record.within_window and record.why == "errors" and record.by == ADA
    assert record.share_before == 50 and ours in record.frozen
    assert agent.closed or agent.spec.workspace  # its process is gone with the run's others
    for command in (
        cmd.RetryRun(run_id=ours, by=ADA),
        cmd.ResumeRun(run_id=ours, by=ADA),
        cmd.ForkRun(run_id=ours, step="work", by=ADA),
    ):
        with pytest.raises(Refused):
            await room.supervisor.execute(command)
    with pytest.raises(Refused, match="closed since its rollback"):
        await room.promote("again")


async def test_a_frozen_run_may_finish_in_shadow_or_be_canceled(
    room: Room, driver: PuppetDriver
) -> None:
    await room.promote("go")
    one = await on(room, PathName.CANDIDATE)
    await until(room.supervisor, one, lambda s: bool(s.sessions))
    await room.roll_back()
    await room.supervisor.execute(cmd.FinishInShadow(run_id=one, by=ADA))
    agents = [s for s in driver.sessions if one in s.spec.workspace]
    async with asyncio.timeout(PATIENCE):
        while len([s for s in driver.sessions if one in s.spec.workspace]) < 2:  # noqa: ASYNC110
            await asyncio.sleep(0.01)
    fresh = [s for s in driver.sessions if one in s.spec.workspace and s not in agents][-1]
    fresh.ask("git push --force")
    async with asyncio.timeout(PATIENCE):
        await fresh.answered.wait()
    ((_, answer),) = fresh.answers
    assert answer.action == "deny" and "rehearsal" in answer.reason
    fresh.done("too late")
    state = await until(room.supervisor, one, lambda s: s.run.state is TaskState.DONE)
    assert state.run.shadow
    with pytest.raises(Refused, match="not frozen"):
        await room.supervisor.execute(cmd.FinishInShadow(run_id=one, by=ADA))


async def test_a_candidate_is_tried_again_only_when_its_rollback_is_closed(room: Room) -> None:
    await room.promote("go")
    rollout = await room.roll_back()
    reopen = cmd.ReopenCandidate(rollout_id=rollout.rollout_id, by=ADA)
    with pytest.raises(Refused, match="5 lines of its checklist"):
        await room.supervisor.execute(reopen)
    machine = Actor(kind=ActorKind.RULE, name="bot")
    with pytest.raises(Refused, match="ticked by a person"):
        await room.supervisor.execute(
            cmd.TickItem(
                rollout_id=rollout.rollout_id,
                checklist="rollback",
                item="verify_sli",
                by=machine,
            )
        )
    assert (await room.tick_all()).rollback is None
    await room.supervisor.execute(reopen)
    rollout = await room.state()
    assert rollout.phase is Phase.READY and not rollout.evidence.answers
    assert len(rollout.rollbacks) == 1, "the record stays"


async def test_the_candidate_becomes_the_stable_path(room: Room) -> None:
    rollout = await room.promote("go")
    adopt = cmd.AdoptCandidate(rollout_id=rollout.rollout_id, by=ADA)
    with pytest.raises(Refused, match="answers 50 %"):
        await room.supervisor.execute(adopt)
    rollout = await room.promote("go")
    await room.supervisor.execute(adopt)
    adopted = await room.state()
    assert adopted.stable == rollout.candidate and adopted.candidate is None
    assert adopted.phase is Phase.ALONE
    run = (await room.supervisor.run(await room.ask("one"))).run
    assert run.path is PathName.STABLE and run.recipe == adopted.stable.recipe


async def test_an_edited_stable_workflow_is_a_candidate(
    supervisor: Supervisor, tmp_path: Path
) -> None:
    project = a_rollout_project(tmp_path / "project", paths="")
    room = Room(supervisor, project)
    before = await room.open()
    assert before.candidate is None
    file = project / ".longwatch/workflows/change.toml"
    file.write_text(file.read_text().replace("Do this", "Do that"))
    run = (await supervisor.run(await room.ask("one"))).run
    assert run.recipe == before.stable.recipe, "the pinned version answers"
    after = await room.open()
    assert after.stable == before.stable and after.candidate is not None
    replaced = await room.open(replace_stable="nobody uses it yet")
    assert replaced.stable == after.candidate and replaced.candidate is None


async def test_paths_are_not_changed_under_a_share(room: Room) -> None:
    await room.promote("go")
    file = room.project / ".longwatch/workflows/change-2.toml"
    file.write_text(file.read_text().replace("better", "worse"))
    with pytest.raises(Refused, match="answers 50 % of the requests"):
        await room.open()


async def test_a_candidate_is_not_asked_past_its_rollout(room: Room) -> None:
    request = Request(text="x", user="ada")
    with pytest.raises(Refused, match='candidate of rollout "change"'):
        await room.supervisor.execute(
            cmd.StartRun(request=request, project=str(room.project), workflow="change-2")
        )
    with pytest.raises(NotFound, match='no rollout "other"'):
        await room.supervisor.execute(
            cmd.OpenRollout(project=str(room.project), name="other", by=ADA)
        )


async def test_another_person_promotes_where_that_is_asked(
    supervisor: Supervisor, tmp_path: Path
) -> None:
    more = "[rollout.promotion]\nother_approver = true\nmin_comparisons = 1\n"
    project = a_rollout_project(tmp_path / "project", more=more)
    room = Room(supervisor, project)
    await room.open()
    with pytest.raises(Refused, match="somebody other than ada"):
        await room.promote()
    with pytest.raises(Refused) as refused:
        await Room(supervisor, project, BOB).promote()
    assert "somebody other" not in str(refused.value)


@pytest.mark.parametrize(
    ("paths", "said"),
    [
        ('[rollout.candidate]\nworkflow = "chang"\n', 'no workflow "chang"'),
        ('[rollout.candidate]\nworkflow = "change"\n', "the candidate is the stable path"),
        ('[rollout.candidate]\nurl = "ftp://x"\n', "is not an http or https address"),
        ('[rollout.candidate]\nurl = "http://x"\ncommand = ["a"]\n', "exactly one of url"),
        ("[rollout.promotion]\nsteps = [50, 20, 100]\n", "must rise and end in 100"),
        ('[rollout.promotion]\nfrozen = ["friday"]\n', "is no window"),
        ('[rollout.promotion]\ntimezone = "Mars"\n', 'no time zone "Mars"'),
        ('[rollout.compare]\nby = "json"\nignore = ["a["]\n', "is no path"),
    ],
)
async def test_a_rollout_that_cannot_work_is_told_with_its_line(
    supervisor: Supervisor, tmp_path: Path, paths: str, said: str
) -> None:
    room = Room(supervisor, a_rollout_project(tmp_path / "project", paths, more=""))
    with pytest.raises(ConfigError) as refused:
        await room.open()
    assert said in str(refused.value) and "longwatch.toml:" in str(refused.value)


async def test_a_drill_rehearses_on_a_copy(room: Room) -> None:
    await room.promote("go")
    one = await on(room, PathName.CANDIDATE)
    rollout = await room.state()
    found = await room.supervisor.drill(rollout.rollout_id, ADA)
    assert found.on_stable == found.requests == 100 and found.frozen >= 1
    assert await room.state() == rollout, "the store itself is untouched"
    assert not (await room.supervisor.run(one)).frozen
    assert (await room.supervisor.verify()).ok


def test_runs_are_made_in_one_place() -> None:
    """Nothing but admission creates a run: there is no other door to a path."""
    found = subprocess.run(
        ["grep", "-rlE", r"RunCreated\(run=", "app"], capture_output=True, text=True, check=True
    )
    makers = {line for line in found.stdout.split() if "cli/progress" not in line}
    assert makers == {"app/engine/admission.py"}


async def test_a_hash_of_an_earlier_version_is_no_change(
    room: Room, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A newer Longwatch may know more keys of a workflow, and hash the same file otherwise."""
    before = await room.state()
    hashed = property(lambda self: hashlib.sha256(f"new {self!r}".encode()).hexdigest())
    monkeypatch.setattr(Recipe, "digest", hashed)
    after = await room.open()
    assert (after.stable, after.candidate) == (before.stable, before.candidate)
    await room.promote("go")
    run = (await room.supervisor.run(await on(room, PathName.CANDIDATE))).run
    assert before.candidate is not None and run.recipe == before.candidate.recipe


async def test_a_failed_run_of_a_candidate_that_was_tried_again_does_not_answer(
    room: Room, driver: PuppetDriver
) -> None:
    """Its rollback is over and the candidate open again, but no requests go to it."""
    await room.promote("go")
    one = await on(room, PathName.CANDIDATE)
    await until(room.supervisor, one, lambda s: bool(s.sessions))
    driver.refuse = "no more agents"
    await room.supervisor.execute(cmd.PauseRun(run_id=one, by=ADA))
    await room.roll_back()
    await room.tick_all()
    rollout = await room.state()
    await room.supervisor.execute(cmd.ReopenCandidate(rollout_id=rollout.rollout_id, by=ADA))
    for command in (cmd.ResumeRun(run_id=one, by=ADA), cmd.RetryRun(run_id=one, by=ADA)):
        with pytest.raises(Refused):
            await room.supervisor.execute(command)
    await room.supervisor.execute(cmd.CancelRun(run_id=one, by=ADA))
    assert (await room.supervisor.run(one)).run.state is TaskState.CANCELED
