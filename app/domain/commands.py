"""What an operator can tell the supervisor to do, from a screen or a script."""

from datetime import datetime
from typing import Annotated, Literal

from pydantic import Field

from app.domain.approval import Action, Actor, Scope, Settlement
from app.domain.base import (
    ApprovalId,
    Model,
    QuestionId,
    ReviewId,
    RolloutId,
    RuleId,
    RunId,
    SessionId,
)
from app.domain.request import Request
from app.domain.rollout import MOST_SHADOWS


class StartRun(Model):
    """Start a run in `project`; `workflow` skips routing."""

    do: Literal["start_run"] = "start_run"
    request: Request
    project: str
    workflow: str | None = None
    attach: tuple[str, ...] = ()  # files that come with the request, absolute


class DecideApproval(Model):
    """Answer a pending approval. Refused unless `revision` is the current one."""

    do: Literal["decide_approval"] = "decide_approval"
    approval_id: ApprovalId
    revision: int
    action: Action
    scope: Scope = Scope.ONCE
    reason: str = ""
    interrupt: bool = False
    by: Actor


class EditApproval(Model):
    """Change what a pending approval asks, before it is answered: `text` in place of what it says
    is editable. Refused unless `revision` is the current one."""

    do: Literal["edit_approval"] = "edit_approval"
    approval_id: ApprovalId
    revision: int
    text: str
    by: Actor


class SettleApproval(Model):
    """Answer an uncertain tool call."""

    do: Literal["settle_approval"] = "settle_approval"
    approval_id: ApprovalId
    revision: int
    settlement: Settlement
    reason: str = ""
    by: Actor


class GiveVerdict(Model):
    """Accept an artefact, or send it back with a reason."""

    do: Literal["give_verdict"] = "give_verdict"
    review_id: ReviewId
    revision: int
    accept: bool
    reason: str = ""
    by: Actor


class Snooze(Model):
    """Put an approval or review off until a time; None brings it back."""

    do: Literal["snooze"] = "snooze"
    item: Literal["approval", "review", "question"]
    item_id: str
    until: datetime | None
    by: Actor


class CancelRun(Model):
    """End a run for good, and the runs of its sub-workflows. Refused when it is over already."""

    do: Literal["cancel_run"] = "cancel_run"
    run_id: RunId
    reason: str = ""
    by: Actor


class RetryRun(Model):
    """Take a run up again where it stopped, or only one step or branch that stands still.

    With `prompt` that step's agent is asked this instead of what its template says.
    """

    do: Literal["retry_run"] = "retry_run"
    run_id: RunId
    step: str = ""  # empty: all that stands still
    branch: str = ""
    prompt: str = ""
    by: Actor


class PauseRun(Model):
    """Stop a run's agents until it is resumed; nothing is lost."""

    do: Literal["pause_run"] = "pause_run"
    run_id: RunId
    reason: str = ""
    by: Actor


class ResumeRun(Model):
    """Let a paused run go on."""

    do: Literal["resume_run"] = "resume_run"
    run_id: RunId
    by: Actor


class SkipStep(Model):
    """Go on without the result of a step or branch that stands still, or with `value` instead."""

    do: Literal["skip_step"] = "skip_step"
    run_id: RunId
    step: str
    branch: str = ""
    value: str | None = None
    reason: str = ""
    by: Actor


class ForkRun(Model):
    """Start a new run that takes over what came before `step` and makes the rest anew."""

    do: Literal["fork_run"] = "fork_run"
    run_id: RunId
    step: str
    by: Actor


class TakeWork(Model):
    """Bring a finished run's work into its project's folder, which is no git repository."""

    do: Literal["take_work"] = "take_work"
    run_id: RunId
    by: Actor


class AnswerQuestion(Model):
    """Answer what a step asks. Refused unless `revision` is the current one."""

    do: Literal["answer_question"] = "answer_question"
    question_id: QuestionId
    revision: int
    answer: str = Field(min_length=1)
    by: Actor


class RemoveRule(Model):
    """Take away a rule that an operator has made by an answer; what it has decided stays decided.
    Rules of the project's files are not reached by it."""

    do: Literal["remove_rule"] = "remove_rule"
    rule_id: RuleId
    by: Actor


