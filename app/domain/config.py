"""The project's configuration file, `longwatch.toml`: agents, routes, approval rules."""

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Annotated

from pydantic import BeforeValidator, Field

from app.domain.approval import Action, ApprovalRule, RuleMatch
from app.domain.attachment import AttachmentLimits
from app.domain.base import Model, trusted
from app.domain.copying import CopyLimits
from app.domain.day_budget import Budget
from app.domain.gate import Name, Seconds, Text
from app.domain.mcp import McpServer, server_of, server_problems
from app.domain.named import address_problem, inside_problem, variable_problem
from app.domain.notify import NotifySection
from app.domain.providers import (
    DEFAULT_MODEL,
    PROVIDERS,
    find_provider,
    shares_endpoint,
    split_model,
)
from app.domain.request import Risk
from app.domain.rollout_config import RolloutEntry, path_problems, rollout_problems
from app.domain.routing import RouteRule
from app.domain.step import OPERATOR
from app.domain.toml_lines import KeyPath
from app.domain.toml_messages import not_among
from app.domain.toml_source import load_toml, refuse
from app.domain.tool_list import lists_server, tool_problem
from app.domain.workflow import AgentConfig

Found = Iterator[tuple[KeyPath, str]]
_ONLY_FOR = {
    "api": ("model",),
    "api_key_env": ("model",),
    "approval": ("codex",),
    "auth": ("acp",),
    "base_url": ("model",),
    "command": ("acp", "codex", "scripted"),
    "compact_messages": ("model",),
    "compact_percent": ("model",),
    "context_tokens": ("model",),
    "fallbacks": ("model",),
    "mcp": ("acp", "model"),
    "mode": ("acp",),
    "script": ("scripted",),
    "speed": ("scripted",),
    "start_seconds": ("acp", "codex"),
}
_CONDITIONS = ("tool", "command", "command_exact", "path", "agent", "max_risk", "min_risk")


class RuleEntry(Model):
    """An approval rule as it stands in the file: flat, without a rule for one session."""

    name: Text
    tool: Text | None = None
    command: Text | None = None
    command_exact: Text | None = None
    path: Text | None = None
    agent: Text | None = None
    max_risk: Risk | None = None
    min_risk: Risk | None = None
    action: Action
    reason: str = ""
    allow_critical: bool = False

    def rule(self) -> ApprovalRule:
        """The rule in the words of the approval policy."""
        return ApprovalRule(
            name=self.name,
            match=RuleMatch(**{name: getattr(self, name) for name in _CONDITIONS}),
            action=self.action,
            reason=self.reason,
            allow_critical=self.allow_critical,
        )


def _never(value: object) -> object:
    """A text alone is the glob of a command."""
    return {"command": value} if isinstance(value, str) else value


class NeverEntry(Model):
    """A call that nobody can allow: a glob of a command, or conditions as those of a rule."""

    tool: Text | None = None
    command: Text | None = None
    path: Text | None = None
    agent: Text | None = None

    @property
    def match(self) -> RuleMatch:
        return RuleMatch(**self.model_dump())


class ApprovalSection(Model):
    """`[approval]`: the rules in the order in which they are tried, and what stands above them."""

    rule: tuple[RuleEntry, ...] = ()
    never: tuple[Annotated[NeverEntry, BeforeValidator(_never)], ...] = ()
    deadline_seconds: Seconds | None = None  # then an unanswered call times out; None: it waits
    # How many different persons must allow a call of critical risk; one is enough to deny it.
    critical_deciders: int = Field(default=1, ge=1, le=5)


class Config(Model):
    """All of `longwatch.toml`."""

    default_workflow: Name | None = None  # for requests that no route matches
    # A private file of NAME=value lines: what the environment does not have of the variables that
    # are named here. Relative to the project; absolute once loaded.
    env_file: str = ""
    agent: tuple[AgentConfig, ...] = Field(min_length=1)
    mcp: tuple[McpServer, ...] = ()
    route: tuple[RouteRule, ...] = ()
    rollout: tuple[RolloutEntry, ...] = ()
    approval: ApprovalSection = trusted(ApprovalSection)
    budget: Budget = trusted(Budget)
    attachments: AttachmentLimits = trusted(AttachmentLimits)
    copies: CopyLimits = trusted(CopyLimits)
    notify: NotifySection | None = None

    @property
    def agent_names(self) -> tuple[str, ...]:
        return tuple(agent.name for agent in self.agent)

    def rollout_of(self, name: str) -> RolloutEntry | None:
        """The rollout that answers what routing sends to `name`."""
        return next((entry for entry in self.rollout if entry.name == name), None)

    def routable(self, enabled: Sequence[str]) -> tuple[str, ...]:
        """What a route can lead to: the workflows that are switched on, and the rollouts, but for
        one whose stable path is a workflow that is not."""
        rollouts = (
            entry.name
            for entry in self.rollout
            if entry.stable_path.workflow is None or entry.stable_path.workflow in enabled
        )
        return tuple(dict.fromkeys([*enabled, *rollouts]))

    @property
    def rules(self) -> tuple[ApprovalRule, ...]:
        return tuple(entry.rule() for entry in self.approval.rule)


