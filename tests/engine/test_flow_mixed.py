"""Kinds of steps in each other's company: what is sent back, forked, paused and made anew."""

from __future__ import annotations

import asyncio
import json

import pytest

from app.agents.protocol import Prompt, SessionSpec
from app.domain import commands as cmd
from app.domain.base import RunId
from app.domain.flow import final_output
from app.domain.run import AttemptState, Failure, RunState
from app.domain.task_state import TaskState
from tests.engine.test_flow import Making, World, agent, echo, over, world
from tests.support import waiting
from tests.support.actors import broken, overloaded
from tests.support.hand_clock import HandClock
from tests.support.story import ADA
from tests.support.waiting import PATIENCE

__all__ = ["world"]
REJECT, APPROVE = (
    json.dumps({"verdict": "reject", "reasons": ["too short"]}),
    json.dumps({"verdict": "approve", "reasons": []}),
)
BRANCHES = (
    '[[step]]\nname = "parts"\nkind = "fan_out"\nagent = "coder"\n'
    'prompt = "part {{ branch }} {{ reasons | join }}"\n'
    '[[step.branch]]\nname = "a"\n[[step.branch]]\nname = "b"\n'
    '[[step]]\nname = "all"\nkind = "collect"\nof = ["parts"]\n'
)


def critic(return_to: str, of: str) -> str:
    return (
        f'[[step]]\nname = "look"\nkind = "review"\nof = "{of}"\nby = ["reviewer"]\n'
        f'return_to = "{return_to}"\nmax_rejects = 3\nprompt = "judge {{{{ input }}}}"\n'
    )


class Judged:
    """Agents that do as they are told, and a critic that refuses once."""

    def __init__(self) -> None:
        self.verdicts = [REJECT, APPROVE]

    def __call__(self, spec: SessionSpec, prompt: Prompt) -> str | Failure:
        if spec.agent.name == "reviewer":
            return self.verdicts.pop(0)
        return echo(spec, prompt)


async def test_a_review_sends_a_fan_out_back_and_every_branch_is_made_anew(world: Making) -> None:
    w = world(Judged())
    w.workflow(BRANCHES + critic("parts", "all") + agent("last", "last {{ input }}"))
    state = await w.to_the_end()
    assert state.run.state is TaskState.DONE, state.run.reason
    assert w.stage.texts("parts-a")[1].startswith("part a")
    assert "too short" in w.stage.texts("parts-a")[1]
    assert len(w.stage.texts("parts-b")) == 2
    assert final_output(state).startswith("<last <part a too short")


async def test_a_review_sends_a_loop_back_to_its_first_turn(world: Making) -> None:
    w = world(Judged())
    loop = "[step.loop]\nuntil = \"'2' in output\"\nmax_iterations = 3\n"
    w.workflow(agent("polish", "turn {{ iteration }}", loop) + critic("polish", "polish"))
    state = await w.to_the_end()
    assert state.run.state is TaskState.DONE, state.run.reason
    turns = [a.iteration for a in state.attempts.values() if a.step == "polish"]
    assert turns == [1, 2, 1, 2]
    assert [text.split()[1] for text in w.stage.texts("polish")] == ["1", "2", "1", "2"]


async def test_a_fork_behind_a_loop_branches_and_a_run_of_its_own(world: Making) -> None:
    w = world(echo)
    loop = "[step.loop]\nuntil = \"'2' in output\"\nmax_iterations = 3\n"
    w.workflow(agent("inner", "inner {{ input }}"), name="part")
    w.workflow(
        agent("polish", "turn {{ iteration }}", loop)
        + BRANCHES
        + '[[step]]\nname = "sub"\nkind = "workflow"\nworkflow = "part"\n'
        + agent("last", "last {{ input }}")
    )
    state = await w.to_the_end()
    assert state.run.state is TaskState.DONE, state.run.reason
    asked = len(w.stage.prompts)
    supervisor = w.supervisor
    assert supervisor is not None
    forked = await supervisor.execute(cmd.ForkRun(run_id=state.run.run_id, step="last", by=ADA))
    assert forked.run_id is not None
    again = await w.until(forked.run_id, over)
    assert again.run.state is TaskState.DONE, again.run.reason
    assert final_output(again) == final_output(state)
    assert len(w.stage.prompts) == asked + 1
    assert state.worked_seconds > 0
    fresh = [a for a in again.attempts.values() if a.session_id]
    assert again.worked_seconds == pytest.approx(sum(a.worked_seconds for a in fresh), abs=1e-6)


