"""Options that many commands share."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

F = TypeVar("F", bound=Callable[..., Any])
_STORE = "longwatch.store"
CHOOSE = "choose another with --store or LONGWATCH_STORE"


def _remember_store(ctx: click.Context, _: click.Parameter, value: Path | None) -> None:
    """The option nearest to the command wins; `meta` is shared by a context and its children."""
    if value is not None:
        ctx.meta[_STORE] = value.expanduser().absolute()


def store_option(function: F) -> F:
    """`--store PATH`, before or after the command's name."""
    return click.option(
        "--store",
        type=click.Path(path_type=Path),
        metavar="PATH",
        expose_value=False,
        is_eager=True,
        callback=_remember_store,
        help="Folder of the store (default: LONGWATCH_STORE, or the platform's state folder).",
    )(function)


def json_option(function: F) -> F:
    """`--json`: one JSON document on stdout."""
    return click.option(
        "--json", "as_json", is_flag=True, help="Print one JSON document on stdout."
    )(function)


def max_wait_option(function: F) -> F:
    """`--max-wait SECONDS`: what waits for a person does not keep a script for ever."""
    return click.option(
        "--max-wait",
        type=click.FloatRange(min=0),
        metavar="SECONDS",
        help="No screen: exit with 3 when something has waited for a person so long (0: at once).",
    )(function)


def project_option(function: F) -> F:
    """`--project PATH`: which repository it is about."""
    return click.option("--project", type=click.Path(path_type=Path), help="The git repository.")(
        function
    )


def attach_option(function: F) -> F:
    """`--attach FILE`, as often as wanted: whole paths."""
    return click.option(
        "--attach",
        type=click.Path(exists=True, dir_okay=False, path_type=Path),
        multiple=True,
        callback=lambda _ctx, _param, given: tuple(str(path.absolute()) for path in given),
        help="A file that comes with it; may be given several times.",
    )(function)


def named_store() -> Path | None:
    """The store given by option, if any."""
    found: Path | None = click.get_current_context().meta.get(_STORE)
    return found


def environment_store() -> Path | None:
    """The store that LONGWATCH_STORE names, if any."""
    found = os.environ.get("LONGWATCH_STORE")
    return Path(found).expanduser().absolute() if found else None


def asked_store() -> Path:
    """The store that was asked for, whatever is there."""
    from app.store.paths import default_store

    return named_store() or default_store()


def chosen_store() -> Path:
    """The store this command works on. Raises StoreError for a file, and for a folder of somebody
    else that may not be looked into."""
    from app.domain.errors import StoreError

    store = asked_store()
    try:
        if store.is_dir():
            (store / "journal.head").exists()
        elif store.exists():
            raise StoreError(f"{store} is a file, and a store is a folder; {CHOOSE}")
    except PermissionError as error:
        raise StoreError(
            f"{store}: you may not look into it ({error.strerror}); {CHOOSE}"
        ) from error
    return store
