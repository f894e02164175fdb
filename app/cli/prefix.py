"""Ids may be given by an unambiguous beginning, with or without their kind (`r-`, `ap-`)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar

from app.domain.base import RunId
from app.domain.errors import NotFound, Refused
from app.domain.run import RunState
from app.domain.session import Session
from app.link.client import Client

T = TypeVar("T")
RUN_KIND = "r-"
_RUNS = 10_000  # in which a session is looked for, newest first


def pick(given: str, among: Sequence[T], id_of: Callable[[T], str], what: str, see: str = "") -> T:
    """The one whose id is or begins with `given`; `see` is the command that lists them.

    Raises NotFound, or Refused for several.
    """
    exact = [one for one in among if id_of(one) == given]
    if exact:
        return exact[0]
    found = [one for one in among if _begins(id_of(one), given)]
    if not found:
        lists = f"; `{see}` lists them" if see else ""
        raise NotFound(f"there is no {what} {given!r}{lists}")
    if len(found) > 1:
        names = ", ".join(id_of(one) for one in found[:4]) + (", …" if len(found) > 4 else "")
        raise Refused(f"{given!r} could be any of {names}; give more of the id")
    return found[0]


def _begins(full: str, given: str) -> bool:
    return bool(given) and (full.startswith(given) or full.partition("-")[2].startswith(given))


async def find_run(client: Client, given: str) -> RunState:
    """The run whose id is or begins with `given`. Raises NotFound, or Refused for several."""
    try:
        return await client.run(RunId(given))
    except NotFound:
        if given.startswith(RUN_KIND):
            raise
        try:
            return await client.run(RunId(RUN_KIND + given))
        except NotFound:
            pass  # the first error names what was typed
        raise


async def find_session(client: Client, given: str) -> Session:
    """The session of an unfinished run whose id is or begins with `given`. Raises NotFound, or
    Refused for several."""
    runs = [run for run in await client.runs(_RUNS) if not run.state.terminal]
    states = [await client.run(run.run_id) for run in runs]
    sessions = [session for state in states for session in state.sessions.values()]
    return pick(given, sessions, lambda s: s.session_id, "session", see="longwatch show RUN")
