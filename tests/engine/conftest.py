"""A process registry for tests of the engine's hands."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from app.engine.processes import ProcessRegistry
from tests.support.children import Journal, registry, store_of


@pytest.fixture
def store_id(tmp_path: Path) -> str:
    return store_of(tmp_path)


@pytest.fixture
async def journal() -> Journal:
    return Journal()


@pytest.fixture
async def processes(journal: Journal, store_id: str) -> AsyncIterator[ProcessRegistry]:
    async with registry(journal, store_id) as made:
        yield made
