"""Answers to approvals: checked against the state, committed, then given to the agent."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import TYPE_CHECKING

from app.agents.protocol import Answer
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
from app.domain.base import ApprovalId, RuleId, RunId
from app.domain.errors import NotFound, Refused
from app.domain.policy import decide, rule_for
from app.domain.risk import Assessment
from app.domain.run import Blocked, RunState
from app.domain.task_state import TaskState
from app.domain.text import spell
from app.engine.approvals import AFTER_RESTART, Approvals, edited_of, too_many_denials
from app.engine.core import Core
from app.engine.sessions import LiveSession, SessionKeeper
from app.engine.turns import give
from app.store.asked import past_calls
from app.store.journal import Draft

if TYPE_CHECKING:
    from app.domain import commands as cmd
    from app.domain.covered import Covered

NAMED_LATER = "(named when it is written)"
_TOO_MANY = "three denials in a row: the turn was stopped and waits for the operator"


class Decider:
    """Answers approvals: a person's decisions, rules that a decision has written, and time-outs.

    `wake` is told of every run that has something to go on with.
    """

    def __init__(
        self,
        core: Core,
        keeper: SessionKeeper,
        approvals: Approvals,
        wake: Callable[[RunId], None],
    ) -> None:
        self._core = core
        self._keeper = keeper
        self._approvals = approvals
        self._wake = wake

    def find(self, approval_id: ApprovalId) -> tuple[RunState, Approval]:
        for state in self._core.journal.projection.states.values():
            approval = state.approvals.get(approval_id)
            if approval is not None:
                return state, approval
        raise NotFound(f"there is no approval {approval_id}")

    async def decide(self, command: cmd.DecideApproval) -> cmd.Done:
        state, approval = self.find(command.approval_id)
        check(approval, command.revision, ApprovalState.PENDING)
        if command.action is Action.ASK:
            raise Refused("an approval is answered with allow or deny")
        if command.action is Action.ALLOW and approval.deciders > 1:
            more = _supported(approval, command)
            if more:
                return await self._support(state, approval, command.by, more)
        if command.action is Action.ALLOW and (why := self._forbidden(state, approval)):
            raise Refused(f"nobody can allow this: {why}")
        live = self.waiting(approval)
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
        edited = edited_of(approval) if command.action is Action.ALLOW else None
        answer = Answer(command.action, command.scope, reason, interrupt, edited)
        if live is not None:
            live.waiting.discard(approval.approval_id)
            await give(live, approval.call.call_id, answer)
        if rule is not None:
            await self._apply_rules(state.run.project)
        words = "approved" if command.action is Action.ALLOW else "denied"
        later = "" if live else "; its agent is told when it runs again"
        return self._core.done(f"{words}: {approval.call.title}{later}", state.run.run_id)

    def _forbidden(self, state: RunState, approval: Approval) -> str:
        """Why nobody can allow it; it may have been asked before that was so."""
        session = state.sessions[approval.session_id]
        known = Assessment(risk=approval.risk, reasons=approval.risk_reasons)
        return self._approvals.forbidden(session, approval.call, known)

    async def time_out(self, run_id: RunId, approval_id: ApprovalId) -> None:
        """Answer in nobody's name what has waited beyond its deadline: it is not permitted."""
        approval = self._core.state(run_id).approvals[approval_id]
        now = self._core.clock.now()
        if not overdue(approval, now) or approval.deadline is None:
            return  # somebody was quicker
        waited = spell(approval.deadline - approval.requested_at)
        reason = f"nobody answered within {waited}, so this was not permitted"
        by = Actor(kind=ActorKind.TIMEOUT, name=waited)
        live = self.waiting(approval)
        decision = Decision(action=Action.DENY, reason=reason, by=by, at=now)
        decided = ev.ApprovalDecided(
            approval_id=approval_id, decision=decision, told=live is not None
        )
        await self._core.commit(run_id, decided)
        if live is not None:
            live.waiting.discard(approval_id)
            await give(live, approval.call.call_id, Answer(Action.DENY, reason=reason), "timed out")

    async def _support(self, state: RunState, approval: Approval, by: Actor, more: int) -> cmd.Done:
        supported = ev.ApprovalSupported(approval_id=approval.approval_id, by=by)
        await self._core.commit(state.run.run_id, supported)
        others = "one more person" if more == 1 else f"{more} more persons"
        words = f"allowed by {by}; {others} must allow it too: {approval.call.title}"
        return self._core.done(words, state.run.run_id)

    async def covered(self, approval_id: ApprovalId, scope: Scope) -> Covered:
        """The rule that allowing it for this scope would write, and what of the past it matches.

        Raises NotFound, Refused for the scope "once", StoreError.
        """
        state, approval = self.find(approval_id)
        if scope is Scope.ONCE:
            raise Refused("an answer for once writes no rule")
        await self._core.settle()  # what is under way belongs to the past
        rule = rule_for(approval, scope, NAMED_LATER)
        return await past_calls(self._core.paths, rule, approval, state.run.project)

    def waiting(self, approval: Approval) -> LiveSession | None:
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
        waiting = [a for s in states if s.run.project == project for a in s.approvals.values()]
        for known in waiting:
            if known.state is ApprovalState.PENDING:
                await self._apply_rules_to(known.run_id, known.approval_id)

    async def _apply_rules_to(self, run_id: RunId, approval_id: ApprovalId) -> None:
        state = self._core.journal.state(run_id)  # as it is now: others were answered meanwhile
        approval = state.approvals.get(approval_id) if state is not None else None
        if state is None or approval is None or approval.state is not ApprovalState.PENDING:
            return
        live = self.waiting(approval)
        if live is None or approval.deciders > 1 or approval.rule == AFTER_RESTART:
            return
        session = state.sessions[approval.session_id]
        answer = decide(
            approval.call,
            Assessment(risk=approval.risk, reasons=approval.risk_reasons),
            self._approvals.rules(approval.run_id),
            agent=approval.agent,
            session=approval.session_id,
            workspace=session.workspace,
            floor=self._approvals.floor(run_id),
        )
        if answer.action is not Action.ALLOW:
            return
        by = Actor(kind=ActorKind.RULE, name=answer.rule)
        decision = Decision(action=Action.ALLOW, by=by, at=self._core.clock.now())
        decided = ev.ApprovalDecided(approval_id=approval.approval_id, decision=decision, told=True)
        await self._core.commit(approval.run_id, decided)
        live.waiting.discard(approval.approval_id)
        answered = Answer(Action.ALLOW, edited=edited_of(approval))
        await give(live, approval.call.call_id, answered)

    async def settle(self, command: cmd.SettleApproval) -> cmd.Done:
        state, approval = self.find(command.approval_id)
        check(approval, command.revision, ApprovalState.UNCERTAIN)
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
        return self._core.done(f"{command.settlement}: {approval.call.title}", state.run.run_id)


