"""What is wrong with a gate, told when its workflow is loaded."""

from __future__ import annotations

from collections.abc import Sequence

from app.domain.config import Found, repeated
from app.domain.gate import GATE_KEYS, Gate, GateKind
from app.domain.gate_check import pattern_problem
from app.domain.gate_schema import schema_problem
from app.domain.prompts import check_template
from app.domain.step import OPERATOR
from app.domain.toml_lines import KeyPath
from app.domain.toml_messages import not_among


def gates_problems(
    at: KeyPath, gates: Sequence[Gate], agents: Sequence[str] | None, earlier: Sequence[str]
) -> Found:
    """Of all gates of the step at `at`."""
    for i, name in repeated([gate.name for gate in gates]):
        yield (*at, "gate", i, "name"), f'this step has a gate "{name}" already'
    for i, gate in enumerate(gates):
        yield from _gate((*at, "gate", i), gate, agents, earlier)


def _gate(at: KeyPath, gate: Gate, agents: Sequence[str] | None, earlier: Sequence[str]) -> Found:
    if gate.command and gate.shell.strip():
        yield (*at, "shell"), "give either command (a list of words) or shell (a line), not both"
        return
    blank = gate.kinds == (GateKind.COMMAND,) and not gate.command and not gate.shell.strip()
    if not gate.kinds or blank:
        yield (
            at,
            (
                'give either command = ["word", …] or shell = "a line for /bin/sh"; or else '
                "json_schema, pattern, forbid, max_diff_lines, allow_paths, judge or person"
            ),
        )
        return
    if len(gate.kinds) > 1:
        named = " and ".join(_key(gate, kind) for kind in gate.kinds)
        yield at, f"{named} are checks of different kinds: make a gate of each"
    if gate.sandbox != "none" and gate.kind is not GateKind.COMMAND:
        yield (*at, "sandbox"), "only for a gate with command or shell"
    yield from _words(at, gate, agents, earlier)


def _key(gate: Gate, kind: GateKind) -> str:
    return next(key for key in GATE_KEYS[kind] if key in gate.model_fields_set)


def _words(at: KeyPath, gate: Gate, agents: Sequence[str] | None, earlier: Sequence[str]) -> Found:
    for key in ("pattern", "forbid"):
        expression = getattr(gate, key)
        if expression and (problem := pattern_problem(expression)):
            yield (*at, key), problem
    for i, glob in enumerate(gate.allow_paths):
        if ".." in glob.split("/"):
            what = "paths are those of the repository, from its root; none leads out of it"
            yield (*at, "allow_paths", i), f'"{glob}" matches nothing: {what}'
    if gate.json_schema is not None and (problem := schema_problem(gate.json_schema)):
        yield (*at, "json_schema"), problem
    if gate.judge == OPERATOR:
        yield (*at, "judge"), "for a verdict of yours give person = true"
    elif gate.judge and agents is not None and gate.judge not in agents:
        what = f'no agent "{gate.judge}" in longwatch.toml'
        yield (*at, "judge"), not_among(what, gate.judge, agents)
    if gate.judge and not gate.criteria.strip() and not gate.prompt.strip():
        yield at, "a judge needs criteria to judge by, or a prompt of its own"
    if gate.prompt and not gate.judge:
        yield (*at, "prompt"), "has a meaning only with judge"
    elif gate.prompt:
        for problem in check_template(gate.prompt, "judge", earlier):
            yield (*at, "prompt"), problem
