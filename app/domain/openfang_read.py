"""OpenFang's workflow JSON as it stands in the file, read field by field.

Both ways of writing it are read: as OpenFang stores a workflow (tagged modes, `prompt_template`,
`agent: {"name": …}`) and as its API takes one (flat: `prompt`, `agent_name`, `max_retries`).
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from app.domain.toml_lines import KeyPath
from app.domain.toml_messages import not_among, shown
from app.domain.toml_source import FileErrors, Problem, key_text

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


@dataclass(slots=True)
class Findings:
    """What is wrong with a file, and what its reader should know about it."""

    source: str
    problems: list[Problem] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def wrong(self, at: KeyPath, what: str) -> None:
        self.problems.append(Problem(what, key_text(at)))

    def note(self, at: KeyPath, what: str) -> None:
        place = key_text(at)
        self.notes.append(f"{place}: {what}" if place else what)

    def settle(self) -> None:
        """Raises FileErrors if anything is wrong."""
        if self.problems:
            raise FileErrors(self.source, tuple(self.problems))


def read_fang(text: str, found: Findings) -> FangWorkflow:
    """Read the JSON. Raises FileErrors with everything that is wrong."""
    data = _parsed(text, found.source)
    if not isinstance(data, dict):
        found.wrong((), 'must be one workflow: an object with "name" and "steps"')
        found.settle()
    _unknown((), data, _WORKFLOW_KEYS, found)
    listed = data.get("steps")
    if not isinstance(listed, list) or not listed:
        found.wrong(("steps",), "must be a list with at least one step")
        listed = []
    steps = [_step(("steps", i), step, found) for i, step in enumerate(listed)]
    name = _text((), data, "name", found, default="workflow")
    if "name" not in data:
        found.wrong(("name",), "this key is missing")
    read = FangWorkflow(
        id=_text((), data, "id", found),
        name=name,
        description=_text((), data, "description", found),
        created_at=_text((), data, "created_at", found),
        steps=tuple(step for step in steps if step is not None),
    )
    found.settle()
    return read


def _parsed(text: str, source: str) -> Any:
    try:
        data = json.loads(text, object_pairs_hook=_object, parse_constant=_no_number)
        # A half of a surrogate pair is no character: it cannot be written to any file.
        json.dumps(data, ensure_ascii=False).encode()
    except json.JSONDecodeError as error:
        what = f"not valid JSON: {error.msg} (column {error.colno})"
        raise FileErrors(source, (Problem(what, line=error.lineno),)) from None
    except UnicodeEncodeError:
        what = "not valid JSON: half of a surrogate pair (\\ud800 to \\udfff) stands alone"
        raise FileErrors(source, (Problem(what),)) from None
    except RecursionError:
        raise FileErrors(source, (Problem("objects or lists are nested too deep"),)) from None
    except ValueError as error:
        raise FileErrors(source, (Problem(f"not valid JSON: {error}"),)) from None
    return data


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict[str, Any]()
    for key, value in pairs:
        if key in found:
            raise ValueError(f'the key "{key}" stands twice in one object')
        found[key] = value
    return found


def _no_number(word: str) -> Any:
    raise ValueError(f"{word} is no number")


def _unknown(at: KeyPath, data: Mapping[str, Any], known: tuple[str, ...], found: Findings) -> None:
    for key in data:
        if key not in known:
            found.note((*at, key), "is no key of an OpenFang workflow; left out")


def _step(at: KeyPath, data: Any, found: Findings) -> FangStep | None:
    if not isinstance(data, dict):
        found.wrong(at, f"must be an object, not {shown(data)}")
        return None
    _unknown(at, data, _STEP_KEYS, found)
    mode, place, settings = _mode(at, data, found)
    error_mode, retries = _error_mode(at, data, found)
    number = at[-1]
    assert isinstance(number, int)
    name = _text(at, data, "name", found, default=f"step {number + 1}")
    common = FangStep(
        at=at,
        name=name,
        agent=_agent(at, data, found, needed=mode != "collect"),
        prompt=_prompt(at, data, found, needed=mode != "collect"),
        mode=mode,
        timeout_secs=_number(at, data, "timeout_secs", found, TIMEOUT, least=1, most=_MOST),
        error_mode=error_mode,
        max_retries=retries,
        output_var=_text(at, data, "output_var", found),
    )
    return _with_mode(common, place, settings, found)


def _mode(at: KeyPath, data: Mapping[str, Any], found: Findings) -> tuple[Mode, KeyPath, Any]:
    """The mode, and where its settings stand: in the mode's object or in the step."""
    value = data.get("mode", "sequential")
    place, settings, tagged = at, data, isinstance(value, dict) and len(value) == 1
    if isinstance(value, dict) and len(value) == 1:
        ((value, inner),) = value.items()
        place = (*at, "mode", value)
        settings = {} if inner is None else inner
    if not isinstance(value, str) or value not in _MODES:
        found.wrong((*at, "mode"), not_among(f"{shown(value)} is no mode", value, _MODES))
        return "sequential", at, {}
    mode: Mode = next(m for m in _MODES if m == value)
    if not isinstance(settings, dict):
        found.wrong(place, f"must be an object, not {shown(settings)}")
        settings = {}
    own = _SETTINGS.get(mode, ())
    if tagged:
        _unknown(place, settings, own, found)
    for key in _FLAT:
        if key in data and data[key] is not None and (tagged or key not in own):
            found.note((*at, key), f"has no meaning in mode {mode}; left out")
    return mode, place, settings


