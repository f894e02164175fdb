"""What is known of all attempts of a run, beside what a look at each of them says."""

from datetime import UTC, datetime

from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter

from app.domain.attempt import Attempt, Unit
from app.domain.attempts import Attempts

NOW = datetime(2026, 1, 2, tzinfo=UTC)

UNITS = st.builds(
    Unit, st.sampled_from(["plan", "do"]), st.sampled_from(["", "a", "b"]), st.integers(0, 2)
)
ATTEMPTS = st.builds(
    lambda unit, number, fatal, worked: Attempt(
        step=unit.step,
        branch=unit.branch,
        iteration=unit.iteration,
        attempt=number,
        fatal=fatal,
        worked_seconds=worked,
        started_at=NOW,
    ),
    UNITS,
    st.integers(1, 3),
    st.booleans(),
    st.sampled_from([0, 0.0, 0.1, 0.2, 0.7, 1e9]),
)


def _agree(made: Attempts, expected: dict[str, Attempt], unit: Unit) -> None:
    every = list(expected.values())
    of_step = [a for a in every if a.step == unit.step]
    of_branch = [a for a in of_step if a.branch == unit.branch]
    of_unit = [a for a in every if a.unit == unit]
    assert made.latest(unit.step) == (of_step[-1] if of_step else None)
    assert made.latest(unit.step, unit.branch) == (of_branch[-1] if of_branch else None)
    assert made.newest(unit) == (of_unit[-1] if of_unit else None)
    assert made.of(unit) == tuple(of_unit)
    assert made.fatal == sum(a.fatal for a in every)


@given(st.lists(ATTEMPTS, max_size=60), UNITS, st.booleans())
def test_it_knows_what_a_look_at_each_would_tell(
    changes: list[Attempt], unit: Unit, asked: bool
) -> None:
    expected: dict[str, Attempt] = {}
    made = Attempts()
    versions = [(made, expected)]
    for attempt in changes:
        expected, made = {**expected, attempt.key: attempt}, made.set(attempt.key, attempt)
        versions.append((made, expected))
        if asked:
            assert made.worked_seconds == sum(a.worked_seconds for a in expected.values())
    for made, expected in versions:
        _agree(made, expected, unit)
        assert made == expected
        assert made.worked_seconds == sum(a.worked_seconds for a in expected.values())


@given(st.lists(ATTEMPTS, max_size=30), UNITS)
def test_it_is_read_and_written_as_a_dict(changes: list[Attempt], unit: Unit) -> None:
    adapter = TypeAdapter(Attempts)
    made = Attempts()
    for attempt in changes:
        made = made.set(attempt.key, attempt)
    expected = dict(made)
    assert adapter.dump_python(made) == TypeAdapter(dict[str, Attempt]).dump_python(expected)
    for read in (
        adapter.validate_json(adapter.dump_json(made)),
        adapter.validate_python(expected),
        Attempts(expected),
    ):
        _agree(read, expected, unit)
        assert read == made
        assert read.worked_seconds == made.worked_seconds
