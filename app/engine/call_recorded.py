"""Answers that were recorded beforehand: one JSON object on each line of a file."""

import asyncio
import hashlib
from collections.abc import Iterator
from pathlib import Path

from pydantic import Field, ValidationError

from app.domain.base import Model
from app.domain.call import Call
from app.domain.compare import normalized
from app.domain.errors import ConfigError
from app.domain.run import FailureKind
from app.domain.text import one_line
from app.engine.call_http import CallFailed

FILE_LIMIT = 256 * 1024 * 1024  # bytes


class RecordedAnswer(Model):
    """One line. What it was asked by, if that is told, is for routing when it is replayed."""

    input: str = Field(min_length=1)
    answer: str | None = None
    seconds: float | None = Field(default=None, ge=0, allow_inf_nan=False)
    user: str = ""
    channel: str = ""
    task_type: str = ""


def read_answers(path: Path) -> Iterator[RecordedAnswer]:
    """Every line that is not empty (blocking). Raises ConfigError with the line."""
    try:
        if path.stat().st_size > FILE_LIMIT:
            raise ConfigError(f"is larger than {FILE_LIMIT:,} bytes", source=str(path))
        with path.open("rb") as file:
            for number, line in enumerate(file, start=1):
                if line.strip():
                    yield _answer(line, str(path), number)
    except OSError as error:
        raise ConfigError(f"cannot be read: {error.strerror}", source=str(path)) from error


def _answer(line: bytes, source: str, number: int) -> RecordedAnswer:
    try:
        return RecordedAnswer.model_validate_json(line)
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"])
        why = f"{place}: {first['msg']}" if place else first["msg"]
        what = f'no line such as {{"input": "…", "answer": "…"}}: {one_line(why, 300)}'
        raise ConfigError(what, source=source, line=number) from None


def file_hash(path: Path) -> str:
    """Hex SHA-256 of a file (blocking). Raises ConfigError."""
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise ConfigError(f"cannot be read: {error.strerror}", source=str(path)) from error


async def look_up(call: Call, text: str) -> str:
    """The recorded answer to a text, blanks aside. Raises CallFailed."""
    return await asyncio.to_thread(_look_up, call, text)


def _look_up(call: Call, text: str) -> str:
    path, wanted = Path(call.recorded), normalized(text)
    try:
        if file_hash(path) != call.recorded_sha256:
            message = f"{path}: has changed since it was put in place; read the rollout anew"
            raise CallFailed(FailureKind.BAD_REQUEST, message)
        for entry in read_answers(path):
            if entry.answer is not None and normalized(entry.input) == wanted:
                return entry.answer
    except ConfigError as error:
        raise CallFailed(FailureKind.BAD_REQUEST, str(error)) from error
    message = f"{path}: has no answer to {one_line(text, 100)!r}"
    raise CallFailed(FailureKind.BAD_REQUEST, message)
