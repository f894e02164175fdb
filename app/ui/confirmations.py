"""What is read before a grave answer: what would happen, what a rule covers. No Textual."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import datetime

from app.domain.approval import Approval, Scope
from app.domain.covered import Covered, covered_lines, rule_text
from app.domain.request import Risk
from app.domain.run import RunState
from app.domain.text import one_line
from app.ui.answers import Reason, Sure, Why
from app.ui.cards import command_rows
from app.ui.page import BLANK, Row, lines, row

_LISTED = 20  # identical calls that are named; the rest is counted


def sure_words(
    sure: Sure, covered: Covered | None, state_of: Callable[[Approval], RunState]
) -> tuple[str, list[Row], str]:
    """Title, text and what the confirming key does."""
    approval, count = sure.approvals[0], len(sure.approvals)
    rows = list(_what(approval))
    risks = [BLANK, *(row(f"· {why}", hang="  ") for why in approval.risk_reasons)]
    match sure.why:
        case Why.ALWAYS:
            title = "Always allow? From now on, in every run of this project:"
            return title, [*rows, BLANK, *_covered(covered)], "write the rule and allow"
        case Why.AGAIN:
            twice = row("If it ran already, it runs a second time.")
            return "Run it again?", [*rows, BLANK, twice], "run it again"
        case Why.ALIKE:
            critical = "Critical risk: allow" if approval.risk is Risk.CRITICAL else "Allow"
            rows += [*risks, BLANK, *_each(sure.approvals, state_of)]
            return f"{critical} all {count} identical calls?", rows, f"allow these {count} once"
    far = "for the whole session" if sure.scope is Scope.SESSION else "this once"
    rows += risks
    if covered is not None:
        rows += [BLANK, *_covered(covered)]
    return f"Critical risk: allow {far}?", rows, f"allow {far}"


def denied_words(reason: Reason) -> tuple[str, str]:
    """Title of the dialog that asks why, and the name its draft is kept under."""
    approval = reason.each[0][1]
    then = "Deny and end the turn" if reason.interrupt else "Deny"
    many = f" all {len(reason.each)}" if len(reason.each) > 1 else ""
    return f"{then}{many}: {one_line(approval.call.title, 100)}", f"deny-{approval.approval_id}"


def _what(approval: Approval) -> Iterator[Row]:
    call = approval.call
    yield from command_rows(call.command or call.title)
    for change in () if call.command else call.changes:
        yield row((f"  {change.change:<7} {change.path}", "command"), tone="command")


def _each(
    approvals: tuple[Approval, ...], state_of: Callable[[Approval], RunState]
) -> Iterator[Row]:
    yield row("Each is answered by itself; one that changes meanwhile is left waiting:")
    for approval in approvals[:_LISTED]:
        run = state_of(approval).run
        where = f"{approval.step}, agent {approval.agent}"
        yield row(f"· {one_line(run.request.title, 60)} ({run.run_id}): {where}", hang="  ")
    if len(approvals) > _LISTED:
        yield row(f"  and {len(approvals) - _LISTED} more")


def _covered(covered: Covered | None) -> Iterator[Row]:
    """The rule as it would stand in a file, and the past calls that it matches."""
    if covered is None:
        return
    yield from lines(rule_text(covered.rule), tone="code", first="  ", rest="  ")
    yield BLANK
    for line in covered_lines(covered, _when):
        yield row(line, hang="  " if line.startswith("·") else "")


def _when(at: datetime) -> str:
    return at.astimezone().strftime("%Y-%m-%d %H:%M")
