"""What all models share: made, copied and kept as pydantic would, but faster."""

import pkgutil
from collections.abc import Iterator
from datetime import UTC, datetime
from importlib import import_module
from typing import Any, ClassVar

import pytest
from pydantic import TypeAdapter, ValidationError

import app.domain
import app.engine.supervisor
import app.link.wire
from app.domain import events as ev
from app.domain.attempt import Attempt, AttemptState
from app.domain.base import Discreet, Model, trusted
from app.domain.record import plain

NOW = datetime(2026, 1, 2, tzinfo=UTC)


def test_trusted_makes_what_the_constructor_would_make() -> None:
    checked = ev.OutputProduced(step="plan", attempt=2, output="a plan", passed=True)
    made = trusted(ev.OutputProduced, passed=True, output="a plan", attempt=2, step="plan")
    assert made == checked
    assert hash(made) == hash(checked)
    assert repr(made) == repr(checked)
    assert made.model_dump_json() == checked.model_dump_json()
    assert made.model_fields_set == checked.model_fields_set
    assert made.key == "plan//0/2"


def test_a_trusted_event_reads_back_from_the_journal() -> None:
    made = trusted(ev.OutputProduced, step="plan", attempt=1, output="a plan")
    assert ev.to_json(made) == (
        '{"type":"output_produced","step":"plan","attempt":1,"output":"a plan"}'
    )
    assert ev.from_json(ev.to_json(made)) == made


def test_what_is_made_without_checks_is_frozen_all_the_same() -> None:
    made = trusted(ev.OutputProduced, step="plan", attempt=1, output="a plan")
    with pytest.raises(ValidationError, match="frozen"):
        made.output = "another"  # type: ignore[misc]
    copied = made.model_copy(update={"output": "another"})
    assert (made.output, copied.output) == ("a plan", "another")
    assert copied.model_fields_set == {"step", "attempt", "output"}


def test_a_record_is_checked_where_it_comes_in_and_written_as_a_model() -> None:
    read = TypeAdapter(Attempt).validate_json
    made = Attempt(step="plan", attempt=2, started_at=NOW, state=AttemptState.PASSED)
    written = TypeAdapter(Attempt).dump_json(made, exclude_defaults=True)
    assert written == (
        b'{"step":"plan","attempt":2,"state":"passed","started_at":"2026-01-02T00:00:00Z"}'
    )
    assert read(written) == made
    assert TypeAdapter(Any).dump_json([made], fallback=plain) == (
        b"[" + TypeAdapter(Attempt).dump_json(made) + b"]"
    )
    for wrong in (b'"attempt":"x"', b'"attempt":2,"other":1'):
        with pytest.raises(ValidationError):
            read(written.replace(b'"attempt":2', wrong))
    with pytest.raises(ValidationError):
        read(b'{"step":"plan"}')
    with pytest.raises(AttributeError, match="immutable"):
        made.step = "other"  # type: ignore[misc]


class _Opened(Discreet, frozen=True):
    unshown: ClassVar = ("key",)
    address: str
    key: str


def test_what_a_discreet_value_does_not_show_is_not_in_its_repr() -> None:
    opened = _Opened("https://a", "planted")
    assert repr(opened) == "_Opened(address='https://a')"
    assert opened.__rich_repr__() == [("address", "https://a")]
    assert opened == _Opened("https://a", "planted") != _Opened("https://a", "other")


def _models(kind: type[Model] = Model) -> Iterator[type[Model]]:
    for below in kind.__subclasses__():
        yield below
        yield from _models(below)


def test_models_have_types_that_need_not_be_compiled_at_each_start() -> None:
    for module in pkgutil.walk_packages(app.domain.__path__, "app.domain."):
        import_module(module.name)
    early = ("app.domain.", "app.engine.", "app.link.")
    ours = {kind for kind in _models() if kind.__module__.startswith(early)}
    assert len(ours) > 200
    texts = [
        f"{kind.__qualname__}.{name}"
        for kind in ours
        for name, annotation in vars(kind).get("__annotations__", {}).items()
        if isinstance(annotation, str)
    ]
    assert not texts
