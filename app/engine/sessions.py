"""Sessions: opened, resumed and closed for the one step that owns each of them."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from msgspec import Struct

from app.agents.protocol import AgentSession, Driver, SessionSpec
from app.domain import events as ev
from app.domain.base import ApprovalId, RunId, SessionId, trusted
from app.domain.confinement import confinement_of
from app.domain.errors import (
    ConfigError,
    DriverError,
    LongwatchError,
    OwnershipError,
    Refused,
    StoreError,
)
from app.domain.run import Run, RunState, Unit
from app.domain.session import Chunk, ChunkKind, Continuity, Session, SessionState
from app.domain.shadow import agent_in_shadow
from app.domain.workflow import AgentConfig
from app.engine.core import Core
from app.engine.environment import child_environment
from app.engine.mcp_launch import mcp_launches
from app.engine.past_sessions import PastSessions
from app.engine.past_start import history_of
from app.engine.slots import Slot
from app.engine.transcripts import Transcript
from app.engine.turn_end import lost_calls

_CONTINUITY = {
    Continuity.FRESH: "new conversation with {agent} ({driver})",
    Continuity.RESUMED: "conversation resumed where {agent} left off",
    Continuity.RESTARTED: "{agent} has lost the earlier conversation: a new one begins from the "
    "step's checkpointed input",
}

RESTARTED = "its agent was ended, to be started anew where it stood"
_TELL_CONFINEMENT = ("acp", "codex")  # the built-in agent says it itself
_NO_OUTCOME = "its agent was ended before it reported an outcome"
_RESTART_GRACE = 0.2  # seconds between SIGTERM and SIGKILL when a person wants it anew


class LiveSession(Struct):
    """A session whose agent runs in this supervisor."""

    session_id: SessionId
    run_id: RunId
    agent: AgentSession
    workspace: Path
    transcript: Transcript
    waiting: set[ApprovalId] = set()  # approvals its agent waits for
    slot: Slot | None = None  # while a turn is under way
    turn: asyncio.Task[Any] | None = None  # in which that turn is: how it is cut off
    restarting: bool = False  # its agent is to start anew

    def cut_off(self) -> None:
        """Its agent is to start anew: the turn that is under way ends without a word."""
        self.restarting = True
        if self.turn is not None:
            self.turn.cancel()


class SessionKeeper:
    """Every live session by id, and the only way to one: by run and session together."""

    def __init__(self, core: Core, clean: Callable[[str], str], past: PastSessions) -> None:
        self._core = core
        self._past = past
        self._clean = clean
        self._live: dict[SessionId, LiveSession] = {}
        self._drivers: dict[str, Driver] = {}  # those that were needed so far
        self._held: Counter[RunId] = Counter()  # agents of each run whose end is not recorded
        self._ending: set[asyncio.Task[None]] = set()  # agents that are being closed
        self._leaving: dict[SessionId, asyncio.Event] = {}  # set when its agent is gone

    def find(self, run_id: RunId, session_id: SessionId) -> LiveSession | None:
        """The live session, None if its agent does not run. Raises OwnershipError."""
        live = self._live.get(session_id)
        if live is not None and live.run_id != run_id:
            raise OwnershipError(f"session {session_id} belongs to run {live.run_id}")
        return live

    def holds(self, run_id: RunId) -> bool:
        """Whether an agent of the run is still there."""
        return run_id in self._held

    def ready(self, state: RunState, unit: Unit, agent: AgentConfig) -> LiveSession | None:
        """The unit's session if its agent is there and waits for a prompt."""
        session = state.session_of(unit.step, agent.name, unit.branch)
        if session is None or session.session_id in self._leaving:
            return None
        return self._live.get(session.session_id)

    async def ensure(
        self, run_id: RunId, unit: Unit, agent: AgentConfig, base: str | None
    ) -> LiveSession:
        """The step's or branch's session with its agent, opened or resumed if need be; a new one
        starts from the commit `base`.

        Raises LongwatchError when workspace or agent cannot be made; there is no fall-back.
        """
        state = self._core.state(run_id)
        session = state.session_of(unit.step, agent.name, unit.branch)
        if session is not None:
            await self._gone(session.session_id)
            live = self._live.get(session.session_id)
            if live is not None:
                return live
        if session is None:
            session = await self._create(state, unit, agent, base)
        else:
            await self._workspace(state.run, session)
        return await self._start(state.run, session, agent)

    async def _create(
        self, state: RunState, unit: Unit, agent: AgentConfig, base: str | None
    ) -> Session:
        run = state.run
        if base is None:
            raise LongwatchError(f"run {run.run_id} has no base commit yet")
        name = f"{unit.step}-{unit.branch}" if unit.branch else unit.step
        if state.session_of(unit.step, branch=unit.branch) is not None:
            name = f"{name}-{agent.name}"  # several reviewers
        workspace = await self._core.workspaces.create(
            Path(run.project), run.run_id, unit.step, base, name
        )
        session = Session(
            session_id=SessionId(self._core.ids.new("s")),
            run_id=run.run_id,
            step=unit.step,
            branch=unit.branch,
            agent=agent.name,
            driver=agent.driver,
            workspace=str(workspace.path),
            git_branch=workspace.git_branch,
            base_commit=base,
            opened_at=self._core.clock.now(),
        )
        # On disk before its agent is: with the process that it starts, else with its first prompt.
        self._core.note(run.run_id, trusted(ev.SessionOpened, session=session))
        return session

    async def _workspace(self, run: Run, session: Session) -> None:
        """Make sure that the session's worktree is still there after a restart."""
        base = session.base_commit or run.base_commit or ""
        name = Path(session.workspace).name
        await self._core.workspaces.create(Path(run.project), run.run_id, session.step, base, name)

    async def bring_forward(self, session: Session, commit: str) -> None:
        """Let a session that is prompted again see the work accepted since, where that only
        means moving its branch forward."""
        await self._core.workspaces.advance(Path(session.workspace), commit)

    async def _start(self, run: Run, session: Session, agent: AgentConfig) -> LiveSession:
        if run.shadow:
            agent = agent_in_shadow(agent)
        driver, workspace = await self._driver(agent), Path(session.workspace)
        recipe = self._core.recipe(run.run_id)
        variables = await self._variables(agent, recipe.env_file)
        spec = SessionSpec(
            session_id=session.session_id,
            agent=agent,
            workspace=session.workspace,
            env=child_environment(agent.env, named=variables),
            processes=self._core.processes.host(run.run_id, session.session_id),
            folder=str(self._core.paths.sessions / session.session_id),
            hidden=(str(self._core.paths.root), *filter(None, [recipe.env_file])),
            visible=await self._core.workspaces.shown(Path(run.project), workspace),
            clean=self._clean,
            used=session.usage,
            history=history_of(self._past, run, recipe, session),
            variables=variables,
            mcp=mcp_launches(agent, recipe.mcp, variables),
        )
        if session.native_id is None:
            opened = await driver.open(spec)
        else:
            opened = await driver.resume(spec, session.native_id)
        bound = trusted(
            ev.SessionBound,
            session_id=session.session_id,
            native_id=opened.native_id,
            continuity=opened.continuity,
        )
        try:
            self._core.note(
                run.run_id, bound
            )  # on disk before its first prompt, which is committed
            transcript = await self._transcript(session)
        except BaseException:
            await self._end(opened)
            raise
        live = LiveSession(session.session_id, run.run_id, opened, workspace, transcript)
        self._live[session.session_id] = live
        self._held[run.run_id] += 1
        said = _CONTINUITY[opened.continuity].format(agent=agent.name, driver=agent.driver)
        transcript.say(ChunkKind.NOTICE, said)
        confinement = confinement_of(agent)
        if agent.driver in _TELL_CONFINEMENT and not confinement.confined:
            transcript.say(ChunkKind.NOTICE, confinement.words)
        return live

    async def _variables(self, agent: AgentConfig, env_file: str) -> Mapping[str, str]:
        """What names in the agent's configuration stand for. Raises DriverError."""
        if not env_file:
            return self._core.variables.of("")
        try:
            return await asyncio.to_thread(self._core.variables.of, env_file)
        except ConfigError as error:
            raise DriverError(f"agent {agent.name}: {error}") from error

    async def _driver(self, agent: AgentConfig) -> Driver:
        """Looked up beside the loop the first time, for it may have to be imported then."""
        driver = self._drivers.get(agent.driver)
        if driver is None:
            driver = await asyncio.to_thread(self._core.drivers.get, agent.driver)
        if driver is None:
            raise DriverError(f"agent {agent.name}: there is no driver named {agent.driver}")
        self._drivers[agent.driver] = driver
        return driver

    async def _transcript(self, session: Session) -> Transcript:
        """It goes on where it stood; one whose agent was never there has none."""
        ordinal = 0
        if session.native_id is not None:
            await self._core.settle()  # its last words too, which nobody waits for
            newest = await self._core.journal.reader.chunks(session.session_id, limit=1)
            ordinal = newest[-1].ordinal if newest else 0
        return Transcript(session.session_id, ordinal, self._core.clock, self._clean, self._write)

    def _write(self, chunks: Sequence[Chunk]) -> None:
        try:
            self._core.journal.note((), chunks)
        except StoreError:
            # The store is closing: what a session says after its end is nobody's loss.
            return

    async def lose(self, live: LiveSession, why: str, *, final: bool = False) -> None:
        """Its agent is gone or given up; the session itself stays and can be resumed, unless this
        is `final`."""
        if self._live.get(live.session_id) is not live:
            # Somebody does it already, or has; a newer agent of the session is not meant.
            await self._gone(live.session_id)
            return
        del self._live[live.session_id]
        gone = self._leaving.setdefault(live.session_id, asyncio.Event())
        live.waiting.clear()
        live.transcript.say(ChunkKind.NOTICE, why)
        try:
            await self._end(live.agent)
        finally:
            lost = lost_calls(self._core.state(live.run_id), _NO_OUTCOME, live.session_id)
            key = live.session_id
            ended = (
                trusted(ev.SessionClosed, session_id=key, why=why)
                if final
                else trusted(ev.SessionLost, session_id=key, why=why)
            )
            self._core.note(live.run_id, *lost, ended)
            self._let_go(live.run_id)
            self._leaving.pop(live.session_id, None)
            gone.set()

    async def _gone(self, session_id: SessionId) -> None:
        """Wait until an agent that is being ended is gone: a session never has two."""
        while (leaving := self._leaving.get(session_id)) is not None:
            await leaving.wait()

    async def restart(self, live: LiveSession) -> None:
        """End a session's agent and all its processes at once; who prompts it starts it anew.

        Returns when nothing of it is left. Raises Refused when that is under way already.
        """
        if live.restarting or self._live.get(live.session_id) is not live:
            raise Refused("its agent is being ended already")
        leaving = self._leaving[live.session_id] = asyncio.Event()
        live.cut_off()
        await self._core.processes.kill_session(live.session_id, _RESTART_GRACE)
        if live.slot is None and self._live.get(live.session_id) is live:
            await self.lose(live, RESTARTED)  # nobody else is there who would do it
        await leaving.wait()

    def _let_go(self, run_id: RunId) -> None:
        self._held[run_id] -= 1
        if not self._held[run_id]:
            del self._held[run_id]

    async def _end(self, agent: AgentSession) -> None:
        """Close an agent, to the end even if who asks for it is canceled meanwhile."""
        ending = asyncio.create_task(agent.close(), name="close an agent")
        self._ending.add(ending)
        ending.add_done_callback(self._ending.discard)
        await asyncio.shield(ending)

    async def close_run(self, run_id: RunId, why: str, *, final: bool) -> None:
        """End all agents of a run; `final` closes the sessions for good."""
        lives = [live for live in self._live.values() if live.run_id == run_id]
        await asyncio.gather(*(self.lose(live, why, final=final) for live in lives))
        if final:
            payloads = [
                trusted(ev.SessionClosed, session_id=session.session_id, why=why)
                for session in self._core.state(run_id).sessions.values()
                if session.state is not SessionState.CLOSED
            ]
            if payloads:
                self._core.note(run_id, *payloads)
        await self._core.processes.kill_run(run_id)

    async def close(self) -> None:
        """End every agent: the supervisor stops. Sessions stay resumable."""
        lives = list(self._live.values())
        await asyncio.gather(*(self.lose(live, "the supervisor stops") for live in lives))
        if self._ending:
            await asyncio.wait(self._ending)
