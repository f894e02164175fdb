"""What is made of a source: the project's configuration and workflows, as texts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from app.domain.config import Config, RuleEntry, check_routes, parse_config
from app.domain.mcp import McpServer
from app.domain.providers import DEFAULT_MODEL, PROVIDERS
from app.domain.routing import RouteRule
from app.domain.step import AgentStep
from app.domain.text import printable
from app.domain.toml_source import refuse
from app.domain.workflow import AgentConfig, Workflow
from app.domain.workflow_check import parse_workflow
from app.domain.workflow_toml import workflow_toml
from app.migrate.openclaw.agents import Agent
from app.migrate.openclaw.tool_names import OURS

if TYPE_CHECKING:
    from tomlkit.items import Table

CONFIG_FILE = "longwatch.toml"
SECRETS_FILE = ".longwatch/secrets.env"
WORKFLOWS = ".longwatch/workflows"
AGENTS = ".longwatch/agents"
IMPORTED = ".longwatch/imported"
PROMPT = """\
{{ request.text }}
{% if reasons %}

Your last answer was sent back. Meet each of these reasons:
{% for reason in reasons %}
- {{ reason }}
{% endfor %}
{% endif %}"""
JOB_COMMENTS = (
    "A recurring job of OpenClaw's. Longwatch has no scheduler: once enabled is true, start it",
    "from one (cron, systemd) with `longwatch run` and the name of this workflow.",
)
_HEAD = """\
Made by `longwatch migrate {system}`: agents, approval rules and routes of an installation of it.
Nobody may do more here than there; what was not taken over, and why, is in the report of the
migration.
"""


def our_words() -> str:
    """Every word that our files have by themselves, whatever the source was."""
    fields = (*Config.model_fields, *AgentConfig.model_fields, *RuleEntry.model_fields)
    more = (
        *RouteRule.model_fields,
        *McpServer.model_fields,
        *Workflow.model_fields,
        *OURS.values(),
    )
    providers = [word for p in PROVIDERS for word in (p.name, p.key_env, p.base_url or "")]
    fixed = (_HEAD, PROMPT, DEFAULT_MODEL, SECRETS_FILE, WORKFLOWS, AGENTS, IMPORTED, *JOB_COMMENTS)
    rules = f"{OURS} approval rule action reason deny ask route answer the tool policy of denies it"
    drivers = "model acp codex bubblewrap read-only workspace-write A request that answers"
    return " ".join([*fields, *more, *providers, *fixed, rules, drivers])


@dataclass(slots=True)
class Configuration:
    """All that stands in the configuration file."""

    agents: list[Agent] = field(default_factory=list)
    routes: list[RouteRule] = field(default_factory=list)
    servers: list[dict[str, Any]] = field(default_factory=list)
    default_workflow: str = ""
    has_secrets: bool = False


def config_text(config: Configuration, system: str) -> str:
    """The text of `longwatch.toml`. Raises ConfigError if it would not load."""
    import tomlkit

    document = tomlkit.document()
    for line in _HEAD.format(system=system).strip().split("\n"):
        document.add(tomlkit.comment(line))
    document.add(tomlkit.nl())
    if config.has_secrets:
        document.add("env_file", tomlkit.item(SECRETS_FILE))
    if config.default_workflow:
        document.add("default_workflow", tomlkit.item(config.default_workflow))
    _tables(document, "agent", [agent_fields(agent) for agent in config.agents], config)
    _tables(document, "mcp", config.servers)
    _tables(document, "route", [_set(route) for route in config.routes])
    rules = [rule for agent in config.agents for rule in _rules(agent)]
    if rules:
        approval = tomlkit.table(is_super_table=True)
        _tables(approval, "rule", rules)
        document.add("approval", approval)
    text = tomlkit.dumps(document)
    names = [agent.name for agent in config.agents]
    refuse(text, CONFIG_FILE, check_routes(parse_config(text, CONFIG_FILE), names))
    return text


def agent_fields(agent: Agent) -> dict[str, Any]:
    """An agent's table; what is as by default is left out."""
    choice, end = agent.choice, agent.choice.endpoint
    found: dict[str, Any] = {"name": agent.name, "driver": agent.driver}
    if agent.command:
        found["command"] = list(agent.command)
    if agent.driver == "model":
        found["model"] = choice.primary.name
        if choice.fallbacks:
            found["fallbacks"] = [ref.name for ref in choice.fallbacks]
        found |= {"base_url": end.base_url, "api": end.api, "api_key_env": end.api_key_env}
        found["context_tokens"] = choice.context_tokens
    found["env"] = list(agent.env)
    found["sandbox"] = agent.sandbox
    found = {key: value for key, value in found.items() if value}
    found["tools"] = list(agent.policy.tools)
    if agent.servers:
        found["mcp"] = list(agent.servers)
    if agent.instructions:
        found["instructions"] = agent.instructions
    if agent.files:
        found["instructions_files"] = list(agent.files)
    return found