def _with_mode(step: FangStep, at: KeyPath, data: Any, found: Findings) -> FangStep:
    if step.mode == "conditional":
        return replace(step, condition=_needed(at, data, "condition", found))
    if step.mode == "loop":
        times = _number(at, data, "max_iterations", found, ITERATIONS, most=1000)
        return replace(step, until=_text(at, data, "until", found), max_iterations=times)
    if step.mode == "review":
        return replace(
            step,
            reject_if_contains=_needed(at, data, "reject_if_contains", found),
            return_to=_needed(at, data, "return_to_step", found),
            max_rejects=_number(at, data, "max_rejects", found, REJECTS, most=100),
        )
    return step


def _error_mode(at: KeyPath, data: Mapping[str, Any], found: Findings) -> tuple[ErrorMode, int]:
    value, place, settings = data.get("error_mode"), (*at, "error_mode"), data
    where: KeyPath = at
    tagged = isinstance(value, dict) and len(value) == 1
    if isinstance(value, dict) and len(value) == 1:
        ((value, inner),) = value.items()
        where = (*place, value)
        settings = {"max_retries": inner} if isinstance(inner, int) else inner or {}
    if value is None:
        value = "fail"
    if not isinstance(value, str) or value not in _ERROR_MODES:
        found.wrong(place, not_among(f"{shown(value)} is no error mode", value, _ERROR_MODES))
        return "fail", 0
    mode: ErrorMode = next(m for m in _ERROR_MODES if m == value)
    if not isinstance(settings, dict):
        found.wrong(where, f"must be an object, not {shown(settings)}")
        return mode, 0
    if tagged:
        _unknown(where, settings, ("max_retries",), found)
    if data.get("max_retries") is not None and (tagged or mode != "retry"):
        found.note((*at, "max_retries"), "has no meaning beside this error_mode; left out")
    if mode != "retry":
        return mode, 0
    return mode, _number(where, settings, "max_retries", found, RETRIES, most=100)


def _agent(at: KeyPath, data: Mapping[str, Any], found: Findings, *, needed: bool) -> str:
    """The agent's name or, where there is only that, its id."""
    value, place = data.get("agent"), (*at, "agent")
    if isinstance(value, dict):
        _unknown(place, value, ("id", "name"), found)
        names = [_text(place, value, key, found) for key in ("name", "id")]
    elif isinstance(value, str):
        names = [value]
    else:
        if value is not None:
            found.wrong(place, f"must be an object, not {shown(value)}")
        names = []
    names += [_text(at, data, key, found) for key in ("agent_name", "agent_id")]
    given = [name for name in names if name]
    if needed and not given:
        found.wrong(place, 'this key is missing: {"name": "the agent"}')
    if len(set(given)) > 1:
        found.note(place, f'of several agents the first is taken: "{given[0]}"')
    return given[0] if given else ""


def _prompt(at: KeyPath, data: Mapping[str, Any], found: Findings, *, needed: bool) -> str:
    prompts = [
        (key, _text(at, data, key, found))
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


def _needed(at: KeyPath, data: Mapping[str, Any], key: str, found: Findings) -> str:
    if data.get(key) is None:
        found.wrong((*at, key), "this key is missing")
        return ""
    return _text(at, data, key, found)


def _text(
    at: KeyPath, data: Mapping[str, Any], key: str, found: Findings, default: str = ""
) -> str:
    value = data.get(key)
    if value is None:
        return default
    if not isinstance(value, str):
        found.wrong((*at, key), f"must be a string, not {shown(value)}")
        return default
    return value


def _number(
    at: KeyPath,
    data: Mapping[str, Any],
    key: str,
    found: Findings,
    default: int,
    *,
    least: int = 0,
    most: int,
) -> int:
    """A whole number; more than `most` is taken as that much, and told."""
    value = data.get(key)
    if value is None:
        return default
    if isinstance(value, bool) or not isinstance(value, int):
        found.wrong((*at, key), f"must be a whole number, not {shown(value)}")
        return default
    if value < least:
        found.wrong((*at, key), f"must be at least {least}, not {shown(value)}")
    if value > most:
        found.note((*at, key), f"{most} is the most there can be; taken as that")
    return max(least, min(value, most))