async def test_a_run_paused_while_it_waits_to_try_again_can_be_canceled(world: Making) -> None:
    w = world(lambda spec, prompt: overloaded())
    w.workflow(agent("one", "one", "[step.retry]\nmax_retries = 3\ndelay_seconds = 30.0\n"))
    run_id = await w.start()
    await w.until(run_id, lambda s: any(a.retry_in for a in s.attempts.values()))
    await w.tell(cmd.PauseRun(run_id=run_id, by=ADA))
    state = await w.until(run_id, lambda s: s.run.state is TaskState.BLOCKED)
    await asyncio.sleep(0.05)
    assert w.stage.at_work == 0 and len(state.attempts) == 1
    await w.tell(cmd.CancelRun(run_id=run_id, by=ADA, reason="enough"))
    await w.until(run_id, lambda s: s.run.state is TaskState.CANCELED)


async def test_who_resumes_a_run_does_not_wait_for_its_delay(world: Making) -> None:
    answers: list[str | Failure] = [overloaded(), "fine"]
    w = world(lambda spec, prompt: answers.pop(0))
    w.workflow(agent("one", "one", "[step.retry]\nmax_retries = 3\ndelay_seconds = 600.0\n"))
    run_id = await w.start()
    await w.until(run_id, lambda s: any(a.retry_in for a in s.attempts.values()))
    await w.tell(cmd.PauseRun(run_id=run_id, by=ADA))
    await w.until(run_id, lambda s: s.run.state is TaskState.BLOCKED)
    await w.tell(cmd.ResumeRun(run_id=run_id, by=ADA))
    state = await w.until(run_id, over)
    assert state.run.state is TaskState.DONE


async def test_a_branch_given_a_value_is_collected_with_the_others(world: Making) -> None:
    def play(spec: SessionSpec, prompt: Prompt) -> str | Failure:
        return broken() if "part b" in prompt.text else echo(spec, prompt)

    w = world(play)
    w.workflow(BRANCHES)
    run_id = await w.start()
    await w.until(run_id, lambda s: s.run.state is TaskState.BLOCKED)
    await w.tell(cmd.SkipStep(run_id=run_id, step="parts", branch="b", value="mine", by=ADA))
    state = await w.until(run_id, over)
    assert state.run.state is TaskState.DONE, state.run.reason
    assert final_output(state) == "<part a>\n\n---\n\nmine"


async def test_what_a_gate_has_refused_flows_nowhere_when_its_step_is_skipped(
    world: Making,
) -> None:
    w = world(echo)
    gate = 'on_error = "skip"\n[[step.gate]]\nname = "no"\nshell = "false"\non_failure = "fail"\n'
    w.workflow(
        agent("one", "one")
        + agent("two", "two {{ input }}", gate)
        + agent("three", "3 {{ input }}")
    )
    state = await w.to_the_end()
    assert state.run.state is TaskState.DONE, state.run.reason
    assert final_output(state) == "<3 <one>>"


