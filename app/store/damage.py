"""What is said of rows that cannot be what was written: the file, the place in it, and why."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import TypeVar

from pydantic import BaseModel, ValidationError

from app.domain.errors import StoreDamaged
from app.domain.text import one_line

_WORDS = 160  # characters of a cause: it is to stand in one sentence
# What helps: the truth is in the journal and in transcripts, read models follow from it.
COPY = "`longwatch verify` says more, and a copy can take its place"
REBUILD = (
    "`longwatch verify` says more, and `longwatch rebuild` makes read models anew from the journal"
)
_T = TypeVar("_T")
_V = TypeVar("_V")
_M = TypeVar("_M", bound=BaseModel)


def cause(error: Exception) -> str:
    """Why something cannot be read, on one line: pydantic's own words have several, an address,
    and what was found there, which may be a whole text."""
    if isinstance(error, ValidationError):
        first = error.errors(include_url=False, include_context=False, include_input=False)[0]
        where = ".".join(map(str, first["loc"]))
        return one_line(f"{where}: {first['msg']}" if where else first["msg"], _WORDS)
    if isinstance(error, KeyError):
        error = ValueError(f"nothing is known of {error.args[0]}")
    return one_line(str(error), _WORDS) or type(error).__name__


def damaged(path: Path, what: str, error: Exception, cure: str = COPY) -> StoreDamaged:
    """The error to raise when `what` is wrong with the database at `path`."""
    return StoreDamaged(f"{path}: {what} ({cause(error)}); {cure}")


def models(path: Path, model: type[_M], table: str, found: Iterable[str]) -> list[_M]:
    """Rows of a read model. Raises StoreDamaged."""
    return [
        _one(path, f"a row of {table}", model.model_validate_json, row, REBUILD) for row in found
    ]


def made(path: Path, what: str, make: Callable[[_T], _V], found: Iterable[_T]) -> list[_V]:
    """What rows of the journal or of transcripts stand for. Raises StoreDamaged."""
    return [_one(path, what, make, row, COPY) for row in found]


def _one(path: Path, what: str, make: Callable[[_T], _V], row: _T, cure: str) -> _V:
    try:
        return make(row)
    except ValueError as error:
        if isinstance(row, Sequence) and not isinstance(row, str):
            what = f"{what} {row[0]}"  # its number, or its session
        raise damaged(path, f"{what} cannot be read", error, cure) from error