def parse_config(text: str, source: str) -> Config:
    """Read and check a configuration; `source` names the file in errors. Raises ConfigError."""
    config = load_toml(text, source, Config)
    refuse(text, source, _problems(config))
    return config


def check_routes(config: Config, workflows: Sequence[str]) -> Found:
    """Names of workflows in the configuration that do not exist."""
    for i, rollout in enumerate(config.rollout):
        yield from path_problems(("rollout", i), rollout, workflows)
    targets = [*dict.fromkeys([*workflows, *(entry.name for entry in config.rollout)])]
    default = config.default_workflow
    if default is not None:
        yield from _target(("default_workflow",), default, config, targets)
    for i, rule in enumerate(config.route):
        yield from _target(("route", i, "workflow"), rule.workflow, config, targets)


def _target(at: KeyPath, name: str, config: Config, targets: Sequence[str]) -> Found:
    if name not in targets:
        yield at, not_among(f'no workflow "{name}"', name, targets)
    elif config.rollout_of(name) is None:
        for rollout in config.rollout:
            if rollout.candidate_workflow == name:
                what = f'is the candidate of rollout "{rollout.name}": route to that'
                yield at, f'workflow "{name}" {what}'


def repeated(names: Sequence[str]) -> Iterator[tuple[int, str]]:
    """The places, from 0, of names that stand earlier in the list already."""
    seen = Counter[str]()
    for i, name in enumerate(names):
        seen[name] += 1
        if seen[name] > 1:
            yield i, name


def _problems(config: Config) -> Found:
    for i, agent in enumerate(config.agent):
        yield from _agent(("agent", i), agent)
    for i, name in repeated(config.agent_names):
        yield ("agent", i, "name"), f'there is an agent "{name}" already'
    for i, server in enumerate(config.mcp):
        yield from server_problems(("mcp", i), server)
    for i, name in repeated([server.name for server in config.mcp]):
        yield ("mcp", i, "name"), f'there is an MCP server "{name}" already'
    yield from _servers(config)
    for i, name in enumerate(config.notify.env if config.notify else ()):
        if problem := variable_problem(name):
            yield ("notify", "env", i), problem
    for i, route in enumerate(config.route):
        yield from _route(("route", i), route)
    for i, name in repeated([entry.name for entry in config.rollout]):
        yield ("rollout", i, "name"), f'there is a rollout "{name}" already'
    for i, rollout in enumerate(config.rollout):
        yield from rollout_problems(("rollout", i), rollout, config.agent_names)
    for i, name in repeated([entry.name for entry in config.approval.rule]):
        yield ("approval", "rule", i, "name"), f'there is a rule "{name}" already'
    for i, never in enumerate(config.approval.never):
        yield from _never_problem(("approval", "never", i), never, config.agent_names)
    for i, entry in enumerate(config.approval.rule):
        yield from _rule(("approval", "rule", i), entry, config.agent_names)


def _agent(at: KeyPath, agent: AgentConfig) -> Found:
    if agent.name == OPERATOR:
        yield (*at, "name"), f'"{OPERATOR}" means the person; give the agent another name'
    if agent.driver == "scripted" and not agent.script:
        yield at, 'driver "scripted" needs `script`, the path of its script file'
    if agent.driver == "acp" and not agent.command:
        yield at, 'driver "acp" needs `command`, such as ["opencode", "acp"]'
    for key in sorted(agent.model_fields_set & _ONLY_FOR.keys()):
        if agent.driver not in _ONLY_FOR[key]:
            drivers = " and ".join(f'"{driver}"' for driver in _ONLY_FOR[key])
            yield (*at, key), f"only for driver {drivers}"
    if agent.sandbox == "bubblewrap" and agent.driver not in ("acp", "model"):
        yield (*at, "sandbox"), '"bubblewrap" is only for drivers "acp" and "model"'
    if agent.driver == "model":
        yield from _endpoint(at, agent)
    for i, name in enumerate(agent.env):
        if problem := variable_problem(name):
            yield (*at, "env", i), problem
    for i, file in enumerate(agent.instructions_files):
        if problem := inside_problem(file):
            yield (*at, "instructions_files", i), problem
    for i, name in enumerate(agent.tools or ()):
        if (wrong := tool_problem(name)) is not None:
            yield (*at, "tools", i), wrong