def _rules(agent: Agent) -> list[dict[str, Any]]:
    """Approval rules of an agent: nothing is allowed by them, only denied or asked about."""
    rules: list[dict[str, Any]] = [
        {
            "name": f"{agent.name}-denies-{tool}",
            "agent": agent.name,
            "tool": tool,
            "action": "deny",
            "reason": f"the tool policy of {agent.name} denies it",
        }
        for tool in ("shell", "edit", "fetch")
        if tool in agent.policy.denied and (tool != "edit" or "write" in agent.policy.denied)
    ]
    if agent.asks_shell and "shell" in agent.policy.tools:
        rules.append(
            {
                "name": f"{agent.name}-asks-shell",
                "agent": agent.name,
                "tool": "shell",
                "action": "ask",
                "reason": agent.asks_shell,
            }
        )
    return rules


def _set(route: RouteRule) -> dict[str, Any]:
    return route.model_dump(mode="json", exclude_defaults=True)


def _tables(
    parent: Any, key: str, rows: Sequence[Mapping[str, Any]], config: Configuration | None = None
) -> None:
    import tomlkit

    if not rows:
        return
    tables = tomlkit.aot()
    for i, row in enumerate(rows):
        table = tomlkit.table()
        if config is not None and (why := config.agents[i].choice.endpoint.missing):
            table.add(tomlkit.comment(_comment(f"Set base_url to use this agent: {why}.")))
        _fill(table, row)
        tables.append(table)
    parent.add(key, tables)


def _fill(table: Table, row: Mapping[str, Any]) -> None:
    import tomlkit

    for key, value in row.items():
        if isinstance(value, dict):
            inner = tomlkit.inline_table()
            for name, one in value.items():
                inner.add(name, one)
            table.add(key, inner)
        elif isinstance(value, str) and "\n" in value and _readable(value):
            table.add(key, tomlkit.string(value, multiline=True))
        else:
            table.add(key, tomlkit.item(value))


def _readable(text: str) -> bool:
    """Whether a text can stand in several lines as it is."""
    return printable(text) == text and '"""' not in text and "\\" not in text and text[-1] != '"'


def _comment(text: str) -> str:
    return " ".join(printable(text).split())[:300]


def workflow_text(
    name: str, agent: str, description: str, comments: Sequence[str], *, prompt: str = PROMPT,
    enabled: bool = True,
) -> str:  # fmt: skip
    """A workflow that has one agent answer. Raises ConfigError if it would not load."""
    workflow = Workflow(
        name=name,
        description=description,
        enabled=enabled,
        steps=(AgentStep(name="answer", agent=agent, prompt=prompt),),
    )
    text = workflow_toml(workflow, comments)
    parse_workflow(text, f"{WORKFLOWS}/{name}.toml", [agent])
    return text


def literal(text: str) -> str:
    """A text that a template gives as it is."""
    return "{{ " + repr_template(text) + " }}" if "{" in text else text


def repr_template(text: str) -> str:
    """A string of the template language."""
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n") + '"'
