"""Shadow runs: replayed requests, and the comparison with what the stable path answered.

Whatever becomes of a shadow run changes nothing but its own record.
"""

from __future__ import annotations

import asyncio
import hashlib
import logging
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from msgspec import Struct

from app.domain import events as ev
from app.domain import flow
from app.domain import rollout_events as rev
from app.domain.approval import Actor, ActorKind
from app.domain.attention import waits_for_a_person
from app.domain.base import RunId, trusted
from app.domain.compare import Comparison, compare
from app.domain.errors import DriverError, LongwatchError, Refused, StoreError
from app.domain.judging import to_judge
from app.domain.request import Request
from app.domain.rollout import MOST_SHADOWS, Rollout, Shadowed, ShadowResult
from app.domain.run import RunState
from app.domain.task_state import TaskState
from app.domain.text import clip, one_line, printable
from app.domain.verdict import parse_verdict
from app.engine.admission import admit_judge, admit_replay
from app.engine.call_recorded import read_answers
from app.engine.core import Core
from app.engine.environment import child_environment
from app.engine.gate_input import handed_over
from app.engine.runs import Runs
from app.store.journal import Draft

if TYPE_CHECKING:
    from app.domain import commands as cmd

_log = logging.getLogger(__name__)
WATCH = trusted(Actor, kind=ActorKind.RULE, name="rollout watch")
_TEXT_LIMIT = 16 * 1024  # bytes of each text that are kept
_JUDGED_LIMIT = 64 * 1024  # bytes of each text that a judge reads
_BATCH = 100  # replayed requests admitted in one commit


class _Side(Struct, frozen=True):
    """One side of a comparison; `text` None: there is no answer."""

    text: str | None
    seconds: float | None = None
    why: str = ""
    asked: bool = False  # it would have needed a person


