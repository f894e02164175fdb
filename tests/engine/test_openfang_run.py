"""A workflow of OpenFang's, run: what each agent is asked, and what comes out."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest

from app.agents.protocol import Prompt, SessionSpec
from app.domain import commands as cmd
from app.domain.flow import final_output
from app.domain.request import Request
from app.domain.run import Failure, RunState, StepState
from app.domain.task_state import TaskState
from app.engine.importing import plan_import
from app.engine.supervisor import Supervisor
from tests.support.actors import Stage, broken
from tests.support.puppet import a_project
from tests.support.waiting import PATIENCE

Play = Callable[[SessionSpec, Prompt], str | Failure]
Run = Callable[..., Any]
JOINED = "\n\n---\n\n"


def step(name: str, prompt: str, mode: Any = "sequential", **more: Any) -> dict[str, Any]:
    agent = {"name": more.pop("by", "coder")}
    return {"name": name, "agent": agent, "prompt_template": prompt, "mode": mode, **more}


@pytest.fixture(params=["json", "toml"])
async def run(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Run]:
    """Runs steps of OpenFang's to the end: the JSON file as it is, and what is imported of it."""
    opened: list[Supervisor] = []

    async def to_the_end(steps: list[dict[str, Any]], play: Play, text: str = "go") -> Any:
        project = a_project(tmp_path / "project")
        folder = project / ".longwatch/workflows"
        (folder / "change.toml").unlink()
        file = (folder if request.param == "json" else project) / "change.json"
        file.write_text(json.dumps({"name": "change", "description": "", "steps": steps}))
        if request.param == "toml":
            plan_import(project, file).write()
        stage = Stage(play)
        supervisor = await Supervisor.open(tmp_path / "store", drivers={"scripted": stage})
        opened.append(supervisor)
        wanted = Request(text=text, user="ada")
        done = await supervisor.execute(cmd.StartRun(request=wanted, project=str(project)))
        assert done.run_id is not None
        async with asyncio.timeout(PATIENCE):
            while not _over(state := await supervisor.run(done.run_id)):  # noqa: ASYNC110
                await asyncio.sleep(0.01)
        return state, stage

    yield to_the_end
    for supervisor in opened:
        report = await supervisor.verify()
        assert report.ok, report.problems
        await supervisor.close()


def _over(state: RunState) -> bool:
    return state.run.state in (TaskState.DONE, TaskState.BLOCKED, TaskState.FAILED)


def echo(spec: SessionSpec, prompt: Prompt) -> str:
    return f"<{prompt.text.strip()}>"


def asked(stage: Stage, word: str) -> list[str]:
    return [text.strip() for _, _, text in stage.prompts if text.startswith(word)]


async def test_every_mode_in_one_workflow(run: Run) -> None:
    verdicts = iter(["I must reject: too short", "APPROVED"])

    def play(spec: SessionSpec, prompt: Prompt) -> str:
        if spec.agent.name == "reviewer":
            return next(verdicts)
        text = prompt.text.strip().splitlines()[0]
        return f"{text}+" if text.startswith("grow") else f"<{text}>"

    steps = [
        step("Plan it", 'plan {{input}} {"k": {{input}}}', output_var="plan"),
        step("a", "a {{input}}", "fan_out"),
        step("b", "b {{plan}}", "fan_out"),
        step("join", "", "collect", output_var="all"),
        step("fix", "fix", {"conditional": {"condition": "BROKEN"}}),
        step("note", "note", {"conditional": {"condition": "PLAN"}}),
        # Each turn is asked with what the one before said: it grows at its front.
        step("grow", "grow {{input}}", {"loop": {"max_iterations": 2, "until": "GROW GROW GROW"}}),
        step(
            "check",
            "judge {{input}}",
            {"review": {"reject_if_contains": "REJECT", "return_to_step": "NOTE"}},
            by="reviewer",
        ),
        step("end", "end {{input}} / {{plan}}"),
    ]
    state, stage = await run(steps, play)
    assert state.run.state is TaskState.DONE, state.run.reason
    plan = '<plan go {"k": go}>'
    assert asked(stage, "a ") == [f"a {plan}"]
    assert asked(stage, "b ") == [f"b {plan}"]
    assert state.steps["fix"].state is StepState.SKIPPED
    first, again = asked(stage, "note")
    assert first == "note"
    assert "I must reject: too short" in again  # as a reason, beside its own prompt
    assert asked(stage, "grow")[:2] == ["grow <note>", "grow grow <note>+"]
    grown = "grow grow <note>++"
    assert asked(stage, "judge") == [f"judge {grown}", f"judge {grown}"]
    assert asked(stage, "end") == [f"end {grown} / {plan}"]
    assert final_output(state) == f"<end {grown} / {plan}>"


