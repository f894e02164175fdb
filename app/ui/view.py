"""The view: what the feed has said so far, folded into what screens draw. No Textual here."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from app.domain.approval import StoredRule
from app.domain.attention import (
    AttentionItem,
    AttentionKind,
    attention,
    one_of_each_group,
    rollout_attention,
    urgency,
)
from app.domain.base import RolloutId, RuleId, RunId, SessionId
from app.domain.events import Event, RuleAdded, RuleRemoved
from app.domain.feed import Committed, Ended, FeedItem, Snapshot, Status, StatusChanged, Streamed
from app.domain.reduce_rollout import rollout_after
from app.domain.reducer import reduce
from app.domain.rollout import Rollout
from app.domain.run import RunState
from app.domain.session import Chunk, Session, SessionState
from app.domain.task_state import TaskState
from app.ui.tail import Tail


@dataclass(frozen=True, slots=True)
class Changes:
    """What a feed item changed. `runs` and `sessions` name what is to be drawn again."""

    runs: frozenset[RunId] = frozenset()
    sessions: frozenset[SessionId] = frozenset()  # whose tails moved
    rules: bool = False
    rollouts: bool = False
    status: bool = False

    def __or__(self, other: Changes) -> Changes:
        return Changes(
            self.runs | other.runs,
            self.sessions | other.sessions,
            self.rules or other.rules,
            self.rollouts or other.rollouts,
            self.status or other.status,
        )

    def __bool__(self) -> bool:
        return bool(self.runs or self.sessions or self.rules or self.rollouts or self.status)


class View:
    """Projections of the feed. Applying the same items in order always gives the same view."""

    def __init__(self) -> None:
        self.seq = 0
        self.status: Status | None = None
        self.runs: dict[RunId, RunState] = {}
        self.rules: dict[RuleId, StoredRule] = {}
        self.rollouts: dict[RolloutId, Rollout] = {}
        self.tails: dict[SessionId, Tail] = {}
        self.older_done = 0  # runs that are done, and so old that the snapshot left them out
        self._needs: dict[RunId, tuple[RunState, list[AttentionItem]]] = {}

    def apply(self, item: FeedItem) -> Changes:
        """Fold one feed item in. Events that the snapshot already holds change nothing."""
        match item:
            case Snapshot():
                return self._snapshot(item)
            case Committed():
                return self._events(item.events)
            case Streamed():
                return self._chunks(item.chunks)
            case StatusChanged():
                self.status = item.status
                return Changes(status=True)
            case Ended():
                return Changes(status=True)

    def _snapshot(self, item: Snapshot) -> Changes:
        before = frozenset(self.runs)
        self.seq, self.status = item.seq, item.status
        self.runs = {state.run.run_id: state for state in item.runs}
        self._needs.clear()
        self.older_done = max(0, item.done - sum(map(_is_done, item.runs)))
        self.rules = {rule.rule_id: rule for rule in item.rules}
        self.rollouts = {rollout.rollout_id: rollout for rollout in item.rollouts}
        sessions = {s for state in item.runs for s in state.sessions}
        self.tails = {k: v for k, v in self.tails.items() if k in sessions}
        tails = self._chunks(item.tails)
        runs = before | frozenset(self.runs)
        return tails | Changes(runs=runs, rules=True, rollouts=True, status=True)

    def recall(self, state: RunState) -> None:
        """Take in a run that the feed has not brought: one so old, or so new."""
        if state.run.run_id not in self.runs:
            self.runs[state.run.run_id] = state
            self.older_done = max(0, self.older_done - _is_done(state))

    def _events(self, events: tuple[Event, ...]) -> Changes:
        runs: set[RunId] = set()
        rules = rollouts = False
        for event in events:
            if event.seq <= self.seq:
                continue
            self.seq = event.seq
            rules = self._rule(event) or rules
            before = after = None
            if event.run_id:
                before = self.runs.get(event.run_id)
                after = reduce(before, event)
                if after is not None:
                    self.runs[event.run_id] = after
                    runs.add(event.run_id)
            rollout = rollout_after(self.rollouts, event, before, after)
            if rollout is not None:
                self.rollouts[rollout.rollout_id] = rollout
                rollouts = True
        # An open rollback is in the banner, where the state of the whole room is.
        return Changes(frozenset(runs), rules=rules, rollouts=rollouts, status=rollouts)

    def _rule(self, event: Event) -> bool:
        match event.payload:
            case RuleAdded(rule=rule):
                self.rules[rule.rule_id] = rule
            case RuleRemoved(rule_id=rule_id):
                self.rules.pop(rule_id, None)
            case _:
                return False
        return True

    def _chunks(self, chunks: tuple[Chunk, ...]) -> Changes:
        moved = {chunk.session_id for chunk in chunks if self.tail(chunk.session_id).push(chunk)}
        return Changes(sessions=frozenset(moved))

    def tail(self, session_id: SessionId) -> Tail:
        """The session's tail; an empty one is kept for a session that has said nothing."""
        return self.tails.setdefault(session_id, Tail())

    def attention(self, now: datetime) -> list[AttentionItem]:
        """What waits for a person over all runs, most urgent first, snoozed last."""
        found = [item for state in self.runs.values() for item in self.needs(state, now)]
        found += [item for r in self.rollouts.values() for item in rollout_attention(r)]
        return one_of_each_group(sorted(found, key=urgency))

    def needs(self, state: RunState, now: datetime) -> list[AttentionItem]:
        """What of one run waits for a person; thought about again only when it has changed."""
        run_id = state.run.run_id
        known = self._needs.get(run_id)
        if known is not None and known[0] is state and not any(i.snoozed for i in known[1]):
            return known[1]
        found = attention(state, now)
        self._needs[run_id] = (state, found)
        return found

    def ordered_runs(self, now: datetime) -> list[RunState]:
        """Who needs a person first, then running, blocked or failed, and finished, newest first."""
        urgent = {
            item.run_id: (place, item)
            for place, item in reversed(list(enumerate(self.attention(now))))
            if item.run_id
            and not item.snoozed
            and (item.kind is not AttentionKind.BLOCKED or self._goes_on(item))
        }

        def key(state: RunState) -> tuple[int, int, float]:
            run = state.run
            if run.run_id in urgent:
                return (0, urgent[run.run_id][0], 0)
            # Shadows come after what people wait for.
            moment = -(run.ended_at or run.created_at).timestamp()
            return (_GROUP[run.state], int(run.shadow), moment)

        return sorted(self.runs.values(), key=key)

    def _goes_on(self, item: AttentionItem) -> bool:
        """Whether only a part of the run stands still."""
        return bool(item.run_id) and not self.runs[item.run_id].run.state.resumable

    def live_sessions(self, run_id: RunId) -> list[Session]:
        """The run's sessions: those at work first, then the current step's, then the latest."""
        state = self.runs.get(run_id)
        if state is None:
            return []
        step = state.run.current_step
        newest = sorted(state.sessions.values(), key=lambda s: s.opened_at, reverse=True)
        return sorted(newest, key=lambda s: (_AT_WORK.get(s.state, 2), s.step != step))

    @property
    def rollback(self) -> str:
        """What to say on every screen while a rollback is open; "" when none is."""
        found = [r for r in self.rollouts.values() if r.rollback is not None]
        if not found:
            return ""
        left = sum(len(r.rollback.to_tick) for r in found if r.rollback)
        names = ", ".join(r.title for r in found)
        return f"ROLLED BACK: {names} · {left} lines of the checklist to tick · o rollouts"

    @property
    def live_runs(self) -> int:
        """How many runs are at work: those that stop when their supervisor stops."""
        return sum(state.run.state in _LIVE for state in self.runs.values())


def _is_done(state: RunState) -> bool:
    return state.run.state is TaskState.DONE


_AT_WORK = {SessionState.WAITING: 0, SessionState.WORKING: 0, SessionState.OPENING: 1}
_LIVE = (TaskState.PENDING, TaskState.IN_PROGRESS)
_GROUP = {
    TaskState.IN_PROGRESS: 1,
    TaskState.PENDING: 2,
    TaskState.BLOCKED: 3,
    TaskState.FAILED: 3,
    TaskState.DONE: 4,
    TaskState.CANCELED: 4,
}