class Shadowing:
    """Begins shadow runs that no request has begun, and ends all of them."""

    def __init__(self, core: Core, runs: Runs, clean: Callable[[str], str]) -> None:
        """`clean` takes known secrets out of a text."""
        self._core = core
        self._runs = runs
        self._clean = clean

    # -- replay

    async def replay(self, rollout: Rollout, command: cmd.ReplayShadow) -> cmd.Done:
        """Raises Refused when there is nothing to replay, ConfigError for a bad file."""
        if bool(command.last) is bool(command.file):
            raise Refused("a replay is of the last requests, or of a file: give one of both")
        base = await self._core.workspaces.head(Path(rollout.project))
        if command.file:
            count = await self._replay_file(rollout, Path(command.file), command.by, base)
        else:
            count = await self._replay_runs(rollout, command.last, base)
        said = f"{count} requests are replayed with {rollout.candidate} in shadow"
        return self._core.done(said, rollout_id=rollout.rollout_id)

    async def _replay_runs(self, rollout: Rollout, last: int, base: str) -> int:
        last = min(last, MOST_SHADOWS - len(rollout.shadows))
        found = await self._core.journal.reader.answered(rollout.rollout_id, last)
        known = {shadowed.of for shadowed in rollout.shadows}
        fit = [run for run in found if run.run_id not in known]
        if not fit:
            raise Refused(
                f"no finished request of rollout {rollout.name}'s stable path can be replayed yet"
            )
        for start in range(0, len(fit), _BATCH):
            fresh = self._core.journal.projection.rollouts[rollout.rollout_id]
            admitted = [
                admit_replay(self._core, fresh, run.request, run.base_commit or base, of=run.run_id)
                for run in fit[start : start + _BATCH]
            ]
            await self._begin([(a.run.run_id, a.drafts) for a in admitted])
        return len(fit)

    async def _replay_file(self, rollout: Rollout, file: Path, by: Actor, base: str) -> int:
        entries = await asyncio.to_thread(lambda: list(read_answers(file)))
        if not entries:
            raise Refused(f"{file} has no line to replay")
        room = MOST_SHADOWS - len(rollout.shadows)
        if len(entries) > room:
            raise Refused(
                f"{file} has {len(entries)} lines to replay, and {room} more shadow runs may be "
                "under way: split it, or wait"
            )
        for number, entry in enumerate(entries, start=1):
            if entry.answer is None:
                raise Refused(
                    f"{file}: entry {number} has no answer to compare with: a replay does not ask "
                    "the stable path again"
                )
        for start in range(0, len(entries), _BATCH):
            fresh = self._core.journal.projection.rollouts[rollout.rollout_id]
            admitted = []
            for entry in entries[start : start + _BATCH]:
                request = Request(
                    text=entry.input,
                    user=entry.user or by.name,
                    channel=entry.channel or "replay",
                    task_type=entry.task_type or "change",
                )
                # As answers of runs are kept: what differs only by that is no difference.
                text = self._clean(printable(entry.answer or ""))
                expected = rev.ExpectedGiven(text=text, seconds=entry.seconds)
                admitted.append(admit_replay(self._core, fresh, request, base, expected=expected))
            await self._begin([(a.run.run_id, a.drafts) for a in admitted])
        return len(entries)

    async def _begin(self, admitted: list[tuple[RunId, list[Draft]]]) -> None:
        drafts = [draft for _, found in admitted for draft in found]
        await self._core.journal.append(drafts)
        for run_id, _ in admitted:
            self._runs.wake(run_id)

    # -- comparison

    async def settle(self, rollout: Rollout) -> None:
        """Compare every shadow run of a rollout that is over with what it is compared to, and
        give up those that would need a person."""
        for shadowed in rollout.shadows:
            try:
                await self._settle(rollout, shadowed)
            except StoreError:
                raise
            except Refused:
                continue  # it was rolled back meanwhile
            except Exception:
                # One that cannot be compared must not keep the others from it.
                _log.exception("shadow run %s cannot be compared: defect", shadowed.run_id)

    async def _settle(self, rollout: Rollout, shadowed: Shadowed) -> None:
        state = await self._core.any_state(shadowed.run_id)
        candidate = _side(state)
        if candidate is None:
            return
        stable = await self._stable(shadowed, state)
        if stable is None:
            return
        comparison = await self._compare(rollout, stable, candidate)
        if comparison.by == "judge" and comparison.agrees is None and _both(stable, candidate):
            judged = await self._judged(rollout, shadowed, state, stable, candidate)
            if judged is None:
                return
            comparison = comparison.model_copy(update={"agrees": judged[0], "why": judged[1]})
        result = _result(shadowed, stable, candidate, comparison, self._core.clock.now())
        recorded = rev.ComparisonRecorded(rollout_id=rollout.rollout_id, result=result)
        await self._core.record(recorded)
        if not state.run.state.terminal:
            why = candidate.why or "its comparison is made"
            await self._give_up(shadowed.run_id, why)

    async def _judged(
        self,
        rollout: Rollout,
        shadowed: Shadowed,
        state: RunState,
        stable: _Side,
        candidate: _Side,
    ) -> tuple[bool | None, str] | None:
        """What an agent says of both answers; None while it has not said it."""
        if shadowed.judge is None:
            if shadowed not in self._core.journal.projection.rollouts[rollout.rollout_id].shadows:
                return None  # nobody wants it compared any more
            one, other = stable.text or "", candidate.text or ""
            texts = (clip(text, _JUDGED_LIMIT) for text in (state.run.request.text, one, other))
            admitted = admit_judge(self._core, rollout, to_judge(*texts))
            asked = rev.JudgeAsked(
                rollout_id=rollout.rollout_id,
                shadow=shadowed.run_id,
                judge=admitted.run.run_id,
            )
            await self._core.journal.append([*admitted.drafts, Draft(asked)])
            self._runs.wake(admitted.run.run_id)
            return None
        found = await self._core.any_state(shadowed.judge)
        side = _side(found)
        if side is None:
            return None
        if not found.run.state.terminal:
            await self._give_up(shadowed.judge, "its judgement is not waited for")
        if side.text is None:
            return None, one_line(f"the judge has not answered: {side.why}", 500)
        verdict = parse_verdict(side.text)
        if verdict.decision == "unparsable":
            return None, f"the judge's answer cannot be read: {verdict.problem}"
        return verdict.decision == "approve", one_line("; ".join(verdict.reasons), 500)

    async def _give_up(self, run_id: RunId, why: str) -> None:
        gone = ev.RunStateChanged(state=TaskState.CANCELED, reason=why, by=WATCH)
        await self._core.commit(run_id, gone)
        await self._runs.halt(run_id)

    async def _stable(self, shadowed: Shadowed, state: RunState) -> _Side | None:
        if shadowed.of is None:
            expected = state.expected
            if expected is None:
                return _Side(None, why="no answer to compare with was given")
            return _Side(expected.text, expected.seconds)
        of = await self._core.any_state(shadowed.of)
        if of.run.state is TaskState.BLOCKED:
            return None  # it may still be answered
        return _side(of)

    async def _compare(self, rollout: Rollout, stable: _Side, candidate: _Side) -> Comparison:
        rule = rollout.compare
        one, other = stable.text or "", candidate.text or ""
        try:
            found = await asyncio.to_thread(compare, one, other, rule)
        except TimeoutError:
            found = compare(one, other).model_copy(
                update={"agrees": None, "by": rule.by, "why": "a mask takes too long on the texts"}
            )
        if stable.text is None:
            why = f"the stable path has no answer: {stable.why}"
            return found.model_copy(update={"agrees": None, "why": one_line(why, 500)})
        if candidate.text is None:
            why = f"the candidate has no answer: {candidate.why}"
            agrees = None if candidate.asked else False
            return found.model_copy(update={"agrees": agrees, "why": one_line(why, 500)})
        if rule.by == "command" and found.agrees is None:
            return await self._by_command(rollout, found, one, other)
        return found

    async def _by_command(
        self, rollout: Rollout, found: Comparison, one: str, other: str
    ) -> Comparison:
        rule, purpose = rollout.compare, f"comparison of rollout {rollout.name}"
        try:
            async with (
                handed_over(one.encode("utf-8", "replace"), purpose) as stable,
                handed_over(other.encode("utf-8", "replace"), purpose) as candidate,
            ):
                ended = await self._core.processes.run_captured(
                    [*rule.command, str(stable), str(candidate)],
                    cwd=rollout.project,
                    env=child_environment(()),
                    purpose=purpose,
                    timeout=rule.timeout_seconds,
                )
        except (DriverError, LongwatchError) as error:
            return found.model_copy(update={"why": one_line(str(error), 500)})
        said = one_line(ended.stdout.text or ended.stderr.text, 500)
        if ended.timed_out:
            return found.model_copy(
                update={"why": f"the command took more than {rule.timeout_seconds:g} s"}
            )
        if ended.returncode in (0, 1):
            return found.model_copy(update={"agrees": ended.returncode == 0, "why": said})
        why = f"the command ended with {ended.returncode}" + (f": {said}" if said else "")
        return found.model_copy(update={"why": why})


