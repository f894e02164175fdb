"""`longwatch approvals | approve | deny | settle`: answer what agents ask."""

from __future__ import annotations

import asyncio
import sys
import textwrap
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click

from app.cli.given import file_text
from app.cli.options import chosen_store, json_option, store_option
from app.cli.output import ago, emit, note, report, say, table
from app.cli.prefix import pick
from app.cli.reach import AnyClient, ask
from app.cli.seen import marked, newly_seen
from app.domain.approval import Action, Approval, Scope, Settlement
from app.domain.commands import Command, DecideApproval, Done, EditApproval, SettleApproval
from app.domain.errors import NotFound, Refused
from app.link.person import operator

if TYPE_CHECKING:
    from app.domain.covered import Covered

_LIST = "longwatch approvals --all"


@click.command("approvals")
@click.option("--all", "everything", is_flag=True, help="Answered ones as well.")
@json_option
@store_option
def approvals_command(everything: bool, as_json: bool) -> None:
    """List the tool calls that wait for an answer, most pressing first."""

    async def work(client: AnyClient) -> tuple[Sequence[Approval], frozenset[str]]:
        found = await client.approvals(open_only=not everything)
        ids = (each.approval_id for each in found)
        return found, await newly_seen(client, ids, as_json=as_json)

    found, unseen = ask(chosen_store(), work)
    if as_json:
        return emit(found)
    if not found:
        return say("nothing waits for an answer")
    rows = [
        (
            a.approval_id,
            a.risk,
            marked(a.state, a.approval_id in unseen),
            a.run_id,
            a.agent,
            ago(a.requested_at),
            a.call.title,
        )
        for a in found
    ]
    return table(("approval", "risk", "state", "run", "agent", "asked", "what"), rows)


@click.command("approve")
@click.argument("approval_id", metavar="ID")
@click.option("--session", "scope", flag_value="session", help="Also its like, in this session.")
@click.option("--always", "scope", flag_value="always", help="Also its like, always (a rule).")
@click.option("--command", "text", metavar="TEXT", help="Allow this instead of what is asked.")
@click.option(
    "--edit-file",
    type=click.Path(path_type=Path, exists=True, dir_okay=False, allow_dash=True),
    help="The same, from a file (- for stdin).",
)
@click.option("--identical", is_flag=True, help="Also all pending calls that are the very same.")
@click.option("--dry-run", is_flag=True, help="Only show the rule, and the past calls it covers.")
@json_option
@store_option
def approve_command(
    approval_id: str,
    scope: str | None,
    text: str | None,
    edit_file: Path | None,
    identical: bool,
    dry_run: bool,
    as_json: bool,
) -> None:
    """Allow the tool call ID: once, unless told otherwise.

    Before a rule is written (--session, --always), the past calls it would have covered are shown.

    With a text, the call is changed first: its command, the content it writes, its arguments as
    JSON. What becomes riskier by it is not allowed at once.
    """
    if text is not None and edit_file is not None:
        raise click.UsageError("--command and --edit-file exclude each other")
    if identical and (scope or text is not None or edit_file is not None):
        raise click.UsageError("--identical allows each call once, as it is")
    if dry_run and not scope:
        raise click.UsageError("--dry-run shows the rule of --session or --always")
    if edit_file is not None:
        text = file_text(edit_file)
    reach = Scope(scope or "once")
    if dry_run:
        return _show_rule(approval_id, reach, as_json)
    if identical:
        return _decide_alike(approval_id, as_json, action=Action.ALLOW)
    return _decide(approval_id, as_json, action=Action.ALLOW, scope=reach, text=text)


@click.command("deny")
@click.argument("approval_id", metavar="ID")
@click.option("--reason", required=True, help="Why; the agent reads it.")
@click.option("--interrupt", is_flag=True, help="End the agent's turn as well.")
@click.option("--identical", is_flag=True, help="Also all pending calls that are the very same.")
@json_option
@store_option
def deny_command(
    approval_id: str, reason: str, interrupt: bool, identical: bool, as_json: bool
) -> None:
    """Forbid the tool call ID; the agent goes on with the reason in hand."""
    if not reason.strip():
        raise Refused("a denial needs a reason, for the agent to read: --reason …")
    answer = _decide_alike if identical else _decide
    answer(approval_id, as_json, action=Action.DENY, reason=reason, interrupt=interrupt)


@click.command("settle")
@click.argument("approval_id", metavar="ID")
@click.argument("settlement", type=click.Choice(["run-again", "treat-as-done", "abort"]))
@click.option("--reason", default="", help="Why; kept in the journal.")
@json_option
@store_option
def settle_command(approval_id: str, settlement: str, reason: str, as_json: bool) -> None:
    """Answer for the tool call ID whose outcome nobody recorded."""
    choice = Settlement(settlement.replace("-", "_"))

    async def work(client: AnyClient) -> Done:
        approval = await _read(client, approval_id)
        command = SettleApproval(
            approval_id=approval.approval_id,
            revision=approval.revision,
            settlement=choice,
            reason=reason,
            by=operator(),
        )
        return await _tell(client, command, approval)

    report(ask(chosen_store(), work), as_json)


