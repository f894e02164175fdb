"""OpenFang's workflow JSON as it stands in the file, read field by field.

Both ways of writing it are read: as OpenFang stores a workflow (tagged modes, `prompt_template`,
`agent: {"name": …}`) and as its API takes one (flat: `prompt`, `agent_name`, `max_retries`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal

from app.domain import openfang_fields as fields
from app.domain.json_source import json_lines, load_json
from app.domain.openfang_fields import Findings
from app.domain.toml_lines import KeyPath
from app.domain.toml_messages import not_among, shown

Mode = Literal["sequential", "fan_out", "collect", "conditional", "loop", "review"]
ErrorMode = Literal["fail", "skip", "retry"]
_MODES: tuple[Mode, ...] = ("sequential", "fan_out", "collect", "conditional", "loop", "review")
_ERROR_MODES: tuple[ErrorMode, ...] = ("fail", "skip", "retry")
# The settings of each mode, in its object or, flat, in the step itself.
_SETTINGS: dict[Mode, tuple[str, ...]] = {
    "conditional": ("condition",),
    "loop": ("max_iterations", "until"),
    "review": ("reject_if_contains", "return_to_step", "max_rejects"),
}
_FLAT = tuple(name for names in _SETTINGS.values() for name in names)
_WORKFLOW_KEYS = ("id", "name", "description", "steps", "created_at")
_STEP_KEYS = (
    *("name", "agent", "agent_id", "agent_name", "prompt_template", "prompt", "mode"),
    *("timeout_secs", "error_mode", "max_retries", "output_var", *_FLAT),
)
TIMEOUT, RETRIES, ITERATIONS, REJECTS = 120, 3, 5, 3  # OpenFang's defaults
_MOST = 10**9  # seconds; anything longer is for ever


@dataclass(frozen=True, slots=True)
class FangStep:
    """One step as OpenFang means it. What its mode does not have keeps its default."""

    at: KeyPath
    name: str
    agent: str
    prompt: str
    mode: Mode
    timeout_secs: int
    error_mode: ErrorMode
    max_retries: int
    output_var: str
    condition: str = ""
    until: str = ""
    max_iterations: int = ITERATIONS
    reject_if_contains: str = ""
    return_to: str = ""
    max_rejects: int = REJECTS


@dataclass(frozen=True, slots=True)
class FangWorkflow:
    """A workflow as OpenFang means it; its steps run in their order."""

    id: str
    name: str
    description: str
    created_at: str
    steps: tuple[FangStep, ...]


def read_fang(text: str, found: Findings) -> FangWorkflow:
    """Read the JSON. Raises FileErrors with everything that is wrong."""
    data = load_json(text, found.source)
    found.lines = json_lines(text)
    if not isinstance(data, dict):
        found.wrong((), 'must be one workflow: an object with "name" and "steps"')
        found.settle()
    fields.unknown((), data, _WORKFLOW_KEYS, found)
    listed = data.get("steps")
    if not isinstance(listed, list) or not listed:
        found.wrong(("steps",), "must be a list with at least one step")
        listed = []
    steps = [_step(("steps", i), step, found) for i, step in enumerate(listed)]
    name = fields.text((), data, "name", found, default="workflow")
    if "name" not in data:
        found.wrong(("name",), "this key is missing")
    read = FangWorkflow(
        id=fields.text((), data, "id", found),
        name=name,
        description=fields.text((), data, "description", found),
        created_at=fields.text((), data, "created_at", found),
        steps=tuple(step for step in steps if step is not None),
    )
    found.settle()
    return read


def _step(at: KeyPath, data: Any, found: Findings) -> FangStep | None:
    if not isinstance(data, dict):
        found.wrong(at, f"must be an object, not {shown(data)}")
        return None
    fields.unknown(at, data, _STEP_KEYS, found)
    mode, place, settings = _mode(at, data, found)
    error_mode, retries = _error_mode(at, data, found)
    number = at[-1]
    assert isinstance(number, int)
    name = fields.text(at, data, "name", found, default=f"step {number + 1}")
    common = FangStep(
        at=at,
        name=name,
        agent=_agent(at, data, found, needed=mode != "collect"),
        prompt=_prompt(at, data, found, needed=mode != "collect"),
        mode=mode,
        timeout_secs=fields.number(at, data, "timeout_secs", found, TIMEOUT, least=1, most=_MOST),
        error_mode=error_mode,
        max_retries=retries,
        output_var=fields.text(at, data, "output_var", found),
    )
    return _with_mode(common, place, settings, found)


def _mode(at: KeyPath, data: Mapping[str, Any], found: Findings) -> tuple[Mode, KeyPath, Any]:
    """The mode, and where its settings stand: in the mode's object or in the step."""
    value = "sequential" if data.get("mode") is None else data["mode"]
    place, settings, tagged = at, data, isinstance(value, dict) and len(value) == 1
    if isinstance(value, dict) and len(value) == 1:
        ((value, inner),) = value.items()
        place = (*at, "mode", value)
        settings = {} if inner is None else inner
    if not isinstance(value, str) or value not in _MODES:
        found.wrong((*at, "mode"), not_among(f"{shown(value)} is no mode", _word(value), _MODES))
        return "sequential", at, {}
    mode: Mode = next(m for m in _MODES if m == value)
    if not isinstance(settings, dict):
        found.wrong(place, f"must be an object, not {shown(settings)}")
        settings = {}
    own = _SETTINGS.get(mode, ())
    if tagged:
        fields.unknown(place, settings, own, found)
    for key in _FLAT:
        if key in data and data[key] is not None and (tagged or key not in own):
            found.note((*at, key), f"has no meaning in mode {mode}; left out")
    return mode, place, settings


