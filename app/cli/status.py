"""`longwatch status`: who hosts this store, how it is, and what waits for you."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

import click

from app.cli.options import chosen_store, json_option, store_option
from app.cli.output import ago, say, span, write
from app.cli.seen import marked
from app.domain.text import one_line
from app.link.glance import Glance, Said
from app.store.paths import StorePaths


@click.command("status")
@json_option
@store_option
def status_command(as_json: bool) -> None:
    """Say whether a supervisor runs on this store, how it is, and what waits for you."""
    store = chosen_store()
    status, waiting = _look(store, as_json)
    if as_json:
        return _document(store, status)
    if status is None:
        return say(f"no supervisor runs on {store}")
    started = datetime.fromisoformat(status["started_at"])
    say(f"process {status['pid']} on {status['host']} hosts {store} since {ago(started)}")
    version, sqlite = status["version"], status["sqlite"]
    say(f"Longwatch {version}, SQLite {sqlite}, journal at {status['seq']}")
    if status["problem"]:
        say(f"PROBLEM: {status['problem']}")
    return _say_waiting(status, waiting)


def _look(store: Path, as_json: bool) -> tuple[Said | None, Sequence[Said]]:
    """What the supervisor says; who reads JSON is nobody who looks (see `app.cli.seen`)."""
    try:
        with Glance(StorePaths(store).socket) as glance:
            status = glance.status()
            return status, [] if as_json else glance.look()
    except (FileNotFoundError, NotADirectoryError, ConnectionError):
        from app.link.connect import deaf_holder

        if (deaf := deaf_holder(store)) is not None:
            raise deaf from None
        return None, []


def _document(store: Path, status: Said | None) -> None:
    said = {
        "store": str(store),
        "socket": str(StorePaths(store).socket),
        "hosted": status is not None,
        "status": status,
    }
    write(json.dumps(said, indent=2) + "\n")


def _say_waiting(status: Said, waiting: Sequence[Said]) -> None:
    if not waiting:
        return say("nothing waits for you")
    unseen = f", {status['unseen']} of them unseen" if status["unseen"] else ""
    longest = f" (for {span(status['unseen_seconds'])})" if status["unseen"] else ""
    say(f"{status['waiting']} waiting for you{unseen}{longest}:")
    for one in waiting:
        item = one["item"]
        risk = f" ({item['risk']} risk)" if item["risk"] else ""
        kind = marked(f"{item['kind']}{risk}", not one["seen"])
        say(f"  {kind}: {one_line(item['title'], 200)}, run {item['run_id'] or '-'}")
    return None
