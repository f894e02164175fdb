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
    type: Literal["supervisor_stopped"] = "supervisor_stopped"
    epoch: int


class RecipeRecorded(Model):
    type: Literal["recipe_recorded"] = "recipe_recorded"
    digest: str
    recipe: Recipe


class RuleAdded(Model):
    type: Literal["rule_added"] = "rule_added"
    rule: StoredRule


class RuleRemoved(Model):
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
    type: Literal["process_started"] = "process_started"
    process: Process


class ProcessEnded(Model):
    type: Literal["process_ended"] = "process_ended"
    process_id: ProcessId
    returncode: int | None
    how: Literal["exited", "killed", "reaped"]
