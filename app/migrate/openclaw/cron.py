"""Cron jobs: recurring work becomes workflows that a person has to switch on."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from app.domain.migration import ItemKind
from app.domain.openfang_names import Names
from app.migrate.openclaw.agents import Roster
from app.migrate.openclaw.ledger import Ledger
from app.migrate.openclaw.nodes import Node

_MESSAGES = ("message", "text", "prompt", "task")
_MAX_JOBS = 2000


@dataclass(frozen=True, slots=True)
class Job:
    """A workflow to be made of a job."""

    name: str
    agent: str
    description: str
    prompt: str


class Jobs:
    """Reads cron jobs."""

    def __init__(self, ledger: Ledger, roster: Roster, names: Names) -> None:
        self._ledger = ledger
        self._roster = roster
        self._names = names

    def read(self, node: Node) -> Iterator[Job]:
        """The jobs of a file or a database: a list, or an object with one under `jobs`."""
        jobs = node if node.items is not None else node.get("jobs")
        found = [] if jobs is None else [*jobs.children()]
        for job in found[:_MAX_JOBS]:
            made = self._job(job)
            if made is not None:
                yield made
        for job in found[_MAX_JOBS:]:
            self._ledger.refused(job, f"is one of more than {_MAX_JOBS:,} jobs")

    def _job(self, node: Node) -> Job | None:
        if node.fields is None:
            self._ledger.odd(node, "is no job")
            return None
        payload = node.get("payload")
        where = payload if payload is not None and payload.fields is not None else node
        name = self._ledger.text(node.get("name", "displayName", "id"), numbers=True) or "job"
        message = self._message(where)
        if message is None:
            self._left(node, name, "it is no message to an agent")
            return None
        ident = self._ledger.text(node.get("agentId", "agent"), numbers=True)
        default = self._roster.default
        entry = self._roster.find(ident) if ident is not None else default
        if entry is None:
            what = f'there is no agent "{ident}"' if ident else "it names no agent"
            self._left(node, name, what)
            return None
        schedule = schedule_text(node.get("schedule", "cron", "every", "at"))
        for used in (node.get("schedule", "cron", "every", "at"), node.get("name", "displayName")):
            self._ledger.mapped(used, "workflow.description")
        self._ledger.mapped(node.get("agentId", "agent"), "workflow.step.agent")
        self._ledger.mapped(node.get("enabled"), "workflow.enabled = false")
        about = self._ledger.text(node.get("description"))
        self._ledger.mapped(node.get("description"), "workflow.description")
        lines = [f'From OpenClaw: "{name}", {self._ledger.vault.clean(schedule)}']
        text = "\n".join([*([about] if about else []), *lines])
        ours = self._names.new(name, "job")
        self._ledger.took(ItemKind.CRON, name, f".longwatch/workflows/{ours}.toml", schedule)
        return Job(ours, entry.name, text, message)

    def _message(self, node: Node) -> str | None:
        kind = node.get("kind")
        if kind is not None and kind.value not in ("agentTurn", "systemEvent", "message"):
            return None
        leaf = node.get(*_MESSAGES)
        text = self._ledger.text(leaf)
        self._ledger.mapped(leaf if text is not None else None, "workflow.step.prompt")
        self._ledger.mapped(kind, "workflow.step")
        return text

    def _left(self, node: Node, name: str, why: str) -> None:
        self._ledger.archived(node, why)
        self._ledger.left(ItemKind.CRON, name, why)


def schedule_text(node: Node | None) -> str:
    """When a job was due, in words as far as its parts are known."""
    if node is None:
        return "without a schedule"
    if node.fields is None:
        return f"at {node.value}" if node.items is None else "without a schedule that is known"
    expression = node.get("expr", "cron", "expression")
    zone = node.get("tz", "timezone")
    if expression is not None and isinstance(expression.value, str):
        where = f" ({zone.value})" if zone is not None and isinstance(zone.value, str) else ""
        return f"at {expression.value}{where}"
    every = node.get("everyMs")
    if every is not None and isinstance(every.value, (int, float)):
        return f"every {every.value / 1000:,.0f} seconds"
    at = node.get("at", "atMs", "every")
    return f"at {at.value}" if at is not None and at.leaf else "without a schedule that is known"
