"""Random workflows of OpenFang's, run here and by the rules of its engine: the same prompts."""

from __future__ import annotations

import asyncio
import json
import random
from pathlib import Path
from typing import Any

import pytest

from app.agents.protocol import Prompt, SessionSpec
from app.domain import commands as cmd
from app.domain.flow import final_output
from app.domain.request import Request
from app.domain.run import Failure
from app.domain.task_state import TaskState
from app.engine.supervisor import Supervisor
from tests.support.actors import Stage, broken
from tests.support.puppet import a_project
from tests.support.waiting import PATIENCE

SEPARATOR = "\n\n---\n\n"


def answer(prompt: str) -> str | None:
    """What an agent says to a prompt; None: it fails."""
    if prompt.startswith("fail"):
        return None
    return f"{prompt.split(' ')[0]}({len(prompt)}{'x' * (len(prompt) % 3)})"


class Reference:
    """OpenFang's engine as far as prompts go: one current input, named variables."""

    def __init__(self, request: str) -> None:
        self.input = request
        self.all: list[str] = []
        self.pending: list[str] = []
        self.variables: dict[str, str] = {}
        self.prompts: list[str] = []

    def run(self, steps: list[dict[str, Any]]) -> str:
        at = 0
        while at < len(steps):
            group = at
            while group < len(steps) and steps[group]["mode"] == "fan_out":
                group += 1
            if group > at:
                self._fan_out(steps[at:group])
                at = group
            else:
                self._one(steps[at])
                at += 1
        return self.input

    def _fan_out(self, steps: list[dict[str, Any]]) -> None:
        self.pending = []
        prompts = [self._expand(step) for step in steps]
        for step, prompt in zip(steps, prompts, strict=True):
            said = self._ask(prompt)
            if said is not None:
                self._result(step, said)
                self.pending.append(said)

    def _one(self, step: dict[str, Any]) -> None:
        mode = step["mode"]
        if mode == "collect":
            self.input = SEPARATOR.join(self.pending or self.all or [self.input])
            self.all, self.pending = [self.input], []
            self._set(step, self.input)
            return
        self.pending = []
        if mode == "sequential":
            said = self._ask(self._expand(step))
            if said is not None:
                self._result(step, said)
        elif "conditional" in mode:
            if mode["conditional"]["condition"].lower() in self.input.lower():
                said = self._ask(self._expand(step))
                if said is not None:
                    self._result(step, said)
        else:
            self._loop(step, mode["loop"])

    def _loop(self, step: dict[str, Any], loop: dict[str, Any]) -> None:
        for _ in range(loop["max_iterations"]):
            said = self._ask(self._expand(step))
            assert said is not None
            self.input = said
            if loop["until"].lower() in said.lower():
                break
        if loop["max_iterations"]:
            self._result(step, self.input)

    def _ask(self, prompt: str) -> str | None:
        self.prompts.append(prompt)
        return answer(prompt)

    def _expand(self, step: dict[str, Any]) -> str:
        text = step["prompt_template"].replace("{{input}}", self.input)
        for name, value in self.variables.items():
            text = text.replace("{{" + name + "}}", value)
        return str(text)

    def _result(self, step: dict[str, Any], said: str) -> None:
        self.input = said
        self.all.append(said)
        self._set(step, said)

    def _set(self, step: dict[str, Any], value: str) -> None:
        if "output_var" in step:
            self.variables[step["output_var"]] = value


def a_workflow(seed: int) -> list[dict[str, Any]]:
    """Steps of every mode but review; some fail and are skipped, none fails the run."""
    dice = random.Random(seed)
    steps = list[dict[str, Any]]()
    for number in range(dice.randint(2, 7)):
        modes = ["sequential", "fan_out", "fan_out", "collect", "conditional", "loop"]
        mode: Any = dice.choice(modes)
        fails = mode in ("sequential", "fan_out") and dice.random() < 0.2
        word = "fail" if fails else f"s{number}"
        if mode == "conditional":
            mode = {"conditional": {"condition": dice.choice(["X", "S1", "(2", ""])}}
        elif mode == "loop":
            turns = dice.randint(0, 3)
            mode = {"loop": {"max_iterations": turns, "until": dice.choice(["XX", "(1", "zz"])}}
        step = {
            "name": f"step {number}",
            "agent": {"name": "coder"},
            "prompt_template": f"{word} <{{{{input}}}}> {{ {{{{v}}}} {number}",
            "mode": mode,
            "error_mode": "skip" if fails else "fail",
        }
        if dice.random() < 0.4:
            step["output_var"] = "v"
        steps.append(step)
    if all(step["mode"] == "collect" for step in steps):
        steps[0]["mode"] = "sequential"
    return steps


@pytest.mark.parametrize("seed", range(12))
async def test_the_same_is_asked_and_comes_out(tmp_path: Path, seed: int) -> None:
    steps = a_workflow(seed)
    reference = Reference("go x")
    wanted = reference.run(steps)

    def play(spec: SessionSpec, prompt: Prompt) -> str | Failure:
        said = answer(prompt.text.strip())
        return broken() if said is None else said

    project = a_project(tmp_path / "project")
    (project / ".longwatch/workflows/change.toml").unlink()
    file = project / ".longwatch/workflows/change.json"
    file.write_text(json.dumps({"name": "change", "steps": steps}))
    stage = Stage(play)
    supervisor = await Supervisor.open(tmp_path / "store", drivers={"scripted": stage})
    try:
        command = cmd.StartRun(request=Request(text="go x", user="ada"), project=str(project))
        done = await supervisor.execute(command)
        assert done.run_id is not None
        ends = (TaskState.DONE, TaskState.BLOCKED, TaskState.FAILED)
        async with asyncio.timeout(PATIENCE):
            while (state := await supervisor.run(done.run_id)).run.state not in ends:  # noqa: ASYNC110
                await asyncio.sleep(0.01)
    finally:
        await supervisor.close()
    assert state.run.state is TaskState.DONE, state.run.reason
    assert sorted(text.strip() for _, _, text in stage.prompts) == sorted(reference.prompts)
    # Where nothing was made there is no result here, and there the request.
    assert (final_output(state) or "go x") == wanted
