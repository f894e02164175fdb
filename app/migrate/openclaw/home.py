"""An installation while it is read: what was found, and what is made of it so far."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from app.migrate.openclaw.agents import Roster
from app.migrate.openclaw.channels import Credential
from app.migrate.openclaw.cron import Job
from app.migrate.openclaw.ledger import Ledger
from app.migrate.openclaw.loading import Variables
from app.migrate.openclaw.nodes import Node
from app.migrate.openclaw.output import Configuration


@dataclass(slots=True)
class Home:
    """What was read of an installation, and what it becomes."""

    ledger: Ledger
    variables: Variables
    roster: Roster
    root: Node | None = None
    oldest: bool = False  # whether it has keys of the first generation
    config: Configuration = field(default_factory=Configuration)
    channels: dict[str, dict[str, Any]] = field(default_factory=dict)
    credentials: list[Credential] = field(default_factory=list)
    jobs: list[Job] = field(default_factory=list)

    @property
    def present(self) -> bool:
        """Whether it is the present layout, in which the key of an entry is its id."""
        agents = self.root.get("agents") if self.root is not None else None
        return agents is not None and agents.get("entries", "ownership") is not None

    @property
    def defaults(self) -> Node | None:
        """What agents have that say nothing else."""
        return self.root.dig("agents", "defaults") if self.root is not None else None
