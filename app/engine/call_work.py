"""A step that calls something for its result: asked, waited for, and what came of it recorded."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from pathlib import Path

from app.domain import directives as do
from app.domain import events as ev
from app.domain.base import RunId
from app.domain.call import Call
from app.domain.contexts import StepContext
from app.domain.errors import ConfigError, DriverError
from app.domain.overtaken import Overtaken
from app.domain.prompts import render
from app.domain.run import Blocked, Failure, FailureKind, RunState, Unit
from app.domain.step import CallStep
from app.engine.approvals import Approvals
from app.engine.call_http import CallContext, CallFailed
from app.engine.call_recorded import look_up
from app.engine.capture import Captured, Keep
from app.engine.core import Core
from app.engine.environment import child_environment
from app.engine.excerpt import excerpt
from app.engine.failing import attempt_failed
from app.engine.gate_input import handed_over
from app.engine.merging import Merging

_OUTPUT_LIMIT = 1024 * 1024  # characters of an answer that are kept in the journal
_ERROR_ROOM = 1000  # bytes of what a failing command said


class CallWork:
    """Makes the calls of one run."""

    def __init__(self, core: Core, approvals: Approvals, merging: Merging, run_id: RunId) -> None:
        self._core = core
        self._approvals = approvals
        self._merging = merging
        self._run_id = run_id

    async def make(self, directive: do.MakeCall) -> None:
        """Ask, and record the answer or the failure. A call that was cut off is made again if
        it may be repeated; else a person is asked."""
        state = self._core.state(self._run_id)
        step = self._step(directive.unit)
        attempt = state.newest(directive.unit)
        if attempt is not None and attempt.called and not step.call.repeatable:
            await self._cut_off(directive, step)
            return
        text = render(step.input, "call", StepContext(state, step.name), step.name)
        key = {**directive.unit._asdict(), "attempt": directive.attempt}
        await self._core.commit(self._run_id, ev.CallStarted(**key))
        begun = self._core.clock.monotonic()
        outcome: ev.Payload
        try:
            answer = await self._ask(step, text, state, directive)
            worked = self._core.clock.monotonic() - begun
            output = self._approvals.clean(answer)[:_OUTPUT_LIMIT]
            outcome = ev.OutputProduced(**key, output=output, worked_seconds=worked)
        except CallFailed as error:
            worked = self._core.clock.monotonic() - begun
            message = self._approvals.clean(error.failure.message)
            failure = error.failure.model_copy(update={"message": message})
            outcome = self._failed(directive, step, failure, worked)
        try:
            self._core.note(self._run_id, outcome)
        except Overtaken:
            return  # nobody wants it any more

    def _step(self, unit: Unit) -> CallStep:
        step = self._core.recipe(self._run_id).workflow.step(unit.step)
        assert isinstance(step, CallStep)
        return step

    async def _cut_off(self, directive: do.MakeCall, step: CallStep) -> None:
        message = (
            f"step {step.name}: its call to {step.call.title} was cut off, and nobody knows "
            "whether it was carried out: retry asks again, or skip it with the answer"
        )
        blocked = Blocked(kind="interrupted", message=message, step=step.name)
        await self._core.commit(
            self._run_id,
            ev.AttemptBlocked(
                **directive.unit._asdict(), attempt=directive.attempt, blocked=blocked
            ),
        )

    async def _ask(self, step: CallStep, text: str, state: RunState, directive: do.MakeCall) -> str:
        call = step.call
        if call.recorded:
            return await look_up(call, text)
        if call.command:
            return await self._command(step, text, state)
        context = CallContext(
            run_id=self._run_id,
            key=f"{self._run_id}/{directive.unit}/{directive.attempt}",
            shadow=state.run.shadow,
        )
        named = await self._variables(call)
        return await self._core.http.ask(call, text, step.timeout_seconds, context, named)

    async def _variables(self, call: Call) -> Mapping[str, str]:
        """What names in the call's declaration stand for. Raises CallFailed."""
        env_file = self._core.recipe(self._run_id).env_file
        try:
            return await asyncio.to_thread(self._core.variables.of, env_file)
        except ConfigError as error:
            message = f"{call.title}: {error}"
            raise CallFailed(FailureKind.UNAUTHORIZED, message) from error

    async def _command(self, step: CallStep, text: str, state: RunState) -> str:
        call, purpose = step.call, f"call of step {step.name}"
        environment = child_environment(call.env, named=await self._variables(call)) | {
            "LONGWATCH_RUN_ID": self._run_id,
            "LONGWATCH_STEP": step.name,
        }
        if state.run.shadow:
            environment["LONGWATCH_SHADOW"] = "1"
        async with handed_over(text.encode("utf-8", "replace"), purpose) as file:
            try:
                captured = await self._core.processes.run_captured(
                    call.command,
                    cwd=str(await self._folder(step, state)),
                    env=environment,
                    purpose=purpose,
                    timeout=step.timeout_seconds,
                    run_id=self._run_id,
                    stdin=file,
                    keep=Keep(_OUTPUT_LIMIT, 0),
                )
            except DriverError as error:
                raise CallFailed(FailureKind.MISSING_BINARY, str(error)) from error
        return _answer(call, captured, step.timeout_seconds)

    async def _folder(self, step: CallStep, state: RunState) -> Path:
        """The repository; in shadow, where nothing may be touched, a worktree of its own."""
        if not state.run.shadow:
            return Path(state.run.project)
        base = await self._merging.base_of(step.name)
        made = await self._core.workspaces.create(
            Path(state.run.project), self._run_id, step.name, base or "", f"{step.name}-call"
        )
        return made.path

    def _failed(
        self, directive: do.MakeCall, step: CallStep, failure: Failure, worked: float
    ) -> ev.AttemptFailed:
        attempt = self._core.state(self._run_id).newest(directive.unit)
        return attempt_failed(
            directive.unit,
            directive.attempt,
            failure,
            tries=attempt.tries if attempt is not None else None,
            retry=step.retry,
            on_error=step.on_error,
            salt=f"{self._run_id}/{directive.unit}",
            worked_seconds=worked,
        )


def _answer(call: Call, captured: Captured, seconds: float) -> str:
    if captured.timed_out:
        message = f"{call.title}: took more than {seconds:g} s"
        raise CallFailed(FailureKind.TIMEOUT, message)
    if captured.returncode:
        said = excerpt(captured.stderr, _ERROR_ROOM) or excerpt(captured.stdout, _ERROR_ROOM)
        message = f"{call.title}: exit status {captured.returncode}" + (f": {said}" if said else "")
        raise CallFailed(FailureKind.OTHER, message)
    if captured.stdout.cut:
        message = f"{call.title}: printed more than {_OUTPUT_LIMIT:,} bytes"
        raise CallFailed(FailureKind.PROTOCOL, message)
    return captured.stdout.text.removesuffix("\n")