class SteerSession(Model):
    """Say something to an agent that is at work."""

    do: Literal["steer_session"] = "steer_session"
    run_id: RunId
    session_id: SessionId
    text: str = Field(min_length=1)
    attach: tuple[str, ...] = ()  # files that come with it, absolute
    by: Actor


class RestartSession(Model):
    """End the agent of one session, with all its processes, and start it anew where it stood."""

    do: Literal["restart_session"] = "restart_session"
    run_id: RunId
    session_id: SessionId
    reason: str = ""
    by: Actor


class OpenRollout(Model):
    """Read a rollout's paths and rules from the project's files. An edited workflow of the stable
    path becomes the candidate; `replace_stable` says why it is to be the stable path at once."""

    do: Literal["open_rollout"] = "open_rollout"
    project: str
    name: str
    replace_stable: str = ""
    by: Actor


class SetShadow(Model):
    """Let the candidate answer a share of the requests without effect."""

    do: Literal["set_shadow"] = "set_shadow"
    rollout_id: RolloutId
    version: int | None = None  # refused unless it is the current one; None: whichever is
    percent: int = Field(ge=0, le=100)
    by: Actor


class PromoteRollout(Model):
    """Take the next promotion step. Refused while something is missing, unless `override` says
    why that does not count."""

    do: Literal["promote_rollout"] = "promote_rollout"
    rollout_id: RolloutId
    version: int | None = None
    override: str = ""
    by: Actor


class HoldRollout(Model):
    """Let no step be taken by itself, or (`why` empty) again."""

    do: Literal["hold_rollout"] = "hold_rollout"
    rollout_id: RolloutId
    why: str = ""
    by: Actor


class TickItem(Model):
    """A line of a checklist is done, or (`done` false) not after all."""

    do: Literal["tick_item"] = "tick_item"
    rollout_id: RolloutId
    checklist: Literal["promotion", "rollback"]
    item: str
    note: str = ""
    done: bool = True
    by: Actor


class RollBack(Model):
    """Everything back to the stable path, at once and without a question."""

    do: Literal["roll_back"] = "roll_back"
    rollout_id: RolloutId
    why: str = ""
    by: Actor


class ReopenCandidate(Model):
    """Let a candidate that was rolled back be tried again, from nothing."""

    do: Literal["reopen_candidate"] = "reopen_candidate"
    rollout_id: RolloutId
    version: int | None = None
    by: Actor


class AdoptCandidate(Model):
    """Make the candidate, which answers all requests, the stable path."""

    do: Literal["adopt_candidate"] = "adopt_candidate"
    rollout_id: RolloutId
    version: int | None = None
    by: Actor


class FinishInShadow(Model):
    """Let a run that a rollback has frozen go on, without effect and without an answer."""

    do: Literal["finish_in_shadow"] = "finish_in_shadow"
    run_id: RunId
    by: Actor


class ReplayShadow(Model):
    """Ask the candidate, without effect, what was answered before: the newest `last` requests, or
    the lines of a file with their answers."""

    do: Literal["replay_shadow"] = "replay_shadow"
    rollout_id: RolloutId
    last: int = Field(default=0, ge=0, le=MOST_SHADOWS)
    file: str = ""  # absolute
    by: Actor


Command = Annotated[
    StartRun
    | DecideApproval
    | EditApproval
    | SettleApproval
    | GiveVerdict
    | Snooze
    | CancelRun
    | RetryRun
    | PauseRun
    | ResumeRun
    | SkipStep
    | ForkRun
    | TakeWork
    | AnswerQuestion
    | RemoveRule
    | SteerSession
    | RestartSession
    | OpenRollout
    | SetShadow
    | PromoteRollout
    | HoldRollout
    | TickItem
    | RollBack
    | ReopenCandidate
    | AdoptCandidate
    | FinishInShadow
    | ReplayShadow,
    Field(discriminator="do"),
]


class Done(Model):
    """A command was carried out: its event is committed."""

    message: str  # one sentence for a person
    run_id: RunId | None = None
    rollout_id: RolloutId | None = None
    seq: int = 0  # the journal's head when it was answered
