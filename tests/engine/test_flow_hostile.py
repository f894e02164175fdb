"""What flows through a run is made by agents: hostile or odd, it stops no run for ever."""

from __future__ import annotations

import asyncio
import json
import time
from pathlib import Path

import pytest

from app.agents.protocol import Prompt, SessionSpec
from app.domain import commands as cmd
from app.domain.flow import final_output
from app.domain.run import FailureKind
from app.domain.task_state import TaskState
from app.engine.child import Child
from tests.engine.test_flow import Making, agent, over, world
from tests.support.children import alive
from tests.support.hand_clock import HandClock
from tests.support.story import ADA
from tests.support.waiting import PATIENCE

__all__ = ["world"]


def each(prompt: str) -> str:
    return (
        '[[step]]\nname = "each"\nkind = "fan_out"\nagent = "coder"\nfor_each = "list"\n'
        f'prompt = "{prompt}"\n'
    )


async def test_half_a_surrogate_pair_in_a_list_is_shown_as_such(world: Making) -> None:
    listed = json.dumps(["a\ud800b", {"\udfff": "x"}])
    w = world(lambda spec, prompt: listed if "list" in prompt.text else prompt.text.strip())
    w.workflow(agent("list", "list") + each("{{ item }}"))
    state = await w.to_the_end()
    assert state.run.state is TaskState.DONE, state.run.reason
    assert final_output(state).startswith("a\ufffdb\n\n---\n\n{")


async def test_all_of_an_empty_list_is_nothing(world: Making) -> None:
    w = world(lambda spec, prompt: "[]" if "list" in prompt.text else prompt.text.strip())
    report = '[[step]]\nname = "sum"\nkind = "collect"\nof = ["each"]\n'
    template = 'template = "{{ results | length }} found"\n'
    w.workflow(agent("list", "list") + each("{{ item }}") + report + template)
    state = await w.to_the_end()
    assert (state.run.state, final_output(state)) == (TaskState.DONE, "0 found"), state.run.reason


# Holds for no text of three characters: it cannot be divided by nothing.
FAILS = "6 / ((outputs.first | length) - 3) > 0"
FIRST = agent("first", "first")
LATER = {
    "agent": f'agent = "coder"\nprompt = "later"\nwhen = "{FAILS}"\n',
    "fan_out": (
        f'kind = "fan_out"\nagent = "coder"\nprompt = "later"\nwhen = "{FAILS}"\n'
        '[[step.branch]]\nname = "a"\n'
    ),
    "review": (
        f'kind = "review"\nof = "first"\nby = ["reviewer"]\nreturn_to = "first"\nwhen = "{FAILS}"\n'
    ),
    "question": f'kind = "question"\nquestion = "later?"\nwhen = "{FAILS}"\n',
    "gate": f'kind = "gate"\nwhen = "{FAILS}"\n[[step.gate]]\nname = "g"\npattern = "."\n',
    "collect": f'kind = "collect"\nof = ["first"]\nwhen = "{FAILS}"\n',
    "call": f'kind = "call"\nwhen = "{FAILS}"\n[step.call]\ncommand = ["cat"]\n',
    "call's input": 'kind = "call"\ninput = "{{ FAILS }}"\n[step.call]\ncommand = ["cat"]\n',
    "collect's template": 'kind = "collect"\nof = ["first"]\ntemplate = "{{ FAILS }}"\n',
    "question's text": 'kind = "question"\nquestion = "{{ FAILS }}"\n',
    "prompt": 'agent = "coder"\nprompt = "{{ FAILS }}"\n',
}


@pytest.mark.parametrize("what", LATER)
async def test_an_expression_that_fails_holds_its_step_until_it_is_skipped(
    world: Making, what: str
) -> None:
    """Everything else goes on, and trying again evaluates it again."""
    w = world(lambda spec, prompt: "abc")
    later = LATER[what].replace("FAILS", FAILS)
    beside = agent("beside", "beside", 'needs = ["first"]')
    w.workflow(f'{FIRST}[[step]]\nname = "later"\n{later}{beside}')
    state = await w.to_the_end()
    run_id = state.run.run_id
    assert state.run.state is TaskState.BLOCKED
    assert state.run.blocked is not None and state.run.blocked.step == "later"
    assert "division by zero" in state.run.reason
    assert state.finished("beside")
    for _ in range(2):
        await w.tell(cmd.RetryRun(run_id=run_id, step="later", by=ADA))
        state = await w.until(run_id, over)
        assert "division by zero" in state.run.reason
    assert state.seq < 60, "it is tried again and again"
    await w.tell(cmd.SkipStep(run_id=run_id, step="later", value="given", by=ADA))
    state = await w.until(run_id, over)
    assert state.run.state is TaskState.DONE, state.run.reason