async def test_a_collect_joins_in_declared_order(run: Run) -> None:
    steps = [step(name, f"{name} {{{{input}}}}", "fan_out") for name in "abc"]
    state, _ = await run([*steps, step("sum", "", "collect")], echo)
    assert final_output(state) == JOINED.join(f"<{name} go>" for name in "abc")


async def test_after_a_fan_out_its_last_branch_flows_on(run: Run) -> None:
    steps = [step("a", "a", "fan_out"), step("b", "b", "fan_out"), step("c", "c {{input}}")]
    state, _ = await run(steps, echo)
    assert final_output(state) == "<c <b>>"


async def test_a_run_ends_with_its_last_branch(run: Run) -> None:
    state, _ = await run([step("a", "a", "fan_out"), step("b", "b", "fan_out")], echo)
    assert final_output(state) == "<b>"


async def test_a_step_between_makes_a_collect_join_everything(run: Run) -> None:
    steps = [
        step("a", "a", "fan_out"),
        step("b", "b", "fan_out"),
        step("c", "c"),
        step("sum", "", "collect"),
    ]
    state, _ = await run(steps, echo)
    assert final_output(state) == JOINED.join(["<a>", "<b>", "<c>"])


async def test_a_skipped_step_leaves_what_flows_as_it_is(run: Run) -> None:
    steps = [
        step("one", "one"),
        step("two", "two", error_mode="skip", output_var="v"),
        step("three", "three {{input}} {{v}}"),
    ]
    state, _ = await run(steps, lambda s, p: broken() if p.text == "two\n" else echo(s, p))
    assert final_output(state) == "<three <one> {{v}}>"


async def test_all_that_a_collect_would_join_was_skipped(run: Run) -> None:
    steps = [
        step("one", "one"),
        step("a", "a", "fan_out", error_mode="skip"),
        step("b", "b", "fan_out", error_mode="skip"),
        step("sum", "", "collect"),
        step("end", "end {{input}}"),
    ]
    state, _ = await run(steps, lambda s, p: broken() if p.text in ("a\n", "b\n") else echo(s, p))
    assert final_output(state) == "<end <one>>"


@pytest.mark.parametrize("skipped", [True, False])
async def test_what_may_be_skipped_is_reviewed_when_there_is_something(
    run: Run, skipped: bool
) -> None:
    review = {"reject_if_contains": "NO", "return_to_step": "fix"}
    steps = [
        step("fix", "fix {{input}}", {"conditional": {"condition": "broken"}}),
        step("check", "judge {{input}}", {"review": review}, by="reviewer"),
        step("end", "end {{input}}"),
    ]
    text = "fine" if skipped else "broken"
    state, stage = await run(steps, echo, text)
    assert state.run.state is TaskState.DONE, state.run.reason
    assert final_output(state) == ("<end fine>" if skipped else "<end <fix broken>>")
    assert len(asked(stage, "judge")) == (0 if skipped else 1)


async def test_a_loop_of_no_turns_passes_its_input_on(run: Run) -> None:
    steps = [
        step("one", "one"),
        step("grow", "grow", {"loop": {"max_iterations": 0, "until": "x"}}),
        step("end", "end {{input}}"),
    ]
    state, _ = await run(steps, echo)
    assert final_output(state) == "<end <one>>"


@pytest.mark.parametrize(
    ("mode", "wanted"), [("fail", TaskState.FAILED), ({"retry": {"max_retries": 0}}, "blocked")]
)
async def test_error_modes_end_as_there(run: Run, mode: Any, wanted: str) -> None:
    state, _ = await run([step("one", "one", error_mode=mode)], lambda s, p: broken())
    assert state.run.state == wanted
