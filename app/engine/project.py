"""A project: the configuration and the workflows that a repository declares."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from app.domain.config import Config, check_routes, parse_config
from app.domain.errors import ConfigError, NotFound, Refused
from app.domain.json_source import json_lines
from app.domain.recipes import agents_of, parts_of
from app.domain.request import Request
from app.domain.routing import RouteChoice, RuleReport, choose, explain
from app.domain.toml_lines import KeyPath
from app.domain.toml_messages import not_among
from app.domain.toml_source import refuse
from app.domain.workflow import AgentConfig, Recipe, Workflow
from app.domain.workflow_check import parse_workflow, sub_workflow_problems
from app.engine.environment import read_env_file
from app.engine.project_names import CONFIG_FILE, WORKFLOW_FOLDER

_INSTRUCTIONS_LIMIT = 1024 * 1024  # characters of an agent's; no model takes more


@dataclass(frozen=True, slots=True)
class Project:
    """What `longwatch.toml` and the files in `.longwatch/workflows` say, checked against each
    other."""

    root: Path
    config: Config  # with absolute paths, and what its files of instructions say
    workflows: Mapping[str, Workflow]

    def recipe(self, workflow: str) -> Recipe:
        """What a run of that workflow pins. Raises NotFound."""
        found = self.workflows.get(workflow)
        if found is None:
            raise NotFound(not_among(f'no workflow "{workflow}"', workflow, self.workflows))
        if not found.enabled:
            raise Refused(
                f"workflow {workflow} is switched off: set enabled = true in its file to use it"
            )
        parts = parts_of(found, self.workflows)
        used = {name for each in (found, *parts) for name in agents_of(each)}
        agents = tuple(agent for agent in self.config.agent if agent.name in used)
        return Recipe(
            workflow=found,
            agents=agents,
            rules=self.config.rules,
            critical_deciders=self.config.approval.critical_deciders,
            never=tuple(entry.match for entry in self.config.approval.never),
            deadline_seconds=self.config.approval.deadline_seconds,
            mcp=tuple(s for s in self.config.mcp if any(s.name in a.mcp for a in agents)),
            budget=self.config.budget,
            parts=parts,
            env_file=self.config.env_file,
        )

    def route(self, request: Request) -> RouteChoice:
        """The workflow for a request, and why. Raises Refused when nothing matches."""
        choice = self.choice(request)
        if choice is None:
            raise Refused(
                f"no route in {CONFIG_FILE} matches this request (user {request.user}, channel"
                f" {request.channel}, task type {request.task_type}, risk {request.risk}) and"
                " there is no default_workflow; add one, or name a workflow"
            )
        return choice

    def choice(self, request: Request) -> RouteChoice | None:
        """As `route`; None when nothing matches."""
        return choose(request, self.config.route, self.targets, self.config.default_workflow)

    def explain(self, request: Request) -> tuple[RuleReport, ...]:
        """How every route fares with a request, field by field."""
        return explain(request, self.config.route, self.targets)

    @property
    def targets(self) -> tuple[str, ...]:
        """What a request can get; a route to what is switched off falls through."""
        enabled = [name for name, workflow in self.workflows.items() if workflow.enabled]
        return self.config.routable(enabled)


def load_project(root: Path) -> Project:
    """Read a project from its root folder (blocking). Raises ConfigError, which names the file,
    line and key and, where there is no configuration, says to run `longwatch init`."""
    text = _read(root, CONFIG_FILE)
    config = parse_config(text, CONFIG_FILE)
    workflows = _workflows(root, config)
    refuse(
        text, CONFIG_FILE, [*check_routes(config, tuple(workflows)), *_bad_scripts(root, config)]
    )
    return Project(root, with_files(root, config, text), workflows)


def _workflows(root: Path, config: Config) -> dict[str, Workflow]:
    found, files = dict[str, Workflow](), dict[str, WorkflowFile]()
    for file in workflow_files(root, config.agent_names):
        workflow = file.workflow
        if workflow.name in found:
            what = f'{files[workflow.name].source} has a workflow "{workflow.name}" already'
            file.refuse([(("name",), what)])
        found[workflow.name], files[workflow.name] = workflow, file
    if not found:
        raise ConfigError(f"no workflow (*.toml) in {root / WORKFLOW_FOLDER}; run `longwatch init`")
    for name, workflow in found.items():
        files[name].refuse(sub_workflow_problems(workflow, found))
    return found


@dataclass(frozen=True, slots=True)
class WorkflowFile:
    """A workflow that was read, and from where: `source` is relative to the project's root."""

    source: str
    text: str
    workflow: Workflow
    notes: tuple[str, ...] = ()  # on how a workflow of OpenFang's was taken

    def refuse(self, found: Iterable[tuple[KeyPath, str]]) -> None:
        """Raise ConfigError if there are any problems, with their places in the file."""
        lines = json_lines(self.text) if self.source.endswith(".json") else None
        refuse(self.text, self.source, found, lines)


