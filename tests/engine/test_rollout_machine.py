"""A state machine over a real store: whatever is done in whatever order, a rollback holds."""

from __future__ import annotations

import asyncio
import shutil
import tempfile
from collections.abc import Awaitable
from pathlib import Path
from typing import Any, TypeVar

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from app.domain import commands as cmd
from app.domain.approval import Actor, ActorKind
from app.domain.errors import Refused
from app.domain.path_name import PathName
from app.domain.rollout import Rollout
from app.engine.supervisor import Supervisor
from tests.support.rollouts import Room, a_rollout_project
from tests.support.story import ADA
from tests.support.waiting import PATIENCE

T = TypeVar("T")
BOB = Actor(kind=ActorKind.PERSON, name="bob")
TEXTS = st.integers(0, 40).map(lambda number: f"request {number}")


class RolloutMachine(RuleBasedStateMachine):
    """Two operators, requests, restarts; nothing runs, so that every run stays under way."""

    def __init__(self) -> None:
        super().__init__()
        self.loop = asyncio.new_event_loop()
        self.folder = Path(tempfile.mkdtemp(prefix="rollouts-"))
        self.project = a_rollout_project(self.folder / "project")
        self.supervisor = self.do(self._open())
        self.ada = Room(self.supervisor, self.project, ADA)
        self.do(self.ada.open())
        self.versions = [1]
        self.rollbacks = 0

    async def _open(self) -> Supervisor:
        return await Supervisor.open(self.folder / "store", run=False, drivers={})

    def do(self, work: Awaitable[T]) -> T:
        return self.loop.run_until_complete(asyncio.wait_for(work, PATIENCE))

    def teardown(self) -> None:
        self.do(self.supervisor.close())
        self.loop.close()
        shutil.rmtree(self.folder, ignore_errors=True)

    @property
    def rollout(self) -> Rollout:
        return self.do(self.ada.state())

    def send(self, *commands: cmd.Command) -> list[Any]:
        """All at once, as from several people; what each came to."""

        async def together() -> list[Any]:
            work = (self.supervisor.execute(command) for command in commands)
            return await asyncio.gather(*work, return_exceptions=True)

        told = self.do(together())
        for one in told:
            assert not isinstance(one, BaseException) or isinstance(one, Refused), one
        return told

    # -- what happens

    @rule(texts=st.lists(TEXTS, min_size=1, max_size=4))
    def ask(self, texts: list[str]) -> None:
        before = self.rollout
        for text in texts:
            run = self.do(self.supervisor.run(self.do(self.ada.ask(text)))).run
            assert run.rollout_version == before.version
            assert not run.shadow, "the caller is never given a shadow's answer"
            path = before.path(run.path)
            assert path is not None and path.recipe == run.recipe
            if before.closed or not before.share:
                assert run.path is PathName.STABLE
            if before.share == 100:
                assert run.path is PathName.CANDIDATE

    @rule(percent=st.sampled_from([0, 30, 100]))
    def shadow(self, percent: int) -> None:
        rollout = self.rollout
        command = cmd.SetShadow(rollout_id=rollout.rollout_id, percent=percent, by=BOB)
        (told,) = self.send(command)
        assert isinstance(told, Refused) is (rollout.closed or rollout.candidate is None)

    @rule(override=st.sampled_from(["", "because"]))
    def promote_twice_at_once(self, override: str) -> None:
        rollout = self.rollout
        command = cmd.PromoteRollout(
            rollout_id=rollout.rollout_id, version=rollout.version, override=override, by=ADA
        )
        told = self.send(command, command.model_copy(update={"by": BOB}))
        done = [one for one in told if isinstance(one, cmd.Done)]
        assert len(done) <= 1
        if not override:
            assert not done, "without evidence nothing is promoted"

    @rule(race=st.booleans())
    def roll_back(self, race: bool) -> None:
        """Alone, or in one moment with a promotion and a request."""
        rollout = self.rollout
        back = cmd.RollBack(rollout_id=rollout.rollout_id, why="bad", by=ADA)
        others: list[cmd.Command] = []
        if race:
            others = [
                cmd.PromoteRollout(rollout_id=rollout.rollout_id, override="now", by=BOB),
                cmd.SetShadow(rollout_id=rollout.rollout_id, percent=100, by=BOB),
            ]
        told = self.send(back, *others)
        assert isinstance(told[0], Refused) is rollout.closed
        if not isinstance(told[0], Refused):
            self.rollbacks += 1
        if rollout.candidate is not None:
            after = self.rollout
            assert (after.closed, after.share, after.shadow) == (True, 0, 0)

    @precondition(lambda self: self.rollout.rollback is not None)
    @rule()
    def tick(self) -> None:
        self.do(self.ada.tick_all())

    @rule()
    def reopen(self) -> None:
        rollout = self.rollout
        command = cmd.ReopenCandidate(rollout_id=rollout.rollout_id, by=BOB)
        (told,) = self.send(command)
        allowed = rollout.closed and rollout.rollback is None
        assert isinstance(told, Refused) is not allowed

    @rule()
    def adopt(self) -> None:
        rollout = self.rollout
        (told,) = self.send(cmd.AdoptCandidate(rollout_id=rollout.rollout_id, by=BOB))
        assert isinstance(told, Refused) is (rollout.share != 100)

    @rule()
    def read_files_anew(self) -> None:
        self.send(cmd.OpenRollout(project=str(self.project), name="change", by=BOB))

    @rule()
    def take_frozen_runs_up(self) -> None:
        """Nothing but the one way in shadow lets a frozen run go on."""
        for run in self.do(self.supervisor.runs()):
            state = self.do(self.supervisor.run(run.run_id))
            if not state.frozen:
                continue
            for command in (
                cmd.RetryRun(run_id=run.run_id, by=ADA),
                cmd.ResumeRun(run_id=run.run_id, by=ADA),
                cmd.ForkRun(run_id=run.run_id, step="work", by=ADA),
            ):
                (told,) = self.send(command)
                assert isinstance(told, Refused)
            (told,) = self.send(cmd.FinishInShadow(run_id=run.run_id, by=ADA))
            assert not isinstance(told, Refused)
            return

    @rule()
    def restart(self) -> None:
        before = self.rollout
        self.do(self.supervisor.close())
        self.supervisor = self.do(self._open())
        self.ada.supervisor = self.supervisor
        assert self.rollout == before

    # -- what always holds

    @invariant()
    def versions_only_rise(self) -> None:
        version = self.rollout.version
        assert version >= self.versions[-1]
        self.versions.append(version)

    @invariant()
    def stable_is_never_the_candidate(self) -> None:
        rollout = self.rollout
        assert rollout.candidate is None or rollout.candidate.recipe != rollout.stable.recipe
        assert rollout.candidate is not None or (rollout.share, rollout.shadow) == (0, 0)

    @invariant()
    def records_are_kept(self) -> None:
        assert len(self.rollout.rollbacks) == min(self.rollbacks, 20)

    @invariant()
    def nothing_of_a_closed_candidate_answers(self) -> None:
        if not self.rollout.closed:
            return
        for run in self.do(self.supervisor.runs()):
            if run.path is PathName.CANDIDATE and not run.state.terminal and not run.shadow:
                assert self.do(self.supervisor.run(run.run_id)).frozen


TestRollouts = RolloutMachine.TestCase
TestRollouts.settings = settings(
    max_examples=15,
    stateful_step_count=25,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
)