def _servers(config: Config) -> Found:
    """What agents say of MCP servers, against those that there are."""
    names = [server.name for server in config.mcp]
    for i, agent in enumerate(config.agent):
        for n, name in enumerate(agent.mcp):
            at = ("agent", i, "mcp", n)
            if name not in names:
                yield at, not_among(f'no MCP server "{name}"', name, names)
            elif not lists_server(agent, name):
                yield at, f'`tools` has neither "mcp:{name}" nor one of its tools'
        for n, name in enumerate(agent.tools or ()):
            server = server_of(name)
            if agent.driver == "model" and name.startswith("mcp:") and server not in agent.mcp:
                what = f'agent "{agent.name}" has no MCP server "{server}"'
                yield ("agent", i, "tools", n), not_among(what, server, agent.mcp)


def _endpoint(at: KeyPath, agent: AgentConfig) -> Found:
    """What must be known of a model before anybody is paid."""
    yield from _model((*at, "model"), agent.model or DEFAULT_MODEL, agent.base_url)
    for i, name in enumerate(agent.fallbacks):
        own = shares_endpoint(agent.model or DEFAULT_MODEL, name)
        yield from _model((*at, "fallbacks", i), name, agent.base_url if own else "")
        if name in (agent.model or DEFAULT_MODEL, *agent.fallbacks[:i]):
            yield (*at, "fallbacks", i), f'"{name}" is tried before already'
    if agent.base_url and (wrong := address_problem(agent.base_url)):
        yield (*at, "base_url"), wrong
    if agent.api_key_env and (wrong := variable_problem(agent.api_key_env)):
        yield (*at, "api_key_env"), wrong


def _model(at: KeyPath, name: str, base_url: str) -> Found:
    """Whether it can be told where a model is."""
    named = split_model(name)
    provider = find_provider(named.provider)
    if not named.model or not named.provider:
        yield at, 'not "provider/model", such as "anthropic/claude-sonnet-4-5"'
    if base_url:
        return
    if provider is None:
        names = [p.name for p in PROVIDERS if p.base_url]
        what = f'no provider "{named.provider}" is known, and no `base_url` says where it is'
        yield at, not_among(what, named.provider, names)
    elif provider.base_url is None:
        yield at, f'"{provider.name}" cannot be used by driver "model": {provider.instead}'


def _route(at: KeyPath, route: RouteRule) -> Found:
    if route.max_risk is not None and route.allow_risks is not None:
        yield (*at, "allow_risks"), "give either max_risk or allow_risks"
    if route.allow_risks == ():
        yield (*at, "allow_risks"), "an empty list lets no request through; leave the key out"


def _never_problem(at: KeyPath, never: NeverEntry, agents: Sequence[str]) -> Found:
    if never.agent is not None and never.agent not in agents:
        yield at, not_among(f'no agent "{never.agent}"', never.agent, agents)
    if never == NeverEntry() or never.command == "*":
        yield at, 'this would deny everything; name a command, such as "terraform destroy*"'


def _rule(at: KeyPath, rule: RuleEntry, agents: Sequence[str]) -> Found:
    if rule.agent is not None and rule.agent not in agents:
        yield (*at, "agent"), not_among(f'no agent "{rule.agent}"', rule.agent, agents)
    if rule.max_risk and rule.min_risk and rule.min_risk.rank > rule.max_risk.rank:
        yield (*at, "min_risk"), "min_risk is above max_risk: the rule can never match"
    if rule.action is not Action.ALLOW and rule.allow_critical:
        yield (*at, "allow_critical"), 'has a meaning only with action = "allow"'
    if rule.action is Action.ALLOW and all(getattr(rule, c) is None for c in _CONDITIONS):
        yield at, 'this would allow everything; give a condition such as max_risk = "low"'
