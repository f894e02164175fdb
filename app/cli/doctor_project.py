"""What `longwatch doctor` says of the project it is started in: are the variables set without
which its agents and calls cannot begin?"""

from __future__ import annotations

from collections.abc import Iterator

from app.cli.project import project_root
from app.domain.errors import Refused
from app.domain.providers import DEFAULT_MODEL, key_env, split_model
from app.domain.step import CallStep
from app.domain.workflow import AgentConfig, Workflow


def needed_variables() -> tuple[str, str] | None:
    """What was found, and what is to be done ("": nothing); None outside of a project.

    Raises ConfigError for a project that cannot be loaded, or a private file that is not private.
    """
    from app.engine.environment import Variables
    from app.engine.project import load_project
    from app.engine.project_names import CONFIG_FILE

    try:
        root = project_root(None)
    except Refused:
        return None
    if not (root / CONFIG_FILE).exists():
        return None
    project = load_project(root)
    env_file = project.config.env_file
    known = Variables().of(env_file)
    agents = [name for agent in project.config.agent for name in _of_agent(agent)]
    calls = [name for workflow in project.workflows.values() for name in _of_calls(workflow)]
    servers = [name for server in project.config.mcp for name in server.variables]
    notify = project.config.notify.env if project.config.notify else ()
    needed = list(dict.fromkeys([*agents, *calls, *servers, *notify]))
    missing = [name for name in needed if not known.get(name)]
    found = f"{len(needed) - len(missing)} of {len(needed)} set that {root / CONFIG_FILE} needs"
    if not missing:
        return found, ""
    where = f"or in {env_file}" if env_file else "or in a file that `env_file` names"
    return found, f"set {', '.join(missing)} where the supervisor runs, {where}"


def _of_agent(agent: AgentConfig) -> Iterator[str]:
    if agent.driver == "model":
        ref = split_model(agent.model or DEFAULT_MODEL)
        name = agent.api_key_env or ("" if agent.base_url else key_env(ref.provider))
        if name:
            yield name


def _of_calls(workflow: Workflow) -> Iterator[str]:
    for step in workflow.steps:
        if isinstance(step, CallStep):
            yield from step.call.header_env.values()
