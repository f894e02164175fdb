"""What commands print: aligned tables and sentences for people, one document for programs.

Text of agents is made printable here once more, whatever it passed through before; JSON is
ASCII with escapes, so that no control character of any kind reaches a terminal.
"""

from __future__ import annotations

import shutil
import sys
import unicodedata
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from app.domain.errors import LongwatchError
from app.domain.text import one_line, printable

if TYPE_CHECKING:
    from app.domain.commands import Done

_WIDE = ("W", "F")
_CELL = 500  # characters of a table cell that can matter


class OutputError(LongwatchError):
    """Standard output cannot be written."""


def write(text: str) -> None:
    """On stdout, as it is. Raises OutputError, or BrokenPipeError when its reader has gone."""
    with _told():
        sys.stdout.write(text)


def flush() -> None:
    """What stdout holds back is written. Raises as `write` does."""
    with _told():
        sys.stdout.flush()


@contextmanager
def _told() -> Iterator[None]:
    try:
        yield
    except BrokenPipeError:
        raise
    except OSError as error:
        raise OutputError(f"the output cannot be written: {error.strerror}") from error


def say(text: str = "") -> None:
    """A line, or several, on stdout."""
    write(printable(text) + "\n")


def note(text: str) -> None:
    """A line on stderr, for the person beside the program that reads stdout."""
    sys.stderr.write(printable(text) + "\n")
    sys.stderr.flush()


def complain(text: str) -> None:
    """The one sentence of an error."""
    note(f"longwatch: {text}")


def emit(value: Any) -> None:
    """A model, or a sequence of models, as one JSON document."""
    write(_json(value, indent=2))


def report(done: Done, as_json: bool) -> None:
    """What a command did: its sentence, or all of it as JSON."""
    if as_json:
        emit(done)
    else:
        say(done.message)


def emit_line(value: Any) -> None:
    """A model as one line of JSON, at once: for output that goes on and on."""
    write(_json(value))
    flush()


def _json(value: Any, indent: int | None = None) -> str:
    from pydantic import TypeAdapter

    from app.domain.record import plain

    any_value = TypeAdapter(Any)
    document = any_value.dump_json(value, indent=indent, ensure_ascii=True, fallback=plain)
    return document.decode() + "\n"


def cells(text: str) -> int:
    """How many columns of a terminal the text takes."""
    return sum(
        0 if unicodedata.combining(c) else 2 if unicodedata.east_asian_width(c) in _WIDE else 1
        for c in text
    )


def cut(text: str, width: int) -> str:
    """The text within `width` columns, with an ellipsis where it was cut."""
    if cells(text) <= width:
        return text
    kept = ""
    for character in text:
        if cells(kept + character) > width - 1:
            break
        kept += character
    return kept + "…"


def table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Columns under their heads; the last is cut at the terminal's width, the rest never."""
    clean = [[one_line(cell, _CELL) for cell in row] for row in rows]
    widths = [max(cells(row[i]) for row in [list(heads), *clean]) for i in range(len(heads))]
    room = shutil.get_terminal_size().columns if sys.stdout.isatty() else 10_000
    widths[-1] = max(10, room - sum(widths[:-1]) - 2 * (len(heads) - 1))
    for row in [list(heads), *clean]:
        padded = [cell + " " * (widths[i] - cells(cell)) for i, cell in enumerate(row[:-1])]
        say("  ".join([*padded, cut(row[-1], widths[-1])]).rstrip())


def ago(moment: datetime, now: datetime | None = None) -> str:
    """How long ago, in the largest unit that fits: `12s`, `4m`, `3h`, `2d`."""
    return f"{span(((now or datetime.now(UTC)) - moment).total_seconds())} ago"


def span(seconds: float) -> str:
    """How long, in the largest unit that fits."""
    whole = max(0, int(seconds))
    for size, unit in ((86400, "d"), (3600, "h"), (60, "m")):
        if whole >= size:
            return f"{whole // size}{unit}"
    return f"{whole}s"
