"""Who lists what waits for a person has seen it: how a command tells the supervisor."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from app.cli.reach import AnyClient
    from app.domain.attention import AttentionItem
    from app.domain.seen import Waiting


async def looked_at(
    client: AnyClient, wanted: Callable[[AttentionItem], bool], *, as_json: bool = False
) -> list[Waiting]:
    """What waits and is wanted, as it stood before this command shows it; from now on it counts
    as seen.

    A program that reads JSON is nobody who looks, and without a supervisor nobody is called:
    then there is nothing to tell.
    """
    if client.hosts or as_json:
        return []
    from app.domain.seen import sighting

    found = [one for one in await client.waiting() if wanted(one.item)]
    if found:
        await client.seen([sighting(one.item) for one in found])
    return found


async def newly_seen(client: AnyClient, ids: Iterable[str], *, as_json: bool) -> frozenset[str]:
    """Of items that this command shows, those that nobody had seen before."""
    shown = frozenset(ids)
    looked = await looked_at(client, lambda item: item.item_id in shown, as_json=as_json)
    return frozenset(one.item.item_id for one in looked if not one.seen)


def marked(state: str, unseen: bool) -> str:
    """A state, and whether nobody has seen it yet."""
    return f"{state}, unseen" if unseen else state
