"""Random workflows of every kind of step, made from a seed."""

from __future__ import annotations

from random import Random
from typing import Any

from app.domain.approval import Action, ApprovalRule, RuleMatch
from app.domain.request import Risk
from app.domain.workflow import AgentConfig, Recipe, Workflow

AGENTS = ("ada", "bob", "cleo", "judge")
_PROMPT = "sim:work\n{{ request.text }}\n{{ input }}"
_LIST = "sim:list\n{{ request.text }}"
_CONDITIONS = ("'DONE' in input", "attempt == 1", "input | length > 9")
Fields = dict[str, Any]


def random_recipe(chance: Random) -> Recipe:
    """What a run pins: one workflow, perhaps with parts, its agents and rules."""
    parts = tuple(
        Workflow.model_validate(_Steps(chance, f"part-{n}", ()).workflow())
        for n in range(chance.choice((0, 0, 1)))
    )
    names = tuple(part.name for part in parts)
    workflow = Workflow.model_validate(_Steps(chance, "whole", names).workflow())
    agents = tuple(
        AgentConfig(name=name, driver="scripted", max_parallel=chance.choice((0, 0, 1, 2)))
        for name in AGENTS
    )
    return Recipe(workflow=workflow, agents=agents, rules=_rules(chance), parts=parts)


def _rules(chance: Random) -> tuple[ApprovalRule, ...]:
    rules = []
    if chance.random() < 0.3:
        match = RuleMatch(max_risk=Risk.MEDIUM)
        rules.append(ApprovalRule(name="up to medium", match=match, action=Action.ALLOW))
    if chance.random() < 0.2:
        match = RuleMatch(command="git push*")
        rules.append(ApprovalRule(name="no push", match=match, action=Action.DENY))
    return tuple(rules)


