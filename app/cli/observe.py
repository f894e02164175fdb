"""`longwatch trace | metrics | usage`: how a run went, how all of them do, what they use."""

from __future__ import annotations

from collections.abc import Sequence

import click

from app.cli.options import chosen_store, json_option, store_option
from app.cli.output import emit, say, table
from app.cli.prefix import find_run
from app.cli.reach import AnyClient, ask
from app.domain.base import RunId
from app.domain.day_budget import DayBudget
from app.domain.errors import NotFound, Refused
from app.domain.metrics import MEANINGS, prometheus
from app.domain.reducer import reduce
from app.domain.run import Run, RunState
from app.domain.session import Usage
from app.domain.trace import TraceEntry, entries_of
from app.domain.usage import MAX_DAYS, UsageOfDay, money, total

_PAGE = 1000
_TRACE_KIND = "tr-"


@click.command("trace")
@click.argument("given", metavar="TRACE_OR_RUN")
@json_option
@store_option
def trace_command(given: str, as_json: bool) -> None:
    """Print every decision, dispatch, execution and review of a run, given by its trace id or
    its own id, or the beginning of either. With --json an unknown id is an empty list."""
    if not given:
        raise click.BadParameter("an empty id names no run", param_hint="TRACE_OR_RUN")

    async def work(client: AnyClient) -> list[TraceEntry] | None:
        run_id = await _find(client, given)
        return None if run_id is None else await _trace(client, run_id)

    found = ask(chosen_store(), work)
    if as_json:
        return emit(found or [])
    if found is None:
        raise NotFound(f"there is no run and no trace {given!r}; `longwatch runs` lists them")
    return _print(found)


async def _find(client: AnyClient, given: str) -> RunId | None:
    """The run that is meant. Raises Refused when it could be one of several."""
    runs = await _by_trace(client, given)
    for run in runs:
        if run.trace_id == given:
            return run.run_id
    fits = {run.run_id: f"trace {run.trace_id} of run {run.run_id}" for run in runs}
    try:
        found = (await find_run(client, given)).run
    except NotFound:
        pass  # it may still be a trace
    else:
        if found.run_id == given:
            return found.run_id
        fits[found.run_id] = f"run {found.run_id}"
    if len(fits) > 1:
        raise Refused(f"{given!r} could be any of {', '.join(fits.values())}; give more of the id")
    return next(iter(fits), None)


async def _by_trace(client: AnyClient, given: str) -> list[Run]:
    """The first few runs that fit: what more there are would not make it clearer."""
    found = list(await client.runs(4, given))
    if not found and not given.startswith(_TRACE_KIND):
        found = list(await client.runs(4, _TRACE_KIND + given))
    return found


async def _trace(client: AnyClient, run_id: RunId) -> list[TraceEntry]:
    entries: list[TraceEntry] = []
    state: RunState | None = None
    after = 0
    while page := await client.events(run_id, after, _PAGE):
        for event in page:
            entries += entries_of(event, state)
            state = reduce(state, event)
        after = page[-1].seq
    return entries


def _print(entries: list[TraceEntry]) -> None:
    if entries:
        say(f"trace {entries[0].trace_id} of run {entries[0].run_id}")
    heads = ("seq", "at", "category", "outcome", "step", "detail")
    rows = [
        (
            str(e.seq),
            f"{e.at.astimezone():%Y-%m-%d %H:%M:%S}",
            e.category,
            e.outcome,
            e.step or "-",
            e.detail,
        )
        for e in entries
    ]
    table(heads, rows)


@click.command("metrics")
@click.option("--prometheus", "as_prometheus", is_flag=True, help="In Prometheus' text format.")
@json_option
@store_option
def metrics_command(as_prometheus: bool, as_json: bool) -> None:
    """Print seven numbers about all runs of the store, counted now from its journal.

    Terminal are runs that are done, failed or canceled at present. A blocked run is neither
    terminal nor a failure: it can be resumed.
    """
    if as_prometheus and as_json:
        raise click.UsageError("give either --json or --prometheus, not both")
    found = ask(chosen_store(), lambda c: c.metrics())
    if as_json:
        return emit(found)
    if as_prometheus:
        return say(prometheus(found))
    values = found.model_dump()
    rows = [(name, _number(values[name]), meaning) for name, meaning in MEANINGS.items()]
    return table(("metric", "value", "meaning"), rows)


@click.command("usage")
@click.option(
    "--days",
    type=click.IntRange(1, MAX_DAYS),
    default=7,
    show_default=True,
    help="How many, today included.",
)
@json_option
@store_option
def usage_command(days: int, as_json: bool) -> None:
    """Print tokens and known costs of the last days, by day and agent, over all runs; before them
    what is left of today's budgets."""

    async def work(client: AnyClient) -> tuple[Sequence[UsageOfDay], Sequence[DayBudget]]:
        return await client.usage(days), (await client.status()).budgets

    found, budgets = ask(chosen_store(), work)
    if as_json:
        return emit(found)
    _print_budgets(budgets)
    if not found:
        when = "today" if days == 1 else f"in the last {days} days"
        return say(f"no agent has told what it used {when}")
    rows = [(str(one.day), one.agent, str(one.runs), *_spent(one.usage)) for one in found]
    rows.append(("in all", "", "", *_spent(total(one.usage for one in found))))
    return table(("day", "agent", "runs", "tokens", "input", "output", "cached", "cost"), rows)


def _print_budgets(budgets: Sequence[DayBudget]) -> None:
    """What is left today, before the table of what was used."""
    for budget in budgets:
        where = f" {budget.project}" if budget.project else ""
        granted = ", with what was granted" if budget.granted else ""
        say(f"budget {budget.account}{where}: {budget.words()}{granted}")
    if budgets:
        say()


def _spent(used: Usage) -> tuple[str, ...]:
    tokens = (used.total_tokens, used.input_tokens, used.output_tokens, used.cached_tokens)
    cost = "-" if used.cost_usd is None else money(used.cost_usd)
    return (*(f"{number:,}" for number in tokens), cost)


def _number(value: int | float) -> str:
    return str(value) if isinstance(value, int) else f"{value:.3f}"
