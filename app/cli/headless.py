"""Following one run to its end without a screen."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from contextlib import aclosing
from pathlib import Path
from typing import Any, Protocol

from app.cli.awaited import Awaited
from app.cli.output import note
from app.cli.progress import sentence
from app.cli.reach import AnyClient, served
from app.cli.waiting import waiting
from app.domain.approval import Approval
from app.domain.attention import AttentionItem, AttentionKind
from app.domain.base import ApprovalId, ReviewId, RunId, SessionId
from app.domain.commands import Command
from app.domain.errors import Refused
from app.domain.events import Event
from app.domain.feed import Committed, Ended, Snapshot
from app.domain.reducer import reduce
from app.domain.run import Review, RunState
from app.domain.task_state import TaskState
from app.link.errors import LinkLost
from app.link.local import LocalClient

_Key = tuple[str, int, str]


class Answers(Protocol):
    """Who answers in the operator's place; None leaves a question to a person."""

    def answer_approval(self, approval: Approval) -> Command | None: ...

    def answer_review(self, review: Review, state: RunState) -> Command | None: ...


class HandedOn(LinkLost):
    """The supervisor's process has done what it was for; who follows a run goes on as its host."""


async def follow(
    store: Path,
    begin: Callable[[AnyClient], Awaitable[RunId]],
    answers: Answers | None,
    max_wait: float | None = None,
) -> RunState:
    """Begin a run, or find one, and follow it (see `Headless.follow`), with the supervisor that
    there is or as that; and with the next one when that has done what it was started for."""
    run_id: RunId | None = None
    heard = 0  # the last event of the run that reached us: with each new one patience is new

    async def work(client: AnyClient) -> RunState:
        nonlocal run_id, heard
        run_id = run_id or await begin(client)
        following = Headless(client, run_id, answers, max_wait)
        try:
            state = await following.follow()
        finally:
            heard = max(heard, following.heard)
        if isinstance(client, LocalClient):
            client.hand_on()
        return state

    def again(client: AnyClient, lost: LinkLost) -> bool:
        if isinstance(lost, HandedOn):
            note(f"{lost}, for its own run is over: going on without it")
            return True
        return run_id is None and not client.changed  # on its way out before it heard of the run

    return await served(store, work, again=again, host=True, run=True, moved=lambda: heard)


class Headless:
    """Follows a run: says what happens, answers what it may, says what waits for a person."""

    def __init__(
        self,
        client: AnyClient,
        run_id: RunId,
        answers: Answers | None,
        max_wait: float | None = None,
    ) -> None:
        self._client, self._run_id, self._answers = client, run_id, answers
        self._state: RunState | None = None
        self._seen = set[_Key]()  # questions answered or told of, with revision
        self._awaited = Awaited(run_id, max_wait)

    @property
    def heard(self) -> int:
        """The number of the run's newest event that has come here."""
        return self._state.seq if self._state is not None else 0

    async def follow(self) -> RunState:
        """The run's state once it is done, canceled, or stands still until a person acts; or once
        something has waited for a person for `max_wait` seconds.

        Raises LinkLost when the supervisor stops before that; HandedOn when nobody wanted that.
        """
        following = asyncio.ensure_future(self._to_its_end())
        waiting = asyncio.ensure_future(self._awaited.too_long())
        try:
            await asyncio.wait((following, waiting), return_when=asyncio.FIRST_COMPLETED)
            if not following.done() and self._state is not None:
                waiting.result()
                return self._state
            return await following
        finally:
            for task in (following, waiting):
                task.cancel()
            await asyncio.gather(following, waiting, return_exceptions=True)

    async def _to_its_end(self) -> RunState:
        while True:
            ended = await self._read_feed()
            if self._state is not None and is_over(self._state):
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
                if self._state is not None and is_over(self._state):
                    break
                await self._attend()
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
        items = {_key(self._state, item): item for item in waiting(self._state)}
        self._awaited.keep(list(items))
        for key, item in items.items():
            if key in self._seen:
                continue
            self._seen.add(key)
            command = self._command_for(self._state, item)
            if command is None:
                self._awaited.put(key, item)
                continue
            try:
                await self._client.execute(command)
            except Refused as error:  # somebody was quicker; the feed says what it is now
                note(f"not answered: {error}")

    def _command_for(self, state: RunState, item: AttentionItem) -> Command | None:
        if self._answers is None:
            return None
        if item.kind in (AttentionKind.QUESTION, AttentionKind.STUCK, AttentionKind.BLOCKED):
            return None
        if item.kind is AttentionKind.REVIEW:
            review = state.reviews[ReviewId(item.item_id)]
            return self._answers.answer_review(review, state)
        return self._answers.answer_approval(state.approvals[ApprovalId(item.item_id)])


def _key(state: RunState, item: AttentionItem) -> _Key:
    """What is asked: once it changes, it is asked anew."""
    if item.kind is AttentionKind.STUCK:
        return (item.item_id, state.sessions[SessionId(item.item_id)].turn, "")
    what = item.title if item.kind is AttentionKind.BLOCKED else ""
    return (item.item_id, item.revision, what)


def is_over(state: RunState) -> bool:
    """Whether nothing moves any more but by a person who retries or cancels."""
    if state.run.state.terminal:
        return True
    stuck = state.run.state in (TaskState.FAILED, TaskState.BLOCKED)
    return stuck and all(i.kind is AttentionKind.BLOCKED for i in waiting(state))
