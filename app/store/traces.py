"""Finding runs by their trace ids."""

from __future__ import annotations

from app.domain.run import Run
from app.store.reader import Reader


async def runs_of_trace(reader: Reader, trace: str, limit: int) -> list[Run]:
    """Runs whose trace id is or begins with `trace`, newest first. Raises StoreError."""
    return await reader.docs(
        Run,
        "runs",
        "SELECT doc FROM runs WHERE substr(json_extract(doc, '$.trace_id'), 1, ?) = ? "
        "ORDER BY rowid DESC LIMIT ?",
        len(trace),
        trace,
        limit,
    )
