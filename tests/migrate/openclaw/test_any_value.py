"""Any JSON value anywhere in a configuration costs that value, never more."""

from __future__ import annotations

import copy
import json
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from app.domain.migration import MigrationPlan
from app.migrate.openclaw import read_openclaw
from tests.migrate.openclaw.homes import agents_of, check, said
from tests.migrate.openclaw.oracle import allowed
from tests.migrate.openclaw.rich import MARK, rich

_WORDS = st.sampled_from(
    ["", " ", "*", "read", "exec", "group:fs", "full", "minimal", "open", "../x", "a/b", "CON",
     "${HOME}", "${NOT_SET}", "$include", "ops", "scribe", "true", "{{ x }}", "x\x00y", "\x1b[2J",
     "anthropic/claude-x", "/", "https://u:pw@host/x", 'a"""b\\', "é" * 70, "\ud800"]
)  # fmt: skip
_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8) | _WORDS,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.text(max_size=5) | _WORDS, inner, max_size=3)
    ),
    max_leaves=6,
)


def _places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    yield path
    pairs: list[tuple[Any, Any]] = []
    if isinstance(value, dict):
        pairs = list(value.items())
    elif isinstance(value, list):
        pairs = list(enumerate(value))
    for key, child in pairs:
        yield from _places(child, (*path, key))


_PLACES = [path for path in _places(rich()) if path]


def _put(config: Any, path: tuple[Any, ...], value: Any) -> None:
    for key in path[:-1]:
        config = config[key]
    config[path[-1]] = value


@st.composite
def _mutated(draw: st.DrawFn) -> dict[str, Any]:
    config = rich()
    for path in draw(st.lists(st.sampled_from(_PLACES), min_size=1, max_size=3)):
        mutated = copy.deepcopy(config)
        try:
            _put(mutated, path, draw(_VALUES))
        except (KeyError, IndexError, TypeError):
            continue
        config = mutated
    return config


def _read(config: dict[str, Any]) -> MigrationPlan | None:
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "openclaw.json").write_text(json.dumps(config))
        first = read_openclaw(Path(folder), environment={"HOME": "/home/op"})
        second = read_openclaw(Path(folder), environment={"HOME": "/home/op"})
    assert first == second
    return first


@settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))
@given(_mutated())
def test_any_value_anywhere(config: dict[str, Any]) -> None:
    """Never a failure, never a secret outside its file, never more tools, all accounted for."""
    plan = _read(config)
    assert plan is not None
    check(plan)
    assert MARK not in said(plan)
    if any(text.path == "longwatch.toml" for text in plan.texts):
        for name, agent in agents_of(plan).items():
            limit = allowed(config, name)
            assert limit is None or set(agent.tools or ()) <= limit, (name, agent.tools)
