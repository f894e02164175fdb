"""`longwatch past …`: conversations brought over from another system: read, and taken up."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TypeVar

import click

from app.cli.deciding import decide_options, read_answers
from app.cli.options import (
    attach_option,
    chosen_store,
    json_option,
    max_wait_option,
    project_option,
    store_option,
)
from app.cli.output import ago, emit, note, say, table
from app.cli.project import project_root
from app.cli.reach import AnyClient, client_of
from app.domain.commands import StartRun
from app.domain.past import PastEntry, PastFound, PastHit, PastKind, PastList, PastPage, PastSession
from app.domain.past_ref import PastId, PastRef
from app.domain.request import Request
from app.link.person import user_name

T = TypeVar("T")
_PAGE = 500  # entries asked for at once
_HEADS = {
    PastKind.USER: "user",
    PastKind.ASSISTANT: "agent",
    PastKind.THOUGHT: "thought",
    PastKind.TOOL_CALL: "call",
    PastKind.TOOL_RESULT: "result",
    PastKind.SUMMARY: "summary",
    PastKind.NOTE: "note",
}
NONE_YET = "no past sessions in {}: `longwatch migrate openclaw` brings them over"


def _ask(work: Callable[[AnyClient], Awaitable[T]]) -> T:
    """Reading needs no store that was there before: a project may be only just moving in."""

    async def within() -> T:
        async with client_of(chosen_store(), host=False, run=False) as client:
            return await work(client)

    return asyncio.run(within())


@click.group("past")
@store_option
def past_command() -> None:
    """Past sessions: what agents said before they moved in here."""


@past_command.command("list")
@click.option("--agent", default="", help="Only this agent's.")
@click.option("-n", "--limit", type=click.IntRange(1, 10_000), default=50, show_default=True)
@project_option
@json_option
@store_option
def list_command(agent: str, limit: int, project: Path | None, as_json: bool) -> None:
    """List past sessions, the newest first."""
    root = str(project_root(project))
    found: PastList = _ask(lambda client: client.past_sessions(root, limit, agent))
    for problem in found.problems:
        note(problem)
    if as_json:
        return emit(found)
    if not found.sessions:
        return say(NONE_YET.format(found.folder))
    now = datetime.now(UTC)
    rows = [
        (s.past_id, ago(s.last, now) if s.last else "", count(s), s.origin, s.title)
        for s in found.sessions
    ]
    table(("ID", "LAST", "MESSAGES", "WHERE", "BEGINS WITH"), rows)
    if found.total > len(found.sessions):
        say(f"… {found.total - len(found.sessions):,} more: --limit {found.total}")
    return None


def count(session: PastSession) -> str:
    """How many messages it has, as far as that is known."""
    return f"{'~' if session.estimated else ''}{session.messages:,}"


@past_command.command("search")
@click.argument("text")
@click.option("--agent", default="", help="Only this agent's sessions.")
@click.option("-n", "--limit", type=click.IntRange(1, 10_000), default=50, show_default=True)
@project_option
@json_option
@store_option
def search_command(text: str, agent: str, limit: int, project: Path | None, as_json: bool) -> None:
    """Find entries in which all words of TEXT stand, the newest session first."""
    root = str(project_root(project))
    if not text.strip():
        raise click.BadParameter("a search needs some words", param_hint="TEXT")

    async def work(client: AnyClient) -> PastFound:
        hits: list[PastHit] = []
        after = None
        while True:
            part = await client.past_search(root, text, after, min(1_000, limit), agent)
            hits += part.hits
            after = part.next
            if after is None or len(hits) >= limit:
                return part.model_copy(update={"hits": tuple(hits[:limit])})

    found = _ask(work)
    if as_json:
        return emit(found)
    if not found.hits:
        return say(f"nothing in {found.total:,} past sessions")
    for hit in found.hits:
        when = f" {hit.entry.at:%Y-%m-%d %H:%M}" if hit.entry.at else ""
        say(f"{hit.past_id}:{hit.entry.line}{when} [{_head(hit.entry)}] {hit.entry.text}")
    if found.next is not None:
        say(f"… {found.searched:,} of {found.total:,} sessions searched: --limit finds more")
    return None


@past_command.command("show")
@click.argument("past_id", metavar="ID")
@click.option("--from", "first", type=click.IntRange(1), default=1, help="Begin at this line.")
@click.option("-n", "--limit", type=click.IntRange(1), help="So many entries (default: all).")
@project_option
@json_option
@store_option
def show_command(
    past_id: str, first: int, limit: int | None, project: Path | None, as_json: bool
) -> None:
    """Print what was said in past session ID (as `past list` names it; a beginning will do)."""
    root = str(project_root(project))

    async def work(client: AnyClient) -> None:
        at: int | None = first
        left = limit
        found: list[PastPage] = []
        while at is not None and (left is None or left > 0):
            size = _PAGE if left is None else min(_PAGE, left)
            page = await client.past_page(root, PastId(past_id), at, size)
            if left is not None:
                page = page.model_copy(update={"entries": page.entries[:left]})
                left -= len(page.entries)
            if as_json:
                found.append(page)
            else:
                _print_page(page)
            at = page.next
        if as_json:
            emit(_joined(found))

    _ask(work)


@past_command.command("resume")
@click.argument("past_id", metavar="ID")
@click.argument("text", metavar="[PROMPT]", default="Go on where we left off.")
@click.option(
    *("-w", "--workflow", "--agent"),
    "workflow",
    help="The workflow that takes it up (default: the one called like the session's agent).",
)
@project_option
@click.option("--headless", is_flag=True, help="No screen: follow the run here until it is over.")
@attach_option
@decide_options
@max_wait_option
@json_option
@store_option
def resume_command(
    past_id: str,
    text: str,
    workflow: str | None,
    project: Path | None,
    headless: bool,
    attach: tuple[str, ...],
    decide: str | None,
    decisions: Path | None,
    max_wait: float | None,
    as_json: bool,
) -> int:
    """Start a run whose first agent goes on with past session ID: PROMPT is said to it next.

    That agent must be the built-in one (driver = "model"). The session itself stays as it is.
    """
    from app.cli.run import run_headless, run_on_screen

    root = project_root(project)
    past = PastRef(past_id=PastId(past_id))
    request = Request(text=text, user=user_name(), channel="cli", past=past)
    command = StartRun(request=request, project=str(root), workflow=workflow, attach=attach)
    answers = read_answers(decide, decisions)
    if headless or as_json or answers is not None or max_wait is not None:
        return run_headless(chosen_store(), command, answers, as_json, max_wait)
    return run_on_screen(chosen_store(), command, "")


def _joined(pages: Sequence[PastPage]) -> PastPage:
    """Pages that follow each other as one."""
    entries = tuple(entry for page in pages for entry in page.entries)
    problems = tuple(problem for page in pages for problem in page.problems)
    last = pages[-1]
    bad = sum(page.bad for page in pages)
    update = {"first": pages[0].first, "entries": entries, "problems": problems, "bad": bad}
    return last.model_copy(update=update)


def _print_page(page: PastPage) -> None:
    for problem in page.problems:
        note(problem)
    for entry in page.entries:
        when = f"{entry.at:%Y-%m-%d %H:%M:%S} " if entry.at else ""
        images = f" [{entry.images} image{'s' * (entry.images != 1)}]" if entry.images else ""
        say(f"{when}[{_head(entry)}]{images} {entry.text}")


def _head(entry: PastEntry) -> str:
    failed = ", failed" if entry.failed else ""
    return f"{_HEADS[entry.kind]}{f' {entry.tool}' if entry.tool else ''}{failed}"
