"""The operator's commands: checked against the state, committed, then carried out."""

from __future__ import annotations

from collections.abc import Callable

from app.agents.protocol import Answer
from app.domain import commands as cmd
from app.domain import events as ev
from app.domain.approval import (
    Action,
    Actor,
    ActorKind,
    Approval,
    ApprovalState,
    Decision,
    Scope,
    Settlement,
    StoredRule,
)
from app.domain.attention import waits_for_operator
from app.domain.base import ApprovalId, QuestionId, ReviewId, RuleId, RunId
from app.domain.errors import NotFound, Refused
from app.domain.policy import decide, rule_for
from app.domain.risk import Assessment
from app.domain.run import (
    Blocked,
    Question,
    QuestionState,
    Review,
    ReviewState,
    RunState,
    Verdict,
)
from app.domain.session import ChunkKind
from app.domain.task_state import TaskState
from app.domain.text import one_line, printable
from app.domain.workflow import Recipe
from app.engine.approvals import ApprovalDesk, too_many_denials
from app.engine.core import Core
from app.engine.rollouts import Rollouts
from app.engine.run_control import RunControl
from app.engine.runs import Runs
from app.engine.sessions import LiveSession, SessionKeeper
from app.engine.turns import give
from app.store.journal import Draft

_TOO_MANY = "three denials in a row: the turn was stopped and waits for the operator"


