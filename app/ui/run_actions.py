"""What an operator does to a run from a list of runs: start, say, retry, cancel."""

from __future__ import annotations

from typing import TYPE_CHECKING

from app.domain.base import SessionId
from app.domain.commands import (
    CancelRun,
    FinishInShadow,
    PauseRun,
    RestartSession,
    ResumeRun,
    RetryRun,
    StartRun,
    SteerSession,
)
from app.domain.request import Request
from app.domain.run import RunState
from app.domain.task_state import TaskState
from app.domain.text import one_line
from app.ui.page import lines
from app.ui.rows import is_paused
from app.ui.screens.base import RoomScreen
from app.ui.typed import split_attached

_RESTART = (
    "Its agent and all its processes are killed at once, and the agent is prompted again where "
    "it stood: the conversation is resumed if the agent can do that.",
    "A question of it that waits for you stays. A call of it that was allowed and is under way "
    "is put to you first: nobody knows whether it was carried out.",
    "Everything else of the run goes on meanwhile.",
)
if TYPE_CHECKING:
    _Base = RoomScreen
else:
    _Base = object

ATTACHES = (
    "Enter sends · Ctrl+J new line · a last line `attach: FILE` adds a file · Esc back, the text "
    "is kept"
)
KEEPS = "Enter sends · Ctrl+J new line · Esc back, the text is kept"


class RunActions(_Base):
    """Actions on the selected run; mixed into a screen that has a selection."""

    @property
    def selected(self) -> RunState | None:
        raise NotImplementedError

    def session_to_steer(self) -> SessionId | None:
        raise NotImplementedError

    def session_to_restart(self) -> SessionId | None:
        """The session at work that the keys are about."""
        return self.session_to_steer()

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Keys that do not apply to the selected run are not shown and do nothing."""
        state = self.selected if self.is_mounted else None
        match action:
            case "open":
                return state is not None
            case "retry":
                return state is not None and may_retry(state)
            case "pause":
                live = (TaskState.PENDING, TaskState.IN_PROGRESS)
                return state is not None and state.run.state in live
            case "resume":
                return state is not None and is_paused(state)
            case "finish":
                return state is not None and state.frozen
            case "cancel":
                return state is not None and not state.run.state.terminal
            case "restart":
                return state is not None and self.session_to_restart() is not None
            case "say":
                return state is not None and self.session_to_steer() is not None
        return True

    async def action_go(self, name: str) -> None:
        """To what waits: of the selected run if something does, else what is most urgent."""
        state = self.selected
        await self.room.show(name, state.run.run_id if state is not None else None)

    def action_new_run(self) -> None:
        from app.ui.screens.dialogs import AskText

        async def start(text: str) -> bool:
            project = self.room.project
            text, files = split_attached(text, project)
            request = Request(text=text, user=self.me.name, channel="screen")
            command = StartRun(request=request, project=str(project), attach=files)
            return await self.send(command) is not None

        title = f"New run in {self.room.project}: what is to be done?"
        self.app.push_screen(AskText(title, ATTACHES, start, draft="new-run"))

    def action_say(self) -> None:
        from app.ui.screens.dialogs import AskText

        state, session_id = self.selected, self.session_to_steer()
        if state is None or session_id is None:
            return
        run_id, session = state.run.run_id, state.sessions[session_id]

        async def say(text: str) -> bool:
            text, files = split_attached(text, self.room.project)
            command = SteerSession(
                run_id=run_id, session_id=session_id, text=text, attach=files, by=self.me
            )
            return await self.send(command) is not None

        title = f"Say to {session.agent}, at work on {session.step}:"
        self.app.push_screen(AskText(title, ATTACHES, say, draft=f"say-{session_id}"))

    def action_restart(self) -> None:
        from app.ui.widgets.confirm import AskSure

        state, session_id = self.selected, self.session_to_restart()
        if state is None or session_id is None:
            return
        session = state.sessions[session_id]
        command = RestartSession(run_id=state.run.run_id, session_id=session_id, by=self.me)
        title = f"End {session.agent}, at work on {session.step}, and start it anew?"
        rows = [line for text in _RESTART for line in lines(text)]

        def sure(answer: bool | None) -> None:
            if answer:
                self.run_worker(self.send(command), group="restart")

        self.app.push_screen(AskSure(title, rows, yes="ends it and starts it anew"), sure)

    def action_cancel(self) -> None:
        from app.ui.screens.dialogs import AskText

        state = self.selected
        if state is None:
            return
        run = state.run

        async def cancel(reason: str) -> bool:
            command = CancelRun(run_id=run.run_id, reason=reason, by=self.me)
            return await self.send(command) is not None

        title = f"Cancel “{one_line(run.request.title, 60)}”? It cannot be taken up again. Why?"
        hint = "Enter cancels the run (a reason is optional) · Esc leaves it alone"
        dialog = AskText(title, hint, cancel, draft=f"cancel-{run.run_id}", may_be_empty=True)
        self.app.push_screen(dialog)

    async def action_retry(self) -> None:
        if (state := self.selected) is not None:
            await self.send(RetryRun(run_id=state.run.run_id, by=self.me))

    async def action_pause(self) -> None:
        if (state := self.selected) is not None:
            await self.send(PauseRun(run_id=state.run.run_id, by=self.me))

    async def action_finish(self) -> None:
        if (state := self.selected) is not None:
            await self.send(FinishInShadow(run_id=state.run.run_id, by=self.me))

    async def action_resume(self) -> None:
        if (state := self.selected) is not None:
            await self.send(ResumeRun(run_id=state.run.run_id, by=self.me))


def may_retry(state: RunState) -> bool:
    """Whether anything of the run can be taken up again, or sooner than by itself."""
    if state.run.state.resumable:
        return not is_paused(state) and not state.frozen
    waits = (a.blocked is not None or a.retry_in is not None for a in state.attempts.values())
    return not state.run.state.terminal and any(waits)