async def test_a_condition_is_evaluated_anew_when_the_step_is_tried_again(world: Making) -> None:
    said = ["abc", "abcd"]
    w = world(lambda spec, prompt: said.pop(0) if "first" in prompt.text else "later")
    loop = 'loop = { until = "6 / ((output | length) - 3) > 0", max_iterations = 2 }'
    w.workflow(agent("first", "first", loop) + agent("later", "later {{ outputs.first }}"))
    state = await w.to_the_end()
    assert "division by zero" in state.run.reason
    await w.tell(cmd.RetryRun(run_id=state.run.run_id, step="first", by=ADA))
    state = await w.until(state.run.run_id, over)
    assert (state.run.state, said) == (TaskState.DONE, []), state.run.reason


async def test_a_question_over_works_that_cannot_be_merged_is_held(world: Making) -> None:
    def play(spec: SessionSpec, prompt: Prompt) -> str:
        (Path(spec.workspace) / "a.txt").write_text(prompt.text)
        return "done"

    w = world(play)
    w.workflow(
        agent("one", "1", "needs = []")
        + agent("two", "2", "needs = []")
        + '[[step]]\nname = "ask"\nkind = "question"\nneeds = ["one", "two"]\nquestion = "ok?"\n'
    )
    run_id = await w.start()
    state = await w.until(run_id, lambda s: bool(s.questions) or over(s))
    for question in state.questions.values():
        answer = cmd.AnswerQuestion(
            question_id=question.question_id, revision=question.revision, answer="y", by=ADA
        )
        await w.tell(answer)
    state = await w.until(run_id, over)
    assert state.run.state is TaskState.BLOCKED
    assert "a.txt" in state.run.reason
    await asyncio.sleep(0.2)
    assert (await w.until(run_id, over)).seq < 40, "it is tried again and again"
    await w.tell(cmd.SkipStep(run_id=run_id, step="ask", value="y", by=ADA))
    state = await w.until(run_id, over)
    assert (state.run.state, final_output(state)) == (TaskState.BLOCKED, "y"), "nor can the run's"
    assert "a.txt" in state.run.reason


@pytest.mark.parametrize("command", [cmd.CancelRun, cmd.PauseRun])
async def test_who_ignores_being_asked_to_end_holds_no_cancel_or_pause_up(
    world: Making,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    command: type[cmd.CancelRun | cmd.PauseRun],
) -> None:
    """Soon, though a child that is ended patiently would have all the time that it wants."""
    pid = tmp_path / "pid"
    gate = f"trap '' TERM; echo $$ > {pid}.new; mv {pid}.new {pid}; sleep 60"
    w = world(lambda spec, prompt: "done")
    w.workflow(agent("one", "one") + f'[[step.gate]]\nname = "g"\nshell = "{gate}"\n')
    run_id = await w.start()
    await w.until(run_id, lambda s: pid.exists())
    monkeypatch.setattr(Child.kill, "__defaults__", (PATIENCE,))  # what it has by itself
    begun = time.monotonic()
    await w.tell(command(run_id=run_id, by=ADA))
    assert time.monotonic() - begun < PATIENCE / 2
    assert not alive(int(pid.read_text()))


async def test_no_attempt_is_begun_for_which_its_step_has_no_time(world: Making) -> None:
    w = world(lambda spec, prompt: "done")
    w.clock = clock = HandClock()
    w.stage.gates["one"] = gate = asyncio.Event()
    times = "timeout_seconds = 0.2\nstep_timeout_seconds = 0.3\n"
    retry = 'retry = { max_retries = 9, delay_seconds = 0.01, on = ["timeout"] }\n'
    w.workflow(agent("one", "one", times + retry))
    run_id = await w.start()
    await clock.next()
    await w.until(run_id, lambda s: any(a.failure for a in s.attempts.values()))
    await clock.next(2)  # what lies between the attempts, and what is left for the other
    state = await w.until(run_id, over)
    assert state.run.state is TaskState.BLOCKED
    kinds = [a.failure.kind for a in state.attempts.values() if a.failure]
    assert kinds == [FailureKind.TIMEOUT, FailureKind.STEP_TIMEOUT]
    asked = len(w.stage.prompts)
    assert "were left (step_timeout_seconds)" in state.run.reason
    gate.set()
    await w.tell(cmd.RetryRun(run_id=run_id, by=ADA))
    state = await w.until(run_id, lambda s: s.run.state is TaskState.DONE)
    assert len(w.stage.prompts) == asked + 1


async def test_a_defect_is_said_in_one_harmless_line(world: Making) -> None:
    def play(spec: SessionSpec, prompt: Prompt) -> str:
        raise RuntimeError("no\nway\x1b[2J")

    w = world(play)
    w.workflow(agent("one", "one"))
    state = await w.to_the_end()
    assert state.run.state is TaskState.BLOCKED
    assert state.run.reason == "Longwatch itself failed: RuntimeError: no ↵ way␛[2J"
