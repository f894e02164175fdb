"""`longwatch events | log | diff`: what happened, what was said, what was changed."""

from __future__ import annotations

from contextlib import aclosing
from typing import Any

import click

from app.cli.options import chosen_store, json_option, store_option
from app.cli.output import emit, emit_line, flush, note, say
from app.cli.prefix import find_run
from app.cli.reach import AnyClient, ask
from app.domain.base import RunId
from app.domain.events import Event
from app.domain.feed import Committed, Ended, Snapshot
from app.domain.session import Chunk, Session
from app.domain.text import one_line

_PAGE = 1000


@click.command("events")
@click.argument("run_id", metavar="[RUN]", required=False)
@click.option("--after", default=0, help="Only events after this sequence number.")
@click.option("-f", "--follow", is_flag=True, help="Go on printing; with --json one line each.")
@json_option
@store_option
def events_command(run_id: str | None, after: int, follow: bool, as_json: bool) -> None:
    """Print the journal's events, of RUN or of all, in order."""

    async def work(client: AnyClient) -> None:
        full = (await find_run(client, run_id)).run.run_id if run_id else None
        if follow:
            return await _follow(client, full, after, as_json)
        found = await _all_events(client, full, after)
        if as_json:
            return emit(found)
        for event in found:
            say(event_line(event))
        return None

    ask(chosen_store(), work)


async def _all_events(client: AnyClient, run_id: RunId | None, after: int) -> list[Event]:
    found: list[Event] = []
    while page := await client.events(run_id, found[-1].seq if found else after, _PAGE):
        found.extend(page)
    return found


async def _follow(client: AnyClient, run_id: RunId | None, after: int, as_json: bool) -> None:
    """First what the journal has, then what comes; sequence numbers keep it free of repeats."""
    show = emit_line if as_json else _say_event
    feed: Any = client.feed()
    async with aclosing(feed):
        async for item in feed:
            new: list[Event] = []
            if isinstance(item, Snapshot):
                new = await _all_events(client, run_id, after)
            elif isinstance(item, Committed):
                new = [e for e in item.events if e.seq > after and run_id in (None, e.run_id)]
            elif isinstance(item, Ended):
                note(f"longwatch: {item.why}")
            for event in new:
                show(event)
                after = event.seq
            flush()


def _say_event(event: Event) -> None:
    say(event_line(event))


def event_line(event: Event) -> str:
    """One event on one line."""
    payload = event.payload.model_dump(mode="json", exclude={"type"})
    said = " ".join(f"{k}={one_line(str(v), 60)}" for k, v in payload.items() if v)
    where = f" {event.run_id}" if event.run_id else ""
    return f"{event.seq:>6} {event.at:%Y-%m-%d %H:%M:%S}{where} {event.payload.type} {said}"


@click.command("log")
@click.argument("run_id", metavar="RUN")
@click.option("--step", default="", help="Only this step's sessions.")
@json_option
@store_option
def log_command(run_id: str, step: str, as_json: bool) -> None:
    """Print the transcript of RUN's sessions."""

    async def work(client: AnyClient) -> list[tuple[Session, list[Chunk]]]:
        state = await find_run(client, run_id)
        chosen = [s for s in state.sessions.values() if not step or s.step == step]
        return [(s, await _transcript(client, s)) for s in chosen]

    found = ask(chosen_store(), work)
    if as_json:
        return emit([chunk for _, chunks in found for chunk in chunks])
    for session, chunks in found:
        say(f"== {session.step} · {session.agent} · {session.session_id} · {session.continuity}")
        _print_chunks(chunks)
    return None


async def _transcript(client: AnyClient, session: Session) -> list[Chunk]:
    found: list[Chunk] = []
    while True:
        before = found[0].ordinal if found else None
        page = list(await client.transcript(session.run_id, session.session_id, before, _PAGE))
        if not page:
            return found
        found = page + found


def _print_chunks(chunks: list[Chunk]) -> None:
    """Chunks of one item are pieces of one text: joined up to its end, under their kind."""
    item: tuple[str, str] | None = None
    text = ""
    for chunk in chunks:
        if item is not None and item != (chunk.kind, chunk.item_id):
            say(f"[{item[0]}] {text}")
            text = ""
        item = (chunk.kind, chunk.item_id)
        text += chunk.text
        if chunk.end:
            say(f"[{chunk.kind}] {text}")
            item, text = None, ""
    if item is not None:
        say(f"[{item[0]}] {text}")


@click.command("diff")
@click.argument("run_id", metavar="RUN")
@click.option("--step", default="", help="Only what this step changed.")
@click.option("--attempt", default=0, help="Only this attempt of the step (default: its last).")
@json_option
@store_option
def diff_command(run_id: str, step: str, attempt: int, as_json: bool) -> None:
    """Print the unified diff of RUN's work."""

    async def work(client: AnyClient) -> str:
        run = (await find_run(client, run_id)).run
        return await client.diff(run.run_id, step, attempt)

    found = ask(chosen_store(), work)
    if as_json:
        return emit({"diff": found})
    return say(found.rstrip("\n")) if found else say("no changes")
