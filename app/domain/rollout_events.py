"""Events about rollouts. Those with a `version` change what admission reads: it is the new one."""

from typing import Literal

from app.domain.approval import Actor
from app.domain.base import Model, RolloutId, RunId
from app.domain.compare import CompareRule
from app.domain.rollout import PinnedPath, Rollback, Rollout, ShadowResult, Tick
from app.domain.rollout_policy import Policies


class RolloutOpened(Model):
    """The store has a rollout from now on: its paths are pinned as the project's files declare
    them."""

    type: Literal["rollout_opened"] = "rollout_opened"
    rollout: Rollout


class RolloutConfigured(Model):
    """Its configuration was read anew. A new path begins without evidence, share and shadow."""

    type: Literal["rollout_configured"] = "rollout_configured"
    rollout_id: RolloutId
    version: int
    stable: PinnedPath
    candidate: PinnedPath | None
    policies: Policies
    compare: CompareRule
    judge: str = ""
    why: str = ""  # given when the stable path was replaced without evidence
    by: Actor


class RolloutMoved(Model):
    """Another share of the requests goes to the candidate, as its answers or in shadow."""

    type: Literal["rollout_moved"] = "rollout_moved"
    rollout_id: RolloutId
    version: int
    share: int
    shadow: int
    step: int
    why: str = ""
    override: str = ""  # what was missing did not count, for this reason
    missing: tuple[str, ...] = ()  # what was
    by: Actor


class RolloutHeld(Model):
    """No step is taken by itself any more, or (`why` empty) again."""

    type: Literal["rollout_held"] = "rollout_held"
    rollout_id: RolloutId
    why: str
    by: Actor


class ChecklistTicked(Model):
    """`done` false takes the tick back."""

    type: Literal["checklist_ticked"] = "checklist_ticked"
    rollout_id: RolloutId
    checklist: Literal["promotion", "rollback"]
    tick: Tick
    done: bool = True


class RolledBack(Model):
    """The stable path answers everything, shadowing is off, the candidate is closed. Its runs
    under way are frozen in the same commit."""

    type: Literal["rolled_back"] = "rolled_back"
    rollout_id: RolloutId
    version: int
    rollback: Rollback


class CandidateStopped(Model):
    """The last run of the candidate that was under way at a rollback has stopped."""

    type: Literal["candidate_stopped"] = "candidate_stopped"
    rollout_id: RolloutId
    number: int


class CandidateReopened(Model):
    """A person lets the candidate of a rollback be tried again, from nothing."""

    type: Literal["candidate_reopened"] = "candidate_reopened"
    rollout_id: RolloutId
    version: int
    by: Actor


class CandidateAdopted(Model):
    """The candidate is the stable path from now on, and there is none beside it."""

    type: Literal["candidate_adopted"] = "candidate_adopted"
    rollout_id: RolloutId
    version: int
    by: Actor


class JudgeAsked(Model):
    """A run was created, in the same commit, in which an agent compares two answers."""

    type: Literal["judge_asked"] = "judge_asked"
    rollout_id: RolloutId
    shadow: RunId
    judge: RunId


class ComparisonRecorded(Model):
    """A shadow answer was compared; no evidence where its candidate was replaced meanwhile."""

    type: Literal["comparison_recorded"] = "comparison_recorded"
    rollout_id: RolloutId
    result: ShadowResult


class ExpectedGiven(Model):
    """What a replayed request was answered once; of a shadow run without a run beside it."""

    type: Literal["expected_given"] = "expected_given"
    text: str
    seconds: float | None = None


class ShadowBegun(Model):
    """A frozen run of a closed candidate goes on, but nobody is given its answer."""

    type: Literal["shadow_begun"] = "shadow_begun"
    by: Actor


# What concerns no run of its own.
OF_THE_STORE = (
    RolloutOpened,
    RolloutConfigured,
    RolloutMoved,
    RolloutHeld,
    ChecklistTicked,
    RolledBack,
    CandidateStopped,
    CandidateReopened,
    CandidateAdopted,
    JudgeAsked,
    ComparisonRecorded,
)
