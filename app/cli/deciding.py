"""`--decide` and `--decisions`: answers given beforehand, for runs without a person."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

from app.cli.headless import Answers

F = TypeVar("F", bound=Callable[..., Any])


def decide_options(function: F) -> F:
    """The two options, of which one may be given."""
    with_file = click.option(
        "--decisions",
        type=click.Path(path_type=Path, exists=True, dir_okay=False),
        metavar="FILE",
        help="Answer questions as this file says (no screen).",
    )(function)
    return click.option(
        "--decide",
        type=click.Choice(["approve", "deny"]),
        help="Answer every question so (no screen).",
    )(with_file)


def read_answers(decide: str | None, decisions: Path | None) -> Answers | None:
    """Who answers; None: a person. Raises UsageError for both, ConfigError for a bad file."""
    if decide and decisions:
        raise click.UsageError("--decide and --decisions exclude each other")
    from app.demo.decisions import Decisions, load_decisions

    if decisions is not None:
        return load_decisions(decisions)
    if decide is None:
        return None
    return Decisions.blanket("deny" if decide == "deny" else "approve")
