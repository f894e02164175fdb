"""What a run's steps and sessions tell without a look at each, beside what that look tells."""

from datetime import UTC, datetime

from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter

from app.domain.base import RunId, SessionId
from app.domain.run import StepProgress, Steps, StepState
from app.domain.session import Session, SessionState
from app.domain.sessions import Sessions

NOW = datetime(2026, 1, 2, tzinfo=UTC)
NAMES = st.sampled_from(["plan", "do", "check", "tell"])

PROGRESS = st.builds(
    lambda name, state: StepProgress(step=name, state=state), NAMES, st.sampled_from(StepState)
)


def _session(number: int, place: tuple[str, str, str], state: SessionState) -> Session:
    step, branch, agent = place
    return Session(
        session_id=SessionId(f"s-{number}"),
        run_id=RunId("r-1"),
        step=step,
        branch=branch,
        agent=agent,
        driver="scripted",
        workspace="/w",
        opened_at=NOW,
        state=state,
    )


BRANCHES, AGENTS = st.sampled_from(["", "a", "b"]), st.sampled_from(["codex", "critic"])
PLACES = st.lists(st.tuples(NAMES, BRANCHES, AGENTS), min_size=1, max_size=20)
CHANGES = st.lists(st.tuples(st.integers(0, 19), st.sampled_from(SessionState)), max_size=50)


@given(st.lists(PROGRESS, max_size=60))
def test_steps_know_which_are_finished(changes: list[StepProgress]) -> None:
    expected: dict[str, StepProgress] = {}
    made = Steps()
    versions = [(made, expected)]
    for progress in changes:
        expected, made = {**expected, progress.step: progress}, made.set(progress.step, progress)
        versions.append((made, expected))
    for made, expected in versions:
        assert made == expected
        assert made.finished == {name for name, step in expected.items() if step.finished}
        assert Steps(expected).finished == made.finished


@given(PLACES, CHANGES, NAMES, BRANCHES)
def test_sessions_know_whose_they_are(
    places: list[tuple[str, str, str]],
    changes: list[tuple[int, SessionState]],
    step: str,
    branch: str,
) -> None:
    expected: dict[SessionId, Session] = {}
    made = Sessions()
    versions = [(made, expected)]
    for number, state in changes:
        session = _session(number, places[number % len(places)], state)
        key = session.session_id
        expected, made = {**expected, key: session}, made.set(key, session)
        versions.append((made, expected))
    read = TypeAdapter(Sessions).validate_json(TypeAdapter(Sessions).dump_json(made))
    versions += [(read, expected), (Sessions(expected), expected)]
    for made, expected in versions:
        of_step = [s for s in expected.values() if s.step == step]
        assert made == expected
        assert list(made.of(step)) == of_step
        assert list(made.of(step, branch)) == [s for s in of_step if s.branch == branch]
