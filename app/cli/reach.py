"""How a command reaches the store's supervisor, for as long as it needs it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias, TypeVar

from app.domain.errors import StoreError
from app.link.connect import connect
from app.link.errors import LinkLost
from app.link.local import LocalClient
from app.store.paths import StorePaths

if TYPE_CHECKING:
    from app.link.remote import SocketClient

T = TypeVar("T")
_TIMES = 5  # that a supervisor may be on its way out just when it is asked
AnyClient: TypeAlias = "LocalClient | SocketClient"


@asynccontextmanager
async def client_of(store: Path, *, host: bool, run: bool) -> AsyncIterator[AnyClient]:
    """A client that is let go of on every way out (see `app.link.connect.connect`)."""
    client = await connect(store, host=host, run=run)
    try:
        yield client
    finally:
        await client.close()


def ask(store: Path, work: Callable[[AnyClient], Awaitable[T]]) -> T:
    """Do one script command's work on a store that exists: attached, or with the store taken
    for that long and no agents started. Raises StoreError when there is no store.

    A supervisor that stops meanwhile is no matter as long as nothing was changed: `work` is done
    anew then, with the next one or none.
    """
    paths = StorePaths(store)
    # With a head there was one: who opens it says so.
    if not (paths.database.exists() or paths.head.exists()):
        raise StoreError(
            f'{store}: there is no store here yet; `longwatch run "…"` or `longwatch up` makes one'
        )

    def again(client: AnyClient, lost: LinkLost) -> bool:
        if client.changed:
            raise LinkLost(f"{lost}, before it said what came of this") from lost
        return True

    return asyncio.run(served(store, work, again=again, host=False, run=False))


async def served(
    store: Path,
    work: Callable[[AnyClient], Awaitable[T]],
    *,
    again: Callable[[AnyClient, LinkLost], bool],
    host: bool,
    run: bool,
    moved: Callable[[], object] = lambda: None,
) -> T:
    """Do `work` with the supervisor there is, or as that; and with the next one when it stopped
    meanwhile and `again` says that this is to be done.

    That happens a few times in a row at most; the row ends when `moved` says something new.
    """
    times, before = 0, moved()
    while True:
        async with client_of(store, host=host, run=run) as client:
            try:
                return await work(client)
            except LinkLost as lost:
                if not again(client, lost):
                    raise
                gone = lost
        times, before = (times + 1 if moved() == before else 1), moved()
        if times == _TIMES:
            raise LinkLost(
                f"{gone}; that was so {times} times in a row, with a supervisor each time that "
                "ended before it had done anything here: nothing is lost, try again"
            ) from gone