def _side(state: RunState) -> _Side | None:
    """What a run has answered; None while it may still answer."""
    run = state.run
    worked = sum(attempt.worked_seconds for attempt in state.attempts.values())
    if run.state is TaskState.DONE:
        seconds = worked or (run.updated_at - run.created_at).total_seconds()
        return _Side(flow.final_output(state), seconds)
    if run.state in (TaskState.FAILED, TaskState.CANCELED):
        return _Side(None, why=run.reason, asked=run.state is TaskState.CANCELED)
    if not run.shadow:
        return None
    if why := waits_for_a_person(state):
        return _Side(None, why=f"it would have asked a person: {why}", asked=True)
    waits = run.blocked is not None and run.blocked.kind in ("paused", "day_budget")
    if run.state is TaskState.BLOCKED and not waits:
        return _Side(None, why=run.reason)
    return None


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def _both(stable: _Side, candidate: _Side) -> bool:
    return stable.text is not None and candidate.text is not None


def _result(
    shadowed: Shadowed, stable: _Side, candidate: _Side, comparison: Comparison, at: datetime
) -> ShadowResult:
    failed: Literal["", "stable", "candidate", "asked"] = ""
    if stable.text is None:
        failed = "stable"
    elif candidate.text is None:
        failed = "asked" if candidate.asked else "candidate"
    one, other = stable.text or "", candidate.text or ""
    return ShadowResult(
        shadow=shadowed.run_id,
        of=shadowed.of,
        at=at,
        comparison=comparison,
        failed=failed,
        stable_text=clip(one, _TEXT_LIMIT),
        stable_sha256=_hash(one),
        stable_size=len(one),
        candidate_text=clip(other, _TEXT_LIMIT),
        candidate_sha256=_hash(other),
        candidate_size=len(other),
        stable_seconds=stable.seconds,
        candidate_seconds=candidate.seconds,
    )
