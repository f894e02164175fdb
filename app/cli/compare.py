"""`longwatch compare A B`: whether two answers agree, as a rollout would judge them."""

from __future__ import annotations

import difflib
from pathlib import Path
from typing import Any

import click

from app.cli.options import json_option
from app.cli.output import emit, say
from app.domain.compare import MASKS, CompareRule, Comparison, Outcome, compare
from app.domain.compare_check import rule_problems
from app.domain.errors import ConfigError

DISAGREE, UNKNOWN = 1, 3
_MOST_LINES = 200  # of the difference that is printed


class Compared(Comparison):
    """A comparison with the reference's word for it."""

    outcome_token: Outcome


@click.command("compare")
@click.argument("stable", type=click.Path(path_type=Path))
@click.argument("candidate", type=click.Path(path_type=Path))
@click.option(
    "--by",
    type=click.Choice(["exact", "normalized", "json", "similarity"]),
    default="normalized",
    show_default=True,
)
@click.option("--ignore", multiple=True, metavar="PATH", help="JSON: a path that does not count.")
@click.option("--unordered", multiple=True, metavar="PATH", help="JSON: a list in any order.")
@click.option("--sets", multiple=True, metavar="PATH", help="JSON: a list without repeats.")
@click.option("--tolerance", type=float, default=0.0, help="JSON: of numbers, absolute.")
@click.option("--relative-tolerance", type=float, default=0.0, help="JSON: 0.01 is 1 %.")
@click.option("--mask", multiple=True, help=f"Does not count: {', '.join(MASKS)}, or a pattern.")
@click.option("--similarity", type=float, default=0.9, show_default=True, help="From 0 to 1.")
@json_option
def compare_command(stable: Path, candidate: Path, as_json: bool, **options: Any) -> int:
    """Compare the text in STABLE with the one in CANDIDATE.

    Exits 0 when they agree, 1 when they do not, 3 when it cannot be told.
    """
    rule = CompareRule(**options) if not (bad := _bad(options)) else None
    if rule is None:
        raise click.UsageError(bad)
    one, other = _read(stable), _read(candidate)
    try:
        found = compare(one, other, rule)
    except TimeoutError as error:
        raise ConfigError("a --mask pattern takes too long on these texts") from error
    if as_json:
        emit(Compared(**found.model_dump(), outcome_token=found.outcome))
    else:
        _print(found, one, other)
    return UNKNOWN if found.agrees is None else int(not found.agrees)


def _bad(options: dict[str, Any]) -> str:
    """What is wrong with the options, in one sentence; "" when nothing is."""
    from pydantic import ValidationError

    try:
        rule = CompareRule(**options)
    except ValidationError as error:
        first = error.errors()[0]
        return f"--{str(first['loc'][0]).replace('_', '-')}: {first['msg'].lower()}"
    return next((problem for _, problem in rule_problems((), rule)), "")


def _read(path: Path) -> str:
    from app.engine.project import read_file

    return read_file(path, str(path))


def _print(found: Comparison, one: str, other: str) -> None:
    words = {True: "they agree", False: "they do not agree", None: "it cannot be told"}
    said = f"{words[found.agrees]} ({found.by})"
    say(f"{said}: {found.why}" if found.why else said)
    same = "the same" if found.matches else "the same but for whitespace"
    say(f"texts: {same if found.normalized_matches else 'different'} ({found.outcome})")
    if found.first_mismatch_index is not None:
        say(f"first difference at character {found.first_mismatch_index}")
    if found.score is not None:
        say(f"alike: {found.score:.1%}")
    for difference in found.differences:
        say(f"  {difference.path}: {difference.kind} {difference.stable} -> {difference.candidate}")
    if found.more_differences:
        say(f"  and {found.more_differences} more")
    if not found.matches and not found.differences:
        lines = difflib.unified_diff(
            one.splitlines(), other.splitlines(), "stable", "candidate", lineterm=""
        )
        for number, line in enumerate(lines):
            if number == _MOST_LINES:
                return say("…")
            say(line)
    return None