def _decide(
    given: str,
    as_json: bool,
    *,
    action: Action,
    scope: Scope = Scope.ONCE,
    reason: str = "",
    interrupt: bool = False,
    text: str | None = None,
) -> None:
    async def work(client: AnyClient) -> Done:
        approval = await _read(client, given)
        if text is not None:
            approval = await _edit(client, approval, text)
        if scope is not Scope.ONCE:
            note(_rule_words(await client.covered(approval.approval_id, scope)))
            if sys.stdin.isatty() and sys.stderr.isatty():
                await asyncio.to_thread(click.confirm, "Write this rule?", abort=True, err=True)
        command = _decision(approval, action, scope, reason, interrupt)
        return await _tell(client, command, approval)

    report(ask(chosen_store(), work), as_json)


def _decision(
    approval: Approval,
    action: Action,
    scope: Scope = Scope.ONCE,
    reason: str = "",
    interrupt: bool = False,
) -> DecideApproval:
    return DecideApproval(
        approval_id=approval.approval_id,
        revision=approval.revision,
        action=action,
        scope=scope,
        reason=reason,
        interrupt=interrupt,
        by=operator(),
    )


def _decide_alike(
    given: str, as_json: bool, *, action: Action, reason: str = "", interrupt: bool = False
) -> None:
    """Answer a call and all that are the same; each by itself, with the revision that was read."""

    async def work(client: AnyClient) -> list[Done]:
        approvals = await _alike(client, await _read(client, given))
        note(f"{len(approvals)} identical call{'s' * (len(approvals) != 1)}:")
        done, refused = list[Done](), list[str]()
        for approval in approvals:
            command = _decision(approval, action, Scope.ONCE, reason, interrupt)
            try:
                done.append(await _tell(client, command, approval))
            except (Refused, NotFound) as error:
                refused.append(str(error))
        if refused:
            said = f"{len(done)} of {len(approvals)} answered; the rest waits: "
            raise Refused(said + "; ".join(refused))
        return done

    done = ask(chosen_store(), work)
    if as_json:
        return emit(done)
    return say("\n".join(each.message for each in done))


async def _alike(client: AnyClient, approval: Approval) -> list[Approval]:
    """The approval, and the others that wait for the same call; what was put off is left out."""
    from app.domain.identical import likeness

    now = datetime.now(UTC)
    mine = likeness(await client.run(approval.run_id), approval)
    found = [approval]
    for other in await client.approvals() if mine else ():
        put_off = other.snoozed_until is not None and other.snoozed_until > now
        if put_off or other.approval_id == approval.approval_id or other.risk != approval.risk:
            continue
        if likeness(await client.run(other.run_id), other) == mine:
            found.append(other)
    return found


def _show_rule(given: str, scope: Scope, as_json: bool) -> None:
    async def work(client: AnyClient) -> Covered:
        approval = await _read(client, given)
        return await client.covered(approval.approval_id, scope)

    covered = ask(chosen_store(), work)
    return emit(covered) if as_json else say(_rule_words(covered))


def _rule_words(covered: Covered) -> str:
    """The rule that would be written, and what of the past it matches, for a person to read."""
    from app.domain.covered import covered_lines, rule_text

    rule = textwrap.indent(rule_text(covered.rule), "  ")
    past = covered_lines(covered, lambda at: f"{ago(at):>8}")
    return "\n".join(["the rule that this answer writes:", rule, *past])


async def _edit(client: AnyClient, approval: Approval, text: str) -> Approval:
    """The question with the changed call. Raises Refused for one that became riskier by it."""
    if not (approval.editable or "").endswith("\n"):
        text = text.removesuffix("\n")  # the end of a file's last line
    edit = EditApproval(
        approval_id=approval.approval_id, revision=approval.revision, text=text, by=operator()
    )
    await client.execute(edit)
    changed = await _read(client, approval.approval_id)
    if changed.risk.rank > approval.risk.rank:
        why = "; ".join(changed.risk_reasons)
        raise Refused(
            f"the call is changed and {changed.risk} risk now, not {approval.risk}: {why}. Allow "
            f"it by `longwatch approve {changed.approval_id}`"
        )
    return changed


async def _read(client: AnyClient, given: str) -> Approval:
    """The question as it stands now; the answer then names the revision that was shown."""
    try:
        return pick(given, await client.approvals(), lambda a: a.approval_id, "open approval")
    except NotFound:
        answered = await client.approvals(open_only=False)
        past = pick(given, answered, lambda a: a.approval_id, "approval", see=_LIST)
        raise NotFound(f"{past.approval_id} is not open: it is {past.state}") from None


async def _tell(client: AnyClient, command: Command, approval: Approval) -> Done:
    place = f" in {approval.call.cwd}" if approval.call.cwd else ""
    note(f"{approval.approval_id} ({approval.risk} risk), asked by {approval.agent}{place}:")
    note("  " + (approval.call.command or approval.call.title))
    for change in approval.call.changes:
        note(f"  {change.change} {change.path}")
    return await client.execute(command)