class _Steps:
    """Builds a workflow step by step; each kind knows what of the earlier ones it can use."""

    def __init__(self, chance: Random, name: str, parts: tuple[str, ...]) -> None:
        self._chance = chance
        self._name = name
        self._parts = parts
        self._steps: list[Fields] = []
        self._kinds = [
            (4, self._agent),
            (2, self._review),
            (2, self._fan_out),
            (2, self._collect),
            (1, self._gate_only),
            (1, self._question),
            (1, self._part),
        ]

    def workflow(self) -> Fields:
        self._agent()
        for _ in range(self._chance.randint(0, 5)):
            weights = [weight for weight, _ in self._kinds]
            (_, make), *_ = self._chance.choices(self._kinds, weights)
            make()
        chance = self._chance
        return {
            "name": self._name,
            "max_parallel": chance.choice((0, 0, 1, 3)),
            "timeout_seconds": chance.choice((None, None, None, 200.0)),
            "steps": self._steps,
        }

    def _named(self, *kinds: str) -> list[str]:
        return [s["name"] for s in self._steps if s.get("kind", "agent") in kinds]

    def _before(self, name: str) -> set[str]:
        """All steps that a step needs, directly or not."""
        names = [s["name"] for s in self._steps]
        place = names.index(name)
        direct = self._steps[place].get("needs", names[max(0, place - 1) : place])
        return {*direct, *(far for near in direct for far in self._before(near))}

    def _add(self, fields: Fields) -> None:
        chance, names = self._chance, [s["name"] for s in self._steps]
        fields["name"] = f"s{len(names) + 1}"
        if names and chance.random() < 0.3 and "needs" not in fields:
            must = {fields.get("of"), fields.get("for_each"), fields.get("return_to")}
            chosen = {*chance.sample(names, chance.randint(0, min(2, len(names))))}
            fields["needs"] = [name for name in names if name in chosen | must]
        if names and chance.random() < 0.15:
            fields["when"] = chance.choice(
                ("'DONE' in input", "attempt == 1", "input | length > 9")
            )
        self._steps.append(fields)

    def _gates(self) -> list[Fields]:
        return [self._one_gate(n) for n in range(self._chance.choice((0, 0, 0, 1, 1, 2)))]

    def _one_gate(self, number: int) -> Fields:
        chance = self._chance
        check = chance.choice(
            (
                {"command": ["true"]},
                {"shell": "true"},
                {"pattern": "DONE"},
                {"json_schema": {"type": "string"}},
                {"max_diff_lines": chance.choice((0, 5, 50))},
                {"judge": "judge", "criteria": "is it good?"},
                {"person": True, "criteria": "do you like it?"},
            )
        )
        return {
            "name": f"g{number}",
            "on_failure": chance.choice(("return", "return", "block", "fail")),
            "max_returns": chance.randint(0, 2),
            "timeout_seconds": 20.0,
            **check,
        }

    def _working(self) -> Fields:
        chance = self._chance
        return {
            "agent": chance.choice(AGENTS[:3]),
            "prompt": _PROMPT,
            "gates": self._gates(),
            "timeout_seconds": chance.choice((15.0, 60.0)),
            "step_timeout_seconds": chance.choice((None, None, 90.0)),
            "retry": {"max_retries": chance.randint(0, 2), "delay_seconds": 3.0},
            "on_error": chance.choice(("block", "block", "fail", "skip")),
        }

    def _agent(self) -> None:
        fields = self._working()
        if self._chance.random() < 0.25:
            turns = self._chance.randint(1, 3)
            fields["loop"] = {"until": "'DONE' in output", "max_iterations": turns}
        self._add(fields)

    def _review(self) -> None:
        chance, agents = self._chance, self._named("agent")
        of = chance.choice(agents)
        by = chance.sample(("judge", "ada", "operator"), chance.randint(1, 2))
        fields = {
            "kind": "review",
            "of": of,
            "by": by,
            "require": chance.choice(("all", "all", "any")),
            "return_to": chance.choice([n for n in agents if n == of or n in self._before(of)]),
            "max_rejects": chance.randint(0, 2),
            "timeout_seconds": 30.0,
        }
        self._add(fields)

    def _fan_out(self) -> None:
        chance = self._chance
        fields = self._working() | {
            "kind": "fan_out",
            "max_parallel": chance.choice((0, 0, 1)),
            "merge": chance.random() < 0.8,
        }
        lists = [s for s in self._steps if s.get("kind", "agent") == "agent" and "loop" not in s]
        if lists and chance.random() < 0.5:
            source = chance.choice(lists)
            source["prompt"], source["gates"] = _LIST, []
            fields["for_each"] = source["name"]
            fields["prompt"] = "sim:branch\n{{ item }}"
        else:
            count = chance.randint(1, 3)
            fields["branches"] = [{"name": f"b{n}"} for n in range(count)]
        self._add(fields)

    def _collect(self) -> None:
        chance = self._chance
        sources = self._named("fan_out") or self._named("agent")[-2:]
        fields: Fields = {
            "kind": "collect",
            "of": sources,
            "needs": sources,
            "take": chance.choice(("all", "quorum", "first", "best")),
            "late": chance.choice(("cancel", "ignore")),
            "merge": chance.random() < 0.8,
            "gates": self._gates() if chance.random() < 0.3 else [],
            "on_error": chance.choice(("block", "skip")),
        }
        fields["best_by"] = "g0" if fields["take"] == "best" else ""
        self._add(fields)

    def _gate_only(self) -> None:
        agents = self._named("agent")
        fields = {
            "kind": "gate",
            "gates": [self._one_gate(0)],
            "return_to": self._chance.choice(["", *agents]),
            "on_error": self._chance.choice(("block", "skip")),
        }
        self._add(fields)

    def _question(self) -> None:
        choices = self._chance.choice(((), ("yes", "no")))
        self._add({"kind": "question", "question": "and now? {{ input }}", "choices": choices})

    def _part(self) -> None:
        if self._parts:
            part = self._chance.choice(self._parts)
            on_error = self._chance.choice(("block", "skip"))
            self._add({"kind": "workflow", "workflow": part, "on_error": on_error})
