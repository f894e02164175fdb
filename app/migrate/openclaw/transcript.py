"""Reading a session of OpenClaw: a file of JSON lines, of any size and in any state.

The file is streamed: at any moment one line of it is in memory, and of a line that is too long not
even that. What cannot be read costs the line it stands on, which is counted and named.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import IO, Any

from app.domain.past import PastEntry, PastKind
from app.migrate.openclaw.transcript_line import entries_of

LINE_LIMIT = 16 * 1024 * 1024  # bytes of a line that is read; a photograph's worth of base64
_STRIDE = 1024 * 1024  # bytes at once of a line that is passed over
_NAMED = 20  # bad lines that are told one by one


@dataclass(frozen=True, slots=True)
class Line:
    """One line of the file. `data` is None where it was too long to be read."""

    number: int  # from 1
    offset: int  # bytes before it
    size: int  # bytes, with its end
    data: bytes | None


@dataclass(slots=True)
class Faults:
    """Lines that are no entries: how many, and what is wrong with the first of them."""

    name: str
    count: int = 0
    told: list[str] = field(default_factory=list)

    def add(self, number: int, why: str) -> None:
        """Count one, and name it if it is among the first."""
        self.count += 1
        if len(self.told) < _NAMED:
            self.told.append(f"{self.name}:{number}: {why}")


def lines(file: IO[bytes], *, number: int = 1, offset: int = 0) -> Iterator[Line]:
    """The lines of a file that stands at `offset`, the start of line `number`. Empty ones too."""
    while data := file.readline(LINE_LIMIT + 1):
        size = len(data)
        kept: bytes | None = data
        if size > LINE_LIMIT and not data.endswith(b"\n"):
            kept = None
            while rest := file.readline(_STRIDE):
                size += len(rest)
                if rest.endswith(b"\n"):
                    break
        yield Line(number, offset, size, kept)
        number, offset = number + 1, offset + size


def parse(line: Line) -> dict[str, Any]:
    """The JSON object on a line. Raises ValueError with what is wrong."""
    if line.data is None:
        raise ValueError(
            f"a line of {line.size:,} bytes, more than the {LINE_LIMIT:,} that are read"
        )
    try:
        found = json.loads(line.data.decode("utf-8", "replace"))
    except RecursionError:
        raise ValueError("nested too deeply") from None
    except json.JSONDecodeError as error:
        raise ValueError(f"no JSON: {error.msg} at character {error.pos + 1}") from None
    except ValueError:  # a number of thousands of digits
        raise ValueError("no JSON that can be read") from None
    if not isinstance(found, dict):
        raise ValueError("JSON, but not an object")
    return found


def entries(file_lines: Iterator[Line], faults: Faults) -> Iterator[PastEntry]:
    """What was said, in the order of the file. A line that cannot be read becomes a note."""
    for line in file_lines:
        if line.data is not None and not line.data.strip():
            continue
        try:
            yield from entries_of(parse(line), line.number)
        except (ValueError, RecursionError) as error:
            why = str(error) if isinstance(error, ValueError) else "nested too deeply"
            faults.add(line.number, why)
            yield PastEntry(line=line.number, kind=PastKind.NOTE, text=why, failed=True)