async def test_more_branches_than_can_be_at_work_at_once(world: Making) -> None:
    def play(spec: SessionSpec, prompt: Prompt) -> str | Failure:
        if prompt.text.startswith("list"):
            return json.dumps([f"item {n}" for n in range(60)])
        return echo(spec, prompt)

    w = world(play)
    w.workflow(
        agent("list", "list")
        + '[[step]]\nname = "each"\nkind = "fan_out"\nagent = "coder"\nprompt = "{{ item }}"\n'
        + 'for_each = "list"\nmerge = false\nmax_branches = 60\n'
        + '[[step]]\nname = "all"\nkind = "collect"\nof = ["each"]\n'
    )
    run_id = await w.start()

    def made(state: RunState) -> int:
        return sum(a.state is AttemptState.PASSED for a in state.attempts.values())

    assert w.supervisor is not None
    async with asyncio.timeout(PATIENCE):
        while not over(state := await w.supervisor.run(run_id)):  # noqa: ASYNC110
            await asyncio.sleep(0.2)
    assert state.run.state is TaskState.DONE, state.run.reason
    assert made(state) == 62  # the list, the branches, what was collected
    assert final_output(state).count("item") == 60


QUORUM = BRANCHES.replace(
    '[[step.branch]]\nname = "a"\n', "".join(f'[[step.branch]]\nname = "{n}"\n' for n in "acd")
).replace('of = ["parts"]\n', 'of = ["parts"]\ntake = "quorum"\nquorum = 2\n')


async def test_a_branch_that_stands_still_holds_no_quorum_up(world: Making) -> None:
    def play(spec: SessionSpec, prompt: Prompt) -> str | Failure:
        return broken() if "part b" in prompt.text else echo(spec, prompt)

    w = world(play)
    w.stage.gates["part d"] = asyncio.Event()
    w.workflow(QUORUM + agent("last", "last {{ input }}"))
    state = await w.to_the_end()
    assert state.run.state is TaskState.DONE, state.run.reason
    assert final_output(state).count("part") == 2
    late = {a.branch: a.state for a in state.attempts.values() if a.branch in ("b", "d")}
    assert late == {"b": AttemptState.CANCELED, "d": AttemptState.CANCELED}
    async with asyncio.timeout(PATIENCE):
        while w.stage.at_work:  # noqa: ASYNC110
            await asyncio.sleep(0.01)


async def test_one_retry_takes_up_all_branches_that_stand_still(world: Making) -> None:
    down = {"part a", "part b"}

    def play(spec: SessionSpec, prompt: Prompt) -> str | Failure:
        return broken() if prompt.text.strip() in down else echo(spec, prompt)

    w = world(play)
    w.workflow(BRANCHES)
    run_id = await w.start()
    await w.until(run_id, lambda s: s.run.state is TaskState.BLOCKED)
    down.clear()
    await w.tell(cmd.RetryRun(run_id=run_id, by=ADA))
    state = await w.until(run_id, over)
    assert state.run.state is TaskState.DONE, state.run.reason
    assert final_output(state) == "<part a>\n\n---\n\n<part b>"


async def test_canceling_a_run_ends_the_agents_of_all_its_branches(world: Making) -> None:
    w = world(echo)
    w.stage.gates["part"] = asyncio.Event()
    w.workflow(BRANCHES)
    run_id = await w.start()
    async with asyncio.timeout(PATIENCE):
        while w.stage.at_work < 2:  # noqa: ASYNC110
            await asyncio.sleep(0.01)
    await w.tell(cmd.CancelRun(run_id=run_id, by=ADA, reason="enough"))
    async with asyncio.timeout(PATIENCE):
        while w.stage.at_work:  # noqa: ASYNC110
            await asyncio.sleep(0.01)
    state = await w.until(run_id, lambda s: s.run.state is TaskState.CANCELED)
    assert len(w.stage.prompts) == 2 and state.run.reason == "enough"


