"""`longwatch cancel | retry | rules`: steer runs, and see the rules that answers made."""

from __future__ import annotations

import click

from app.cli.given import stdin_text
from app.cli.options import chosen_store, json_option, store_option
from app.cli.output import ago, emit, report, say, table
from app.cli.prefix import find_run, pick
from app.cli.reach import AnyClient, ask
from app.domain.approval import RuleMatch
from app.domain.commands import CancelRun, Done, RemoveRule, RetryRun
from app.link.person import operator


@click.command("cancel")
@click.argument("run_id", metavar="RUN")
@click.option("--reason", default="", help="Why; kept in the journal.")
@json_option
@store_option
def cancel_command(run_id: str, reason: str, as_json: bool) -> None:
    """Cancel RUN: its agents are stopped, its work so far is kept."""

    async def work(client: AnyClient) -> Done:
        run = (await find_run(client, run_id)).run
        return await client.execute(CancelRun(run_id=run.run_id, reason=reason, by=operator()))

    report(ask(chosen_store(), work), as_json)


@click.command("retry")
@click.argument("run_id", metavar="RUN")
@click.option("--step", default="", help="Only this step; without it, all that stands still.")
@click.option("--branch", default="", help="Only this branch of the step.")
@click.option("--prompt", default="", help="Ask the step's agent this instead ('-': read stdin).")
@json_option
@store_option
def retry_command(run_id: str, step: str, branch: str, prompt: str, as_json: bool) -> None:
    """Take the blocked or failed RUN up again where it stopped."""
    text = stdin_text() if prompt == "-" else prompt

    async def work(client: AnyClient) -> Done:
        run = (await find_run(client, run_id)).run
        command = RetryRun(run_id=run.run_id, step=step, branch=branch, prompt=text, by=operator())
        return await client.execute(command)

    report(ask(chosen_store(), work), as_json)


@click.group("rules", invoke_without_command=True)
@json_option
@store_option
@click.pass_context
def rules_command(ctx: click.Context, as_json: bool) -> None:
    """List the rules that answers "always" and "for this session" have made."""
    if ctx.invoked_subcommand is not None:
        return None
    found = ask(chosen_store(), lambda c: c.rules())
    if as_json:
        return emit(found)
    if not found:
        return say("no rules were made by answers; those of longwatch.toml are not listed here")
    rows = [
        (r.rule_id, r.rule.action, str(r.by), ago(r.at), r.project, conditions(r.rule.match))
        for r in found
    ]
    return table(("rule", "action", "by", "made", "project", "matches"), rows)


@rules_command.command("remove")
@click.argument("rule_id", metavar="ID")
@json_option
@store_option
def remove_command(rule_id: str, as_json: bool) -> None:
    """Remove the rule ID; what it allowed is asked again from now on."""

    async def work(client: AnyClient) -> Done:
        rule = pick(
            rule_id, await client.rules(), lambda r: r.rule_id, "rule", see="longwatch rules"
        )
        return await client.execute(RemoveRule(rule_id=rule.rule_id, by=operator()))

    report(ask(chosen_store(), work), as_json)


def conditions(match: RuleMatch) -> str:
    """A rule's conditions in one line."""
    return " ".join(f"{key}={value}" for key, value in match if value is not None) or "anything"