class Operator:
    """Carries commands out. `learn` is told of every recipe that a run is started with."""

    def __init__(
        self,
        core: Core,
        keeper: SessionKeeper,
        desk: ApprovalDesk,
        runs: Runs,
        rollouts: Rollouts,
        learn: Callable[[Recipe], None],
    ) -> None:
        self._core = core
        self._keeper = keeper
        self._desk = desk
        self._wake = runs.wake
        self._rollouts = rollouts
        self._control = RunControl(core, runs, rollouts, learn)

    async def execute(self, command: cmd.Command) -> cmd.Done:
        """Raises Refused or NotFound with one sentence; then nothing has changed."""
        match command:
            case cmd.DecideApproval():
                return await self._decide(command)
            case cmd.SettleApproval():
                return await self._settle(command)
            case cmd.GiveVerdict():
                return await self._verdict(command)
            case cmd.Snooze():
                return await self._snooze(command)
            case cmd.AnswerQuestion():
                return await self._answer(command)
            case cmd.RemoveRule():
                return await self._remove_rule(command)
            case cmd.SteerSession():
                return await self._steer(command)
            case cmd.StartRun() | cmd.CancelRun() | cmd.RetryRun() | cmd.PauseRun():
                return await self._control.execute(command)
            case cmd.ResumeRun() | cmd.SkipStep() | cmd.ForkRun():
                return await self._control.execute(command)
            case _:
                return await self._rollouts.execute(command)

    def _done(self, message: str, run_id: RunId | None = None) -> cmd.Done:
        return cmd.Done(message=message, run_id=run_id, seq=self._core.journal.committed_seq)

    def _approval(self, approval_id: ApprovalId) -> tuple[RunState, Approval]:
        for state in self._core.journal.projection.states.values():
            approval = state.approvals.get(approval_id)
            if approval is not None:
                return state, approval
        raise NotFound(f"there is no approval {approval_id}")

    def _review(self, review_id: ReviewId) -> tuple[RunState, Review]:
        for state in self._core.journal.projection.states.values():
            review = state.reviews.get(review_id)
            if review is not None:
                return state, review
        raise NotFound(f"there is no review {review_id}")

    async def _decide(self, command: cmd.DecideApproval) -> cmd.Done:
        state, approval = self._approval(command.approval_id)
        _check(approval, command.revision, ApprovalState.PENDING)
        if command.action is Action.ASK:
            raise Refused("an approval is answered with allow or deny")
        if command.action is Action.ALLOW and approval.deciders > 1:
            more = _supported(approval, command)
            if more:
                return await self._support(state, approval, command.by, more)
        live = self._waiting(approval)
        interrupt, reason = command.interrupt, command.reason
        if command.action is Action.DENY and too_many_denials(state, approval):
            interrupt, reason = True, f"{reason} ({_TOO_MANY})".strip()
        decision = Decision(
            action=command.action,
            scope=command.scope,
            reason=reason,
            interrupt=interrupt,
            by=command.by,
            at=self._core.clock.now(),
        )
        decided = ev.ApprovalDecided(
            approval_id=approval.approval_id, decision=decision, told=live is not None
        )
        drafts = [Draft(decided, run=state)]
        rule = self._rule(state, approval, command)
        if rule is not None:
            drafts.append(Draft(ev.RuleAdded(rule=rule)))
        await self._core.journal.append(drafts)
        answer = Answer(command.action, command.scope, reason, interrupt)
        if live is not None:
            live.waiting.discard(approval.approval_id)
            await give(live, approval.call.call_id, answer)
        if rule is not None:
            await self._apply_rules(state.run.project)
        words = "approved" if command.action is Action.ALLOW else "denied"
        later = "" if live else "; its agent is told when it runs again"
        return self._done(f"{words}: {approval.call.title}{later}", state.run.run_id)

    async def _support(self, state: RunState, approval: Approval, by: Actor, more: int) -> cmd.Done:
        supported = ev.ApprovalSupported(approval_id=approval.approval_id, by=by)
        await self._core.commit(state.run.run_id, supported)
        others = "one more person" if more == 1 else f"{more} more persons"
        words = f"allowed by {by}; {others} must allow it too: {approval.call.title}"
        return self._done(words, state.run.run_id)

    def _waiting(self, approval: Approval) -> LiveSession | None:
        """The live session whose agent waits for this answer right now."""
        live = self._keeper.find(approval.run_id, approval.session_id)
        return live if live and approval.approval_id in live.waiting else None

    def _rule(
        self, state: RunState, approval: Approval, command: cmd.DecideApproval
    ) -> StoredRule | None:
        if command.action is not Action.ALLOW or command.scope is Scope.ONCE:
            return None
        rule_id = RuleId(self._core.ids.new("rule"))
        return StoredRule(
            rule_id=rule_id,
            project=state.run.project,
            rule=rule_for(approval, command.scope, rule_id),
            by=command.by,
            at=self._core.clock.now(),
            from_approval=approval.approval_id,
        )

    async def _apply_rules(self, project: str) -> None:
        """Answer what already waits and is now covered by a rule."""
        states = list(self._core.journal.projection.states.values())
        for state in [s for s in states if s.run.project == project]:
            for approval in state.approvals.values():
                live = self._waiting(approval)
                if approval.state is ApprovalState.PENDING and live is not None:
                    await self._apply_rules_to(approval, live)

    async def _apply_rules_to(self, approval: Approval, live: LiveSession) -> None:
        session = self._core.state(approval.run_id).sessions[approval.session_id]
        if approval.deciders > 1:
            return
        answer = decide(
            approval.call,
            Assessment(risk=approval.risk, reasons=approval.risk_reasons),
            self._desk.rules(approval.run_id),
            agent=approval.agent,
            session=approval.session_id,
            workspace=session.workspace,
        )
        if answer.action is not Action.ALLOW:
            return
        by = Actor(kind=ActorKind.RULE, name=answer.rule)
        decision = Decision(action=Action.ALLOW, by=by, at=self._core.clock.now())
        decided = ev.ApprovalDecided(approval_id=approval.approval_id, decision=decision, told=True)
        await self._core.commit(approval.run_id, decided)
        live.waiting.discard(approval.approval_id)
        await give(live, approval.call.call_id, Answer(Action.ALLOW))

    async def _settle(self, command: cmd.SettleApproval) -> cmd.Done:
        state, approval = self._approval(command.approval_id)
        _check(approval, command.revision, ApprovalState.UNCERTAIN)
        settled: list[ev.Payload] = [
            ev.ApprovalSettled(
                approval_id=approval.approval_id,
                settlement=command.settlement,
                by=command.by,
                reason=command.reason,
            )
        ]
        if command.settlement is Settlement.ABORT and not state.run.state.terminal:
            message = f"the operator stopped here: {approval.call.title} has an unknown outcome"
            blocked = Blocked(kind="aborted", message=message, step=approval.step)
            settled.append(
                ev.RunStateChanged(
                    state=TaskState.BLOCKED, reason=message, by=command.by, blocked=blocked
                )
            )
        await self._core.commit(state.run.run_id, *settled)
        self._wake(state.run.run_id)
        return self._done(f"{command.settlement}: {approval.call.title}", state.run.run_id)

    async def _verdict(self, command: cmd.GiveVerdict) -> cmd.Done:
        state, review = self._review(command.review_id)
        if review.state is not ReviewState.OPEN or not waits_for_operator(state, review.review_id):
            raise Refused(f"review {review.review_id} does not wait for the operator")
        if review.revision != command.revision:
            raise Refused(f"review {review.review_id} has changed meanwhile: read it again")
        if not command.accept and not command.reason.strip():
            raise Refused("sending work back needs a reason, for the agent to read")
        verdict = Verdict(
            by=command.by,
            decision="approve" if command.accept else "reject",
            reasons=(command.reason,) if command.reason.strip() else (),
            at=self._core.clock.now(),
        )
        payloads: list[ev.Payload] = [ev.VerdictGiven(review_id=review.review_id, verdict=verdict)]
        blocked = state.run.blocked
        if state.run.state is TaskState.BLOCKED and not (blocked and blocked.kind == "paused"):
            payloads.append(
                ev.RunStateChanged(
                    state=TaskState.IN_PROGRESS, reason="the review was answered", by=command.by
                )
            )
        await self._core.commit(state.run.run_id, *payloads)
        self._wake(state.run.run_id)
        words = "accepted" if command.accept else "sent back"
        return self._done(f"{words}: {review.of}, version {review.of_attempt}", state.run.run_id)

    def _question(self, question_id: QuestionId) -> tuple[RunState, Question]:
        for state in self._core.journal.projection.states.values():
            question = state.questions.get(question_id)
            if question is not None:
                return state, question
        raise NotFound(f"there is no question {question_id}")

    async def _answer(self, command: cmd.AnswerQuestion) -> cmd.Done:
        state, question = self._question(command.question_id)
        answer = command.answer.strip()
        if question.state is not QuestionState.OPEN or state.run.state.terminal:
            raise Refused(f"question {question.question_id} does not wait for an answer any more")
        if question.revision != command.revision:
            raise Refused(f"question {question.question_id} has changed meanwhile: read it again")
        if not answer:
            raise Refused("an answer needs some text")
        if question.choices and answer not in question.choices:
            raise Refused(f"the answer must be one of: {', '.join(question.choices)}")
        answered = ev.QuestionAnswered(
            question_id=question.question_id, answer=printable(answer), by=command.by
        )
        await self._core.commit(state.run.run_id, answered)
        self._wake(state.run.run_id)
        return self._done(f"answered: {one_line(question.text, 100)}", state.run.run_id)

    async def _snooze(self, command: cmd.Snooze) -> cmd.Done:
        if command.item == "approval":
            state, _ = self._approval(ApprovalId(command.item_id))
        elif command.item == "question":
            state, _question = self._question(QuestionId(command.item_id))
        else:
            state, _review = self._review(ReviewId(command.item_id))
        snoozed = ev.Snoozed(
            item=command.item, item_id=command.item_id, until=command.until, by=command.by
        )
        await self._core.commit(state.run.run_id, snoozed)
        return self._done("put off" if command.until else "brought back", state.run.run_id)

    async def _remove_rule(self, command: cmd.RemoveRule) -> cmd.Done:
        if command.rule_id not in self._core.journal.projection.rules:
            raise NotFound(f"there is no rule {command.rule_id}")
        await self._core.record(ev.RuleRemoved(rule_id=command.rule_id, by=command.by))
        return self._done(f"rule {command.rule_id} removed")

    async def _steer(self, command: cmd.SteerSession) -> cmd.Done:
        live = self._keeper.find(command.run_id, command.session_id)
        session = self._core.state(command.run_id).sessions.get(command.session_id)
        if session is None:
            raise NotFound(f"run {command.run_id} has no session {command.session_id}")
        if live is None or not session.turn_open:
            raise Refused("its agent is not at work: there is nobody to hear it")
        live.transcript.say(ChunkKind.PROMPT, f"{command.by}: {command.text}")
        await live.agent.steer(command.text)
        if session.stuck is not None:
            moving = ev.SessionMoving(session_id=command.session_id)
            await self._core.commit(command.run_id, moving)
        return self._done("said", command.run_id)


def _supported(approval: Approval, command: cmd.DecideApproval) -> int:
    """How many must allow it after this one. Raises Refused for who has done so already."""
    if command.scope is not Scope.ONCE:
        raise Refused(f"what {approval.deciders} persons must allow is allowed once at a time")
    if command.by in approval.supporters:
        raise Refused(f"{command.by} has allowed this already: somebody else must allow it too")
    return approval.deciders - len(approval.supporters) - 1


def _check(approval: Approval, revision: int, expected: ApprovalState) -> None:
    if approval.state is not expected:
        by = f" by {approval.decision.by}" if approval.decision else ""
        raise Refused(f"approval {approval.approval_id} is {approval.state} already{by}")
    if approval.revision != revision:
        raise Refused(f"approval {approval.approval_id} has changed meanwhile: read it again")