async def test_a_pause_reaches_the_run_that_is_waited_for(world: Making) -> None:
    w = world(echo)
    w.stage.gates["inner"] = gate = asyncio.Event()
    w.workflow(agent("inner", "inner {{ input }}") + agent("next", "next"), name="part")
    w.workflow('[[step]]\nname = "sub"\nkind = "workflow"\nworkflow = "part"\n')
    run_id = await w.start()
    state = await w.until(run_id, lambda s: any(a.child for a in s.attempts.values()))
    (child,) = [a.child for a in state.attempts.values() if a.child]
    async with asyncio.timeout(PATIENCE):
        while not w.stage.at_work:  # noqa: ASYNC110
            await asyncio.sleep(0.01)
    await w.tell(cmd.PauseRun(run_id=run_id, by=ADA))
    await w.until(run_id, lambda s: s.run.state is TaskState.BLOCKED)
    stands = await w.until(child, lambda s: s.run.state is TaskState.BLOCKED)
    assert stands.run.blocked is not None
    gate.set()
    await w.tell(cmd.ResumeRun(run_id=run_id, by=ADA))
    state = await w.until(run_id, over)
    assert state.run.state is TaskState.DONE, state.run.reason


async def test_an_attempt_that_took_too_long_is_tried_again(world: Making) -> None:
    w = world(echo)
    w.stage.gates["one"] = gate = asyncio.Event()
    retry = '[step.retry]\nmax_retries = 1\ndelay_seconds = 0.01\non = ["timeout"]\n'
    w.clock = clock = HandClock()
    w.workflow(agent("one", "one", f"timeout_seconds = 1.0\n{retry}"))
    run_id = await w.start()
    await clock.next()
    await w.until(run_id, lambda s: any(a.failure for a in s.attempts.values()))
    gate.set()
    await clock.next()  # what lies between the attempts
    state = await w.until(run_id, over)
    assert state.run.state is TaskState.DONE, state.run.reason
    assert [a.state for a in state.attempts.values()] == [AttemptState.FAILED, AttemptState.PASSED]


async def child_at_work(w: World, run_id: RunId) -> RunId:
    """The run that a step has started, once it works beside the run itself."""
    state = await w.until(run_id, lambda s: any(a.child for a in s.attempts.values()))
    (child,) = [a.child for a in state.attempts.values() if a.child]
    await waiting.until(lambda: w.stage.at_work == 2)
    return child


async def test_a_run_that_nobody_waits_for_any_more_is_canceled(world: Making) -> None:
    w = world(echo)
    w.stage.gates["inner"] = asyncio.Event()
    w.workflow(agent("inner", "inner {{ input }}"), name="part")
    w.workflow(
        '[[step]]\nname = "sub"\nkind = "workflow"\nworkflow = "part"\nneeds = []\n'
        '[[step]]\nname = "own"\nagent = "coder"\nprompt = "own"\nneeds = []\n'
        '[[step]]\nname = "one"\nkind = "collect"\nof = ["sub", "own"]\ntake = "first"\n'
    )
    w.stage.gates["own"] = own = asyncio.Event()
    run_id = await w.start()
    child = await child_at_work(w, run_id)
    own.set()
    state = await w.until(run_id, over)
    assert state.run.state is TaskState.DONE, state.run.reason
    left = await w.until(child, lambda s: s.run.state is TaskState.CANCELED)
    assert left.run.reason == "its result is not needed any more"
    assert not w.stage.at_work


async def test_a_run_made_of_what_was_sent_back_is_canceled(world: Making) -> None:
    w = world(Judged())
    w.stage.gates["inner <plan>"] = asyncio.Event()
    w.workflow(agent("inner", "inner {{ input }}"), name="part")
    w.workflow(
        agent("plan", "plan{{ reasons | join }}")
        + critic("plan", "plan")
        + '[[step]]\nname = "sub"\nkind = "workflow"\nworkflow = "part"\nneeds = ["plan"]\n'
    )
    w.stage.gates["judge"] = judge = asyncio.Event()
    run_id = await w.start()
    child = await child_at_work(w, run_id)
    judge.set()
    await w.until(child, lambda s: s.run.state is TaskState.CANCELED)
    state = await w.until(run_id, over)
    assert state.run.state is TaskState.DONE, state.run.reason
    assert [a.child == child for a in state.attempts.values() if a.child] == [True, False]
