"""What `longwatch doctor` says of the project here: what confines each agent and gate."""

from __future__ import annotations

from app.cli.project import project_root
from app.domain.confinement import Confinement, confinement_of, confinement_of_gate
from app.domain.errors import ConfigError, Refused


def confinements() -> list[tuple[str, Confinement]]:
    """By agent and by gate; empty outside of a project, or in one that cannot be loaded."""
    from app.engine.project import load_project
    from app.engine.project_names import CONFIG_FILE

    try:
        root = project_root(None)
        if not (root / CONFIG_FILE).exists():
            return []
        project = load_project(root)
    except (Refused, ConfigError):
        return []  # said by another check
    found = [(f"agent {agent.name}", confinement_of(agent)) for agent in project.config.agent]
    for workflow in project.workflows.values():
        for step in workflow.steps:
            for gate in getattr(step, "gates", ()):
                confinement = confinement_of_gate(gate)
                if confinement is not None:
                    found.append((f"gate {workflow.name}/{step.name}/{gate.name}", confinement))
    return found
