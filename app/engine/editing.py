"""Changing a call before it is answered: judged anew, committed, and shown as another question."""

from __future__ import annotations

from app.agents.protocol import AgentSession, EditsCalls
from app.domain import commands as cmd
from app.domain import events as ev
from app.domain.approval import Action, Approval, ApprovalState
from app.domain.errors import DriverError, Refused
from app.domain.run import RunState
from app.domain.session import ChunkKind
from app.domain.toolcall import ToolCall
from app.engine.approvals import Approvals
from app.engine.core import Core
from app.engine.deciding import Decider, check
from app.engine.sessions import LiveSession

_HIDDEN = "it holds what cannot be shown as it is: a secret, or characters that do not print"


class CallEditor:
    """Makes what an operator makes of an agent's call the call that is asked about."""

    def __init__(self, core: Core, decider: Decider, approvals: Approvals) -> None:
        self._core, self._decider, self._approvals = core, decider, approvals

    async def edit(self, command: cmd.EditApproval) -> cmd.Done:
        """Raises Refused with one sentence; then nothing has changed."""
        state, approval = self._decider.find(command.approval_id)
        check(approval, command.revision, ApprovalState.PENDING)
        if approval.editable is None:
            raise Refused("this call cannot be changed: its agent takes a yes or a no")
        if command.text == approval.editable:
            raise Refused("nothing was changed")
        live = self._live(approval)
        call = await self._preview(live.agent, approval, command.text)
        edited = self._judged(state, approval, call, command)
        check(self._decider.find(command.approval_id)[1], command.revision, ApprovalState.PENDING)
        await self._core.commit(state.run.run_id, edited)
        said = f"{command.by} changed the call: {call.command or call.title}"
        live.transcript.say(ChunkKind.NOTICE, said)
        message = f"changed, {edited.risk} risk; now allow or deny it: {call.title}"
        return cmd.Done(
            message=message, run_id=state.run.run_id, seq=self._core.journal.committed_seq
        )

    def _live(self, approval: Approval) -> LiveSession:
        """The session whose agent waits. Raises Refused when none does."""
        live = self._decider.waiting(approval)
        if live is None:
            raise Refused("its agent does not run now: change the call once it asks again")
        return live

    async def _preview(self, agent: AgentSession, approval: Approval, text: str) -> ToolCall:
        """The call as it would be made; nothing of it is hidden from who decides."""
        if not isinstance(agent, EditsCalls):
            raise Refused("this call cannot be changed: its agent takes a yes or a no")
        if self._approvals.clean(text) != text:
            raise Refused(_HIDDEN)
        try:
            call = await agent.preview(approval.call.call_id, text)
        except DriverError as error:
            raise Refused(f"the call cannot be changed so: {error}") from error
        if self._approvals.safe(call) != call:
            raise Refused(_HIDDEN)
        return call

    def _judged(
        self, state: RunState, approval: Approval, call: ToolCall, command: cmd.EditApproval
    ) -> ev.ApprovalEdited:
        """The change with its risk. Raises Refused for a call that no person may allow."""
        session = state.sessions[approval.session_id]
        assessment, deciders = self._approvals.judge(session, call)
        answer = self._approvals.by_rules(session, call, assessment)
        if answer.action is Action.DENY:
            raise Refused(f"the call cannot be changed so: {answer.rule}: {answer.reason}")
        return ev.ApprovalEdited(
            approval_id=approval.approval_id,
            call=call,
            text=command.text,
            risk=assessment.risk,
            risk_reasons=assessment.reasons,
            deciders=deciders,
            by=command.by,
        )
