"""Approvals: policy first, then the operator; every answer committed before it is given."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

from msgspec import Struct

from app.agents.protocol import Answer, ApprovalAsked, Edited
from app.domain import events as ev
from app.domain.approval import (
    Action,
    Actor,
    ActorKind,
    Approval,
    ApprovalRule,
    ApprovalState,
    Decision,
    Settlement,
)
from app.domain.base import ApprovalId, RunId
from app.domain.policy import Asking, Floor, PolicyAnswer, decide, forbidden, in_order
from app.domain.request import Risk
from app.domain.risk import Assessment, Own, assess
from app.domain.run import RunState
from app.domain.session import Session
from app.domain.shadow import in_shadow
from app.domain.text import clip, printable
from app.domain.tool_list import RULE, refusal
from app.domain.toolcall import ToolCall
from app.engine.core import Core

_ARGUMENTS_LIMIT = 16 * 1024
_DIFF_LIMIT = 256 * 1024
_EDITABLE_LIMIT = 64 * 1024
_DENIALS_IN_A_ROW = 3
AFTER_RESTART = "after a restart"  # in place of a rule: none may answer such a question


class Asker(Struct, frozen=True):
    """Where a question comes from: one turn of one session."""

    session: Session
    step: str
    attempt: int
    turn: int
    again: bool  # the turn was cut off by a crash and is repeated
    waiting: set[ApprovalId]  # what the agent, as it runs now, waits for; `Approvals` adds to it


class Approvals:
    """Turns a driver's question into an approval, and a decision into the driver's answer."""

    def __init__(self, core: Core, clean: Callable[[str], str]) -> None:
        self._core = core
        self._clean = clean
        paths = core.paths
        self._own = Own(store=str(paths.root.absolute()), socket=str(paths.socket.absolute()))

    async def ask(self, asker: Asker, asked: ApprovalAsked) -> Answer | None:
        """Record a question; the answer if there is one already, None if a person must give it.

        The answer is committed when this returns: the caller only has to pass it on.
        """
        run_id = asker.session.run_id
        raw = asked.call
        call = self.safe(raw)
        known = self._known(asker, call)
        if known is not None:
            asker.waiting.add(known.approval_id)
            return await self._again(run_id, known, call, asker)
        assessment, deciders = self.judge(asker.session, raw)
        answer = self._policy(asker, raw, call, assessment, deciders)
        approval = self._approval(asker, asked, call, assessment, answer)
        approval = approval.model_copy(update={"deciders": deciders})
        asker.waiting.add(approval.approval_id)
        return await self._record(run_id, approval, answer)

    def _policy(
        self, asker: Asker, raw: ToolCall, call: ToolCall, assessment: Assessment, deciders: int
    ) -> PolicyAnswer:
        """What is decided without a person: the agent's tool list first, then rules."""
        session = asker.session
        answer = self.by_rules(session, raw, assessment)
        if answer.rule == RULE:
            return answer
        if self._core.state(session.run_id).run.shadow:
            answer = in_shadow(raw, assessment, answer)
        elif answer.action is not Action.DENY and (
            why := self._happened_before(asker, call, assessment.risk)
        ):
            answer = PolicyAnswer(action=Action.ASK, rule=AFTER_RESTART, reason=why)
        if deciders > 1 and answer.action is Action.ALLOW:
            why = f"{deciders} persons must allow what is critical, whatever a rule says"
            answer = PolicyAnswer(action=Action.ASK, rule=answer.rule, reason=why)
        return answer

    def judge(self, session: Session, call: ToolCall) -> tuple[Assessment, int]:
        """How risky a call of the session is, and how many different persons must allow it."""
        assessment = assess(call, session.workspace, self._own)
        critical = assessment.risk is Risk.CRITICAL
        return assessment, self._core.recipe(session.run_id).critical_deciders if critical else 1

    def by_rules(self, session: Session, call: ToolCall, assessment: Assessment) -> PolicyAnswer:
        """What the agent's tool list, the floor and the rules say of a call."""
        if (refused := self.unlisted(session, call)) is not None:
            return PolicyAnswer(action=Action.DENY, rule=RULE, reason=refused)
        return decide(
            call,
            assessment,
            self.rules(session.run_id),
            agent=session.agent,
            session=session.session_id,
            workspace=session.workspace,
            floor=self.floor(session.run_id),
        )

    def floor(self, run_id: RunId) -> Floor:
        """What nobody can allow in this run."""
        return Floor(never=self._core.recipe(run_id).never, own=self._own)

    def forbidden(self, session: Session, call: ToolCall, assessment: Assessment) -> str:
        """Why nobody can allow a call of the session; empty if somebody can."""
        asking = Asking.about(
            call, assessment, session.agent, session.session_id, session.workspace
        )
        return forbidden(call, asking, self.floor(session.run_id))

    def unlisted(self, session: Session, call: ToolCall) -> str | None:
        """Why the tool list of the session's agent does not let a call be made; None if it does."""
        return refusal(self._core.recipe(session.run_id).agent(session.agent), call)

    async def _record(
        self, run_id: RunId, approval: Approval, answer: PolicyAnswer
    ) -> Answer | None:
        requested = ev.ApprovalRequested(approval=approval)
        if answer.action is Action.ASK:
            await self._core.commit(run_id, requested)
            return None
        decision = Decision(
            action=answer.action,
            reason=answer.reason,
            by=Actor(kind=ActorKind.RULE, name=answer.rule),
            at=self._core.clock.now(),
        )
        decided = ev.ApprovalDecided(
            approval_id=approval.approval_id,
            decision=decision,
            told=True,
        )
        await self._core.commit(run_id, requested, decided)
        return Answer(action=answer.action, reason=answer.reason)

    def _approval(
        self,
        asker: Asker,
        asked: ApprovalAsked,
        call: ToolCall,
        assessment: Assessment,
        answer: PolicyAnswer,
    ) -> Approval:
        seconds = self._core.recipe(asker.session.run_id).deadline_seconds
        reasons = assessment.reasons + ((answer.reason,) if answer.reason else ())
        return Approval(
            approval_id=ApprovalId(self._core.ids.new("ap")),
            run_id=asker.session.run_id,
            session_id=asker.session.session_id,
            step=asker.step,
            attempt=asker.attempt,
            turn=asker.turn,
            agent=asker.session.agent,
            call=call,
            editable=self._editable(asked) if answer.action is Action.ASK else None,
            risk=assessment.risk,
            risk_reasons=tuple(self.clean(reason) for reason in reasons),
            rule=answer.rule,
            offered=tuple(self.clean(name) for name in asked.offered),
            epoch=self._core.epoch,
            requested_at=(now := self._core.clock.now()),
            deadline=now + timedelta(seconds=seconds) if seconds else None,
        )

    def _editable(self, asked: ApprovalAsked) -> str | None:
        """What may be changed of a call: only what can be shown as it is."""
        text = asked.editable
        if text is None or len(text) > _EDITABLE_LIMIT or self.clean(text) != text:
            return None
        return text

    def clean(self, text: str) -> str:
        """Printable and without secrets."""
        return self._clean(printable(text))

    def safe(self, call: ToolCall) -> ToolCall:
        """The call as it may be kept and shown: printable, redacted, bounded."""
        text = self.clean
        changes = tuple(
            change.model_copy(
                update={"path": text(change.path), "diff": clip(text(change.diff), _DIFF_LIMIT)}
            )
            for change in call.changes
        )
        return call.model_copy(
            update={
                "title": text(call.title),
                "command": text(call.command) if call.command is not None else None,
                "cwd": text(call.cwd) if call.cwd is not None else None,
                "reason": text(call.reason) if call.reason is not None else None,
                "notes": tuple(text(note) for note in call.notes),
                "changes": changes,
                "arguments": clip(text(call.arguments), _ARGUMENTS_LIMIT),
            }
        )

    def rules(self, run_id: RunId) -> list[ApprovalRule]:
        """The configuration's denials, what operators answered for good, then the rest."""
        project = self._core.state(run_id).run.project
        configured = self._core.recipe(run_id).rules
        stored = [
            stored.rule
            for stored in self._core.journal.projection.rules.values()
            if stored.project == project
        ]
        return in_order(configured, stored)

    def _known(self, asker: Asker, call: ToolCall) -> Approval | None:
        """The same question, asked before the agent was restarted in this very turn."""
        for approval in self._core.state(asker.session.run_id).approvals.values():
            open_still = approval.state in (
                ApprovalState.PENDING,
                ApprovalState.APPROVED,
                ApprovalState.DENIED,
                ApprovalState.TIMED_OUT,
                ApprovalState.SETTLED,
            )
            if approval.state.refused and approval.told and not asker.again:
                continue  # it has heard that, and asks once more: a new question
            if (
                open_still
                and approval.settlement is not Settlement.ABORT  # a new question, then
                and approval.session_id == asker.session.session_id
                and approval.turn == asker.turn
                and approval.approval_id not in asker.waiting
                and approval.asked.fingerprint == call.fingerprint
            ):
                return approval
        return None

    async def _again(
        self, run_id: RunId, known: Approval, call: ToolCall, asker: Asker
    ) -> Answer | None:
        rebound = ev.ApprovalRebound(
            approval_id=known.approval_id,
            call_id=call.call_id,
            turn=asker.turn,
            epoch=self._core.epoch,
        )
        if known.state is ApprovalState.PENDING:
            await self._core.commit(run_id, rebound)
            return None
        told = ev.ApprovalTold(approval_id=known.approval_id)
        if known.settlement is Settlement.TREAT_AS_DONE:
            await self._core.commit(run_id, rebound)
            reason = "The operator says that this was already done. Do not repeat it; go on."
            return Answer(action=Action.DENY, reason=reason)
        await self._core.commit(run_id, rebound, told)
        if known.state.refused:
            decision = known.decision
            return Answer(
                action=Action.DENY,
                reason=decision.reason if decision else "",
                interrupt=decision.interrupt if decision else False,
            )
        return Answer(action=Action.ALLOW, edited=edited_of(known))

    def _happened_before(self, asker: Asker, call: ToolCall, risk: Risk) -> str:
        """Why no rule may allow a call that this turn has made before its agent was restarted."""
        if not asker.again:
            return ""
        for approval in self._core.state(asker.session.run_id).approvals.values():
            if (
                approval.session_id != asker.session.session_id
                or approval.turn != asker.turn
                or approval.asked.fingerprint != call.fingerprint
            ):
                continue
            if approval.settlement is Settlement.ABORT:
                return "nobody knows whether the same call was carried out before"
            done = approval.state in (ApprovalState.EXECUTED, ApprovalState.FAILED)
            if done and risk.rank >= Risk.HIGH.rank:
                return "the same call was carried out in this turn before the restart"
        return ""


def edited_of(approval: Approval) -> Edited | None:
    """What a person has made of the call, for its agent; None: nothing was changed."""
    if approval.original is None or approval.editable is None:
        return None
    return Edited(approval.editable, approval.call)


def too_many_denials(state: RunState, approval: Approval) -> bool:
    """Whether denying `approval` makes three denials by a person in a row in its turn."""
    turn = [
        other
        for other in state.approvals.values()
        if other.session_id == approval.session_id
        and other.turn == approval.turn
        and other.decision is not None
        and other.decision.by.kind is ActorKind.PERSON
    ]
    last = [a.decision.action for a in turn if a.decision is not None][1 - _DENIALS_IN_A_ROW :]
    return len(last) == _DENIALS_IN_A_ROW - 1 and all(action is Action.DENY for action in last)
