"""The person: random commands while there is trouble, then a fair one who answers everything.

A new kind of command takes one more function in `MOVES`: it is given what the operator sees and
yields commands that make sense.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from random import Random

from app.domain import commands as cmd
from app.domain.approval import Action, Actor, ActorKind, ApprovalState, Scope, Settlement
from app.domain.attention import waits_for_operator
from app.domain.errors import LongwatchError
from app.domain.request import Request
from app.domain.run import QuestionState, ReviewState, RunState
from app.domain.task_state import TaskState
from app.engine.supervisor import Supervisor
from tests.simulation.sim_git import PROJECT
from tests.simulation.world import World

ME = Actor(kind=ActorKind.PERSON, name="eve")
_AGAIN = "sim:work\ndo it like this"


@dataclass(frozen=True, slots=True)
class View:
    """What the operator sees, and a die."""

    states: tuple[RunState, ...]
    chance: Random
    rules: tuple[str, ...] = ()

    @property
    def open(self) -> list[RunState]:
        return [state for state in self.states if not state.run.state.terminal]


Move = Callable[[View], Iterator[cmd.Command]]


def decide(view: View) -> Iterator[cmd.Command]:
    chance = view.chance
    for state in view.states:
        for approval in state.approvals.values():
            if approval.state is not ApprovalState.PENDING:
                continue
            deny = chance.random() < 0.4
            yield cmd.DecideApproval(
                approval_id=approval.approval_id,
                revision=approval.revision - (chance.random() < 0.05),
                action=Action.DENY if deny else Action.ALLOW,
                scope=Scope.ONCE if deny else chance.choice(list(Scope)),
                reason="not like this" if deny else "",
                interrupt=deny and chance.random() < 0.3,
                by=ME,
            )


def settle(view: View) -> Iterator[cmd.Command]:
    for state in view.states:
        for approval in state.approvals.values():
            if approval.state is ApprovalState.UNCERTAIN:
                yield cmd.SettleApproval(
                    approval_id=approval.approval_id,
                    revision=approval.revision,
                    settlement=view.chance.choice(list(Settlement)),
                    by=ME,
                )


def give_verdict(view: View) -> Iterator[cmd.Command]:
    for state in view.states:
        for review in state.reviews.values():
            if review.state is ReviewState.OPEN and waits_for_operator(state, review.review_id):
                yield cmd.GiveVerdict(
                    review_id=review.review_id,
                    revision=review.revision,
                    accept=view.chance.random() < 0.6,
                    reason="once more, with feeling",
                    by=ME,
                )


def answer(view: View) -> Iterator[cmd.Command]:
    for state in view.states:
        for question in state.questions.values():
            if question.state is QuestionState.OPEN:
                yield cmd.AnswerQuestion(
                    question_id=question.question_id,
                    revision=question.revision,
                    answer=view.chance.choice(question.choices or ("forty-two",)),
                    by=ME,
                )


def cancel(view: View) -> Iterator[cmd.Command]:
    if view.chance.random() < 0.15:
        for state in view.open:
            yield cmd.CancelRun(run_id=state.run.run_id, by=ME)


def retry(view: View) -> Iterator[cmd.Command]:
    for state in view.open:
        yield cmd.RetryRun(run_id=state.run.run_id, by=ME)
        for attempt in _held(state):
            prompt = view.chance.choice(("", _AGAIN))
            yield cmd.RetryRun(
                run_id=state.run.run_id,
                step=attempt.step,
                branch=attempt.branch,
                prompt=prompt,
                by=ME,
            )


def pause(view: View) -> Iterator[cmd.Command]:
    for state in view.open:
        if state.run.state is TaskState.IN_PROGRESS and view.chance.random() < 0.2:
            yield cmd.PauseRun(run_id=state.run.run_id, by=ME)


def resume(view: View) -> Iterator[cmd.Command]:
    for state in view.open:
        if is_paused(state):
            yield cmd.ResumeRun(run_id=state.run.run_id, by=ME)


def skip(view: View) -> Iterator[cmd.Command]:
    for state in view.open:
        for attempt in _held(state):
            value = view.chance.choice((None, "instead"))
            yield cmd.SkipStep(
                run_id=state.run.run_id,
                step=attempt.step,
                branch=attempt.branch,
                value=value,
                by=ME,
            )


def fork(view: View) -> Iterator[cmd.Command]:
    if len(view.states) < 6:
        for state in view.states:
            step = view.chance.choice(state.run.steps).name
            yield cmd.ForkRun(run_id=state.run.run_id, step=step, by=ME)


def steer(view: View) -> Iterator[cmd.Command]:
    for state in view.open:
        for session in state.sessions.values():
            if session.turn_open:
                yield cmd.SteerSession(
                    run_id=state.run.run_id, session_id=session.session_id, text="faster", by=ME
                )


def snooze(view: View) -> Iterator[cmd.Command]:
    for state in view.open:
        for review in state.reviews.values():
            yield cmd.Snooze(item="review", item_id=review.review_id, until=None, by=ME)


def remove_rule(view: View) -> Iterator[cmd.Command]:
    for rule_id in view.rules:
        yield cmd.RemoveRule.model_validate({"rule_id": rule_id, "by": ME})


def start(view: View) -> Iterator[cmd.Command]:
    if len(view.states) < 3:
        yield a_start(view.chance)


MOVES: tuple[Move, ...] = (
    decide,
    decide,
    decide,
    settle,
    settle,
    give_verdict,
    give_verdict,
    answer,
    answer,
    cancel,
    retry,
    pause,
    resume,
    resume,
    skip,
    fork,
    steer,
    snooze,
    remove_rule,
    start,
)


def a_start(chance: Random) -> cmd.StartRun:
    request = Request(text=f"request {chance.randrange(1000)}", user="eve")
    return cmd.StartRun(request=request, project=str(PROJECT), workflow="whole")


def is_paused(state: RunState) -> bool:
    return state.run.blocked is not None and state.run.blocked.kind == "paused"


def _held(state: RunState) -> list[_Held]:
    return [
        _Held(a.step.partition(".")[0], a.branch)
        for a in state.attempts.values()
        if a.blocked is not None
    ]


@dataclass(frozen=True, slots=True)
class _Held:
    step: str
    branch: str


@dataclass
class Operator:
    """Gives commands to one supervisor, in one life."""

    world: World
    supervisor: Supervisor
    tries: Counter[str] = field(default_factory=Counter)

    @property
    def view(self) -> View:
        projection = self.supervisor._journal.projection
        return View(
            tuple(projection.states.values()),
            self.world.chance("operator"),
            tuple(projection.rules),
        )

    async def meddle(self, seconds: float) -> None:
        """Random commands, some of them at once, for a while."""
        loop = asyncio.get_running_loop()
        until = loop.time() + seconds
        while loop.time() < until:
            chance = self.world.chance("operator")
            await asyncio.sleep(chance.choice((0.0, 0.1, 1.0, 5.0, 20.0)))
            found = list(chance.choice(MOVES)(self.view))
            chosen = chance.sample(found, min(len(found), chance.choice((1, 1, 1, 2))))
            await asyncio.gather(*(self.tell(command) for command in chosen))

    async def tell(self, command: cmd.Command) -> None:
        """A refusal is an answer too; a command that hangs is given up by its client."""
        try:
            await self.supervisor.execute(command)
        except LongwatchError:
            return

    async def finish(self, seconds: float) -> bool:
        """Answer everything, push what is stuck, until all runs are over; whether they are."""
        loop = asyncio.get_running_loop()
        until = loop.time() + seconds
        while loop.time() < until:
            open_runs = self.view.open
            if not open_runs:
                return True
            for command in self._helpful():
                await self.tell(command)
            await asyncio.sleep(5.0)
        return False

    def _helpful(self) -> Iterator[cmd.Command]:
        view = self.view
        for command in (*decide(view), *settle(view), *give_verdict(view), *answer(view)):
            yield command.model_copy(update=_kindly(command))
        for state in view.open:
            if is_paused(state):
                yield cmd.ResumeRun(run_id=state.run.run_id, by=ME)
            elif state.run.state.resumable or _held(state):
                yield from self._push(state)

    def _push(self, state: RunState) -> Iterator[cmd.Command]:
        """Retry some times; then go on with a value in place of what will not come."""
        run_id = state.run.run_id
        self.tries[run_id] += 1
        if self.tries[run_id] % 4 or not _held(state):
            yield cmd.RetryRun(run_id=run_id, by=ME)
            return
        for held in _held(state):
            yield cmd.SkipStep(
                run_id=run_id, step=held.step, branch=held.branch, value="instead: DONE", by=ME
            )


def _kindly(command: cmd.Command) -> dict[str, object]:
    match command:
        case cmd.DecideApproval():
            return {"action": Action.ALLOW, "interrupt": False, "scope": Scope.ONCE}
        case cmd.SettleApproval():
            return {"settlement": Settlement.TREAT_AS_DONE}
        case cmd.GiveVerdict():
            return {"accept": True}
    return {}
