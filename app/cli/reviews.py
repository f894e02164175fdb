"""`longwatch reviews | accept | reject`: judge what agents made."""

from __future__ import annotations

from collections.abc import Sequence

import click

from app.cli.options import chosen_store, json_option, store_option
from app.cli.output import ago, emit, report, say, table
from app.cli.prefix import pick
from app.cli.reach import AnyClient, ask
from app.cli.seen import marked, newly_seen
from app.domain.commands import Done, GiveVerdict
from app.domain.errors import NotFound
from app.domain.run import Review, ReviewState
from app.link.person import operator


@click.command("reviews")
@click.option("--all", "everything", is_flag=True, help="Closed ones as well.")
@json_option
@store_option
def reviews_command(everything: bool, as_json: bool) -> None:
    """List the artefacts that wait for a verdict."""

    async def work(client: AnyClient) -> tuple[Sequence[Review], frozenset[str]]:
        found = await client.reviews(open_only=not everything)
        ids = (each.review_id for each in found)
        return found, await newly_seen(client, ids, as_json=as_json)

    found, unseen = ask(chosen_store(), work)
    if as_json:
        return emit(found)
    if not found:
        return say("nothing waits for a verdict")
    rows = [
        (
            r.review_id,
            marked(r.state, r.review_id in unseen),
            r.run_id,
            ago(r.opened_at),
            ", ".join(r.by),
            f"{r.of}, version {r.of_attempt}",
        )
        for r in found
    ]
    return table(("review", "state", "run", "opened", "by", "artefact"), rows)


@click.command("accept")
@click.argument("review_id", metavar="ID")
@click.option("--reason", default="", help="A remark, kept with the verdict.")
@json_option
@store_option
def accept_command(review_id: str, reason: str, as_json: bool) -> None:
    """Accept the artefact under review ID; the run goes on."""
    _judge(review_id, True, reason, as_json)


@click.command("reject")
@click.argument("review_id", metavar="ID")
@click.option("--reason", required=True, help="What to change; the agent reads it.")
@json_option
@store_option
def reject_command(review_id: str, reason: str, as_json: bool) -> None:
    """Send the artefact under review ID back to its step, with the reason."""
    _judge(review_id, False, reason, as_json)


async def _read(client: AnyClient, given: str) -> Review:
    """The review as it stands now; the verdict then names the revision that was shown."""
    try:
        return pick(given, await client.reviews(), lambda r: r.review_id, "open review")
    except NotFound:
        every = await client.reviews(open_only=False)
        past = pick(given, every, lambda r: r.review_id, "review", see="longwatch reviews --all")
        why = "an agent judges first" if past.state is ReviewState.OPEN else f"it is {past.state}"
        raise NotFound(f"{past.review_id} does not wait for you: {why}") from None


def _judge(given: str, accept: bool, reason: str, as_json: bool) -> None:
    async def work(client: AnyClient) -> Done:
        review = await _read(client, given)
        return await client.execute(
            GiveVerdict(
                review_id=review.review_id,
                revision=review.revision,
                accept=accept,
                reason=reason,
                by=operator(),
            )
        )

    report(ask(chosen_store(), work), as_json)