def overdue(approval: Approval, now: datetime) -> bool:
    """Whether an approval waits still, and has waited too long."""
    waits = approval.state is ApprovalState.PENDING
    return waits and approval.deadline is not None and approval.deadline <= now


def _supported(approval: Approval, command: cmd.DecideApproval) -> int:
    """How many must allow it after this one. Raises Refused for who has done so already."""
    if command.scope is not Scope.ONCE:
        raise Refused(f"what {approval.deciders} persons must allow is allowed once at a time")
    if command.by in approval.supporters:
        raise Refused(f"{command.by} has allowed this already: somebody else must allow it too")
    return approval.deciders - len(approval.supporters) - 1


def _by(approval: Approval) -> str:
    """Who has answered it, and how: its state may be what became of the call since."""
    decision = approval.decision
    if decision is None or decision.by.kind is ActorKind.TIMEOUT:
        return ""
    if decision.action is Action.ALLOW:
        return f": {decision.by} has allowed it"
    return f" by {decision.by}"


def check(approval: Approval, revision: int, expected: ApprovalState) -> None:
    """Raises Refused for one that is in another state, or another one than was read."""
    if approval.state is not expected:
        raise Refused(f"approval {approval.approval_id} is {approval.state} already{_by(approval)}")
    if approval.revision != revision:
        raise Refused(f"approval {approval.approval_id} has changed meanwhile: read it again")
