"""The trace of a run: its events under four categories, each with a short outcome token.

Categories and tokens are OpenFang's where it has one (`sent`, `ok`, `failed`, `rejected`,
`approved`, `return_to_step`, `quality_gate_passed`, `in_progress`, `resumed`, …). What OpenFang
does not trace has tokens of its own: retries, time-outs, approvals, blocked, canceled, sessions.
Left out here is only what says nothing of the run's way: see `NOT_TRACED`.
"""

from datetime import datetime

from app.domain import events as ev
from app.domain import rollout_events
from app.domain.base import Model
from app.domain.events import Event, Payload
from app.domain.run import RunState
from app.domain.text import one_line
from app.domain.trace_facts import DECISION, Fact, TraceCategory
from app.domain.trace_of_answers import of_approval, of_review
from app.domain.trace_of_work import of_attempt, of_flow, of_run, of_session

_DETAIL = 300  # characters: a trace is read line by line


class TraceEntry(Model):
    """One event of a run, for a reader and for programs that compare traces."""

    seq: int
    at: datetime
    trace_id: str
    run_id: str
    step: str = ""  # empty for what concerns the run as a whole
    category: TraceCategory
    outcome: str
    detail: str = ""  # one printable line


# What concerns the store as a whole, and the running account of what an agent says and uses.
NOT_TRACED = (
    ev.SupervisorStarted,
    ev.SupervisorStopped,
    ev.RecipeRecorded,
    ev.RuleAdded,
    ev.RuleRemoved,
    ev.BudgetGranted,
    ev.ProcessStarted,
    ev.ProcessEnded,
    ev.ItemFinished,
    ev.UsageUpdated,
    *rollout_events.OF_THE_STORE,
)


def entries_of(event: Event, before: RunState | None) -> list[TraceEntry]:
    """What a run's event says, given the state before it: nothing when it is not traced, and each
    fact when it tells several.

    Raises KeyError for an event about something that the run does not have (a broken journal).
    """
    if not event.run_id or isinstance(event.payload, NOT_TRACED):
        return []
    return [
        TraceEntry(
            seq=event.seq,
            at=event.at,
            trace_id=event.trace_id,
            run_id=event.run_id,
            step=step,
            category=category,
            outcome=outcome,
            detail=one_line(detail, _DETAIL),
        )
        for payload in _facts(event.payload, before)
        for category, outcome, step, detail in [_said(payload, before)]
    ]


def _facts(payload: Payload, before: RunState | None) -> list[Payload]:
    """An attempt may begin with its turn; an output may tell the end of its turn and, of a branch
    or a turn of a loop, that it needs no gate: each is a fact. That a step's only unit has passed,
    the step's end says."""
    found = [payload]
    if isinstance(payload, ev.AttemptStarted):
        found += _turn_begun(payload)
    if isinstance(payload, ev.OutputProduced):
        if payload.session_id is not None and before is not None:
            key, turn = payload.session_id, before.sessions[payload.session_id].turn
            found.insert(0, ev.TurnEnded(session_id=key, turn=turn, status="completed"))
        if payload.passed and (payload.branch or payload.iteration):
            found.append(ev.AttemptPassed(**payload.unit._asdict(), attempt=payload.attempt))
    return found


def _turn_begun(payload: ev.AttemptStarted) -> list[Payload]:
    attempt = payload.attempt
    if payload.prompt is None or attempt.session_id is None or attempt.turn is None:
        return []
    return [
        ev.TurnStarted(
            **attempt.unit._asdict(),
            attempt=attempt.attempt,
            session_id=attempt.session_id,
            turn=attempt.turn,
            prompt=payload.prompt,
        )
    ]


def _said(payload: Payload, before: RunState | None) -> Fact:
    if isinstance(payload, ev.RunCreated):
        run = payload.run
        path = f"{run.path} path{', in shadow' if run.shadow else ''}, " if run.rollout else ""
        about = f"{path}workflow {run.workflow}, version {run.recipe[:12]}: {run.request.title}"
        return DECISION, "created", "", about
    if before is None:
        raise KeyError(f"{payload.type} before the run was created")
    said = (
        of_run(payload, before)
        or of_session(payload, before)
        or of_attempt(payload, before)
        or of_flow(payload, before)
        or of_approval(payload, before)
        or of_review(payload, before)
    )
    if said is None:
        raise KeyError(f"{payload.type} is no event of a run")
    return said
