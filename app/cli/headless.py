"""Following one run to its end without a screen."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from contextlib import aclosing
from pathlib import Path
from typing import Any, Protocol

from app.cli.output import note
from app.cli.progress import sentence
from app.cli.reach import AnyClient, client_of
from app.cli.waiting import answer, waiting
from app.domain.approval import Approval
from app.domain.attention import AttentionItem, AttentionKind
from app.domain.base import ApprovalId, QuestionId, RunId, SessionId
from app.domain.commands import Command
from app.domain.errors import Refused
from app.domain.events import Event
from app.domain.feed import Committed, Ended, Snapshot
from app.domain.reducer import reduce
from app.domain.run import Review, RunState
from app.domain.task_state import TaskState
from app.link.errors import LinkLost
from app.link.local import LocalClient


class Answers(Protocol):
    """Who answers in the operator's place; None leaves a question to a person."""

    def answer_approval(self, approval: Approval) -> Command | None: ...

    def answer_review(self, review: Review, state: RunState) -> Command | None: ...


class HandedOn(LinkLost):
    """The supervisor's process has done what it was for; who follows a run goes on as its host."""


async def follow(
    store: Path, begin: Callable[[AnyClient], Awaitable[RunId]], answers: Answers | None
) -> RunState:
    """Begin a run, or find one, and follow it (see `Headless.follow`), with the supervisor that
    there is or as that; and with the next one when that has done what it was started for."""
    run_id: RunId | None = None
    while True:
        async with client_of(store, host=True, run=True) as client:
            try:
                run_id = run_id or await begin(client)
                state = await Headless(client, run_id, answers).follow()
            except HandedOn as handed:
                note(f"{handed}, for its own run is over: going on without it")
                continue
            except LinkLost:
                if run_id is not None or client.changed:
                    raise
                continue  # it was on its way out before it heard of the run
            if isinstance(client, LocalClient):
                client.hand_on()
            return state


class Headless:
    """Follows a run: says what happens, answers what it may, says what waits for a person."""

    def __init__(self, client: AnyClient, run_id: RunId, answers: Answers | None) -> None:
        self._client, self._run_id, self._answers = client, run_id, answers
        self._state: RunState | None = None
        self._seen = set[tuple[str, int]]()  # questions answered or told of, with revision

    async def follow(self) -> RunState:
        """The run's state once it is done, canceled, or stands still until a person acts.

        Raises LinkLost when the supervisor stops before that; HandedOn when nobody wanted that.
        """
        while True:
            ended = await self._read_feed()
            if self._state is not None and _over(self._state):
                return self._state
            if ended.handed_on:
                raise HandedOn(ended.why)
            if "slow" not in ended.why:
                why = f"{ended.why}; the run goes on when the supervisor is started again"
                raise LinkLost(why)

    async def _read_feed(self) -> Ended:
        feed: Any = self._client.feed()
        async with aclosing(feed):
            async for item in feed:
                if isinstance(item, Ended):
                    return item
                if isinstance(item, Snapshot):
                    self._state = await self._client.run(self._run_id)
                elif isinstance(item, Committed):
                    self._apply(item.events)
                else:
                    continue
                await self._attend()
                if self._state is not None and _over(self._state):
                    break
        return Ended(why="the feed ended")

    def _apply(self, events: Sequence[Event]) -> None:
        for event in events:
            if self._state is None or event.run_id != self._run_id or event.seq <= self._state.seq:
                continue
            self._state = reduce(self._state, event)
            line = sentence(event, self._state) if self._state is not None else ""
            if line:
                note(line)

    async def _attend(self) -> None:
        """Answer what is new, or say how a person can."""
        if self._state is None:
            return
        for item in waiting(self._state):
            if item.kind is AttentionKind.BLOCKED:
                continue  # nobody is asked: the run is over unless a person retries it
            key = (item.item_id, _revision(self._state, item))
            if key in self._seen:
                continue
            self._seen.add(key)
            command = self._command_for(self._state, item)
            if command is None:
                note(f"waits for you: {answer(item)}")
                continue
            try:
                await self._client.execute(command)
            except Refused as error:  # somebody was quicker; the feed says what it is now
                note(f"not answered: {error}")

    def _command_for(self, state: RunState, item: AttentionItem) -> Command | None:
        if self._answers is None:
            return None
        if item.kind in (AttentionKind.QUESTION, AttentionKind.STUCK):
            return None
        if item.kind is AttentionKind.REVIEW:
            review = next(r for r in state.reviews.values() if r.review_id == item.item_id)
            return self._answers.answer_review(review, state)
        return self._answers.answer_approval(state.approvals[ApprovalId(item.item_id)])


def _revision(state: RunState, item: AttentionItem) -> int:
    if item.kind is AttentionKind.REVIEW:
        return next(r.revision for r in state.reviews.values() if r.review_id == item.item_id)
    if item.kind is AttentionKind.QUESTION:
        return state.questions[QuestionId(item.item_id)].revision
    if item.kind is AttentionKind.STUCK:
        return state.sessions[SessionId(item.item_id)].turn
    return state.approvals[ApprovalId(item.item_id)].revision


def _over(state: RunState) -> bool:
    """Whether nothing moves any more but by a person who retries or cancels."""
    if state.run.state.terminal:
        return True
    stuck = state.run.state in (TaskState.FAILED, TaskState.BLOCKED)
    return stuck and all(i.kind is AttentionKind.BLOCKED for i in waiting(state))
