"""Attachments belong to a run or to one session: no call reaches another owner's."""

from __future__ import annotations

import asyncio
import tempfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, invariant, rule

from app.agents.protocol import AttachedFile
from app.domain import commands as cmd
from app.domain import events as ev
from app.domain.attachment import Attachment, AttachmentLimits
from app.domain.base import RunId, SessionId
from app.domain.errors import LongwatchError, NotFound, OwnershipError, Refused
from app.domain.events import Event
from app.domain.reducer import reduce
from app.domain.request import Request
from app.domain.run import RunState
from app.domain.session import Session, SessionState
from app.domain.task_state import TaskState
from app.engine.attaching import Attaching, with_files
from app.engine.supervisor import Supervisor
from app.store.attachments import AttachmentStore
from tests.support.puppet import PuppetDriver, a_project, git
from tests.support.runs import until
from tests.support.story import ADA, START
from tests.support.supervisor import a_run

PNG = b"\x89PNG\r\n\x1a\n" + b"\x01" * 40
LIMITS = AttachmentLimits()


class Place:
    """Runs with sessions whose state follows from events, and attachments beside them."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.runs: dict[RunId, RunState] = {}
        self.attaching = Attaching(AttachmentStore(folder / "kept"), self.state)
        self.seq = 0

    def state(self, run_id: RunId) -> RunState:
        if run_id not in self.runs:
            raise NotFound(f"there is no run {run_id} that can still change")
        return self.runs[run_id]

    def happen(self, run_id: RunId, payload: ev.Payload) -> None:
        self.seq += 1
        event = Event(seq=self.seq, at=START, run_id=run_id, payload=payload)
        after = reduce(self.runs[run_id], event)
        assert after is not None
        self.runs[run_id] = after

    def session(self, run_id: RunId) -> SessionId:
        session_id = SessionId(f"s-{self.seq}")
        workspace = self.folder / "work" / session_id
        workspace.mkdir(parents=True)
        opened = Session(
            session_id=session_id,
            run_id=run_id,
            step="plan",
            branch=session_id,
            agent="a",
            driver="scripted",
            workspace=str(workspace),
            opened_at=START,
        )
        self.happen(run_id, ev.SessionOpened(session=opened))
        return session_id

    async def attach(self, run_id: RunId, session_id: SessionId, data: bytes) -> Attachment:
        """As `say` does it: whose session it is first, then the copy, then the journal."""
        session = self.attaching.session(run_id, session_id)
        path = self.folder / f"file-{len(data)}.bin"
        path.write_bytes(data)
        async with self.attaching.taking_in([str(path)], LIMITS) as (found,):
            self.happen(
                run_id,
                ev.SessionAttached(session_id=session.session_id, attachments=(found,), by=ADA),
            )
        return found

    def files(self) -> set[str]:
        return {str(p.relative_to(self.folder)) for p in self.folder.rglob("*") if p.is_file()}


class Owners(RuleBasedStateMachine):
    """Random attach, prompt and close over several sessions of several runs."""

    runs = Bundle("runs")
    sessions = Bundle("sessions")
    attached = Bundle("attached")

    def __init__(self) -> None:
        super().__init__()
        self._runner = asyncio.Runner()
        self._temporary = tempfile.TemporaryDirectory()
        self.place = Place(Path(self._temporary.name))
        self.may: dict[SessionId, set[str]] = {}  # the hashes that each session may see
        self.owner: dict[SessionId, RunId] = {}

    def teardown(self) -> None:
        self._runner.close()
        self._temporary.cleanup()

    def do(self, work: Any) -> Any:
        return self._runner.run(work)

    @rule(target=runs, size=st.integers(0, 3))
    def a_run_with(self, size: int) -> RunId:
        run_id = RunId(f"r-{len(self.place.runs)}")
        found: tuple[Attachment, ...] = ()
        if size:
            path = self.place.folder / "request.bin"
            path.write_bytes(b"r" * size)

            async def keep() -> tuple[Attachment, ...]:
                async with self.place.attaching.taking_in([str(path)], LIMITS) as kept:
                    return kept

            found = self.do(keep())
        request = Request(text="x", user="ada", attachments=found)
        run = a_run(run_id).model_copy(update={"request": request})
        self.place.runs[run_id] = RunState(run=run)
        return run_id

    @rule(target=sessions, run=runs)
    def a_session(self, run: RunId) -> SessionId:
        self.place.seq += 1
        session_id = self.place.session(run)
        self.owner[session_id] = run
        self.may[session_id] = {a.sha256 for a in self.place.runs[run].run.request.attachments}
        return session_id

    @rule(target=attached, session=sessions, run=runs, size=st.integers(1, 4))
    def attach(self, session: SessionId, run: RunId, size: int) -> Attachment | None:
        before = self.place.files()
        try:
            found: Attachment = self.do(self.place.attach(run, session, b"s" * size))
        except LongwatchError:
            assert self.owner[session] != run
            assert self.place.files() == before, "nothing is created for who may not"
            return None
        assert self.owner[session] == run
        self.may[session].add(found.sha256)
        return found

    @rule(session=sessions, run=runs, found=attached)
    def prompt(self, session: SessionId, run: RunId, found: Attachment | None) -> None:
        if found is None:
            return
        before = self.place.files()
        try:
            (file,) = self.do(self.place.attaching.lay_down(run, session, [found]))
        except LongwatchError:
            assert self.owner[session] != run or found.sha256 not in self.may[session]
            assert self.place.files() == before
            return
        assert self.owner[session] == run
        assert found.sha256 in self.may[session]
        assert session in file.place

    @rule(session=sessions)
    def close(self, session: SessionId) -> None:
        run = self.owner[session]
        if self.place.runs[run].sessions[session].state is not SessionState.CLOSED:
            self.place.happen(run, ev.SessionClosed(session_id=session, why="over"))

    @rule(session=sessions)
    def of_nobody(self, session: SessionId) -> None:
        before = self.place.files()
        for run, wanted in ((RunId("r-none"), session), (self.owner[session], SessionId("s-none"))):
            with pytest.raises(NotFound):
                self.do(self.place.attach(run, wanted, b"zz"))
        assert self.place.files() == before

    @invariant()
    def no_workspace_has_what_is_not_its_own(self) -> None:
        for session, may in self.may.items():
            folder = self.place.folder / "work" / session / ".longwatch" / "attachments"
            for path in folder.glob("*.bin"):
                data = path.read_bytes()
                assert any(
                    data == (self.place.folder / "kept" / sha).read_bytes() for sha in may
                ), path


Owners.TestCase.settings = settings(max_examples=15, stateful_step_count=20, deadline=None)
test_no_call_crosses_an_owner = Owners.TestCase


async def test_an_agents_links_lead_nowhere(tmp_path: Path) -> None:
    place = Place(tmp_path)
    run_id = RunId("r-1")
    place.runs[run_id] = RunState(run=a_run(run_id))
    session_id = place.session(run_id)
    found = await place.attach(run_id, session_id, b"abc")
    workspace = tmp_path / "work" / session_id
    outside = tmp_path / "outside"
    outside.mkdir()
    (workspace / ".longwatch").symlink_to(outside)
    with pytest.raises(Refused, match="cannot be put into"):
        await place.attaching.lay_down(run_id, session_id, [found])
    assert not list(outside.iterdir())
    (workspace / ".longwatch").unlink()
    (outside / "target").write_text("safe")
    folder = workspace / ".longwatch" / "attachments"
    folder.mkdir(parents=True)
    (folder / "file-3.bin").symlink_to(outside / "target")
    (file,) = await place.attaching.lay_down(run_id, session_id, [found])
    assert (outside / "target").read_text() == "safe"
    assert (folder / "file-3.bin").read_bytes() == b"abc"
    assert file.place == str(folder / "file-3.bin")


async def test_of_several_files_all_are_kept_or_none(tmp_path: Path) -> None:
    place = Place(tmp_path)
    good = tmp_path / "good"
    good.write_text("x")
    for paths, why in (
        ([str(good), str(tmp_path / "none")], "No such file"),
        (["good"], "whole path"),
        ([str(good)] * 21, "more than may be attached at once: 20"),
    ):
        with pytest.raises(Refused, match=why):
            async with place.attaching.taking_in(paths, LIMITS):
                raise AssertionError("never reached")
    with pytest.raises(Refused, match="after all"):
        async with place.attaching.taking_in([str(good)], LIMITS):
            raise Refused("not after all")
    assert place.files() == {"good"}


def test_files_of_one_name_are_told_apart() -> None:
    one, other = (Attachment(name="a", media_type="x/y", size=1, sha256=c * 64) for c in "ab")
    said = with_files("look", [AttachedFile(one, "d/a", "/w"), AttachedFile(other, "d/b-a", "/w")])
    assert said == (
        "look\n\n# Attached files, in your workspace\n\n"
        "- a (x/y, 1 bytes): d/a\n- a (x/y, 1 bytes): d/b-a"
    )


async def test_a_run_and_what_is_said_bring_files_to_the_agent(
    supervisor: Supervisor, driver: PuppetDriver, tmp_path: Path
) -> None:
    project = a_project(tmp_path / "project")
    shot, notes = tmp_path / "shot.png", tmp_path / "notes.md"
    shot.write_bytes(PNG)
    notes.write_text("remember")
    stolen = Attachment(name="x", media_type="text/plain", size=1, sha256="a" * 64)
    request = Request(text="make it so", user="ada", attachments=(stolen,))
    command = cmd.StartRun(request=request, project=str(project), attach=(str(shot), str(notes)))
    run_id = (await supervisor.execute(command)).run_id
    assert run_id is not None
    puppet = await driver.session(1)
    (prompt,) = puppet.prompts
    first, second = prompt.attachments
    assert (first.attachment.media_type, first.data) == ("image/png", PNG)
    assert second.data == b"remember"
    assert "- shot.png (image/png, 48 bytes): .longwatch/attachments/shot.png" in prompt.text
    workspace = Path(puppet.spec.workspace)
    assert (workspace / second.path).read_text() == "remember"

    state = await supervisor.run(run_id)
    (session_id,) = state.sessions
    assert [a.name for a in state.run.request.attachments] == ["shot.png", "notes.md"]
    more = tmp_path / "more.txt"
    more.write_text("and this")
    say = cmd.SteerSession(
        run_id=run_id, session_id=session_id, text="look", attach=(str(more),), by=ADA
    )
    await supervisor.execute(say)
    assert puppet.steered[0].startswith("look\n\n# Attached files")
    assert [file.data for file in puppet.given[0]] == [b"and this"]
    state = await supervisor.run(run_id)
    assert [a.name for a in state.sessions[session_id].attachments] == ["more.txt"]
    kept = set((tmp_path / "store" / "attachments").iterdir())
    assert len(kept) == 3

    for update, error in (
        ({"session_id": SessionId("s-none")}, NotFound),
        ({"run_id": RunId("r-none")}, (NotFound, OwnershipError)),
        ({"attach": (str(tmp_path / "none"),)}, Refused),
    ):
        with pytest.raises(error):
            await supervisor.execute(say.model_copy(update=update))
    assert set((tmp_path / "store" / "attachments").iterdir()) == kept
    puppet.done()
    state = await until(supervisor, run_id, lambda s: s.run.state is TaskState.DONE)
    work = git(project, "ls-tree", "-r", state.run.head_commit or "")
    assert ".longwatch/attachments" not in work
    with pytest.raises(Refused):
        await supervisor.execute(say)


async def test_a_request_that_is_refused_keeps_nothing(
    supervisor: Supervisor, driver: PuppetDriver, tmp_path: Path
) -> None:
    project = a_project(tmp_path / "project")
    file = tmp_path / "a.txt"
    file.write_text("x")
    request = Request(text="x", user="ada")
    command = cmd.StartRun(
        request=request, project=str(project), attach=(str(file),), workflow="none"
    )
    with pytest.raises(NotFound):
        await supervisor.execute(command)
    assert not (tmp_path / "store" / "attachments").exists()
    assert await supervisor.runs() == []


async def test_after_a_restart_the_files_are_there_as_before(
    tmp_path: Path, driver: PuppetDriver
) -> None:
    project = a_project(tmp_path / "project")
    file = tmp_path / "a.txt"
    file.write_text("x")
    store = tmp_path / "store"
    one = await Supervisor.open(store, drivers={"scripted": driver})
    request = Request(text="x", user="ada")
    started = cmd.StartRun(request=request, project=str(project), attach=(str(file),))
    await one.execute(started)
    puppet = await driver.session(1)
    await one.close()
    file.unlink()
    two = await Supervisor.open(store, drivers={"scripted": driver})
    again = await driver.session(2)
    assert again.prompts[0].again
    assert [f.data for f in again.prompts[0].attachments] == [b"x"]
    assert again.prompts[0].attachments == puppet.prompts[0].attachments
    assert (await two.verify()).ok
    await two.close()
