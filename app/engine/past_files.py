"""The files of a project's past sessions: found, read, remembered. All of it blocks."""

from __future__ import annotations

import threading
from collections import OrderedDict
from pathlib import Path

from app.domain.errors import LongwatchError, Refused
from app.domain.past import PastCursor, PastFound, PastHistory, PastList, PastPage, PastSession
from app.domain.past_ref import PastId, PastRef
from app.engine.past_folder import IMPORTED, PastFile, choose, find_files, origins, summarise
from app.engine.past_reading import Clean, Needle, digest, read_history, read_page, search

_REMEMBERED = 50_000  # sessions whose line in the list is kept
_MARKS = 1_000  # places in files that are kept, for the next page
_BETWEEN = 200  # sessions looked at, after which who waits is asked whether they still do

FileKey = tuple[str, int, int]
Listed = list[tuple[PastFile, PastSession]]


class PastFiles:
    """Reads the files as they are at each call; see `app.engine.past_sessions`."""

    def __init__(self, clean: Clean) -> None:
        self._clean = clean
        self._known: OrderedDict[FileKey, PastSession] = OrderedDict()
        self._searched: dict[tuple[Path, str], Listed] = {}  # the list of the latest search
        self._marks: OrderedDict[tuple[FileKey, int], int] = OrderedDict()

    def newest(self, root: Path, limit: int, agent: str, stop: threading.Event) -> PastList:
        """The newest past sessions, of all agents or of one."""
        problems: list[str] = []
        found = self._all(root, problems, agent, stop)
        return PastList(
            folder=str(root / IMPORTED),
            sessions=tuple(session for _, session in found[:limit]),
            total=len(found),
            problems=tuple(problems),
        )

    def search(
        self,
        root: Path,
        text: str,
        after: PastCursor | None,
        limit: int,
        agent: str,
        stop: threading.Event,
    ) -> PastFound:
        """A part of the sessions; later parts go on in the order in which the search began."""
        files = self._searched.get((root, agent)) if after is not None else None
        if files is None:
            files = self._all(root, [], agent, stop)
        self._searched = {(root, agent): files}
        found = search(files, Needle(text), after, limit, self._clean, stop)
        return PastFound(
            hits=tuple(found.hits), next=found.next, searched=found.searched, total=len(files)
        )

    def pin(self, folder: Path, past_id: PastId) -> tuple[PastRef, PastSession]:
        """The session as a run takes it up. Raises NotFound, Refused."""
        file = choose(find_files(folder, []), past_id)
        ref = PastRef(past_id=file.past_id, sha256=digest(file))
        session = self._summary(file)
        if not read_history(file, session, ref.sha256, self._clean).entries:
            raise Refused(f"past session {file.past_id} says nothing that could be taken up")
        return ref, session

    def history(self, folder: Path, ref: PastRef) -> PastHistory:
        """What the agent is told. Raises NotFound, and Refused when it is not what was pinned."""
        file = choose(find_files(folder, []), ref.past_id)
        return read_history(file, self._summary(file), ref.sha256, self._clean)

    def page(self, root: Path, past_id: PastId, first: int, limit: int) -> PastPage:
        """Entries from line `first` on. Raises NotFound, Refused."""
        file = choose(find_files(root, []), past_id)
        start = (first, self._marks[file.key, first]) if (file.key, first) in self._marks else None
        read = read_page(file, first, start or (1, 0), limit, self._clean)
        if read.after is not None:
            self._marks[file.key, read.after[0]] = read.after[1]
            while len(self._marks) > _MARKS:
                self._marks.popitem(last=False)
        return PastPage(
            session=self._summary(file),
            first=first,
            entries=read.entries,
            next=read.after[0] if read.after else None,
            bad=read.faults.count,
            problems=tuple(read.faults.told),
        )

    def _all(self, root: Path, problems: list[str], agent: str, stop: threading.Event) -> Listed:
        """Every session with its line in the list, the newest first."""
        files = [f for f in find_files(root, problems) if agent in ("", f.agent)]
        names = {f.path.parent: dict[str, str]() for f in files}
        fresh = {f.path.parent for f in files if f.key not in self._known}
        names |= {folder: origins(folder) for folder in fresh}
        found: Listed = []
        for number, file in enumerate(files):
            if number % _BETWEEN == 0 and stop.is_set():
                break
            try:
                summary = self._summary(file, names[file.path.parent].get(file.session, ""))
                found.append((file, summary))
            except LongwatchError as error:
                problems.append(str(error))
        return sorted(found, key=_age, reverse=True)

    def _summary(self, file: PastFile, origin: str | None = None) -> PastSession:
        """Its line in the list; kept only when `origin` is known to whoever asks."""
        known = self._known.get(file.key)
        if known is not None:
            return known
        made = summarise(file, self._clean(origin or ""))
        made = made.model_copy(update={"title": self._clean(made.title)})
        if origin is not None:
            self._known[file.key] = made
            while len(self._known) > _REMEMBERED:
                self._known.popitem(last=False)
        return made


def _age(found: tuple[PastFile, PastSession]) -> tuple[float, str]:
    last = found[1].last
    return (last.timestamp() if last else 0.0, found[0].past_id)
