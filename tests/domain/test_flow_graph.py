"""What flows from step to step, through any graph and at a cost that its paths do not multiply."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from hypothesis import given
from hypothesis import strategies as st

from app.domain import flow
from app.domain.attempts import Attempts
from app.domain.run import (
    Attempt,
    AttemptState,
    RunState,
    StepBrief,
    StepProgress,
    Steps,
    StepState,
)
from tests.support.story import START, a_run

_KINDS = st.sampled_from(["agent", "agent", "gate", "review"])


@st.composite
def states(draw: st.DrawFn) -> RunState:
    """A graph of steps, of which some have an output, and some have left a commit."""
    briefs, attempts, steps = list[StepBrief](), list[Attempt](), dict[str, StepProgress]()
    for number in range(draw(st.integers(1, 8))):
        name, before = f"s{number}", [brief.name for brief in briefs]
        needs = tuple(draw(st.lists(st.sampled_from(before), unique=True))) if before else ()
        kind = draw(_KINDS) if needs else "agent"
        of = needs[:1] if kind == "review" else ()
        briefs.append(StepBrief(name=name, kind=kind, needs=needs, of=of))
        if draw(st.booleans()):
            attempts.append(_attempt(name))
        commit = draw(st.sampled_from([None, None, "a", "b", "c"]))
        steps[name] = StepProgress(step=name, state=StepState.DONE, commit=commit)
    return _state(briefs, attempts, steps)


def _attempt(step: str) -> Attempt:
    output = f"output of {step}"
    return Attempt(step=step, attempt=1, state=AttemptState.PASSED, output=output, started_at=START)


def _state(
    briefs: Sequence[StepBrief], attempts: Sequence[Attempt], steps: dict[str, StepProgress]
) -> RunState:
    run = a_run().model_copy(update={"steps": tuple(briefs)})
    return RunState(run=run, attempts=Attempts((a.key, a) for a in attempts), steps=Steps(steps))


def sources(state: RunState, step: str) -> Iterator[str]:
    """As each step tells by itself, however often it is asked."""
    for name in state.run.needs()[step]:
        if flow.brief(state.run, name).kind == "review":
            yield from flow.brief(state.run, name).of
        elif flow.output_of(state, name) is None:
            yield from sources(state, name)
        else:
            yield name


def commits(state: RunState, steps: Sequence[str]) -> dict[str, None]:
    found: dict[str, None] = {}
    for name in steps:
        own = state.steps[name].commit
        found |= dict.fromkeys([own]) if own else commits(state, state.run.needs()[name])
    return found


@given(states())
def test_what_flows_in_is_what_the_nearest_steps_gave(state: RunState) -> None:
    for step in state.run.needs():
        names = dict.fromkeys(sources(state, step))
        texts = [flow.output_of(state, name) or "" for name in names]
        expected = flow.SEPARATOR.join(texts) if names else state.run.request.text
        assert flow.input_of(state, step) == expected
        assert flow.commits(state, [step]) == list(commits(state, [step]))


@given(states())
def test_outputs_are_those_of_the_producing_steps_before(state: RunState) -> None:
    for step in state.run.needs():
        before = set(flow.upstream(state.run, step))
        for other in state.run.needs():
            assert (other in before) == (step in flow.dependents(state.run, other))
        producing = [b.name for b in state.run.steps if b.kind == "agent" and b.name in before]
        expected = [(name, flow.output_of(state, name) or "") for name in producing]
        assert list(flow.Outputs(state, step).items()) == expected
        assert set(state.run.needs()) - set(producing) == {
            name for name in state.run.needs() if name not in flow.Outputs(state, step)
        }


def test_a_long_row_and_a_dense_graph_without_results_cost_no_more_than_their_steps() -> None:
    row = [StepBrief(name=f"s{n}", kind="agent") for n in range(3000)]
    state = _state(row, [_attempt("s0")], {})
    assert flow.input_of(state, "s2999") == "output of s0"
    assert flow.commits(state, ["s2999"]) == []
    layers = [[f"s{layer}-{n}" for n in range(4)] for layer in range(40)]
    dense = [
        StepBrief(name=name, kind="agent", needs=tuple(before))
        for before, layer in zip([[], *layers], layers, strict=False)
        for name in layer
    ]
    state = _state(dense, [_attempt("s0-1"), _attempt("s0-3")], {})
    assert flow.input_of(state, "s39-0") == "output of s0-1\n\n---\n\noutput of s0-3"
    assert flow.commits(state, ["s39-0"]) == []
