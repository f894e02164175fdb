"""What is wrong with a comparison rule, told when the configuration is loaded."""

from __future__ import annotations

from collections.abc import Iterator

from app.domain.compare import MASKS, CompareRule
from app.domain.compare_json import parse_path
from app.domain.toml_lines import KeyPath

_ONLY_FOR = {
    "ignore": "json",
    "unordered": "json",
    "sets": "json",
    "tolerance": "json",
    "relative_tolerance": "json",
    "similarity": "similarity",
    "command": "command",
    "agent": "judge",
    "prompt": "judge",
}


def rule_problems(at: KeyPath, rule: CompareRule) -> Iterator[tuple[KeyPath, str]]:
    """All that can be told without the rest of the configuration."""
    for key in ("ignore", "unordered", "sets"):
        for i, path in enumerate(getattr(rule, key)):
            try:
                parse_path(path)
            except ValueError as error:
                yield (*at, key, i), str(error)
    unknown = [(i, mask) for i, mask in enumerate(rule.mask) if mask not in MASKS]
    if unknown:
        import regex  # at start-up only where a mask is one's own

        for i, mask in unknown:
            try:
                regex.compile(mask)
            except regex.error as error:
                yield (*at, "mask", i), f"{mask!r} is neither a mask nor a pattern: {error}"
    for key, by in _ONLY_FOR.items():
        default = CompareRule.model_fields[key].default
        if key in rule.model_fields_set and getattr(rule, key) != default and rule.by != by:
            yield (*at, key), f'only for by = "{by}"'
    if rule.by == "judge" and not rule.agent:
        yield at, 'by = "judge" needs `agent`, who judges'
    if rule.by == "command" and not rule.command:
        yield at, 'by = "command" needs `command`, a program and its arguments'
