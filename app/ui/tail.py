"""The newest lines of a session's transcript, in a bounded ring. No Textual here."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import takewhile

from app.domain.session import Chunk, ChunkKind

RING_LINES = 5_000
LINE_CHARS = 4_000  # a longer line is cut into several, so that no line costs a whole screen


@dataclass(frozen=True, slots=True)
class TailLine:
    """One logical line. `ordinal` is of the chunk it starts in, `first` of its item's lines."""

    kind: ChunkKind
    text: str
    ordinal: int
    item_id: str
    first: bool


class Tail:
    """Lines built from chunks, deduplicated by ordinal; the oldest fall out of the ring.

    Absolute line numbers count from the first line ever pushed, so a reader's place stays
    valid while lines arrive and leave: `base` is the number of `lines[0]`.
    """

    def __init__(self, size: int = RING_LINES) -> None:
        self.lines: deque[TailLine] = deque(maxlen=size)
        self.base = 0
        self.version = 0  # moves with every change, for cheap comparison
        self.last_ordinal = 0
        self._open = False  # the last line has not seen its end yet
        self._item: tuple[ChunkKind, str] | None = None

    @property
    def end(self) -> int:
        """The absolute number that the next line will have."""
        return self.base + len(self.lines)

    def push(self, chunk: Chunk) -> bool:
        """Take a chunk in; False when it was known already."""
        if chunk.ordinal <= self.last_ordinal:
            return False
        if self.last_ordinal and chunk.ordinal != self.last_ordinal + 1:
            self._restart()
        self.last_ordinal = chunk.ordinal
        self.version += 1
        same = self._item == (chunk.kind, chunk.item_id) and bool(chunk.item_id)
        self._write(chunk, joins=same)
        self._item = None if chunk.end else (chunk.kind, chunk.item_id)
        self._open = self._open and not chunk.end
        return True

    def _restart(self) -> None:
        """There is a gap: what came before is paged from the store instead of shown wrongly."""
        self.base = self.end
        self.lines.clear()
        self._item, self._open = None, False

    def _write(self, chunk: Chunk, *, joins: bool) -> None:
        pieces = chunk.text.split("\n")
        if joins and self._open and self.lines:
            last = self.lines.pop()
            pieces[0] = last.text + pieces[0]
            first, ordinal = last.first, last.ordinal
        else:
            first, ordinal = not joins, chunk.ordinal
        self._open = pieces[-1] != ""
        if not self._open:
            pieces.pop()
        for piece in pieces:
            for part in _cut(piece):
                self._append(TailLine(chunk.kind, part, ordinal, chunk.item_id, first))
                first, ordinal = False, chunk.ordinal

    def _append(self, line: TailLine) -> None:
        if len(self.lines) == self.lines.maxlen:
            self.base += 1
        self.lines.append(line)


def _cut(text: str) -> Iterable[str]:
    if len(text) <= LINE_CHARS:
        return (text,)
    return (text[i : i + LINE_CHARS] for i in range(0, len(text), LINE_CHARS))


def older_lines(chunks: Iterable[Chunk], known: Sequence[TailLine]) -> list[TailLine]:
    """Lines of a transcript page that come before `known`, the lines at hand.

    The page must end with the chunk in which the first known line starts. Of that chunk only
    the last lines may be known, so as many are left out as are.
    """
    page = Tail(size=1_000_000)
    for chunk in chunks:
        page.push(chunk)
    lines = list(page.lines)
    if not known:
        return lines
    edge = known[0].ordinal
    overlap = sum(1 for _ in takewhile(lambda line: line.ordinal == edge, known))
    return lines[: max(0, len(lines) - overlap)]