def _with_mode(step: FangStep, at: KeyPath, data: Any, found: Findings) -> FangStep:
    if step.mode == "conditional":
        return replace(step, condition=fields.needed(at, data, "condition", found))
    if step.mode == "loop":
        times = fields.number(at, data, "max_iterations", found, ITERATIONS, most=1000)
        return replace(step, until=fields.text(at, data, "until", found), max_iterations=times)
    if step.mode == "review":
        return replace(
            step,
            reject_if_contains=fields.needed(at, data, "reject_if_contains", found),
            return_to=fields.needed(at, data, "return_to_step", found),
            max_rejects=fields.number(at, data, "max_rejects", found, REJECTS, most=100),
        )
    return step


def _word(value: Any) -> str:
    return value if isinstance(value, str) else ""


def _error_mode(at: KeyPath, data: Mapping[str, Any], found: Findings) -> tuple[ErrorMode, int]:
    value, place, settings = data.get("error_mode"), (*at, "error_mode"), data
    where: KeyPath = at
    tagged = isinstance(value, dict) and len(value) == 1
    if isinstance(value, dict) and len(value) == 1:
        ((value, inner),) = value.items()
        where = (*place, value)
        settings = {} if inner is None else inner
        if isinstance(inner, int) and not isinstance(inner, bool):
            settings = {"max_retries": inner}
    if value is None:
        value = "fail"
    if not isinstance(value, str) or value not in _ERROR_MODES:
        found.wrong(
            place, not_among(f"{shown(value)} is no error mode", _word(value), _ERROR_MODES)
        )
        return "fail", 0
    mode: ErrorMode = next(m for m in _ERROR_MODES if m == value)
    if not isinstance(settings, dict):
        found.wrong(where, f"must be an object, not {shown(settings)}")
        return mode, 0
    if tagged:
        fields.unknown(where, settings, ("max_retries",), found)
    if data.get("max_retries") is not None and (tagged or mode != "retry"):
        found.note((*at, "max_retries"), "has no meaning beside this error_mode; left out")
    if mode != "retry":
        return mode, 0
    return mode, fields.number(where, settings, "max_retries", found, RETRIES, most=100)


def _agent(at: KeyPath, data: Mapping[str, Any], found: Findings, *, needed: bool) -> str:
    """The agent's name or, where there is only that, its id."""
    value, place = data.get("agent"), (*at, "agent")
    if isinstance(value, dict):
        fields.unknown(place, value, ("id", "name"), found)
        names = [fields.text(place, value, key, found) for key in ("name", "id")]
    elif isinstance(value, str):
        names = [value]
    else:
        if value is not None:
            found.wrong(place, f"must be an object, not {shown(value)}")
        names = []
    names += [fields.text(at, data, key, found) for key in ("agent_name", "agent_id")]
    given = [name for name in names if name]
    if needed and not given:
        found.wrong(place, 'this key is missing: {"name": "the agent"}')
    if len(set(given)) > 1:
        found.note(place, f'of several agents the first is taken: "{given[0]}"')
    return given[0] if given else ""


def _prompt(at: KeyPath, data: Mapping[str, Any], found: Findings, *, needed: bool) -> str:
    prompts = [
        (key, fields.text(at, data, key, found))
        for key in ("prompt_template", "prompt")
        if data.get(key) is not None
    ]
    if len(prompts) > 1:
        found.note((*at, "prompt"), "left out: prompt_template is taken")
    if not prompts:
        return "{{input}}"
    key, text = prompts[0]
    if needed and not text.strip():
        found.wrong((*at, key), "must not be empty")
    return text