def read_workflow(text: str, source: str, agents: Sequence[str] | None) -> WorkflowFile:
    """A workflow file's content: OpenFang's JSON where `source` ends so, else TOML. Raises
    ConfigError."""
    if not source.endswith(".json"):
        return WorkflowFile(source, text, parse_workflow(text, source, agents))
    from app.domain.openfang import import_openfang  # few projects have such files

    imported = import_openfang(text, source, agents)
    return WorkflowFile(source, text, imported.workflow, imported.notes)


def workflow_files(root: Path, agents: Sequence[str] | None) -> Iterator[WorkflowFile]:
    """The project's workflows, in the order of their files' names (blocking). Raises
    ConfigError."""
    folder = root / WORKFLOW_FOLDER
    for path in sorted([*folder.glob("*.toml"), *folder.glob("*.json")]):
        source = f"{WORKFLOW_FOLDER}/{path.name}"
        yield read_workflow(_read(root, source), source, agents)


def load_config(root: Path) -> Config:
    """`longwatch.toml` alone (blocking). Raises ConfigError, as `load_project` does."""
    return parse_config(_read(root, CONFIG_FILE), CONFIG_FILE)


def read_file(path: Path, source: str) -> str:
    """A file's text (blocking). Raises ConfigError, which calls it `source`."""
    try:
        return path.read_text("utf-8-sig")
    except OSError as error:
        raise ConfigError(f"cannot be read: {error.strerror}", source=source) from error
    except UnicodeDecodeError as error:
        line = error.object[: error.start].count(b"\n") + 1
        raise ConfigError("is not UTF-8 text; save it as UTF-8", source=source, line=line) from None


def _read(root: Path, source: str) -> str:
    if not (root / source).exists():
        raise ConfigError(f"no {source} in {root}; run `longwatch init` there")
    return read_file(root / source, source)


def with_files(root: Path, config: Config, text: str) -> Config:
    """The configuration with absolute paths and the texts that it names (blocking).

    `text` is the file's. Raises ConfigError for what cannot be read, and for a private file that
    is not private.
    """
    problems = list[tuple[KeyPath, str]]()
    agents = [
        _with_instructions(root, _with_script(root, agent), ("agent", i), problems)
        for i, agent in enumerate(config.agent)
    ]
    env_file = str((root / config.env_file).absolute()) if config.env_file else ""
    if env_file:
        try:
            read_env_file(Path(env_file))
        except ConfigError as error:
            problems.append((("env_file",), str(error)))
    refuse(text, CONFIG_FILE, problems)
    return config.model_copy(update={"agent": tuple(agents), "env_file": env_file})


def _with_instructions(
    root: Path, agent: AgentConfig, at: KeyPath, problems: list[tuple[KeyPath, str]]
) -> AgentConfig:
    """With the texts of its files after its own; each under the file's name."""
    if not agent.instructions_files:
        return agent
    said = [agent.instructions]
    for i, name in enumerate(agent.instructions_files):
        try:
            if not (root / name).is_file():  # reading a pipe would never end
                raise ConfigError("is not a file that can be read", source=name)
            if text := read_file(root / name, name).strip():
                said.append(f"{name}:\n\n{text}")
        except ConfigError as error:
            problems.append(((*at, "instructions_files", i), str(error)))
    whole = "\n\n".join(filter(str.strip, said))
    if len(whole) > _INSTRUCTIONS_LIMIT:
        what = f"they are longer than {_INSTRUCTIONS_LIMIT:,} characters together"
        problems.append(((*at, "instructions_files"), what))
    return agent.model_copy(update={"instructions": whole})


def _bad_scripts(root: Path, config: Config) -> Iterator[tuple[KeyPath, str]]:
    for i, agent in enumerate(config.agent):
        path = root / agent.script
        if agent.script and not (path.is_file() and os.access(path, os.R_OK)):
            yield ("agent", i, "script"), f"{path} is not a file that can be read"


def _with_script(root: Path, agent: AgentConfig) -> AgentConfig:
    if not agent.script:
        return agent
    return agent.model_copy(update={"script": str((root / agent.script).resolve())})
