"""Every kind of step, from a workflow file to the end of a run, in a real store and repository."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest

from app.agents.protocol import Prompt, SessionSpec
from app.domain import commands as cmd
from app.domain.attention import AttentionKind, attention
from app.domain.base import Clock, RunId
from app.domain.errors import Refused
from app.domain.flow import final_output, output_of
from app.domain.request import Request
from app.domain.run import AttemptState, Cause, Failure, RunState, StepState
from app.domain.task_state import TaskState
from app.engine.supervisor import Supervisor
from tests.support.actors import Stage, broken, overloaded
from tests.support.hand_clock import HandClock
from tests.support.puppet import a_project, git
from tests.support.story import ADA, START
from tests.support.waiting import PATIENCE

Wanted = Callable[[RunState], bool]


class World:
    """A project with one workflow, a supervisor on it, and agents that play their part."""

    def __init__(self, folder: Path, stage: Stage) -> None:
        self._folder = folder
        self.clock: Clock | None = None  # the machine's own, unless a test brings one
        self.stage = stage
        self.project = folder / "project"
        self.supervisor: Supervisor | None = None

    async def open(self, max_parallel: int = 32) -> Supervisor:
        self.supervisor = await Supervisor.open(
            self._folder / "store",
            drivers={"scripted": self.stage},
            max_parallel=max_parallel,
            clock=self.clock,
        )
        return self.supervisor

    def workflow(self, steps: str, name: str = "change", head: str = "") -> None:
        file = self.project / ".longwatch/workflows" / f"{name}.toml"
        if not self.project.exists():
            a_project(self.project)
        file.write_text(f'name = "{name}"\n{head}\n{steps}')

    async def start(self, text: str = "make it so") -> RunId:
        supervisor = self.supervisor or await self.open()
        request = Request(text=text, user="ada")
        done = await supervisor.execute(cmd.StartRun(request=request, project=str(self.project)))
        assert done.run_id is not None
        return done.run_id

    async def until(self, run_id: RunId, wanted: Wanted) -> RunState:
        assert self.supervisor is not None
        async with asyncio.timeout(PATIENCE):
            while not wanted(state := await self.supervisor.run(run_id)):  # noqa: ASYNC110
                await asyncio.sleep(0.01)
        return state

    async def to_the_end(self, text: str = "make it so") -> RunState:
        return await self.until(await self.start(text), over)

    async def tell(self, command: cmd.Command) -> None:
        assert self.supervisor is not None
        await self.supervisor.execute(command)


def over(state: RunState) -> bool:
    return state.run.state in (TaskState.DONE, TaskState.BLOCKED, TaskState.FAILED)


Making = Callable[[Callable[[SessionSpec, Prompt], str | Failure]], World]


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[Making]:
    made: list[World] = []

    def make(play: Callable[[SessionSpec, Prompt], str | Failure]) -> World:
        made.append(World(tmp_path, Stage(play)))
        return made[-1]

    yield make
    for one in made:
        if one.supervisor is not None:
            report = await one.supervisor.verify()
            assert report.ok, report.problems
            await one.supervisor.close()


def echo(spec: SessionSpec, prompt: Prompt) -> str:
    return f"<{prompt.text.strip()}>"


def agent(name: str, prompt: str, more: str = "") -> str:
    return f'[[step]]\nname = "{name}"\nagent = "coder"\nprompt = """{prompt}"""\n{more}\n'


async def test_input_flows_from_step_to_step(world: Making) -> None:
    w = world(echo)
    w.workflow(agent("one", "1 {{ input }}") + agent("two", "2 {{ input }}"))
    state = await w.to_the_end("go")
    assert state.run.state is TaskState.DONE
    assert final_output(state) == "<2 <1 go>>"
    assert state.run.current_step == ""


async def test_declared_branches_run_side_by_side_and_are_joined(world: Making) -> None:
    w = world(echo)
    w.stage.pause = 0.2
    w.workflow(
        agent("plan", "plan")
        + '[[step]]\nname = "all"\nkind = "fan_out"\nagent = "coder"\nprompt = "{{ branch }}"\n'
        + "".join(f'[[step.branch]]\nname = "{name}"\n' for name in "abc")
        + '[[step]]\nname = "joined"\nkind = "collect"\nof = ["all"]\n'
    )
    state = await w.to_the_end()
    assert state.run.state is TaskState.DONE, state.run.reason
    assert final_output(state) == "<a>\n\n---\n\n<b>\n\n---\n\n<c>"
    assert w.stage.most == 3
    assert {s.workspace for s in state.sessions.values() if s.branch}.__len__() == 3


async def test_for_each_makes_a_branch_of_each_item(world: Making) -> None:
    def play(spec: SessionSpec, prompt: Prompt) -> str:
        if prompt.text.startswith("list"):
            return 'Here:\n```json\n[{"file": "a"}, {"file": "b{{ x }}"}]\n```'
        return prompt.text.strip()

    w = world(play)
    w.workflow(
        agent("list", "list")
        + '[[step]]\nname = "each"\nkind = "fan_out"\nagent = "coder"\nfor_each = "list"\n'
        + 'prompt = "{{ branch }}: {{ item.file }}"\n'
        + '[[step]]\nname = "sum"\nkind = "collect"\nof = ["each"]\n'
        + 'template = "{% for r in results %}{{ r.name }}={{ r.output }};{% endfor %}"\n'
    )
    state = await w.to_the_end()
    assert final_output(state) == "1=1: a;2=2: b{{ x }};"
    assert [b.title for b in state.steps["each"].branches] == [
        '{"file": "a"}',
        '{"file": "b{{ x }}"}',
    ]


async def test_a_list_that_cannot_be_read_is_put_to_the_operator(world: Making) -> None:
    w = world(lambda spec, prompt: "no list" if "list" in prompt.text else prompt.text.strip())
    w.workflow(
        agent("list", "list")
        + '[[step]]\nname = "each"\nkind = "fan_out"\nagent = "coder"\nfor_each = "list"\n'
        + 'prompt = "{{ item }}"\n'
    )
    state = await w.to_the_end()
    assert state.run.state is TaskState.BLOCKED
    assert "is not a JSON list" in state.run.reason
    prompt = json.dumps(["x", "y"])
    await w.tell(cmd.RetryRun(run_id=state.run.run_id, step="each", prompt=prompt, by=ADA))
    state = await w.until(state.run.run_id, lambda s: s.run.state is TaskState.DONE)
    assert final_output(state) == "x\n\n---\n\ny"


async def test_the_work_of_branches_is_merged(world: Making) -> None:
    def play(spec: SessionSpec, prompt: Prompt) -> str:
        Path(spec.workspace, prompt.text.strip()).write_text("work\n")
        return "done"

    w = world(play)
    w.workflow(
        '[[step]]\nname = "all"\nkind = "fan_out"\nagent = "coder"\nprompt = "{{ branch }}"\n'
        + "".join(f'[[step.branch]]\nname = "{name}"\n' for name in "abc")
        + agent("last", "d")
    )
    state = await w.to_the_end()
    assert state.run.state is TaskState.DONE, state.run.reason
    assert state.run.head_commit is not None
    files = git(w.project, "ls-tree", "--name-only", state.run.head_commit).split()
    assert {"a", "b", "c", "d"} <= set(files)
    assert state.result_branch is not None
    assert git(w.project, "rev-parse", state.result_branch).strip() == state.run.head_commit


async def test_work_that_cannot_be_merged_blocks_with_the_files(world: Making) -> None:
    def play(spec: SessionSpec, prompt: Prompt) -> str:
        Path(spec.workspace, "a.txt").write_text(prompt.text)
        return "done"

    w = world(play)
    w.workflow(
        '[[step]]\nname = "all"\nkind = "fan_out"\nagent = "coder"\nprompt = "{{ branch }}"\n'
        '[[step.branch]]\nname = "a"\n[[step.branch]]\nname = "b"\n'
    )
    state = await w.to_the_end()
    assert state.run.state is TaskState.BLOCKED
    assert "both sides changed a.txt" in state.run.reason
    assert await w.supervisor.verify() if w.supervisor else False


async def test_needs_make_a_graph(world: Making) -> None:
    w = world(echo)
    w.stage.pause = 0.2
    w.workflow(
        agent("a", "a", "needs = []")
        + agent("b", "b", "needs = []")
        + agent("c", "{{ outputs.a }}{{ outputs.b }}", 'needs = ["a", "b"]')
    )
    state = await w.to_the_end()
    assert final_output(state) == "<<a><b>>"
    assert w.stage.most == 2


async def test_a_condition_skips_a_step_and_its_input_flows_on(world: Making) -> None:
    w = world(echo)
    w.workflow(
        agent("one", "{{ input }}")
        + agent("fix", "fix", "when = \"'broken' in input\"")
        + agent("end", "end {{ input }}")
    )
    state = await w.to_the_end("all is well")
    assert state.steps["fix"].state is StepState.SKIPPED
    assert final_output(state) == "<end <all is well>>"
    state = await w.to_the_end("it is broken")
    assert state.steps["fix"].state is StepState.DONE
    assert final_output(state) == "<end <fix>>"


async def test_a_loop_ends_when_its_condition_holds_or_its_count_is_used_up(world: Making) -> None:
    def play(spec: SessionSpec, prompt: Prompt) -> str:
        return prompt.text.strip() + "x"

    w = world(play)
    loop = "[step.loop]\nuntil = \"'xxx' in output\"\nmax_iterations = {}\n"
    w.workflow(agent("grow", "{{ input }}", loop.format(9)))
    state = await w.to_the_end("g")
    assert final_output(state) == "gxxx"
    assert [a.iteration for a in state.attempts.values()] == [1, 2, 3]
    assert state.steps["grow"].reason == "until_met"
    w.workflow(agent("grow", "{{ input }}", loop.format(2)))
    state = await w.to_the_end("g")
    assert final_output(state) == "gxx"
    assert state.steps["grow"].reason == "max_iterations_reached"


async def test_a_quorum_does_not_wait_for_the_slow_one(world: Making) -> None:
    w = world(echo)
    w.stage.gates["slow"] = asyncio.Event()
    w.workflow(
        '[[step]]\nname = "all"\nkind = "fan_out"\nagent = "coder"\nprompt = "{{ branch }}"\n'
        '[[step.branch]]\nname = "a"\n[[step.branch]]\nname = "slow"\n[[step.branch]]\nname = "c"\n'
        '[[step]]\nname = "two"\nkind = "collect"\nof = ["all"]\ntake = "quorum"\nquorum = 2\n'
    )
    state = await w.to_the_end()
    assert state.run.state is TaskState.DONE
    assert final_output(state) == "<a>\n\n---\n\n<c>"
    assert state.steps["all"].canceled == ("slow",)
    late = state.latest("all", "slow")
    assert late is not None and late.state is AttemptState.CANCELED


async def test_the_best_is_the_one_whose_gate_says_the_highest_number(world: Making) -> None:
    w = world(lambda spec, prompt: prompt.text.strip())
    w.workflow(
        '[[step]]\nname = "all"\nkind = "fan_out"\nagent = "coder"\nprompt = "{{ branch }}"\n'
        '[[step.gate]]\nname = "size"\nshell = "wc -c"\n'
        '[[step.branch]]\nname = "a"\n[[step.branch]]\nname = "bbb"\n[[step.branch]]\nname = "cc"\n'
        '[[step]]\nname = "top"\nkind = "collect"\nof = ["all"]\ntake = "best"\nbest_by = "size"\n'
    )
    state = await w.to_the_end()
    assert final_output(state) == "bbb"


async def test_a_failed_branch_is_retried_alone_and_the_others_stand(world: Making) -> None:
    tries: list[str] = []

    def play(spec: SessionSpec, prompt: Prompt) -> str | Failure:
        name = prompt.text.strip()
        tries.append(name)
        return broken() if name == "b" and tries.count("b") == 1 else name

    w = world(play)
    w.workflow(
        '[[step]]\nname = "all"\nkind = "fan_out"\nagent = "coder"\nprompt = "{{ branch }}"\n'
        '[[step.branch]]\nname = "a"\n[[step.branch]]\nname = "b"\n' + agent("end", "end")
    )
    state = await w.to_the_end()
    assert state.run.state is TaskState.BLOCKED
    assert state.run.blocked is not None and state.run.blocked.branch == "b"
    await w.tell(cmd.RetryRun(run_id=state.run.run_id, step="all", branch="b", by=ADA))
    state = await w.until(state.run.run_id, lambda s: s.run.state is TaskState.DONE)
    assert (tries.count("a"), tries.count("b")) == (1, 2)
    assert output_of(state, "all") == "a\n\n---\n\nb"


async def test_a_failed_step_can_be_given_a_value_instead(world: Making) -> None:
    w = world(lambda spec, prompt: broken() if "fail" in prompt.text else prompt.text.strip())
    w.workflow(agent("one", "fail") + agent("two", "{{ input }}!"))
    state = await w.to_the_end()
    assert state.run.state is TaskState.BLOCKED
    await w.tell(cmd.SkipStep(run_id=state.run.run_id, step="one", value="mine", by=ADA))
    state = await w.until(state.run.run_id, lambda s: s.run.state is TaskState.DONE)
    assert final_output(state) == "mine!"
    with pytest.raises(Refused):
        await w.tell(cmd.SkipStep(run_id=state.run.run_id, step="one", by=ADA))


@pytest.mark.parametrize(
    ("mode", "state", "output"),
    [("skip", TaskState.DONE, "<end go>"), ("fail", TaskState.FAILED, None)],
)
async def test_error_modes(world: Making, mode: str, state: TaskState, output: str | None) -> None:
    w = world(lambda s, p: broken() if "fail" in p.text else echo(s, p))
    w.workflow(agent("one", "fail", f'on_error = "{mode}"') + agent("end", "end {{ input }}"))
    found = await w.to_the_end("go")
    assert found.run.state is state
    if output:
        assert final_output(found) == output


async def test_an_edited_prompt_is_what_the_agent_is_asked(world: Making) -> None:
    w = world(lambda s, p: broken() if "fail" in p.text else echo(s, p))
    w.workflow(agent("one", "fail"))
    state = await w.to_the_end()
    command = cmd.RetryRun(run_id=state.run.run_id, step="one", prompt="do {{ this }}", by=ADA)
    await w.tell(command)
    state = await w.until(state.run.run_id, lambda s: s.run.state is TaskState.DONE)
    assert final_output(state) == "<do {{ this }}>"


async def test_a_question_waits_for_its_answer(world: Making) -> None:
    w = world(echo)
    w.workflow(
        '[[step]]\nname = "which"\nkind = "question"\nquestion = "which of {{ input }}?"\n'
        'choices = ["left", "right"]\n' + agent("go", "go {{ input }}")
    )
    run_id = await w.start("ways")
    state = await w.until(run_id, lambda s: bool(s.questions))
    (question,) = state.questions.values()
    assert question.text == "which of ways?"
    assert [item.kind for item in attention(state, START)] == [AttentionKind.QUESTION]
    answer = cmd.AnswerQuestion(question_id=question.question_id, revision=1, answer="up", by=ADA)
    with pytest.raises(Refused, match="one of: left, right"):
        await w.tell(answer)
    await w.tell(answer.model_copy(update={"answer": "left"}))
    state = await w.until(run_id, over)
    assert final_output(state) == "<go left>"


async def test_a_gate_step_sends_the_work_back_to_an_earlier_step(world: Making) -> None:
    answers = iter(["bad", "good"])
    w = world(lambda spec, prompt: next(answers))
    w.workflow(
        agent("make", "make")
        + '[[step]]\nname = "check"\nkind = "gate"\nreturn_to = "make"\n'
        + '[[step.gate]]\nname = "word"\n'
        + 'shell = "echo it is $(cat); grep -q good $LONGWATCH_OUTPUT_FILE"\n'
    )
    state = await w.to_the_end()
    assert state.run.state is TaskState.DONE, state.run.reason
    assert final_output(state) == "good"
    second = w.stage.texts("make")[1]
    assert "it is bad" in second
    assert state.attempts["make//0/2"].cause is Cause.GATE
    assert state.returns == {"check/word": 1}


async def test_a_judge_and_a_person_can_be_gates(world: Making) -> None:
    verdicts = iter(["reject", "approve"])

    def play(spec: SessionSpec, prompt: Prompt) -> str:
        if spec.agent.name == "reviewer":
            verdict = {"verdict": next(verdicts), "reasons": ["too short"]}
            return f"```json\n{json.dumps(verdict)}\n```"
        return prompt.text

    w = world(play)
    w.workflow(
        agent("make", "make")
        + '[[step.gate]]\nname = "judged"\njudge = "reviewer"\ncriteria = "is long"\n'
        + '[[step.gate]]\nname = "seen"\nperson = true\n'
    )
    run_id = await w.start()
    state = await w.until(run_id, lambda s: any(r.gate == "seen" for r in s.reviews.values()))
    judged = [text for name, _, text in w.stage.prompts if name == "reviewer"]
    assert len(judged) == 2 and "is long" in judged[0]
    assert "too short" in w.stage.texts("make")[1]
    review = next(r for r in state.reviews.values() if r.gate == "seen")
    assert [item.item_id for item in attention(state, START)] == [review.review_id]
    await w.tell(cmd.GiveVerdict(review_id=review.review_id, revision=1, accept=True, by=ADA))
    state = await w.until(run_id, over)
    assert state.run.state is TaskState.DONE


async def test_a_sub_workflow_is_a_run_of_its_own(world: Making) -> None:
    def play(spec: SessionSpec, prompt: Prompt) -> str:
        if prompt.text.startswith("inner"):
            Path(spec.workspace, "inner.txt").write_text("x")
        return echo(spec, prompt)

    w = world(play)
    w.workflow(
        agent("one", "{{ input }}")
        + '[[step]]\nname = "sub"\nkind = "workflow"\nworkflow = "part"\n'
        + agent("end", "end {{ input }}")
    )
    w.workflow(agent("inner", "inner {{ request.text }}"), name="part")
    state = await w.to_the_end("go")
    assert state.run.state is TaskState.DONE, state.run.reason
    assert final_output(state) == "<end <inner <go>>>"
    assert w.supervisor is not None
    child = next(r for r in await w.supervisor.runs() if r.parent == state.run.run_id)
    assert (child.trace_id, child.parent_step) == (state.run.trace_id, "sub")
    assert "inner.txt" in git(w.project, "ls-tree", "--name-only", str(state.run.head_commit))


async def test_canceling_a_run_cancels_the_runs_that_it_waits_for(world: Making) -> None:
    w = world(echo)
    w.stage.gates["inner"] = asyncio.Event()
    w.workflow('[[step]]\nname = "sub"\nkind = "workflow"\nworkflow = "part"\n')
    w.workflow(agent("inner", "inner"), name="part")
    run_id = await w.start()
    await w.until(run_id, lambda s: w.stage.at_work == 1)
    await w.tell(cmd.CancelRun(run_id=run_id, by=ADA))
    assert w.supervisor is not None
    runs = await w.supervisor.runs()
    assert {run.state for run in runs} == {TaskState.CANCELED}
    assert w.stage.at_work == 0


async def test_a_paused_run_holds_nothing_and_goes_on_where_it_was(world: Making) -> None:
    w = world(echo)
    gate = w.stage.gates["one"] = asyncio.Event()
    w.workflow(agent("one", "one") + agent("two", "two"))
    run_id = await w.start()
    await w.until(run_id, lambda s: w.stage.at_work == 1)
    await w.tell(cmd.PauseRun(run_id=run_id, by=ADA))
    assert w.stage.at_work == 0
    state = await w.until(run_id, over)
    assert state.run.blocked is not None and state.run.blocked.kind == "paused"
    assert attention(state, START) == []
    gate.set()
    await w.tell(cmd.ResumeRun(run_id=run_id, by=ADA))
    state = await w.until(run_id, lambda s: s.run.state is TaskState.DONE)
    assert len(state.attempts) == 2


async def test_a_fork_takes_over_what_came_before(world: Making) -> None:
    w = world(lambda s, p: broken() if p.text.startswith("three") else echo(s, p))
    w.workflow(agent("one", "one") + agent("two", "two {{ input }}") + agent("three", "three"))
    state = await w.to_the_end()
    assert state.run.state is TaskState.BLOCKED
    w.stage.play = echo
    assert w.supervisor is not None
    done = await w.supervisor.execute(cmd.ForkRun(run_id=state.run.run_id, step="two", by=ADA))
    assert done.run_id is not None
    forked = await w.until(done.run_id, over)
    assert forked.run.state is TaskState.DONE
    assert forked.run.forked_from == state.run.run_id
    assert [text for text in (t for _, _, t in w.stage.prompts) if text.startswith("one")] == [
        "one\n"
    ]
    assert len(w.stage.texts("two")) == 2
    with pytest.raises(Refused, match="no step"):
        await w.tell(cmd.ForkRun(run_id=state.run.run_id, step="thre", by=ADA))


async def test_no_more_agents_at_once_than_there_are_slots(world: Making) -> None:
    w, go_on = world(echo), asyncio.Event()
    w.stage.gates = dict.fromkeys("abcdef", go_on)
    w.workflow(
        '[[step]]\nname = "all"\nkind = "fan_out"\nagent = "coder"\nprompt = "{{ branch }}"\n'
        + "".join(f'[[step.branch]]\nname = "{name}"\n' for name in "abcdef")
    )
    await w.open(max_parallel=2)
    first, second = await w.start(), await w.start()
    await w.until(first, lambda _: w.stage.at_work == 2)
    go_on.set()
    for run_id in (first, second):
        state = await w.until(run_id, over)
        assert state.run.state is TaskState.DONE
    assert w.stage.most == 2


async def test_retries_have_classes(world: Making) -> None:
    failures = iter([overloaded(), overloaded()])
    w = world(lambda s, p: next(failures, "fine"))
    w.workflow(agent("one", "one", "[step.retry]\nmax_retries = 3\ndelay_seconds = 0.01\n"))
    state = await w.to_the_end()
    assert state.run.state is TaskState.DONE
    assert [a.tries for a in state.attempts.values()] == [0, 1, 2]


async def test_a_runs_own_time_out_blocks_it_and_is_granted_anew(world: Making) -> None:
    w = world(echo)
    w.clock = clock = HandClock()
    w.stage.gates["one"] = gate = asyncio.Event()
    w.workflow(agent("one", "one") + agent("two", "two"), head="timeout_seconds = 0.3")
    run_id = await w.start()
    await clock.next()
    state = await w.until(run_id, over)
    assert state.run.state is TaskState.BLOCKED
    assert state.run.blocked is not None and state.run.blocked.kind == "timeout"
    gate.set()
    await w.tell(cmd.RetryRun(run_id=state.run.run_id, by=ADA))
    state = await w.until(state.run.run_id, lambda s: s.run.state is TaskState.DONE)
    assert final_output(state) == "<two>"


async def test_any_of_several_reviewers_is_enough(world: Making) -> None:
    def play(spec: SessionSpec, prompt: Prompt) -> str:
        if spec.agent.name == "reviewer":
            return '```json\n{"verdict": "reject", "reasons": ["no"]}\n```'
        if "your verdict" in prompt.text.lower():
            return '```json\n{"verdict": "approve", "reasons": []}\n```'
        return "text"

    w = world(play)
    w.workflow(
        agent("make", "make")
        + '[[step]]\nname = "judge"\nkind = "review"\nof = "make"\nreturn_to = "make"\n'
        + 'by = ["reviewer", "coder"]\nrequire = "any"\n'
        + agent("end", "{{ input }}")
    )
    state = await w.to_the_end()
    assert state.run.state is TaskState.DONE, state.run.reason
    assert state.rejects == {}
    assert w.stage.texts("end") == ["text\n"]  # the artefact flows on, not the verdict


async def test_a_word_can_be_the_verdict(world: Making) -> None:
    answers = iter(["I must REJECT this", "fine with me"])

    def play(spec: SessionSpec, prompt: Prompt) -> str:
        return next(answers) if spec.agent.name == "reviewer" else "text"

    w = world(play)
    w.workflow(
        agent("make", "make")
        + '[[step]]\nname = "judge"\nkind = "review"\nof = "make"\nreturn_to = "make"\n'
        + 'by = ["reviewer"]\nreject_if_contains = "reject"\n'
    )
    state = await w.to_the_end()
    assert state.run.state is TaskState.DONE
    assert state.rejects == {"judge": 1}
    assert "I must REJECT this" in w.stage.texts("make")[1]


Reopen = Callable[[], Awaitable[None]]


async def test_a_fan_out_goes_on_with_its_missing_branches_only(world: Making) -> None:
    w = world(echo)
    w.stage.gates["slow"] = asyncio.Event()
    w.workflow(
        '[[step]]\nname = "all"\nkind = "fan_out"\nagent = "coder"\nprompt = "{{ branch }}"\n'
        '[[step.branch]]\nname = "a"\n[[step.branch]]\nname = "slow"\n'
    )
    run_id = await w.start()
    await w.until(
        run_id,
        lambda s: (
            any(x.state is AttemptState.PASSED for x in s.attempts.values())
            and bool(w.stage.texts("all-slow"))
        ),
    )
    assert w.supervisor is not None
    await w.supervisor.close()
    w.stage.gates["slow"].set()
    await w.open()
    state = await w.until(run_id, over)
    assert state.run.state is TaskState.DONE
    assert len(w.stage.texts("all-a")) == 1
    assert len(w.stage.texts("all-slow")) == 2  # the same turn, taken up again
    assert len(state.attempts) == 2
