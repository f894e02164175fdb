"""Events about the store as a whole: who runs it, what is kept for all runs."""

from datetime import date
from typing import Literal

from app.domain.approval import Actor, StoredRule
from app.domain.base import (
    Model,
    ProcessId,
    RuleId,
)
from app.domain.session import Process
from app.domain.workflow import Recipe


class SupervisorStarted(Model):
    """A new epoch: whatever an earlier supervisor was waiting on is gone."""

    type: Literal["supervisor_started"] = "supervisor_started"
    epoch: int
    pid: int
    host: str
    version: str


class SupervisorStopped(Model):
    """A supervisor that had runs to carry on has stopped in order; after a crash there is none of
    its epoch."""

    type: Literal["supervisor_stopped"] = "supervisor_stopped"
    epoch: int


class RecipeRecorded(Model):
    """What runs pin, kept once under its content hash and before the first run that names it."""

    type: Literal["recipe_recorded"] = "recipe_recorded"
    digest: str
    recipe: Recipe


class RuleAdded(Model):
    """An operator has allowed a call for its session or for always: that is a rule from now on."""

    type: Literal["rule_added"] = "rule_added"
    rule: StoredRule


class RuleRemoved(Model):
    """A person has taken a rule away; what it has decided stays decided."""

    type: Literal["rule_removed"] = "rule_removed"
    rule_id: RuleId
    by: Actor


class BudgetGranted(Model):
    """A person lets an account use `total` in this day instead of what is configured."""

    type: Literal["budget_granted"] = "budget_granted"
    day: date
    project: str = ""
    agent: str = ""
    unit: Literal["tokens", "usd"]
    total: float
    by: Actor


class ProcessStarted(Model):
    """A child process is there; recorded before its first use, so that a crash cannot orphan it."""

    type: Literal["process_started"] = "process_started"
    process: Process


class ProcessEnded(Model):
    """It ended by itself, was killed by its supervisor, or was left by one that is gone and reaped
    at the next start. `returncode` is None where nobody could wait for it."""

    type: Literal["process_ended"] = "process_ended"
    process_id: ProcessId
    returncode: int | None
    how: Literal["exited", "killed", "reaped"]
