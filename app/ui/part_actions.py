"""What an operator does to a run's parts: pause it, take up what stands still, begin anew."""

from __future__ import annotations

from typing import TYPE_CHECKING

from app.domain import events as ev
from app.domain.commands import ForkRun, RetryRun, SkipStep, TakeWork
from app.domain.errors import LongwatchError
from app.domain.flow import owner
from app.domain.fork import prefix
from app.domain.run import Attempt, RunState
from app.domain.text import one_line
from app.ui.page import Row, lines, row
from app.ui.run_actions import RunActions
from app.ui.screens.base import RoomScreen
from app.ui.steps import step_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    _Base = RoomScreen
else:
    _Base = object

_TAKING = (
    "f on the run's page shows the changes. What has changed in the folder since stays; where both "
    "have changed the same lines nothing is done, and the files are named.",
)
_FEEDBACK = "\n\n# Your last attempt"  # what is put after a prompt again, whoever wrote it


class PartActions(RunActions, _Base):
    """Actions on the selected run that a row of it is chosen for."""

    @property
    def chosen(self) -> str:
        """The row that the keys are about."""
        raise NotImplementedError

    @property
    def journal(self) -> Sequence[ev.Event]:
        """The run's events as far as they were read."""
        raise NotImplementedError

    def held(self) -> Attempt | None:
        """What a key takes up: the chosen row's attempt if it stands still, else the only one."""
        state = self.selected
        if state is None or state.run.state.terminal:
            return None
        chosen = state.attempts.get(self.chosen)
        if chosen is not None and chosen.blocked is not None:
            return chosen
        every = [a for a in state.attempts.values() if a.blocked is not None]
        return every[0] if len(every) == 1 else None

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        state = self.selected if self.is_mounted else None
        match action:
            case "retry_with" | "skip":
                return self.held() is not None
            case "fork":
                return state is not None and bool(step_of(state, self.chosen))
            case "take":
                return state is not None and state.run.copied and bool(state.take_over)
            case "parent":
                return state is not None and state.run.parent is not None
        return super().check_action(action, parameters)

    async def action_retry(self) -> None:
        """The chosen part if it stands still; from any other row, all that does."""
        state = self.selected
        if state is None:
            return
        part = state.attempts.get(self.chosen)
        if part is None or part.blocked is None:
            await super().action_retry()
            return
        command = RetryRun(
            run_id=state.run.run_id, step=owner(part.step), branch=part.branch, by=self.me
        )
        await self.send(command)

    def action_retry_with(self) -> None:
        from app.ui.widgets.reason import AskReason

        state, part = self.selected, self.held()
        if state is None or part is None:
            return
        run_id = state.run.run_id

        async def retry(prompt: str) -> bool:
            command = RetryRun(
                run_id=run_id,
                step=owner(part.step),
                branch=part.branch,
                prompt=prompt,
                by=self.me,
            )
            return await self.send(command) is not None

        draft = f"prompt-{run_id}-{part.key}"
        self.room.drafts.setdefault(draft, self._last_prompt(state, part))
        dialog = AskReason(
            f"Ask {part.unit} again, with this prompt:",
            retry,
            draft=draft,
            placeholder="What its agent is asked in place of what the workflow says.",
        )
        self.app.push_screen(dialog)

    def _last_prompt(self, state: RunState, part: Attempt) -> str:
        """What the part was asked last, without what the engine will put after it again."""
        if str(part.unit) in state.prompts:
            return state.prompts[str(part.unit)]
        for event in reversed(self.journal):
            match event.payload:
                case ev.TurnStarted(again=False, unit=unit, prompt=prompt):
                    pass
                case ev.AttemptStarted(attempt=Attempt(unit=unit), prompt=str(prompt)):
                    pass
                case _:
                    continue
            if unit == part.unit:
                return prompt.partition(_FEEDBACK)[0].strip()
        return ""

    def action_skip(self) -> None:
        from app.ui.widgets.reason import AskReason

        state, part = self.selected, self.held()
        if state is None or part is None:
            return
        run_id = state.run.run_id

        async def skip(value: str) -> bool:
            command = SkipStep(
                run_id=run_id,
                step=owner(part.step),
                branch=part.branch,
                value=value or None,
                by=self.me,
            )
            return await self.send(command) is not None

        dialog = AskReason(
            f"Go on without {part.unit}? What you write counts as its result:",
            skip,
            draft=f"skip-{run_id}-{part.key}",
            placeholder="Left empty, the run goes on without a result of it.",
            may_be_empty=True,
        )
        self.app.push_screen(dialog)

    def action_fork(self) -> None:
        from app.ui.widgets.confirm import AskSure

        state = self.selected
        step = step_of(state, self.chosen) if state is not None else ""
        if state is None or not step:
            return
        try:
            rows = fork_rows(state, step)
        except LongwatchError as error:
            self.notify(str(error), severity="warning", markup=False)
            return
        title = f"A new run from step {step} of “{one_line(state.run.request.title, 50)}”?"
        dialog = AskSure(title, rows, yes="starts it")
        command = ForkRun(run_id=state.run.run_id, step=step, by=self.me)

        def sure(answer: bool | None) -> None:
            if answer:
                self.run_worker(self._fork(command), group="fork")

        self.app.push_screen(dialog, sure)

    async def _fork(self, command: ForkRun) -> None:
        done = await self.send(command)
        if done is not None and done.run_id is not None:
            await self.room.open_run(done.run_id)

    def action_take(self) -> None:
        from app.ui.widgets.confirm import AskSure

        state = self.selected
        if state is None:
            return
        command = TakeWork(run_id=state.run.run_id, by=self.me)
        title = f"Bring the work of “{one_line(state.run.request.title, 50)}” into the folder?"
        rows = [line for text in (state.run.project, *_TAKING) for line in lines(text)]

        def sure(answer: bool | None) -> None:
            if answer:
                self.run_worker(self.send(command), group="take")

        self.app.push_screen(AskSure(title, rows, yes="changes the folder's files"), sure)

    async def action_parent(self) -> None:
        if (state := self.selected) is not None and state.run.parent is not None:
            await self.room.open_run(state.run.parent)


def fork_rows(state: RunState, step: str) -> list[Row]:
    """What a fork would take over and what it would make anew. Raises Refused if it cannot be."""
    taken = [progress.step for progress in prefix(state, step).steps]
    anew = [brief.name for brief in state.run.steps if brief.name not in taken]
    kept = ", ".join(taken) or "nothing"
    found = [*lines(kept, first="takes over  ", rest="            ")]
    found += lines(", ".join(anew), first="makes anew  ", rest="            ")
    found.append(row(("This run stays as it is. The new one is paid for like any other.", "quiet")))
    return found
